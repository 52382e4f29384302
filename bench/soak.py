"""A long time with several people: python -m bench.soak [--minutes 30] [--sessions 4] [--seed 0] [--out FILE.json].

Starts the app with a folder of runs of its own. In browsers of their own, people do whatever comes to their mind on all
pages: type, attack, stop, turn pages, pick other models, attacks and explainers, press any button, download, upload,
train, reload, leave and come back. At the end all leave, and the server is looked at: tracebacks in its log, jobs and
trainings that go on, memory beside that before (after one person had loaded everything and left), and how long Stop
took.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.app_speed import FLAGS, memory, server
from bench.sessions import SAYS, busy
from robust_core import datasets
from robust_core.claims.files import write_claim

MODELS = ["sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/lstm/base", "sst2/minilm/base", "trec/cnn/base"]
ATTACKS = ["textfooler", "pwws", "bae", "iga;max_queries=500", "textfooler,pwws", "textfooler;max_candidates=10"]
PAGES = ["Attack", "Saliency", "Word importance", "Embeddings", "Certified", "Train", "Models", "About"]
# Streamlit keeps a session for two minutes after its browser has gone, so that a broken line loses nothing.
LEAVE = 130.0
SLOWEST = 20_000
UPLOAD = "text,label\n" + "".join(f"{'good' if i % 2 else 'bad'} film number {i},{i % 2}\n" for i in range(60))
# What this process answers to SIGUSR1 with, for the bench.
JOBS = "jobs.json"


@dataclasses.dataclass
class Seen:
    """What all people saw and did.

    Attributes:
        done: How often each action was done.
        missed: How often what an action needs was not there.
        stops: Seconds from each press of Stop to the end of the attack.
        broken: Messages of a page or browser that must not come.
    """

    done: Counter[str] = dataclasses.field(default_factory=Counter)
    missed: Counter[str] = dataclasses.field(default_factory=Counter)
    stops: list[float] = dataclasses.field(default_factory=list)
    broken: list[str] = dataclasses.field(default_factory=list)


class Person:
    """Somebody who does what comes to their mind.

    Args:
        browser: Chromium.
        address: Of the app.
        rng: Decides on everything.
        seen: Where to write down what happened.
        files: Folder of the file to upload.
    """

    def __init__(self, browser: Any, address: str, rng: random.Random, seen: Seen, files: Path) -> None:  # noqa: ANN401
        self._browser, self._address, self._rng, self._seen, self._files = browser, address, rng, seen, files
        self._texts = [e.text for e in datasets.load("reviews", "train")]
        self.actions: dict[str, tuple[int, Callable[[], None]]] = {
            "type": (6, self._type), "attack": (8, self._attack), "stop": (8, self._stop), "page": (8, self._turn),
            "link": (3, self._follow), "pick": (3, self._pick), "explainer": (3, self._explain),
            "button": (8, self._press), "download": (3, self._download), "upload": (1, self._upload),
            "train": (2, self._train), "reload": (2, self._reload), "leave": (1, self.come)}
        self._context: Any = None
        self.come()

    def come(self) -> None:
        """Leave, if this person is here, and come as somebody new."""
        self.leave()
        self._context = self._browser.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
        self._page = self._context.new_page()
        self._page.set_default_timeout(SLOWEST)
        self._page.on("pageerror", lambda error: self._seen.broken.append(f"browser: {error}"))
        self._page.goto(self._address)
        self._page.get_by_test_id("stSidebarNavLink").first.wait_for(timeout=120_000)

    def leave(self) -> None:
        """Close the browser."""
        if self._context is not None:
            self._context.close()
            self._context = None

    def act(self, name: str = "") -> None:
        """Do one thing, by name or by chance."""
        name = name or self._rng.choices(list(self.actions), [weight for weight, _ in self.actions.values()])[0]
        try:
            self.actions[name][1]()
            self._seen.done[name] += 1
        except Exception as error:  # noqa: BLE001 (a button that is not there, or went away: no fault)
            if type(error).__name__ not in ("TimeoutError", "Error", "NotHereError"):
                raise
            self._seen.missed[name] += 1
        with contextlib.suppress(Exception):
            self._seen.broken += self._page.get_by_test_id("stException").all_inner_texts()

    def _type(self) -> None:
        count = self._rng.choice([1, 1, 1, 2, 12])
        text = " ".join(self._rng.sample(self._texts, count))
        box = self._here(self._page.get_by_label("Type a review"))
        box.fill(text)
        box.press("Control+Enter")

    def _attack(self) -> None:
        self._button("Attack").click(timeout=3000)

    def _stop(self) -> None:
        """Press Stop; where an attack was running, time how long it takes to end."""
        stop = self._button("Stop")
        attacking = self._page.evaluate(SAYS, "Attacking")
        stop.click(timeout=3000)
        pressed = time.perf_counter()
        if attacking:
            self._page.wait_for_function(SAYS, arg="Finished", polling=20)
            self._seen.stops.append(time.perf_counter() - pressed)

    def _turn(self) -> None:
        name = self._rng.choice(PAGES)
        self._here(self._page.get_by_test_id("stSidebarNavLink").filter(has_text=name)).first.click(timeout=3000)

    def _follow(self) -> None:
        models = ",".join(self._rng.sample(MODELS, self._rng.randint(1, 3)))
        self._page.goto(f"{self._address}?models={models}&attack={self._rng.choice(ATTACKS)}")
        self._page.get_by_test_id("stSidebarNavLink").first.wait_for()

    def _pick(self) -> None:
        self._choose(self._page.get_by_test_id("stSidebar").get_by_test_id("stMultiSelect").first)

    def _explain(self) -> None:
        self._choose(self._page.get_by_test_id("stSidebar").get_by_test_id("stSelectbox").first)

    def _press(self) -> None:
        found = self._page.get_by_test_id("stMain").locator("[data-testid^=stBaseButton]:enabled").all()
        self._here_any(found).click(timeout=3000)

    def _download(self) -> None:
        button = self._here_any(self._page.get_by_test_id("stDownloadButton").locator("button:enabled").all())
        with self._page.expect_download(timeout=SLOWEST) as waiting:
            button.click(timeout=3000)
        assert waiting.value.failure() is None, waiting.value.failure()

    def _upload(self) -> None:
        self._go("Train")
        self._page.get_by_text("Your own file").click(timeout=3000)
        path = self._files / f"mine_{self._rng.randint(0, 3)}.csv"
        path.write_text(UPLOAD)
        self._page.locator("input[type=file]").set_input_files(path, timeout=5000)
        self._page.get_by_role("button", name="Use these texts").click(timeout=5000)

    def _train(self) -> None:
        self._go("Train")
        box = self._page.get_by_test_id("stSelectbox").filter(has_text="Defence").locator("input")
        box.click(timeout=3000)
        box.fill("Base")
        box.press("Enter")
        self._page.wait_for_timeout(500)
        self._button("Train").click(timeout=3000)

    def _reload(self) -> None:
        self._page.reload()
        self._page.get_by_test_id("stSidebarNavLink").first.wait_for()

    def _go(self, name: str) -> None:
        self._page.get_by_test_id("stSidebarNavLink").filter(has_text=name).first.click(timeout=3000)
        self._page.get_by_role("heading", name=name, exact=True).first.wait_for(timeout=5000)

    def _choose(self, box: Any) -> None:  # noqa: ANN401 (of playwright)
        self._here(box.locator("input")).click(timeout=3000)
        options = self._page.get_by_role("option").all()
        self._here_any(options).click(timeout=3000)
        self._page.keyboard.press("Escape")

    def _button(self, name: str) -> Any:  # noqa: ANN401 (of playwright)
        return self._here(self._page.get_by_role("button", name=name, exact=True).and_(
            self._page.locator("button:enabled"))).first

    def _here(self, found: Any) -> Any:  # noqa: ANN401 (of playwright)
        if not found.count():
            raise NotHereError
        return found

    def _here_any(self, found: list[Any]) -> Any:  # noqa: ANN401 (of playwright)
        if not found:
            raise NotHereError
        return self._rng.choice(found)


class NotHereError(Exception):
    """What an action needs is not on the page."""


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
    """Wait at least `seconds`, and until the server has nothing to do; return the jobs that are left."""
    time.sleep(seconds)
    until = time.monotonic() + 60
    while True:
        used = busy(pid)
        time.sleep(1)
        left = ask_jobs(pid, runs)
        if (busy(pid) - used < 0.1 and not left) or time.monotonic() > until:
            return left


def soak(minutes: float, sessions: int, seed: int, folder: Path, leave: float) -> dict[str, Any]:
    """Let people use the app for a while; return what was seen."""
    from playwright.sync_api import sync_playwright

    seen, runs, log = Seen(), folder / "runs", folder / "server.log"
    runs.mkdir()
    words = [sys.executable, "-m", "bench.soak", "--serve", str(runs / JOBS)]
    with log.open("w") as out, server(runs, out, words) as (address, pid, _), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        warm_up(Person(browser, address, random.Random(seed), Seen(), folder))
        wait_idle(pid, runs, leave)
        before = memory(pid)
        people = [Person(browser, address, random.Random(f"{seed}-{i}"), seen, folder) for i in range(sessions)]
        until, rng = time.monotonic() + 60 * minutes, random.Random(seed)
        while time.monotonic() < until:
            rng.choice(people).act()
            time.sleep(rng.uniform(0.05, 0.5))
        busiest = memory(pid)
        for person in people:
            person.leave()
        left = wait_idle(pid, runs, leave)
        after = memory(pid)
        browser.close()
    text = log.read_text(errors="replace")
    stops = sorted(seen.stops) or [float("nan")]
    return {
        "tracebacks": text.count("Traceback (most recent call last)"), "lines of log": len(text.splitlines()),
        "broken pages": len(seen.broken), "jobs left": len(left), "memory before, MB": round(1000 * before),
        "memory at the end, MB": round(1000 * busiest), "memory after all left, MB": round(1000 * after),
        "memory after minus before, MB": round(1000 * (after - before)),
        "Stop, times pressed": len(seen.stops), "Stop, median s": round(statistics.median(stops), 3),
        "Stop, 95th percentile s": round(stops[min(int(0.95 * len(stops)), len(stops) - 1)], 3),
        "Stop, slowest s": round(stops[-1], 3),
        "actions": dict(seen.done.most_common()), "not there": dict(seen.missed.most_common()),
        "log": text[-20_000:], "broken": seen.broken[:5], "left": left}


def warm_up(person: Person) -> None:
    """Load everything that stays loaded: every page, every model, every attack, explanations and a training."""
    person.act("train")
    page = person._page  # noqa: SLF001 (this file's own)
    for models in (MODELS[:3], MODELS[3:]):
        for attack in ATTACKS:
            page.goto(f"{person._address}?models={','.join(models)}&attack={attack}")  # noqa: SLF001
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
    main()
