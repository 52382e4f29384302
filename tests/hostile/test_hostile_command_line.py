"""Every option of every command with what nobody should type: an answer, or one plain line and exit code 2."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.doubles import BagOfWords, Planted, WordEncoder, WordReader
from helpers.hostile import check_line, run_command
from helpers.results import RUN
from typer.main import get_command

from robust_core import encoders, trainings
from robust_core.attacks import ATTACKS
from robust_core.certify import base_classifiers, certified_accuracy, training
from robust_core.cli.program import COMMANDS, app
from robust_core.encoder_evaluation import tasks
from robust_core.encoder_training import specs
from robust_core.errors import BadInput
from robust_core.experiments import EXPERIMENTS, draw, evidence
from robust_core.judging.items import Counts, make_item
from robust_core.judging.records import Judged, to_record
from robust_core.models import loading, masked_lm
from robust_core.store import ResultStore
from robust_core.train import combining

REACHED = "This far a command may come: here the work itself begins."
# A command that is right but for the option that is tried.
BASE: dict[str, list[str]] = {
    "serve": [], "models": [], "doctor": [], "predict": ["a good film", "--model", "double/bag-of-words"],
    "attack": ["a good film", "--model", "double/bag-of-words", "--attack", "planted"],
    "explain": ["a good film", "--model", "double/bag-of-words"],
    "train": ["--dataset", "reviews", "--architecture", "cnn"],
    "evaluate": ["--model", "double/bag-of-words", "--dataset", "reviews", "--n", "3"],
    "guard": ["double/bag-of-words", "--guard", "unicode", "--dataset", "reviews", "--n", "3"],
    "sweep": ["sweep.json", "--device", "cpu"],
    "augment": ["texts.csv", "--out", "more.csv", "--attack", "planted", "--model", "double/bag-of-words"],
    "reproduce": ["flat/table4", "--n", "1"], "table": [], "claims": ["draw", "1"],
    "leaderboard": [],
    "train-encoder": ["--method", "simcse"], "evaluate-encoder": ["--encoder", "double", "--task", "sts12"],
    "similarity": ["a good film", "a bad film", "--encoder", "double"], "certify": ["a good film"],
    "train-smoothed": ["--dataset", "reviews"], "lessons": [], "judge": ["judgements.jsonl"],
    "report": ["RUN", "--out", "report.html"],
    "test": ["double/bag-of-words", "--data", "films.tsv", "--suite", "suite.toml"],
    "trigger": ["double/bag-of-words", "--dataset", "reviews"],
    "combine": ["--core", "sst2/additive/close", "--model", "double/bag-of-words", "--bound", "0.3"],
}
# Of two that exclude each other the one that is tried stands alone.
INSTEAD = {("evaluate", "--data"): "--dataset", ("evaluate", "--slice"): "--dataset", ("train", "--plan"): "--dataset",
           ("certify", "--dataset"): None}
VALUES = {
    "long": "a" * 5000, "many folders": "a/" * 3000, "nul": "a\0b", "outside": "../../../../victim",
    "below a file": "/dev/null/x", "above": "..", "bytes": "a\udcff\udcfe", "surrogate": "\ud800", "digits": "9" * 5000,
    "lines": "a\nb\rc\x1b[31m\u202e",
}
NUMBERS = {"negative": "-1", "digits": "9" * 5000, "large": str(2**70), "nan": "nan", "bytes": "\udcff", "empty": ""}
OF_NUMBERS = ("--seed", "--seeds", "--n", "--rows", "--sentences", "--max-queries", "--time-limit", "--scale")


def list_options() -> Iterator[tuple[str, str]]:
    """Every option of every command that takes a value, and its arguments by their place."""
    group: Any = get_command(app)
    for name in COMMANDS:
        at = 0
        for parameter in group.get_command(None, name).params:
            if not parameter.opts[0].startswith("-"):
                yield name, str(at)
                at += 1
            elif not parameter.is_flag:
                yield name, parameter.opts[0]


OPTIONS = sorted(list_options())
# What becomes a path is tried with everything, the rest with what is not in any list of names.
OF_PATHS = ("--out", "--record", "--claims", "--data-dir", "--plan", "--dataset", "--data", "--architecture", "--start",
            "--encoder", "--name", "--model", "--data-name", "--suite", "--junit", "--last")
SOME = ("nul", "bytes", "digits", "lines")


def list_values(option: str) -> Iterator[str]:
    """Names of the values that an option is tried with."""
    for value in NUMBERS if option in OF_NUMBERS else VALUES if option in OF_PATHS else SOME:
        # Where somebody says to write something, there it is written.
        if value == "outside" and option in ("--out", "--claims", "--junit", "--last"):
            continue
        # A folder that is there is opened by a library that takes seconds to import: see test_hostile_model_folders.
        if option == "--encoder" and value == "above":
            continue
        yield value


CASES = [(command, option, value) for command, option in OPTIONS for value in list_values(option)]


def is_untouched(runs: Path) -> bool:
    """Return whether a folder of runs holds nothing but the store that `no_work` makes."""
    return not {path.name for path in runs.iterdir()} - {"results.sqlite", "results.sqlite-wal", "results.sqlite-shm"}


@pytest.fixture(autouse=True)
def no_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Doubles for models and encoders that are named right, and an end where hours of work would begin."""
    known = {"double/bag-of-words": BagOfWords()}
    real_model, real_encoder = loading.load, encoders.load

    item = make_item("a fine film", "a good film", "positive", True)
    judged = Judged("Ann", "positive", True, "", "a" * 12, Counts(), item)
    BASE["report"][0] = ResultStore().open_run(RUN)
    Path("texts.csv").write_text("text,label\na good film,positive\na bad film,negative\n")
    Path("judgements.jsonl").write_text(json.dumps(to_record(judged)))
    Path("sweep.json").write_text(json.dumps({"models": ["double/bag-of-words"], "attacks": ["planted"],
                                             "data": [{"dataset": "reviews", "n": 3}]}))
    Path("films.tsv").write_text("text\tlabel\na good film\tpositive\na bad film\tnegative\n")
    Path("suite.toml").write_text("[clean]\nat_least = 0.5\n[[attack]]\nattack = 'planted'\nat_least = 0.5\n")
    # LIME draws with matplotlib, which keeps files of its own.
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    # Without the shipped models, whose files `doctor` would read again and again.
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setattr(base_classifiers, "load", lambda name: SimpleNamespace(scales=lambda _: [1.0], levels=255,
                                                                                   space=None))

    def refuse(*args: object, **options: object) -> None:
        raise BadInput(REACHED)

    monkeypatch.setattr(loading, "load", lambda name, device="auto": known.get(name) or real_model(name, device))
    monkeypatch.setattr(encoders, "load", lambda name, device="auto": (
        WordEncoder() if name == "double" else real_encoder(name, device)))
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": WordReader())
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)
    monkeypatch.setattr("robust_core.train.training.train", refuse)
    monkeypatch.setattr(specs, "train", refuse)
    monkeypatch.setattr("robust_core.cli.serve.run_streamlit", refuse)
    monkeypatch.setattr("robust_core.cli.trigger.list_words", refuse)
    monkeypatch.setattr(training, "prepare_splits", refuse)
    monkeypatch.setattr(training, "fit_network", refuse)
    real_card = combining.find_card
    monkeypatch.setattr(combining, "find_card", lambda name: refuse() if name == "sst2/additive/close" else real_card(
        name))
    monkeypatch.setattr(certified_accuracy, "certify_texts", refuse)
    monkeypatch.setattr(certified_accuracy, "measure_certified_accuracy", refuse)
    monkeypatch.setattr(tasks, "evaluate_encoder", refuse)
    monkeypatch.setattr(EXPERIMENTS["flat/table4"], "run", refuse)
    monkeypatch.setattr(draw, "_measure_one", refuse)
    monkeypatch.setattr(evidence, "drop_claims", refuse)


