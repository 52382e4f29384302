"""Known faults of stored models: in the card, on the page, on the command line, and in no fingerprint."""

import functools
import json

import pytest
from helpers.checkpoints import FIELDS, KINDS, edit, refused, write_shelf
from helpers.cli import invoke, rows
from streamlit.testing.v1 import AppTest

from robust_core import splits
from robust_core.certify import base_classifiers
from robust_core.errors import BadInput, MissingResource
from robust_core.models import cards, encoder_cards, loading
from robust_core.models.card_files import write_card
from robust_core.models.known_faults import list_known_faults
from robust_core.paths import CHECKPOINTS, ROOT
from robust_core.runs import fingerprint_model

FAULT = "It learnt 9 *texts* of the test split."
NAMES = {"word model": "sst2/cnn/base", "encoder": "simcse", "base classifiers": "smoothed/digits"}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with a checkpoint of each kind, which holds all that is shipped."""
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "checkpoints").mkdir()
    return write_shelf(tmp_path / "checkpoints")


def clear(root, kind):
    edit(root, kind, lambda values: values.pop("known_faults", None))


@pytest.mark.parametrize("kind", NAMES)
def test_a_fault_on_a_card_is_listed_and_one_of_an_older_card_is_not(root, kind):
    clear(root, kind)
    read = {"word model": cards.read_card, "encoder": encoder_cards.read,
            "base classifiers": base_classifiers.read_card}[kind]
    folder = root / KINDS[kind][0]
    assert list_known_faults(NAMES[kind]) == read(folder).known_faults == ()
    edit(root, kind, lambda values: values.update(known_faults=[FAULT, "Another."]))
    assert list_known_faults(NAMES[kind]) == read(folder).known_faults == (FAULT, "Another.")
    assert write_card(read(folder), root / "copy", []).known_faults == (FAULT, "Another.")
    assert json.loads((root / "copy" / "card.json").read_text())["known_faults"] == [FAULT, "Another."]


def test_a_classifier_on_an_encoder_has_the_encoder_s_faults(root):
    edit(root, "encoder", lambda values: values.update(known_faults=[FAULT]))
    assert list_known_faults("encoders/simcse/mr") == list_known_faults("simcse") == (FAULT,)
    for unknown in ("minilm", "sst2/cnn/nosuch", "", "../checkpoints", "org/some-model", "/tmp", "a\0b", "x" * 5_000):
        assert list_known_faults(unknown) == ()


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("faults", ["a text", [1], None, {"a": 1}, ["two\nlines"], ["\x1b[2J"], ["x"] * 21,
                                    ["x" * 2001]])
def test_faults_that_are_no_lines_are_refused(root, kind, faults):
    edit(root, kind, lambda values: values.update(known_faults=faults))
    refused(root, kind)
    with pytest.raises(BadInput, match="damaged; restore card.json"):
        list_known_faults(NAMES[kind])


def test_a_fault_changes_no_fingerprint(root):
    clear(root, "word model")
    before = fingerprint_model(loading.load("sst2/cnn/base", "cpu"))
    edit(root, "word model", lambda values: values.update(known_faults=[FAULT]))
    model = loading.load("sst2/cnn/base", "cpu")
    assert model.card is not None and model.card.known_faults == (FAULT,)
    assert fingerprint_model(model) == before


def test_the_command_line_says_them(root):
    edit(root, "word model", lambda values: values.update(known_faults=[FAULT]))
    edit(root, "transformer", lambda values: values.update(known_faults=[FAULT]))
    found = {row["model"]: row["known_faults"] for row in rows(invoke("models", "--json"))}
    assert found == {"sst2/cnn/base": [FAULT], "sst2/minilm/base": [FAULT]}
    told = " ".join(invoke("models").stdout.split())
    assert f"Known fault of sst2/cnn/base, sst2/minilm/base: {FAULT}" in told


def test_the_page_shows_them_as_they_stand(root):
    clear(root, "transformer")
    edit(root, "word model", lambda values: values.update(known_faults=[FAULT]))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run().switch_page("pages/9_Models.py").run()
    assert not at.exception
    shown, = (warning.value for warning in at.warning if "Known fault" in warning.value)
    assert "9 \\*texts\\* of the test split" in shown
    overview = at.dataframe[0].value
    assert overview.set_index("Model")["Known faults"].dropna().to_dict() == {"CNN · base": 1}


# --- The shipped models ---------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("dataset", ["sst2", "trec", "ag_news", "reviews"])
def test_shipped_models_that_learnt_texts_of_later_splits_say_so(dataset):
    """Against the data, where they are here; a model trained without them bears the mark of what it came from."""
    for path in sorted(path for place in (f"{dataset}/*/*", f"smoothed/{dataset}")
                       for path in CHECKPOINTS.glob(f"{place}/card.json")):
        values = json.loads(path.read_text())
        data = values["data"]
        # Which texts were drawn is told by their number, as then.
        most = tuple((split, data[split]["n"] + data[split].get("dropped_overlap", 0)) for split in splits.LATER)
        try:
            found = load_texts(dataset, most)
        except MissingResource as missing:
            pytest.skip(str(missing))
        older = "dropped_overlap" not in data["train"]
        assert data["train"]["sha256"] == (found.drawn if older else found.data["train"]["sha256"]), path
        wrong = older and any(found.data[split]["dropped_overlap"] for split in splits.LATER)
        # What it went on from, or is made of.
        parents = (values.get("config", {}).get("start"), *map(values.get("defence", {}).get, ("core", "correction")))
        wrong = wrong or any(says_trained_on(json.loads((CHECKPOINTS / parent / "card.json").read_text()))
                             for parent in parents if parent)
        assert says_trained_on(values) == wrong, path


def says_trained_on(values):
    return any(line.startswith("Trained on ") for line in values.get("known_faults", ()))


@functools.cache
def load_texts(dataset, most):
    return splits.load_training_texts(dataset, None, dict(most))


def test_shipped_flat_models_of_transformers_and_encoders_say_what_is_wrong():
    for card in cards.cards():
        shipped = card.folder.is_relative_to(CHECKPOINTS) and card.defence_name == "flat" and \
            card.architecture not in cards.WORD_MODELS
        assert any("[CLS]" in line for line in card.known_faults) == shipped, card.id
    for card in encoder_cards.cards():
        told = " ".join(card.known_faults)
        assert ("left_out" in card.corpus) or ("MR" in told and "SUBJ" in told)
        assert ("left_out" in card.dev) or "STS" in told
