"""Progress of long work on stderr: a bar a part on a terminal, elsewhere a plain line now and then."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from robust_core.events import Event

EVERY = 30.0
# A notebook without widgets shows lines: whoever waits in front of it wants them more often than a log file does.
EVERY_IN_NOTEBOOKS = 5.0
Show = Callable[[Event], None]
AnyEvent = TypeVar("AnyEvent", bound=Event | Mapping[str, Any])


@dataclasses.dataclass(frozen=True)
class Pace:
    """How fast one part goes, from the moment it was first heard of.

    Args:
        began: Seconds of the clock at that moment.
        had: What was done by then, such as results of an earlier run: they took no time now, so they do not count.
    """

    began: float
    had: int

    def rate(self, now: float, done: int) -> float:
        """Return how many were done in a second; NaN while none was."""
        return (done - self.had) / (now - self.began) if done > self.had and now > self.began else math.nan

    def left(self, now: float, done: int, total: int) -> float:
        """Return the seconds that the rest takes at this rate; NaN while there is none."""
        return (total - done) / self.rate(now, done)


def describe_progress(pace: Pace, now: float, done: int, total: int) -> str:
    """Write how far a part is, such as `120 of 1,821, 12.3 a second, 2 min 18 s left`; a total of 0 is unknown."""
    count, rate = f"{done:,} of {total:,}" if total else f"{done:,}", pace.rate(now, done)
    if math.isnan(rate):
        return count
    speed = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"
    if not total:
        return f"{count}, {speed}"
    return f"{count}, {speed}, {format_duration(pace.left(now, done, total))} left"


def watch(events: Iterable[AnyEvent], total: int = 0, console: Console | None = None) -> Generator[AnyEvent]:
    """Hand on the events of long work, and show on the way how far it is: a bar on a terminal and in a notebook.

    Takes what attacks, evaluations, experiments and trainings yield.

    Args:
        events: The events.
        total: Searches that an attack will make, texts times models; 0 where that is unknown.
        console: Where to write; stderr by default.
    """
    console = console or Console(stderr=True)
    every = EVERY_IN_NOTEBOOKS if console.is_jupyter else EVERY
    with show_progress(console, every=every) as show:
        searches = _count_searches(total)
        for event in events:
            told = _read_training(event) if not isinstance(event, Event) else searches(event)
            if told is not None:
                show(told)
            yield event


def _count_searches(total: int) -> Callable[[Event], Event | None]:
    """Return a function that makes progress of an event: attacks tell no parts, so their searches count."""
    searched, parts = 0, False

    def read(event: Event) -> Event | None:
        nonlocal searched, parts
        if event.kind == "progress" and "part" in event.data:
            parts = True
            return event
        if parts or event.kind not in ("started", "result", "error"):
            return None
        searched += event.kind != "started"
        return _make_progress("texts attacked", searched, total)

    return read


def _read_training(event: Mapping[str, Any]) -> Event | None:
    if "step" in event and "steps" in event:
        return _make_progress("training steps", event["step"], event["steps"])
    if "done" in event and "total" in event:
        return _make_progress(f"{event['kind']}", event["done"], event["total"])
    return None


def _make_progress(part: str, done: int, total: int) -> Event:
    return Event("progress", "", "", {"part": part, "done": done, "total": total})


def format_duration(seconds: float) -> str:
    """Write a time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


@contextlib.contextmanager
def show_progress(console: Console, clock: Callable[[], float] = time.monotonic, every: float = EVERY
                  ) -> Iterator[Show]:
    """Give a function that shows the "progress" events that carry part, done and total; it ignores all others.

    Args:
        console: Where to write: stderr, as stdout carries the answer.
        clock: Gives the time in seconds.
        every: Least seconds between two lines where the console is no terminal.
    """
    with (
        _show_bars(console)
        if console.is_terminal and (not console.is_jupyter or find_spec("ipywidgets"))
        else contextlib.nullcontext(_show_lines(console, clock(), every)) as draw
    ):
        paces: dict[str, Pace] = {}

        def show(event: Event) -> None:
            if event.kind == "progress" and "part" in event.data:
                part, done, total = event.data["part"], event.data["done"], event.data["total"]
                now = clock()
                pace = paces.setdefault(part, Pace(now, done))
                draw(part, done, total, describe_progress(pace, now, done, total), now)

        yield show


def _show_lines(console: Console, began: float, every: float) -> Callable[[str, int, int, str, float], None]:
    last = began

    def draw(part: str, done: int, total: int, text: str, now: float) -> None:
        nonlocal last
        if now - last >= every:
            console.print(f"{part}: {text}", markup=False, highlight=False, soft_wrap=True)
            last = now

    return draw


@contextlib.contextmanager
def _show_bars(console: Console) -> Iterator[Callable[[str, int, int, str, float], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(None),
               TextColumn("{task.fields[text]}", markup=False))
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(part: str, done: int, total: int, text: str, now: float) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(part, total=total or None, text=text)
            bars.update(tasks[part], completed=done, text=text)

        yield draw
