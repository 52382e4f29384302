"""Pairs of texts on the command line."""

import json

import pytest
from helpers.cli import invoke, refused, rows
from helpers.pairs import write_pair_model

FIRST, SECOND = "A man is in a good film.", "The film is bad"
ROWS = [("a good film", "the film is good", "entailment"), ("a bad film", "a good story", "contradiction"),
        ("a man", "a film", "neutral"), ("a man", "", "neutral")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(write_pair_model(tmp_path_factory.mktemp("cli") / "nli"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join("\t".join(row) for row in (("premise", "hypothesis", "label"), *ROWS)) + "\n")
    return str(path)


def test_a_typed_pair_is_judged_attacked_and_explained(folder):
    pair = [FIRST, "--second", SECOND, "--model", folder]
    row, = rows(invoke("predict", *pair, "--json"))
    assert row["label"] in ("entailment", "neutral", "contradiction") and row["words_read"] == 11
    words = ["--attack", "bad-characters", "--max-queries", "40", "--json"]
    for change, kept in (([], "first"), (["--change", "first"], "second")):
        row, = rows(invoke("attack", *pair, *change, *words))
        assert row["original_parts"] == {"first": FIRST, "second": SECOND} and row["original"] == f"{FIRST}\n{SECOND}"
        assert row["perturbed_parts"][kept] == row["original_parts"][kept] and kept not in row["attackable"]
        assert row["perturbed"] != row["original"]
        assert all(row["original"][start:end] == old for start, end, old, _ in row["swaps"])
    row, = rows(invoke("explain", *pair, "--method", "loo", "--json"))
    assert row["part_of_words"] == ["first"] * 7 + ["second"] * 4 and len(row["scores"]) == 11
    shown = invoke("explain", *pair, "--method", "loo").stdout
    assert "first: A" in " ".join(shown.split()) and "second: The" in " ".join(shown.split())
    assert "\ufdd0" not in shown + invoke("attack", *pair, "--max-queries", "10").stdout


@pytest.mark.parametrize(("words", "part"), [
    (["--second", ""], "A part of the pair is missing"), (["--change", "first"], "--second"),
    (["--second", "x", "--change", "third"], "first or second"),
])
def test_a_pair_that_is_typed_wrongly(folder, words, part):
    refused(invoke("attack", FIRST, "--model", folder, *words), part)


@pytest.mark.parametrize("command", ["predict", "attack", "explain"])
def test_a_model_of_single_texts_refuses_a_typed_pair(command):
    refused(invoke(command, FIRST, "--second", SECOND, "--model", "sst2/cnn/base"), "reads single texts, no pairs")


def test_two_pairs_are_not_compared(folder):
    refused(invoke("explain", FIRST, "--second", SECOND, "--against", "x", "--model", folder), "--against")


def test_a_file_of_pairs_is_measured_on(folder, file):
    words = ["evaluate", "--model", folder, "--data", file, "--pair", "premise,hypothesis", "--json"]
    done = invoke(*words)
    assert rows(done)[0]["n"] == 3 and "texts from premise and hypothesis" in done.stderr
    assert "attacks may change hypothesis" in done.stderr and "1 rows without" in done.stderr
    for _ in range(2):
        row, = rows(invoke(*words, "--attack", "bad-characters", "--max-queries", "30", "--change", "premise"))
        assert row["n"] == 3 and row["errors"] == 0


@pytest.mark.parametrize(("words", "parts"), [
    ([], ["--pair premise,hypothesis"]), (["--change", "premise"], ["--change is about pairs"]),
    (["--pair", "premise"], ["two columns"]), (["--pair", "premise,claim"], ["claim"]),
    (["--pair", "premise,hypothesis", "--text", "premise"], ["give one of them"]),
    (["--pair", "premise,hypothesis", "--change", "label"], ["no part"]), (["--task", "mnli"], ["leave --task out"]),
])
def test_a_file_of_pairs_that_is_asked_for_wrongly(folder, file, words, parts):
    refused(invoke("evaluate", "--model", folder, "--data", file, *words), *parts)


def test_one_column_of_a_file_of_pairs_can_be_read_alone(folder, file):
    assert rows(invoke("evaluate", "--model", folder, "--data", file, "--text", "hypothesis", "--label", "label",
                       "--json"))[0]["n"] == 3


def test_a_model_of_single_texts_refuses_a_file_of_pairs(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("q1,q2,label\na,b,negative\nc,d,positive\n")
    refused(invoke("evaluate", "--model", "sst2/cnn/base", "--data", str(path), "--pair", "q1,q2"), "no pairs")
    refused(invoke("train", "--dataset", str(path)), "holds pairs of texts")


def test_a_task_of_advglue_is_measured_on(folder, tmp_path):
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"mnli": [dict(zip(("premise", "hypothesis", "label"), (a, b, label), strict=True))
                                         for label, (a, b, _) in enumerate(ROWS[:3])],
                                "rte": [{"sentence1": "x", "sentence2": "y", "label": 0}]}))
    row, = rows(invoke("evaluate", "--model", folder, "--data", str(path), "--task", "mnli", "--json"))
    assert row["n"] == 3 and row["dataset"] == "dev_mnli"
    refused(invoke("evaluate", "--model", folder, "--data", str(path)), "--task", "mnli, rte")
