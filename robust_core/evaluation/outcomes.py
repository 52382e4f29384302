"""What became of an attack on one text, in the words that people read."""

from robust_core.attacks import ATTACKS
from robust_core.resources.english import is_english
from robust_core.text import Draft
from robust_core.types import AttackResult

FLIPPED, REDUCED, HELD, STOPPED, EXHAUSTED = "flipped", "reduced", "held", "stopped", "out of budget"
WRONG_BEFORE, NOT_ENGLISH, NOTHING_TO_SWAP = "wrong before", "not English", "nothing to swap"


def name_outcome(result: AttackResult) -> str:
    """Return what became of an attack, in one or two words.

    "held" is said only of a model that was put to the test: not where no word of the text has a swap under the attack,
    nor of a text that is not English, for which the packaged tables have no words.
    """
    if result.status == "succeeded":
        return REDUCED if is_reduction(result) else FLIPPED
    if result.status == "skipped":
        return WRONG_BEFORE
    if result.status == "failed":
        english = is_english(Draft.of(result.example.text).words)
        return HELD if english and (result.tried or is_reduction(result)) else (
            NOTHING_TO_SWAP if english else NOT_ENGLISH)
    return STOPPED if result.status == "stopped" else EXHAUSTED


def is_reduction(result: AttackResult) -> bool:
    """Return whether the attack wants a shorter text of the same class rather than another class."""
    return ATTACKS[result.attack["name"]].goal == "reduce"
