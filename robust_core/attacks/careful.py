"""Attacks that may be held to a set of swaps: the stored one of close swaps (preset `careful`), or one that is given.

What is attacked under `careful` is a part of what a certificate in words speaks about: for each word its close swaps
(`resources.swap_table`) as the part of speech that it is, and "a" or "an" before it put right. A given set
(`give_swaps`) takes the place of any other source of words.
"""

import abc
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.constraints import PartOfSpeech, SentenceSimilarity
from robust_core.attacks.given_swaps import GivenSwaps, PlacedSwaps
from robust_core.attacks.searches.greedy import EditMaker, make_plain_edit
from robust_core.attacks.transformations import list_cased_substitutes
from robust_core.errors import BadInput
from robust_core.registry import param
from robust_core.resources import fingerprints
from robust_core.resources.swap_sets import SwapSet
from robust_core.resources.swap_table import begins_with_vowel, close_swaps
from robust_core.text import Draft, Edit, match_case

RECIPE, CLOSE = "recipe", "close"
# Chosen on dev by a blind reading of adversarial texts (bench/reading).
CAREFUL_SIMILARITY = 0.9
# Longer than most texts here, so that the similarity that is shown is the one that was asked for.
WHOLE_TEXT = 100
NO_THRESHOLD = -1.0


def make_careful(**more: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 (fields of any plain type)
    """Return the presets of an attack: its recipe's own values, and those of `careful` with `more` of them."""
    return {"paper": {}, "careful": {"swap_set": CLOSE, "min_text_similarity": CAREFUL_SIMILARITY} | more}


@dataclasses.dataclass(frozen=True)
class SwapAttack(Attack, abc.ABC):
    """An attack that puts single words in the place of others: from its recipe, the set of close swaps, or a given set.

    Args:
        swaps: A given swap set: every word that it lists for the original word is a candidate, and no other; limits on
            the number and the cosine of candidates do not apply. What the attack asks of a text besides stays as its
            parameters have it: stop words are never swapped, the sentence encoder's threshold, limits on the share of
            words; the part of speech where the recipe keeps it, or, with `swap_set` "close", always. It is no
            parameter, but records hold its name and its SHA-256 (`swaps`, `swaps_sha256`).

    Attributes:
        recipe_only: What it looks into only while it takes its recipe's swaps.
        takes_swaps: Whether its candidates may come from a given set.

    Raises:
        BadInput: A set is given to an attack that takes none, or a parameter is not allowed.
    """

    swaps_only: ClassVar[bool] = True
    recipe_only: ClassVar[tuple[str, ...]] = ("neighbours", "wordnet")
    takes_swaps: ClassVar[bool] = True

    swap_set: str = param(
        RECIPE, "Where new words come from: the recipe's own source, or the stored set of close swaps (same part of "
        "speech and inflection; no opposites, names, numbers or function words)",
        choices=(RECIPE, CLOSE), later=True)
    swaps: SwapSet | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.swaps is not None and not self.takes_swaps:
            raise BadInput(f"{self.title} takes no swap set: its candidates come from elsewhere.")

    @property
    def edit(self) -> EditMaker:
        """What puts a word into a text; under `careful` it also makes "a" or "an" before the word fit.

        With a given set it does so where the set has "an" for "a", or "a" for "an".
        """
        if self.swaps is None:
            return make_edit if self.is_careful else make_plain_edit
        return functools.partial(make_edit, swap_set=self.swaps) if self.is_careful else make_plain_edit

    @property
    def is_careful(self) -> bool:
        """Whether new words come from the set of close swaps."""
        return self.swap_set == CLOSE

    def find_swaps(self, draft: Draft) -> PlacedSwaps | None:
        """Return what gives the words for each place of a text; None where the recipe's own source does."""
        if self.swaps is not None:
            return GivenSwaps(draft, self.swaps, same_part=self.is_careful)
        return CloseSwaps(draft) if self.is_careful else None

    def list_candidates(self, stored: PlacedSwaps | None, speech: PartOfSpeech | None, position: int, word: str,
                        most: int, least: float) -> list[str]:
        """Return what may stand at a place: neighbours of the word there, or what a set of swaps has for it.

        Args:
            stored: What `find_swaps` returned.
            speech: Part of speech to keep; None where it does not matter.
            position: The place.
            word: The word that stands there.
            most: Most words; of a given set all are taken.
            least: Lowest cosine of a neighbour.
        """
        if stored is None:
            words = list_cased_substitutes(word, most, least)
        else:
            words = stored.at(position)[: None if self.swaps else most]
        return list(words) if speech is None else speech.keep(position, words)

    def extend_record(self) -> dict[str, Any]:
        """Return name and SHA-256 of a given swap set, and what every attack's record has."""
        given = {} if self.swaps is None else {"swaps": self.swaps.name, "swaps_sha256": self.swaps.sha256}
        return super().extend_record() | given

    def rests_on(self) -> dict[str, str]:
        """Return what `Attack.rests_on` does, and a given swap set."""
        given = {} if self.swaps is None else {f"swaps {self.swaps.name}": self.swaps.sha256}
        return super().rests_on() | given

    def list_uses(self) -> tuple[str, ...]:
        """Return what its search looks into: a set of swaps in the place of the recipe's tables."""
        if self.swaps is None and not self.is_careful:
            return super().list_uses()
        kept = [use for use in super().list_uses() if use not in self.recipe_only]
        kept += () if self.swaps is None else self.swaps.uses
        kept += [fingerprints.SWAPS, "stop-words", "parts-of-speech", fingerprints.ENCODER] if self.is_careful else []
        return tuple(dict.fromkeys(kept))


class CloseSwaps(PlacedSwaps):
    """The close swaps of each word of a text, as the part of speech that the word is there, nearest first.

    Args:
        draft: The original text.
    """

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft, same_part=True)

    def list_words(self, word: str, part: str) -> list[str]:
        """Return the close swaps of a word as a part of speech."""
        return [match_case(other, word) for other, _ in close_swaps(word, part)]


