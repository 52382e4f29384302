"""Measure the tables as NOTICE.md reports them: `python -m robust_core.resources.build.measure TABLE --data DIR`.

Neighbours: the whole table is fitted again without the pairs that are asked for. Parts of speech: the packed tagger
against NLTK's on texts that it did not learn from.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from robust_core.resources.build.nearest import find_nearest
from robust_core.resources.build.neighbours import fit_vectors
from robust_core.resources.build.pos import AFTER, BEFORE, VERBAL, split_words, tag_with_nltk
from robust_core.resources.build.space import make_features, read_vocabulary
from robust_core.resources.build.words import (
    Pairs,
    find_affix_opposites,
    read_antonyms,
    read_pairs,
    read_synonyms,
    read_texts,
    read_wordnet,
)
from robust_core.resources.neighbour_table import neighbours
from robust_core.resources.pos import tag, tag_swaps, tags_of
from robust_core.resources.stopwords import stop_words


def measure_neighbours(data: Path, wordnet: Path, seed: int = 0) -> dict[str, float]:
    """Return recall of held-out synonyms among the 50 neighbours and shares of antonyms among the first 20.

    Held out: 5 % of PPDB's pairs, 5 % of WordNet's pairs of words seen 20 times, 300 antonym pairs of such words. Both
    directions of a pair count. Pairs that are tied through a third word stay, as they would for a new pair.
    """
    net, rng = read_wordnet(wordnet), random.Random(seed)
    vocabulary = read_vocabulary(data, net)
    known = set(vocabulary.words)
    listed = {pair for pair in read_antonyms(data, net) if known.issuperset(pair)}
    antonyms = listed | find_affix_opposites(known, net)
    synonyms = read_synonyms(data, net, known) - antonyms
    ppdb = synonyms & read_pairs(data / "counterfitting" / "ppdb_synonyms.txt.gz")

    def common(pairs: Pairs) -> list[tuple[str, str]]:
        return sorted(pair for pair in pairs if min(vocabulary.counts[word] for word in pair) >= 20)

    hidden = {"ppdb": _draw_some(rng, sorted(ppdb), 0.05), "wordnet": _draw_some(rng, common(synonyms - ppdb), 0.05),
              "antonyms": set(rng.sample(common(listed), 300))}
    learnt = antonyms - hidden["antonyms"]
    space = fit_vectors(make_features(data, vocabulary), vocabulary.words,
                        synonyms - hidden["ppdb"] - hidden["wordnet"], learnt)
    rows = find_nearest(space, vocabulary, learnt)
    near = {word: [vocabulary.words[i] for i, _ in row] for word, row in zip(vocabulary.words, rows, strict=True)}

    def share(pairs: Pairs, first: int) -> float:
        return float(np.mean([b in near[a][:first] for pair in sorted(pairs) for a, b in (pair, pair[::-1])]))

    opposed = sorted({word for pair in antonyms for word in pair if vocabulary.counts[word] >= 20})
    opposite = antonyms | {pair[::-1] for pair in antonyms}
    bad = [any((word, other) in opposite for other in near[word][:20]) for word in opposed]
    frequent = [word for word, _ in vocabulary.counts.most_common(6000) if word in known and word not in stop_words()]
    sizes = np.array([len(near[word]) for word in frequent])
    return {"recall at 50, PPDB": share(hidden["ppdb"], 50), "recall at 50, WordNet": share(hidden["wordnet"], 50),
            "held-out antonym in top 20": share(hidden["antonyms"], 20),
            "words with any antonym in top 20": float(np.mean(bad)),
            "frequent words with 10 to 50 neighbours": float(np.mean(sizes >= 10)),
            "median number of neighbours of a frequent word": float(np.median(sizes))}


def _draw_some(rng: random.Random, pairs: list[tuple[str, str]], share: float) -> Pairs:
    return set(rng.sample(pairs, round(share * len(pairs))))


def measure_pos(data: Path, sentences: int = 300, seed: int = 0) -> dict[str, float]:
    """Return agreement with NLTK: tags of running text, and TextFooler's decision on each neighbour (SST-2 dev)."""
    texts = [text for text, _ in read_texts(data / "sst2" / "dev.tsv.gz")]
    cased = [text for text, _ in read_texts(data / "imdb" / "dev.tsv.gz")][:100]
    found = {"tags, SST-2 dev": _measure_agreement(texts, data),
             "tags, cased reviews (IMDb dev)": _measure_agreement(cased, data)}
    chosen = [split_words(text) for text in random.Random(seed).sample(texts, sentences)]
    swaps = list(_make_swaps(chosen))
    windows = tag_with_nltk([window for window, *_ in swaps], data)
    truth, alone, together, wanted = [], [], [], ""
    mine = [tag(words) for words in chosen]
    placed: dict[tuple[int, int], dict[str, str]] = {}
    for s, i in sorted({(s, i) for _, _, s, i in swaps}):
        offered = [other for other, _ in neighbours(chosen[s][i])]
        placed[s, i] = dict(zip(offered, tag_swaps(chosen[s], i, offered), strict=True))
    for (window, place, s, i), names in zip(swaps, windows, strict=True):
        # TextAttack looks a word up by its first occurrence in the window
        name, other = names[window.index(window[place])][1], window[place]
        if other == chosen[s][i]:
            wanted = name
            continue
        truth.append(_is_same(name, wanted))
        alone.append(any(_is_same(option, mine[s][i]) for option in tags_of(other)))
        together.append(_is_same(placed[s, i][other], mine[s][i]))
    for kind, decided in (("tags_of", np.array(alone)), ("tag_swaps", np.array(together))):
        right = np.array(truth)
        found |= {f"{kind}: agreement": float((decided == right).mean()),
                  f"{kind}: precision": float(right[decided].mean()), f"{kind}: recall": float(decided[right].mean())}
    return found | {"decisions": len(truth), "passed by NLTK": float(np.mean(truth))}


def _is_same(a: str, b: str) -> bool:
    return VERBAL.get(a, a) == VERBAL.get(b, b)


def _measure_agreement(texts: list[str], data: Path) -> float:
    split = [words for words in map(split_words, texts) if words]
    pairs = [(a, b) for tagged in tag_with_nltk(split, data)
             for a, (_, b) in zip(tag([word for word, _ in tagged]), tagged, strict=True)]
    return float(np.mean([a == b for a, b in pairs]))


def _make_swaps(sentences: list[list[str]]) -> Iterator[tuple[list[str], int, int, int]]:
    """Yield (window, place in it, sentence, place in that) for each word that has neighbours, then for each of them."""
    for s, words in enumerate(sentences):
        for i, word in enumerate(words):
            offered = [] if word.lower() in stop_words() else [other for other, _ in neighbours(word)]
            before, after = words[max(i - BEFORE, 0):i], words[i + 1:i + 1 + AFTER]
            for other in [word, *offered] if offered else []:
                yield [*before, other, *after], len(before), s, i


def main() -> None:
    """Print the figures of one table."""
    parser = argparse.ArgumentParser(prog="python -m robust_core.resources.build.measure", description=__doc__)
    parser.add_argument("table", choices=("neighbours", "pos"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    options = parser.parse_args()
    figures = (measure_neighbours(options.data, options.wordnet) if options.table == "neighbours"
               else measure_pos(options.data))
    for name, value in figures.items():
        print(f"{name}: {value:.3f}" if value < 1 else f"{name}: {value:.0f}")


if __name__ == "__main__":
    main()
