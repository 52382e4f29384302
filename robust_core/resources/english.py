"""Whether a text is English, as far as a list of words can tell."""

from collections.abc import Sequence

from robust_core.resources.pos import is_listed
from robust_core.resources.stopwords import stop_words

# Below this share of known words nothing of a text is taken for English; of English reviews 95 % know more than 0.85.
LEAST_KNOWN = 0.5


def is_english(words: Sequence[str]) -> bool:
    """Return whether at least half of the words with a letter are English ones.

    Names and slips are unknown too, so a text of one or two words is given the benefit of the doubt.

    Args:
        words: Words of a text.

    Raises:
        MissingResource: If the table of parts of speech is absent.
    """
    written = [word.lower() for word in words if any(letter.isalpha() for letter in word)]
    known = sum(word in stop_words() or is_listed(word) for word in written)
    return len(written) < 3 or known >= LEAST_KNOWN * len(written)