def give_swaps(attack: Attack, swap_set: SwapSet) -> SwapAttack:
    """Return an attack whose candidates come from a swap set alone (`SwapAttack.swaps`).

    Raises:
        BadInput: Its candidates come from elsewhere, such as a masked language model.
    """
    if not isinstance(attack, SwapAttack) or not attack.takes_swaps:
        takers = [name for name, cls in ATTACKS.items() if issubclass(cls, SwapAttack) and cls.takes_swaps]
        raise BadInput(f"{attack.title} takes no swap set: its candidates come from elsewhere. Attacks that take one: "
                       f"{', '.join(takers)}.")
    return dataclasses.replace(attack, swaps=swap_set)


def param_text_similarity() -> Any:  # noqa: ANN401 (a field stands in for its value)
    """Declare the threshold on whole texts of an attack whose recipe has none."""
    return param(NO_THRESHOLD, "Lowest cosine of the text to the original one, under MiniLM; -1 (the recipe) compares "
                               "nothing", low=-1.0, high=1.0, later=True)


def make_edit(draft: Draft, position: int, word: str, swap_set: SwapSet | None = None) -> Edit:
    """Return the edit that puts a word at `position` and makes "a" or "an" before it fit.

    Args:
        draft: The text.
        position: Place of the word.
        word: What comes there.
        swap_set: A set without which the article stays: it must have the one for the other. None asks for nothing.
    """
    article = draft.words[position - 1] if position and draft.gaps[position] == " " else ""
    if article.lower() not in ("a", "an"):
        return Edit(position, position + 1, (word,))
    wanted = match_case("an" if begins_with_vowel(word) else "a", article if len(article) > 1 else article + "n")
    stays = wanted.lower() == article.lower() or (
        swap_set is not None and wanted.lower() not in swap_set.find(article.lower()))
    return Edit(position, position + 1, (word,)) if stays else Edit(position - 1, position + 1, (wanted, word))


def make_sentence_constraint(least: float) -> SentenceSimilarity | None:
    """Return the constraint on whole texts, short ones included; None where there is no threshold."""
    return None if least <= NO_THRESHOLD else SentenceSimilarity(least, WHOLE_TEXT, skip_short=False)


def list_words(careful: CloseSwaps | None, position: int, words: Sequence[str]) -> list[str]:
    """Return those of the recipe's words that `careful` lets stand at a position; all where it is not in force."""
    if careful is None:
        return list(words)
    allowed = {word.lower() for word in careful.at(position)}
    return [word for word in words if word.lower() in allowed]
