"""Build `antonyms.txt.gz`: listed opposites, one line a word, each pair once."""

import gzip
from collections import defaultdict
from pathlib import Path

from robust_core.resources.build.words import read_antonyms, read_wordnet


def build_antonyms(data: Path, wordnet: Path, out: Path) -> Path:
    """Write the listed opposites.

    Args:
        data: Folder of public texts and lists.
        wordnet: Folder of WordNet 3.0's own files.
        out: Folder to write `antonyms.txt.gz` to.
    """
    after: dict[str, list[str]] = defaultdict(list)
    for first, second in sorted(read_antonyms(data, read_wordnet(wordnet))):
        after[first].append(second)
    text = "".join(" ".join([first, *others]) + "\n" for first, others in sorted(after.items()))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "antonyms.txt.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))  # no time stamp, so that builds agree to the byte
    return path
