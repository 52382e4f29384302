"""Swaps that change what a text says: a word for its antonym, a number for another number.

A flip that rests on such a swap is no error of the classifier: the text means something else. Similarity under a
sentence encoder hardly sees them, which is why word-substitution attacks are known for them.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from robust_core import metrics
from robust_core.resources import antonyms
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
