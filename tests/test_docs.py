"""The code in README.md and docs/adding.md runs as printed."""

import re
from pathlib import Path

import pytest
from doubles import BagOfWords

from robust_core import ATTACKS, Example
from robust_core.registry import to_record

ROOT = Path(__file__).parents[1]


def code(name: str) -> str:
    """Return the Python of a page."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL))


@pytest.fixture
def shout():
    """Follow docs/adding.md, and tidy up."""
    space = {"__name__": "docs_adding"}
    exec(compile(code("docs/adding.md"), "docs/adding.md", "exec"), space)
    yield ATTACKS["shout"]
    ATTACKS._members.pop("shout")


def test_an_attack_made_by_the_page_works(shout):
    class CaseSensitive(BagOfWords):
        def unit_ids(self, unit):
            return (1,) if unit.isupper() else super().unit_ids(unit)

    assert to_record(shout(shortest=4)) == {"name": "shout", "max_queries": 0, "time_limit": 0.0, "shortest": 4}
    victim = CaseSensitive({"good": 2.0, "dull": -1.0})
    result, = (e.result for e in shout().run([victim], [Example("A good but dull film.", None, "d/0")]) if e.result)
    assert (result.status, result.perturbed) == ("succeeded", "A GOOD but dull film.")


def test_the_readme_runs(capsys):
    exec(compile(code("README.md"), "README.md", "exec"), {"__name__": "readme"})
    status, text = capsys.readouterr().out.strip().split(" ", 1)
    assert status in ("succeeded", "failed") and text


def test_the_readme_shows_commands_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    main = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "robust_core" / "cli").glob("*.py"))
    for command in set(re.findall(r"python -m robust_core (\w+)", text)):
        assert f"def {command}(" in main
    for path in re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE):
        for name in re.findall(r"`([\w./]+\.\w+|[\w./]+/)`", path):
            assert (ROOT / name).exists() or (ROOT / "robust_core" / name).exists(), name
