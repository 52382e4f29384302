"""Spelling: a word that is none is read as the nearest known word within one or two edits."""

import dataclasses
import functools
import re

from robust_core.guards import GUARDS
from robust_core.guards.base import CleanTexts, FittedGuard, Guard
from robust_core.models.spelling import Spelling
from robust_core.protocols import Classifier
from robust_core.registry import param
from robust_core.resources.pos import is_listed, list_words
from robust_core.text import Draft, match_case

# `well-acted`, `director's`: each part is a word.
_JOINTS = re.compile(r"(['_-]+)")
# An unknown word of the training texts that stands there once may be a slip itself.
_FEWEST = 2


@GUARDS.register("spelling", title="Spelling correction", source="https://arxiv.org/abs/1905.11268")
@dataclasses.dataclass(frozen=True)
class SpellingGuard(Guard):
    """Read a word that is no known one as the nearest known word within one or two edits, the most frequent of several.

    Known are the words of the English lexicon (`resources.pos`) and those that stand at least twice in the training
    texts; words of fewer than four letters and those with digits stay, two edits are looked for from seven letters on.
    As `combine --typos` does, in front of any model. It never flags. Differs from Pruthi et al. (2019), whose
    corrector is a semi-character recurrent network that also reads the words around; theirs may change any word.
    """

    uses = ("parts-of-speech",)

    edits: int = param(2, "Most edits between a word and the one that is read", low=1, high=2)

    def fit(self, model: Classifier, texts: CleanTexts) -> FittedGuard:
        """Return the guard, with the words of the training texts among those that it knows."""
        del model
        counts: dict[str, int] = {}
        for text in texts.train:
            for word in Draft.of(text).words:
                for part in _JOINTS.split(word.lower()):
                    counts[part] = counts.get(part, 0) + 1
        own = frozenset(word for word, count in counts.items() if count >= _FEWEST and word.isalpha())
        return FittedGuard(clean=_Corrector(own, self.edits).clean)


class _Corrector:
    """Corrects texts.

    Args:
        own: Known words beside those of the lexicon, in lower case.
        edits: Most edits.
    """

    def __init__(self, own: frozenset[str], edits: int) -> None:
        self._own, self._edits = own, edits
        self._find = functools.lru_cache(maxsize=1 << 16)(self._find_known)

    @functools.cached_property
    def _spelling(self) -> Spelling:
        # Takes seconds, and only a text with an unknown word needs it.
        return _read_spelling(self._own, self._edits)

    def clean(self, text: str) -> str:
        """Return a text with its misspelt words corrected."""
        draft = Draft.of(text)
        return dataclasses.replace(draft, words=tuple(map(self._correct, draft.words))).text

    def _correct(self, word: str) -> str:
        return "".join(self._find(part) for part in _JOINTS.split(word))

    def _find_known(self, part: str) -> str:
        lower = part.lower()
        if lower in self._own or is_listed(lower):
            return part
        found = self._spelling.find(lower)
        return part if found is None else match_case(found, part)


@functools.lru_cache(maxsize=2)
def _read_spelling(own: frozenset[str], edits: int) -> Spelling:
    known = dict.fromkeys(word for word in (*list_words(), *sorted(own)) if word.isascii() and word.isalpha())
    return Spelling(tuple(known), edits)
