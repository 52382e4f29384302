"""Swaps that change what a text says: a word for its antonym, a number for another number.

A flip that rests on such a swap is no error of the classifier: the text means something else. Similarity under a
sentence encoder hardly sees them, which is why word-substitution attacks are known for them.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from robust_core import metrics
from robust_core.resources import antonyms, sentiment, synonyms
from robust_core.resources.stopwords import NEGATIONS
from robust_core.text import find_words
from robust_core.types import AttackResult, Swap

_CARDINALS = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
              "seventeen eighteen nineteen").split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = {"hundred": "100", "thousand": "1000", "million": "1e6", "billion": "1e9", "trillion": "1e12"}
_ODD = {"first": "1", "second": "2", "third": "3", "fifth": "5", "eighth": "8", "ninth": "9", "twelfth": "12",
        "once": "1", "twice": "2", "thrice": "3", "half": "0.5", "dozen": "12"}
_DIGITS = re.compile(r"0*(\d+?)(?:st|nd|rd|th|'?s)?", re.ASCII)


def _name_numbers() -> dict[str, str]:
    """Return the value of every number word: cardinals, ordinals, and plurals such as `hundreds` and `sixties`."""
    cardinals = {word: str(value) for value, word in enumerate(_CARDINALS)} | _SCALES
    tens = {word: str(10 * value) for value, word in enumerate(_TENS, 2)}
    names = {f"{word}th": value for word, value in cardinals.items()}
    names |= {word[:-1] + ending: value for word, value in tens.items() for ending in ("ieth", "ies")}
    names |= cardinals | tens | _ODD
    return names | {f"{word}s": names[word] for word in (*_CARDINALS, *_SCALES, "dozen")}


_VALUES = _name_numbers()


def read_numbers(word: str) -> tuple[str, ...]:
    """Return the values of the numbers that a word consists of or holds between hyphens.

    Args:
        word: One word, such as `two`, `2nd`, `1990s`, `twenty-one` or `two-hour`.

    Returns:
        One value a number, written so that equal numbers are equal (`two`, `second` and `02` give "2"); empty for
        other words.
    """
    found = []
    for part in word.lower().split("-"):
        digits = _DIGITS.fullmatch(part)
        value = digits[1] if digits else _VALUES.get(part)
        if value is not None:
            found.append(value)
    return tuple(found)


def is_number_swap(swap: Swap) -> bool:
    """Return whether a number gives way to another number; `two` for `2` is none."""
    old, new = read_numbers(swap.old), read_numbers(swap.new)
    return bool(old and new) and old != new


def is_antonym_swap(swap: Swap) -> bool:
    """Return whether a word gives way to one that is listed as its antonym."""
    return swap.new.lower() in antonyms(swap.old)


# A rating of 1 or more, of 4: what people call positive or negative without a second thought.
_CLEARLY = 1.0
_NEGATIONS = frozenset(NEGATIONS.split())


def describe_swap(swap: Swap) -> str:
    """Return in a few words why a swap may change what the text says; empty where nothing speaks for it.

    Looked at, in this order: antonyms (listed ones and their synonyms), numbers, negations, and sentiment: a clearly
    positive or negative word (`resources.sentiment`) where there was none, or one of the other sign.
    """
    old, new = swap.old.lower(), swap.new.lower()
    if is_antonym_swap(swap) or any(new in map(str.lower, synonyms(other)) for other in antonyms(old)):
        return "opposites"
    if is_number_swap(swap):
        return "another number"
    if _is_negation(old) != _is_negation(new):
        return "a negation" if _is_negation(new) else "a negation lost"
    before, after = sentiment(old), sentiment(new)
    if before * after < 0 or not before and abs(after) >= _CLEARLY:
        kind = "positive" if after > 0 else "negative"
        return f"{'negative' if after > 0 else 'positive'} to {kind}" if before else f"a {kind} word"
    return ""


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")


def list_doubts(result: AttackResult) -> list[str]:
    """Return what a reader should know before believing in a flip, a line each.

    Which swaps may have changed the meaning (`describe_swap`), and whether the attack's threshold on the similarity of
    sentences was left out, as TextAttack does where a text is shorter than the window it compares.
    """
    lines = []
    doubtful = [f"{swap.old or 'nothing'} → {swap.new or 'nothing'} ({why})"
                for swap in result.swaps if (why := describe_swap(swap))]
    if doubtful:
        lines.append(f"May have changed the meaning: {'; '.join(doubtful)}.")
    if result.swaps and skips_threshold(result):
        lines.append(f"The similarity threshold {result.attack['min_text_similarity']:g} was not applied: as in "
                     f"TextAttack, texts of fewer than {result.attack['window']} words are not compared (skip short).")
    return lines


def skips_threshold(result: AttackResult) -> bool:
    """Return whether an attack left its threshold on similarity out: the text is shorter than the window it compares.

    So TextAttack does, and an attack of ours with `skip_short`.
    """
    attack = result.attack
    return bool(attack.get("skip_short")) and len(find_words(result.example.text)) < attack.get("window", 0)


# What from outside `summarise` looks into, by the names of `resources.fingerprints`.
SUMMARY_USES = ("antonyms",)
KINDS: dict[str, Callable[[Swap], bool]] = {"antonym": is_antonym_swap, "number": is_number_swap}


def summarise(results: Sequence[AttackResult]) -> dict[str, float]:
    """Return how often the successes of one attack on one victim rest on swaps of each kind.

    Returns:
        For antonym and number: `*_swaps`, their share of all swaps in successes, and `*_successes`, the share of
        successes with at least one; each with its standard error `*_se`. Whether the flip would hold without that
        swap is not asked, so `*_successes` is an upper bound. The error of `*_swaps` knows that the swaps of a text
        come together. NaN without successes.
    """
    succeeded = [r for r in results if r.status == "succeeded"]
    wholes = [len(r.swaps) for r in succeeded]
    row: dict[str, Any] = {}
    for kind, test in KINDS.items():
        counts = [sum(map(test, r.swaps)) for r in succeeded]
        columns = {f"{kind}_swaps": metrics.estimate_ratio(counts, wholes),
                   f"{kind}_successes": metrics.estimate_proportion(sum(c > 0 for c in counts), len(counts))}
        for name, (value, error) in columns.items():
            row[name], row[f"{name}_se"] = value, error
    return row
