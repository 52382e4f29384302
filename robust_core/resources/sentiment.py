"""How positive or negative a word is by itself: the lexicon of VADER."""

from functools import lru_cache
from importlib.resources import files

from robust_core.errors import MissingResource


def sentiment(word: str) -> float:
    """Return the mean rating of a word by ten people, from -4 (very negative) to 4 (very positive); 0 for other words.

    Source: Hutto and Gilbert 2014, VADER; the lexicon of the package `vaderSentiment` (MIT licence), 7,500 entries.

    Raises:
        MissingResource: The package is not installed.
    """
    return _read_ratings().get(word.lower(), 0.0)


@lru_cache(maxsize=1)
def _read_ratings() -> dict[str, float]:
    try:
        lines = (files("vaderSentiment") / "vader_lexicon.txt").read_text(encoding="utf-8").splitlines()
    except (ModuleNotFoundError, OSError):
        raise MissingResource("The sentiment lexicon", "Install it: pip install vaderSentiment") from None
    return {word: float(rating) for word, rating, *_ in (line.split("\t") for line in lines if line.strip())}
