"""Progress of long work on stderr: a bar a part on a terminal, elsewhere a plain line now and then."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from robust_core.types import Event

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 30.0
Show = Callable[[Event], None]


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
    """Write how far a part is, such as `120 of 1,821, 12.3 a second, 2 min 18 s left`."""
    count, rate = f"{done:,} of {total:,}", pace.rate(now, done)
    if math.isnan(rate):
        return count
    speed = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"
    return f"{count}, {speed}, {format_duration(pace.left(now, done, total))} left"


def format_duration(seconds: float) -> str:
    """Write a time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


@contextlib.contextmanager
def watch(console: "Console", clock: Callable[[], float] = time.monotonic, every: float = EVERY) -> Iterator[Show]:
    """Give a function that shows the "progress" events that carry part, done and total; it ignores all others.

    Args:
        console: Where to write: stderr, as stdout carries the answer.
        clock: Gives the time in seconds.
        every: Least seconds between two lines where the console is no terminal.
    """
    with (
        _show_bars(console)
        if console.is_terminal
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


def _show_lines(console: "Console", began: float, every: float) -> Callable[[str, int, int, str, float], None]:
    last = began

    def draw(part: str, done: int, total: int, text: str, now: float) -> None:
        nonlocal last
        if now - last >= every:
            console.print(f"{part}: {text}", markup=False, highlight=False, soft_wrap=True)
            last = now

    return draw


@contextlib.contextmanager
def _show_bars(console: "Console") -> Iterator[Callable[[str, int, int, str, float], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(None),
               TextColumn("{task.fields[text]}", markup=False))
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(part: str, done: int, total: int, text: str, now: float) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(part, total=total, text=text)
            bars.update(tasks[part], completed=done, text=text)

        yield draw
