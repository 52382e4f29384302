"""What the wheel holds beside the packages: the app, its pages and lessons, results, and the smaller checkpoints.

Everything goes to `robust_core/app/`, where `robust_core.paths` looks for it. The rest of the build stands in
pyproject.toml.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
APP = Path("robust_core") / "app"
# Files and folders of the repository, as patterns.
HELD = ("app.py", "pages/*.py", "lessons/*.yaml", "results/*", "bench/reading/*.tsv", ".streamlit/config.toml",
        "LICENSE", "NOTICE.md")
# Checkpoints that stay outside: those that the app shows only for other data than its own, and further seeds.
OUTSIDE = ("trec", "ag_news", "encoders/*@*")


def list_checkpoints(inside: bool) -> Iterator[Path]:
    """Yield the files of the checkpoints that the wheel holds, or of those that it does not."""
    root = HERE / "checkpoints"
    outside = {path for pattern in OUTSIDE for path in root.glob(pattern)}
    for path in sorted(root.rglob("*")):
        if path.is_file() and outside.isdisjoint((path, *path.parents)) == inside:
            yield path


def list_files() -> Iterator[Path]:
    """Yield what goes into the app's folder."""
    for pattern in HELD:
        yield from sorted(path for path in HERE.glob(pattern) if path.is_file())
    yield from list_checkpoints(inside=True)


def name_outside() -> list[str]:
    """Return the ids of the checkpoints that the wheel does not hold."""
    root = HERE / "checkpoints"
    return [path.parent.relative_to(root).as_posix() for path in list_checkpoints(inside=False)
            if path.name == "card.json"]


class BuildWithApp(build_py):
    """Copies the app beside the packages."""

    def run(self) -> None:
        """Build the packages, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / APP
        shutil.rmtree(target, ignore_errors=True)
        for path in list_files():
            place = target / path.relative_to(HERE)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        (target / "checkpoints" / "outside.json").write_text(json.dumps(name_outside(), indent=1) + "\n",
                                                             encoding="utf-8")


setup(cmdclass={"build_py": BuildWithApp})
