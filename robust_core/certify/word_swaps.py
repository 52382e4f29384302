"""A certificate in words: no text that the swaps of a set can make flips an additive model's answer.

With the margin over a rival m_c(x) = b_y - b_c + sum_i (T_y - T_c)[w_i, s_i], the lowest margin over all texts that
swaps can make is at least

    b_y - b_c + sum_i min over v in S(w_i) and w_i, and over the states that i may come into, of (T_y - T_c)[v, s]

and equal to it where no swap changes another word's state. The text is certified if this is positive for each rival.
For a model with a certified core and a bounded correction (`models.networks.bounded`) the same holds of the core's
lead, and the bound goes off.

A word that the model reads as another one (`models.spelling`) is certified with the swaps of both.

With k swaps the k largest drops count; a word whose state may change then counts as if it had, without a swap.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from robust_core.classifiers import prepare_texts
from robust_core.errors import Incompatible
from robust_core.metrics import estimate_proportion
from robust_core.models.networks.additive import (
    FLAGS,
    REACH,
    STATES,
    AdditiveNetwork,
    place_allowed_states,
    place_states,
)
from robust_core.models.networks.bounded import BoundedNetwork
from robust_core.protocols import Classifier, HasNetwork, HasTokens
from robust_core.resources.swap_sets import SwapSet
from robust_core.text import Draft, match_case
from robust_core.types import Example

if TYPE_CHECKING:
    from robust_core.models.tokens import WholeWords

# Numbers of swaps that certified accuracy is stated for.
COUNTS = (1, 2, 3, 5, 10)
# Of a probability, before its logarithm is taken; and what fp32 may do to a lead, absolute and as a share.
_LEAST, _ROUNDING = 1e-30, 1e-5
# A lead in scores that were added up in fp32 is one from here on.
LEAST_LEAD = _ROUNDING


class WordBounds(NamedTuple):
    """What one word adds to the margin over the strongest rival.

    Attributes:
        word: The word.
        lowest: The least that it may add, in this place, under any swap.
        now: What it adds.
        highest: The most that it may add.
        worst: The word that adds the least, the word itself where none adds less.
        swaps: How many words may stand in its place.
        cost: By how much a swap of this very word may lower the lead, beyond what swaps of other words do to it.
    """

    word: str
    lowest: float
    now: float
    highest: float
    worst: str
    swaps: int
    cost: float


@dataclasses.dataclass(frozen=True)
class WordCertificate:
    """What is proven of one text.

    Attributes:
        prediction: Index of the class that the model predicts.
        certified: Whether no text that the swap set can make flips it.
        swaps_proven: The largest number of swaps that cannot flip it; -1 where any number cannot.
        margin: Its lead over the strongest rival, in scores before softmax.
        worst_margin: A lower bound of the lead over all texts that swaps can make.
        worst_text: The text whose words add the least to the lead that falls lowest.
        texts: How many texts the swaps can make, the text itself included.
        words: What each word that the model reads may add to the lead that falls lowest.
        rival: Index of the class over which that lead is.
        lowest_leads: A lower bound of the lead over all texts that at most k swaps can make, for k from 0 to the number
            of words that the model reads.
    """

    prediction: int
    certified: bool
    swaps_proven: int
    margin: float
    worst_margin: float
    worst_text: str
    texts: int
    words: tuple[WordBounds, ...]
    rival: int
    lowest_leads: tuple[float, ...]

    def find_costliest(self, swaps: int) -> tuple[int, ...]:
        """Return the positions of the words, at most so many, whose swaps may lower the lead most, in reading order."""
        order = sorted(range(len(self.words)), key=lambda i: -self.words[i].cost)
        return tuple(sorted(i for i in order[:swaps] if self.words[i].cost > 0))


def write_worst_text(text: str, found: WordCertificate, swaps: int) -> str:
    """Write a certified text with its costliest words, at most so many, each swapped for the worst."""
    draft, chosen = Draft.of(text), set(found.find_costliest(swaps))
    return Draft(tuple(found.words[i].worst if i in chosen else word for i, word in enumerate(draft.words)),
                 draft.gaps).text


class WordCertifier:
    """Certifies texts of one model under one swap set; what a word and its swaps add is worked out once.

    Args:
        model: An additive model, or one with an additive core.
        swap_set: The swaps.

    Raises:
        Incompatible: The model is none whose worst case can be added up.
    """

    def __init__(self, model: Classifier, swap_set: SwapSet) -> None:
        net, self._tokens, self._slack = need_core(model)
        self._model = model
        self._swap_set, self._sentiment = swap_set, net.states == "sentiment"
        weight = net.embedding.weight.detach().cpu().double().numpy()
        self._table = weight[:, :-FLAGS].reshape(len(weight), STATES[net.states], net.classes)
        self._flags = weight[:, -FLAGS:] > 0.5
        self._bias = net.bias.detach().cpu().double().numpy()
        self._known: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}

    def _list_options(self, word: str) -> tuple[tuple[str, ...], np.ndarray]:
        """Return a word and all that may stand in its place, in lower case, and their ids."""
        lower = word.lower()
        if lower not in self._known:
            # What is read as another word may be attacked as either.
            words = tuple(dict.fromkeys((lower, *self._swap_set.find(lower), *self._swap_set.find(
                self._tokens.read_as(lower)))))
            self._known[lower] = words, np.array([self._tokens.unit_ids(other)[0] for other in words])
        return self._known[lower]

    def certify(self, text: str, proba: np.ndarray | None = None) -> WordCertificate:
        """Certify a cleaned text.

        Args:
            text: The text.
            proba: (classes,) probabilities that the model gives it, where they are known already.
        """
        draft = Draft.of(text)
        # Words that are not read can be anything.
        words = draft.words[: self._tokens.length]
        options = [self._list_options(word) for word in words]
        states, possible = self._find_states([ids for _, ids in options])
        scores = self._bias + sum((self._table[ids[0], s] for (_, ids), s in zip(options, states, strict=True)),
                                  np.zeros(len(self._bias)))
        if self._slack:
            given = self._model.predict_proba([text])[0] if proba is None else proba
            scores = np.log(np.maximum(given.astype(np.float64), _LEAST))
        label = int(scores.argmax())
        worst = [self._bound(options, states, possible, scores, label, rival)
                 for rival in range(len(scores)) if rival != label]
        lowest = min(worst, key=lambda bound: bound.lowest)
        leads = tuple(min(each) for each in zip(*(bound.leads for bound in worst), strict=True))
        # The last number of swaps before the lead may be lost.
        proven = max(next((k for k, lead in enumerate(leads) if lead <= 0), len(leads)) - 1, 0)
        everything = all(bound.lowest > 0 for bound in worst)
        bounds = tuple(
            WordBounds(word, float(low), float(now), float(high), match_case(names[at], word) if at else word,
                       len(names) - 1, float(kept - low))
            for word, (names, _), low, now, high, kept, at in zip(
                words, options, lowest.low, lowest.now, lowest.high, lowest.kept, lowest.at, strict=True))
        spelt = [bound.worst for bound in bounds]
        return WordCertificate(
            label, everything, -1 if everything else proven,
            float(scores[label] - max(score for c, score in enumerate(scores) if c != label)), float(lowest.lowest),
            Draft((*spelt, *draft.words[len(spelt):]), draft.gaps).text,
            math.prod(len(names) for names, _ in options), bounds, lowest.rival, leads)

    def certify_all(self, texts: Sequence[str]) -> list[WordCertificate]:
        """Certify cleaned texts; a correction, where the model has one, reads them together."""
        probas = self._model.predict_proba(texts) if self._slack else [None] * len(texts)
        return [self.certify(text, proba) for text, proba in zip(texts, probas, strict=True)]

    def _find_states(self, ids: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the (words,) states of words, and (words, states) bools: what swaps of others may bring them into."""
        if not self._sentiment:
            now = np.arange(len(ids)) >= REACH
            return now.astype(int), np.stack([~now, now], 1)
        # (1, words, 2): whether the word itself, any that may stand there, or all of them are negations, or like "but".
        now, may, must = (
            torch.from_numpy(np.array([make(self._flags[some]) for some in ids], dtype=bool).reshape(1, -1, FLAGS))
            for make in (lambda own: own[0], lambda own: own.any(0), lambda own: own.all(0)))
        return place_states(now[..., 0], now[..., 1])[0].numpy(), place_allowed_states(may, must)[0].numpy()

    def _bound(self, options: Sequence[tuple[tuple[str, ...], np.ndarray]], states: np.ndarray,
               possible: np.ndarray, scores: np.ndarray, label: int, rival: int) -> "_Bound":
        low, now, high, kept, at = [], [], [], [], []
        for (_, ids), state, allowed in zip(options, states, possible, strict=True):
            lead = self._table[ids][:, :, label] - self._table[ids][:, :, rival]
            reach = lead[:, allowed]
            low.append(reach.min())
            high.append(reach.max())
            now.append(lead[0, state])
            kept.append(reach[0].min())
            at.append(int(lead[:, state].argmin()))
        # What the correction may take away, goes off whatever is swapped.
        start = self._bias[label] - self._bias[rival] - self._slack
        # Without a swap of its own a word may still be brought into another state.
        left = start + np.sum(kept) - np.cumsum(np.sort(np.subtract(kept, low))[::-1])
        return _Bound(rival, float(start + np.sum(low)), [float(scores[label] - scores[rival]), *left.tolist()], low,
                      now, high, kept, at)


