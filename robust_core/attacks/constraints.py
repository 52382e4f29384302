"""What a swap must keep: the sense of the sentence around it, the part of speech of the word."""

import dataclasses
from collections.abc import Generator, Sequence

from robust_core.attacks.engine.requests import Candidate, Estimates, Request, Similarity
from robust_core.resources import tag, tag_swaps
from robust_core.text import Draft


@dataclasses.dataclass(frozen=True)
class SentenceSimilarity:
    """The text around a changed word must stay close to what it was, as a sentence encoder sees it.

    Args:
        least: Lowest cosine.
        window: Words around the change that are compared.
        skip_short: Whether texts shorter than the window pass unseen, with similarity 1, as in TextAttack. Of a pair
            the words of both parts count, as there; what is compared is the part that may change alone.
    """

    least: float
    window: int = 15
    skip_short: bool = True

    def measures(self, reference: Draft) -> bool:
        """Return whether changes of a text are compared at all."""
        return not (self.skip_short and len(reference.words) + reference.beside < self.window)

    def measure(self, reference: Draft, candidates: Sequence[Candidate], position: int
                ) -> Generator[Request, Estimates, Estimates]:
        """Return the similarity of each candidate to `reference` around `position`."""
        return (yield Similarity([self.pair(reference, candidate.draft, position) for candidate in candidates]))

    def pair(self, reference: Draft, changed: Draft, position: int) -> tuple[str, str]:
        """Return the two windows that are compared."""
        old, new = (draft.window(min(position, len(draft.words) - 1), self.window) for draft in (reference, changed))
        return old, new


class PartOfSpeech:
    """A new word must be what the old one is in its sentence; nouns and verbs may stand in for each other.

    Args:
        draft: The original text; it is tagged once.
        exact: Whether nouns and verbs may not.
    """

    def __init__(self, draft: Draft, exact: bool = False) -> None:
        self._words, self._exact = draft.words, exact
        self._tags = tag(draft.words)

    def keep(self, position: int, words: Sequence[str]) -> list[str]:
        """Return those of `words` that may take the place at `position`, tagged as if they stood there."""
        wanted = self._tags[position]
        allowed = ("NOUN", "VERB") if wanted in ("NOUN", "VERB") and not self._exact else (wanted,)
        found = tag_swaps(self._words, position, words)
        return [word for word, tag_ in zip(words, found, strict=True) if tag_ in allowed]
