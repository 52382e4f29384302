"""From words to token ids: one interface for word vocabularies and for the tokenizers of transformers."""

import copy
import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from robust_core.errors import BadInput, quote
from robust_core.files import short_name
from robust_core.models.pair_layout import PairLayout, read_pair_layout
from robust_core.models.spelling import Spelling, read_spelling
from robust_core.parts import has_parts, split_parts
from robust_core.text import Draft, find_words, split_word

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_BLANKS = ("[MASK]", "<mask>", "[UNK]", "<unk>")


class Tokens(NamedTuple):
    """A text as token ids.

    Attributes:
        ids: Token ids, special tokens included, cut at the model's length.
        owner: Index of the word that each token belongs to; -1 for special tokens and gaps.
        read: How many words of the text are read to their end; of a pair how many stand before the end of the last one
            that is, whatever was cut between.
    """

    ids: tuple[int, ...]
    owner: tuple[int, ...]
    read: int


def _cut(ids: Sequence[int], owner: Sequence[int], room: int, words: int) -> Tokens:
    if len(ids) <= room:
        return Tokens(tuple(ids), tuple(owner), words)
    first_lost = owner[room] if owner[room] >= 0 else max(owner[:room], default=-1) + 1
    return Tokens(tuple(ids[:room]), tuple(owner[:room]), first_lost)


@dataclasses.dataclass(frozen=True)
class WordVocabulary:
    """Token ids of a word model: 0 pads, 1 stands for every unknown word; gaps have no tokens.

    Args:
        words: Known word pieces; the first has id 2.
        length: Longest input in tokens.
        typos: Whether an unknown piece is read as the nearest known one within one edit (`models.spelling`).
    """

    words: tuple[str, ...]
    length: int
    typos: bool = False
    separable: bool = dataclasses.field(default=True, init=False)
    prefix: tuple[int, ...] = dataclasses.field(default=(), init=False)
    suffix: tuple[int, ...] = dataclasses.field(default=(), init=False)
    pad_id: int = dataclasses.field(default=0, init=False)
    unknown_id: int = dataclasses.field(default=1, init=False)
    blank_id: int = dataclasses.field(default=1, init=False)

    def __len__(self) -> int:
        return len(self.words) + 2

    @functools.cached_property
    def _index(self) -> dict[str, int]:
        return {word: i + 2 for i, word in enumerate(self.words)}

    @functools.cached_property
    def _units(self) -> Callable[[str], tuple[int, ...]]:
        return functools.lru_cache(maxsize=100_000)(lambda unit: tuple(map(self._piece_id, split_word(unit))))

    @functools.cached_property
    def _spelling(self) -> Spelling:
        return read_spelling(self.words)

    def _piece_id(self, piece: str) -> int:
        """Return the id of a lower-case piece: its own, that of the nearest known one, or that of unknown ones."""
        found = self._index.get(piece)
        if found is None and self.typos and (near := self._spelling.find(piece)) is not None:
            found = self._index[near]
        return self.unknown_id if found is None else found

    def unit_ids(self, unit: str) -> tuple[int, ...]:
        """Return the ids of one word, or of the characters between two words (none)."""
        return () if unit == " " else self._units(unit)

    def decode(self, ids: Sequence[int]) -> str:
        """Return ids as words with blanks between them; pads are left out."""
        return " ".join("<unk>" if i == self.unknown_id else self.words[i - 2] for i in ids if i != self.pad_id)

    def encode(self, text: str) -> Tokens:
        """Return the ids of a whole text, cut at `length`."""
        ids: list[int] = []
        owner: list[int] = []
        words = Draft.of(text).words
        for i, word in enumerate(words):
            found = self.unit_ids(word)
            ids += found
            owner += [i] * len(found)
        return _cut(ids, owner, self.length, len(words))


@dataclasses.dataclass(frozen=True)
class WholeWords(WordVocabulary):
    """Token ids of an additive model: one for each word, in lower case, as attacks see words."""

    @functools.cached_property
    def _units(self) -> Callable[[str], tuple[int, ...]]:
        # What stands between two words is no word, whatever punctuation it holds.
        return functools.lru_cache(maxsize=100_000)(
            lambda unit: (self._piece_id(unit.lower()),) if find_words(unit) else ())

    def find_id(self, word: str) -> int:
        """Return the id of a lower-case word; unlike `unit_ids` it keeps nothing in mind, for words met but once."""
        return self._piece_id(word)

    def read_as(self, word: str) -> str:
        """Return the known word that is read in the place of a lower-case word; the word itself where none is."""
        found = self._piece_id(word)
        return word if found == self.unknown_id else self.words[found - 2]


