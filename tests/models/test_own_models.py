"""Models that people bring: taken in as zip, folder or hub id, tried, kept with a card, removed."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.cli import invoke
from helpers.library_models import write_library_model
from helpers.model_zips import pack

from robust_core import datasets, owners, paths
from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.evaluation import preflight
from robust_core.evaluation.evaluate import evaluate
from robust_core.models import loading, model_zips, own_models, staging
from robust_core.models.cards import IMPORTED
from robust_core.store import ResultStore
from robust_core.types import Example

CLASSES = {2: ["negative", "positive"], 3: ["bad", "good", "so-so"], 6: list("abcdef")}


def write(folder: Path, name: str, classes: int = 2) -> Path:
    labels = {i: f"LABEL_{i}" for i in range(classes)}
    return write_library_model(folder, name, id2label=labels, label2id={v: k for k, v in labels.items()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "films", "distilbert")


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "deberta"])
def test_a_model_is_taken_in_tried_and_kept_with_its_answers(tmp_path, name, classes):
    made = write(tmp_path / "films", name, classes)
    staged = model_zips.stage_zip("Films v2.zip", pack(made))
    model = loading.load(str(staged.folder), "cpu")
    rows = [Example(f"a film number {i}", i % classes) for i in range(20)]
    found = preflight.run_preflight(model, rows)
    assert (found.architecture, len(found.labels), found.proba.shape) == (name, classes, (25, classes))
    names = CLASSES[classes]
    assert preflight.check_names(found.labels).verdict == preflight.LOOK
    assert preflight.check_names(names).verdict == preflight.FINE
    right = sum(int(p.argmax()) == e.label for p, e in zip(found.proba[5:], rows, strict=True))
    assert f"{right} of 20 texts" in preflight.check_accuracy(found, names, names).line
    assert {check.name for check in found.checks} == {"Probabilities", "Length", "Words", "Gradients"}
    card = own_models.keep_model(staged, model, "Films", names)
    assert card.id == f"{IMPORTED}/{name}/films" and card.labels == tuple(names) and card.is_imported
    assert card.parameters == found.parameters and card.config["source"] == "Films v2.zip"
    kept = loading.load(card.id, "cpu")
    assert np.array_equal(kept.predict_proba(found.texts), found.proba) and kept.labels == card.labels
    assert not list(paths.staged_models().iterdir()) and own_models.list_kept_models() == [card]
    own_models.remove_model(card.id)
    assert own_models.list_kept_models() == [] and not card.folder.exists()
    with pytest.raises(UnknownName):
        own_models.remove_model(card.id)


def test_a_kept_model_is_attacked_and_its_files_are_checked(folder):
    staged = staging.stage_folder(str(folder))
    assert (folder / "config.json").is_file(), "a folder is copied"
    card = own_models.keep_model(staged, loading.load(str(staged.folder), "cpu"), "x", CLASSES[2])
    again = staging.stage_folder(str(folder))
    assert own_models.keep_model(again, loading.load(str(again.folder), "cpu"), "x", CLASSES[2]).id == f"{card.id}-2"
    model = loading.load(card.id, "cpu")
    store = ResultStore()
    rows = [event.data for event in evaluate([model], "reviews", "test", [ATTACKS["textfooler"](max_queries=20)], n=3,
                                             seed=0, store=store) if event.kind == "row"]
    assert rows[-1]["model"] == card.id and rows[-1]["n"] == 3
    store.close()
    with (card.folder / "config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(BadInput, match="config.json does not match its card"):
        loading.load(card.id, "cpu")


def test_weights_in_several_files_are_taken_and_kept(tmp_path, folder):
    import transformers

    transformers.AutoModelForSequenceClassification.from_pretrained(folder).save_pretrained(
        tmp_path / "parts", max_shard_size="20KB")
    for path in folder.glob("*token*"):
        shutil.copy(path, tmp_path / "parts")
    staged = staging.stage_folder(str(tmp_path / "parts"))
    card = own_models.keep_model(staged, loading.load(str(staged.folder), "cpu"), "parts", CLASSES[2])
    assert "model.safetensors" not in card.files and len([name for name in card.files if "-of-" in name]) > 1
    texts = ["a good film", "bad"]
    assert np.allclose(loading.load(card.id, "cpu").predict_proba(texts),
                       loading.load(str(folder), "cpu").predict_proba(texts), atol=1e-6)


def test_the_command_line_lists_and_asks_a_kept_model(folder):
    staged = staging.stage_folder(str(folder))
    card = own_models.keep_model(staged, loading.load(str(staged.folder), "cpu"), "x", CLASSES[2])
    listed = json.loads(invoke("models", "--json").stdout)
    assert next(row for row in listed["results"] if row["model"] == card.id)["dev_accuracy"] is None
    assert card.id in invoke("models").stdout
    asked = invoke("predict", "a good film", "--model", card.id, "--json")
    assert {*json.loads(asked.stdout)["results"][0]["proba"]} == {*CLASSES[2]}


def test_a_model_kept_by_one_person_is_no_other_ones(folder):
    with owners.act_for("ann"):
        staged = model_zips.stage_zip("a.zip", pack(folder))
        card = own_models.keep_model(staged, loading.load(str(staged.folder), "cpu"), "x", CLASSES[2])
        assert paths.count_models() == (1, 1)
    with owners.act_for("bob"):
        assert own_models.list_kept_models() == [] and paths.count_models() == (0, 1)
        with pytest.raises(UnknownName):
            own_models.remove_model(card.id)
        with pytest.raises(BadInput, match="cannot be named here"):
            staging.stage_folder(str(folder))


@pytest.mark.parametrize(("labels", "line"), [
    (["a"], "has 2 classes, not 1"), (["a", "A"], "same name"), (["", "b"], "needs a name"),
    (["a" * 81, "b"], "needs a name")])
def test_names_of_classes_that_do_not_fit_are_one_line(labels, line):
    with pytest.raises(BadInput, match=line):
        own_models.check_labels(labels, 2)


# --- Checks ------------------------------------------------------------------------------------------

def answer(proba: list[list[float]], rows: int = 0) -> preflight.Preflight:
    found = np.asarray(proba, dtype=np.float32)
    return preflight.Preflight("bert", ("a", "b"), 1, 10, ("",) * len(found), found,
                               tuple(Example("", i % 2) for i in range(rows)), ())


def test_one_answer_and_no_answer_are_told():
    assert "always answers 'b'" in preflight.check_answers(answer([[0.2, 0.8]] * 9), ("a", "b")).line
    assert "undecided" in preflight.check_answers(answer([[0.51, 0.49], [0.49, 0.51]]), ("a", "b")).line
    assert preflight.check_answers(answer([[0.9, 0.1], [0.1, 0.9]]), ("a", "b")).verdict == preflight.FINE


@pytest.mark.parametrize(("shift", "line", "verdict"), [(0, "100", "fine"), (1, "0 ", "look")])
def test_accuracy_says_what_speaks_for_swapped_names(shift, line, verdict):
    proba = [[0.5, 0.5]] * 5 + [[0.9, 0.1] if (i + shift) % 2 == 0 else [0.1, 0.9] for i in range(20)]
    check = preflight.check_accuracy(answer(proba, 20), ("no", "yes"), ("no", "yes"))
    assert check.line.startswith(line) and check.verdict == verdict
    assert ("right order" in check.advice) is bool(shift)
    other = preflight.check_accuracy(answer(proba, 20), ("no", "yes"), ("yes", "no"))
    assert "same classes in the order yes, no" in other.line
    assert "Not measured" in preflight.check_accuracy(answer(proba, 20), ("no", "yes"), ("x", "y")).line
    assert "Not measured" in preflight.check_accuracy(answer(proba), ("no", "yes"), ()).line


def test_saturated_cut_and_unknown_are_told(folder, monkeypatch):
    model = loading.load(str(folder), "cpu")
    for weight in (model.net.model.classifier.weight, model.net.model.classifier.bias):
        weight.mul_(100)
    long = [Example("good film " * 60, 0), Example("\u4f60\u597d \u3053\u3093 " * 9, 1)]
    checks = {check.name: check for check in preflight.run_preflight(model, long).checks}
    assert "saturated: above 0.999 on 7 of 7 texts" in checks["Probabilities"].line
    assert "1 of 7 texts is cut" in checks["Length"].line and checks["Length"].advice
    assert "% of the words are unknown" in checks["Words"].line and checks["Words"].verdict == preflight.LOOK


@pytest.fixture(scope="module")
def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_does_not_belong_is_left_out_and_named(files):
    staged = model_zips.stage_zip("films.zip", pack(files | {"pytorch_model.bin": b"\x80", "run.py": b"x",
                                                             "checkpoint-1/config.json": b"{}"}))
    assert {*staged.left_out} == {"films/pytorch_model.bin", "films/run.py", "films/checkpoint-1/config.json"}
    assert {path.name for path in staged.folder.iterdir()} <= {*files}


def test_no_more_than_two_are_staged_at_a_time(files):
    for _ in range(4):
        model_zips.stage_zip("films.zip", pack(files))
    assert len(list(paths.staged_models().iterdir())) == 2


@pytest.mark.parametrize("name", ["", "nowhere", "/nowhere", "a\0b", "x" * 5000])
def test_a_folder_that_is_none_is_one_line(name):
    with pytest.raises(BadInput):
        staging.stage_folder(name)


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc", "a/b/c", "a b", "a\\b", "~", "http://x", "\ud800"])
def test_what_is_no_hub_id_is_one_line(name):
    with pytest.raises(BadInput, match="is no Hugging Face id"):
        staging.stage_hub(name)


def test_a_hub_that_is_not_reached_is_one_line(monkeypatch):
    monkeypatch.setattr(staging, "is_reachable", lambda name: False)
    with pytest.raises(MissingResource, match="upload a zip"):
        staging.stage_hub("somebody/films")


def test_the_size_of_a_models_files_is_asked_before_they_are_fetched(monkeypatch, folder):
    import huggingface_hub

    fetched = []
    sizes = [SimpleNamespace(rfilename="model.safetensors", size=10**10)]
    monkeypatch.setattr(staging, "is_reachable", lambda name: True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(
        model_info=lambda name, **_: SimpleNamespace(siblings=sizes)))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: fetched.append(name) or str(folder))
    with pytest.raises(BadInput, match="10,000 MB; 2,000 MB are the most"):
        staging.stage_hub("somebody/films")
    sizes[0].size = 10**6
    assert staging.stage_hub("somebody/films").source == "Hugging Face somebody/films" and fetched == ["somebody/films"]


def test_the_names_of_data_sets_leave_that_of_own_models_free():
    assert IMPORTED not in datasets.DATASETS and os.sep not in IMPORTED and "-" in IMPORTED
