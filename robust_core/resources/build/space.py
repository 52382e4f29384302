"""The vocabulary of the neighbour table and what is known of each word before any list is read: its features."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import svds

from robust_core.resources.build.words import (
    WORD,
    WordNet,
    count_words,
    read_lines,
    read_pairs,
    read_texts,
    read_train_texts,
)
from robust_core.resources.vectors import encode_words

CARRIERS = ("{}", "the word {}", "it is {}", "to {}")
TOKEN = re.compile(r"[a-z]+(?:-[a-z]+)*|n't|'[a-z]+|[0-9]+|[.,;:!?()\"]")
WINDOW = (1.0, 0.7, 0.4, 0.25)  # weight of a context word at distance 1, 2, 3, 4
CONTEXTS = 20_000
COMPONENTS = 256


@dataclass
class Vocabulary:
    """Words of the table in alphabetical order, with what the texts say of them."""

    words: list[str]
    counts: Counter[str]    # in the train texts
    seen: dict[str, int]    # in the train texts or, if that is more, in all cased texts
    capitalised: set[str]   # mostly capitalised inside sentences
    names: set[str]         # of these, those that WordNet does not know as common words
    targets: set[str]       # English words that texts hold, to be offered as a replacement


def read_vocabulary(data: Path, net: WordNet) -> Vocabulary:
    """Choose the words: in the published vocabulary or seen three times, and listed, in WordNet, or seen five times."""
    counts, folder = count_words(data), data / "counterfitting"
    published = {word for word in read_lines(folder / "vocabulary.txt.gz") if WORD.fullmatch(word)}
    ppdb = {word for pair in read_pairs(folder / "ppdb_synonyms.txt.gz") for word in pair}
    listed = ppdb.union(*(pair for name in ("ppdb_antonyms", "wordnet_antonyms")
                          for pair in read_pairs(folder / f"{name}.txt.gz")))
    candidates = published | {word for word, n in counts.items() if n >= 3}
    words = sorted(word for word in candidates if word in listed or counts[word] >= 5 or _read_wordnet_words(word, net))
    lower, upper = _count_cases(data)
    capitalised = {word for word in words if upper[word] >= 2 * max(lower[word], 1)}
    seen = {word: max(counts[word], lower[word] + upper[word]) for word in words}
    common = {word for word in words if _is_common(word, net)}
    targets = {word for word in words if seen[word] >= 3 and word in common or seen[word] and word in ppdb}
    return Vocabulary(words, counts, seen, capitalised, capitalised - common, targets)


def make_features(data: Path, vocabulary: Vocabulary) -> np.ndarray:
    """Return (words, 4 * 384 + 256) fp32: encoder vectors in four carrier phrases beside vectors from co-occurrence.

    The encoder knows the words, but takes spelling for meaning ("goodall" for "good"); the texts know how reviewers use
    them, but not what opposites are. Co-occurrence counts for less where a word is rare.
    """
    blocks = [0.7 * _normalise(_centre(encode_words([carrier.format(word) for word in vocabulary.words])))
              for carrier in CARRIERS]
    counts = np.array([vocabulary.counts[word] for word in vocabulary.words], dtype=np.float32)[:, None]
    blocks.append(_normalise(_make_corpus_vectors(data, vocabulary.words)) * np.sqrt(counts / (counts + 50)))
    return np.concatenate(blocks, axis=1).astype(np.float32)


def _make_corpus_vectors(data: Path, words: list[str]) -> np.ndarray:
    """Return (words, 256): singular vectors of the shifted positive mutual information with nearby words."""
    sentences = [TOKEN.findall(text.lower()) for text in _read_all_texts(data)]
    frequency = Counter(token for sentence in sentences for token in sentence)
    contexts = sorted(frequency, key=lambda token: (-frequency[token], token))[:CONTEXTS]
    row, column = ({word: i for i, word in enumerate(some)} for some in (words, contexts))
    gap = [[-1, -1]] * len(WINDOW)  # so that no window reaches into the next text
    places = np.array([pair for sentence in sentences
                       for pair in [[row.get(token, -1), column.get(token, -1)] for token in sentence] + gap])
    together = sparse.csr_matrix((len(words), len(contexts)), dtype=np.float32)
    for distance, weight in enumerate(WINDOW, start=1):
        for a, b in ((places[:-distance, 0], places[distance:, 1]), (places[distance:, 0], places[:-distance, 1])):
            both = (a >= 0) & (b >= 0)
            ones = np.full(both.sum(), weight, dtype=np.float32)
            together += sparse.coo_matrix((ones, (a[both], b[both])), together.shape).tocsr()
    total = np.asarray(together.sum(1)).ravel()
    share = np.asarray(together.sum(0)).ravel() ** 0.75
    share /= share.sum()
    cells = together.tocoo()
    information = np.maximum(np.log(cells.data / (total[cells.row] * share[cells.col])) - 0.7, 0)
    information *= np.sqrt(total / (total + 100))[cells.row]
    matrix = sparse.csr_matrix((information.astype(np.float32), (cells.row, cells.col)), together.shape)
    left, strength, _ = svds(matrix, k=COMPONENTS, v0=np.ones(min(len(total), len(share)), dtype=np.float32))
    return (left * np.sqrt(strength))[:, ::-1]


def _read_all_texts(data: Path) -> Iterator[str]:
    yield from (text for text, _ in read_train_texts(data))
    yield from (text for text, _ in read_texts(data / "text" / "wiki_sentences.tsv.gz"))


def _count_cases(data: Path) -> tuple[Counter[str], Counter[str]]:
    """Count words inside sentences of the cased texts, by the case of their first letter."""
    lower, upper = Counter(), Counter()
    cased = [text for text, _ in read_train_texts(data, ("imdb", "yelp_polarity", "ag_news"))]
    cased += [text for text, _ in read_texts(data / "text" / "wiki_sentences.tsv.gz")]
    for text in cased:
        for word in re.findall(r"(?<=[a-z,] )([A-Za-z]+(?:-[A-Za-z]+)?)\b", text):
            (upper if word[0].isupper() else lower)[word.lower()] += 1
    return lower, upper


def _read_wordnet_words(word: str, net: WordNet) -> bool:
    from lemminflect import getAllLemmas

    return word in net.lemmas or word in net.irregular or any(
        lemma in net.lemmas for lemmas in getAllLemmas(word).values() for lemma in lemmas)


def _is_common(word: str, net: WordNet) -> bool:
    """Return whether a word, or a word that it is a form of, is written with a small letter in WordNet."""
    from lemminflect import getAllLemmas

    return word in net.common or any(lemma in net.common for lemmas in getAllLemmas(word).values() for lemma in lemmas)


def _centre(rows: np.ndarray) -> np.ndarray:
    return rows - rows.mean(0)


def _normalise(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
