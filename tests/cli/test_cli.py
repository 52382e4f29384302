"""The command line: its JSON contracts, one plain line for every wrong input, and a light start."""

import functools
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.cli import invoke, refused, rows
from helpers.doubles import BagOfWords, Planted, WordEncoder, WordReader
from typer.testing import Result

from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.claims.footnotes import split_warning
from robust_core.cli import text_rows
from robust_core.errors import MissingResource, UnknownName
from robust_core.jobs import progress
from robust_core.models import architectures, cards, loading, masked_lm
from robust_core.paths import ROOT
from robust_core.store import FILE, ResultStore
from robust_core.types import Attribution

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command on doubles: two models, one attack, an encoder without weights."""
    models = {model.id: model for model in (
        BagOfWords(), BagOfWords(id="double/second", bias=(0.0, 1.0)),
        BagOfWords(id="double/turned", labels=("positive", "negative")),
        BagOfWords(id="double/topics", labels=("politics", "sport")))}

    def load(model_id: str, device: str = "auto") -> BagOfWords:
        if model_id not in models:
            raise UnknownName("model", model_id, list(models))
        return models[model_id]

    monkeypatch.setattr(loading, "load", load)
    assert "planted" not in ATTACKS
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": WordReader())
    return invoke


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a checkpoint of an untrained CNN of six words and return its folder."""
    root = tmp_path / "checkpoints"
    labels, words = ("negative", "positive"), ("a", "good", "bad", "movie", "dull", "fine")
    config = {"length": 50, "width": 4, "kernels": 2, "sizes": [2]}
    torch.manual_seed(0)
    network, _ = architectures.build("cnn", config, labels, words)
    state = network.state_dict()
    card = cards.Card("sst2/cnn/base", "sst2", "cnn", {"name": "base"}, 0, labels, {"network": config}, {}, 0.5, 1,
                      0.1, "cpu", 52, 0, {}, {}, "", "0", root)
    weights = {name: value for name, value in state.items() if name != "embedding.weight"}
    shared = {"embedding.safetensors": {"weight": state["embedding.weight"]},
              "vocabulary.txt": "\n".join(words).encode()}
    folder = cards.save(card, weights, shared, root).folder
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(root))
    return folder


# Contracts.

def test_models(tiny: Path) -> None:
    row, = rows(invoke("models", "--json"))
    assert list(row) == ["model", "dataset", "architecture", "defence", "seed", "labels", "dev_accuracy", "parameters",
                         "bytes", "known_faults"]
    assert row["model"] == "sst2/cnn/base"
    assert row["defence"] == "base"
    assert row["labels"] == ["negative", "positive"]
    assert "sst2/cnn/base" in invoke("models").stdout


def test_predict(run: Run) -> None:
    one, two = rows(run("predict", "a good movie", "--model", "double/bag-of-words", "--model", "double/second",
                        "--json"))
    assert list(one) == ["model", "label", "proba", "words_in_text", "words_read"]
    assert one["label"] == "positive"
    assert one["proba"] == pytest.approx({"negative": 1 / (1 + math.exp(4)), "positive": 1 / (1 + math.exp(-4))})
    assert two["model"] == "double/second"
    assert sum(two["proba"].values()) == pytest.approx(1)
    assert "positive 98.2 %" in run("predict", "a good movie", "--model", "double/bag-of-words").stdout


@pytest.mark.parametrize("command", [("predict",), ("explain", "--method", "ig"), ("attack", "--attack", "planted")])
def test_a_line_says_how_much_of_a_text_is_read(run: Run, command: tuple[str, ...]) -> None:
    short = ("--model", "double/bag-of-words")
    shown = " ".join(run(command[0], "a good movie " + "indeed " * 60, *short, *command[1:]).stdout.split())
    assert "double/bag-of-words reads 50 of 63 words." in shown or (
        "double/bag-of-words: The model reads 50 of 63 words; the rest is left alone." in shown)
    assert " of 3 words" not in run(command[0], "a good movie", *short, *command[1:]).stdout
    row = rows(run(command[0], "a good movie " + "indeed " * 60, *short, *command[1:], "--json"))[0]
    assert (row["words_in_text"], row["words_read"]) == (63, 50)


