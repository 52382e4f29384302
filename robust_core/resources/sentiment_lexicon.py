"""How positive or negative a word is by itself: the lexicon of VADER."""

import importlib.util
from functools import lru_cache
from pathlib import Path

from robust_core.errors import MissingResource


def sentiment(word: str) -> float:
    """Return the mean rating of a word by ten people, from -4 (very negative) to 4 (very positive); 0 for other words.

    Source: Hutto and Gilbert 2014, VADER; the lexicon of the package `vaderSentiment` (MIT licence), 7,500 entries.

    Raises:
        MissingResource: The package is not installed.
    """
    return _read_ratings().get(word.lower(), 0.0)


def find_lexicon() -> Path:
    """Return the file of the lexicon.

    Raises:
        MissingResource: The package is not installed, or lacks it.
    """
    # find_spec only locates the package: nothing of it is needed but this file.
    spec = importlib.util.find_spec("vaderSentiment")
    path = Path(spec.origin).parent / "vader_lexicon.txt" if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        raise MissingResource("The sentiment lexicon", "Install it: pip install vaderSentiment")
    return path


@lru_cache(maxsize=1)
def _read_ratings() -> dict[str, float]:
    lines = find_lexicon().read_text(encoding="utf-8").splitlines()
    return {word: float(rating) for word, rating, *_ in (line.split("\t") for line in lines if line.strip())}
