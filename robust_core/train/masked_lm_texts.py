"""What the masked language model learns from and is measured on: texts, and their pieces in rows."""

import gzip
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer

from robust_core import datasets
from robust_core.cleaning import clean_row

SETS = ("sst2", "imdb", "yelp_polarity", "ag_news", "trec")
# Sentences of the encyclopedia that are only measured on.
HELD_BACK = 1000
# A last piece of a long text that is shorter than this says little.
_SHORTEST = 8


class Vocabulary(NamedTuple):
    """The encoder's tokenizer and the ids that training needs."""

    tokenizer: Tokenizer
    size: int
    pad: int
    start: int
    end: int
    mask: int

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary":
        """Read the tokenizer of an encoder's folder."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        return cls(tokenizer, tokenizer.get_vocab_size(),
                   *(tokenizer.token_to_id(name) for name in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")))

    def rows(self, texts: Sequence[str], length: int) -> list[tuple[int, ...]]:
        """Cut texts into rows of at most `length` pieces that begin and end with whole words."""
        room, rows = length - 2, []
        for coded in self.tokenizer.encode_batch(list(texts), add_special_tokens=False):
            begin = 0
            while begin < len(coded.ids):
                stop = min(begin + room, len(coded.ids))
                while begin + 1 < stop < len(coded.ids) and coded.word_ids[stop] == coded.word_ids[stop - 1]:
                    stop -= 1
                if begin == 0 or stop - begin >= _SHORTEST:
                    rows.append((self.start, *coded.ids[begin:stop], self.end))
                begin = stop
        return rows


def read_training_texts(folder: Path) -> dict[str, list[str]]:
    """Return the texts to learn from, by source; none that stands in a dev or test split as well."""
    held = {e.text for name in SETS for split in ("dev", "test") for e in datasets.load(name, split, folder)}
    texts = {name: [e.text for e in datasets.load(name, "train", folder) if e.text not in held] for name in SETS}
    return texts | {"wiki_sentences": read_wiki_sentences(folder)[:-HELD_BACK]}


def read_held_out_texts(folder: Path) -> dict[str, list[str]]:
    """Return texts that training never sees, by source."""
    texts = {name: [e.text for e in datasets.load(name, "dev", folder)] for name in SETS}
    return texts | {"wiki_sentences": read_wiki_sentences(folder)[-HELD_BACK:]}


def read_wiki_sentences(folder: Path) -> list[str]:
    """Return the sentences of `text/wiki_sentences.tsv.gz`, each once, cleaned."""
    with gzip.open(folder / "text" / "wiki_sentences.tsv.gz", "rt", encoding="utf-8") as file:
        return list(dict.fromkeys(text for line in itertools.islice(file, 1, None) if (text := clean_row(line))))
