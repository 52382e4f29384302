"""What is asked of any classifier, whatever it offers: classes, its device, texts as it reads them."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from robust_core.cleaning import clean
from robust_core.errors import BadInput, UnknownName, quote, shorten
from robust_core.protocols import Classifier, Flags, is_token_classifier
from robust_core.text import find_words


def list_flagged(model: Classifier, texts: Sequence[str]) -> np.ndarray:
    """Return (n,) bool: which texts a guard in front of a classifier flags; none where there is no guard."""
    return model.flag(texts) if isinstance(model, Flags) else np.zeros(len(texts), dtype=bool)


def predict_labels(model: Classifier, texts: Sequence[str]) -> np.ndarray:
    """Return the (n,) classes that a classifier predicts; -1 for a text that a guard in front of it flags."""
    return np.where(list_flagged(model, texts), -1, model.predict_proba(texts).argmax(1))


def predict_against(model: Flags, texts: Sequence[str], references: Sequence[int]) -> np.ndarray:
    """Return (n, classes) probabilities as an attack meets them, to whom a flagged text is no success.

    Args:
        model: A classifier with a guard.
        texts: n texts.
        references: For each the class that the attack tries to leave. Where another one is predicted and the text is
            flagged, all probability goes to this class. Texts that keep their class are not looked at by the guard,
            which may take long: flagged or not, they are no success.
    """
    proba = np.array(model.predict_proba(texts))
    left = [i for i, reference in enumerate(references) if proba[i].argmax() != reference]
    for i, flagged in zip(left, model.flag([texts[i] for i in left]), strict=True):
        if flagged:
            proba[i] = 0.0
            proba[i, references[i]] = 1.0
    return proba


def find_label(model: Classifier, name: str) -> int:
    """Return the index of a class by its name, in small letters or capitals.

    Raises:
        UnknownName: The classifier has no such class.
    """
    known = [label.lower() for label in model.labels]
    if name.strip().lower() not in known:
        raise UnknownName("label", name, list(model.labels))
    return known.index(name.strip().lower())


@runtime_checkable
class _Noted(Protocol):
    note: str


def describe_scores(model: Classifier) -> str:
    """Say what the scores of a classifier are, where they are no ordinary probabilities; else empty."""
    return model.note if isinstance(model, _Noted) else ""


@runtime_checkable
class _HasDevice(Protocol):
    device: object


def find_device(model: Classifier, otherwise: str = "cpu") -> str:
    """Return the name of the device that a classifier runs on; `otherwise` if it does not say."""
    return str(model.device) if isinstance(model, _HasDevice) else otherwise


@runtime_checkable
class _Prepares(Protocol):
    def prepare(self, text: str) -> str:
        """Return a text as the model is to read it."""
        ...


def prepare_texts(model: object, texts: Sequence[str]) -> list[str]:
    """Return texts as a classifier or an encoder is to read them: cleaned, if it does not say otherwise.

    Raises:
        BadInput: It is no list of texts.
    """
    listed = texts.ndim == 1 if isinstance(texts, np.ndarray) else isinstance(texts, Sequence)
    if not listed or isinstance(texts, str | bytes | bytearray | memoryview):
        raise BadInput(f"A list of texts is needed, such as [text], not {shorten(type(texts).__name__)}.")
    for i, text in enumerate(texts, 1):
        if not isinstance(text, str):
            raise BadInput(f"Text {i:,} of {len(texts):,} is no text: {quote(text)}.")
    prepare = model.prepare if isinstance(model, _Prepares) else clean
    return [prepare(str(text)) for text in texts]


def count_readable_words(model: Classifier, text: str) -> int:
    """Return how many words of a cleaned text a classifier reads; all, if it does not say."""
    words = len(find_words(text))
    return min(words, model.readable_words(text)) if is_token_classifier(model) else words
