"""Word models that mend typos: an unknown word is read as the nearest known one within one edit (`models.spelling`)."""

import dataclasses
from typing import TYPE_CHECKING, TypeVar

from robust_core.errors import Incompatible
from robust_core.models.bounded import BoundedTokens
from robust_core.models.cards import RANKS
from robust_core.models.classifier import TextClassifier
from robust_core.models.tokens import WordVocabulary
from robust_core.resources import fingerprints

if TYPE_CHECKING:
    from robust_core.models.cards import Card

T = TypeVar("T", bound=TextClassifier)


def read_typos(model_id: str, model: T, card: "Card | None" = None) -> T:
    """Return a word model that reads an unknown word as the nearest known one; its network is shared, not copied.

    Of a model with a certified core the core does so, and the correction where it is a word model.

    Args:
        model_id: Id of what comes out.
        model: A CNN, LSTM or additive model, or one with an additive core.
        card: How it was made.

    Raises:
        Incompatible: The model reads pieces of words, and so knows every word in its own way.
    """
    tokens = model.tokens
    if isinstance(tokens, BoundedTokens):
        correction = tokens.correction
        mended = dataclasses.replace(tokens, core=dataclasses.replace(tokens.core, typos=True), correction=(
            dataclasses.replace(correction, typos=True) if isinstance(correction, WordVocabulary) else correction))
    elif isinstance(tokens, WordVocabulary):
        mended = dataclasses.replace(tokens, typos=True)
    else:
        raise Incompatible(f"{model.id} has no unknown words to mend: only CNN, LSTM and additive models, and those "
                           "with an additive core, have.")
    return dataclasses.replace(model, id=model_id, tokens=mended, card=card)


def hash_ranks() -> str:
    """Return the hash of the table of English words, which decides how a word is mended."""
    return fingerprints.describe(["parts-of-speech"])[RANKS]
