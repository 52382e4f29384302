"""The command report: the file that it writes, and what it refuses."""

import pytest
from helpers.cli import invoke, refused
from helpers.doubles import Planted, WordEncoder
from helpers.runs import store_run

from robust_core import ATTACKS, encoders
from robust_core.store import ResultStore


@pytest.fixture
def run(own_runs, monkeypatch):
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    list(ATTACKS)
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)
    return store_run(ResultStore(own_runs))


def test_it_writes_one_page(run, tmp_path):
    out = tmp_path / "new" / "report.html"
    done = invoke("report", run, "--out", out)
    assert done.exit_code == 0 and done.stdout.strip().endswith("report.html: 1 run.")
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "Planted words" in page and "What to do next" in page
    before = out.read_bytes()
    refused(invoke("report", run, "nosuch", "--out", out), "No run 'nosuch'")
    assert out.read_bytes() == before, "what was there stays"


def test_what_it_refuses(run, tmp_path):
    refused(invoke("report", run, "--out", tmp_path / "report.txt"), "HTML file")
    refused(invoke("report", run, "--out", tmp_path), "HTML file")
    (tmp_path / "folder.html").mkdir()
    refused(invoke("report", run, "--out", tmp_path / "folder.html"), "is a folder")
    refused(invoke("report", "a" * 5000, "--out", tmp_path / "r.html"), "No run")
