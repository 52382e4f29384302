"""Build `pos.npz`: silver tags by NLTK, the tagger's votes learnt from them, and the lexicon of `tags_of`."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core.errors import MissingResource
from robust_core.resources._tables import pack_words
from robust_core.resources.build.pos_model import Tagged, learn_model, make_corpus
from robust_core.resources.build.words import read_texts, read_train_texts, read_wordnet
from robust_core.resources.neighbour_table import neighbours
from robust_core.resources.pos import TAGS, VOTES
from robust_core.resources.stopwords import stop_words

# texts taken of each source, and the share of their sentences that is lower-cased, as SST-2 is
SOURCES = {"sst2": (7000, 1.0), "imdb": (3000, 0.4), "yelp_polarity": (2000, 0.4), "ag_news": (6000, 0.3),
           "trec": (5000, 0.2), "wiki": (14000, 0.3)}
SIGNS_KEPT = 0.2          # share of sentences with punctuation among their words
SWAP_SENTENCES = 1000     # sentences of SST-2 train in which neighbours are tried
SWAPS_TRIED = 25          # neighbours tried a word
BEFORE, AFTER = 4, 3      # words of context that TextAttack shows to NLTK
ENOUGH = 0.4              # a word can take a tag if it does in this share of the places that call for it
BELIEF = 3                # weight, in places, of what ordinary sentences say
STEP = 0.06               # votes are stored as int8 in this unit
WORD = re.compile(r"[\w'\-*@]+")
VERBAL = {"NOUN": "NOUN/VERB", "VERB": "NOUN/VERB"}  # TextFooler lets nouns and verbs replace each other
WORDNET_TAGS = {"n": "NOUN", "v": "VERB", "a": "ADJ", "r": "ADV"}


def build_pos(data: Path, wordnet: Path, out: Path) -> Path:
    """Write the table of the part-of-speech tagger.

    Args:
        data: Folder of public texts and lists, with NLTK's tagger in `nltk_data`.
        wordnet: Folder of WordNet 3.0's own files, for words that the texts hardly have.
        out: Folder to write `pos.npz` to.

    Raises:
        MissingResource: If NLTK's tagger or the table of neighbours is absent.
    """
    silver = tag_with_nltk(list(read_sentences(data)), data)
    swaps = list(swap_words(data))
    tagged = tag_with_nltk([window for window, _, _ in swaps], data)
    found = learn_model(make_corpus(silver + tagged[::2]))
    lexicon = _build_lexicon(silver, swaps, tagged, _read_wordnet_tags(wordnet))
    words = list(found["words"])
    words += sorted(lexicon.keys() - set(words))
    number = {name: i for i, name in enumerate(TAGS)}
    masks = np.array([sum(1 << number[name] for name in lexicon.get(word, ())) for word in words], dtype=np.uint16)
    votes = {name: np.clip(np.round(np.asarray(found[name]) / STEP), -127, 127).astype(np.int8)
             for name in VOTES}
    out.mkdir(parents=True, exist_ok=True)
    path = out / "pos.npz"
    tables: dict[str, Any] = {"words": pack_words(words), "features": pack_words(list(found["features"])),
                              "lexicon": masks, "scale": np.float32(STEP), **votes}
    np.savez_compressed(path, **tables)
    return path


def split_words(text: str) -> list[str]:
    """Return the words of a text as an attack sees them: contractions whole, no punctuation."""
    joined = re.sub(r" (n't|'(?:s|re|ve|ll|d|m))\b", r"\1", re.sub(r"-[lr]rb-", " ", text))
    return [word for word in (found.strip("'-_*@") for found in WORD.findall(joined)) if word]


def read_sentences(data: Path, seed: int = 0) -> Iterator[list[str]]:
    """Yield the words of sampled sentences of the train splits and of Wikipedia."""
    rng = random.Random(seed)
    for source, (amount, lowered) in SOURCES.items():
        wiki = source == "wiki"
        texts = [text for text, _ in (read_texts(data / "text" / "wiki_sentences.tsv.gz") if wiki
                                      else read_train_texts(data, [source]))]
        rng.shuffle(texts)
        for text in texts[:amount]:
            for sentence in re.split(r'(?<=[.!?;])\s+(?=[A-Z"(])', text):
                signs = rng.random() < SIGNS_KEPT
                words = re.findall(r"[\w'\-]+|[^\w\s]", sentence) if signs else split_words(sentence)
                lower = rng.random() < lowered
                if 1 <= len(words) <= 80:
                    yield [word.lower() for word in words] if lower else words


def swap_words(data: Path, seed: int = 1) -> Iterator[tuple[list[str], int, bool]]:
    """Yield (window, position, whether it is the original): words of SST-2 train, each followed by its neighbours.

    Windows are those that TextAttack shows to NLTK. Neighbours stand where ordinary sentences would not put them, which
    is exactly where the constraint must decide as NLTK would.
    """
    texts = [text for text, _ in read_train_texts(data, ["sst2"])]
    for text in random.Random(seed).sample(texts, SWAP_SENTENCES):
        words = split_words(text)
        for i, word in enumerate(words):
            tried = [] if word.lower() in stop_words() else [other for other, _ in neighbours(word)[:SWAPS_TRIED]]
            before, after = words[max(i - BEFORE, 0):i], words[i + 1:i + 1 + AFTER]
            for other in [word, *tried] if tried else []:
                yield [*before, other, *after], len(before), other == word


def tag_with_nltk(texts: Sequence[list[str]], data: Path) -> Tagged:
    """Tag sentences with NLTK's perceptron tagger in the universal tagset."""
    import nltk

    nltk.data.path[:] = [str(data / "nltk_data")]
    try:
        return nltk.pos_tag_sents(texts, tagset="universal")
    except LookupError as error:
        raise MissingResource("NLTK's tagger", "Put averaged_perceptron_tagger_eng and universal_tagset into "
                                               "DIR/nltk_data/taggers and build with --data DIR.") from error


