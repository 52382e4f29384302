"""Build `swaps.npz`: of all neighbours those that leave alone what a sentence says, and its grammar.

A swap is kept where both words can be the same part of speech, the new word has every inflected form that the old one
may be, neither is a name, a number, a function word or a light verb, nothing speaks for another meaning
(`resources.meaning`), and it is near: a listed synonym, or nearer still and one step away in WordNet. How near was
chosen by reading.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from robust_core.resources._tables import pack_words, unpack_words
from robust_core.resources.build.space import read_vocabulary
from robust_core.resources.build.words import (
    FILES,
    Pairs,
    find_affix_opposites,
    inflect,
    order_pairs,
    read_antonyms,
    read_first_senses,
    read_pairs,
    read_related,
    read_wordnet,
)
from robust_core.resources.meaning import describe_meaning, read_numbers
from robust_core.resources.neighbour_table import read_cosines
from robust_core.resources.pos import tags_of
from robust_core.resources.stopwords import stop_words
from robust_core.resources.swap_table import FILE, PARTS

# Lowest cosine of a listed synonym, and of a word that no list names but that one step of WordNet leads to.
LISTED, RELATED = 0.75, 0.93
NOWHERE = 2.0
# Texts must hold a word so often: a reader knows it, and a model may.
SEEN = 3
MOST = 12
# Verbs that mean what their object makes of them, nouns as empty as these, and what counts rather than describes.
LIGHT = frozenset("be have do make get go take come give put keep let set run hold bring turn become seem "
                  "thing stuff lot bit way kind sort matter little".split())


def build_swaps(data: Path, wordnet: Path, table: Path, out: Path) -> Path:
    """Write the set of close swaps.

    Args:
        data: Folder of public texts and lists.
        wordnet: Folder of WordNet 3.0's own files.
        table: Table of neighbours (`build_neighbours`).
        out: Folder to write `swaps.npz` to: words, names and odd_articles (bytes); for each word as a part of speech
            its row in word (uint16), part (place among NOUN VERB ADJ ADV, uint8) and count of swaps (uint8); one entry
            a swap in swap (row of a word, uint16) and cosine (0 to 255 for 0 to 1, uint8).
    """
    net = read_wordnet(wordnet)
    vocabulary = read_vocabulary(data, net)
    usable = [word for word in vocabulary.words
              if word not in vocabulary.capitalised and vocabulary.seen[word] >= SEEN]
    antonyms = read_antonyms(data, net) | find_affix_opposites(vocabulary.words, net)
    chosen = choose_swaps(read_table(table), usable, list_synonyms(data, wordnet), list_related(wordnet), antonyms)
    words = sorted({word for word, _ in chosen} | {other for found in chosen.values() for other, _ in found})
    row = {word: i for i, word in enumerate(words)}
    entries = [(row[other], cosine) for found in chosen.values() for other, cosine in found]
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE
    np.savez_compressed(
        path, words=pack_words(words), names=pack_words(sorted(vocabulary.names)),
        odd_articles=pack_words(_list_odd_articles(words)),
        word=np.array([row[word] for word, _ in chosen], dtype=np.uint16),
        part=np.array([PARTS.index(part) for _, part in chosen], dtype=np.uint8),
        count=np.array([len(found) for found in chosen.values()], dtype=np.uint8),
        swap=np.array([i for i, _ in entries], dtype=np.uint16),
        cosine=np.array([round(min(max(cosine, 0.0), 1.0) * 255) for _, cosine in entries], dtype=np.uint8))
    return path


def read_table(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Return the neighbours of each word of a table, nearest first, with their cosines."""
    with np.load(path, allow_pickle=False) as arrays:
        table = {name: arrays[name] for name in arrays.files}
    words = unpack_words(table["words"])
    ends = np.cumsum(table["count"], dtype=np.int64).tolist()
    found = {}
    for word, start, end in zip(words, [0, *ends], ends, strict=False):
        span = slice(start, end)
        found[word] = [(words[i], float(c)) for i, c in zip(table["neighbour"][span].tolist(),
                                                            read_cosines(table, span), strict=True)]
    return found