def test_predict_with_a_checkpoint(tiny: Path) -> None:
    row, = rows(invoke("predict", "a good movie", "--model", "sst2/cnn/base", "--json"))
    loaded = loading.load("sst2/cnn/base", "cpu").predict_proba(["a good movie"])[0]
    assert list(row["proba"].values()) == pytest.approx(loaded.tolist())


def test_attack(run: Run) -> None:
    flipped, held = rows(run("attack", "a good movie", "--model", "double/bag-of-words", "--model", "double/second",
                             "--attack", "planted", "--set", "new=dull", "--json"))
    assert list(flipped) == ["model", "attack", "preset", "status", "outcome", "original", "perturbed",
                             "reference_label", "perturbed_label", "before", "after", "queries", "forward_passes",
                             "similarity", "seconds", "swaps", "notes", "doubts", "words_in_text", "words_read",
                             "perplexity_before", "perplexity_after"]
    # "a dull movie" has no word that surprises the double.
    assert (flipped["perplexity_before"], flipped["perplexity_after"]) == (1.0, 1.0)
    assert (flipped["status"], flipped["perturbed"]) == ("succeeded", "a dull movie")
    assert (flipped["outcome"], flipped["preset"]) == ("flipped", None), "another word is no preset"
    assert (flipped["reference_label"], flipped["perturbed_label"]) == ("positive", "negative")
    assert flipped["swaps"] == [[2, 6, "good", "dull"]]
    assert flipped["original"][2:6] == "good"
    assert flipped["before"]["positive"] > 0.5 > flipped["after"]["positive"]
    assert flipped["queries"] == flipped["forward_passes"] == 2
    assert held["status"] == "succeeded" if held["after"]["positive"] < 0.5 else "failed"


def test_what_speaks_against_a_flip_is_in_the_json_too(run: Run) -> None:
    asked = ("attack", "a good movie " + "indeed " * 60, "--model", "double/bag-of-words", "--attack", "planted")
    row, = rows(run(*asked, "--json"))
    assert row["doubts"] == ["May have changed the meaning: good → bad (opposites)."]
    assert row["notes"] == ["The model reads 50 of 63 words; the rest is left alone."]
    said = " ".join(run(*asked).stdout.split())
    assert all(f"double/bag-of-words: {line}" in said for line in row["doubts"] + row["notes"])


def test_without_the_masked_model_an_attack_is_complete(run, monkeypatch):
    def load(name="minilm", device="auto"):
        raise MissingResource("The packaged masked language model", "Restore it.")

    monkeypatch.setattr(masked_lm, "load", load)
    asked = ("attack", "a good movie", "--model", "double/bag-of-words", "--attack", "planted")
    row, = rows(run(*asked, "--json"))
    assert row["status"] == "succeeded" and row["perplexity_before"] is row["perplexity_after"] is None
    said = run(*asked).stdout
    assert "Fluency is left out. The packaged masked language model is missing. Restore it." in " ".join(said.split())


def test_attack_with_a_label_skips_what_is_wrong_already(run: Run) -> None:
    row, = rows(run("attack", "a good movie", "--model", "double/bag-of-words", "--attack", "planted", "--label",
                    "Negative", "--json"))
    assert (row["status"], row["perturbed"], row["reference_label"]) == ("skipped", "a good movie", "negative")


def test_each_model_has_its_own_labels(run: Run, monkeypatch) -> None:
    names = ("double/bag-of-words", "double/turned")
    for models in (names, names[::-1]):
        found = rows(run("attack", "a good movie", "--model", models[0], "--model", models[1], "--attack", "planted",
                         "--label", "positive", "--json"))
        by_model = {row["model"]: row for row in found}
        assert [row["model"] for row in found] == list(models)
        # The turned one says negative where the other says positive.
        assert by_model[names[0]]["status"] == "succeeded" and by_model[names[1]]["status"] == "skipped"
        assert {row["reference_label"] for row in found} == {"positive"}
        assert list(by_model[names[1]]["before"]) == ["positive", "negative"]


def test_a_model_without_the_true_label_is_attacked_without(run: Run) -> None:
    asked = ("attack", "a good movie", "--model", "double/bag-of-words", "--model", "double/topics", "--attack",
             "planted", "--label", "sport")
    first, second = rows(run(*asked, "--json"))
    assert first["reference_label"] == "positive" and second["reference_label"] == "sport"
    assert "attacked without a true label, since it has no class 'sport'" in " ".join(run(*asked).stdout.split())


