"""What a suite may ask of a model: each check gives one value a text, and says which texts did not stand.

The order of the texts is the subject's; a check is asked for some of them and may return fewer where time is over, but
never leaves one out between: the bounds of `robust_core.suite.bounds` hold for whatever has been seen of a fixed order.
"""

import abc
import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from robust_core.errors import BadInput, quote, shorten
from robust_core.registry import check_parameters, param
from robust_core.suite.changes import KINDS, change, negate
from robust_core.suite.subject import Outcome, Subject
from robust_core.types import Example

# The outcome of a text that has nothing to change.
NOTHING = None
NEGATION = "negation"
_LONGEST_NOTE = 200


@dataclasses.dataclass(frozen=True)
class Check(abc.ABC):
    """One limit.

    Attributes:
        section: Name of its table in a suite.
        tables: Keys of a suite that are no plain values, and so no parameters.
        exact: Whether its texts are all that is meant: then the share itself is compared with the limit, not a bound.
        low: Smallest value of a text; the largest is 1.
        step: Texts that are looked at before the bounds are.
        weight: Its part of the time that is left when it begins, beside those of the checks that follow.
    """

    section: ClassVar[str]
    tables: ClassVar[tuple[str, ...]] = ()
    exact: ClassVar[bool] = False
    step: ClassVar[int] = 64
    weight: ClassVar[int] = 1

    at_least: float = param(0.5, "Lowest mean over all texts that passes", low=-1.0, high=1.0)

    def __post_init__(self) -> None:
        check_parameters(self)
        if not self.exact and not self.low < self.at_least < 1:
            raise BadInput(f"at_least must lie between {self.low:g} and 1, both left out: no sample of texts can show "
                           "that all of them, or none, stand.")

    @property
    def low(self) -> float:
        """Smallest value that a text can have."""
        return 0.0

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What it is called; no two checks of a suite have the same name."""
        raise NotImplementedError

    def find_obstacle(self, subject: Subject) -> str:
        """Return why the model cannot be tested so, in one sentence; empty where it can.

        Raises:
            RobustError: Something that the check names is not there.
        """
        del subject
        return ""

    def list_examples(self, subject: Subject) -> Sequence[Example]:
        """Return the texts that it is about, in their order."""
        return subject.examples

    @abc.abstractmethod
    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Return what becomes of texts, NOTHING where a text says nothing; of the first ones only once `stop` is set.

        Raises:
            RobustError: It cannot be measured.
        """
        raise NotImplementedError


def describe_answer(subject: Subject, text: str, proba: Sequence[float] | np.ndarray) -> str:
    """Return a text and what the model says of it, in one short line."""
    label = int(np.argmax(proba))
    return f"{quote(text, _LONGEST_NOTE)}: {subject.name_label(label)} {proba[label]:.2f}"


@dataclasses.dataclass(frozen=True)
class Accuracy(Check):
    """The share of texts that the model gets right, as they are."""

    section = "clean"

    @property
    def name(self) -> str:
        """What it is called."""
        return "accuracy"

    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Compare answers with labels."""
        proba = subject.predictions.predict([e.text for e in examples], lambda: not stop.is_set())
        return [Outcome(e.uid, float(row.argmax() == e.label),
                        f"{describe_answer(subject, e.text, row)}, not {subject.name_label(e.label or 0)}")
                for e, row in zip(examples, proba, strict=False)]


@dataclasses.dataclass(frozen=True)
class Functionality(Check):
    """The share of given texts that get the given label: a minimum functionality test of CheckList."""

    section, tables, exact = "functionality", ("texts", "fill"), True

    title: str = param("functionality", "What is tested")
    given: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.title

    def list_examples(self, subject: Subject) -> Sequence[Example]:
        """Return the given texts."""
        return [Example(text, subject.find_label(label, self.name), f"given/{i}")
                for i, (text, label) in enumerate(self.given)]

    def find_obstacle(self, subject: Subject) -> str:
        """Check the labels."""
        self.list_examples(subject)
        return ""

    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Compare answers with the given labels."""
        return Accuracy().measure(subject, examples, stop)


