"""How long the Embeddings page takes: python -m bench.embeddings_speed [--steps N] [--out FILE.json].

Starts the app, lets the Attack page give its first predictions, then goes to the Embeddings page and times in headless
Chromium what is seen: the first map from the click on the page's name (nothing was encoded before), k-PGD's
first curves on the app's models, and steps of the slider as medians. Targets: 3 s for the map, 0.5 s for a step.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from bench.app_speed import ALL, FLAGS, MODELS, server
from bench.program import check_models, find_chromium, run_program
from robust_core.claims.files import write_claim

MAP = """() => [...document.querySelectorAll('.stPlotlyChart')].some(
         chart => chart.innerText.includes('path of the attack') && chart.querySelector('.scatterlayer .point'))"""
LINE = """() => { const path = document.querySelector('.stPlotlyChart .shapelayer path');
          return path ? path.getAttribute('d') : ''; }"""
MOVED = f"""old => {{ const now = ({LINE})(); return now && now !== old; }}"""


def measure(steps: int, runs: Path) -> dict[str, float]:
    """Return seconds by what was waited for."""
    check_models(*MODELS)
    chromium = find_chromium()
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    with server(runs) as (address, _, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(address)
        page.wait_for_function(ALL, arg=3, timeout=120_000)
        page.wait_for_timeout(5000)
        link = page.get_by_role("link", name="Embeddings")
        clicked = time.perf_counter()
        link.click()
        page.wait_for_function(MAP, timeout=120_000)
        found["first map"] = time.perf_counter() - clicked
        page.wait_for_function(MOVED, arg="", timeout=120_000)
        found["first curves of k-PGD"] = time.perf_counter() - clicked
        page.wait_for_timeout(3000)
        knob = page.get_by_role("slider", name="ε, in mean token-embedding norms")
        knob.focus()
        taken = []
        for i in range(steps):
            before = page.evaluate(LINE)
            pressed = time.perf_counter()
            knob.press("ArrowRight" if i % 4 < 2 else "ArrowLeft")
            page.wait_for_function(MOVED, arg=before, timeout=30_000)
            taken.append(time.perf_counter() - pressed)
            page.wait_for_timeout(500)
        found["slider step, median"], found["slider step, slowest"] = statistics.median(taken), max(taken)
        browser.close()
    return found


def main() -> None:
    """Measure once and print a line for each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.steps, Path(folder))
    for name, value in found.items():
        print(f"{name}: {value:.2f} s")
    if args.out:
        write_claim(args.out, claim="How long a person waits on the Embeddings page",
                    command="python -m bench.embeddings_speed", run="", n=args.steps, seeds=[0], metric="first map",
                    value=found["first map"], value_se=float("nan"), thresholds={},
                    details={"seconds": found, "cores": os.cpu_count()})


if __name__ == "__main__":
    run_program(main)