def test_attack_obeys_its_budget_and_shows_its_parameters(run: Run) -> None:
    text = "good and good and good"
    row, = rows(run("attack", text, "--model", "double/bag-of-words", "--attack", "planted", "--max-queries", "2",
                    "--time-limit", "60", "--json"))
    assert (row["status"], row["queries"]) == ("exhausted", 2)
    shown = run("attack", text, "--model", "double/bag-of-words", "--attack", "planted", "--max-queries", "2").stdout
    assert "planted: max_queries 2, time_limit 60.0, old good, new bad" in " ".join(shown.split())


def test_explain(run: Run) -> None:
    one = rows(run("explain", "a good movie", "--against", "a bad movie", "--model", "double/bag-of-words", "--target",
                   "positive", "--json"))[0]
    assert list(one) == ["model", "method", "target", "words", "scores", "gap", "against", "kendall_tau", "top_k",
                         "top_k_random", "words_in_text", "words_read"]
    assert (one["method"], one["target"], one["words"]) == ("ig", "positive", ["a", "good", "movie"])
    assert one["scores"][1] > 0 == one["scores"][0]
    assert one["against"]["words"] == ["a", "bad", "movie"]
    assert one["against"]["scores"][1] < 0
    assert list(one["top_k"]) == [str(k) for k in range(1, 11)]
    # Of the pairs (a, good), (a, movie), (good, movie) one is tied in both texts and two turn round.
    assert one["kendall_tau"] == -1
    alone = rows(run("explain", "a bad movie", "--model", "double/bag-of-words", "--json"))[0]
    assert alone["target"] == "negative", "the prediction is explained"
    assert alone["against"] is alone["kendall_tau"] is alone["top_k"] is None


def test_what_is_undefined_becomes_null(run: Run) -> None:
    row = rows(run("explain", "good", "--against", "bad", "--model", "double/bag-of-words", "--json"))[0]
    assert row["kendall_tau"] is None
    assert row["top_k"]["1"] == 1.0
    assert "undefined" in run("explain", "good", "--against", "bad", "--model", "double/bag-of-words").stdout


def test_evaluate_clean_and_attacked(run: Run, own_runs: Path) -> None:
    common = ("evaluate", "--dataset", "reviews", "--split", "dev", "--n", "12", "--model", "double/bag-of-words",
              "--model", "double/second", "--json")
    clean = rows(run(*common))
    attacked = rows(run(*common, "--attack", "planted", "--explain", "ig"))
    assert [row["attack"] for row in clean] == [None, None]
    assert [(row["model"], row.get("pairs")) for row in attacked] == [
        (model, pairs) for model in ("double/bag-of-words", "double/second") for pairs in (None, "all", "changed")]
    for row in clean + attacked:
        assert (row["dataset"], row["split"], row["n"], row["seed"]) == ("reviews", "dev", 12, 0)
        assert 0 <= row["accuracy"] <= 1
        assert all(f"{name}_se" in row for name in ("accuracy", "accuracy_under_attack", "kendall_tau") if name in row)
        assert {"engine", f"model {row['model']}", "data reviews/dev"} <= set(row["rests_on"])
    assert [row["accuracy"] for row in clean] == [attacked[0]["accuracy"], attacked[3]["accuracy"]]
    assert attacked[0]["accuracy_under_attack"] <= attacked[0]["accuracy"]
    assert attacked[1]["top_k"].keys() == attacked[1]["top_k_random"].keys() == {str(k) for k in range(1, 11)}
    stored = ResultStore(own_runs).results(attacked[0]["run"])
    assert len(stored) == 12
    assert attacked[0]["rests_on"].keys() - clean[0]["rests_on"].keys() == {"table antonyms", "encoder minilm"}
    shown = run(*common[:-1], "--attack", "planted").stdout
    assert "double/bag-of-words" in shown
    # Programs get it; nobody has to look at sums.
    assert "rests" not in shown and "engine" not in shown
    assert clean[0]["rests_on"]["data reviews/dev"][:9] not in shown


