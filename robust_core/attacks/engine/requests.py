"""What a search may ask for: it yields one of these and receives the answer; it never calls a model itself."""

import dataclasses
import functools
import math
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from robust_core.text import Draft, Edit
from robust_core.types import Blank, Example


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A text that a search considers: a draft and edits that do not overlap, in order of position.

    Args:
        base: The draft that the edits refer to.
        edits: Edits; none means the draft itself.
    """

    base: Draft
    edits: tuple[Edit, ...] = ()

    @functools.cached_property
    def draft(self) -> Draft:
        """The edited draft."""
        draft = self.base
        for edit in reversed(self.edits):
            draft = draft.apply(edit)
        return draft

    @property
    def text(self) -> str:
        """The edited text."""
        return self.draft.text


@dataclasses.dataclass(frozen=True)
class Target:
    """What a search knows of its victim and text.

    Args:
        example: The attacked example.
        draft: Its words and gaps.
        reference_label: Class to leave.
        before: (classes,) probabilities of the original text.
        reach: Number of words the victim reads; later ones must be left alone.
        locked: Positions of words that must stay.
        wanted_label: Class to reach; None where any other will do.
        goes_on: Whether the search goes on after a flip, for the lowest probability.
    """

    example: Example
    draft: Draft
    reference_label: int
    before: np.ndarray
    reach: int
    locked: frozenset[int] = frozenset()
    wanted_label: int | None = None
    goes_on: bool = False

    @property
    def standing(self) -> float:
        """What `Scores.value` is for the original text."""
        return measure_value(self.before[None], self.reference_label, self.wanted_label)[0]


def measure_value(proba: np.ndarray, reference: int, wanted: int | None) -> np.ndarray:
    """Return (m,) what a search wants to be high, of (m, classes) probabilities."""
    return 1.0 - proba[:, reference] if wanted is None else proba[:, wanted]


SCREENED, BATCHED, CANONICAL = 0, 1, 2
# What is tried before any swap is: words left out or hidden, the text as it stands.
RANKING, ORIGINAL = "ranking words", "original text"


@dataclasses.dataclass(frozen=True)
class Score:
    """Ask the victim for the probabilities of candidates; answered by `Scores`.

    Args:
        candidates: Texts to submit, each counted as one query.
        trying: The word at stake, for people who watch.
        precise: Whether screening would be wasted, because most answers lie close together.
    """

    candidates: Sequence[Candidate]
    trying: str = ""
    precise: bool = False


@dataclasses.dataclass(frozen=True)
class Estimates:
    """Numbers to choose by, and how far each may be from its canonical value (fp32, unpadded, alone).

    Args:
        value: (m,) what is compared.
        error: (m,) bound on the distance to the canonical value; 0 where this is it.
        spread: (m,) bound on the error of a difference: for a pair, the larger of the two.
        level: (m,) SCREENED, BATCHED or CANONICAL.
        same: (m,) index of the first figure that has the same model input.
        keys: (m,) the model inputs themselves.
    """

    value: np.ndarray
    error: np.ndarray
    spread: np.ndarray
    level: np.ndarray
    same: np.ndarray
    keys: Sequence[Any]


@dataclasses.dataclass(frozen=True)
class Scores(Estimates):
    """Answer to `Score`; `value` is one minus the probability of the reference label, or that of a wanted one.

    Args:
        proba: (m, classes) float32; m is less than asked for when the query budget ran out.
        reference_label: Class to leave.
        over: Whether the budget is spent: the search must end with what it has.
        unsure: (m,) bool: whether `success` lies within the error.
        wanted_label: Class to reach; None where any other will do.
        goes_on: Whether no text is a success, since the search is for the lowest probability.
    """

    proba: np.ndarray
    reference_label: int
    over: bool
    unsure: np.ndarray
    wanted_label: int | None = None
    goes_on: bool = False

    @property
    def success(self) -> np.ndarray:
        """(m,) bool: whether another class is predicted, or the wanted one."""
        if self.goes_on:
            return np.zeros(len(self.proba), dtype=bool)
        return is_reached(self.proba, self.reference_label, self.wanted_label)


def is_reached(proba: np.ndarray, reference: int, wanted: int | None) -> np.ndarray:
    """Return (m,) bool: whether (m, classes) probabilities predict what is wanted: any class but one, or one."""
    predicted = proba.argmax(axis=1)
    return predicted != reference if wanted is None else predicted == wanted


@dataclasses.dataclass(frozen=True)
class Refine:
    """Ask again, more exactly, for figures that are too close to call; answered by the whole of them, renewed.

    A screened figure is made again in fp32, a batched one in the canonical shape. Not counted as queries: the texts
    were submitted before.
    """

    figures: Estimates
    which: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Similarity:
    """Ask the sentence encoder for the cosine of pairs of texts; answered by `Estimates`.

    Args:
        pairs: Pairs of texts.
        precise: Whether screening would be wasted.
    """

    pairs: Sequence[tuple[str, str]]
    precise: bool = False


@dataclasses.dataclass(frozen=True)
class Fill:
    """Ask the masked language model for likely words; answered by `Filled`.

    Args:
        blanks: Texts that lack one word.
        most: Most words for each.
        least: Lowest probability of a word.
        drop: By how much the log-probability of a word may be lower than that of the first of those that a blank
            names to choose from (`among`); infinite sets no limit.
    """

    blanks: Sequence[Blank]
    most: int
    least: float = 0.0
    drop: float = math.inf


@dataclasses.dataclass(frozen=True)
class Filled(Estimates):
    """Answer to `Fill`; `value` is by how much log-probabilities may be off before a choice of words is another one.

    Args:
        words: (m,) for each blank the words that are likely enough, in alphabetical order.
        asked: The request.
    """

    words: Sequence[tuple[str, ...]]
    asked: Fill


@dataclasses.dataclass(frozen=True)
class Judge:
    """Ask for the canonical probabilities of one text (fp32, unpadded, alone); answered by a (classes,) array."""

    text: str


@dataclasses.dataclass(frozen=True)
class Gradient:
    """Ask for the gradients of one text in the reference label's loss; answered by `word_gradients.WordGradients`.

    Not counted as a query, as in TextAttack: no text is submitted.

    Args:
        candidate: The text.
        words: Words whose embeddings are wanted too.
        method: What needs the gradients, for the message of a victim that shows none.
    """

    candidate: Candidate
    words: Sequence[str] = ()
    method: str = "this attack"


@dataclasses.dataclass(frozen=True)
class Accept:
    """Tell that a candidate is now the best text; answered by None.

    Args:
        candidate: The text.
        proba: (classes,) its probabilities.
        eligible: Submitted texts found to satisfy all constraints since the last time this was told.
    """

    candidate: Candidate | None
    proba: np.ndarray | None = None
    eligible: int = 0


@dataclasses.dataclass(frozen=True)
class Pause:
    """Let others go on: what this search waits for (another process, say) is not there yet; answered by None.

    The search waits a few milliseconds by itself before it pauses, so that nobody spins.

    Args:
        idle: Whether it has not begun yet, because it waits for its turn: that time is not its own.
    """

    idle: bool = False


Request = Score | Similarity | Fill | Refine | Judge | Gradient | Accept | Pause
Search = Generator[Request, Any, Candidate]
