"""One order of imports, and nothing heavy before it is used."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import robust_core

ROOT = Path(robust_core.__file__).parents[1]
# Groups in order; within a group the order holds at the top of modules, but not inside functions.
ORDER = (("errors", "types", "registry"), ("text", "metrics"), ("resources",),
         ("quantised", "datasets", "own_data", "images"), ("models", "encoders"), ("perturb",),
         ("attacks", "explainers", "embedding_attacks", "certify"), ("train", "smoothing"), ("defences",),
         ("meaning", "checks", "store"),
         ("stability", "transfer", "fluency", "evaluate", "sentences", "certified", "importance", "reproduce",
          "trainings", "experiments"),
         ("jobs", "progress", "processes", "cli", "__main__"), ("ui",), ("pages",), ("app",))
PLACE = {part: (g, i) for g, group in enumerate(ORDER) for i, part in enumerate(group)}
HEAVY = ("torch", "transformers", "sentence_transformers", "peft", "captum", "lime", "textattack")
SCREEN = ("ui", "pages", "app")


class Import(NamedTuple):
    """One imported name: where, at the top of the module or inside a function."""

    file: str
    line: int
    part: str
    name: str
    top: bool


def part_of(path: Path) -> str:
    """The part of the tree that a file belongs to."""
    inner = path.relative_to(ROOT).with_suffix("").parts
    return inner[1] if inner[0] == "robust_core" else inner[0]


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file but those under TYPE_CHECKING, which never run."""
    def walk(node: ast.AST, top: bool) -> Iterator[tuple[ast.AST, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            yield child, top
            yield from walk(child, top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    for node, top in walk(ast.parse(path.read_text(encoding="utf-8")), True):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}:{node.lineno}: relative import"
            # `from robust_core import X` means the module that X comes from.
            homes = {name: home for name, home in robust_core._HOMES.items()} if node.module == "robust_core" else {}
            names = [homes.get(alias.name, f"{node.module}.{alias.name}") for alias in node.names]
        for name in names:
            yield Import(str(path.relative_to(ROOT)), node.lineno, part_of(path), name, top)


FILES = sorted([*(ROOT / "robust_core").rglob("*.py"), *(ROOT / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py"),
                ROOT / "app.py"])
IMPORTS = [i for path in FILES if part_of(path) != "__init__" for i in imports(path)]


def test_every_module_has_its_place():
    assert {part_of(path) for path in FILES} - {"__init__"} <= set(PLACE)
    assert len(IMPORTS) > 100


def test_modules_import_only_what_stands_before_them():
    wrong = []
    for i in IMPORTS:
        steps = i.name.split(".")
        other = steps[1] if steps[0] == "robust_core" and len(steps) > 1 else steps[0]
        if steps[0] not in ("robust_core", *SCREEN) or other not in PLACE or other == i.part:
            continue
        mine, theirs = PLACE[i.part], PLACE[other]
        if theirs > mine if i.top else theirs[0] > mine[0]:
            wrong.append(f"{i.file}:{i.line} ({i.part}) imports {i.name}")
    assert not wrong, "\n".join(wrong)


def test_streamlit_stays_above_the_engine():
    wrong = [f"{i.file}:{i.line}" for i in IMPORTS
             if i.name.split(".")[0] in ("streamlit", "plotly") and i.part not in SCREEN]
    assert not wrong, wrong


def test_heavy_packages_are_imported_where_they_are_used():
    # A table's builder runs once, by itself: nothing but another builder imports it at its top.
    wrong = [f"{i.file}:{i.line} {i.name}" for i in IMPORTS
             if i.top and i.part not in ("models", "perturb", "train")
             and (i.name.split(".")[0] in HEAVY or (".resources.build_" in i.name and "/build_" not in i.file))]
    wrong += [f"{i.file}:{i.line} {i.name}" for i in IMPORTS
              if i.name.split(".")[0] in ("textattack", "flair") and not i.file.endswith("/textattack_worker.py")]
    assert not wrong, wrong


NEVER = (*HEAVY, "streamlit", "plotly", "pandas", "scipy")
LOADED = f"import sys; found = [n for n in {NEVER!r} if n in sys.modules]; "
HELP = ("import runpy, sys; sys.argv = ['robust_core', *{words!r}]\n"
        "try: runpy.run_module('robust_core', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end: assert not end.code, end.code\n")


@pytest.mark.parametrize("code", [
    "import robust_core; from robust_core import ATTACKS, DEFENCES, EXPLAINERS, cards, load, summary\n"
    "from robust_core.registry import parameters\n"
    "for registry in (ATTACKS, DEFENCES, EXPLAINERS):\n"
    "    for name in registry: parameters(registry[name]); registry[name]()\n"
    "cards()\n",
    HELP.format(words=["--help"]),
    HELP.format(words=["attack", "--help"]),
    HELP.format(words=["models", "--json"]),
], ids=["lists", "help", "attack-help", "models"])
def test_listing_and_help_load_nothing_heavy(code):
    done = subprocess.run([sys.executable, "-c", code + LOADED + "assert not found, found"], cwd=ROOT,
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