def test_evaluate_shows_every_figure_with_its_error(run: Run) -> None:
    command = ("evaluate", "--dataset", "reviews", "--n", "30", "--model", "double/bag-of-words", "--attack", "planted")
    row, = rows(run(*command, "--json"))
    head = {"model", "dataset", "split", "attack", "seed", "precision", "run", "device", "parameters", "warnings",
            "rests_on"}
    counts = {"n", "stopped", "skipped", "succeeded", "failed", "exhausted", "errors"}
    rates = {"accuracy", "accuracy_under_attack", "attack_success_rate", "swap_rate", "antonym_swaps",
             "antonym_successes", "number_swaps", "number_successes"}
    means = {"swaps", "similarity", "queries", "forward_passes", "eligible", "seconds"}
    assert set(row) == head | counts | rates | means | {f"{name}_se" for name in rates | means}
    lines = [re.split(r"\s{2,}", line.rstrip()) for line in run(*command).stdout.splitlines()]
    shown = {line[0]: line[1] for line in lines if len(line) == 2}
    for name, title in (("accuracy", "Accuracy %"), ("accuracy_under_attack", "Under attack %"),
                        ("attack_success_rate", "Attack success %"), ("swap_rate", "Words swapped %"),
                        ("antonym_swaps", "Antonyms among swaps %"), ("number_successes", "Successes with numbers %")):
        assert shown[title] == f"{100 * row[name]:.1f} ± {100 * row[f'{name}_se']:.1f}"
    for name, title in (("swaps", "Swaps"), ("queries", "Queries"), ("forward_passes", "Forward passes"),
                        ("eligible", "Eligible"), ("similarity", "Similarity")):
        assert shown[title] == f"{row[name]:.3g} ± {row[f'{name}_se']:.2g}"
    for name, title in (("n", "Examples"), ("skipped", "Skipped"), ("failed", "Failed"), ("succeeded", "Succeeded"),
                        ("exhausted", "Exhausted"), ("stopped", "Stopped"), ("errors", "Errors")):
        assert shown[title] == str(row[name])
    assert row["n"] == row["skipped"] + row["failed"] + row["succeeded"] + row["exhausted"]
    assert row["antonym_swaps"] == 1, "good gives way to bad"
    warning, = row["warnings"]
    finding, advice = split_warning(warning)
    assert "change the meaning (antonym" in finding
    assert shown["†"] == "†1 (100 %)", "the mark stands beside the figures"
    assert f"†1: {finding} {advice}" in " ".join(run(*command).stdout.split())


def test_evaluate_transfer(run: Run, tmp_path: Path) -> None:
    command = ("evaluate", "--dataset", "reviews", "--n", "20", "--model", "double/bag-of-words", "--attack", "planted")
    pair = (*command, "--model", "double/second", "--transfer")
    found = rows(run(*pair, "--out", str(tmp_path / "claims"), "--json"))
    assert [(row["model"], row.get("adversarial_from")) for row in found] == [
        ("double/bag-of-words", None), ("double/second", None), ("double/second", "double/bag-of-words"),
        ("double/bag-of-words", "double/second")]
    for row in found[2:]:
        assert row["n"] == 20
        assert {"accuracy_under_transfer_se", "transfer_success_rate_se", "attack", "transferable"} <= set(row)
    shown = run(*pair, "--explain", "ig").stdout
    for title in ("Adversarial from", "Under transfer %", "Transfer success %", "Kendall's tau", "Forward passes"):
        assert shown.count(title) == 1, "a table for each kind of row"
    name = "double-second-reviews-test-planted-double-bag-of-words.json"
    claim = json.loads((tmp_path / "claims" / name).read_text())
    assert (claim["metric"], claim["value"]) == ("accuracy_under_transfer", found[2]["accuracy_under_transfer"])
    assert len(os.listdir(tmp_path / "claims")) == 4
    again = rows(run(*claim["command"].split()[3:], "--json"))
    assert {**again[3], "seconds": 0} == {**found[2], "seconds": 0}, "the command gives the row again"
    refused(run(*command, "--transfer", "--json"), "at least two models")
    refused(run(*pair, "--out", str(tmp_path / "one.json")), "--out")
    refused(run(*(word for word in pair if word not in ("--attack", "planted"))), "choose an attack")


