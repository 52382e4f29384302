"""Progress: the arithmetic of rate and time left, lines now and then, bars on a terminal."""

import io
import math
import re
from collections.abc import Iterable

import pytest
from rich.console import Console

from robust_core.events import Event
from robust_core.jobs.progress import Pace, describe_progress, format_duration, show_progress, watch


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
    with show_progress(Console(file=stderr, width=20), clock, every=30.0) as show:
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
    with show_progress(Console(file=stderr), Clock(), every=30.0) as show:
        for event in events("one", range(40), 40):
            show(event)
    assert stderr.getvalue() == ""


def test_bars_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    clock, terminal = Clock(), io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=120)
    with show_progress(console, clock) as show:
        for event in events("textfooler on a [b]", range(10, 21), 40) + events("textfooler on b", range(3), 2):
            show(event)
            clock.now += 0.5
        print("printed meanwhile")
    shown = terminal.getvalue()
    assert "textfooler on a [b]" in shown and "20 of 40, 40.0 a minute, 30 s left" in shown
    assert "textfooler on b" in shown and "2 of 2" in shown
    assert "printed meanwhile" not in shown
    assert capsys.readouterr().out == "printed meanwhile\n"


def test_watched_events_are_handed_on_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    searches = [Event("started", "u", "m"), Event("result", "u", "m"), Event("started", "v", "m"),
                Event("step", "v", "m"), Event("error", "v", "m")]
    trainings = [{"kind": "overlap", "message": "x"}, {"kind": "step", "step": 4, "steps": 9},
                 {"kind": "attack", "done": 2, "total": 3}]
    for given, total, shown in (
            (searches, 2, "texts attacked 2 of 2"), (searches, 0, "texts attacked 2"),
            (trainings, 0, "training steps 4 of 9"), (trainings, 0, "attack 2 of 3"),
            (events("textfooler on a", range(3), 2)[2:], 0, "textfooler on a 2 of 2")):
        terminal = io.StringIO()
        found = list(watch(given, total, console=Console(file=terminal, force_terminal=True, width=100)))
        assert found == given
        plain = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|[━╸╺]", "", terminal.getvalue())
        assert shown in re.sub(r"\s+", " ", plain)
        # An evaluation tells its parts itself: its searches are not counted a second time.
        assert "texts attacked" not in plain or given is searches
    assert capsys.readouterr().out == ""


def test_who_stops_listening_closes_the_bars() -> None:
    terminal = io.StringIO()
    watching = watch(events("one", range(9), 8), console=Console(file=terminal, force_terminal=True, width=80))
    next(watching)
    watching.close()
    assert terminal.getvalue().endswith("\x1b[?25h"), "the cursor is back"
