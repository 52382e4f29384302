"""Which words a trigger may be made of: whole words of the model's own vocabulary."""

from collections.abc import Iterable, Sequence

from robust_core.errors import BadInput, Incompatible
from robust_core.models.tokens import Subwords, WordVocabulary
from robust_core.protocols import HasTokens, WhiteBox
from robust_core.resources import neighbours, sentiment
from robust_core.text import find_words

# How tokenizers mark a piece that goes on with a word, and one that begins a word.
_INNER, _FIRST = "##", ("\u0120", "\u2581")
# So many neighbours of a word are looked at, and so many of these make it a positive or negative one.
_NEAREST, _POLAR = 10, 3


def list_words(model: WhiteBox, texts: Iterable[str], forbidden: Iterable[str] = (), *, polarity: bool = True
               ) -> list[str]:
    """Return the words that a trigger for a model may hold, in alphabetical order.

    A word has two letters at least (or is "a" or "i"), is a single known token, and has only characters that the texts
    have: a vocabulary of a transformer holds many scripts.

    Args:
        model: The model.
        texts: Texts of the data set.
        forbidden: Words that must not be used.
        polarity: Whether words may be used that are positive or negative by themselves (`has_polarity`).

    Raises:
        Incompatible: The model shows no vocabulary.
        BadInput: No word is left.
        MissingResource: The sentiment lexicon is not installed.
    """
    tokens = model.tokens if isinstance(model, HasTokens) else None
    if not isinstance(tokens, WordVocabulary | Subwords):
        raise Incompatible(f"{model.id} shows no vocabulary; a trigger is made of the model's own words.")
    banned, alphabet = {word.strip().lower() for word in forbidden}, {c for text in texts for c in text.lower()}
    known = sorted({word for word in map(str.lower, _list_pieces(tokens)) if _is_word(word)
                    and alphabet.issuperset(word) and word not in banned and (polarity or not has_polarity(word))})
    kept = [word for word in known if _is_one_token(tokens, word)]
    if not kept:
        raise BadInput(f"No word of {model.id} is left that a trigger may hold.")
    return kept


def has_polarity(word: str) -> bool:
    """Return whether a lower-case word is positive or negative by itself, as far as a lexicon tells.

    It is where the sentiment lexicon rates it, a part of it between hyphens, or what "un" stands before; or three of
    its ten nearest neighbours, since the lexicon lacks words such as "spectacular" and "lackluster".
    """
    if any(sentiment(part) != 0 for part in (word, *word.split("-"), word.removeprefix("un"))):
        return True
    return sum(sentiment(other) != 0 for other, _ in neighbours(word)[:_NEAREST]) >= _POLAR


def _list_pieces(tokens: WordVocabulary | Subwords) -> Sequence[str]:
    if isinstance(tokens, WordVocabulary):
        return tokens.words
    pieces = list(tokens.vocabulary())
    first = [piece[1:] for piece in pieces if piece.startswith(_FIRST)]
    return first or [piece for piece in pieces if not piece.startswith(_INNER)]


def _is_word(word: str) -> bool:
    spans = find_words(word)
    letters = word.replace("-", "").isalpha() and (len(word) > 1 or word in ("a", "i"))
    return letters and len(spans) == 1 and spans[0] == (0, len(word))


def _is_one_token(tokens: WordVocabulary | Subwords, word: str) -> bool:
    owner = tokens.encode(word)
    own = [i for i, place in zip(owner.ids, owner.owner, strict=True) if place == 0]
    return len(own) == 1 and own[0] != tokens.unknown_id
