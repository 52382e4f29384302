"""Classifiers with a certified core and a bounded correction (`networks.bounded`): any classifier of ours on a core."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from robust_core.errors import BadInput, Incompatible
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.additive import AdditiveNetwork
from robust_core.models.networks.bounded import FIRST, BoundedNetwork
from robust_core.models.tokens import Subwords, Tokens, WholeWords, WordVocabulary

if TYPE_CHECKING:
    from robust_core.models.cards import Card


@dataclasses.dataclass(frozen=True)
class BoundedTokens:
    """Token ids of two readings of a text in one row: first the correction's, then the core's, raised by `FIRST`.

    Args:
        core: Tokenizer of the core.
        correction: Tokenizer of the correction.
    """

    core: WholeWords
    correction: Subwords | WordVocabulary

    @property
    def length(self) -> int:
        """Longest input of the correction, in its tokens."""
        return self.correction.length

    @property
    def separable(self) -> bool:
        """Whether words can be tokenised one by one."""
        return self.correction.separable

    @property
    def prefix(self) -> tuple[int, ...]:
        """Special tokens before a text."""
        return self.correction.prefix

    @property
    def suffix(self) -> tuple[int, ...]:
        """Special tokens behind it."""
        return self.correction.suffix

    @property
    def pad_id(self) -> int:
        """Id of the pad, of both."""
        return self.correction.pad_id

    @property
    def unknown_id(self) -> int | None:
        """Id of words that the correction does not know."""
        return self.correction.unknown_id

    def unit_ids(self, unit: str) -> tuple[int, ...]:
        """Return the ids of one word, or of the characters between two words, in both readings."""
        return (*self.correction.unit_ids(unit), *(FIRST + i for i in self.core.unit_ids(unit)))

    def join(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Return the row of a text of the ids of its units, each reading cut at its length."""
        room = self.length - len(self.prefix) - len(self.suffix)
        read = [i for i in ids if i < FIRST][:room]
        return (*self.prefix, *read, *self.suffix, *[i for i in ids if i >= FIRST][:self.core.length])

    def encode(self, text: str) -> Tokens:
        """Return the ids of a whole text in both readings, and how many words either reads."""
        read, words = self.correction.encode(text), self.core.encode(text)
        return Tokens((*read.ids, *(FIRST + i for i in words.ids)), (*read.owner, *words.owner),
                      max(read.read, words.read))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the correction's ids as text."""
        return self.correction.decode([i for i in ids if i < FIRST])


@dataclasses.dataclass(eq=False)
class BoundedClassifier(TextClassifier):
    """A text classifier with a certified core; it shows no gradients, since two networks read the text."""

    tokens: BoundedTokens  # type: ignore[assignment]
    net: BoundedNetwork  # type: ignore[assignment]

    def row(self, pieces: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Join the ids of units to a whole input, each reading cut at its length."""
        return self.tokens.join([token for piece in pieces for token in piece])

    def find_blanks(self, ids: np.ndarray) -> np.ndarray:
        """Return what stands for each of (t,) ids where its word is taken away, in its own reading."""
        return np.where(ids >= FIRST, FIRST + self.tokens.core.blank_id, self.tokens.correction.blank_id)


def bound_correction(model_id: str, core: TextClassifier, correction: TextClassifier, bound: float,
                     card: "Card | None" = None) -> BoundedClassifier:
    """Make a classifier of a certified core and a bounded correction.

    Args:
        model_id: Its id.
        core: An additive model.
        correction: Another classifier of ours with the same labels.
        bound: By how much the correction may change the difference of two scores, above 0.
        card: How it was made.

    Raises:
        Incompatible: The core is not additive, or the correction has a core itself.
        BadInput: Labels differ, or the bound is not above 0.
    """
    if not isinstance(core.net, AdditiveNetwork) or not isinstance(core.tokens, WholeWords):
        raise Incompatible(f"{core.id} is no core: only additive models are certified.")
    if isinstance(correction, BoundedClassifier) or correction.tokens.pad_id:
        raise Incompatible(f"{correction.id} cannot correct a core: take a CNN, an LSTM or MiniLM.")
    if core.labels != correction.labels:
        raise BadInput(f"{core.id} and {correction.id} have different labels.")
    if not 0 < bound < np.inf:
        raise BadInput(f"The bound of a correction must be above 0, not {bound:g}.")
    return BoundedClassifier(model_id, core.labels, BoundedNetwork(core.net, correction.net, bound),
                             BoundedTokens(core.tokens, correction.tokens), correction.device, card)
