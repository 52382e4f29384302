"""Somebody at the app who does whatever comes to their mind, for `bench.soak`."""

import contextlib
import dataclasses
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.sessions import SAYS
from robust_core import datasets

MODELS = ["sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/lstm/base", "sst2/minilm/base", "trec/cnn/base"]
ATTACKS = ["textfooler", "pwws", "bae", "iga;max_queries=500", "textfooler,pwws", "textfooler;max_candidates=10"]
PAGES = ["Attack", "Saliency", "Word importance", "Embeddings", "Certified", "Train", "Lessons", "Models", "About"]
SLOWEST = 20_000
UPLOAD = "text,label\n" + "".join(f"{'good' if i % 2 else 'bad'} film number {i},{i % 2}\n" for i in range(60))


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
        self._browser, self.address, self._rng, self._seen, self._files = browser, address, rng, seen, files
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
        self.page = self._context.new_page()
        self.page.set_default_timeout(SLOWEST)
        self.page.on("pageerror", lambda error: self._seen.broken.append(f"browser: {error}"))
        self.page.goto(self.address)
        self.page.get_by_test_id("stSidebarNavLink").first.wait_for(timeout=120_000)

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
            self._seen.broken += self.page.get_by_test_id("stException").all_inner_texts()

    def _type(self) -> None:
        count = self._rng.choice([1, 1, 1, 2, 12])
        text = " ".join(self._rng.sample(self._texts, count))
        box = self._here(self.page.get_by_label("Type a review"))
        box.fill(text)
        box.press("Control+Enter")

    def _attack(self) -> None:
        self._button("Attack").click(timeout=3000)

    def _stop(self) -> None:
        """Press Stop; where an attack was running, time how long it takes to end."""
        stop = self._button("Stop")
        attacking = self.page.evaluate(SAYS, "Attacking")
        stop.click(timeout=3000)
        pressed = time.perf_counter()
        if attacking:
            self.page.wait_for_function(SAYS, arg="Finished", polling=20)
            self._seen.stops.append(time.perf_counter() - pressed)

    def _turn(self) -> None:
        name = self._rng.choice(PAGES)
        self._here(self.page.get_by_test_id("stSidebarNavLink").filter(has_text=name)).first.click(timeout=3000)

    def _follow(self) -> None:
        models = ",".join(self._rng.sample(MODELS, self._rng.randint(1, 3)))
        self.page.goto(f"{self.address}?models={models}&attack={self._rng.choice(ATTACKS)}")
        self.page.get_by_test_id("stSidebarNavLink").first.wait_for()

    def _pick(self) -> None:
        self._choose(self.page.get_by_test_id("stSidebar").get_by_test_id("stMultiSelect").first)

    def _explain(self) -> None:
        self._choose(self.page.get_by_test_id("stSidebar").get_by_test_id("stSelectbox").first)

    def _press(self) -> None:
        # Only the action "train" trains, and something small: trainings go on after everybody has left.
        found = self.page.get_by_test_id("stMain").locator("[data-testid^=stBaseButton]:enabled").filter(
            has_not_text=re.compile("^(Train|Resume)$")).all()
        self._here_any(found).click(timeout=3000)

    def _download(self) -> None:
        button = self._here_any(self.page.get_by_test_id("stDownloadButton").locator("button:enabled").all())
        with self.page.expect_download(timeout=SLOWEST) as waiting:
            button.click(timeout=3000)
        assert waiting.value.failure() is None, waiting.value.failure()

    def _upload(self) -> None:
        self._go("Train")
        self.page.get_by_text("Your own file").click(timeout=3000)
        path = self._files / f"mine_{self._rng.randint(0, 3)}.csv"
        path.write_text(UPLOAD)
        self.page.locator("input[type=file]").set_input_files(path, timeout=5000)
        self.page.get_by_role("button", name="Use these texts").click(timeout=5000)

    def _train(self) -> None:
        self._go("Train")
        box = self.page.get_by_test_id("stSelectbox").filter(has_text="Defence").locator("input")
        box.click(timeout=3000)
        box.fill("Base")
        box.press("Enter")
        self.page.wait_for_timeout(500)
        self._button("Train").click(timeout=3000)

    def _reload(self) -> None:
        self.page.reload()
        self.page.get_by_test_id("stSidebarNavLink").first.wait_for()

    def _go(self, name: str) -> None:
        self.page.get_by_test_id("stSidebarNavLink").filter(has_text=name).first.click(timeout=3000)
        self.page.get_by_role("heading", name=name, exact=True).first.wait_for(timeout=5000)

    def _choose(self, box: Any) -> None:  # noqa: ANN401 (of playwright)
        self._here(box.locator("input")).click(timeout=3000)
        options = self.page.get_by_role("option").all()
        self._here_any(options).click(timeout=3000)
        self.page.keyboard.press("Escape")

    def _button(self, name: str) -> Any:  # noqa: ANN401 (of playwright)
        return self._here(self.page.get_by_role("button", name=name, exact=True).and_(
            self.page.locator("button:enabled"))).first

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
