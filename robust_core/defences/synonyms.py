"""Our own defence: FLAT that also learns, every epoch, from texts whose words gave way to neighbours at random.

Attacks find few texts and cost most of a round of FLAT. Texts with random neighbours cost nothing: they show every word
among all of its substitutes, not only among those that flipped an earlier network, and the importance gap, which ties a
word's mask to that of its replacement, sees them all. Random substitution as a training signal is that of Ye et al.
(2020) and Zhou et al. (2021); masks, entropy and importance gap are FLAT's.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from robust_core.attacks.textfooler import cased_substitutes
from robust_core.defences import DEFENCES
from robust_core.defences.flat import Flat, FlatCourse
from robust_core.registry import param
from robust_core.text import Draft

if TYPE_CHECKING:
    from robust_core.defences.base import Rows
    from robust_core.train import Row, Setup


class SynonymCourse(FlatCourse):
    """One training with word masks and random neighbours."""

    defence: "Synonyms"

    def rows(self, epoch: int) -> "Rows":
        """Add to FLAT's rows a copy of each text with other words, drawn anew each epoch."""
        rows = yield from super().rows(epoch)
        # The draw is a function of seed and epoch, so that a training that was killed goes on exactly.
        rng = np.random.default_rng((self.setup.seed, epoch))
        return [*rows, *filter(None, (self._copy(i, rng) for i in range(len(self.setup.rows))))]

    def _copy(self, i: int, rng: np.random.Generator) -> "Row | None":
        from robust_core.train import Row

        text = shuffled_words(self.setup.examples[i].text, rng, self.defence.share, self.defence.most,
                              self.defence.least)
        if text == self.setup.examples[i].text:
            return None
        clean, coded = self.setup.rows[i], self.setup.tokens.encode(text)
        return Row(coded.ids, clean.label, i, coded.owner, clean)


def shuffled_words(text: str, rng: np.random.Generator, share: float, most: int, least: float) -> str:
    """Return a text in which each word with close neighbours gave way to one of them with probability `share`."""
    draft = Draft.of(text)
    words = list(draft.words)
    for i, drawn in enumerate(rng.random(len(words))):
        if drawn < share and (others := cased_substitutes(words[i], most, least)):
            words[i] = others[int(rng.integers(len(others)))]
    return Draft(tuple(words), draft.gaps).text


@DEFENCES.register("synonyms", title="FLAT + random synonyms", source="https://arxiv.org/abs/2203.12709")
@dataclasses.dataclass(frozen=True)
class Synonyms(Flat):
    """FLAT that also learns from texts whose words gave way to close neighbours at random, drawn anew each epoch."""

    share: float = param(0.3, "Probability that a word gives way to a neighbour", low=0.0, high=1.0)
    most: int = param(50, "Most neighbours of a word", low=1, high=50)
    least: float = param(0.5, "Least cosine of a word and its neighbour", low=0.0, high=1.0)

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}

    def course(self, setup: "Setup") -> SynonymCourse:
        """Begin a training."""
        return SynonymCourse(setup, self)