def list_synonyms(data: Path, wordnet: Path) -> dict[str, Pairs]:
    """Return the listed synonyms by part of speech: PPDB's, which names none, for all; WordNet's in main senses."""
    ppdb, main = read_pairs(data / "counterfitting" / "ppdb_synonyms.txt.gz"), read_first_senses(wordnet)
    return {part: ppdb | inflect(main[key], key) for part, key in zip(PARTS, FILES, strict=True)}


def list_related(wordnet: Path) -> dict[str, Pairs]:
    """Return by part of speech the pairs that one step of WordNet joins, in all forms."""
    related = read_related(wordnet)
    return {part: inflect(related[key], key) for part, key in zip(PARTS, FILES, strict=True)}


def choose_swaps(near: Mapping[str, Sequence[tuple[str, float]]], words: Iterable[str], listed: Mapping[str, Pairs],
                 related: Mapping[str, Pairs], antonyms: Pairs) -> dict[tuple[str, str], list[tuple[str, float]]]:
    """Return the close swaps of each word as each part of speech, nearest first.

    Args:
        near: Neighbours of each word with their cosines, nearest first.
        words: Words that are no names.
        listed: Synonyms by part of speech, each pair in alphabetical order.
        related: Pairs that WordNet joins, likewise.
        antonyms: Opposites, each pair in alphabetical order.
    """
    usable, found = set(words), defaultdict(list)
    for word in sorted(usable):
        if not _may_change(word):
            continue
        for other, cosine in near.get(word, ()):
            pair = order_pairs(word, other)
            if other not in usable or pair in antonyms or not _may_change(other) or describe_meaning(word, other):
                continue
            for part in PARTS:
                enough = LISTED if pair in listed[part] else RELATED if pair in related[part] else NOWHERE
                if cosine >= enough and fits(word, other, part) and len(found[word, part]) < MOST:
                    found[word, part].append((other, cosine))
    return {key: swaps for key, swaps in sorted(found.items()) if swaps}


def fits(word: str, other: str, part: str) -> bool:
    """Return whether another word can stand for a word as a part of speech, in whichever form the word is meant.

    "walked" may be a past tense or a participle, and so must what takes its place; "went" may give way to "walked", but
    not the other way round.
    """
    mine, theirs = list_forms(word, part), list_forms(other, part)
    return bool(mine) and mine <= theirs and part in tags_of(word) and part in tags_of(other)


@lru_cache(maxsize=1 << 17)
def list_forms(word: str, part: str) -> frozenset[str]:
    """Return the Penn tags that a word can have as a part of speech; none where the dictionary lacks it."""
    from lemminflect import getAllInflections, getAllLemmas

    found = set()
    for lemma in getAllLemmas(word, upos=part).get(part, ()):
        for tag, forms in getAllInflections(lemma, upos=part).items():
            # The dictionary lets most nouns be their own plural ("two capture"), beside the usual one.
            usual = forms[:1] if tag == "NNS" else forms
            found |= {tag} if word in usual else set()
    return frozenset(found)


@lru_cache(maxsize=1 << 17)
def _may_change(word: str) -> bool:
    from lemminflect import getAllLemmas

    lemmas = {lemma for found in getAllLemmas(word).values() for lemma in found}
    return not (word in stop_words() or read_numbers(word) or LIGHT & (lemmas | {word}))


def _list_odd_articles(words: Iterable[str]) -> list[str]:
    """Return the words that take "an" before a consonant or "a" before a vowel letter: hour, unique, one-eyed."""
    import inflect as english  # the package; `inflect` above makes pairs in all forms

    engine = english.engine()
    return sorted(word for word in words if re.fullmatch("[a-z].*", word)
                  and engine.a(word).startswith("an ") != (word[0] in "aeiou"))
