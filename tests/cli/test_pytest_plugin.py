"""The pytest plug-in, in a pytest of its own inside this one."""

import pytest

pytest_plugins = ["pytester"]

SUITE = """
[suite]
model = "sst2/cnn/base"
data = "films.tsv"
map = {{good = "positive", poor = "negative"}}
[clean]
at_least = {clean}
[certified]
at_least = 0.2
[[functionality]]
title = "Plain words"
texts = {{negative = ["{given}"]}}
"""


@pytest.fixture
def folder(pytester):
    """A folder with texts, a suite and an ordinary test."""
    lines = [f"{('a wonderful film', 'a dull film')[i % 2]}, number {i}\t{('good', 'poor')[i % 2]}" for i in range(150)]
    pytester.path.joinpath("films.tsv").write_text("text\tlabel\n" + "\n".join(lines) + "\n")

    def write(clean: float = 0.8, given: str = "a dull film") -> None:
        pytester.path.joinpath("suite.toml").write_text(SUITE.format(clean=clean, given=given))
        pytester.makepyfile(test_other="def test_other():\n    assert True\n")
    return write


def run(pytester, *words: str):
    return pytester.runpytest_inprocess("-p", "robust_core.cli.pytest_plugin", "-p", "no:cacheprovider", "-rs", *words)


def test_each_limit_is_a_test(folder, pytester):
    folder()
    result = run(pytester, "--robust-suite", "suite.toml", "-v")
    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.fnmatch_lines(["*suite.toml::Plain words PASSED*", "*suite.toml::accuracy PASSED*"])
    result.stdout.fnmatch_lines(["*has no certificate in words*"])
    run(pytester, "--robust-suite", "suite.toml", "-m", "robust").assert_outcomes(passed=2, skipped=1, deselected=1)
    # Without a suite it is an ordinary pytest.
    run(pytester).assert_outcomes(passed=1)


def test_a_broken_limit_fails_in_plain_words(folder, pytester):
    folder(given="a wonderful film")
    result = run(pytester, "--robust-suite", "suite.toml", "--junitxml", "out.xml")
    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["Plain words fails: 0.0 %*", "'a wonderful film': positive*, not negative"])
    assert "Traceback" not in result.stdout.str()
    assert 'name="at_least" value="1.0"' in pytester.path.joinpath("out.xml").read_text()


def test_what_is_too_close_to_call_warns_or_strictly_fails(folder, pytester):
    folder(clean=0.995)
    run(pytester, "--robust-suite", "suite.toml").assert_outcomes(passed=3, skipped=1, warnings=1)
    run(pytester, "--robust-suite", "suite.toml", "--robust-strict").assert_outcomes(passed=2, failed=2)


@pytest.mark.parametrize(("words", "message"), [
    (("--robust-model", "sst2/cnn/nosuch"), "Unknown model"), (("--robust-data", "nosuch.csv"), "nosuch.csv")])
def test_what_is_not_there_is_one_line(folder, pytester, words, message):
    folder()
    result = run(pytester, "--robust-suite", "suite.toml", *words)
    assert message in result.stdout.str() and "Traceback" not in result.stdout.str() and result.ret == 1


def test_a_suite_with_a_mistake_is_one_line(folder, pytester):
    folder()
    pytester.path.joinpath("suite.toml").write_text("[clean]\nat_leats = 1\n")
    result = run(pytester, "--robust-suite", "suite.toml")
    result.assert_outcomes(errors=1)
    assert "suite.toml, line 1: at_least is missing" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