def _read_wordnet_tags(folder: Path) -> dict[str, set[str]]:
    """Return the tags of WordNet's words and of their forms that lemminflect makes."""
    from lemminflect import getAllInflections

    net, found = read_wordnet(folder), defaultdict(set)
    upos = {"NOUN": "n", "VERB": "v", "ADJ": "a", "ADV": "r"}
    for word, classes in net.lemmas.items():
        for name, pos in upos.items():
            if pos in classes:
                found[word].add(name)
                for forms in getAllInflections(word, upos=name).values():
                    for form in forms:
                        found[form].add(name)
    return found


def _build_lexicon(silver: Tagged, swaps: list[tuple[list[str], int, bool]], tagged: Tagged,
                   listed: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the tags of each word: where a place calls for a tag, does the word take it there often enough?"""
    usual: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in silver:
        for word, name in sentence:
            usual[word.lower()][name] += 1
    tried: dict[str, Counter[tuple[str, bool]]] = defaultdict(Counter)
    wanted = ""
    for (window, place, original), names in zip(swaps, tagged, strict=True):
        name = names[place][1]
        if original:
            wanted = name
        else:
            fits = VERBAL.get(name, name) == VERBAL.get(wanted, wanted)
            tried[window[place].lower()][VERBAL.get(wanted, wanted), fits] += 1
            if fits:
                usual[window[place].lower()][name] += 1
    lexicon = {word: _list_tags(counts, tried[word]) for word, counts in usual.items() if sum(counts.values()) >= 3}
    for word, names in listed.items():
        if word not in lexicon and neighbours(word):
            lexicon[word] = names
    return lexicon


def _list_tags(usual: Counter[str], tried: Counter[tuple[str, bool]]) -> set[str]:
    total, groups = usual.total(), Counter()
    for name, n in usual.items():
        groups[VERBAL.get(name, name)] += n
    # the root lets a reading of 5 % count for more than 5 %: the place itself speaks for it
    chance = {group: (tried[group, True] + BELIEF * (n / total) ** 0.5)
              / (tried[group, True] + tried[group, False] + BELIEF) for group, n in groups.items()}
    best = max(sorted(usual), key=lambda name: usual[name])
    return {name for name, n in usual.items()
            if name == best or (chance[VERBAL.get(name, name)] >= ENOUGH and n >= 0.02 * total)}