def test_evaluate_tells_its_progress_on_stderr(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("evaluate", "--dataset", "reviews", "--n", "9", "--model", "double/bag-of-words", "--attack", "planted",
               "--json")
    silent = run(*command[:4], "4", *command[5:])
    assert len(rows(silent)) == 1
    assert silent.stderr == "", "a short run says nothing"
    monkeypatch.setattr(progress, "show_progress", functools.partial(progress.show_progress, every=0.0))
    result = run(*command)
    assert len(rows(result)) == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "planted on double/bag-of-words: 4 of 9"
    assert lines[-1].startswith("planted on double/bag-of-words: 9 of 9, ")
    assert lines[-1].endswith(" a second, 0 s left")


def test_the_same_model_under_two_names_is_one_line(tiny: Path) -> None:
    command = ("predict", "a good movie", "--model", "sst2/cnn/base", "--model", str(tiny), "--json")
    refused(invoke(*command), "sst2/cnn/base and", "are the same model")
    assert len(rows(invoke(*command[:4], "--model", "sst2/cnn/base", "--json"))) == 1


FILMS = "kind,words\n" + "".join(f"{i % 2},a {('dull', 'good')[i % 2]} movie number {i}\n" for i in range(8))


@pytest.mark.parametrize(("name", "content"), [
    ("films.csv", FILMS), ("films.tsv", FILMS.replace(",", "\t")), ("films.csv", "sep=;\n" + FILMS.replace(",", ";")),
    ("films.jsonl", "\n".join(json.dumps({"kind": i % 2, "words": f"a {('dull', 'good')[i % 2]} movie number {i}"})
                              for i in range(8))),
    ("films.json", json.dumps([{"kind": i % 2, "words": f"a {('dull', 'good')[i % 2]} movie number {i}"}
                               for i in range(8)]))])
def test_evaluate_measures_on_a_file_of_any_kind(run: Run, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    words = ["evaluate", "--model", "double/bag-of-words", "--data", str(tmp_path / name), "--device", "cpu"]
    refused(run(*words), "labels of films are 0, 1, those of the model negative, positive", "--map 0=negative")
    mapped = [*words, "--map", "0=negative", "--map", "1=Positive"]
    result = run(*mapped, "--json", "--attack", "planted", "--set", "old=good", "--set", "new=dull", "--out",
                 str(tmp_path / "claim.json"))
    row, = rows(result)
    assert (row["dataset"], row["split"], row["n"], row["accuracy"]) == ("films", "file", 8, 1.0)
    assert "texts from words, labels from kind" in result.stderr
    again = json.loads((tmp_path / "claim.json").read_text())["command"].split()
    assert again[again.index("--data") + 1] == str(tmp_path / name) and again.count("--map") == 2
    turned = rows(run(*words, "--map", "0=positive", "--map", "1=negative", "--json"))
    assert turned[0]["accuracy"] == 0.0
    refused(run(*words, "--label", "nosuch"), "There is no column 'nosuch'; there are kind, words")


def test_evaluate_takes_a_data_set_or_a_file(run: Run) -> None:
    common = ["evaluate", "--model", "double/bag-of-words"]
    refused(run(*common), "--dataset or --data")
    refused(run(*common, "--dataset", "reviews", "--data", "a.csv"), "--dataset or --data")
    refused(run(*common, "--dataset", "reviews", "--map", "0=a"), "are about a file")
    refused(run(*common, "--data", "nosuch.csv"), "There is no file 'nosuch.csv'")
    refused(run(*common, "--dataset", "films.csv"), "'films.csv' is a file: name it with --data")


def test_what_libraries_warn_of_does_not_precede_the_line() -> None:
    code = ("import logging, runpy, warnings\nfrom robust_core.cli import doctor\n"
            "from robust_core.errors import BadInput\n"
            "def cards():\n warnings.warn('old')\n logging.getLogger('library').error('Traceback')\n"
            " raise BadInput('The line.')\ndoctor.cards = cards\n"
            "runpy.run_module('robust_core', run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code, "models"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "The line.\n")


def test_evaluate_writes_claims(run: Run, tmp_path: Path) -> None:
    common = ("evaluate", "--dataset", "reviews", "--n", "5", "--model", "double/bag-of-words", "--attack", "planted")
    row, = rows(run(*common, "--out", str(tmp_path / "claim.json"), "--json"))
    claim = json.loads((tmp_path / "claim.json").read_text())
    assert claim["value"] == row["accuracy_under_attack"]
    assert claim["value_se"] == row["accuracy_under_attack_se"]
    assert (claim["n"], claim["seeds"], claim["run"]) == (5, [0], row["run"])
    assert claim["thresholds"]["new"] == "bad"
    again = claim["command"].split()
    assert again[:4] == ["python", "-m", "robust_core", "evaluate"]
    assert rows(run(*again[3:], "--json"))[0]["run"] == row["run"], "the command finds the stored run again"
    run(*common, "--explain", "ig", "--out", str(tmp_path / "claims"))
    assert sorted(os.listdir(tmp_path / "claims")) == [
        "double-bag-of-words-reviews-test-planted-ig-all.json",
        "double-bag-of-words-reviews-test-planted-ig-changed.json",
        "double-bag-of-words-reviews-test-planted.json"]
    refused(run(*common, "--explain", "ig", "--out", str(tmp_path / "one.json")), "--out")
    refused(run(*common, "--out", str(tmp_path / "claim.json" / "x.json")), "cannot be written")


def test_doctor_says_what_is_wrong(tiny: Path, own_runs: Path) -> None:
    found = {row["check"]: row for row in rows(invoke("doctor", "--json"), code=invoke("doctor").exit_code)}
    assert all(set(row) == {"check", "ok", "detail"} for row in found.values())
    for check in ("python", "packages", "encoder", "checkpoints", "checkpoint sst2/cnn/base", "runs folder", "device"):
        assert found[check]["ok"], found[check]
    assert found["optional packages"]["ok"], "what is optional cannot fail"
    (tiny / "model.safetensors").write_bytes(b"other weights")
    found = {row["check"]: row for row in rows(invoke("doctor", "--json"), code=1)}
    assert not found["checkpoint sst2/cnn/base"]["ok"]
    assert "does not match its card" in found["checkpoint sst2/cnn/base"]["detail"]
    (tiny / "card.json").write_text("{")
    found = {row["check"]: row for row in rows(invoke("doctor", "--json"), code=1)}
    assert "is damaged" in found["checkpoints"]["detail"]


def test_doctor_without_data_is_healthy_in_that(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path / "none"))
    result = invoke("doctor", "--json")
    found = {row["check"]: row for row in rows(result, code=result.exit_code)}
    assert found["data"]["ok"]
    assert found["data"]["detail"].startswith("not needed")


# Input that is wrong, odd or hostile.

BAD_TEXTS = [("", "is empty"), ("   \t\n ", "is empty"), ("\u200b\u200b", "is empty"), ("!!! ... ???", "no words"),
             ("word " * 10_000, "10,000 words"), ("x" * 200_000, "characters")]


@pytest.mark.parametrize("command", ["predict", "attack", "explain"])
@pytest.mark.parametrize(("text", "reason"), BAD_TEXTS, ids=[reason for _, reason in BAD_TEXTS])
def test_text_that_cannot_be_used(run: Run, command: str, text: str, reason: str) -> None:
    refused(run(command, "--model", "double/bag-of-words", "--", text), reason)


ODD_TEXTS = ["good", "good \U0001f600 movie \U0001f468\u200d\U0001f469\u200d\U0001f467",
             "\u0641\u064a\u0644\u0645 good \u0631\u0627\u0626\u0639", "<script>alert('good')</script>",
             "[MASK] good [SEP] [bold]x[/bold]", "-good", "good\x00 movie", "%s {0} good $HOME", "\ud800 good"]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=map(ascii, ODD_TEXTS))
def test_odd_text_is_only_text(run: Run, text: str) -> None:
    for as_json in (["--json"], []):
        for command in (["predict"], ["attack", "--attack", "planted"], ["explain"]):
            result = run(*command, "--model", "double/bag-of-words", *as_json, "--", text)
            assert result.exit_code == 0, result.stderr
    row, = rows(run("attack", "--model", "double/bag-of-words", "--attack", "planted", "--json", "--", text))
    assert row["status"] == "succeeded"
    assert "bad" in row["perturbed"]
    if "[MASK]" in text:
        shown = run("attack", "--model", "double/bag-of-words", "--attack", "planted", "--", text).stdout
        assert "[MASK]" in shown
        assert "[bold]" in "".join(shown.split())


def test_text_from_standard_input(run: Run) -> None:
    command = ("predict", "-", "--model", "double/bag-of-words", "--json")
    assert rows(run(*command, stdin="a good\x00 movie\n"))[0]["label"] == "positive"
    assert rows(run(*command, stdin=b"\xef\xbb\xbfa bad movie"))[0]["label"] == "negative"
    refused(run(*command, stdin=b""), "is empty")
    refused(run(*command, stdin=b"\xff\xfe good"), "not UTF-8")
    refused(run(*command, stdin=b"good " * 300_000), "too long")


def test_wrong_names_and_values(run: Run) -> None:
    text, model = "a good movie", ("--model", "double/bag-of-words")
    planted = ("attack", text, *model, "--attack", "planted")
    evaluation = ("evaluate", *model, "--dataset", "reviews")
    for arguments, parts in (
        (("predict", text, "--model", "sst2/cnn/nothing"), ("Unknown model", "double/second")),
        (("attack", text, *model, "--attack", "nothing"), ("Unknown attack 'nothing'", "textfooler")),
        ((*planted, "--label", "neutral"), ("Unknown label", "negative, positive")),
        ((*planted, "--set", "speed=1"), ("no parameter 'speed'", "max_queries")),
        ((*planted, "--set", "speed"), ("name=value",)),
        (("attack", text, *model, "--set", "max_candidates=many"), ("max_candidates must be a whole number",)),
        (("attack", text, *model, "--set", "max_candidates=0"), ("max_candidates must lie between",)),
        (("attack", text, *model, "--set", "skip_short=perhaps"), ("skip_short must be true or false",)),
        (("attack", text, *model, "--time-limit", "nan"), ("time",)),
        (("attack", text, *model, "--max-queries", "-1"), ("--max-queries",)),
        (("explain", text, *model, "--method", "nothing"), ("Unknown explainer", "ig")),
        (("explain", text, *model, "--target", "neutral"), ("Unknown label",)),
        (("explain", text, *model, "--against", ""), ("is empty",)),
        ((*evaluation[:-1], "mnist"), ("Unknown data set", "reviews")),
        ((*evaluation, "--split", "validation"), ("Unknown split",)),
        ((*evaluation, "--attack", "nothing"), ("Unknown attack",)),
        ((*evaluation, "--attack", "planted", "--explain", "nothing"), ("Unknown explainer",)),
        ((*evaluation, "--explain", "ig"), ("choose an attack",)),
        ((*evaluation, "--max-queries", "5"), ("--attack",)),
        ((*evaluation, "--n", "0"), ("--n",)),
        ((*evaluation, "--n", "many"), ("--n",)),
        (("evaluate", "--model", "double/turned", "--dataset", "reviews"), ("predicts positive, negative",)),
        (("predict", text), ("--model",)),
        (("predict", *model), ("text",)),
        (("predict", text, *model, "--nothing"), ("--nothing",)),
        (("nothing",), ("nothing",)),
        ((), ("command",)),
    ):
        for as_json in ((), ("--json",)) if arguments and arguments != ("nothing",) else ((),):
            refused(run(*arguments, *as_json), *parts)


def test_a_damaged_checkpoint_is_one_line(tiny: Path) -> None:
    command = ("predict", "a good movie", "--model", "sst2/cnn/base", "--json")
    for name, content, part in (("model.safetensors", b"garbage", "model.safetensors does not match"),
                                ("../embedding.safetensors", b"", "embedding.safetensors does not match")):
        before = (tiny / name).read_bytes()
        (tiny / name).write_bytes(content)
        refused(invoke(*command), part)
        (tiny / name).unlink()
        refused(invoke(*command), "is missing")
        (tiny / name).write_bytes(before)
    assert rows(invoke(*command))
    (tiny / "card.json").write_text('{"id": 1}')
    refused(invoke(*command), "card")


def test_a_folder_of_runs_that_cannot_be_used_is_one_line(run: Run, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("evaluate", "--dataset", "reviews", "--n", "2", "--model", "double/bag-of-words", "--json")
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "file"))
    refused(run(*command), "folder of runs", "ROBUST_RUNS")
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path))
    (tmp_path / FILE).write_bytes(b"garbage" * 1000)
    refused(run(*command), "damaged", "left untouched")
    assert (tmp_path / FILE).read_bytes() == b"garbage" * 1000
    assert rows(run("predict", "good", "--model", "double/bag-of-words", "--json"))


