"""Victims on the command line: what is said before they are asked, ceilings, and what is refused."""

import json
from pathlib import Path

import pytest
from helpers.cli import invoke, refused, rows
from helpers.doubles import BagOfWords, Planted, WordEncoder, WordReader
from helpers.endpoints import run_endpoint, serve_model

from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.models import masked_lm

MODULE = """
from helpers.doubles import BagOfWords
LABELS = ("negative", "positive")
judge = BagOfWords().predict_proba
"""


@pytest.fixture
def endpoint(tmp_path, monkeypatch):
    """A server, a victim file for it with a price, and a present folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": WordReader())
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)
    with run_endpoint(serve_model(BagOfWords())) as running:
        Path("films.json").write_text(json.dumps({
            "url": running.url, "labels": ["negative", "positive"], "batch": 1, "price": {"per_call": 0.5}}))
        yield running


def test_what_is_asked_and_what_it_costs_is_said_before(endpoint):
    words = ["predict", "a good film", "--model", "films.json"]
    result = invoke(*words, "--max-calls", "7", "--max-cost", "2.5", "--json")
    row, = rows(result)
    assert row["model"] == "films.json" and row["label"] == "positive"
    assert result.stderr.splitlines() == [
        f"films.json: asks {endpoint.url}, 1 texts a call. Price: 0.50 USD a call. So far 0 calls and 0.00 USD; 0 "
        "answers are kept and not asked for again.",
        "Ceiling of this command: 7 calls and 2.50 USD.", "1 call was made, 0.50 USD."]
    again = invoke(*words)
    assert "So far 1 calls and 0.50 USD; 1 answers are kept" in again.stderr
    assert "no ceiling" in again.stderr and "made" not in again.stderr and endpoint.calls == 1


def test_texts_are_sent_as_they_were_typed(endpoint):
    rows(invoke("predict", "A  good  film ", "--model", "films.json", "--json"))
    assert endpoint.texts == ["A  good  film "]


def test_several_doors_stand_side_by_side(endpoint):
    Path("doors_cli.py").write_text(MODULE)
    names = ["films.json", f"{endpoint.url}#negative,positive", "doors_cli:judge"]
    words = [word for name in names for word in ("--model", name)]
    found = rows(invoke("attack", "a good film", *words, "--attack", "planted", "--json"))
    assert [row["model"] for row in found] == names
    assert len({row["perturbed"] for row in found}) == len({row["queries"] for row in found}) == 1
    found = rows(invoke("explain", "a good film", *words, "--method", "loo", "--json"))
    assert all(row["scores"] == found[0]["scores"] for row in found)


def test_an_evaluation_stops_at_its_ceiling_and_goes_on(endpoint):
    words = ["evaluate", "--model", "films.json", "--dataset", "reviews", "--n", "8", "--attack", "planted", "--json"]
    first = invoke(*words, "--max-cost", "4")
    row, = rows(first, 130)
    assert endpoint.calls == 8 and row["n"] < 8 and "4.00 USD (spent: 4.00 USD" in first.stderr
    row, = rows(invoke(*words))
    assert row["n"] == 8 and len(endpoint.texts) == len(set(endpoint.texts))
    calls = endpoint.calls
    assert rows(invoke(*words, "--max-calls", "0")) == [row] and endpoint.calls == calls


def test_accuracy_alone_is_one_line_at_a_ceiling(endpoint):
    words = ["evaluate", "--model", "films.json", "--dataset", "reviews", "--n", "8"]
    result = invoke(*words, "--max-calls", "3")
    assert result.exit_code == 2 and result.stdout == "" and endpoint.calls == 3
    assert result.stderr.splitlines()[-1].startswith("The ceiling of 3 calls is reached.")
    assert rows(invoke(*words, "--json"))[0]["n"] == 8 and endpoint.calls == 8


@pytest.mark.parametrize(("more", "words"), [
    (["--max-calls", "3", "--model", "sst2/additive/close"], "are about models behind an address or a function"),
    (["--max-calls", "-1", "--model", "films.json"], "greater than"),
    (["--max-cost", "nan", "--model", "films.json"], "--max-cost"),
    (["--model", "http://127.0.0.1:9/x"], "Name the classes"), (["--model", "none.json"], "not there"),
    (["--model", "nothing_here:judge"], "cannot be imported"), (["--model", "http:"], "Name the classes"),
    (["--model", "http:#a,b"], "no address"), (["--model", "films.json#a,b"], "names its labels itself")])
def test_what_cannot_be_asked_is_one_line(endpoint, more, words):
    refused(invoke("predict", "a good film", *more), words)
    assert endpoint.calls == 0


def test_a_ceiling_of_money_needs_one_price(endpoint):
    about = json.loads(Path("films.json").read_text())
    Path("free.json").write_text(json.dumps(about | {"price": {}}))
    Path("euro.json").write_text(json.dumps(about | {"price": {"per_call": 1, "currency": "EUR"}}))
    refused(invoke("predict", "x", "--model", "free.json", "--max-cost", "1"), "needs a price")
    refused(invoke("predict", "x", "--model", "films.json", "--model", "euro.json", "--max-cost", "1"), "EUR, USD")


def test_gradients_and_workers_are_refused_in_one_line(endpoint):
    def line(*words):
        result = invoke(*words)
        assert result.exit_code == 2 and result.stdout == ""
        return result.stderr.splitlines()[2]

    assert "needs a white box" in line("explain", "a good film", "--model", "films.json", "--method", "ixg")
    assert "needs a white box" in line("evaluate", "--model", "films.json", "--dataset", "reviews", "--attack",
                                       "planted", "--explain", "ixg")
    assert "--workers is for models that run here" in line(
        "evaluate", "--model", "films.json", "--dataset", "reviews", "--attack", "planted", "--workers", "2")
    assert endpoint.calls == 0


def test_commands_that_need_a_model_here_open_no_victim(endpoint):
    for words in (["certify", "a good film", "--model", "films.json"], ["combine", "--mend-typos", "films.json"]):
        assert invoke(*words).exit_code == 2
    from robust_core.errors import RobustError
    from robust_core.models.loading import load

    for name in ("films.json", "os:getcwd", f"{endpoint.url}#a,b", "http://127.0.0.1/x"):
        with pytest.raises(RobustError):
            load(name)
    assert endpoint.calls == 0
