"""Models that people bring: taken in as zip, folder or hub id, tried, kept with a card, removed."""

import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.library_models import write_library_model
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import datasets, paths
from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.evaluation import preflight
from robust_core.evaluation.evaluate import evaluate
from robust_core.models import loading, model_zips, own_models, staging
from robust_core.models.cards import IMPORTED
from robust_core.models.weight_files import INDEX
from robust_core.store import ResultStore
from robust_core.types import Example

CLASSES = {2: ["negative", "positive"], 3: ["bad", "good", "so-so"], 6: list("abcdef")}


def write(folder: Path, name: str, classes: int = 2) -> Path:
    labels = {i: f"LABEL_{i}" for i in range(classes)}
    return write_library_model(folder, name, id2label=labels, label2id={v: k for k, v in labels.items()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "films", "distilbert")


def pack(files: dict[str, bytes] | Path, top: str = "films/") -> io.BytesIO:
    content = io.BytesIO()
    if isinstance(files, Path):
        files = {path.name: path.read_bytes() for path in files.iterdir()}
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{top}{name}", data)
    content.seek(0)
    return content


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


def test_a_model_kept_by_one_person_is_no_other_ones(folder):
    with paths.act_for("ann"):
        staged = model_zips.stage_zip("a.zip", pack(folder))
        card = own_models.keep_model(staged, loading.load(str(staged.folder), "cpu"), "x", CLASSES[2])
        assert paths.count_models() == (1, 1)
    with paths.act_for("bob"):
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
    assert "1 of 7 texts are cut" in checks["Length"].line and checks["Length"].advice
    assert "% of the words are unknown" in checks["Words"].line and checks["Words"].verdict == preflight.LOOK


# --- Zips that are refused ---------------------------------------------------------------------------

def make_link(files: dict[str, bytes]) -> io.BytesIO:
    content = pack(files)
    with zipfile.ZipFile(content, "a") as archive:
        entry = zipfile.ZipInfo("films/vocab.txt")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return content


def change(find: bytes, put: bytes) -> Callable[[dict[str, bytes]], io.BytesIO]:
    return lambda files: io.BytesIO(pack(files).getvalue().replace(find, put))


def set_flag(files: dict[str, bytes]) -> io.BytesIO:
    data = bytearray(pack(files).getvalue())
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    return io.BytesIO(bytes(data))


def pack_as(kind: int) -> Callable[[dict[str, bytes]], io.BytesIO]:
    def make(files: dict[str, bytes]) -> io.BytesIO:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", kind) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return content

    return make


def list_many(files: dict[str, bytes]) -> io.BytesIO:
    return pack(files | {f"x{i}.txt": b"" for i in range(2_001)})


def list_far_too_many(files: dict[str, bytes]) -> io.BytesIO:
    return pack({f"{'x' * 150}{i}.txt": b"" for i in range(12_000)})


def without(*names: str, **more: bytes) -> Callable[[dict[str, bytes]], io.BytesIO]:
    return lambda files: pack({k: v for k, v in files.items() if k not in names} | {
        name.replace("_DOT_", "."): data for name, data in more.items()})


REFUSED: dict[str, tuple[Callable[[dict[str, bytes]], io.BytesIO], str]] = {
    "empty": (lambda files: io.BytesIO(), "cannot be read as a zip"),
    "text": (lambda files: io.BytesIO(b"hello"), "cannot be read as a zip"),
    "tar": (lambda files: io.BytesIO(b"\x1f\x8b\x08" + bytes(600)), "cannot be read as a zip"),
    "cut": (lambda files: io.BytesIO(pack(files).getvalue()[:-200]), "cannot be read as a zip"),
    "damaged": (lambda files: io.BytesIO(bytes(
        byte ^ (0x55 if 300 < i < 900 else 0) for i, byte in enumerate(pack(files).getvalue()))), "cannot be read as"),
    "no entries": (lambda files: pack({}), "holds no config.json"),
    "no config": (without("config.json"), "holds no config.json"),
    "no weights": (without("model.safetensors"), "has no safetensors weights"),
    "pickle": (without("model.safetensors", pytorch_model_DOT_bin=b"\x80\x04cos\nsystem\n"), "never opened"),
    "keras": (without("model.safetensors", tf_model_DOT_h5=b"x"), "never opened"),
    "no tokenizer": (without("tokenizer.json"), "has no tokenizer.json"),
    "outside": (lambda files: pack(files | {"../../evil.json": b"{}"}), "leads out of the folder"),
    "absolute": (lambda files: pack({"/etc/config.json": b"{}"}, ""), "leads out of the folder"),
    "drive": (lambda files: pack({"C:/config.json": b"{}"}, ""), "leads out of the folder"),
    "backslash": (lambda files: pack({"a\\..\\config.json": b"{}"}, ""), "leads out of the folder"),
    "nul": (change(b"films/config.json", b"films/config\0json"), "leads out of the folder"),
    "link": (make_link, "is a link or no plain file"),
    "encrypted": (set_flag, "is encrypted"),
    "bzip2": (pack_as(zipfile.ZIP_BZIP2), "packed in an unusual way"),
    "lzma": (pack_as(zipfile.ZIP_LZMA), "packed in an unusual way"),
    "two models": (lambda files: pack({f"{at}/{k}": v for at in "ab" for k, v in files.items()}, ""), "several models"),
    "many": (list_many, "lists 2,0"),
    "far too many": (list_far_too_many, "lists too many files"),
    "two of one name": (lambda files: pack(files | {"VOCAB.TXT": b"a", "vocab.txt": b"b"}), "two files of one name"),
    "bomb": (lambda files: pack(files | {"more.safetensors": bytes(3_000_000)}), "is too large"),
    "config no json": (lambda files: pack(files | {"config.json": b"{"}), "cannot be read as a model's description"),
    "config with code": (lambda files: pack(files | {"config.json": files["config.json"].replace(
        b"{", b'{"auto_map": {"AutoConfig": "evil.Evil"},', 1)}), "never opened"),
    "weights no safetensors": (lambda files: pack(files | {"model.safetensors": b"\x80\x04cos\nsystem\n"}), "damaged"),
    "weights of a huge header": (lambda files: pack(files | {"model.safetensors": b"\xff" * 64}), "damaged"),
    "index elsewhere": (lambda files: pack({k: v for k, v in files.items() if k != "model.safetensors"} | {
        INDEX: b'{"weight_map": {"a": "../x.safetensors"}}', "a.safetensors": b""}), "safetensors files beside it"),
    "tokenizer no json": (lambda files: pack(files | {"tokenizer.json": b"[1"}), "tokenizer"),
}


@pytest.fixture(scope="module")
def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("case", REFUSED)
def test_a_malformed_zip_is_one_line_and_leaves_nothing(files, case, monkeypatch, tmp_path):
    monkeypatch.setenv("ROBUST_MODEL_MB", "2")
    make, line = REFUSED[case]
    before = {*tmp_path.rglob("*")}
    with pytest.raises(BadInput) as refused:
        staged = model_zips.stage_zip("films.zip", make(files))
        try:
            loading.load(str(staged.folder), "cpu")
        finally:
            staging.discard(staged)
    assert line in str(refused.value) and "\n" not in str(refused.value)
    left = {*tmp_path.rglob("*")} - before
    assert all(path.is_dir() for path in left), left


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_zip_with_other_bytes_is_refused_or_read(files, data):
    content = bytearray(pack(files).getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        staging.discard(model_zips.stage_zip("films.zip", io.BytesIO(bytes(content))))
    except BadInput as error:
        assert "\n" not in str(error)


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
