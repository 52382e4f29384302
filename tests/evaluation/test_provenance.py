"""What an outcome rests on is part of its run's id and stands in its row."""

import dataclasses
import json
import types
from pathlib import Path
from typing import Any

import pytest
from helpers.doubles import BagOfWords, Counting, Planted, WordEncoder, WordFiller, WordReader
from helpers.tables import forget_tables, scramble_neighbours

from robust_core import ATTACKS, EXPLAINERS, datasets, encoders, file_hashes, version
from robust_core.attacks.base import Attack
from robust_core.datasets import LabelledTexts
from robust_core.evaluation import provenance
from robust_core.evaluation.evaluate import evaluate
from robust_core.models import hub, loading, masked_lm
from robust_core.resources import _tables, fingerprints
from robust_core.resources.encoder import WEIGHTS_SHA256
from robust_core.runs import Run, fingerprint_model
from robust_core.store import ResultStore
from robust_core.types import Example

TEXTS = LabelledTexts(datasets.describe("reviews"), "test", [
    Example("a terrible movie with a boring story and awful acting", 0, "r/0"),
    Example("a good film with a clever plot", 1, "r/1"), Example("dull and predictable", 0, "r/2"),
    Example("brilliant performances in a charming story", 1, "r/3")])


@pytest.fixture(autouse=True)
def light(monkeypatch):
    """Compare sentences and fill blanks without loading a model; leave no table in memory behind."""
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setattr(masked_lm, "load", lambda name, device: WordFiller({"good": ("bad",), "bad": ("good",)}, ()))
    monkeypatch.setattr(file_hashes, "_READ", {})
    forget_tables()
    yield
    forget_tables()


@pytest.fixture(scope="module")
def cnn():
    return loading.load("sst2/cnn/base", "cpu")


@dataclasses.dataclass(frozen=True)
class Declares(Planted):
    """Plants words, and says that it looks into something."""

    uses = ("masked-model", "sentence-encoder")


def measure(model, attack: Attack, store: ResultStore | None = None, **options: Any) -> tuple[list[dict], int]:
    """Return the rows of an evaluation, and how many texts were attacked for them."""
    events = list(evaluate([model], TEXTS, "test", [attack], store=store, **options))
    return [dict(e.data) for e in events if e.kind == "row"], sum(e.result is not None for e in events)


