"""The one classifier class: a network, a tokenizer, batches under a token budget, a lock held per batch."""

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from robust_core.classifiers import prepare_texts
from robust_core.cleaning import clean
from robust_core.errors import BadInput, Incompatible
from robust_core.models import screening
from robust_core.models.batching import pad_rows, split_batches
from robust_core.models.device import autocast_bf16, has_fast_bf16
from robust_core.models.networks.base import measure_mean_norm
from robust_core.models.threads import run_batch
from robust_core.models.tokens import Subwords
from robust_core.parts import split_parts
from robust_core.text import find_words
from robust_core.types import Encoded, Noise

if TYPE_CHECKING:
    from robust_core.models.cards import Card
    from robust_core.models.networks.base import Network
    from robust_core.models.tokens import Tokens, WordVocabulary

_SECONDS_PER_BATCH = 0.2
_LEAST_BUDGET, _MOST_BUDGET = 512, 65_536


@dataclasses.dataclass(eq=False)
class TextClassifier:
    """A text classifier: a `Classifier`, `TokenClassifier` and `WhiteBox` of `robust_core.protocols`.

    Texts are cleaned by `robust_core.cleaning.clean`, unless the model was made elsewhere. A text with no tokens is
    read as a single pad. The model stays in eval mode, and any number of threads may use it: each batch holds the
    lock, never a whole attack.

    Args:
        id: Model id.
        labels: Label names, by index.
        net: Network with `embedding`, `represent(embeddings, mask)` and `forward(embeddings, mask)`.
        tokens: Its tokenizer.
        device: Where it runs.
        card: How it was made, if it is one of ours.
        cleans: Whether texts are cleaned first; a model made elsewhere reads them as they stand.
    """

    id: str
    labels: tuple[str, ...]
    net: "Network"
    tokens: "WordVocabulary | Subwords"
    device: torch.device
    card: "Card | None" = None
    cleans: bool = True

    def __post_init__(self) -> None:
        self.net.to(self.device).eval().requires_grad_(False)
        self._lock = threading.RLock()
        self._budget = 0
        self._noise: Noise | None = None

    @property
    def length(self) -> int:
        """Longest input, in tokens."""
        return self.tokens.length

    @property
    def separable(self) -> bool:
        """Whether words can be tokenised one by one."""
        return self.tokens.separable

    def readable_words(self, text: str) -> int:
        """Return how many words of a cleaned text the model reads to their end."""
        return self.tokens.encode(text).read

    def explain_no_pairs(self) -> str:
        """Return why it reads no pairs of texts; empty where it does."""
        if self.cleans:
            return "it was trained here on single texts"
        if isinstance(self.tokens, Subwords) and self.tokens.pair is not None:
            return ""
        return "its architecture, or the tokenizer, has no pair that is laid out as BERT's or RoBERTa's"

    def find_unread(self, text: str) -> frozenset[int]:
        """Return which words of a pair it does not read to their end."""
        if not isinstance(self.tokens, Subwords):
            return frozenset()
        first, second = split_parts(text)
        words, more = len(find_words(first)), len(find_words(second))
        read = self.tokens.cut_pair(text)
        return frozenset([*range(read[0].read, words), *range(words + read[1].read, words + more)])

    def unknown(self, word: str) -> bool:
        """Return whether a word model does not know (part of) a word; always False where words fall into pieces."""
        return self.tokens.unknown_id is not None and self.tokens.unknown_id in self.unit_ids(word)

    def unit_ids(self, unit: str) -> tuple[int, ...]:
        """Return the token ids of one word or of the characters between two words."""
        return self.tokens.unit_ids(unit)

    def row(self, pieces: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Join the ids of units to a whole input, special tokens added, cut at the model's length."""
        inner = tuple(token for piece in pieces for token in piece)
        room = self.tokens.length - len(self.tokens.prefix) - len(self.tokens.suffix)
        return self.tokens.prefix + inner[:room] + self.tokens.suffix

    def text_row(self, text: str) -> tuple[int, ...]:
        """Return the token ids of a whole cleaned text, from the tokenizer itself."""
        return self.tokens.encode(text).ids

    def blanked(self, text: str, keep: np.ndarray) -> list[tuple[int, ...]]:
        """Return a cleaned text's token ids with words taken away: their pieces become the mask or the unknown id.

        Args:
            text: The text.
            keep: (m, words) bool, a row for each variant; the words that the model reads.

        Returns:
            Token ids, m rows of one length.
        """
        ids, owner, _ = self.tokens.encode(text)
        words = np.asarray(owner, dtype=np.int64)
        own = (words >= 0) & (words < keep.shape[1])
        gone = np.zeros((len(keep), len(ids)), dtype=bool)
        gone[:, own] = ~keep[:, words[own]]
        found = np.asarray(ids, dtype=np.int64)
        return list(map(tuple, np.where(gone, self.find_blanks(found), found).tolist()))

    def find_blanks(self, ids: np.ndarray) -> "np.ndarray | int":
        """Return what stands for each of (t,) ids where its word is taken away."""
        return self.tokens.blank_id

    def prepare(self, text: str) -> str:
        """Return a text as the model is to read it, cleaned unless the model was made elsewhere.

        Raises:
            BadInput: An uncleaned text holds half a character, which no tokenizer reads.
        """
        if self.cleans:
            return clean(text)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadInput("The text is no valid Unicode: it holds half a character (a lone surrogate).") from None
        return text

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities of texts, each prepared first.

        Raises:
            BadInput: It is no list of texts.
        """
        return self.proba_from_ids([self.tokens.encode(text).ids for text in prepare_texts(self, texts)])

    def proba_from_ids(self, rows: Sequence[tuple[int, ...]], *, screened: bool = False) -> np.ndarray:
        """Return (n, classes) float32 probabilities of token id rows, run shortest first in budgeted batches.

        Args:
            rows: Token ids.
            screened: Run in bf16; see `noise`.
        """
        result = np.zeros((len(rows), len(self.labels)), dtype=np.float32)
        for batch in self.batches(rows, 2 if screened else 1):
            result[batch] = self.run([rows[i] for i in batch], screened)
        return result

    @property
    def screens(self) -> bool:
        """Whether running in bf16 is faster here."""
        return self.net.screens and has_fast_bf16(self.device)

    def noise(self) -> Noise:
        """Return how far log-odds of screened probabilities may be from exact ones; measured at first use."""
        if self._noise is None:
            rows = [[self.text_row(text) for text in texts] for texts in screening.make_probes()]
            flat = [row for group in rows for row in group]
            exact, low = self.proba_from_ids(flat), self.proba_from_ids(flat, screened=True)
            off = screening.compute_log_odds(low) - screening.compute_log_odds(exact)
            self._noise = screening.measure_noise(np.split(off, np.cumsum([len(group) for group in rows])[:-1]))
        return self._noise

    def batches(self, rows: Sequence[tuple[int, ...]], budgets: int = 1) -> Iterator[list[int]]:
        """Yield positions of rows, in groups of like length that stay within some token budgets."""
        return split_batches(rows, budgets * self.budget)

    def run(self, rows: Sequence[tuple[int, ...]], screened: bool = False) -> np.ndarray:
        """Return (n, classes) float32 probabilities of one batch; memory running out halves it."""
        try:
            with self._lock, torch.inference_mode(), autocast_bf16(self.device, screened):
                ids, mask = pad_rows(rows, self.tokens.pad_id, self.device)
                # One text of a word model is too little to share, and the last bits would tell how it was shared.
                small = len(rows) == 1 and self.tokens.unknown_id is not None
                return run_batch(lambda: self.net.read(ids, mask).float().softmax(-1).cpu().numpy(), self.device,
                                 self.net, alone=small)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise
            half = len(rows) // 2
            return np.concatenate([self.run(rows[:half], screened), self.run(rows[half:], screened)])

    @property
    def budget(self) -> int:
        """Tokens a batch may hold, pads included, so that it takes about 0.2 s; measured at first use."""
        if not self._budget:
            row = (*self.tokens.prefix, *([self.tokens.pad_id] * 16), *self.tokens.suffix)
            probe = [row] * 16
            self.run(probe)
            started = time.perf_counter()
            self.run(probe)
            seconds = max(time.perf_counter() - started, 1e-6)
            tokens = int(len(probe) * len(row) * _SECONDS_PER_BATCH / seconds)
            self._budget = min(max(tokens, _LEAST_BUDGET), _MOST_BUDGET)
        return self._budget

    def embed(self, texts: Sequence[str]) -> Encoded:
        """Return the word-embedding rows of texts, each prepared first.

        Raises:
            BadInput: It is no list of texts.
            Incompatible: The model takes token ids only.
        """
        if not self.net.takes_rows:
            raise Incompatible(f"{self.id} shows no gradients: its architecture takes no word-embedding rows.")
        cleaned = prepare_texts(self, texts)
        coded: list[Tokens] = [self.tokens.encode(text) for text in cleaned]
        with torch.no_grad():
            ids, mask = pad_rows([c.ids for c in coded], self.tokens.pad_id, self.device)
            owner = torch.full(ids.shape, -1, dtype=torch.int64)
            for i, c in enumerate(coded):
                owner[i, : len(c.owner)] = torch.tensor(c.owner, dtype=torch.int64)
            rows = self.net.embedding(ids)
            pad = self.net.embedding(ids.new_tensor([self.tokens.pad_id]))[0]
        spans = [find_words(text)[: c.read] for text, c in zip(cleaned, coded, strict=True)]
        return Encoded(rows, mask, owner, spans, pad)

    @property
    def unit(self) -> float:
        """Mean norm of its token embeddings, pads left out: the unit in which perturbations are measured."""
        scale = float(getattr(self.net.embedding, "embed_scale", 1.0))  # BART's kin scale what they look up.
        return scale * measure_mean_norm(self.net.embedding.weight, self.tokens.pad_id)

    def word_importance(self, words: Sequence[str]) -> np.ndarray:
        """Return the (n,) learnt importance phi of words in 0..1, each read alone; 1 without word masks.

        A word of several pieces counts as its most important one, a word without any as the pad.
        """
        coded = [self.tokens.encode(word) for word in prepare_texts(self, words)]
        if self.net.masks is None:
            return np.ones(len(coded), dtype=np.float32)
        with self._lock, torch.no_grad():
            ids, _ = pad_rows([c.ids for c in coded], self.tokens.pad_id, self.device)
            phi = self.net.importance(self.net.embedding(ids)).cpu().numpy()
        return np.array([max((float(phi[i, j]) for j, owner in enumerate(c.owner) if owner >= 0),
                             default=float(phi[i, 0]))
                         for i, c in enumerate(coded)], dtype=np.float32)

    def logits(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax, differentiable in the embeddings."""
        with self._lock:
            return self.net(embeddings, mask)

    @property
    def straight(self) -> bool:
        """Whether it offers `along`."""
        return self.net.straight

    def along(self, start: torch.Tensor, end: torch.Tensor, reached: torch.Tensor) -> torch.Tensor:
        """Return (s, classes) scores of a text at s places between (t, d) rows, differentiable in the (s, t) shares."""
        with self._lock:
            return self.net.along(start, end, reached)  # type: ignore[operator]

    def representation(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) vector that the head reads, differentiable in the embeddings."""
        with self._lock:
            return self.net.represent(embeddings, mask)

    @property
    def reads_back(self) -> bool:
        """Whether `read_back` works: only models trained with RAR have what it takes."""
        return self.net.reconstruction is not None

    def read_back(self, embeddings: torch.Tensor, mask: torch.Tensor) -> list[str]:
        """Return the texts that a model trained with RAR reads in (n, t, d) embeddings, perturbed or not.

        Raises:
            Incompatible: The model was not trained to read its tokens back.
        """
        with self._lock, torch.no_grad():
            states = self.net.reading(embeddings, mask).states
            if states is None or self.net.reconstruction is None:
                raise Incompatible(f"{self.id} cannot read tokens back from embeddings; a model trained with RAR can.")
            ids = self.net.reconstruct(states).argmax(-1).cpu()
        return [self.tokens.decode(row[real].tolist()) for row, real in zip(ids, mask.cpu(), strict=True)]
