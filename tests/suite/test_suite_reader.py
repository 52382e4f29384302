"""Suites are read whole, or refused in one line that says where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.errors import BadInput
from robust_core.paths import ROOT
from robust_core.suite.attacked import AccuracyUnderAttack, CertifiedShare, Consistency
from robust_core.suite.checks import Accuracy, Direction, Functionality, Invariance
from robust_core.suite.reader import read_suite

GOOD = """
[suite]
model = "sst2/cnn/base"
minutes = 2
map = {0 = "negative", 1 = "positive"}

[[attack]]
attack = "pwws"
preset = "paper"
max_queries = 300
at_least = 0.4
set = {min_text_similarity = 0.5}

[clean]
at_least = 0.8

[[invariance]]
kind = "names"
at_least = 0.9

[[direction]]
kind = "addition"
add = ["I hated it."]
toward = "negative"
at_least = 0.9

[[functionality]]
title = "Plain words"
[functionality.texts]
positive = ["The {thing} is good."]
negative = ["The {thing} is bad.", "No."]
[functionality.fill]
thing = ["film", "cast"]

[certified]
at_least = 0.2

[[consistency]]
attack = "pwws"
at_least = -0.2
"""


@pytest.fixture
def read(tmp_path):
    """Read a suite from a text."""
    def from_text(text: str):
        (tmp_path / "suite.toml").write_text(text, encoding="utf-8")
        return read_suite(tmp_path / "suite.toml")
    return from_text


def test_a_suite_is_read_cheap_limits_first(read):
    suite = read(GOOD)
    assert [type(check) for check in suite.checks] == [
        Functionality, Accuracy, CertifiedShare, Direction, Invariance, AccuracyUnderAttack, Consistency]
    given_texts = suite.checks[0]
    assert isinstance(given_texts, Functionality) and given_texts.given == (
        ("The film is good.", "positive"), ("The cast is good.", "positive"), ("The film is bad.", "negative"),
        ("The cast is bad.", "negative"), ("No.", "negative"))
    assert given_texts.at_least == 1.0 and suite.settings.minutes == 2.0 and suite.settings.map["1"] == "positive"
    attack = suite.checks[5]
    assert isinstance(attack, AccuracyUnderAttack)
    assert attack.make().max_queries == 300 and attack.make().min_text_similarity == 0.5  # type: ignore[attr-defined]
    assert len({check.name for check in suite.checks}) == len(suite.checks)


def test_the_example_is_a_suite_and_the_workflow_runs_it():
    import yaml

    suite = read_suite(ROOT / "docs/suite.toml")
    assert {check.section for check in suite.checks} >= {"clean", "attack", "consistency", "invariance", "direction"}
    assert (ROOT / "docs" / suite.settings.data).is_file()
    workflow = yaml.safe_load((ROOT / "docs/robustness.yml").read_text())
    steps = [step.get("run", "") for step in workflow["jobs"]["suite"]["steps"]]
    assert any("test --suite docs/suite.toml" in step for step in steps)


@pytest.mark.parametrize(("text", "line", "message"), [
    ("[clean]\nat_leats = 0.5", 1, "at_least is missing"),
    ("[clean]\nat_least = 0.5\nat_most = 1", 3, "no key 'at_most'"),
    ("[clean]\nat_least = 'a'", 2, "at_least must be float"), ("[clean]\nat_least = 1.0", 2, "between 0 and 1"),
    ("[clean]\nat_least = 0", 2, "between 0 and 1"), ("[clean]\nat_least = nan", 2, "finite"),
    ("\n[cleen]\nat_least = 0.5", 2, "no table 'cleen'"), ("at_least = 0.5", 1, "no table 'at_least'"),
    ("[[attack]]\nattack = 'pwws'\nat_least = 0.5\n[[attack]]\nat_least = 0.5\nattack = 'pwvs'", 6,
     "Unknown attack 'pwvs'"),
    ("[[attack]]\nat_least = 0.5\npreset = 'kind'", 3, "Unknown preset 'kind'"),
    ("[[attack]]\nat_least = 0.5\nset = {nothing = 1}", 1, "has no parameter 'nothing'"),
    ("[[attack]]\nat_least = 0.5\nset = {time_limit = 1}", 1, "limit the queries"),
    ("[[attack]]\nat_least = 0.5\nset = 3", 3, "set is a table"),
    ("[[attack]]\nat_least = 0.5\nattack = 'input-reduction'", 1, "does not look for another class"),
    ("[[invariance]]\nat_least = 0.5\nkind = 'gender'", 3, "kind must be one of typos"),
    ("[[invariance]]\nat_least = 0.5\n[[invariance]]\nat_least = 0.6", 3, "tested twice"),
    ("[[direction]]\nat_least = 0.5\nkind = 'addition'", 3, "needs add"),
    ("[[direction]]\nat_least = 0.5\nadd = 'no'\ntoward = 'negative'", 3, "add is a list"),
    ("[[direction]]\nat_least = 0.5\ntoward = 'negative'", 1, "belong to kind"),
    ("[[functionality]]\ntitle = 'a'", 1, "texts is a table"),
    ("[[functionality]]\ntexts = {positive = ['a {b}']}", 2, "slot 'b'"),
    ("[[functionality]]\ntexts = {positive = ['a {b']}", 2, "brace"),
    ("[[functionality]]\ntexts = {positive = ['{b.c}']}\nfill = {b = ['c']}", 2, "brace"),
    ("[[functionality]]\ntexts = {positive = [1]}", 2, "list of texts"),
    ("[[consistency]]\nat_least = 0.3\nexplainer = 'nosuch'", 3, "Unknown explainer"),
    ("[suite]\nminutes = -1\n[clean]\nat_least = 0.5", 2, "minutes must"),
    ("[suite]\nmap = 3\n[clean]\nat_least = 0.5", 2, "map is a table"),
    ("suite = 3\n[clean]\nat_least = 0.5", 1, "suite is a table"),
    ("[[clean]]\nat_least = 0.5\n[[clean]]", 3, "missing"),
    ("clean = 0.5", 1, "clean is a table"), ("clean = [0.5]", 1, "clean is a table")])
def test_a_mistake_is_one_line_that_says_where(read, text, line, message):
    with pytest.raises(BadInput) as refused:
        read(text)
    said = str(refused.value)
    assert said.startswith(f"suite.toml, line {line}: ") and message in said and "\n" not in said


@pytest.mark.parametrize(("text", "message"), [
    ("[clean\nat_least = 1", "line 1"), ("", "has no limit"), ("[suite]\nseed = 1", "has no limit"),
    ("a = " + "[" * 2000, "suite.toml"),
    ("[[functionality]]\ntexts = {positive = ['{a} {b} {c}']}\n[functionality.fill]\n" + "".join(
        f"{slot} = [{', '.join(repr(str(i)) for i in range(40))}]\n" for slot in "abc"), "more than 10,000")])
def test_what_is_no_suite_is_one_line(read, text, message):
    with pytest.raises(BadInput, match=message) as refused:
        read(text)
    assert "\n" not in str(refused.value)


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_any_text_is_a_suite_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        read_suite(path)
    except BadInput as error:
        assert "any.toml" in str(error)


KEYS = ("at_least", "attack", "preset", "max_queries", "set", "kind", "variants", "tolerance", "toward", "add", "title",
        "texts", "fill", "explainer", "measured", "pairs", "swaps", "other")
VALUES = st.sampled_from(["0.5", "-1", "1e400", "'pwws'", "''", "[]", "{}", "[['a']]", "{a = 1}", "true", "1979-05-27",
                          "{positive = ['a']}", "['a']", "nan", "99999999999999999999"])


@settings(max_examples=40)
@given(st.sampled_from(["clean", "attack", "invariance", "direction", "functionality", "consistency", "certified",
                        "suite"]), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_any_values_are_a_suite_or_refused(tmp_path_factory, section, values):
    path = tmp_path_factory.getbasetemp() / "values.toml"
    path.write_text(f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
    try:
        read_suite(path)
    except BadInput as error:
        assert "values.toml" in str(error) and "\n" not in str(error)
