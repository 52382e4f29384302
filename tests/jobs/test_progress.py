"""Progress: the arithmetic of rate and time left, lines now and then, bars on a terminal."""

import io
import math
from collections.abc import Iterable

import pytest
from rich.console import Console

from robust_core.jobs.progress import Pace, describe_progress, format_duration, watch
from robust_core.types import Event


def test_what_was_stored_does_not_spoil_the_time_left() -> None:
    pace = Pace(began=100.0, had=900)
    assert pace.rate(110.0, 920) == 2.0
    assert pace.left(110.0, 920, 1000) == 40.0
    fresh = Pace(began=100.0, had=0)
    assert fresh.left(110.0, 20, 100) == 40.0
    for undefined in (pace.rate(110.0, 900), pace.rate(100.0, 920), pace.left(110.0, 900, 1000)):
        assert math.isnan(undefined)


def test_words() -> None:
    pace = Pace(0.0, 100)
    assert describe_progress(pace, 5.0, 100, 1821) == "100 of 1,821"
    assert describe_progress(pace, 10.0, 223, 1821) == "223 of 1,821, 12.3 a second, 2 min 10 s left"
    assert describe_progress(pace, 60.0, 103, 106) == "103 of 106, 3.0 a minute, 1 min 00 s left"
    assert [format_duration(s) for s in (0, 0.4, 59.6, 61, 3599, 3600, 90_000)] == [
        "0 s", "0 s", "1 min 00 s", "1 min 01 s", "59 min 59 s", "1 h 00 min", "25 h 00 min"]


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def events(part: str, done: Iterable[int], total: int) -> list[Event]:
    """Progress of a part, with what attacks tell in between."""
    return [event for i in done for event in (
        Event("progress", "u", "m", {"queries": 3, "text": "x", "trying": "x", "proba": 0.5}),
        Event("result", "u", "m"), Event("progress", "u", "m", {"part": part, "done": i, "total": total}))]


def test_a_plain_line_now_and_then() -> None:
    clock, stderr = Clock(), io.StringIO()
    with watch(Console(file=stderr, width=20), clock, every=30.0) as show:
        for event in events("one [bold]", range(40, 60), 60) + events("two", range(5), 4):
            show(event)
            clock.now += 1.0
    lines = stderr.getvalue().splitlines()
    assert lines[0] == "one [bold]: 50 of 60, 20.0 a minute, 30 s left"
    assert [line.split(":")[0] for line in lines] == ["one [bold]", "two"]
    # Three events a second apart make one step: a line at most every 30 s, the second one in the second part.
    assert len(lines) == 2


def test_nothing_is_said_of_a_short_run() -> None:
    stderr = io.StringIO()
    with watch(Console(file=stderr), Clock(), every=30.0) as show:
        for event in events("one", range(40), 40):
            show(event)
    assert stderr.getvalue() == ""


def test_bars_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    clock, terminal = Clock(), io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=120)
    with watch(console, clock) as show:
        for event in events("textfooler on a [b]", range(10, 21), 40) + events("textfooler on b", range(3), 2):
            show(event)
            clock.now += 0.5
        print("printed meanwhile")
    shown = terminal.getvalue()
    assert "textfooler on a [b]" in shown and "20 of 40, 40.0 a minute, 30 s left" in shown
    assert "textfooler on b" in shown and "2 of 2" in shown
    assert "printed meanwhile" not in shown
    assert capsys.readouterr().out == "printed meanwhile\n"
