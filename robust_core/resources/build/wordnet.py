"""Build `wordnet.npz`: the words of each synset, how usual the sense is for each, and irregular forms."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robust_core.resources._tables import pack_words
from robust_core.resources.build.words import FILES
from robust_core.text import find_words


def build_wordnet(wordnet: Path, out: Path) -> Path:
    """Write the table of synonyms.

    Args:
        wordnet: Folder of WordNet 3.0's own files.
        out: Folder to write `wordnet.npz` to: words and irregular (bytes, the latter lines `part form base ...`); a
            synset's part (0..3 for n v a r) and size, both uint8; one entry a word of a synset in member (row of a
            word) and rank (place of the synset among the senses of the word, uint8).
    """
    synsets = [(k, words, ranks) for k, part in enumerate(FILES) for words, ranks in _read_synsets(wordnet, part)]
    names = sorted({word for _, words, _ in synsets for word in words})
    row = {word: i for i, word in enumerate(names)}
    irregular = [f"{part} {' '.join(line.split())}" for part, name in FILES.items()
                 for line in _write_lines(wordnet / f"{name}.exc") if "_" not in line.split()[0]]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "wordnet.npz"
    np.savez_compressed(path, words=pack_words(names), irregular=pack_words(irregular),
                        part=np.array([k for k, *_ in synsets], dtype=np.uint8),
                        size=np.array([len(words) for _, words, _ in synsets], dtype=np.uint8),
                        member=np.array([row[word] for _, words, _ in synsets for word in words], dtype=np.uint32),
                        rank=np.array([rank for *_, ranks in synsets for rank in ranks], dtype=np.uint8))
    return path


def _write_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file of WordNet without its licence."""
    return (line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(" "))


def _read_synsets(wordnet: Path, part: str) -> Iterator[tuple[list[str], list[int]]]:
    """Yield the words of each synset that are no phrases, in WordNet's order, with the rank of the sense."""
    rank = {}
    for line in _write_lines(wordnet / f"index.{FILES[part]}"):
        lemma, *fields = line.split()
        rank.update({(lemma, offset): k for k, offset in enumerate(fields[-int(fields[1]):])})
    for line in _write_lines(wordnet / f"data.{FILES[part]}"):
        fields = line.split()
        lemmas = (re.sub(r"\(\w+\)$", "", lemma) for lemma in fields[4:4 + 2 * int(fields[3], 16):2])
        words = [word for word in lemmas if "_" not in word and find_words(word) == ((0, len(word)),)]
        if words:
            yield words, [rank[word.lower(), fields[0]] for word in words]
