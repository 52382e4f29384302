"""The real app on a free port, and Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bench.soak import DISCONNECTED

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run"]


def pytest_collection_modifyitems(items):
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """Start the app with an empty folder of runs; yield its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    # Cut off from every network, and with no textattack to import: the app needs neither.
    environment = os.environ | {"ROBUST_RUNS": str(tmp_path_factory.mktemp("runs")),
                                "PYTHONPATH": str(ROOT / "tests" / "offline")}
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)], cwd=ROOT, env=environment,
            stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://localhost:{port}/_stcore/health", server, log)
            yield f"http://localhost:{port}"
        finally:
            server.terminate()
            server.wait(20)
    said = log.read_text()
    assert "Traceback" not in DISCONNECTED.sub("", said) and "blocked:" not in said, said


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    """Wait until the server answers."""
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="session")
def chromium():
    """Start Chromium once."""
    from playwright.sync_api import expect, sync_playwright

    # Generous: a busy machine is slow, not wrong. What must be fast is measured elsewhere.
    expect.set_options(timeout=60_000)
    assert CHROMIUM, "Chromium is missing: install it, or name it in the environment variable CHROMIUM."
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visited(chromium, address):
    """Visit the start page once.

    Until then Streamlit lays the note "Page not found" over any other page, right though it is (streamlit#9992).
    """
    context = chromium.new_context()
    page = context.new_page()
    page.goto(address)
    page.get_by_label("Type a review").wait_for(timeout=60_000)
    context.close()
    return address


@pytest.fixture
def new_page(chromium, visited):
    """Return a function that opens an address of the app in a browser of its own; nothing may be asked elsewhere."""
    address, contexts, elsewhere = visited, [], []

    def open_(path: str = "/", width: int = 1280, scheme: str = "light"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        own = (address, address.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(own) else elsewhere.append(r.url))
        page.goto(address + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert elsewhere == []
