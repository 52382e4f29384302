"""What benchmarks share: what is missing is one line that says where it comes from; counts by text."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.claims.command import DATA
from robust_core.claims.derivation import Figure
from robust_core.claims.measurements import derive_measurement
from robust_core.environment import has_package
from robust_core.errors import MissingResource, RobustError, UnknownName
from robust_core.experiments.presence import describe_data, describe_models, describe_tables
from robust_core.models.cards import cards

# Packages that only some benchmarks need, and what installs them.
PACKAGES = {"atheris": "pip install -r requirements-fuzz.txt", "hypothesis": "pip install -r requirements-dev.txt",
            "playwright": "pip install -r requirements-dev.txt", "textattack": "pip install -r requirements.txt"}


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Run a benchmark and leave the program with its exit code.

    Whatever a person may lack or mistype is said in one line on stderr, with exit code 2, as on the command line of
    `robust_core`; anything else is a fault of ours and stays a traceback.
    """
    try:
        code = main()
    except RobustError as error:
        print(error, file=sys.stderr)
        code = 2
    sys.exit(code or 0)


def check_package(name: str) -> None:
    """Check that a package of PACKAGES can be imported, without importing it.

    Raises:
        MissingResource: It is not installed.
    """
    if not has_package(name):
        raise MissingResource(f"The package {name}", f"Install it: {PACKAGES[name]}")


@contextlib.contextmanager
def keep_busy(count: int) -> Iterator[list[int]]:
    """Keep some other processes busy, each one core's worth, and give their ids.

    They end with the context, and by themselves when this process is gone, however it ended.
    """
    # The parent is named, not looked up: it may be gone before the loop begins.
    loop = f"import os\nwhile os.getppid() == {os.getpid()}:\n    for _ in range(200_000): pass"
    processes = []
    try:
        for _ in range(count):
            processes.append(subprocess.Popen([sys.executable, "-c", loop]))
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def find_program(name: str, how_to_get_it: str) -> str:
    """Return the path of a program.

    Raises:
        MissingResource: It is not on the PATH.
    """
    path = shutil.which(name)
    if path is None:
        raise MissingResource(f"The program {name}", how_to_get_it)
    return path


def find_chromium() -> str:
    """Return the path of Chromium, which Playwright drives.

    Raises:
        MissingResource: One of the two is not here.
    """
    check_package("playwright")
    return find_program("chromium", "Install Chromium, such as with apt-get install chromium.")


def check_models(*ids: str) -> None:
    """Check that classifiers are among the checkpoints, before an app or a process is started for them.

    Raises:
        UnknownName: One is not.
    """
    known = [card.id for card in cards()]
    for name in ids:
        if name not in known:
            raise UnknownName("model", name, known)


def describe_ground(models: Iterable[str] = (), data: Iterable[tuple[str, str]] = (), attacks: Iterable[str] = (),
                    data_dir: str | None = None) -> dict[str, str]:
    """Return the hashes of what a measurement rests on, for its claim.

    Args:
        models: Ids of models.
        data: (data set, split) that are read.
        attacks: Names of attacks.
        data_dir: Folder of data sets.
    """
    uses = [use for name in attacks for use in ATTACKS[name].uses]
    found = describe_models(models) | describe_tables(*dict.fromkeys(uses))
    for dataset, split in data:
        found |= describe_data(dataset, split, datasets.load(dataset, split, data_dir))
    return found


def derive_counts(metric: str, details: Mapping[str, Any]) -> Figure:
    """Return what the counts of a measurement give, as the check of its claim will."""
    figure = derive_measurement(metric, details)
    assert figure is not None, f"{metric} is worked out from no counts"
    return figure


def name_data(args: argparse.Namespace) -> str:
    """Return the option that stands in a claim's command for the folder of the public data sets."""
    return f" --data-dir {DATA}" if hasattr(args, "data_dir") else ""


def count_by_text(found: Iterable[Mapping[str, bool]]) -> dict[str, tuple[int, int]]:
    """Return for each text how often something was so, and how often it was asked.

    Args:
        found: For each classifier or attack, by uid of the text, whether it was so.
    """
    counts: dict[str, tuple[int, int]] = {}
    for answers in found:
        for uid, answer in answers.items():
            hits, trials = counts.get(uid, (0, 0))
            counts[uid] = hits + answer, trials + 1
    return counts


def list_counts(texts: Mapping[str, tuple[int, int]]) -> list[dict[str, int]]:
    """Return how many texts have each pair of counts: all that an error over texts needs.

    Args:
        texts: What `count_by_text` returns.
    """
    return [{"hits": hits, "trials": trials, "texts": number}
            for (hits, trials), number in sorted(Counter(texts.values()).items())]
