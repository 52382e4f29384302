"""More rows for a file: swapped words, an attack's successes, where each row comes from."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import invoke, refused
from helpers.doubles import BagOfWords, Planted, WordEncoder
from helpers.endpoints import run_endpoint, serve_model
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import augmentation, encoders
from robust_core.attacks import ATTACKS
from robust_core.models import loading
from robust_core.resources.swap_sets import read_swap_set
from robust_core.text import Draft

ROWS = [("1", "A good, clever film.", "positive"), ("2", "bad and dull", "negative"), ("3", "", "positive"),
        ("4", "a fine movie, by all means", "positive"), ("5", "no label here", ""), ("6", "a bad film", "positive"),
        ("7", 'said "good", quoted', "positive")]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A file in the present folder, and doubles."""
    monkeypatch.chdir(tmp_path)
    with Path("films.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "text", "label"), *ROWS])
    real = loading.load
    monkeypatch.setattr(loading, "load", lambda name, device="auto": (
        BagOfWords() if name == "double/bag-of-words" else real(name, device)))
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)


def read(name):
    """The rows of a file that was written."""
    text = Path(name).read_text(encoding="utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(text.splitlines(), delimiter="\t" if name.endswith(".tsv") else ","))


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("swaps", ["careful", "close", "mine.json"])
def test_swapped_words_become_rows_with_the_label_of_their_row(kind, swaps):
    Path("mine.json").write_text(json.dumps({"film": ["movie", "picture"], "bad": ["poor"], "fine": ["decent"]}))
    name = f"more.{kind}"
    result = invoke("augment", "films.csv", "--swaps", swaps, "--variants", "2", "--out", name)
    found = read(name)
    old = [row for row in found if not row["augmented_by"]]
    new = [row for row in found if row["augmented_by"]]
    assert result.exit_code == 0 and f"{len(new)} new rows from 7" in result.stdout and new
    assert [(row["id"], row["text"], row["label"]) for row in old] == ROWS
    allowed = read_swap_set(swaps)
    for row in new:
        origin = ROWS[int(row["augmented_from"]) - 1]
        assert (row["id"], row["label"]) == (origin[0], origin[2]) and row["text"] != origin[1]
        assert row["augmented_by"] == f"swaps {swaps}" and row["augmented_model"] == ""
        before, after = Draft.of(origin[1]), Draft.of(row["text"])
        pairs = [[a, b] for a, b in zip(before.words, after.words, strict=True) if a != b]
        assert pairs == json.loads(row["augmented_swaps"]) and before.gaps == after.gaps
        assert all(b.lower() in allowed.find(a.lower()) for a, b in pairs)
    assert len({(row["augmented_from"], row["text"]) for row in new}) == len(new)
    again = Path(name).read_bytes()
    invoke("augment", "films.csv", "--swaps", swaps, "--variants", "2", "--out", name)
    assert Path(name).read_bytes() == again
    invoke("augment", "films.csv", "--swaps", swaps, "--variants", "2", "--out", name, "--seed", "1", "--only-new")
    assert all(row["augmented_seed"] == "1" for row in read(name))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["good", "film", "bad", "the", "a", "story", "Dull", "x1"]), max_size=12),
       st.integers(1, 4), st.floats(0, 1), st.integers(0, 99))
def test_no_more_words_are_swapped_than_asked_for(words, count, share, seed):
    text = " ".join(words)
    for name in ("careful", "close"):
        found = augmentation.swap_words(text, read_swap_set(name), count, share, np.random.default_rng(seed))
        assert len(found) <= count and len({*found}) == len(found) and text not in found
        for new in found:
            changed = [a for a, b in zip(words, Draft.of(new).words, strict=True) if a != b and a not in ("a", "an")]
            assert 1 <= len(changed) <= max(round(share * len(words)), 1)


def test_an_attacks_successes_become_rows():
    words = ["augment", "films.csv", "--attack", "planted", "--model", "double/bag-of-words", "--out", "hard.csv"]
    result = invoke(*words, "--only-new")
    assert result.exit_code == 0, result.stderr
    assert "hard.csv: 2 new rows from 7 (1 misread already, 2 held)" in result.stdout
    first, second = read("hard.csv")
    assert (first["id"], first["text"]) == ("1", "A bad, clever film.")
    assert second == {"id": "7", "text": 'said "bad", quoted', "label": "positive", "augmented_from": "7",
                   "augmented_by": "planted", "augmented_model": "double/bag-of-words",
                   "augmented_swaps": '[["good", "bad"]]', "augmented_seed": "0"}
    assert len(Path("hard.csv").read_text().splitlines()) == 3
    invoke(*words)
    assert [row["id"] for row in read("hard.csv")] == ["1", "1", "2", "3", "4", "5", "6", "7", "7"]


def test_labels_of_a_file_are_named_for_the_model():
    Path("numbers.csv").write_text("text,label\na good film,1\na bad film,0\n")
    words = ["augment", "numbers.csv", "--attack", "planted", "--model", "double/bag-of-words", "--out", "hard.csv"]
    refused(invoke(*words), "--map 0=negative")
    assert invoke(*words, "--map", "0=negative", "--map", "1=positive", "--only-new").exit_code == 0
    assert [(row["text"], row["label"]) for row in read("hard.csv")] == [("a bad film", "1")]


def test_a_model_elsewhere_within_a_ceiling():
    with run_endpoint(serve_model(BagOfWords())) as endpoint:
        about = {"url": endpoint.url, "labels": ["negative", "positive"], "batch": 1}
        Path("victim.json").write_text(json.dumps(about))
        words = ["augment", "films.csv", "--attack", "planted", "--model", "victim.json", "--out", "hard.csv"]
        first = invoke(*words, "--max-calls", "6")
        assert first.exit_code == 130 and endpoint.calls == 6 and not Path("hard.csv").exists()
        assert "goes on" in first.stderr
        assert invoke(*words).exit_code == 0 and len({*endpoint.texts}) == len(endpoint.texts)
    assert [row["id"] for row in read("hard.csv") if row["augmented_by"]] == ["1", "7"]


@pytest.mark.parametrize(("words", "parts"), [
    (["films.csv", "--out", "x.csv"], ["Give --swaps"]),
    (["films.csv", "--out", "x.txt", "--swaps", "close"], [".jsonl"]),
    (["films.csv", "--out", "x.csv", "--attack", "pwws"], ["--model"]),
    (["films.csv", "--out", "x.csv", "--swaps", "strange"], ["swap set"]),
    (["none.csv", "--out", "x.csv", "--swaps", "close"], ["no file"]),
    (["films.csv", "--out", "x.csv", "--swaps", "close", "--max-calls", "3"], ["about the model of an attack"]),
    (["films.csv", "--out", "x.csv", "--swaps", "close", "--text", "body"], ["no column"]),
    (["films.csv", "--out", "x.csv", "--attack", "planted", "--model", "double/bag-of-words", "--share", "0.5"],
     ["--swaps alone"])])
def test_what_cannot_be_done_is_one_line(words, parts):
    refused(invoke("augment", *words), *parts)
    assert not Path("x.csv").exists()


def test_a_file_is_augmented_once():
    invoke("augment", "films.csv", "--swaps", "close", "--out", "more.csv")
    refused(invoke("augment", "more.csv", "--swaps", "close", "--out", "again.csv"), "augmented before")
