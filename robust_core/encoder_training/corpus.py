"""What sentence encoders learn from: public sentences and unlabelled training texts, none of those measured on."""

import contextlib
import hashlib
from collections.abc import Mapping
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

    What encoders are measured on is left out, whatever its case: sentences of an STS set, of a dev or test split, and
    of the transfer tasks without splits (MR, CR, SUBJ, MPQA), whose every text is a test text of some fold. The draw
    is the same for every seed.

    Args:
        tokens: The encoder's tokenizer.
        n: Sentences to draw; 0 takes all.
        length: Most pieces, special ones included.
        data_dir: Folder of data sets.

    Raises:
        MissingResource: No source is here.
    """
    room = length - len(tokens.prefix) - len(tokens.suffix)
    held = _list_held_out(data_dir, room)
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    left_out: dict[str, set[str]] = {}
    for source, texts in _list_sources(data_dir, room).items():
        for text in texts:
            if text in found or text.count(" ") >= room:
                continue
            inner = tokens.unit_ids(text)
            if len(inner) > room:
                continue
            if text.casefold() in held:
                left_out.setdefault(source, set()).add(text)
                continue
            found[text] = source, (*tokens.prefix, *inner, *tokens.suffix)
    if not found:
        raise MissingResource(
            "Every source of sentences",
            "Put text/wiki_sentences.tsv.gz (column text) or a data "
            "set into a folder and name it with --data-dir or ROBUST_DATA.",
        )
    drawn = datasets.choose([datasets.Example(text) for text in found], n or None, seed=0)
    texts = [example.text for example in drawn]
    counts: dict[str, int] = {}
    for text in texts:
        counts[found[text][0]] = counts.get(found[text][0], 0) + 1
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return Corpus([found[text][1] for text in texts], counts, {name: len(some) for name, some in left_out.items()},
                  len(found), digest, length)


def _list_sources(data_dir: str | Path | None, room: int) -> dict[str, list[str]]:
    """Return the texts of each source that is here, without those that are too long."""
    found = {}
    for name in (_WIKI, *_SETS):
        with contextlib.suppress(MissingResource):
            found[name] = _list_short(name if name == _WIKI else f"{name}/train", data_dir, room)
    return found


def _list_held_out(data_dir: str | Path | None, room: int) -> set[str]:
    """Return the sentences that are measured on, their case folded, without those that are too long."""
    texts = similarity.list_sentences(data_dir)
    for table in (*(f"{name}/{split}" for name in _SETS for split in ("dev", "test")), *probes.FOLDED.values()):
        with contextlib.suppress(MissingResource):
            texts.update(_list_short(table, data_dir, room))
    return {text.casefold() for text in texts}


def _list_short(table: str, data_dir: str | Path | None, room: int) -> list[str]:
    # A word has one piece or more: most reviews need neither be cleaned nor tokenised. Cleaning joins Penn tokens.
    texts = (row["text"] for row in datasets.read_table(table, ("text",), data_dir) if row)
    return [text for raw in texts if raw.count(" ") < 2 * room and (text := clean_row(raw))]