class Subwords:
    """Token ids of a transformer, through its fast tokenizer; special tokens typed by a user are plain text.

    Args:
        tokenizer: A `tokenizers.Tokenizer`; its padding and truncation are switched off.
        length: Longest input in tokens, special tokens included.
        pad_id: Id of the pad token.
        plain_id: Id of the unknown token, which stands for special tokens that somebody typed.
        rows: How many ids the model has a row for; None where it has one for each.

    Attributes:
        types: Segment of each id of the prefix, of a piece, and of each id of the suffix.
        special: Ids that no piece of a text has.
        size: How many ids there are, as far as the model has a row for them.
        pair: How pairs of texts are laid out; None where they are not read, and a boundary is a sign like any other.
    """

    pair: PairLayout | None = None

    def __init__(self, tokenizer: "Tokenizer", length: int, pad_id: int, plain_id: int | None = None,
                 rows: int | None = None) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self.length = length
        self.pad_id = pad_id
        encoded = self._read("a", True)
        whole, types, bare = encoded.ids, encoded.type_ids, self._read("a").ids
        at = next((i for i in range(len(whole) + 1) if whole[i: i + len(bare)] == bare), None)
        if at is None:
            raise BadInput("The tokenizer changes the pieces of a text when it adds its special tokens.")
        end = at + len(bare)
        self.prefix, self.suffix = tuple(whole[:at]), tuple(whole[end:])
        self.types = tuple(types[:at]), types[at] if bare else 0, tuple(types[end:])
        # BERT splits at blanks and around each punctuation mark, so units can be tokenised one by one.
        self.separable = type(tokenizer.pre_tokenizer).__name__ == "BertPreTokenizer"
        self.unknown_id = None
        # A model of pieces may hold "<pad>" or "[SEP]" as pieces of its own: typed, they read as unknown text.
        added = tokenizer.get_added_tokens_decoder()
        self.special = frozenset(i for i, token in added.items() if token.special)
        # What stands for a removed word: the mask where there is one, or else the unknown token, or else a blank.
        known = (*(tokenizer.token_to_id(name) for name in _BLANKS),
                 *self._read(" ").ids, plain_id)
        taken = {pad_id, *self.prefix, *self.suffix}
        self.blank_id = next((i for i in known if i is not None and i not in taken), pad_id)
        self._plain = plain_id
        self.size = min(tokenizer.get_vocab_size(), rows or tokenizer.get_vocab_size())
        self._rows = rows if self.size == rows else None
        self._units = functools.lru_cache(maxsize=200_000)(self._unit_ids)

    def _read(self, text: str, special: bool = False) -> "Encoding":
        """Return a text in pieces, with special ones if asked for.

        Raises:
            BadInput: The tokenizer's own rules fail on it, such as a regular expression that would take for ever.
        """
        try:
            return self._tokenizer.encode(text, add_special_tokens=special)
        except BaseException as error:
            # What fails inside the library is no Exception: it is meant to end the process.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                raise BadInput(f"The model's tokenizer cannot read {quote(text)}.") from None
            raise

    def check_room(self, name: str) -> None:
        """Raise BadInput, which names the model, unless its longest input has room for a word."""
        if self.length <= len(self.prefix) + len(self.suffix):
            raise BadInput(f"{name} reads {max(self.length, 0)} pieces at most, which leaves no room for a word.")

    def _unit_ids(self, unit: str) -> tuple[int, ...]:
        return self._typed(self._read(unit).ids)

    def _typed(self, ids: Sequence[int]) -> tuple[int, ...]:
        if self._rows is not None and max(ids, default=0) >= self._rows:
            piece = self._tokenizer.id_to_token(max(ids))
            raise BadInput(f"The model has no row for the piece {quote(piece)} of its tokenizer; leave it out of the "
                           "text.")
        return tuple(self._plain if self._plain is not None and i in self.special else i for i in ids)

    def find_unknown(self, text: str) -> list[bool]:
        """Return of each word of a text whether it, or a part of it, is unknown to the tokenizer; see `plain_id`."""
        coded, spans = self._read(text), find_words(text)
        owners = find_owners(coded.offsets, spans)
        lost = {owner for owner, i in zip(owners, coded.ids, strict=True) if self._plain is not None
                and i == self._plain}
        return [place in lost for place in range(len(spans))]

    def until(self, length: int) -> "Subwords":
        """Return the same tokenizer with shorter inputs."""
        other = copy.copy(self)
        other.length = min(length, self.length)
        return other

    def vocabulary(self) -> dict[str, int]:
        """Return the ids of all pieces."""
        return self._tokenizer.get_vocab()

    def describe(self) -> str:
        """Return all that decides which ids a text has: the tokenizer's own description, and where inputs are cut."""
        return f"{self.length} {self._tokenizer.to_str()}"

    def unit_ids(self, unit: str) -> tuple[int, ...]:
        """Return the ids of one word, or of the characters between two words."""
        return () if unit == " " else self._units(unit)

    def decode(self, ids: Sequence[int]) -> str:
        """Return ids as text; special tokens are left out."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def ids(self, text: str) -> tuple[int, ...]:
        """Return the ids of a whole text with its special tokens, cut at `length`."""
        inner = self._typed(self._read(text).ids)
        return (*self.prefix, *inner[: self.length - len(self.prefix) - len(self.suffix)], *self.suffix)

    def encode(self, text: str) -> Tokens:
        """Return the ids of a whole text with its special tokens, cut at `length`, and whose they are."""
        if self.pair is not None and has_parts(text):
            return self._encode_pair(self.pair, text)
        coded = self._read(text)
        spans = find_words(text)
        room = self.length - len(self.prefix) - len(self.suffix)
        inner = _cut(self._typed(coded.ids), find_owners(coded.offsets, spans), room, len(spans))
        blank = (-1,)
        return Tokens((*self.prefix, *inner.ids, *self.suffix),
                      blank * len(self.prefix) + inner.owner + blank * len(self.suffix), inner.read)

    def learn_pairs(self, gives_segments: bool) -> None:
        """Find out how a pair of texts is laid out; `pair` stays None where that cannot be done as BERT does it.

        Args:
            gives_segments: Whether the model is told which segment an id lies in.
        """
        def encode(first: str, second: str) -> tuple[list[int], list[int]]:
            found = self._tokenizer.encode(first, second, add_special_tokens=True)
            return found.ids, found.type_ids

        self.pair = read_pair_layout(encode, self._read("a").ids, gives_segments)

    def cut_pair(self, text: str) -> tuple[Tokens, Tokens]:
        """Return the pieces of both parts of a pair without special tokens, each cut as it is read.

        Raises:
            BadInput: It has not two parts.
        """
        parts = split_parts(text)
        if self.pair is None or len(parts) != 2:
            raise BadInput(f"A pair has two parts, not {len(parts)}.")
        coded = [self._read(part) for part in parts]
        rooms = self.pair.cut(len(coded[0].ids), len(coded[1].ids), self.length)
        found = []
        for part, one, room in zip(parts, coded, rooms, strict=True):
            spans = find_words(part)
            found.append(_cut(self._typed(one.ids), find_owners(one.offsets, spans), room, len(spans)))
        return found[0], found[1]

    def _encode_pair(self, layout: PairLayout, text: str) -> Tokens:
        first, second = self.cut_pair(text)
        words = len(find_words(split_parts(text)[0]))
        none = (-1,)
        owner = (*none * len(layout.prefix), *first.owner, *none * len(layout.middle),
                 *(i + words if i >= 0 else -1 for i in second.owner), *none * len(layout.suffix))
        return Tokens((*layout.prefix, *first.ids, *layout.middle, *second.ids, *layout.suffix), owner,
                      words + second.read if second.read else first.read)


def find_owners(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Assign each token, given by its character range, to the word it overlaps; -1 where there is none."""
    result, word = [], 0
    for start, end in offsets:
        while word < len(spans) and spans[word][1] <= start:
            word += 1
        inside = word < len(spans) and spans[word][0] < end
        result.append(word if inside else -1)
    return tuple(result)


def read_subwords(folder: Path, length: int) -> "Subwords":
    """Read the fast tokenizer of a folder with tokenizer.json.

    Raises:
        BadInput: It is damaged.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # noqa: BLE001 (the library raises no other kind)
        raise BadInput(f"{short_name(folder)}/tokenizer.json is damaged; restore it.") from None
    return Subwords(tokenizer, length, tokenizer.token_to_id("[PAD]") or 0)
