"""The limits of a suite as tests of pytest: one item each, which fails only where a confidence bound says so."""

import contextlib
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robust_core.cli.options import keep_stdout
from robust_core.cli.suite import describe_row, open_subject
from robust_core.errors import RobustError
from robust_core.files import check_path
from robust_core.suite.bounds import FAILS, PASSES
from robust_core.suite.checks import Check
from robust_core.suite.reader import read_suite
from robust_core.suite.running import NOT_TESTED, run_check, share_alpha, share_time
from robust_core.suite.subject import Subject

_FIGURES = ("at_least", "measured", "low", "high", "n", "seen", "of", "verdict")


class RobustWarning(UserWarning):
    """A limit that is too close to call."""


class Broken(Exception):
    """A limit that the model breaks."""


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let pytest look at the suite as if it were named among its files."""
    suite = str(_find_suite(config))
    if suite not in config.args:
        config.args.append(suite)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "SuiteFile | None":
    """Collect the suite."""
    if file_path == _find_suite(parent.config):
        return SuiteFile.from_parent(parent, path=file_path)
    return None


def _read(config: pytest.Config, option: str) -> str:
    return str(config.getoption(option) or "")


def _find_suite(config: pytest.Config) -> Path:
    return check_path(_read(config, "--robust-suite"), "suite").resolve()


class SuiteFile(pytest.File):
    """A suite, and the model that its limits share: opened for the first of them."""

    def collect(self) -> Iterator["LimitItem"]:
        """Yield one test a limit."""
        try:
            self.suite = read_suite(self.path)
        except RobustError as error:
            raise self.CollectError(str(error)) from None
        self._left, self._end = list(self.suite.checks), 0.0
        self._opened: Subject | None = None
        self._open = contextlib.ExitStack()
        self.config.add_cleanup(self._open.close)
        for check in self.suite.checks:
            item = LimitItem.from_parent(self, name=check.name)
            item.check = check
            item.add_marker(pytest.mark.robust)
            yield item

    def run(self, check: Check) -> dict[str, Any]:
        """Run a limit; what others leave of the time is shared by those that come after them."""
        if self._opened is None:
            asked = self.config.getoption("--robust-minutes") or self.suite.settings.minutes
            self._end = time.monotonic() + 60 * asked
            self._opened = self._open.enter_context(open_subject(
                self.suite, _read(self.config, "--robust-model"), _read(self.config, "--robust-data"),
                ("", "", None, None), _read(self.config, "--robust-device")))
        self._left.remove(check)
        seconds = share_time(self._end - time.monotonic(), [check, *self._left])
        obstacle = check.find_obstacle(self._opened)
        *_, last = run_check(check, self._opened, share_alpha(self.suite), seconds, threading.Event(), obstacle)
        return describe_row(last.data["finding"], {})


class LimitItem(pytest.Item):
    """One limit."""

    check: Check

    def runtest(self) -> None:
        """Hold the model to the limit."""
        assert isinstance(self.parent, SuiteFile), "a limit belongs to a suite"
        with keep_stdout():
            row = self.parent.run(self.check)
        self.user_properties.extend((name, row[name]) for name in _FIGURES)
        strict = self.config.getoption("--robust-strict") and row["verdict"] != PASSES
        if row["verdict"] == FAILS or strict:
            raise Broken("\n".join([row["line"], *row["failures"]]))
        if row["verdict"] == NOT_TESTED:
            pytest.skip(row["reason"])
        if row["verdict"] != PASSES:
            with warnings.catch_warnings():
                # No failure where warnings are errors either: for that there is --robust-strict.
                warnings.simplefilter("always", RobustWarning)
                warnings.warn(RobustWarning(row["line"]), stacklevel=1)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None  # noqa: ANN401 (pytest's)
                     ) -> Any:  # noqa: ANN401
        """Return what went wrong in plain words, without a traceback."""
        if isinstance(excinfo.value, Broken | RobustError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where it stands and what it is called."""
        return self.path, None, self.name
