"""What models may offer, written down once: a plain classifier, and the doors that make one faster or show its inside.

Only `Classifier` is required of a victim. Which doors a model has is asked by `is_token_classifier`, `is_white_box` and
`isinstance` with the protocols that are `runtime_checkable`; nothing else probes models. To look for a property is to
compute it, so protocols with costly ones (`budget`, `unit`) are recognised by their methods alone.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

import numpy as np

from robust_core.errors import Incompatible
from robust_core.types import Blank, Encoded, Noise

if TYPE_CHECKING:
    import torch


class Classifier(Protocol):
    """Anything that turns texts into class probabilities."""

    id: str
    labels: tuple[str, ...]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities."""
        ...


class Screened(Protocol):
    """A model that can also run in bf16, where that is faster."""

    @property
    def screens(self) -> bool:
        """Whether running in bf16 is faster here."""
        ...

    def noise(self) -> Noise:
        """Return how far screened figures may be from exact ones."""
        ...


class LocalClassifier(Classifier, Screened, Protocol):
    """A classifier whose network runs in this process."""

    @property
    def budget(self) -> int:
        """Tokens that one batch may hold, pads included."""
        ...

    @property
    def device(self) -> "torch.device":
        """Where it runs."""
        ...


@runtime_checkable
class _Tokens(Protocol):
    """The methods of a `TokenClassifier`."""

    def unit_ids(self, unit: str) -> tuple[int, ...]:
        """Return the token ids of one word or of the characters between two words."""
        ...

    def row(self, pieces: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Join the ids of units to a whole input, special tokens added, cut at the model's length."""
        ...

    def text_row(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a whole cleaned text, from the tokenizer itself."""
        ...

    def blanked(self, text: str, keep: np.ndarray) -> list[tuple[int, ...]]:
        """Return m rows of ids of a text, its words blanked out where the (m, words) bool `keep` is False."""
        ...

    def readable_words(self, text: str) -> int:
        """Return how many words of a cleaned text the model reads to their end."""
        ...

    def unknown(self, word: str) -> bool:
        """Return whether a word model does not know (part of) a word."""
        ...

    def proba_from_ids(self, rows: Sequence[tuple[int, ...]], *, screened: bool = False) -> np.ndarray:
        """Return (n, classes) float32 probabilities of token id rows, made in bf16 if `screened`."""
        ...


class TokenClassifier(LocalClassifier, _Tokens, Protocol):
    """A classifier whose token ids can be spliced word by word: the fast door for attacks."""

    @property
    def separable(self) -> bool:
        """Whether words can be tokenised one by one."""
        ...


@runtime_checkable
class _Gradients(Protocol):
    """The methods of a `WhiteBox`."""

    def embed(self, texts: Sequence[str]) -> Encoded:
        """Return the token embeddings of texts."""
        ...

    def logits(self, embeddings: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        """Return (n, classes) scores before softmax, from (n, t, d) embeddings and an (n, t) bool mask."""
        ...

    def representation(self, embeddings: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        """Return the (n, d) vector that the last linear layer reads."""
        ...


class WhiteBox(LocalClassifier, _Gradients, Protocol):
    """A classifier that shows its inside, for gradients and perturbations on embeddings."""

    @property
    def unit(self) -> float:
        """Mean norm of its token embeddings: the unit in which perturbations are measured."""
        ...


@runtime_checkable
class StraightLine(Protocol):
    """A white box that may know its scores on the straight line between two texts without a pass for each."""

    @property
    def straight(self) -> bool:
        """Whether it does."""
        ...

    def along(self, start: "torch.Tensor", end: "torch.Tensor", reached: "torch.Tensor") -> "torch.Tensor":
        """Return (s, classes) scores of a text at s places between (t, d) rows; `reached` holds the (s, t) shares."""
        ...


@runtime_checkable
class ReadsBack(Protocol):
    """A white box that may have learnt to name the tokens behind its hidden states (RAR)."""

    @property
    def reads_back(self) -> bool:
        """Whether it has."""
        ...

    def read_back(self, embeddings: "torch.Tensor", mask: "torch.Tensor") -> list[str]:
        """Return the texts that it reads in (n, t, d) embeddings, of which (n, t) `mask` says the real tokens."""
        ...


@runtime_checkable
class WeighsWords(Protocol):
    """A classifier that may weigh each word with a learnt mask (FLAT)."""

    def word_importance(self, words: Sequence[str]) -> np.ndarray:
        """Return the (n,) importance of words in 0..1; 1 for every word without masks."""
        ...


class Card(Protocol):
    """What a fingerprint needs of a model's card."""

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each file."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """Sizes of the network."""
        ...

    @property
    def parent(self) -> str:
        """SHA-256 of the encoder it was made from; empty for a model that has none."""
        ...


@runtime_checkable
class HasCard(Protocol):
    """A model that may know how it was made."""

    card: Card | None


@runtime_checkable
class HasNetwork(Protocol):
    """A model that shows its network, or None."""

    net: "torch.nn.Module | None"


@runtime_checkable
class DescribedTokens(Protocol):
    """A tokenizer that can say all that decides its ids."""

    def describe(self) -> str:
        """Return it as one text."""
        ...


@runtime_checkable
class HasTokens(Protocol):
    """A model that shows its tokenizer."""

    tokens: object


@runtime_checkable
class HasFingerprint(Protocol):
    """A model that says itself what decides its answers, such as one behind an address."""

    fingerprint: str


@runtime_checkable
class KeepsAnswers(Protocol):
    """A classifier whose answers are kept, so that several questions may be put at once and each be answered alone."""

    def fetch(self, texts: Sequence[str]) -> None:
        """Ask about texts in as few calls as possible."""
        ...


@runtime_checkable
class Flags(Classifier, Protocol):
    """A classifier with a guard in front of it, which may take a text for an adversarial one."""

    def flag(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n,) bool: which texts are flagged."""
        ...

    def reduce(self, text: str) -> str:
        """Return a text that is answered and flagged alike: the same one for many that differ in what guards clean."""
        ...


class MaskedLanguageModel(Protocol):
    """A masked language model."""

    id: str
    batch: int

    def fill(self, blanks: Sequence[Blank], most: int) -> list[list[tuple[str, float]]]:
        """Return for each blank at most `most` of the words it allows, with log-probabilities, likeliest first."""
        ...


class Encoder(Protocol):
    """A sentence encoder.

    Attributes:
        id: Its name.
        batch: Texts that are worth encoding at once.
    """

    id: str
    batch: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, d) float32 rows of length one."""
        ...


@runtime_checkable
class ScreenedEncoder(Encoder, Screened, Protocol):
    """A sentence encoder that can also run in bf16."""

    def encode(self, texts: Sequence[str], *, screened: bool = False) -> np.ndarray:
        """Return (n, d) float32 rows of length one, made in bf16 if `screened`."""
        ...


def is_token_classifier(model: Classifier) -> TypeGuard[TokenClassifier]:
    """Return whether a classifier takes token ids."""
    return isinstance(model, _Tokens)


def is_white_box(model: Classifier) -> TypeGuard[WhiteBox]:
    """Return whether a classifier shows gradients."""
    return isinstance(model, _Gradients)


def need_white_box(model: Classifier, method: str) -> WhiteBox:
    """Return a classifier that shows gradients.

    Args:
        model: The classifier.
        method: What needs them, for the message.

    Raises:
        Incompatible: It shows none.
    """
    if not is_white_box(model):
        raise Incompatible(f"{model.id} shows no gradients; {method} needs a white box.")
    return model
