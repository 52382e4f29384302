"""What a person finds after kill -9 of the server: python -m bench.kill_app [--out FILE.json].

The app is killed with SIGKILL in an attack, in a training and in an evaluation, each begun in Chromium, and started
again with the same folder of runs. Then the same address must say what was lost and offer to go on, and going on must
work; the store must open, with every result that it had.
"""

import argparse
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.app_speed import FLAGS, server
from bench.kill import Stored, stored
from bench.program import check_models, find_chromium, run_program
from bench.sessions import LONG, SAYS
from robust_core.claims.files import write_claim
from robust_core.train.lock import is_training

MODEL = "sst2/cnn/base"
STRICT = f"?models={MODEL}&attack=textfooler;min_text_similarity=0.999"
Step = Iterator[None]


def in_attack(page: Any, runs: Path) -> Step:  # noqa: ANN401 (of playwright)
    """Attack; after the restart the text is there, and Attack begins anew."""
    box = page.get_by_label("Type a review")
    box.fill(LONG[:500])
    box.press("Control+Enter")
    page.wait_for_timeout(2000)
    page.get_by_test_id("stBaseButton-primary").click()
    page.wait_for_function(SAYS, arg="Attacking", timeout=60_000)
    page.wait_for_url("**job=*", timeout=60_000)
    yield
    page.get_by_text("The attack of this address is not here any more").wait_for(timeout=60_000)
    assert page.get_by_label("Type a review").input_value() == LONG[:500]
    page.get_by_test_id("stBaseButton-primary").click()
    page.wait_for_function(SAYS, arg="Finished", timeout=300_000)
    yield


def in_training(page: Any, runs: Path) -> Step:  # noqa: ANN401 (of playwright)
    """Train; after the restart the training is unfinished, and Resume goes on with it."""
    turn(page, "Train")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_text(re.compile("Epoch [2-9]|Round 1")).first.wait_for(timeout=120_000)
    yield
    folder, = (runs / "training").iterdir()
    until = time.monotonic() + 30
    while is_training(folder):
        assert time.monotonic() < until, "the training outlives its server"
        page.wait_for_timeout(100)
    turn(page, "Train")
    page.get_by_text("Unfinished trainings").wait_for(timeout=60_000)
    page.get_by_role("button", name="Resume").click()
    page.get_by_text(re.compile("Epoch [2-9]|Round 1")).first.wait_for(timeout=120_000)
    assert page.get_by_text("Unfinished trainings").count() == 0, "offered although it runs"
    page.get_by_role("button", name="Stop", exact=True).last.click()
    page.get_by_text("Stopped. What it had learnt is kept").wait_for(timeout=60_000)
    yield


def in_evaluation(page: Any, runs: Path) -> Step:  # noqa: ANN401 (of playwright)
    """Measure a data set; after the restart what was stored is there, and Measure adds the rest."""
    turn(page, "Word importance")
    page.get_by_role("button", name="Measure").click()
    until = time.monotonic() + 120
    while not stored(runs) or "work=" not in page.url:
        assert time.monotonic() < until, "nothing is stored"
        page.wait_for_timeout(200)
    yield
    before: Stored = stored(runs)
    page.get_by_text("What it had stored is kept").wait_for(timeout=60_000)
    turn(page, "Word importance")
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("Find words").wait_for(timeout=300_000)
    after = stored(runs)
    assert len(after) > len(before) and all(after[key] == record for key, record in before.items())
    yield


def turn(page: Any, name: str) -> None:  # noqa: ANN401 (of playwright)
    """Turn to a page."""
    link = page.get_by_test_id("stSidebarNavLink").filter(has_text=name).first
    link.click()
    page.get_by_role("heading", name=name).first.wait_for(timeout=60_000)
    # What a page offers is there once its whole run has ended.
    page.wait_for_timeout(3000)


def kill(browser: Any, step: Callable[[Any, Path], Step], folder: Path) -> float:  # noqa: ANN401 (of playwright)
    """Kill the app in a step and go on; return the seconds from the restart until everything went on."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(60_000)
    doing = step(page, folder)
    with server(folder) as (address, pid, _):
        page.goto(address + (STRICT if step is in_attack else f"?models={MODEL}"))
        page.get_by_test_id("stBaseButton-primary").wait_for(timeout=120_000)
        next(doing)
        asked = page.url.partition("?")[2]
        os.kill(pid, signal.SIGKILL)
    began = time.perf_counter()
    with server(folder) as (address, _, _):
        page.goto(f"{address}?{asked}")
        page.get_by_test_id("stBaseButton-primary").wait_for(timeout=120_000)
        next(doing)
        # The server waits for open pages before it ends.
        page.close()
    return time.perf_counter() - began


def main() -> None:
    """Kill in each and say how long going on took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    check_models(MODEL)
    chromium = find_chromium()
    from playwright.sync_api import sync_playwright

    found = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        for step in (in_attack, in_training, in_evaluation):
            with tempfile.TemporaryDirectory() as folder:
                found[step.__name__.replace("_", " ")] = kill(browser, step, Path(folder))
            print(f"{step.__name__.replace('_', ' ')}: said what was lost, and went on", flush=True)
        browser.close()
    if args.out:
        write_claim(args.out, claim="After kill -9 of the app its pages say what was lost, and going on works",
                    command="python -m bench.kill_app", run="", n=len(found), seeds=[0], metric="kills",
                    value=len(found), value_se=float("nan"), thresholds={}, details={"seconds": found})


if __name__ == "__main__":
    run_program(main)
