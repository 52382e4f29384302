"""Frozen values that travel between the parts; what models offer stands in `robust_core.protocols`.

Spans are half-open character ranges `[start, end)` into the text they belong to.
Probabilities lie in 0..1; percent exists only in the user interface.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from robust_core import notebook
from robust_core.errors import BadInput, list_names, quote
from robust_core.parts import BOUNDARY, Frame, has_parts, join_parts, split_parts
from robust_core.text import Span, Swap

if TYPE_CHECKING:
    import torch

Status = Literal["skipped", "failed", "succeeded", "stopped", "exhausted"]
STATUSES: tuple[Status, ...] = ("skipped", "failed", "succeeded", "stopped", "exhausted")


Precision = Literal["exact", "screened"]
PRECISIONS: tuple[Precision, ...] = ("exact", "screened")

# The largest seed that every library's generator takes.
MOST_SEED = 2**63 - 1


class Noise(NamedTuple):
    """How far figures made in a batch, or in low precision, may be from the canonical ones.

    Attributes:
        absolute: Bound for one figure.
        difference: Bound for the difference of two figures of texts that differ in a few words.
    """

    absolute: float
    difference: float


@dataclasses.dataclass(frozen=True)
class Example:
    """A text, or a pair of texts, with its gold label, if there is one.

    Args:
        text: The text, cleaned by `robust_core.cleaning.clean`; of a pair both parts (`robust_core.parts.join_parts`).
        label: Index of the gold class, or None when nobody gave one.
        uid: Name that is unique within a data set; it seeds everything random about the example.
        parts: Names of the two parts of a pair, such as premise and hypothesis; empty for a single text.
        attackable: Names of the parts that attacks may change.

    Raises:
        BadInput: Parts and names do not fit together, a part is empty, or no part may be changed.
    """

    text: str
    label: int | None = None
    uid: str = ""
    parts: tuple[str, ...] = ()
    attackable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.parts or self.attackable or has_parts(self.text)):
            return
        # From JSON they come as lists.
        object.__setattr__(self, "parts", tuple(self.parts))
        object.__setattr__(self, "attackable", tuple(part for part in self.parts if part in self.attackable))
        texts = split_parts(self.text)
        if len(self.parts) != 2 or len({*self.parts}) != 2 or len(texts) != 2:
            raise BadInput("A pair has two texts with two different names, such as premise and hypothesis.")
        missing = [name for name, text in zip(self.parts, texts, strict=True) if not text.strip()]
        if missing:
            raise BadInput(f"A part of the pair is missing: the {missing[0]} is empty.")
        if not self.attackable:
            raise BadInput(f"Say which part of a pair may be changed: {list_names(self.parts)}.")

    @classmethod
    def of_parts(cls, parts: Mapping[str, str], label: int | None = None, uid: str = "",
                 attackable: Sequence[str] = ()) -> "Example":
        """Return a pair of texts.

        Args:
            parts: Both texts by name, in the order in which the model reads them.
            label: Index of the gold class, or None.
            uid: Its name.
            attackable: Parts that attacks may change; the second one by default.

        Raises:
            BadInput: As the class, or there is no such part, or a text holds the sign that is kept for the boundary.
        """
        names = tuple(parts)
        strange = [name for name in attackable if name not in names]
        if strange:
            raise BadInput(f"There is no part {quote(strange[0])}; there are {list_names(names)}.")
        if any(has_parts(text) for text in parts.values()):
            raise BadInput(f"A part holds the character U+{ord(BOUNDARY):04X}, which marks the boundary of a pair.")
        return cls(join_parts([*parts.values()]), label, uid, names, tuple(attackable) or names[-1:])

    @property
    def texts(self) -> dict[str, str]:
        """Both parts of a pair by name; empty of a single text."""
        return dict(zip(self.parts, split_parts(self.text), strict=True)) if self.parts else {}

    @property
    def frame(self) -> Frame:
        """What stands around the words that attacks may change; nothing around a single text."""
        if not self.parts or self.attackable == self.parts:
            return Frame()
        first, second = split_parts(self.text)
        return Frame("", BOUNDARY + second) if self.attackable == self.parts[:1] else Frame(first + BOUNDARY, "")

    @property
    def changeable(self) -> str:
        """The text that attacks may change: one part of a pair, or all of it."""
        return self.frame.take(self.text)


class Blank(NamedTuple):
    """A text that lacks one word.

    Attributes:
        before: What stands before the blank.
        after: What stands after it.
        like: A word whose capitals a new one gets; empty leaves them alone.
        among: The words to choose from, as they are; empty means any.
    """

    before: str
    after: str
    like: str = ""
    among: tuple[str, ...] = ()


class Step(NamedTuple):
    """One question of a search and what came of it, so that the search can be replayed.

    Attributes:
        queries: Texts submitted so far.
        trying: What was at stake: the word to replace, or a few words such as "ranking words".
        candidates: Texts that were compared.
        lowest: Lowest probability of the reference label among them.
        text: The new text if one was taken, else empty.
        proba: Probability of the reference label of the text as it stands after the step.
    """

    queries: int
    trying: str
    candidates: int
    lowest: float
    text: str
    proba: float


@dataclasses.dataclass(frozen=True)
class AttackResult:
    """What an attack did to one example on one victim.

    Args:
        example: The attacked example.
        victim: Id of the attacked classifier.
        attack: Record of the attack (`registry.to_record`).
        perturbed: Best text found; the original text where nothing was changed.
        reference_label: Class the attack tries to leave: the gold label or, without one, the first prediction.
        perturbed_label: Class predicted for `perturbed`.
        before: Class probabilities of the original text, each text judged alone in fp32.
        after: Class probabilities of `perturbed`, judged likewise.
        queries: Texts submitted to the victim, cache hits included.
        forward_passes: Distinct texts that the victim ran.
        eligible: Submitted texts that passed the constraints (what TextAttack counts).
        similarity: Cosine of original and perturbed text under the sentence encoder, to four decimals, NaN when there
            is none.
        seconds: Wall time from the start of the search to its end, shared with the searches beside it.
        status: How it ended.
        swaps: Words replaced, deleted or inserted.
        curve: (queries so far, probability of the reference label) at each accepted step, the start included.
        notes: Plain remarks, such as swaps that flip only because the new word is unknown to the model.
        steps: What was asked in turn and what came of it; of very long searches only the steps that changed the text.
        tried: Whether any changed text was put to the victim, those aside that rank the words. Where not, no word has a
            swap under this attack, and that the prediction stayed says nothing of the victim.
    """

    example: Example
    victim: str
    attack: Mapping[str, Any]
    perturbed: str
    reference_label: int
    perturbed_label: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    queries: int
    forward_passes: int
    eligible: int
    similarity: float
    seconds: float
    status: Status
    swaps: tuple[Swap, ...]
    curve: tuple[tuple[int, float], ...]
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    tried: bool = True

    def _repr_html_(self) -> str:
        return notebook.draw_result(self)


@dataclasses.dataclass(frozen=True)
class EmbeddingAttackResult:
    """What an attack on word embeddings did to one example on one victim; there is no text that reads like this.

    Args:
        example: The attacked example.
        victim: Id of the attacked classifier.
        attack: Record of the attack (`registry.to_record`).
        reference_label: Class the attack tries to leave: the gold label or, without one, the clean prediction.
        before: Class probabilities of the clean embeddings.
        after: Class probabilities of the perturbed embeddings.
        norm: Length of the perturbation in the attack's norm, in mean token-embedding norms (`unit`).
        unit: Mean norm of the victim's token embeddings.
        cosine: Cosine of the clean and the perturbed representation.
        distance: Euclidean distance between them.
        gradients: Gradients that the attack took.
    """

    example: Example
    victim: str
    attack: Mapping[str, Any]
    reference_label: int
    before: tuple[float, ...]
    after: tuple[float, ...]
    norm: float
    unit: float
    cosine: float
    distance: float
    gradients: int

    @property
    def perturbed_label(self) -> int:
        """Class predicted for the perturbed embeddings."""
        return max(range(len(self.after)), key=self.after.__getitem__)

    @property
    def status(self) -> Status:
        """Return skipped where the clean text was misclassified already, else failed or succeeded."""
        if max(range(len(self.before)), key=self.before.__getitem__) != self.reference_label:
            return "skipped"
        return "failed" if self.perturbed_label == self.reference_label else "succeeded"


@dataclasses.dataclass(frozen=True)
class Attribution:
    """Signed importance of each word of a text for one class.

    Args:
        text: The explained text.
        spans: Character range of each word, in order.
        scores: (words,) signed score of each word; positive speaks for the target.
        target: Index of the class explained.
        method: Record of the explainer.
        gap: Absolute completeness gap, NaN where the method promises none.
        steps: Integration steps used, 0 where it does not integrate.
        total: Difference of the outputs that the scores add up to, NaN where the method promises none.
        fit: Weighted R² of the linear model whose weights the scores are, NaN where there is none.
        parts: Names of the parts of a pair; empty where they have none, and of a single text.
    """

    text: str
    spans: tuple[Span, ...]
    scores: tuple[float, ...]
    target: int
    method: Mapping[str, Any]
    gap: float
    steps: int = 0
    total: float = float("nan")
    fit: float = float("nan")
    parts: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return notebook.draw_attribution(self)


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What is proved about the smoothed classifier around one input.

    Args:
        prediction: Index of the class that stays within the radius; None where the method abstains.
        radius: Distance up to which it stays, the distance itself included, with inputs scaled to 0..1; 0 where the
            method abstains.
        norm: Norm of the distance, "l1".
        evaluations: Votes behind it: every offset of a deterministic method, or the samples of a randomised one.
        alpha: Probability with which the statement may be false; None for a deterministic one.
        votes: Votes for each class.
    """

    prediction: int | None
    radius: float
    norm: str
    evaluations: int
    alpha: float | None
    votes: tuple[int, ...]


class Encoded(NamedTuple):
    """Token embeddings of a batch of texts.

    Attributes:
        embeddings: (n, t, d) float32 word-embedding rows, pads included.
        mask: (n, t) bool, True at real tokens (special tokens included).
        owner: (n, t) int64 index of the word that a token belongs to; -1 for pads, special tokens and gaps.
        spans: Character range of each word, a list for each text.
        pad: (d,) float32 embedding of the pad token.
    """

    embeddings: "torch.Tensor"
    mask: "torch.Tensor"
    owner: "torch.Tensor"
    spans: list[tuple[Span, ...]]
    pad: "torch.Tensor"
