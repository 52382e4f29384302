"""Paths and names that code is given: one line wherever they come in, and nothing written outside."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from helpers.encoders import card as encoder_card
from helpers.hostile import answer_or_line, expect_line

from robust_core import datasets, encoders, files, paths, trainings
from robust_core.attacks import ATTACKS
from robust_core.certify import SMOOTHERS, images
from robust_core.claims.files import read_claims, write_claim
from robust_core.defences import DEFENCES
from robust_core.encoder_training import METHODS, specs
from robust_core.errors import BadInput, UnknownName
from robust_core.explainers import EXPLAINERS
from robust_core.models import cards, encoder_cards, loading
from robust_core.store import ResultStore
from robust_core.train.start import check_architecture

NO_PATHS: list[Any] = [
    "a" * 256,
    "a/" * 2500,
    "x/" + "\u00e4" * 200,
    "a\0b",
    "\0",
    "\ud800",
    "a\ud83d",
    None,
    3,
    1.5,
    ["a"],
    {"a": 1},
    True,
    object(),
]
NO_NAMES: list[Any] = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/../b",
    "/x",
    "a\\b",
    ".a",
    "a.",
    " a",
    "a ",
    "a:b",
    "a*",
    "a?",
    'a"',
    "<a",
    "a|b",
    "a\nb",
    "a\tb",
    "a\0",
    "\x1b[31m",
    "\u202ea",
    "\ud800",
    "\udcff",
    "a" * 201,
    "\u00e4" * 101,
    "\u2028",
    None,
    3,
    b"a",
    ["a"],
]
WAYS = {
    "model": loading.load,
    "encoder": encoders.load,
    "store": ResultStore,
    "data": lambda path: datasets.load("sst2", "dev", path or 3),
    "claim": lambda path: write_claim(
        path, claim="", command="", run="", n=1, seeds=[], metric="", value=0.0, value_se=0.0, thresholds={}, details={}
    ),
    "path": files.check_path,
    "architecture": check_architecture,
    "start": lambda path: specs.parse_spec("simcse", start=path),
    "pixels": lambda path: images.load("cifar10", "test", path or 3),
    "table": lambda path: list(datasets.read_table("sts/sts12", ("score",), path or 3)),
}


@pytest.mark.parametrize("value", NO_PATHS, ids=range(len(NO_PATHS)))
@pytest.mark.parametrize("way", [way for way in WAYS if way != "store"])
def test_what_cannot_be_a_path_is_one_line(way, value):
    expect_line(lambda: WAYS[way](value))


@pytest.mark.parametrize("value", [value for value in NO_PATHS if value is not None])
def test_what_cannot_be_a_store_is_one_line(value):
    expect_line(lambda: ResultStore(value))


@pytest.mark.parametrize("kind", ["file", "below a file", "pipe", "link to itself", "device", "file inside"])
@pytest.mark.parametrize("way", ["target", "target file", "store", "claim", "data set"])
def test_a_place_that_cannot_be_written_is_one_line(way, kind, tmp_path, monkeypatch):
    place = {
        "device": Path("/dev/null/x"),
        "below a file": tmp_path / "there" / "x",
    }.get(kind, tmp_path / "there")
    if kind == "pipe":
        os.mkfifo(tmp_path / "there")
    elif kind == "link to itself":
        place.symlink_to(place)
    else:
        (tmp_path / "there").write_text("mine")
    if kind == "file inside":
        place = tmp_path / "there" / ".." / "there" / "y"
    monkeypatch.setenv("ROBUST_RUNS", str(place))
    calls = {
        "target": lambda: files.check_target(place),
        "target file": lambda: files.check_target_file(place / "x.json"),
        "store": ResultStore,
        "claim": lambda: WAYS["claim"](place / "x.json"),
        "data set": lambda: add_films(),
    }
    expect_line(calls[way])
    assert not (tmp_path / "there").is_file() or (tmp_path / "there").read_text() == "mine"


def add_films() -> datasets.DataSet:
    """Store a small data set."""
    from robust_core import uploads
    from robust_core.table_files import read_upload

    rows = b"".join(b"film %d,%d\n" % (i, i % 2) for i in range(40))
    return uploads.add_dataset("films", read_upload("a.csv", b"text,label\n" + rows), "text", "label")


TEXTS = [name for name in NO_NAMES if isinstance(name, str)]


@pytest.mark.parametrize("name", NO_NAMES, ids=range(len(NO_NAMES)))
def test_what_cannot_be_a_name_is_one_line(name, tmp_path):
    expect_line(lambda: files.check_name(name, "model's name"), "model's name")
    if name not in ("", None):
        given = {"dataset": "reviews", "architecture": "cnn", "name": name}
        expect_line(lambda: trainings.parse_spec(given))


@pytest.mark.parametrize("name", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("way", ["inside", "card", "encoder", "encoder spec", "state"])
def test_a_name_that_leads_elsewhere_is_one_line(way, name, tmp_path, own_runs):
    (tmp_path / "victim").mkdir()
    base = trainings.parse_spec({"dataset": "reviews", "architecture": "cnn"})
    made = cards.Card(f"reviews/cnn/{name}", "sst2", "cnn", {"name": "base"}, 0, ("a", "b"), {}, {}, 0.5, 1, 0.1, "cpu",
                      1, 0, {}, {}, "", "0", tmp_path)
    calls = {
        "inside": lambda: files.join_inside(tmp_path, f"a/{name}/b"),
        "card": lambda: cards.save(made, {}, {}, tmp_path / "a" / "b"),
        "encoder": lambda: encoder_cards.save(encoder_card(id=name), {}, tmp_path / "a"),
        "encoder spec": lambda: specs.parse_spec("simcse", encoder=name or "/"),
        "state": lambda: dataclasses.replace(base, name=name).state,
    }
    if way == "state":
        # The slashes of an id are no folders here: whatever is left of the name lies in the folder of states.
        state = answer_or_line(calls[way])
        assert isinstance(state, str) or Path(os.path.normpath(state)).parent == paths.training_states()
    else:
        expect_line(calls[way])
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "victim", tmp_path / "work"]) and not own_runs.exists()


NO_KEYS: list[Any] = [
    None,
    3,
    1.5,
    b"textfooler",
    ["textfooler"],
    {"a": 1},
    (),
    "",
    "x" * 10_000,
    "a\nb",
    "\ud800",
    "...",
    object(),
    True,
]


@pytest.mark.parametrize("key", NO_KEYS, ids=range(len(NO_KEYS)))
@pytest.mark.parametrize("registry", [ATTACKS, DEFENCES, EXPLAINERS, SMOOTHERS, METHODS], ids=lambda r: r.kind)
def test_a_method_of_no_name_is_one_line(registry, key):
    expect_line(lambda: registry[key], f"Unknown {registry.kind}")


@pytest.mark.parametrize("key", NO_KEYS, ids=range(len(NO_KEYS)))
@pytest.mark.parametrize("way", ["describe", "load", "split", "count", "token", "image", "architecture", "values"])
def test_a_wrong_value_in_a_call_is_one_line(way, key):
    calls = {
        "describe": lambda: datasets.describe(key),
        "load": lambda: datasets.load(key, "dev"),
        "split": lambda: datasets.load("reviews", key),
        "count": lambda: datasets.count_rows(key, "dev"),
        "token": lambda: ResultStore().get(key),
        "image": lambda: images.load(key, "dev"),
        "architecture": lambda: check_architecture(key),
        "values": lambda: trainings.parse_spec({"dataset": key, "architecture": key}),
    }
    expect_line(calls[way])


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"details": 3}', "null", "\ud800"])
def test_a_damaged_claim_is_one_line_or_left_out(content, tmp_path):
    (tmp_path / "a.json").write_text(content, errors="surrogatepass")
    (tmp_path / "b.json").mkdir()
    assert read_claims(tmp_path, skip_damaged=True) == []
    expect_line(lambda: read_claims(tmp_path), "a.json is damaged")


def test_usual_names_and_paths_pass(tmp_path):
    for name in ("flat-textfooler@1", "a.b", "Films_2", "\u00fcn\u00ef", "a b", "simcse", "x" * 200):
        assert files.check_name(name) == name
    assert files.join_inside(tmp_path, "sst2/cnn/base@1") == tmp_path / "sst2" / "cnn" / "base@1"
    for path in ("a\udcff", "../x", ".", "~/x", "a b", "x" * 255):
        assert files.check_path(path) == Path(path)
    assert files.check_target(tmp_path / "new" / "folder") == tmp_path / "new" / "folder"
    assert not (tmp_path / "new").exists()


def test_errors_name_what_has_no_name():
    error = UnknownName("attack", ["textfooler"], ["pwws"])
    assert str(error) == "Unknown attack \"['textfooler']\". Known: pwws." and isinstance(error.name, str)
    assert isinstance(BadInput(), Exception)