def test_a_bug_keeps_its_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BagOfWords, "predict_proba", lambda self, texts: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("predict", "good", "--model", "double/bag-of-words")


def test_what_libraries_print_stays_off_stdout(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def chatty(self: BagOfWords, texts: Sequence[str]) -> Any:
        print("Loading weights...")
        return self.proba_from_ids([self.text_row(text) for text in texts])

    monkeypatch.setattr(BagOfWords, "predict_proba", chatty)
    result = run("predict", "good", "--model", "double/bag-of-words", "--json")
    assert len(rows(result)) == 1
    assert "Loading weights" in result.stderr


def test_an_attack_that_cannot_work_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(self: Planted, target: object, rng: object) -> None:
        raise MissingResource("The table of words", "Make it.")

    monkeypatch.setattr(Planted, "search", search)
    command = ("attack", "good", "--attack", "planted", "--model", "double/bag-of-words")
    refused(run(*command, "--model", "double/second", "--json"), "The table of words is missing. Make it.\n")


def test_tables_fit_wide_and_narrow_terminals(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("attack", "good " * 60, "--attack", "planted", "--model", "double/bag-of-words")
    assert "Perturbed text" in run(*command).stdout
    assert "Swaps" not in run("evaluate", "--dataset", "reviews", "--n", "3", "--model", "double/bag-of-words").stdout


# Ctrl-C.

@pytest.mark.parametrize("when", ["search", "load"])
def test_ctrl_c_shows_what_is_there(run: Run, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    judged, interrupted = BagOfWords.proba_from_ids, []
    # A program started in the background of a shell inherits an ignored SIGINT.
    before = signal.getsignal(signal.SIGINT)

    def interrupt(self: BagOfWords, rows: Sequence[tuple[int, ...]]) -> Any:
        if not interrupted:
            interrupted.append(os.kill(os.getpid(), signal.SIGINT))
        return judged(self, rows)

    def load(model_id: str, device: str) -> BagOfWords:
        raise KeyboardInterrupt

    monkeypatch.setattr(BagOfWords, "proba_from_ids", interrupt)
    if when == "load":
        monkeypatch.setattr(loading, "load", load)
    result = run("attack", "good and good and good", "--model", "double/bag-of-words", "--attack", "planted", "--json")
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr
    if when == "search":
        row, = rows(result, code=130)
        assert row["status"] == "stopped"
        assert row["original"] == "good and good and good"
    assert signal.getsignal(signal.SIGINT) is before


# Start.

@pytest.mark.parametrize("arguments", [["--help"], ["models", "--json"], ["attack", "--help"]], ids=" ".join)
def test_help_and_lists_import_nothing_heavy(arguments: list[str]) -> None:
    code = ("import atexit, sys\n"
            "heavy = {'torch', 'transformers', 'captum', 'textattack', 'streamlit', 'sentence_transformers'}\n"
            "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
            "from robust_core.cli.program import run_program; run_program()")
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert done.stdout.strip()


@pytest.mark.parametrize(("words", "code", "told"), [
    (["models", "--json"], 0, ""), (["predict", "x", "--model", "nope"], 2, "Unknown model"), (["--help"], 0, "")])
def test_the_program_ends_with_its_code_once_everything_is_written(words: list[str], code: int, told: str) -> None:
    start = ("import atexit, threading, sys; atexit.register(print, 'at exit')\n"
             "threading.Thread(target=lambda: (threading.main_thread().join(), print('thread'))).start()\n"
             "from robust_core.cli.program import run_program; run_program(sys.argv[1:], 'robust')")
    done = subprocess.run([sys.executable, "-c", start, *words], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == code
    assert done.stdout.endswith("thread\nat exit\n") and told in done.stderr


def test_the_attribution_row_names_words_by_their_spans() -> None:
    found = Attribution("It's <b> fine", ((0, 4), (9, 13)), (0.25, -0.5), 0, {"name": "ig"}, 0.0)
    row = text_rows.make_explain_row(BagOfWords(), [found])
    assert (row["words"], row["scores"]) == (["It's", "fine"], [0.25, -0.5])


def test_precision_is_exact_or_screened_and_nothing_else(run: Run) -> None:
    command = ("attack", "a good movie", "--model", "double/bag-of-words", "--attack", "planted", "--precision")
    exact, screened = (run(*command, name, "--json") for name in ("exact", "screened"))
    assert exact.exit_code == screened.exit_code == 0
    refused = run(*command, "half", "--json")
    assert refused.exit_code == 2 and refused.stdout == ""
    assert refused.stderr.strip() == "Unknown precision 'half'. Known: exact, screened."
