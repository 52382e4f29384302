"""One order of imports without circles, inside packages and functions too, and nothing heavy before it is used."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import robust_core

ROOT = Path(robust_core.__file__).parents[1]
# Each part may import those in the groups before its own, and those of its own group.
ORDER = (("text", "parts", "hidden_characters", "highlight", "notebook"),
         ("errors", "files", "file_hashes", "types", "events", "registry", "environment", "owners", "paths", "version"),
         ("cleaning", "protocols", "classifiers", "metrics", "records", "runs", "store", "claims", "reading"),
         ("resources",),
         ("public_layouts", "split_files", "datasets", "splits", "tables", "parquet_reader", "table_files",
          "task_files", "pair_columns", "uploads",
          "kept_files", "slices"),
         ("models", "victims", "encoders", "perturb"), ("explainers", "attacks", "certify", "guards"), ("train",),
         ("defences", "evaluation", "encoder_evaluation", "triggers"),
         ("encoder_training", "trainings", "lessons", "judging", "augmentation"), ("sweep", "suite"), ("experiments",),
         ("leaderboard",), ("history", "reports"),
         ("jobs", "cli", "__main__"), ("ui",), ("pages",), ("app",))
PLACE = {part: group for group, parts in enumerate(ORDER) for part in parts}
# Packages that take long to import: a module gets them at its top only where everything in it needs them.
HEAVY = ("torch", "safetensors", "tokenizers", "transformers", "sentence_transformers", "peft", "captum", "lime",
         "textattack", "flair", "scipy", "sklearn", "pandas", "plotly", "accelerate", "huggingface_hub", "lemminflect",
         "nltk", "pyarrow")
# Not installed with the app: what needs one says so when it is asked for.
OPTIONAL = ("umap", "inflect", "ray", "skops")
# Where networks, losses and loops are defined, torch stands at the top; nothing that lists methods imports them.
OF_TORCH = ("models", "perturb", "train", "encoder_training", "certify.networks", "certify.base_classifiers",
            "certify.word_swaps", "certify.typos", "resources.build")
SCREEN = ("ui", "pages", "app")


class Import(NamedTuple):
    """One imported name: where, at the top of the module or inside a function."""

    file: str
    line: int
    importer: str
    name: str
    top: bool


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The part of the tree that a module belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "robust_core" and len(parts) > 1 else parts[0]


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
            homes = robust_core._HOMES if node.module == "robust_core" else {}
            names = [homes.get(alias.name, f"{node.module}.{alias.name}") for alias in node.names]
        for name in names:
            yield Import(str(path.relative_to(ROOT)), node.lineno, module_of(path), name, top)


FILES = sorted([*(ROOT / "robust_core").rglob("*.py"), *(ROOT / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py"),
                ROOT / "app.py"])
MODULES = {module_of(path): path for path in FILES}
IMPORTS = [i for path in FILES for i in imports(path)]


def target(name: str) -> str | None:
    """The module of ours that an imported name lies in, None for a package from outside."""
    return next((module for module in (name, name.rpartition(".")[0]) if module in MODULES), None)


@functools.cache
def heavy(module: str) -> frozenset[str]:
    """The heavy packages that importing a module imports."""
    found: set[str] = set()
    seen, left = set(), [module]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        left += [".".join(name.split(".")[:k]) for k in range(1, name.count(".") + 1)]
        for i in (i for i in IMPORTS if i.importer == name and i.top):
            inner = target(i.name)
            if inner is not None:
                left.append(inner)
            elif i.name.split(".")[0] in HEAVY:
                found.add(i.name.split(".")[0])
    return frozenset(found)


def test_every_module_has_its_place():
    assert {part_of(module) for module in MODULES} - {"robust_core"} <= set(PLACE)
    assert len(IMPORTS) > 100


def test_modules_import_only_what_stands_before_them():
    wrong = [f"{i.file}:{i.line} imports {i.name}" for i in IMPORTS if (other := target(i.name)) is not None
             and part_of(i.importer) in PLACE and PLACE.get(part_of(other), -1) > PLACE[part_of(i.importer)]]
    assert not wrong, "\n".join(wrong)


def test_there_is_no_circle():
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for i in IMPORTS:
        other = target(i.name)
        if other not in (None, i.importer):
            graph[i.importer].add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_an_import_inside_a_function_keeps_a_heavy_package_out():
    wrong = []
    for i in (i for i in IMPORTS if not i.top):
        other, first = target(i.name), i.name.split(".")[0]
        kept_out = heavy(other) if other is not None else {first} & {*HEAVY}
        if not kept_out - heavy(i.importer) and first not in OPTIONAL:
            wrong.append(f"{i.file}:{i.line} {i.name} may stand at the top")
    # TextAttack's process imports parts of TextAttack in each function: they exist only after `prepare`.
    wrong = [line for line in wrong if not line.startswith("robust_core/attacks/textattack/")]
    assert not wrong, "\n".join(wrong)


def test_packages_hold_no_code_beside_their_registry():
    for module, path in MODULES.items():
        if path.name != "__init__.py" or module in ("robust_core", "robust_core.resources"):
            continue
        doc, *rest = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(doc, ast.Expr), module
        assert all(isinstance(node, ast.ImportFrom | ast.Assign) for node in rest), module


def test_streamlit_stays_above_the_engine():
    wrong = [f"{i.file}:{i.line}" for i in IMPORTS
             if i.name.split(".")[0] in ("streamlit", "plotly") and part_of(i.importer) not in SCREEN]
    assert not wrong, wrong


def test_heavy_packages_are_imported_where_they_are_used():
    def may(module: str) -> bool:
        name = module.removeprefix("robust_core.")
        return any(name == part or name.startswith(f"{part}.") for part in OF_TORCH)

    wrong = [f"{module} imports {', '.join(sorted(heavy(module)))}" for module in MODULES
             if heavy(module) and module.startswith("robust_core") and not may(module)]
    wrong += [f"{i.file}:{i.line} {i.name}" for i in IMPORTS if i.name.split(".")[0] in ("textattack", "flair")
              and not i.file.startswith("robust_core/attacks/textattack/")]
    assert not wrong, "\n".join(wrong)


def test_the_environment_is_read_in_one_place():
    # TextAttack's process sets what that library reads, before it is imported.
    readers = [path for path in FILES if "os.environ" in path.read_text(encoding="utf-8")
               or "getenv" in path.read_text(encoding="utf-8")]
    assert [str(path.relative_to(ROOT)) for path in readers] == [
        "robust_core/attacks/textattack/parts.py", "robust_core/environment.py"]


NEVER = ("torch", "transformers", "sentence_transformers", "peft", "captum", "lime", "textattack", "streamlit",
         "plotly", "pandas", "scipy")
LOADED = f"import sys; found = [n for n in {NEVER!r} if n in sys.modules]; "
HELP = ("import sys; sys.argv = ['robust_core', *{words!r}]\n"
        "from robust_core.cli.program import app\n"
        "try: app()\n"
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
