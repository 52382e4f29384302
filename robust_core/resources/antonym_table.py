"""Listed antonyms of a word: what a replacement must never be."""

import gzip
from functools import lru_cache

from robust_core.errors import BadInput
from robust_core.file_hashes import mark_read
from robust_core.resources._tables import build_command, table_path


def antonyms(word: str) -> frozenset[str]:
    """Return the words listed as opposites of a word, in either direction.

    Args:
        word: Any string; it is lower-cased first.

    Returns:
        A frozen set, empty for words without a listed antonym. Sources are in NOTICE.md.

    Raises:
        MissingResource: If the table is absent.
        BadInput: If the table is damaged.
    """
    return _read_lists().get(word.lower(), frozenset())


@lru_cache(maxsize=1)
def _read_lists() -> dict[str, frozenset[str]]:
    # One line a word: the word, then those of its antonyms that come after it in the alphabet.
    path = table_path("antonyms.txt.gz", "antonyms")
    mark_read(path)
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, ValueError) as error:
        raise BadInput(f"the table of antonyms is damaged. {build_command('antonyms')}") from error
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        first, *rest = line.split()
        for other in rest:
            found.setdefault(first, set()).add(other)
            found.setdefault(other, set()).add(first)
    return {word: frozenset(others) for word, others in found.items()}
