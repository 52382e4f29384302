"""How long a person waits: python -m bench.app_speed [--texts N] [--out FILE.json].

Starts the app, opens it in headless Chromium, and times what is seen: the page, the first prediction of each model, and
live TextFooler attacks (first progress, end) on reviews of 18 to 22 words from the train split, which are in no gallery
and no test, on four models. Times are wall seconds as the browser sees them, the server's start included.

"Opening to first flip read" is what a newcomer needs who presses Attack at once: the page opens, the attack on its own
text ends, and every word that then stands in a window of 1280 x 800 is read at 238 words a minute, the mean of silent
reading in English (Brysbaert 2019, https://doi.org/10.1016/j.jml.2019.104047).
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.program import check_models, find_chromium, run_program
from robust_core import datasets
from robust_core.claims.files import write_claim
from robust_core.text import Draft

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]
MODELS = ("sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/lstm/base", "sst2/minilm/base")
# Of the models that the app opens with.
OPENING = ("cnn", "additive")
STREAMLIT = (sys.executable, "-m", "streamlit", "run", "app.py")
SEEN = """name => [...document.querySelectorAll('.rx-chip')].some(e => e.innerText.toLowerCase().includes(name + ' ')
          && e.innerText.includes('%'))"""
ALL = """n => [...document.querySelectorAll('.rx-chip')].filter(e => e.innerText.includes('%')).length === n"""
CAPTION = """() => [...document.querySelectorAll('p')].map(e => e.innerText)
             .find(t => /^(Attacking|Finished) · /.test(t)) || ''"""
# The outcome of the attack before stays on the page until the new one begins: only another caption counts.
MOVED = f"""old => {{ const now = ({CAPTION})(); return now !== old && / · [1-9][0-9,]* queries/.test(now); }}"""
ENDED = f"""old => {{ const now = ({CAPTION})(); return now !== old && now.startsWith('Finished'); }}"""
# Words of the page itself, without the sidebar, that stand in the window.
WORDS = """() => {
  const walker = document.createTreeWalker(document.querySelector('[data-testid=stMain]'), NodeFilter.SHOW_TEXT);
  let count = 0;
  while (walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const box = range.getBoundingClientRect();
    const hidden = getComputedStyle(walker.currentNode.parentElement).visibility !== 'visible';
    if (!hidden && box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < window.innerHeight)
      count += (walker.currentNode.textContent.match(/[A-Za-z0-9%'’.-]*[A-Za-z0-9%][A-Za-z0-9%'’.-]*/g) || []).length;
  }
  return count; }"""
READ_A_MINUTE = 238


@contextlib.contextmanager
def server(runs: Path, log: IO[str] | int = subprocess.DEVNULL, words: Sequence[str] = STREAMLIT
           ) -> Iterator[tuple[str, int, float]]:
    """Run the app with a folder of runs; give its address, process id and start time.

    Args:
        runs: Folder of runs.
        log: File for what it prints.
        words: Command that runs it, but for its port.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"ROBUST_RUNS": str(runs)}
    started = time.perf_counter()
    process = subprocess.Popen([*words, "--server.port", str(port)], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            time.sleep(0.02)
        yield f"http://localhost:{port}/", process.pid, started
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            # It waits for pages that are still open.
            process.kill()
            process.wait(10)


def memory(pid: int) -> float:
    """Return the resident memory of a process in GB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1e6


def measure_insight(browser: "Browser", address: str, page_open: float) -> tuple[float, int]:
    """Return the seconds from opening the app to having read what the first attack shows, and the words read.

    Args:
        browser: Where to open it.
        address: Address of the app.
        page_open: Seconds that the page takes to open in a fresh server.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    attack = page.get_by_test_id("stBaseButton-primary")
    attack.wait_for(timeout=120_000)
    for name in OPENING:
        page.wait_for_function(SEEN, arg=name, timeout=120_000)
    clicked = time.perf_counter()
    attack.click()
    page.wait_for_function(ENDED, arg="", timeout=120_000)
    attacked = time.perf_counter() - clicked
    page.wait_for_timeout(2000)
    words = page.evaluate(WORDS)
    page.close()
    return page_open + attacked + 60 * words / READ_A_MINUTE, words


def measure(texts: list[str], models: list[str], runs: Path) -> tuple[dict[str, float], float, int]:
    """Return seconds by what was waited for, attacks as medians over all `texts` but the first, GB of memory, words.

    Args:
        texts: Reviews to attack.
        models: Models attacked together; the first predictions are timed on the app's own choice.
        runs: Folder of runs.
    """
    chromium = find_chromium()
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    with server(runs) as (address, pid, started), sync_playwright() as play:
        found["server answers"] = time.perf_counter() - started
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        opened = time.perf_counter()
        page.goto(address)
        attack = page.get_by_test_id("stBaseButton-primary")
        attack.wait_for(timeout=120_000)
        found["page open"] = time.perf_counter() - opened
        for name in OPENING:
            page.wait_for_function(SEEN, arg=name, timeout=120_000)
            found[f"first {name} prediction"] = time.perf_counter() - opened
        again = time.perf_counter()
        page.goto(f"{address}?models={','.join(models)}")
        attack.wait_for(timeout=60_000)
        found["page open again"] = time.perf_counter() - again
        page.wait_for_function(ALL, arg=len(models), timeout=60_000)
        first, whole = [], []
        # The first attack opens tables and the sentence encoder, unless the warm-up has; it is left out.
        for text in texts:
            box = page.get_by_label("Type a review")
            box.fill(text)
            box.press("Control+Enter")
            page.wait_for_timeout(1500)
            before = page.evaluate(CAPTION)
            clicked = time.perf_counter()
            attack.click()
            page.wait_for_function(MOVED, arg=before, timeout=60_000)
            first.append(time.perf_counter() - clicked)
            page.wait_for_function(ENDED, arg=before, timeout=120_000)
            whole.append(time.perf_counter() - clicked)
            page.wait_for_timeout(4000)
        found["first progress, median"] = statistics.median(first[1:])
        found[f"attack on {len(models)} models, median"] = statistics.median(whole[1:])
        found[f"attack on {len(models)} models, slowest"] = max(whole[1:])
        held = memory(pid)
        page.close()
        found["opening to first flip read"], words = measure_insight(browser, address, found["page open"])
        browser.close()
    return found, held, words


def main() -> None:
    """Measure once and print a line for each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=7)
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    # What would fail late, in the middle of a training or of Chromium, is looked for first.
    find_chromium()
    check_models(*MODELS)
    reviews = [e.text for e in datasets.load("reviews", "train") if 18 <= len(Draft.of(e.text).words) <= 22]
    with tempfile.TemporaryDirectory() as folder:
        found, held, words = measure(reviews[: args.texts + 1], list(MODELS), Path(folder))
    for name, value in found.items():
        print(f"{name}: {value:.2f} s")
    print(f"resident memory: {held:.2f} GB; {words} words read")
    if args.out:
        write_claim(args.out, claim="How long a person waits in the app", command="python -m bench.app_speed", run="",
                    n=args.texts, seeds=[0], metric="attack, median",
                    value=found[f"attack on {len(MODELS)} models, median"], value_se=float("nan"), thresholds={},
                    details={"seconds": found, "resident_gb": held, "words_read": words, "cores": os.cpu_count()})


if __name__ == "__main__":
    run_program(main)
