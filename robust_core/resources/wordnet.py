"""Synonyms of a word by part of speech, from WordNet 3.0, packed: what PWWS and PSO choose replacements from."""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from robust_core.resources._tables import load_arrays, unpack_words

PARTS = {"NOUN": "n", "VERB": "v", "ADJ": "a", "ADV": "r"}
# Endings that WordNet takes off before it looks a word up. Source: its manual page morphy(7), as NLTK applies them.
_ENDINGS = {
    "n": (("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
          ("men", "man"), ("ies", "y")),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}


@lru_cache(maxsize=1 << 16)
def synonyms(word: str, pos: str | None = None) -> tuple[str, ...]:
    """Return the words that share a synset with a word or with one of its base forms.

    What TextAttack's WordSwapWordNet gives from the same WordNet: lemmas as WordNet writes them (films -> movie), of
    all senses, without phrases. Differs: lemmas that a text would not hold as one whole word (Dr., U.S.) are left out.

    Args:
        word: Any string; case matters only in that the very same string is left out.
        pos: NOUN, VERB, ADJ or ADV; None takes all four. Other parts of speech have no synonyms.

    Returns:
        Words in the order of senses, nouns first, then verbs, adjectives and adverbs; each once.

    Raises:
        MissingResource: If the table is absent.
    """
    lemmas, senses, _ = _read_index()
    found = dict.fromkeys(
        lemma for part in ([PARTS[pos]] if pos in PARTS else PARTS.values() if pos is None else ())
        for form in _list_base_forms(word.lower(), part)
        for synset in senses[part].get(form, ()) for lemma in lemmas[synset])
    return tuple(lemma for lemma in found if lemma != word)


def _list_base_forms(word: str, part: str) -> Iterator[str]:
    """Yield a word and what it may be a form of: what the list of exceptions says, else what its ending says."""
    exceptions = _read_index()[2][part]
    yield word
    if word in exceptions:
        yield from exceptions[word]
    else:
        yield from dict.fromkeys(word.removesuffix(old) + new for old, new in _ENDINGS[part] if word.endswith(old))


Senses = dict[str, list[int]]


@lru_cache(maxsize=1)
def _read_index() -> tuple[list[list[str]], dict[str, Senses], dict[str, dict[str, list[str]]]]:
    """Return the lemmas of each synset; by part of speech the synsets of a word and the bases of irregular forms."""
    table = load_arrays("wordnet.npz", "wordnet")
    words = unpack_words(table["words"])
    ends = np.cumsum(table["size"], dtype=np.int64).tolist()
    members = [words[k] for k in table["member"].tolist()]
    lemmas = [members[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    ranked: dict[str, dict[str, list[tuple[int, int]]]] = {part: defaultdict(list) for part in "nvar"}
    owner = np.repeat(np.arange(len(ends)), table["size"]).tolist()
    for word, synset, rank in zip(members, owner, table["rank"].tolist(), strict=True):
        ranked["nvar"[table["part"][synset]]][word.lower()].append((rank, synset))
    senses = {part: {word: [synset for _, synset in sorted(found)] for word, found in of.items()}
              for part, of in ranked.items()}
    irregular: dict[str, dict[str, list[str]]] = {part: {} for part in "nvar"}
    for line in unpack_words(table["irregular"]):
        part, form, *bases = line.split()
        irregular[part][form] = bases
    return lemmas, senses, irregular
