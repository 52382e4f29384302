"""What the tables are built from: word counts of public texts, published pair lists, WordNet 3.0 (build time only)."""

import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

TRAIN_SPLITS = ("sst2", "trec", "ag_news", "imdb", "yelp_polarity")
WORD = re.compile(r"[a-z]{2,24}(?:-[a-z]{2,24})?")
# lemminflect's names of the forms that a synonym or antonym pair may share
FORMS = {"n": ("NNS",), "v": ("VBZ", "VBG", "VBD", "VBN"), "a": ("JJR", "JJS"), "r": ()}

# affixes that make an opposite, and words that only look so
NEGATING, NEGATING_ADJECTIVES = ("un", "non", "non-", "dis", "mis"), ("in", "im", "il", "ir")
NO_NEGATION = {"invaluable", "inflammable", "unravel", "unravels", "unraveled", "unraveling"}
WITH = ("", "s", "ed", "ing", "ingly", "y", "ily", "ful", "fully", "al", "ally")
FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}

Pairs = set[tuple[str, str]]


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a gzip file without line ends."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n")


def read_texts(path: Path) -> list[tuple[str, str]]:
    """Return (text, label) of a data set's rows; label is empty where there is no such column."""
    rows = read_lines(path)
    columns = next(rows).split("\t")
    text, label = columns.index("text"), columns.index("label") if "label" in columns else None
    fields = (row.split("\t") for row in rows)
    return [(row[text], row[label] if label is not None else "") for row in fields]


def read_train_texts(data: Path, names: Iterable[str] = TRAIN_SPLITS) -> Iterator[tuple[str, str]]:
    """Yield (text, label) of train splits, with line breaks, escapes and quoting of the web removed."""
    for name in names:
        for text, label in read_texts(data / name / "train.tsv.gz"):
            yield re.sub(r"<[^>]{0,40}>|&\w+;|#\d+;|\\", " ", text), label


def count_words(data: Path) -> Counter[str]:
    """Count the alphabetic words of the train splits, lower-cased; a token with a letter beside a sign is no word."""
    counts: Counter[str] = Counter()
    for text, _ in read_train_texts(data):
        counts.update(token.strip(".,;:!?\"'()[]-*/") for token in text.lower().split())
    return Counter({word: n for word, n in counts.items() if WORD.fullmatch(word)})


def read_pairs(path: Path) -> Pairs:
    """Return the word pairs of a list, each in alphabetical order."""
    rows = (line.split() for line in read_lines(path))
    return {order_pairs(*row) for row in rows if len(row) == 2 and row[0] != row[1] and all(map(WORD.fullmatch, row))}


def order_pairs(a: str, b: str) -> tuple[str, str]:
    """Return two words in alphabetical order."""
    return (a, b) if a < b else (b, a)


@dataclass
class WordNet:
    """Single-word lemmas of WordNet 3.0 with the pairs that matter here; pairs are keyed by part of speech n v a r.

    `common` are the lemmas that are written with a small letter.
    """

    common: set[str] = field(default_factory=set)
    lemmas: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    irregular: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    synonyms: dict[str, Pairs] = field(default_factory=lambda: defaultdict(set))
    antonyms: dict[str, Pairs] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True)
class Synset:
    """One line of a WordNet data file: its words, and its pointers as (symbol, offset, source word, target word)."""

    words: tuple[str, ...]
    pointers: tuple[tuple[str, str, int, int], ...]


