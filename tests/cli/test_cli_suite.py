"""The command `test`: exit codes, JUnit XML, JSON, the last run, and what somebody may write wrong."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers.cli import invoke, refused, rows
from helpers.doubles import BagOfWords, Counting

from robust_core.cli.suite import open_subject
from robust_core.models import loading
from robust_core.models.classifier import TextClassifier
from robust_core.paths import ROOT
from robust_core.suite.reader import read_suite

MODEL = "sst2/cnn/base"
WORDS = ("a wonderful film", "a dull film", "a moving and clever story", "an awful mess")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A file of texts that every model of sentiment gets right, and suites beside it."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{WORDS[i % 4]}, number {i}\t{('good', 'poor')[i % 2]}" for i in range(200)]
    (tmp_path / "films.tsv").write_text("text\tlabel\n" + "\n".join(lines) + "\n")
    head = f'[suite]\nmodel = "{MODEL}"\ndata = "films.tsv"\nmap = {{good = "positive", poor = "negative"}}\n'
    (tmp_path / "passes.toml").write_text(head + "[clean]\nat_least = 0.8\n[[invariance]]\nkind = 'punctuation'\n"
                                                 "at_least = 0.8\n")
    (tmp_path / "fails.toml").write_text(head + "[clean]\nat_least = 0.8\n[[functionality]]\ntitle = 'Upside down'\n"
                                                "texts = {negative = ['a wonderful film']}\n")
    (tmp_path / "close.toml").write_text(head + "[clean]\nat_least = 0.995\n[certified]\nat_least = 0.2\n")
    return tmp_path


@pytest.mark.parametrize(("suite", "strict", "code", "verdicts"), [
    ("passes.toml", False, 0, ["passes", "passes"]), ("passes.toml", True, 0, ["passes", "passes"]),
    ("fails.toml", False, 1, ["fails", "passes"]),
    ("close.toml", False, 0, ["too close to call", "not tested"]),
    ("close.toml", True, 1, ["too close to call", "not tested"])])
def test_the_exit_code_is_the_verdict(suite, strict, code, verdicts):
    words = ["test", "--suite", suite, "--junit", "junit.xml", *["--strict"] * strict]
    found = rows(invoke(*words, "--json"), code)
    assert [row["verdict"] for row in found] == verdicts and {row["model"] for row in found} == {MODEL}
    root = ElementTree.parse("junit.xml").getroot()
    cases = root.findall("./testsuite/testcase")
    assert [case.get("name") for case in cases] == [row["check"] for row in found]
    assert root.get("tests") == "2" and root.get("failures") == str(len(root.findall(".//failure")))
    assert len(root.findall(".//failure")) == (2 if suite == "close.toml" and strict else code and 1)
    assert len(root.findall(".//skipped")) == (suite == "close.toml" and not strict)
    shown = invoke(*words)
    assert shown.exit_code == code and ("breaks the suite" in shown.stdout) == bool(code)
    if suite == "fails.toml":
        assert "a wonderful film" in shown.stdout and "positive" in root.findtext(".//failure", "")


def test_the_model_and_the_texts_of_the_command_come_first(folder):
    text = (folder / "passes.toml").read_text()
    (folder / "bare.toml").write_text(text[text.index("[clean]"):])
    refused(invoke("test", "--suite", "bare.toml"), "Which model?")
    refused(invoke("test", MODEL, "--suite", "bare.toml"), "Which texts?")
    refused(invoke("test", MODEL, "--suite", "bare.toml", "--data", "films.tsv"), "--map")
    named = ("--map", "good=positive", "--map", "poor=negative")
    found = rows(invoke("test", "sst2/additive/close", "--suite", "bare.toml", "--data", "films.tsv", *named, "--json"))
    assert {row["model"] for row in found} == {"sst2/additive/close"}


def test_a_run_is_compared_with_the_last_one_and_asks_nothing(monkeypatch):
    first = rows(invoke("test", "--suite", "passes.toml", "--json"))
    assert "last_verdict" not in first[0]

    def refuse(self, texts):
        raise AssertionError("asked again")

    monkeypatch.setattr(TextClassifier, "predict_proba", refuse)
    again = rows(invoke("test", "--suite", "passes.toml", "--json"))
    assert [(row["last_verdict"], row["worse"], row["better"]) for row in again] == [("passes", 0, 0)] * 2
    assert "the same" in invoke("test", "--suite", "passes.toml").stdout


def test_the_last_run_may_lie_in_a_file_of_ones_own(own_runs):
    invoke("test", "--suite", "passes.toml", "--last", "kept/last.json")
    document = json.loads(Path("kept/last.json").read_text())
    assert document["model"] == MODEL and set(document["checks"]) == {"accuracy", "invariance to punctuation"}
    other, = {row["last_verdict"] for row in rows(invoke(
        "test", "sst2/additive/close", "--suite", "passes.toml", "--last", "kept/last.json", "--json"))}
    assert other == "passes" and not (own_runs / "suites").exists()
    Path("kept/last.json").write_text("{}")
    refused(invoke("test", "--suite", "passes.toml", "--last", "kept/last.json"), "no earlier run")


def test_of_a_model_that_shows_no_weights_nothing_is_kept(monkeypatch):
    # Under the same id there may be another model tomorrow.
    model = Counting(BagOfWords({"wonderful": 1.0, "dull": -1.0, "clever": 1.0, "awful": -1.0}))
    monkeypatch.setattr(loading, "load", lambda name, device="auto": model)
    rows(invoke("test", "double", "--suite", "passes.toml", "--json"))
    asked = model.asked
    rows(invoke("test", "double", "--suite", "passes.toml", "--json"))
    assert model.asked == 2 * asked > 0


@pytest.mark.parametrize(("words", "message"), [
    (("--suite", "nosuch.toml"), "is not there"), (("--suite", "films.tsv"), "films.tsv is no TOML"),
    (("--suite", "passes.toml", "--data", "nosuch.csv"), "nosuch.csv"),
    (("sst2/cnn/nosuch", "--suite", "passes.toml"), "Unknown model"),
    (("ag_news/cnn/base", "--suite", "passes.toml"), "--map"),
    (("--suite", "passes.toml", "--junit", "."), "is a folder"),
    (("--suite", "passes.toml", "--minutes", "0"), "--minutes")])
def test_what_cannot_be_tested_is_one_line(words, message):
    result = invoke("test", *words)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.stderr


def test_the_example_of_the_documentation_fits_its_model_and_its_texts():
    example = read_suite(ROOT / "docs/suite.toml")
    with open_subject(example, MODEL, "", ("", "", None, None), "cpu") as subject:
        assert len(subject.examples) > 50 and subject.texts.about.labels == ("negative", "positive")
        assert not any(check.find_obstacle(subject) for check in example.checks)


def test_signs_that_xml_has_not_are_replaced(folder):
    (folder / "odd.toml").write_text((folder / "fails.toml").read_text().replace(
        "Upside down", "Upside \u0007 <down> & \U0001f600").replace("'Upside", '"Upside').replace("600'", '600"')
        .replace("\U0001f600'", '\U0001f600"').replace("\u0007", "\\u0007"))
    invoke("test", "--suite", "odd.toml", "--junit", "odd.xml")
    names = [case.get("name") for case in ElementTree.parse("odd.xml").getroot().iter("testcase")]
    assert names[0] == "Upside \ufffd <down> & \U0001f600"


@pytest.mark.parametrize("minutes", ["0.01"])
def test_time_over_is_no_failure(minutes, monkeypatch):
    from robust_core.cli import suite

    moments = iter([0.0, 10_000.0])
    monkeypatch.setattr(suite.time, "monotonic", lambda: next(moments, 10_000.0))
    found = rows(invoke("test", "--suite", "passes.toml", "--minutes", minutes, "--json"))
    assert {row["verdict"] for row in found} == {"too close to call"} and "Time was over" in found[0]["reason"]