@dataclasses.dataclass(frozen=True)
class Invariance(Check):
    """The share of texts whose class stays, whatever is changed: an invariance test of CheckList.

    Only texts in which there is something to change count. Labels do not.
    """

    section = "invariance"

    kind: str = param("typos", "What is changed", choices=tuple(KINDS))
    variants: int = param(3, "Changed texts of each text, at most; all of them must keep the class", low=1, high=100)

    @property
    def name(self) -> str:
        """What it is called."""
        return f"invariance to {self.kind}"

    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Change each text and compare both answers."""
        changed = [change(self.kind, e.text, self.variants, str(subject.seed)) for e in examples]
        return compare_answers(subject, examples, changed, stop, lambda before, after: (
            before.argmax() == after.argmax()))


@dataclasses.dataclass(frozen=True)
class Direction(Check):
    """The share of texts whose probabilities move as they should: a directional expectation test of CheckList.

    kind "negation": with "not" behind the first auxiliary the class that the model gave has no higher probability,
    by more than the tolerance. kind "addition": with each of the given sentences at the end the probability of the
    given label does not fall by more than the tolerance.
    """

    section, tables = "direction", ("add",)

    kind: str = param(NEGATION, "What is changed", choices=(NEGATION, "addition"))
    toward: str = param("", "Label that the added sentences speak for")
    tolerance: float = param(0.1, "By how much a probability may move the wrong way", low=0.0, high=1.0)
    add: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.kind == NEGATION) == bool(self.add or self.toward):
            raise BadInput("add and toward belong to kind \"addition\", which needs both." if self.kind == NEGATION else
                           "kind \"addition\" needs add, a list of sentences, and toward, a label.")
        if bool(self.add) != bool(self.toward):
            raise BadInput("add and toward belong together: sentences, and the label that they speak for.")

    @property
    def name(self) -> str:
        """What it is called."""
        return NEGATION if self.kind == NEGATION else f"added {shorten(self.add[0], 20)!r}: {self.toward}"

    def find_obstacle(self, subject: Subject) -> str:
        """Check the label."""
        if self.toward:
            subject.find_label(self.toward, "toward")
        return ""

    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Change each text and compare both answers."""
        if self.kind == NEGATION:
            changed = [[other] if (other := negate(e.text)) != e.text else [] for e in examples]
            return compare_answers(subject, examples, changed, stop, lambda before, after: (
                after[before.argmax()] <= before.max() + self.tolerance))
        label = subject.find_label(self.toward, "toward")
        changed = [[f"{e.text} {more}" for more in self.add] for e in examples]
        return compare_answers(subject, examples, changed, stop, lambda before, after: (
            after[label] >= before[label] - self.tolerance))


def compare_answers(subject: Subject, examples: Sequence[Example], changed: Sequence[Sequence[str]],
                    stop: threading.Event, stands: Callable[[np.ndarray, np.ndarray], bool | np.bool_]
                    ) -> list[Outcome | None]:
    """Compare the answer about each text with those about its changed texts.

    Args:
        subject: Who is asked.
        examples: (n,) texts.
        changed: (n,) changed texts of each.
        stop: Ends it.
        stands: From the (classes,) probabilities of a text and of a changed one to whether that is as it should be.

    Returns:
        1 where every changed text is as it should be, else 0; NOTHING for a text without any.
    """
    asked = [text for e, others in zip(examples, changed, strict=True) if others for text in (e.text, *others)]
    proba = subject.predictions.predict(asked, lambda: not stop.is_set())
    outcomes: list[Outcome | None] = []
    at = 0
    for e, others in zip(examples, changed, strict=True):
        if not others:
            outcomes.append(NOTHING)
            continue
        rows, at = proba[at: at + 1 + len(others)], at + 1 + len(others)
        if len(rows) <= len(others):
            break
        wrong = next((i for i in range(len(others)) if not stands(rows[0], rows[i + 1])), None)
        outcomes.append(Outcome(e.uid, float(wrong is None), "" if wrong is None else (
            f"{describe_answer(subject, e.text, rows[0])} → "
            f"{describe_answer(subject, others[wrong], rows[wrong + 1])}")))
    return outcomes