def read_wordnet(folder: Path) -> WordNet:
    """Read WordNet's own files.

    Two words count as synonyms only where the synset is a usual sense of both: "good" may be a commodity and "heart" a
    ticker, but nobody would exchange them in a review.

    Args:
        folder: Folder with `data.noun`, `index.noun`, `noun.exc`, `cntlist.rev` and so on (Debian: wordnet-base).

    Source: https://wordnet.princeton.edu, format described in its manual pages wndb(5), wninput(5) and cntlist(5).
    """
    net, usual = WordNet(), _find_usual_senses(folder)
    for pos, name in FILES.items():
        synsets = dict(_read_synsets(folder / f"data.{name}"))
        for line in (folder / f"{name}.exc").read_text(encoding="utf-8").splitlines():
            form, *_ = line.split()
            net.irregular[form].add(pos)
        net.common |= _read_small_words(folder / f"data.{name}")
        for offset, synset in synsets.items():
            for word in synset.words:
                net.lemmas[word].add(pos)
            common = sorted({word for word in synset.words if (word, pos, offset) in usual})
            net.synonyms[pos].update(order_pairs(a, b) for a, b in combinations(common, 2) if _is_plain(a, b))
            net.antonyms[pos].update(_read_opposites(synset, synsets))
    return net


def read_related(folder: Path) -> dict[str, Pairs]:
    """Return by part of speech the pairs of lemmas that one step of WordNet joins, whatever their senses.

    Words of one synset, of a synset and what it is a kind of, and of a head adjective and its satellites or of two
    satellites of one head.

    Args:
        folder: Folder of WordNet 3.0's own files.
    """
    related: dict[str, Pairs] = {}
    for pos, name in FILES.items():
        synsets = dict(_read_synsets(folder / f"data.{name}"))
        groups: dict[str, set[str]] = {offset: {offset} for offset in synsets}
        for offset, synset in synsets.items():
            for symbol, other, _, _ in synset.pointers:
                if other in synsets and symbol == "&":
                    groups[offset].add(other)
                elif other in synsets and symbol in ("@", "$"):
                    groups[f"{offset} {other}"] = {offset, other}
        related[pos] = {order_pairs(a, b) for offsets in groups.values()
                        for words in [sorted({w for o in offsets for w in synsets[o].words})] if len(words) <= 60
                        for a, b in combinations(words, 2) if _is_plain(a, b)}
    return related


def read_first_senses(folder: Path, share: float = 0.2, highest: int = 2) -> dict[str, Pairs]:
    """Return WordNet's synonyms by part of speech where the synset is a main sense of both words, and of one the first.

    Args:
        folder: Folder of WordNet 3.0's own files.
        share: Smallest share of the tagged uses of a word that the sense makes up.
        highest: Highest rank of the sense among those of a word.
    """
    main, first = (_find_usual_senses(folder, share, rank) for rank in (highest, 1))
    found: dict[str, Pairs] = {}
    for pos, name in FILES.items():
        found[pos] = {order_pairs(a, b) for offset, synset in _read_synsets(folder / f"data.{name}")
                      for a, b in combinations(sorted({w for w in synset.words if (w, pos, offset) in main}), 2)
                      if _is_plain(a, b) and {(a, pos, offset), (b, pos, offset)} & first}
    return found


def _read_opposites(synset: Synset, synsets: dict[str, Synset]) -> Iterator[tuple[str, str]]:
    for mark, across, source, target in synset.pointers:
        if mark == "!" and source and target and across in synsets:
            a, b = synset.words[source - 1], synsets[across].words[target - 1]
            if a != b and _is_plain(a, b):
                yield order_pairs(a, b)


def _find_usual_senses(folder: Path, share: float = 0.1, highest: int = 3) -> set[tuple[str, str, str]]:
    """Return (word, part of speech, synset) where the sense makes up a fair share of the word's tagged uses."""
    counts: Counter[tuple[str, str, int]] = Counter()
    for line in (folder / "cntlist.rev").read_text(encoding="utf-8").splitlines():
        key, rank, uses = line.split()
        word, rest = key.split("%")
        counts[word, "nvara"[int(rest[0]) - 1], int(rank)] += int(uses)
    senses = []
    for pos, name in FILES.items():
        for line in (folder / f"index.{name}").read_text(encoding="utf-8").splitlines():
            if not line.startswith(" "):
                fields = line.split()
                senses += [(fields[0].lower(), pos, offset, rank)
                           for rank, offset in enumerate(fields[-int(fields[2]):], start=1)]
    total: dict[str, float] = defaultdict(float)
    for word, pos, _, rank in senses:
        total[word] += counts[word, pos, rank] + 0.5  # half a use for each sense, so that untagged words have shares
    return {(word, pos, offset) for word, pos, offset, rank in senses
            if rank <= highest and counts[word, pos, rank] + 0.5 >= share * total[word]}