def make_words(command: str, option: str, value: str) -> list[str]:
    """The words of a command in which one option or argument has a value."""
    words = list(BASE[command])
    if option.isdecimal():
        at = int(option)
        return [command, *words[:at], value, *words[at + 1:]]
    for old in (option, INSTEAD.get((command, option), option)):
        if old in words:
            place = words.index(old)
            del words[place: place + 2]
    if INSTEAD.get((command, option), "") is None:
        words = words[1:]
    return [command, *words, option, value]


@pytest.mark.parametrize(("command", "option", "value"), CASES)
def test_an_option_with_a_hostile_value(command, option, value):
    hostile = (NUMBERS if option in OF_NUMBERS else VALUES)[value]
    code, _, _ = run_command(*make_words(command, option, hostile))
    assert code in (0, 1, 2)


def list_single() -> Iterator[tuple[str, str]]:
    """Every option of every command that takes one value and stands once."""
    group: Any = get_command(app)
    for name in COMMANDS:
        for parameter in group.get_command(None, name).params:
            if parameter.opts[0].startswith("-") and not parameter.is_flag and not parameter.multiple:
                yield name, parameter.opts[0]


@pytest.mark.parametrize(("command", "option"), sorted(list_single()))
def test_an_option_that_stands_once_is_not_dropped_silently(command, option):
    code, _, line = run_command(command, *BASE[command], option, "1", f"{option}=2")
    assert code == 2 and f"{option} takes one value and is given " in line


@pytest.mark.parametrize("value", ["long", "below a file", "bytes", "lines"])
@pytest.mark.parametrize("variable", ["ROBUST_RUNS", "ROBUST_DATA", "ROBUST_CHECKPOINTS", "ROBUST_ENCODER",
                                      "ROBUST_DEVICE"])