class _Bound(NamedTuple):
    rival: int
    lowest: float
    leads: list[float]
    low: list[float]
    now: list[float]
    high: list[float]
    kept: list[float]
    at: list[int]


def has_certificate(model: Classifier) -> bool:
    """Return whether a model's worst case can be added up."""
    return isinstance(model, HasNetwork) and isinstance(model.net, AdditiveNetwork | BoundedNetwork)


def need_core(model: Classifier) -> tuple[AdditiveNetwork, "WholeWords", float]:
    """Return what is certified of a model: the additive network, its words, and how far others may change its leads.

    Raises:
        Incompatible: Nothing is.
    """
    if isinstance(model, HasNetwork) and isinstance(model, HasTokens):
        if isinstance(model.net, AdditiveNetwork):
            return model.net, model.tokens, 0.0  # type: ignore[return-value]
        if isinstance(model.net, BoundedNetwork):
            assert isinstance(model.net.core, AdditiveNetwork), "no other network is made a core"
            # Scores are summed in fp32: what rounding may do goes off as well.
            return model.net.core, model.tokens.core, model.net.bound * (1 + _ROUNDING) + _ROUNDING  # type: ignore
    raise Incompatible(f"{model.id} has no certificate in words: only additive models, and models with an additive "
                       "core, have one. Train one by --architecture additive --defence certified.")


