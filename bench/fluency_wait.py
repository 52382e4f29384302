"""Who waits for fluency: python -m bench.fluency_wait [--out FILE.json].

In the app, a review of 18 words and one of 202 are attacked on MiniLM: seconds until the page says "Finished", until
the table "Why?" is whole, and until the fluency is there. Then texts of 203 words and of 12,000 characters are attacked
and their tabs closed as soon as the attack has ended: how long does the server go on computing? On the command line a
text of 4,000 characters is attacked without a limit, with a time limit of 5 s, and with Ctrl-C after 10 s.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.app_speed import CAPTION, ENDED, FLAGS, ROOT, server
from bench.program import check_models, find_chromium, run_program
from bench.sessions import Person, busy
from robust_core import datasets
from robust_core.claims.files import write_claim
from robust_core.text import Draft

MODEL = "sst2/minilm/base"
CHIP = """() => [...document.querySelectorAll('.rx-chip')].filter(e => e.innerText.includes('%')).length === 1"""
WHY = """() => [...document.querySelectorAll('.rx-table')].some(e => e.innerText.includes('%'))
         && !document.body.innerText.includes('explaining …')"""
FLUENT = """() => /fluent|Fluency is left out/.test(document.body.innerText)"""


class Waiting(Person):
    """Somebody who attacks one model."""

    def __init__(self, browser: object, address: str) -> None:
        super().__init__(browser, f"{address}?models={MODEL}", CHIP)

    def time_attack(self, text: str) -> dict[str, float]:
        """Return the seconds until the attack has ended, until its table is whole, and until fluency is there."""
        began = self.run(text)
        found = {"Finished": time.perf_counter() - began}
        for name, shown in (("Why?", WHY), ("fluency", FLUENT)):
            self.page.wait_for_function(shown, timeout=300_000, polling=50)
            found[name] = time.perf_counter() - began
        return found

    def run(self, text: str) -> float:
        """Attack a text and wait until the attack has ended; return when it began."""
        box = self.page.get_by_label("Type a review")
        box.fill(text)
        box.press("Control+Enter")
        self.page.wait_for_timeout(3000)
        before = self.page.evaluate(CAPTION)
        self.page.get_by_test_id("stBaseButton-primary").click()
        began = time.perf_counter()
        self.page.wait_for_function(ENDED, arg=before, timeout=300_000, polling=50)
        return began


def wait_quiet(pid: int) -> float:
    """Return the seconds until a process has stopped computing, 300 at most."""
    closed = before = time.perf_counter()
    used = busy(pid)
    while time.perf_counter() - closed < 300:
        time.sleep(1)
        now, spent = time.perf_counter(), busy(pid)
        if (spent - used) / (now - before) < 0.2:
            break
        used, before = spent, now
    return before - closed


def make_text(words: int, characters: int = 0) -> str:
    """Return reviews put together, of a number of words; of more characters where neighbours are written as one."""
    found = [w for e in datasets.load("reviews", "train") for w in re.findall("[a-z]+", e.text.lower())]
    together = 1
    while len(text := " ".join("".join(found[i * together: (i + 1) * together]) for i in range(words))) < characters:
        together += 1
    return text[:characters or None]


def measure_app() -> dict[str, float]:
    """Return seconds by what was waited for, in the app."""
    check_models(MODEL, "sst2/cnn/base")
    chromium = find_chromium()
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as runs, server(Path(runs)) as (address, pid, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        person = Waiting(browser, address)
        # The first attack opens tables, the sentence encoder and the masked language model.
        person.time_attack("a clever and funny film with a wonderful cast")
        short = next(e.text for e in datasets.load("reviews", "train") if len(Draft.of(e.text).words) == 18)
        for name, text in (("18 words", short), ("202 words", make_text(202))):
            found |= {f"{name}: {part}": value for part, value in person.time_attack(text).items()}
        for name, text in (("203 words", make_text(203)), ("12,000 characters", make_text(390, 12_000))):
            person = Waiting(browser, address)
            person.run(text)
            person.context.close()
            found[f"{name}: computing after the tab was closed"] = wait_quiet(pid)
        browser.close()
    return found


def measure_command() -> dict[str, float]:
    """Return seconds that the command line takes with a limit, and after Ctrl-C."""
    text, found = make_text(390, 4000), {}
    words = [sys.executable, "-m", "robust_core", "attack", text, "--model", "sst2/cnn/base"]
    for name, more, interrupt in (("without a limit", [], None), ("--time-limit 5", ["--time-limit", "5"], None),
                                  ("after Ctrl-C", [], 10.0)):
        began = time.perf_counter()
        process = subprocess.Popen([*words, *more], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if interrupt is not None:
            time.sleep(interrupt)
            process.send_signal(signal.SIGINT)
            began = time.perf_counter()
        try:
            process.wait(300)
        finally:
            process.kill()
        found[f"4,000 characters on the command line, {name}"] = time.perf_counter() - began
    return found


def main() -> None:
    """Measure once and print a line for each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    found = measure_app() | measure_command()
    for name, value in found.items():
        print(f"{name}: {value:.1f} s", flush=True)
    if args.out:
        write_claim(args.out, claim="Who waits for fluency", command="python -m bench.fluency_wait", run="", n=1,
                    seeds=[0], metric="202 words: Why?", value=found["202 words: Why?"], value_se=float("nan"),
                    thresholds={}, details={"seconds": found, "cores": os.cpu_count()})


if __name__ == "__main__":
    run_program(main)
