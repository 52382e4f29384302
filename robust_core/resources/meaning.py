"""What another word may do to what a text says: opposites, numbers, negations, names, sentiment, function words."""

import re
from functools import lru_cache

from robust_core.resources.antonym_table import antonyms
from robust_core.resources.sentiment_lexicon import sentiment
from robust_core.resources.stopwords import NEGATIONS, stop_words
from robust_core.resources.swap_table import is_name
from robust_core.resources.wordnet import synonyms

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


# A rating of 1 or more, of 4: what people call positive or negative without a second thought.
_CLEARLY = 1.0
_NEGATIONS = frozenset(NEGATIONS.split())


@lru_cache(maxsize=1 << 16)
def describe_change(old: str, new: str) -> str:
    """Return in a few words why a word in the place of another may change what a text says; empty where nothing does.

    Looked at, in this order: names, and what `describe_meaning` looks at.

    Args:
        old: A word as it stands in a text; empty where a word is put in.
        new: The word in its place; empty where a word is left out.

    Raises:
        MissingResource: If a table is absent.
    """
    before, after = old.lower(), new.lower()
    if before != after and before and after and (is_name(before) or is_name(after)):
        return "a name"
    return describe_meaning(before, after)


def describe_meaning(before: str, after: str) -> str:
    """Return what `describe_change` does of two words in lower case, names aside.

    Looked at, in this order: opposites (listed antonyms and their synonyms), numbers, negations, function words, and
    sentiment: a clearly positive or negative word (`resources.sentiment`) where there was none, or one of the other
    sign.
    """
    if is_antonym(before, after) or any(after in map(str.lower, synonyms(other)) for other in antonyms(before)):
        return "opposites"
    if is_other_number(before, after):
        return "another number"
    if _is_negation(before) != _is_negation(after):
        return "a negation" if _is_negation(after) else "a negation lost"
    if before and after and (before in stop_words()) != (after in stop_words()):
        return "a function word" if after in stop_words() else "a function word lost"
    return _describe_sentiment(sentiment(before), sentiment(after))


def is_antonym(old: str, new: str) -> bool:
    """Return whether a word is listed as an antonym of another."""
    return new.lower() in antonyms(old)


def is_other_number(old: str, new: str) -> bool:
    """Return whether both words are numbers, and not the same; `two` and `2` are."""
    before, after = read_numbers(old), read_numbers(new)
    return bool(before and after) and before != after


def _describe_sentiment(before: float, after: float) -> str:
    if not (before * after < 0 or not before and abs(after) >= _CLEARLY):
        return ""
    kind = "positive" if after > 0 else "negative"
    return f"{'negative' if after > 0 else 'positive'} to {kind}" if before else f"a {kind} word"


def _is_negation(word: str) -> bool:
    return word in _NEGATIONS or word.endswith("n't")
