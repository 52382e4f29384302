"""Pages where the folder of runs is a file, damaged, in use or not there: no traceback, one line each."""

import os
import sqlite3
from pathlib import Path

import pytest
from helpers.hostile import check_line
from helpers.pages import app, click, doubles  # noqa: F401 (doubles is used by pytest)

from robust_core.paths import ROOT
from robust_core.store import FILE, ResultStore
from ui.shared import loaded


def a_file(runs: Path) -> None:
    runs.write_text("a file")


def a_dangling_link(runs: Path) -> None:
    runs.symlink_to(runs.parent / "nowhere" / "at all")


def a_loop(runs: Path) -> None:
    runs.symlink_to(runs)


def garbage(runs: Path) -> None:
    runs.mkdir()
    (runs / FILE).write_bytes(b"no database" * 1000)


def a_folder_for_the_store(runs: Path) -> None:
    (runs / FILE).mkdir(parents=True)


def in_use(runs: Path) -> sqlite3.Connection:
    ResultStore(runs).close()
    other = sqlite3.connect(runs / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


FAULTS = {fault.__name__: fault for fault in (a_file, a_dangling_link, a_loop, garbage, a_folder_for_the_store, in_use)}


@pytest.mark.parametrize("fault, shared", [*((fault, "0") for fault in FAULTS), ("in_use", "1")])
def test_every_page_opens(own_runs, monkeypatch, fault, shared):
    monkeypatch.setenv("ROBUST_SHARED", shared)
    monkeypatch.setattr(loaded, "_STORE_WAIT", 0.1)
    monkeypatch.setenv("MPLCONFIGDIR", str(own_runs.parent / "matplotlib"))
    held = FAULTS[fault](own_runs)
    at = click(app(), "Attack")
    click(at, "Link")
    for page in ("2_Saliency", "3_Word_importance", "6_Train"):
        at.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
        assert not at.exception, (page, at.exception)
        for each in [*at.warning, *at.error]:
            check_line(str(each.value).replace("`", ""))
    if held is not None:
        held.close()
    assert own_runs.is_symlink() or os.path.lexists(own_runs)
