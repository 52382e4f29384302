"""Installed elsewhere: what the wheel holds, the console command, fewer packages, the container."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
import yaml
from helpers.hostile import expect_line
from packaging.requirements import Requirement

from robust_core import encoders, environment, paths
from robust_core.cli import console, program, serve
from robust_core.models import card_files, loading
from robust_core.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_setup() -> dict:
    """What setup.py defines, without running the build."""
    text = (ROOT / "setup.py").read_text(encoding="utf-8").replace("\nsetup(", "\ndict(")
    found = {"__file__": str(ROOT / "setup.py"), "__name__": "read"}
    exec(compile(text, "setup.py", "exec"), found)
    return found


def list_tracked(folder: str) -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in done.stdout.splitlines()]


@pytest.mark.parametrize("package", ["robust_core", "ui"])
def test_the_wheel_holds_whatever_lies_beside_the_code(package):
    patterns = PROJECT["tool"]["setuptools"]["package-data"][package]
    held = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
    lost = [path for path in list_tracked(package) if path.suffix != ".py" and path not in held]
    assert not lost and all((path.parent / "__init__.py").exists() for path in list_tracked(package)
                            if path.suffix == ".py")


def test_the_wheel_holds_the_app_and_the_checkpoints_of_its_own_data():
    setup = read_setup()
    files = {path.relative_to(ROOT).as_posix() for path in setup["list_files"]()}
    assert {"app.py", ".streamlit/config.toml", "NOTICE.md", "bench/reading/key.tsv"} <= files
    for pattern in ("pages/*.py", "lessons/*.yaml", "results/*.json"):
        assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)} <= files
    outside = set(setup["name_outside"]())
    from ui.session.selection import DEFAULT_MODELS

    assert not outside & set(DEFAULT_MODELS) and "trec/cnn/base" in outside and "encoders/simcse@1" in outside
    inside = {Path(name).parent.relative_to("checkpoints").as_posix() for name in files if name.endswith("card.json")}
    cards = {path.parent.relative_to(ROOT / "checkpoints").as_posix() for path in ROOT.glob("checkpoints/**/card.json")}
    assert inside | outside == cards and not inside & outside
    lessons = " ".join(path.read_text(encoding="utf-8") for path in ROOT.glob("lessons/*.yaml"))
    assert not [name for name in outside if name in lessons]
    assert sum((ROOT / name).stat().st_size for name in files) < 60 * 2**20


def test_checkpoints_and_tables_stay_small():
    sizes = [path.stat().st_size for folder in (ROOT / "checkpoints", ROOT / "robust_core" / "resources")
             for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert max(sizes) <= 16 * 2**20 and sum(sizes) <= 96 * 2**20


def test_a_checkpoint_outside_the_wheel_is_one_line(tmp_path, monkeypatch):
    outside = tmp_path / "outside.json"
    outside.write_text('["trec/cnn/base", "encoders/simcse@1"]')
    monkeypatch.setattr(card_files, "OUTSIDE", outside)
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    for load in (lambda: loading.load("trec/cnn/base"), lambda: encoders.load("simcse@1")):
        expect_line(load, "is missing", "set ROBUST_CHECKPOINTS")
    expect_line(lambda: loading.load("trec/cnn/nosuch"), "Unknown model")


def test_in_the_source_everything_lies_where_it_did():
    assert not paths.IS_INSTALLED and paths.ROOT / "robust_core" / "paths.py" == Path(paths.__file__)
    assert card_files.list_outside() == []
    assert str(paths.ROOT) in environment.child_environment()["PYTHONPATH"].split(":")


@pytest.fixture
def stays(monkeypatch):
    """The program raises SystemExit in place of ending this process."""
    monkeypatch.setattr(program, "leave", sys.exit)


@pytest.mark.usefixtures("stays")
def test_the_command_opens_the_app_or_runs_a_command(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(serve, "run_streamlit", lambda options: asked.append(list(options)) or 7)
    for words, options in (([], []), (["serve"], []), (["serve", "--", "--server.port", "1"], ["--server.port", "1"])):
        monkeypatch.setattr(sys, "argv", ["robustness-explorer", *words])
        with pytest.raises(SystemExit) as left:
            console.main()
        assert (left.value.code, asked.pop()) == (7, options)
    assert PROJECT["project"]["scripts"] == {"robustness-explorer": "robust_core.cli.console:main"}
    monkeypatch.setattr(sys, "argv", ["robustness-explorer", "models", "--json"])
    with pytest.raises(SystemExit) as left:
        console.main()
    assert left.value.code == 0 and "sst2/cnn/base" in capsys.readouterr().out


@pytest.mark.usefixtures("stays")
def test_without_streamlit_the_app_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(serve.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["robustness-explorer"])
    with pytest.raises(SystemExit) as left:
        console.main()
    line, = capsys.readouterr().err.splitlines()
    assert left.value.code == 2 and "pip install streamlit" in line


def read_pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return dict(line.split("==") for line in lines)


def fold(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_fewer_packages_are_of_the_same_releases_and_enough():
    every, slim = read_pins("requirements.txt"), read_pins("requirements-slim.txt")
    assert slim == {name: every[name] for name in slim} and len(every) - len(slim) == 50
    assert not {"textattack", "flair", "boto3", "gdown", "jieba", "language-tool-python"} & slim.keys()
    # Everything that the project asks for, and that in turn asks for.
    todo, seen = [Requirement(line) for line in PROJECT["project"]["dependencies"]], set()
    while todo:
        wanted = todo.pop()
        key = (fold(wanted.name), *sorted(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            more = importlib.metadata.requires(wanted.name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        extras = [*wanted.extras, ""]
        todo += [r for r in map(Requirement, more)
                 if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in extras)]
    known = {fold(name) for name in slim}
    # Builds of torch with CUDA bring packages that no build for the CPU has.
    assert {name for name, *_ in seen if not re.match(r"(nvidia|cuda|triton)", name)} <= known


def test_nothing_at_the_top_of_a_module_needs_what_is_left_out():
    left = {fold(name) for name in read_pins("requirements.txt").keys() - read_pins("requirements-slim.txt").keys()}
    for path in [*ROOT.glob("robust_core/**/*.py"), *ROOT.glob("ui/**/*.py"), *ROOT.glob("pages/*.py")]:
        if "/resources/build/" in str(path):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            assert not {fold(name.split(".")[0]) for name in names} & left, path


def test_the_container_serves_the_app_to_this_machine_alone():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", "", lines)
    said = [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()
            if line and not line.startswith("#")]
    kinds = [kind for kind, _ in said]
    assert kinds[0] == "FROM" and ":" in said[0][1] and not said[0][1].endswith("latest")
    assert dict(said)["USER"] == "1000" and kinds.index("USER") < kinds.index("ENTRYPOINT")
    for words in (text.split() for kind, text in said if kind == "COPY"):
        assert all((ROOT / name).exists() for name in words[:-1])
    default, = re.findall(r"^ARG REQUIREMENTS=(\S+)", lines, re.MULTILINE)
    assert (ROOT / default).is_file()
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    app = compose["services"]["app"]
    port = dict(said)["EXPOSE"]
    assert app["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert app["environment"]["ROBUST_SHARED"] == "0" and set(compose["volumes"]) == {"runs"}
    linter = shutil.which("hadolint")
    if linter:
        done = subprocess.run([linter, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(tmp_path):
    for words in (["wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path / "dist"), str(ROOT)],):
        subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=300)
    wheel, = (tmp_path / "dist").glob("*.whl")
    assert wheel.stat().st_size < 60 * 2**20
    venv.create(tmp_path / "venv", system_site_packages=False, with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True, timeout=300)
    # The packages of this environment, but neither the source nor its folder.
    site = Path(importlib.metadata.distribution("streamlit").locate_file(""))
    place = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (place / "others.pth").write_text(str(site) + "\n")
    command = tmp_path / "venv" / "bin" / "robustness-explorer"
    done = subprocess.run([command, "doctor"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    code = ("import robust_core.paths as p; from streamlit.testing.v1 import AppTest\n"
            "assert p.IS_INSTALLED\n"
            "app = AppTest.from_file(str(p.ROOT / 'app.py'), default_timeout=120).run()\n"
            "assert not app.exception and app.title[0].value == 'Attack', app.exception\n")
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
