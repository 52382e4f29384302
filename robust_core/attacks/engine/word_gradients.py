"""How the loss of a class changes with each word of a text, to first order."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from robust_core.attacks.engine.requests import Candidate, Gradient, Request
from robust_core.errors import Incompatible
from robust_core.parts import NO_FRAME, Frame
from robust_core.protocols import Classifier, WhiteBox, need_white_box
from robust_core.text import find_words
from robust_core.types import Encoded


class WordGradients(NamedTuple):
    """Gradients of a text, each text alone in fp32.

    Attributes:
        rows: (words, d) float64 gradient of the cross-entropy of a class with respect to a word's embedding, the mean
            over its tokens; zeros for a word without tokens or past what the model reads.
        own: (words, d) float64 embedding of each word, the mean over its tokens.
        vectors: The same of words that were asked for, each read alone.
    """

    rows: np.ndarray
    own: np.ndarray
    vectors: dict[str, np.ndarray]

    def estimate_gain(self, position: int, word: str) -> float:
        """Return by how much the loss rises, to first order, when a word is put at a position (HotFlip, equation 1)."""
        if position >= len(self.rows):
            return 0.0
        return float(self.rows[position] @ (self.vectors[word] - self.own[position]))


def ask_gradients(candidate: Candidate, words: Sequence[str], method: str) -> Generator[Request, Any, WordGradients]:
    """Ask for the gradients of a text; see `Gradient`.

    Raises:
        Incompatible: The victim shows none.
    """
    answer = yield Gradient(candidate, words, method)
    if isinstance(answer, Incompatible):
        raise answer
    return answer


def measure_gradients(model: Classifier, text: str, label: int, words: Sequence[str] = (), method: str = "this attack",
                      frame: Frame = NO_FRAME) -> WordGradients:
    """Measure the gradients of a text.

    Args:
        model: A classifier that shows gradients.
        text: The text.
        label: Class whose loss is meant.
        words: Further words whose embeddings are wanted.
        method: What needs them, for messages.
        frame: What stands around the text, where it is a part of a pair; its words are left out of what is returned.

    Raises:
        Incompatible: The classifier shows no gradients.
    """
    white = need_white_box(model, method)
    encoded, gradient = _differentiate(white, [frame.put(text)], [label])
    first = len(find_words(frame.before))
    owner, count = encoded.owner[0].numpy() - first, max(len(encoded.spans[0]) - first, 0)
    count = min(count, len(find_words(text))) if frame.after else count
    return WordGradients(_average(gradient[0], owner, count),
                         _average(encoded.embeddings[0].double().cpu().numpy(), owner, count),
                         embed_words(white, words))


def sum_gradients(model: WhiteBox, texts: Sequence[str], labels: Sequence[int], places: Sequence[Sequence[int]]
                  ) -> np.ndarray:
    """Add up the gradients of some words of several texts, run as one batch.

    Args:
        model: A classifier that shows gradients.
        texts: n texts.
        labels: Class of each text whose loss is meant.
        places: k positions of words in each text.

    Returns:
        (k, d) float64: the sum over texts of the gradients at the first places, at the second ones, and so on. A word
        past what the model reads adds nothing.
    """
    encoded, gradient = _differentiate(model, texts, labels)
    total = np.zeros((len(places[0]), gradient.shape[2]))
    for k, wanted in enumerate(places):
        total += _average(gradient[k], encoded.owner[k].numpy(), max(wanted) + 1)[list(wanted)]
    return total


def _differentiate(model: WhiteBox, texts: Sequence[str], labels: Sequence[int]) -> "tuple[Encoded, np.ndarray]":
    """Return texts as embeddings, and the (n, t, d) float64 gradient of the loss of their labels in these."""
    import torch

    encoded = model.embed(texts)
    rows = encoded.embeddings.detach().requires_grad_()
    with torch.enable_grad():
        loss = torch.nn.functional.cross_entropy(
            model.logits(rows, encoded.mask).float(), torch.tensor(list(labels), device=rows.device), reduction="sum")
        gradient, = torch.autograd.grad(loss, rows)
    return encoded, gradient.double().cpu().numpy()


def embed_words(model: WhiteBox, words: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the (d,) float64 embedding of each word, read alone: the mean over its tokens."""
    if not words:
        return {}
    encoded = model.embed(list(words))
    return {word: _average(encoded.embeddings[k].double().cpu().numpy(), encoded.owner[k].numpy() >= 0, 2)[1]
            for k, word in enumerate(words)}


def _average(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Return the (count, d) mean of (t, d) values by their (t,) owners; zeros where there is none."""
    owner = owner.astype(np.int64)
    means = np.zeros((count, values.shape[1]))
    for i in np.unique(owner[(owner >= 0) & (owner < count)]):
        means[i] = values[owner == i].mean(axis=0)
    return means