def _is_plain(*words: str) -> bool:
    return all(map(WORD.fullmatch, words))


def _read_small_words(path: Path) -> set[str]:
    """Return the words of a WordNet data file that are written with a small letter."""
    found: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            fields = line.split(" | ")[0].split()
            words = (re.sub(r"\(\w+\)$", "", one) for one in fields[4:4 + 2 * int(fields[3], 16):2])
            found.update(word for word in words if word == word.lower())
    return found


def _read_synsets(path: Path) -> Iterator[tuple[str, Synset]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        fields = line.split(" | ")[0].split()
        size = int(fields[3], 16)
        words = tuple(re.sub(r"\(\w+\)$", "", word).lower() for word in fields[4:4 + 2 * size:2])
        start = 5 + 2 * size
        raw = (fields[i:i + 4] for i in range(start, start + 4 * int(fields[start - 1]), 4))
        pointers = tuple((symbol, other, int(places[:2], 16), int(places[2:], 16)) for symbol, other, _, places in raw)
        yield fields[0], Synset(words, pointers)


def inflect(pairs: Pairs, pos: str) -> Pairs:
    """Return pairs plus the same pairs in each inflected form (plays/performs beside play/perform)."""
    from lemminflect import getInflection

    out = set(pairs)
    for a, b in sorted(pairs):
        for form in FORMS[pos]:
            left, right = getInflection(a, tag=form)[:1], getInflection(b, tag=form)[:1]
            if left and right and left != right and _is_plain(*left, *right):
                out.add(order_pairs(left[0], right[0]))
    return out


def read_antonyms(data: Path, net: WordNet) -> Pairs:
    """Return all listed opposites: the two published lists, and WordNet's with their inflected forms."""
    folder = data / "counterfitting"
    pairs = read_pairs(folder / "ppdb_antonyms.txt.gz") | read_pairs(folder / "wordnet_antonyms.txt.gz")
    return pairs.union(*(inflect(net.antonyms[pos], pos) for pos in FILES))


def read_synonyms(data: Path, net: WordNet, vocabulary: set[str]) -> Pairs:
    """Return all listed synonyms within a vocabulary: PPDB's, and WordNet's with their inflected forms."""
    pairs = read_pairs(data / "counterfitting" / "ppdb_synonyms.txt.gz")
    for pos in FILES:
        pairs |= inflect({(a, b) for a, b in net.synonyms[pos] if a in vocabulary and b in vocabulary}, pos)
    return {(a, b) for a, b in pairs if a in vocabulary and b in vocabulary}


def find_affix_opposites(words: Iterable[str], net: WordNet) -> Pairs:
    """Return opposites that the spelling gives away and the lists lack: watchable/unwatchable, charming/charmless.

    Args:
        words: The vocabulary; both words of a pair are in it.
        net: Tells adjectives and adverbs, with which alone `in-` and its variants are taken for a negation.
    """
    known, pairs = set(words), set()
    for word in known:
        for prefix in NEGATING + (NEGATING_ADJECTIVES if net.lemmas.get(word, set()) & {"a", "r"} else ()):
            rest = word.removeprefix(prefix)
            if rest != word and len(rest) >= 4 and rest in known and word not in NO_NEGATION:
                pairs.add(order_pairs(word, rest))
        stem = word.removesuffix("ly").removesuffix("less")
        if stem + "less" in (word, word.removesuffix("ly")) and len(stem) >= 4:
            pairs.update(order_pairs(word, stem + ending) for ending in WITH if stem + ending in known)
    return pairs
