"""The code in README.md and docs/adding.md runs as printed."""

import re

import pytest
from helpers.doubles import BagOfWords

from robust_core import ATTACKS, Example
from robust_core.experiments import readme
from robust_core.paths import ROOT
from robust_core.registry import to_record


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


@pytest.mark.parametrize("page", ["README.md", "docs/results.md", "docs/speed.md", "docs/adding.md"])
def test_a_page_shows_commands_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    main = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "robust_core" / "cli").glob("*.py"))
    for command in set(re.findall(r"python -m robust_core (\w+)", text)):
        assert f"def {command}(" in main
    for module in set(re.findall(r"python -m ((?:bench|robust_core)\.[\w.]+)", text)):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module
    for path in re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE):
        for name in re.findall(r"`([\w./]+\.\w+|[\w./]+/)`", path):
            assert (ROOT / name).exists() or (ROOT / "robust_core" / name).exists(), name


def test_a_table_that_differs_is_named_and_mended(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- table:methods -->\nold\n<!-- /table -->\nafter\n", encoding="utf-8")
    assert readme.find_stale([page]) == [page] == readme.write_pages([page])
    text = page.read_text(encoding="utf-8")
    assert "| attack | `textfooler` |" in text and text.startswith("Before\n") and text.endswith("-->\nafter\n")
    assert readme.find_stale([page]) == [] == readme.write_pages([page])


def test_the_map_of_the_tree_is_the_tree():
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Where things are")[1].split("## Safety")[0]
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    shown = [name.rstrip("/") for cell in first for name in re.findall(r"`([^`]+)`", cell)]
    folders = {str(path.parent.relative_to(ROOT)) for top in ("robust_core", "ui", "pages", "bench")
               for path in (ROOT / top).rglob("*.py")}
    assert folders <= set(shown) and len(shown) == len(set(shown))
    assert all((ROOT / name).exists() for name in shown)
    for line in (line for line in text.splitlines() if line.startswith("| `")):
        folder, files = line.split("|")[1:3]
        for name in re.findall(r"`(\w+\.py)`", files):
            assert (ROOT / folder.strip(" `/") / name).exists(), name


def test_the_walks_through_the_tree_name_what_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:robust_core|ui|pages|attacks|tests)/[\w/]+\.py)", text))
    assert len(paths) > 20
    for path in paths:
        assert any((root / path).exists() for root in (ROOT, ROOT / "robust_core")), path
    named = re.findall(r"`([\w/]+\.py): (\w+)`", text)
    assert len(named) > 20
    for path, name in named:
        code = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {name}\b", code, re.MULTILINE), (path, name)