def outcome(row: dict[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in row.items() if not name.startswith("seconds")}


def test_a_scrambled_table_gives_another_run_and_never_old_rows(cnn, tmp_path, monkeypatch):
    store = ResultStore(tmp_path / "runs")
    (right,), attacked = measure(cnn, ATTACKS["textfooler"](), store)
    (swaps,), _ = measure(cnn, ATTACKS["pwws"](), store)
    assert attacked == len(TEXTS.examples)
    with monkeypatch.context() as patch:
        patch.setattr(_tables, "TABLES", scramble_neighbours(tmp_path / "tables"))
        forget_tables()
        (wrong,), attacked = measure(cnn, ATTACKS["textfooler"](), store)
        assert attacked == len(TEXTS.examples) and wrong["run"] != right["run"]
        texts = [[r.perturbed for r in store.results(row["run"])] for row in (right, wrong)]
        assert texts[0] != texts[1] and outcome(wrong) != outcome(right)
        assert {k for k, v in right["rests_on"].items() if wrong["rests_on"][k] != v} == {"table neighbours"}
        assert measure(cnn, ATTACKS["pwws"](), store) == ([swaps], 0), "it looks into no neighbours"
        (alone,), _ = measure(cnn, ATTACKS["textfooler"](), ResultStore(tmp_path / "empty"))
        assert outcome(alone) == outcome(wrong)
    forget_tables()
    (again,), attacked = measure(cnn, ATTACKS["textfooler"](), store)
    assert attacked == 0 and again == right


def change_engine(patch, folder: Path) -> None:
    patch.setattr(version, "ENGINE", version.ENGINE + 1)


def change_encoder(patch, folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")
    sums = {path.name: file_hashes.sha256(path) for path in folder.iterdir()}
    (folder / "card.json").write_text(json.dumps({"sha256": sums, "parent_sha256": WEIGHTS_SHA256}))
    patch.setenv("ROBUST_ENCODER", str(folder))


def change_masked_model(patch, folder: Path) -> None:
    (folder / "masked" / "minilm").mkdir(parents=True)
    for name in ("card.json", "model.safetensors"):
        (folder / "masked" / "minilm" / name).write_text("other")
    patch.setenv("ROBUST_CHECKPOINTS", str(folder))


@pytest.mark.parametrize(("change", "seen"), [
    (change_engine, {"engine"}), (change_encoder, {"encoder minilm", "masked-model minilm"}),
    (change_masked_model, {"masked-model minilm"})])
def test_another_engine_encoder_or_masked_model_is_another_run(change, seen, tmp_path, monkeypatch):
    store = ResultStore(tmp_path / "runs")
    (before,), _ = measure(BagOfWords(), Declares(), store)
    with monkeypatch.context() as patch:
        (tmp_path / "other").mkdir()
        change(patch, tmp_path / "other")
        (after,), attacked = measure(BagOfWords(), Declares(), store)
        assert attacked == len(TEXTS.examples) and after["run"] != before["run"]
        assert {k for k, v in before["rests_on"].items() if after["rests_on"][k] != v} == seen
    (again,), attacked = measure(BagOfWords(), Declares(), store)
    assert (again["run"], attacked) == (before["run"], 0)
    for row in (before, after):
        stored = store.runs()[row["run"]]
        # Model and data stand in the run by themselves; antonyms are counted in the row, no result rests on them.
        assert {k for k, v in row["rests_on"].items() if stored.rests_on.get(k) != v} == {
            "model double/bag-of-words", "data reviews/test", "table antonyms"}
        assert stored.id == row["run"]


def test_a_masked_model_of_a_hub_is_known_by_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "find_folder", lambda name, what: tmp_path / name)
    (tmp_path / "bert-base-uncased").mkdir()
    (tmp_path / "bert-base-uncased" / "model.safetensors").write_text("weights")
    named = ATTACKS["bae"](masked_model="bert-base-uncased").rests_on()
    assert "masked-model minilm" not in named
    assert named["masked-model bert-base-uncased"] == fingerprints.fingerprint_folder(tmp_path / "bert-base-uncased")
    assert "masked-model minilm" in ATTACKS["bae"]().rests_on()


def test_each_kind_of_row_says_what_it_rests_on():
    one, two = BagOfWords(), BagOfWords(id="double/second")
    data = {"data reviews/test": datasets.hash_examples(TEXTS.examples)}
    engine = {"engine": str(version.ENGINE)}
    models = [{f"model {model.id}": fingerprint_model(model)} for model in (one, two)]
    clean, = (dict(e.data) for e in evaluate([one], TEXTS) if e.kind == "row")
    assert clean["rests_on"] == engine | models[0] | data
    events = evaluate([one, two], TEXTS, "test", [ATTACKS["pwws"]()], transfer=True, explain=[EXPLAINERS["loo"]()],
                      reader=WordReader())
    rows = [dict(e.data) for e in events if e.kind == "row"]
    under = fingerprints.describe(["stop-words", "wordnet", "sentence-encoder"])
    summed = fingerprints.describe(["antonyms"]) | provenance.describe_reader("double/reader")
    assert len(rows) == 2 * (1 + 2) + 2
    for row in rows[:6]:
        mine = models[row["model"] == two.id]
        assert row["rests_on"] == engine | mine | data | under | summed
    for row in rows[6:]:
        assert row["rests_on"] == engine | models[0] | models[1] | data | under
    assert set(summed) == {"table antonyms", "masked-model double/reader"}


def test_a_reader_that_is_packaged_has_its_fingerprint():
    expected = {"masked-model minilm": fingerprints.fingerprint_table("masked-model")}
    assert provenance.describe_reader("minilm") == expected


@pytest.mark.parametrize(("parent", "based"), [("", False), ("0" * 64, False), (WEIGHTS_SHA256, True)])
def test_a_model_on_the_packaged_encoder_rests_on_it(parent, based):
    model = Counting(BagOfWords())
    model.card = types.SimpleNamespace(files={"model.safetensors": "ab"}, config={}, parent=parent)
    found = provenance.describe_model(model)
    assert found == {"model double/bag-of-words": fingerprint_model(model)} | (
        fingerprints.describe(["sentence-encoder"]) if based else {})


def test_shipped_models_say_which_encoder_they_stand_on():
    assert set(provenance.describe_model(loading.load("sst2/cnn/base", "cpu"))) == {"model sst2/cnn/base"}
    assert set(provenance.describe_model(loading.load("sst2/minilm/base", "cpu"))) == {
        "model sst2/minilm/base", "encoder minilm"}


def test_only_runs_that_rest_on_what_is_here_are_current(tmp_path, monkeypatch):
    store = ResultStore(tmp_path / "runs")
    (row,), _ = measure(BagOfWords(), ATTACKS["pwws"](), store)
    run = store.runs()[row["run"]]
    assert provenance.is_current(run)
    old = Run(run.method, run.models, run.data, run.seed, run.versions, run.device)
    assert not provenance.is_current(old) and old.id != run.id, "an earlier version wrote nothing down"
    assert not provenance.is_current(dataclasses.replace(run, method={"name": "no such attack"}))
    change_engine(monkeypatch, tmp_path)
    assert not provenance.is_current(run)
