"""What sentence encoders learn from: public sentences and unlabelled training texts, none of those measured on."""

import contextlib
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from robust_core import datasets
from robust_core.cleaning import clean_row
from robust_core.encoder_evaluation import probes, similarity
from robust_core.errors import MissingResource

if TYPE_CHECKING:
    from robust_core.models.tokens import Subwords

# On a CPU every row of a table learns from the same so many sentences.
ON_CPU = 6_000
_WIKI = "text/wiki_sentences"
_SETS = ("sst2", "trec", "imdb", "yelp_polarity", "ag_news")
_WORD = re.compile(r"[^\W_]+")


class Corpus(NamedTuple):
    """Sentences to learn from.

    Attributes:
        rows: Piece ids of each sentence, special pieces included.
        sources: Sentences taken from each source.
        left_out: Sentences of each source that were short enough, but stand in a set that encoders are measured on.
        drawn_from: Sentences that are short enough, and were not left out.
        sha256: Of the sentences.
        length: Most pieces of a sentence, special ones included.
    """

    rows: list[tuple[int, ...]]
    sources: Mapping[str, int]
    left_out: Mapping[str, int]
    drawn_from: int
    sha256: str
    length: int


def read_corpus(tokens: "Subwords", n: int, length: int = 32, data_dir: str | Path | None = None) -> Corpus:
    """Read the sentences of at most `length` pieces, each once, and draw some.

    What encoders are measured on is left out: sentences that stand, whole or as a part of a text, whatever their case
    and signs, in an STS set, a dev or test split, or a transfer task without splits (MR, CR, SUBJ, MPQA), whose every
    text is a test text of some fold. SST-2's sentences are MR's texts or parts of them: where MR is here, next to none
    is left. The draw is the same for every seed.

    Args:
        tokens: The encoder's tokenizer.
        n: Sentences to draw; 0 takes all.
        length: Most pieces, special ones included.
        data_dir: Folder of data sets.

    Raises:
        MissingResource: No source is here.
    """
    room = length - len(tokens.prefix) - len(tokens.suffix)
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for source, texts in _list_sources(data_dir, room).items():
        for text in texts:
            if text in found or text.count(" ") >= room:
                continue
            inner = tokens.unit_ids(text)
            if len(inner) <= room:
                found[text] = source, (*tokens.prefix, *inner, *tokens.suffix)
    measured = find_contained(map(fold_words, found), map(fold_words, _list_measured(data_dir, room)))
    left_out = [text for text in found if fold_words(text) in measured]
    dropped = Counter(found.pop(text)[0] for text in left_out)
    if not found:
        raise MissingResource(
            "Every source of sentences",
            "Put text/wiki_sentences.tsv.gz (column text) or a data "
            "set into a folder and name it with --data-dir or ROBUST_DATA.",
        )
    drawn = datasets.choose([datasets.Example(text) for text in found], n or None, seed=0)
    texts = [example.text for example in drawn]
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return Corpus([found[text][1] for text in texts], Counter(found[text][0] for text in texts), dropped, len(found),
                  digest, length)


def fold_words(text: str) -> tuple[str, ...]:
    """Return what sentences are compared by: their words of letters and digits, the case folded."""
    return tuple(_WORD.findall(text.casefold()))


def find_contained(sentences: Iterable[tuple[str, ...]], texts: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return the sentences that stand in one of the texts, whole or as a part of it; all as words."""
    wanted = set(sentences)
    # Lengths of the sentences that begin with two words, or are one.
    lengths: dict[tuple[str, ...], set[int]] = {}
    for words in wanted:
        lengths.setdefault(words[:2], set()).add(len(words))
    found: set[tuple[str, ...]] = set()
    for words in texts:
        for i in range(len(words)):
            for begin in (words[i: i + 1], words[i: i + 2]):
                found.update(part for size in lengths.get(begin, ()) if (part := words[i: i + size]) in wanted)
    return found


def _list_sources(data_dir: str | Path | None, room: int) -> dict[str, list[str]]:
    """Return the texts of each source that is here, without those that are too long."""
    found = {}
    for name in (_WIKI, *_SETS):
        with contextlib.suppress(MissingResource):
            # A word has one piece or more: most reviews need neither be cleaned nor tokenised. Cleaning joins tokens.
            found[name] = _list_texts(name if name == _WIKI else f"{name}/train", data_dir, 2 * room)
    return found


def _list_measured(data_dir: str | Path | None, room: int) -> set[str]:
    """Return the texts that encoders are measured on, and short ones of other dev and test splits."""
    texts = similarity.list_sentences(data_dir)
    splits = dict.fromkeys((f"{name}/{split}" for name in _SETS for split in ("dev", "test")), 2 * room)
    for table, blanks in (splits | dict.fromkeys(probes.FOLDED.values(), math.inf)).items():
        with contextlib.suppress(MissingResource):
            texts.update(_list_texts(table, data_dir, blanks))
    return texts


def _list_texts(table: str, data_dir: str | Path | None, blanks: float) -> list[str]:
    """Return the cleaned texts of a table, those that have fewer blanks than said."""
    texts = (row["text"] for row in datasets.read_table(table, ("text",), data_dir) if row)
    return [text for raw in texts if raw.count(" ") < blanks and (text := clean_row(raw))]
