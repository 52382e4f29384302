"""A long time with several people: python -m bench.soak [--minutes 30] [--sessions 4] [--seed 0] [--out FILE.json].

Starts the app with a folder of runs of its own. In browsers of their own, people do whatever comes to their mind on all
pages: type, attack, stop, turn pages, pick other models, attacks and explainers, press any button, download, upload,
train, reload, leave and come back. At the end all leave, and the server is looked at: tracebacks in its log, jobs and
trainings that go on, memory beside that before (after one person had loaded everything and left), and how long Stop
took.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.app_speed import FLAGS, memory, server
from bench.program import check_models, find_chromium, run_program
from bench.sessions import SAYS, busy
from bench.soak_person import ATTACKS, MODELS, PAGES, Person, Seen
from robust_core.claims.files import write_claim
from robust_core.models import cards

# Streamlit keeps a session for two minutes after its browser has gone, so that a broken line loses nothing.
LEAVE = 130.0
# Streamlit 1.67 logs its own surprise where a tab goes while its line is being closed; none of our code is in it.
DISCONNECTED = re.compile(r"Exception in ASGI application\n(?:(?!Exception in ASGI).)*?WebSocketDisconnected: "
                          r"Cannot call \"send\" once a close message has been sent\.\n", re.DOTALL)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# What this process answers to SIGUSR1 with, for the bench.
JOBS = "jobs.json"


def ask_jobs(pid: int, runs: Path) -> list[str]:
    """Return the jobs that wait or run in the server."""
    (runs / JOBS).unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ValueError):
            return json.loads((runs / JOBS).read_text())
        time.sleep(0.05)
    return ["the server does not answer"]


def wait_idle(pid: int, runs: Path, seconds: float) -> list[str]:
    """Wait at least `seconds`, and until the server has nothing to do; return the jobs that are left.

    Trainings go on without their page: those that were begun last need some minutes.
    """
    time.sleep(seconds)
    until = time.monotonic() + 600
    while True:
        used = busy(pid)
        time.sleep(1)
        left = ask_jobs(pid, runs)
        if (busy(pid) - used < 0.1 and not left) or time.monotonic() > until:
            return left


def soak(minutes: float, sessions: int, seed: int, folder: Path, leave: float) -> dict[str, Any]:
    """Let people use the app for a while; return what was seen."""
    check_models(*MODELS)
    chromium = find_chromium()
    from playwright.sync_api import sync_playwright

    seen, runs, log = Seen(), folder / "runs", folder / "server.log"
    runs.mkdir()
    words = [sys.executable, "-m", "bench.soak", "--serve", str(runs / JOBS)]
    with log.open("w") as out, server(runs, out, words) as (address, pid, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=FLAGS)
        warm_up(Person(browser, address, random.Random(seed), Seen(), folder))
        wait_idle(pid, runs, leave)
        before = memory(pid)
        people = [Person(browser, address, random.Random(f"{seed}-{i}"), seen, folder) for i in range(sessions)]
        began, rng, held = time.monotonic(), random.Random(seed), []
        while time.monotonic() < began + 60 * minutes:
            rng.choice(people).act()
            time.sleep(rng.uniform(0.05, 0.5))
            if time.monotonic() - began > 60 * len(held):
                held.append(round(1000 * memory(pid)))
        busiest = memory(pid)
        for person in people:
            person.leave()
        left = wait_idle(pid, runs, leave)
        after = memory(pid)
        browser.close()
    # Streamlit draws tracebacks in colours, whose codes stand between their words.
    text, gone = DISCONNECTED.subn("", COLOURS.sub("", log.read_text(errors="replace")))
    stops = sorted(seen.stops) or [float("nan")]
    return {
        "tracebacks": text.count("Traceback (most recent call last)"), "lines of log": len(text.splitlines()),
        "lines broken while Streamlit closed them": gone,
        "broken pages": len(seen.broken), "jobs left": len(left), "memory before, MB": round(1000 * before),
        "memory at the end, MB": round(1000 * busiest), "memory after all left, MB": round(1000 * after),
        "memory after minus before, MB": round(1000 * (after - before)), "memory each minute, MB": held,
        "Stop, times pressed": len(seen.stops), "Stop, median s": round(statistics.median(stops), 3),
        "Stop, 95th percentile s": round(stops[min(int(0.95 * len(stops)), len(stops) - 1)], 3),
        "Stop, slowest s": round(stops[-1], 3),
        "actions": dict(seen.done.most_common()), "not there": dict(seen.missed.most_common()),
        "log": text[-20_000:], "broken": seen.broken[:5], "left": left}


def warm_up(person: Person) -> None:
    """Load everything that stays loaded: every page, every model, every attack, explanations and a training."""
    person.act("train")
    page = person.page
    for models in (MODELS[:3], MODELS[3:]):
        for attack in ATTACKS:
            page.goto(f"{person.address}?models={','.join(models)}&attack={attack}")
            page.get_by_test_id("stSidebarNavLink").first.wait_for()
            page.get_by_test_id("stBaseButton-primary").first.click()
            with contextlib.suppress(Exception):
                page.wait_for_function(SAYS, arg="Finished", timeout=60_000)
            page.wait_for_timeout(3000)
        person.act("download")
        for _ in PAGES:
            person.act("page")
            page.wait_for_timeout(2000)
            person.act("explainer")
    # Whatever may be picked later is loaded, as far as the app keeps it.
    known = [card.id for card in cards.cards()]
    for at in range(0, len(known), 4):
        page.goto(f"{person.address}?models={','.join(known[at:at + 4])}")
        page.wait_for_timeout(4000)
    for _ in range(20):
        person.act()
    person.leave()


def serve(answer: str) -> None:
    """Run the app in this process; on SIGUSR1 write down which jobs wait or run."""
    def tell(number: int, frame: object) -> None:
        from ui.shared import loaded

        left = [f"{job.kind}: {job.label} ({job.status})" for manager in (loaded.get_jobs(), loaded.get_trainings())
                for job in manager.jobs() if not job.over]
        Path(answer).with_suffix(".part").write_text(json.dumps(left))
        Path(answer).with_suffix(".part").replace(answer)

    signal.signal(signal.SIGUSR1, tell)
    from streamlit.web import cli

    sys.argv = ["streamlit", "run", "app.py", *sys.argv[1:]]
    cli.main()


def main() -> None:
    """Soak once and print a line for each figure; exit code 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leave", type=float, default=LEAVE, help="seconds until the server has forgotten who left")
    parser.add_argument("--out", help="file for the claim")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args, rest = parser.parse_known_args()
    if args.serve:
        sys.argv[1:] = rest
        serve(args.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = soak(args.minutes, args.sessions, args.seed, Path(folder), args.leave)
    log = found.pop("log")
    for name, value in found.items():
        print(f"{name}: {value}")
    good = (not found["tracebacks"] and not found["broken pages"] and not found["jobs left"]
            and found["memory after minus before, MB"] <= 100 and found["Stop, 95th percentile s"] <= 1)
    if not good:
        print(log)
    if args.out:
        write_claim(args.out, claim="Several people for a long time at one app",
                    command=f"python -m bench.soak --minutes {args.minutes:g} --sessions {args.sessions} "
                            f"--seed {args.seed}", run="", n=sum(found["actions"].values()), seeds=[args.seed],
                    metric="memory after minus before, MB", value=found["memory after minus before, MB"],
                    value_se=float("nan"), thresholds={}, details=found | {"cores": os.cpu_count()})
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    run_program(main)
