"""--swaps of attack and evaluate: what the attack puts in, what is recorded, what is refused."""

import json

import pytest
from helpers.cli import invoke, refused, rows

TEXT = "Not even the lovely island scenery can save this soggy romance."
MODEL = ("--model", "sst2/additive/close")


@pytest.fixture
def swaps(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"soggy": ["wonderful", "tender"], "save": ["treasure"]}))
    return path


def test_an_attack_takes_its_words_from_the_file(swaps):
    given = ("--attack", "pwws", "--preset", "paper", "--swaps", str(swaps), "--json")
    (row,) = rows(invoke("attack", TEXT, *MODEL, *given))
    assert row["swap_set"] == "mine.json" and len(row["swap_set_sha256"]) == 64 and row["preset"] is None
    assert {swap[3] for swap in row["swaps"]} <= {"wonderful", "tender", "treasure"}
    (proof,) = rows(invoke("certify", TEXT, "--words", *MODEL, "--swaps", str(swaps), "--json"))
    assert proof["swap_set_sha256"] == row["swap_set_sha256"]
    assert not (proof["certified"] and row["status"] == "succeeded")
    assert "swaps mine.json" in invoke("attack", TEXT, *MODEL, *given[:-1]).stdout.replace("\n", " ")


def test_an_attacks_own_words_have_no_set():
    (row,) = rows(invoke("attack", TEXT, *MODEL, "--attack", "pwws", "--json"))
    assert "swap_set" not in row and row["preset"] == "careful"


def test_claims_name_the_set_and_how_to_get_them_again(swaps, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    out = tmp_path / "claims"
    for words in ((), ("--swaps", str(swaps)), ("--swaps", "close")):
        answer = rows(invoke("evaluate", *MODEL, "--dataset", "reviews", "--n", "3", "--attack", "pwws", *words,
                             "--out", str(out), "--json"))
    claims = {path.name: json.loads(path.read_text()) for path in out.iterdir()}
    assert len(claims) == 3
    sha256 = answer[0]["parameters"]["swaps_sha256"]
    closest = claims[f"sst2-additive-close-reviews-test-pwws-close-{sha256[:8]}.json"]
    assert closest["rests_on"]["swaps close"] == sha256 and "--swaps close" in closest["command"]
    assert "swaps_sha256=" not in closest["command"] and "swaps=" not in closest["command"]
    assert len({claim["run"] for claim in claims.values()}) == 3


@pytest.mark.parametrize(("words", "line"), [
    (("attack", TEXT, "--attack", "bae", "--swaps", "close"), "BAE takes no swap set"),
    (("attack", TEXT, "--attack", "clare", "--swaps", "close"), "CLARE takes no swap set"),
    (("attack", TEXT, "--attack", "deepwordbug", "--swaps", "close"), "DeepWordBug takes no swap set"),
    (("attack", TEXT, "--swaps", "nosuch"), "swap set"),
    (("evaluate", "--dataset", "reviews", "--swaps", "close"), "--swaps is about an attack")])
def test_what_takes_no_set_is_refused_in_one_line(words, line):
    refused(invoke(*words, *MODEL), line)


@pytest.mark.parametrize(("words", "line"), [
    (("--swaps", "close"), "learns against no swaps"),
    (("--defence", "certified", "--swaps", "nosuch"), "swap set"),
    (("--defence", "certified", "--swaps", "wide", "--set", "swap_file=x.json"), "leave one out")])
def test_trainings_that_take_no_set_are_refused_in_one_line(words, line, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path))
    refused(invoke("train", "--dataset", "reviews", "--architecture", "additive", *words), line)


@pytest.mark.thorough
def test_a_training_against_a_file_says_so(swaps, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    train = ("train", "--dataset", "reviews", "--architecture", "additive", "--defence", "certified", "--set",
             "epochs=1", "--json", "--swaps")
    (row,) = rows(invoke(*train, str(swaps)))
    card = json.loads((tmp_path / "runs" / "checkpoints" / row["model"] / "card.json").read_text())
    assert card["data"]["swaps"]["file"] == "mine.json" and card["defence"]["swaps"] == "file"
    (row,) = rows(invoke(*train, "wide"))
    card = json.loads((tmp_path / "runs" / "checkpoints" / row["model"] / "card.json").read_text())
    assert "swaps" not in card["data"] and card["defence"]["swaps"] == "wide"