@pytest.mark.parametrize("command", ["models", "train", "evaluate", "similarity"])
def test_a_variable_with_a_hostile_value(command, variable, value, monkeypatch):
    words = [command, *BASE[command], *(["--attack", "planted"] if command == "evaluate" else [])]
    monkeypatch.setenv(variable, VALUES[value])
    code, _, _ = run_command(*words)
    assert code in (0, 1, 2)


@pytest.mark.parametrize(("rank", "count"), [
    ("abc", ""), ("1", ""), ("-1", ""), ("0", "abc"), ("0", "0"), ("0", "2"), ("3", "2"), ("9" * 5000, ""),
    ("0", "9" * 5000), ("1.0", "2"), ("\u0661", ""), ("", "-2"), ("0", "1e3"), ("\udcff", "")])
def test_processes_that_do_not_fit_are_refused_before_anything_is_trained(rank, count, monkeypatch, own_runs):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    code, _, line = run_command("train", "--dataset", "reviews", "--architecture", "cnn")
    assert code == 2 and REACHED not in line and ("RANK" in line or "WORLD_SIZE" in line)
    assert is_untouched(own_runs)


@pytest.mark.parametrize("name", ["../../../../victim", "..", ".", "a/b", "/etc/x", "a\\b", "x" * 300, "a\0", "\ud800",
                                  ".hidden", "a:b", "tab\t", " ", "-" * 300, "\u202e"])
@pytest.mark.parametrize("way", ["option", "plan", "encoder"])
def test_a_name_does_not_leave_its_folder(name, way, tmp_path, own_runs):
    victim = tmp_path / "victim" / "card.json"
    victim.parent.mkdir()
    victim.write_text("mine")
    if way == "encoder":
        words = ["train-encoder", "--method", "simcse", "--name", name]
    elif way == "option":
        words = ["train", *BASE["train"], "--name", name]
    else:
        entry = {"dataset": "reviews", "architecture": "cnn", "name": name}
        Path("plan.json").write_text(trainings.json.dumps([entry]))
        words = ["train", "--plan", "plan.json"]
    code, _, line = run_command(*words)
    assert code == 2 and REACHED not in line
    assert victim.read_text() == "mine" and is_untouched(own_runs)


RIGHT = '"dataset": "reviews", "architecture": "cnn"'
PLANS = {
    "deep": "[" * 10_000 + "]" * 10_000, "very deep": '[{"a":' * 200_000, "no list": "{}", "texts": '["a"]',
    "no JSON": "{", "empty": "", "digits": f'[{{"seed": {"9" * 5000}}}]', "many": f"[{','.join(['{}'] * 20_000)}]",
    "large seed": f'[{{{RIGHT}, "seed": {10**30}}}]', "true seed": f'[{{{RIGHT}, "seed": true}}]',
    "types": '[{"dataset": 3, "architecture": []}]', "keys": f'[{{"{"k" * 5000}": 1}}]',
    "set": f'[{{{RIGHT}, "set": {{"epochs": "x"}}}}]', "nan": f'[{{{RIGHT}, "set": {{"learning_rate": NaN}}}}]',
    "nul": '[{"dataset": "re\\u0000", "architecture": "cnn"}]', "twice": f"[{{{RIGHT}}}, {{{RIGHT}}}]",
    "surrogate": '[{"dataset": "\\ud800", "architecture": "\\ud800/x"}]',
    "outside": '[{"dataset": "../../x", "architecture": "cnn"}]', "defence": f'[{{{RIGHT}, "defence": ["base"]}}]',
    "architecture": f'[{{"dataset": "reviews", "architecture": "{"a/" * 3000}"}}]',
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_hostile_plan_is_one_line(plan):
    Path("plan.json").write_text(PLANS[plan])
    code, _, line = run_command("train", "--plan", "plan.json")
    assert code == 2 and REACHED not in line


@pytest.mark.parametrize("kind", ["pipe", "folder", "nothing", "long", "bytes"])
def test_a_plan_that_is_no_file_is_one_line(kind):
    if kind == "pipe":
        os.mkfifo("plan.json")
    elif kind == "folder":
        Path("plan.json").mkdir()
    elif kind == "long":
        with Path("plan.json").open("wb") as file:
            file.truncate(3_000_000_000)
    elif kind == "bytes":
        Path("plan.json").write_bytes(b"\xff\xfe[]")
    assert run_command("train", "--plan", "plan.json")[0] == 2


def test_an_unknown_architecture_does_not_list_all_that_a_library_knows(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "nosuch"}')
    for words in (["train", "--dataset", "reviews", "--architecture", "nosuch"],
                  ["predict", "a film", "--model", str(tmp_path / "model")]):
        line = run_command(*words)[2]
        assert "albert" not in check_line(line.rstrip("\n"))


@pytest.mark.parametrize("command", [name for name in BASE if name != "table"])
def test_without_a_hostile_value_each_command_comes_to_its_work(command):
    code, _, line = run_command(command, *BASE[command])
    assert code in (0, 1) or line.strip() == REACHED, line
