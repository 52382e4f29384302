"""Running a suite: each check looks at more and more texts until its limit is decided, texts or time are over."""

import dataclasses
import math
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from robust_core.events import Event
from robust_core.suite.bounds import CLOSE, FAILS, PASSES, bound_above, bound_below, judge
from robust_core.suite.checks import Check
from robust_core.suite.reader import Suite
from robust_core.suite.subject import Alarm, Outcome, Subject

NOT_TESTED = "not tested"
_SHOWN = 3


@dataclasses.dataclass
class Finding:
    """What became of one check.

    Args:
        check: The check.
        verdict: passes, fails, too close to call, or not tested.
        alpha: Probability with which each bound may ever be wrong; 0 where all texts that are meant were seen.
        outcomes: What was found, of the texts that say something.
        seen: Texts that were looked at.
        of: Texts that there are.
        seconds: How long it took.
        reason: Why it was not tested, or why it went no further; empty for a verdict.
    """

    check: Check
    verdict: str
    alpha: float
    outcomes: Sequence[Outcome] = ()
    seen: int = 0
    of: int = 0
    seconds: float = 0.0
    reason: str = ""

    @property
    def values(self) -> dict[str, float]:
        """The value of each text, by uid."""
        return {outcome.uid: outcome.value for outcome in self.outcomes}

    def describe(self) -> dict[str, Any]:
        """Return it as plain data.

        Returns:
            check, kind, unit (share or number), at_least, verdict, measured (mean of the values), low and high (the
            bounds between which the mean over all such texts lies), n (texts that say something), seen, of, seconds,
            reason and failures: a line for each of some texts that did not stand.
        """
        n = len(self.outcomes)
        mean = math.fsum(outcome.value for outcome in self.outcomes) / n if n else math.nan
        low, high = self._bound(mean)
        # What a change does to a text says more than that the model was wrong before.
        wrong = sorted((o for o in self.outcomes if o.value < 1 and o.note), key=lambda o: (o.value, "→" not in o.note))
        return {"check": self.check.name, "kind": self.check.section,
                "unit": "share" if self.check.low == 0 else "number", "at_least": self.check.at_least,
                "verdict": self.verdict, "measured": mean, "low": low, "high": high, "n": n, "seen": self.seen,
                "of": self.of, "seconds": self.seconds, "reason": self.reason,
                "failures": [outcome.note for outcome in wrong[:_SHOWN]]}

    def _bound(self, mean: float) -> tuple[float, float]:
        if not self.outcomes or not self.alpha:
            return mean, mean
        values = _scale(self.check, [outcome.value for outcome in self.outcomes])
        width = 1 - self.check.low
        return (self.check.low + width * bound_below(values, self.alpha),
                self.check.low + width * bound_above(values, self.alpha))


def _scale(check: Check, values: Sequence[float]) -> list[float]:
    return [min(1.0, max(0.0, (value - check.low) / (1 - check.low))) for value in values]


def share_alpha(suite: Suite) -> float:
    """Return with which probability one check may be wrong, so that all together are as the suite's confidence says.

    Source: Bonferroni's inequality, over the checks that look at a sample.
    """
    return (1 - suite.settings.confidence) / max(1, sum(not check.exact for check in suite.checks))


def run_suite(suite: Suite, subject: Subject, seconds: float, stop: threading.Event) -> Iterator[Event]:
    """Run all checks.

    Args:
        suite: The limits.
        subject: Model and texts.
        seconds: Time for all of them. Each gets a part of what is left when it begins, by its weight.
        stop: Ends it within a second; what was found out by then is in the store, and has its verdict.

    Yields:
        "progress" events with part, done and total, and at the end of each check "finding" with the `Finding`.

    Raises:
        RobustError: Something that a check names is not there, or it cannot be measured.
    """
    end, alpha = time.monotonic() + seconds, share_alpha(suite)
    obstacles = [check.find_obstacle(subject) for check in suite.checks]
    for i, check in enumerate(suite.checks):
        part = share_time(end - time.monotonic(), suite.checks[i:])
        yield from run_check(check, subject, alpha, part, stop, obstacles[i])


def share_time(seconds: float, checks: Sequence[Check]) -> float:
    """Return how much of the seconds that are left the first of some checks gets."""
    return max(0.0, seconds) * checks[0].weight / sum(check.weight for check in checks)


def run_check(check: Check, subject: Subject, alpha: float, seconds: float, stop: threading.Event, obstacle: str = ""
              ) -> Iterator[Event]:
    """Run one check; arguments and events are those of `run_suite`.

    Args:
        check: The check.
        subject: Model and texts.
        alpha: Probability with which it may say wrongly that the limit is kept, or that it is broken.
        seconds: Time for it.
        stop: Ends it.
        obstacle: Why it cannot be done; empty where it can.
    """
    began = time.monotonic()
    examples = check.list_examples(subject)
    finding = Finding(check, NOT_TESTED if obstacle else CLOSE, 0.0 if check.exact else alpha, of=len(examples),
                      reason=obstacle)
    alarm, outcomes, limit = Alarm(seconds, stop), [], _scale(check, [check.at_least])[0]
    progress = {"part": check.name, "total": len(examples)}
    while not obstacle and finding.seen < len(examples):
        yield Event("progress", "", subject.model.id, progress | {"done": finding.seen})
        chunk = examples[finding.seen: finding.seen + check.step]
        found = check.measure(subject, chunk, alarm)
        outcomes += [outcome for outcome in found if outcome is not None]
        finding.seen += len(found)
        if not check.exact:
            finding.verdict = judge(_scale(check, [o.value for o in outcomes]), limit, alpha)
            if finding.verdict != CLOSE:
                break
        if len(found) < len(chunk):
            break
    finding.outcomes, finding.seconds = outcomes, time.monotonic() - began
    if check.exact and finding.seen == len(examples):
        kept = math.fsum(o.value for o in outcomes) >= check.at_least * len(outcomes) - 1e-9
        finding.verdict = PASSES if kept else FAILS
    if finding.verdict == CLOSE:
        finding.reason = _explain_doubt(finding, stop.is_set())
    if finding.seen:
        yield Event("progress", "", subject.model.id, progress | {"done": finding.seen, "total": finding.seen})
    yield Event("finding", "", subject.model.id, {"finding": finding})


def _explain_doubt(finding: Finding, stopped: bool) -> str:
    seen, said = f"{finding.seen:,} of {finding.of:,} texts", len(finding.outcomes)
    if stopped:
        return f"It was stopped after {seen}; the same command goes on from here."
    if finding.seen < finding.of:
        return f"Time was over after {seen}: the same command goes on from here, or give it more --minutes."
    few = f"{said:,} of them say something" if said < finding.seen else "all of them"
    return f"{finding.of:,} texts, {few}, are too few to tell; give it more texts, or a limit further away."
