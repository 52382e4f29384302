"""Stand-ins: a classifier whose every figure can be worked out by hand, a counter around any, an encoder, an attack."""

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from robust_core.attacks.base import Attack
from robust_core.attacks.engine.requests import Accept, Candidate, Score, Scores, Search, Target
from robust_core.cleaning import clean
from robust_core.models.networks.base import measure_mean_norm
from robust_core.registry import param
from robust_core.text import Draft, Edit, find_words, match_case
from robust_core.types import Blank, Encoded, Noise

SENTIMENT = {"good": 2.0, "clever": 1.5, "fine": 0.5, "movie": 0.0, "dull": -1.0, "bad": -2.0}


class BagOfWords:
    """A linear classifier: the scores of a text are the bias plus the sum of its words' weights.

    Each word is one token: 0 pads, 1 stands for every unknown word (weight 0), gaps and special tokens do not exist.
    The embedding of a word is its row of class weights and that of the pad is zero, so integrated gradients from the
    pad are known: weight x count.

    Args:
        weights: For each known word its weight for the last class (the first gets the negative), or one a class.
        bias: Score of each class without any word.
        linear: What is linear in the words: "logits", or "proba", where weights are probabilities and a text must
            stay inside 0..1 (its class probabilities are 1 / classes + bias + sum of weights).
        id: Model id.
        labels: Label names, by index.
        length: Words read of a text.
    """

    card = None
    separable = True
    screens = False
    budget = 4096
    device = torch.device("cpu")

    def __init__(self, weights: Mapping[str, float | Sequence[float]] = SENTIMENT, bias: Sequence[float] = (), *,
                 linear: str = "logits", id: str = "double/bag-of-words",
                 labels: tuple[str, ...] = ("negative", "positive"), length: int = 50) -> None:
        self.id, self.labels, self.length, self._linear = id, labels, length, linear
        self._index = {word: i + 2 for i, word in enumerate(weights)}
        rows = [(-w, w) if isinstance(w, int | float) else tuple(w) for w in weights.values()]
        self.table = torch.zeros(len(rows) + 2, len(labels))
        if rows:
            self.table[2:] = torch.tensor(rows, dtype=torch.float32)
        self._bias = torch.tensor(list(bias) or [0.0] * len(labels), dtype=torch.float32)

    @property
    def unit(self) -> float:
        """Mean norm of the words' rows."""
        return measure_mean_norm(self.table)

    def unit_ids(self, unit: str) -> tuple[int, ...]:
        """Return the id of one word; the characters between two words have none."""
        return (self._index.get(unit.lower(), 1),) if find_words(unit) else ()

    def row(self, pieces: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Join the ids of words to an input, cut at `length`."""
        return tuple(token for piece in pieces for token in piece)[: self.length]

    def text_row(self, text: str) -> tuple[int, ...]:
        """Return the ids of a whole cleaned text."""
        return self.row([self.unit_ids(text[start:end]) for start, end in find_words(text)])

    def unknown(self, word: str) -> bool:
        """Return whether a word has no weight."""
        return 1 in self.unit_ids(word)

    def readable_words(self, text: str) -> int:
        """Return how many words of a text are read."""
        return min(len(find_words(text)), self.length)

    def blanked(self, text: str, keep: np.ndarray) -> list[tuple[int, ...]]:
        """Return the ids of a text whose words become unknown unless they are kept, a row for each variant."""
        row = self.text_row(text)
        return [tuple(token if kept else 1 for token, kept in zip(row, line, strict=True)) for line in keep]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities."""
        return self.proba_from_ids([self.text_row(clean(text)) for text in texts])

    def proba_from_ids(self, rows: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Return (n, classes) float32 probabilities; each row is summed alone, so batches change nothing."""
        if not rows:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        with torch.no_grad():
            sums = torch.stack([self.table[list(row)].sum(0) for row in rows])
            return self._scores(sums).softmax(-1).numpy()

    def noise(self) -> Noise:
        """Return how far screened figures are off: there are none."""
        return Noise(0.0, 0.0)

    def embed(self, texts: Sequence[str]) -> Encoded:
        """Return the rows of class weights of each text's words."""
        cleaned = [clean(text) for text in texts]
        rows = [self.text_row(text) for text in cleaned]
        width = max([1, *(len(row) for row in rows)])
        ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
        owner = torch.tensor([[*range(len(row)), *[-1] * (width - len(row))] for row in rows])
        spans = [find_words(text)[: self.length] for text in cleaned]
        return Encoded(self.table[ids], owner >= 0, owner, spans, self.table[0])

    def logits(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores, linear (or log-linear, by `linear`) in the embeddings."""
        return self._scores(self.representation(embeddings, mask))

    def representation(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) sums of the words' weights."""
        return (embeddings * mask[..., None]).sum(1)

    def _scores(self, sums: torch.Tensor) -> torch.Tensor:
        scores = sums + self._bias
        return (scores + 1 / len(self.labels)).log() if self._linear == "proba" else scores


class Counting:
    """Any classifier, with a record of what it was asked.

    Args:
        model: The classifier that answers.

    Attributes:
        calls: How often it was asked for probabilities.
        texts: Every text it judged, in order.
        rows: Every row of token ids it judged, in order.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (any classifier)
        self.model, self.calls, self.texts, self.rows = model, 0, [], []
        # What a protocol asks for must lie here: it may be looked for without `__getattr__`.
        for name in ("unit_ids", "row", "text_row", "blanked", "readable_words", "unknown", "embed", "logits",
                     "representation", "device", "card", "net"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the classifier has)
        return getattr(self.model, name)

    @property
    def asked(self) -> int:
        """Texts and rows judged so far."""
        return len(self.texts) + len(self.rows)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Judge texts and write them down."""
        self.calls += 1
        self.texts += texts
        return self.model.predict_proba(texts)

    def proba_from_ids(self, rows: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Judge rows of token ids and write them down."""
        self.calls += 1
        self.rows += rows
        return self.model.proba_from_ids(rows)


class WordEncoder:
    """A sentence encoder without weights: the more words two texts share, the closer they are."""

    id, batch = "double/words", 64

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, 64) float32 rows of length one: hashed counts of words."""
        rows = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for start, end in find_words(text):
                row[zlib.crc32(text[start:end].lower().encode()) % 64] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class WordFiller:
    """A masked language model without weights, which peeks: it expects synonyms of the word that stood there.

    Args:
        synonyms: For each word the words expected in its place.
        new: Words expected where none stood.
    """

    id, batch = "double/filler", 7

    def __init__(self, synonyms: Mapping[str, Sequence[str]], new: Sequence[str]) -> None:
        self._synonyms, self._new, self.asked = synonyms, new, []

    def fill(self, blanks: Sequence[Blank], most: int) -> list[list[tuple[str, float]]]:
        """Return words in an order that the words beside a blank decide."""
        self.asked += blanks
        return [self._fill(blank)[:most] for blank in blanks]

    def _fill(self, blank: Blank) -> list[tuple[str, float]]:
        beside = [*Draft.of(blank.before).words[-1:], *Draft.of(blank.after).words[:1]]
        known = blank.among or (self._synonyms.get(blank.like.lower(), ()) if blank.like else self._new)
        order = sorted(known, key=lambda word: zlib.crc32(" ".join([word, *beside]).encode()))
        return [(word if blank.among else match_case(word, blank.like), -1.0 - k / 4) for k, word in enumerate(order)]


class WordReader:
    """A masked language model that is only asked how fluent a text is: ten for each `bad` in it, and one more."""

    id = "double/reader"

    def pseudo_perplexity(self, texts: Sequence[str], *, most: int | None = None,
                          go_on: Callable[[], bool] = lambda: True) -> np.ndarray:
        """Return (n,) float64."""
        return np.array([10.0 * text.split().count("bad") + 1.0 if go_on() and self.count_pieces(text) <= (most or 1e9)
                         else np.nan for text in texts])

    def count_pieces(self, text: str) -> int:
        """Return the number of words."""
        return len(text.split())


@dataclasses.dataclass(frozen=True)
class Planted(Attack):
    """Put one word in the place of another, from left to right, until the prediction flips."""

    name, title, source = "planted", "Planted words", "https://example.org/planted"

    old: str = param("good", "Word that gives way")
    new: str = param("bad", "Word that takes its place")

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Swap every occurrence that the victim reads."""
        best = Candidate(target.draft)
        for i in range(target.reach):
            if target.draft.words[i].lower() != self.old:
                continue
            candidate = Candidate(target.draft, (*best.edits, Edit(i, i + 1, (self.new,))))
            scores: Scores = yield Score([candidate], trying=self.old)
            if len(scores.proba):
                best = candidate
                yield Accept(best, scores.proba[0], eligible=1)
            if scores.over or scores.success.any():
                break
        return best