def measure_certified_accuracy(model: Classifier, examples: Sequence[Example], swap_set: SwapSet) -> dict[str, Any]:
    """Certify labelled texts.

    Args:
        model: An additive model, or one with an additive core.
        examples: Texts with their labels.
        swap_set: The swaps.

    Returns:
        n, swap_set, swap_set_sha256; accuracy, and certified_accuracy, the share of texts that are right and stay so
        whatever is swapped; certified_by_swaps, the same for at most so many swaps; a standard error beside each.

    Raises:
        Incompatible: The model has no certificate.
    """
    certifier = WordCertifier(model, swap_set)
    texts = prepare_texts(model, [example.text for example in examples])
    found = [(certificate, example.label) for certificate, example in zip(
        certifier.certify_all(texts), examples, strict=True)]
    right = [certificate for certificate, label in found if certificate.prediction == label]

    def share(hits: int) -> tuple[float, float]:
        return estimate_proportion(hits, len(found))

    row: dict[str, Any] = {"model": model.id, "swap_set": swap_set.name, "swap_set_sha256": swap_set.sha256,
                           "n": len(found)}
    row["accuracy"], row["accuracy_se"] = share(len(right))
    row["certified_accuracy"], row["certified_accuracy_se"] = share(sum(c.certified for c in right))
    by = {str(k): share(sum(c.certified or c.swaps_proven >= k for c in right)) for k in COUNTS}
    row["certified_by_swaps"] = {k: value for k, (value, _) in by.items()}
    row["certified_by_swaps_se"] = {k: error for k, (_, error) in by.items()}
    return row
