"""The one door to everything from outside: weights and tables, local first, with a plain word on what is missing.

Names are resolved on first use, so importing this package reads no table and imports neither torch nor transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robust_core.resources.antonym_table import antonyms
    from robust_core.resources.encoder import minilm_folder
    from robust_core.resources.masked_model import masked_model_folder
    from robust_core.resources.neighbour_table import neighbours
    from robust_core.resources.pos import tag, tag_swaps, tags_of
    from robust_core.resources.sentiment_lexicon import sentiment
    from robust_core.resources.stopwords import stop_words
    from robust_core.resources.swap_table import close_swaps
    from robust_core.resources.vectors import word_vectors
    from robust_core.resources.wordnet import synonyms

__all__ = ["antonyms", "close_swaps", "masked_model_folder", "minilm_folder", "neighbours", "sentiment", "stop_words",
           "synonyms", "tag", "tag_swaps", "tags_of", "word_vectors"]

_MODULE_OF = {"antonyms": "antonym_table", "close_swaps": "swap_table", "masked_model_folder": "masked_model",
              "minilm_folder": "encoder", "neighbours": "neighbour_table", "sentiment": "sentiment_lexicon",
              "stop_words": "stopwords", "synonyms": "wordnet", "tag": "pos", "tag_swaps": "pos", "tags_of": "pos",
              "word_vectors": "vectors"}


def __getattr__(name: str) -> object:
    """Import the module that holds a public name, the first time the name is asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = function
    return function
