"""Two people at one app: python -m bench.sessions [--out FILE.json].

Both attack in browsers of their own. Timed are: a short attack beside somebody's long one, Stop in both, and how long
the server goes on computing after a tab with a running attack was closed.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.app_speed import CAPTION, FLAGS, MODELS, server
from bench.program import check_models, find_chromium, run_program
from robust_core.claims.files import write_claim

SHORT = "an exceedingly clever and funny piece of cinema with a wonderful cast"
LONG = " ".join(["The acting is wonderful and the story is touching, funny and wise, a delight to the end."] * 12)
SAYS = f"""word => ({CAPTION})().startsWith(word)"""
PREDICTED = """() => [...document.querySelectorAll('.rx-chip')].filter(e => e.innerText.includes('%')).length === 3"""


class Person:
    """Somebody at the Attack page, in a browser of their own.

    Args:
        browser: Chromium.
        address: Of the app; the sentence constraint is set so that a long text keeps an attack busy.
        ready: Function of the browser that says whether the page is there.
    """

    def __init__(self, browser: Any, address: str, ready: str = PREDICTED) -> None:  # noqa: ANN401 (of playwright)
        self.context = browser.new_context(viewport={"width": 1280, "height": 1000})
        self.page = self.context.new_page()
        self.page.goto(address)
        self.page.wait_for_function(ready, timeout=120_000)

    def attack(self, text: str) -> float:
        """Type a text and press Attack; return when."""
        box = self.page.get_by_label("Type a review")
        box.fill(text)
        box.press("Control+Enter")
        self.page.wait_for_timeout(1500)
        self.page.get_by_test_id("stBaseButton-primary").click()
        began = time.perf_counter()
        self.page.wait_for_function(SAYS, arg="Attacking", timeout=60_000)
        return began

    def until(self, word: str) -> float:
        """Wait until the page says that the attack is running or has ended; return when."""
        self.page.wait_for_function(SAYS, arg=word, timeout=120_000)
        return time.perf_counter()

    def stop(self) -> float:
        """Press Stop; return the seconds until the page says that it ended."""
        self.page.get_by_role("button", name="Stop", exact=True).click()
        pressed = time.perf_counter()
        return self.until("Finished") - pressed


def busy(pid: int) -> float:
    """Return the seconds of processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure() -> dict[str, float]:
    """Return seconds by what was waited for."""
    check_models(*MODELS)
    chromium = find_chromium()
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    strict = "?attack=textfooler;min_text_similarity=0.999"
    with tempfile.TemporaryDirectory() as runs, server(Path(runs)) as (address, pid, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        first, second = Person(browser, address + strict), Person(browser, address)
        second.attack(SHORT)
        second.until("Finished")
        began = second.attack(SHORT + " indeed")
        found["a short attack alone"] = second.until("Finished") - began
        first.attack(LONG)
        began = second.attack(SHORT)
        found["a short attack beside a long one"] = second.until("Finished") - began
        assert first.page.evaluate(SAYS, "Attacking"), "the long attack was over too soon to say anything"
        second.page.goto(address + strict)
        second.page.wait_for_function(PREDICTED, timeout=120_000)
        second.attack(LONG + " Indeed.")
        found["Stop, first of two"] = first.stop()
        found["Stop, second of two"] = second.stop()
        first.attack(LONG + " Really.")
        first.page.wait_for_timeout(1000)
        first.context.close()
        closed = before = time.perf_counter()
        used = busy(pid)
        while True:
            time.sleep(1)
            now, spent = time.perf_counter(), busy(pid)
            if (spent - used) / (now - before) < 0.2:
                break
            used, before = spent, now
        found["computing after a closed tab"] = before - closed
        browser.close()
    return found


def main() -> None:
    """Measure once and print a line for each figure."""
    parser = argparse.ArgumentParser(description="Two people at one app.")
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    found = measure()
    for name, value in found.items():
        print(f"{name}: {value:.2f} s")
    if args.out:
        worst = max(value for name, value in found.items() if name.startswith("Stop"))
        write_claim(args.out, claim="Two people attack at once", command="python -m bench.sessions", run="", n=1,
                    seeds=[0], metric="stop, slower of two", value=worst, value_se=float("nan"), thresholds={},
                    details={"seconds": found, "cores": os.cpu_count()})


if __name__ == "__main__":
    run_program(main)
