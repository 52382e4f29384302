"""The one door to everything from outside: weights and tables, local first, with a plain word on what is missing.

Names are resolved on first use, so importing this package reads no table and imports neither torch nor transformers.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robust_core.resources.antonyms import antonyms
    from robust_core.resources.encoder import minilm_folder
    from robust_core.resources.neighbours import neighbours
    from robust_core.resources.pos import tag, tag_swaps, tags_of
    from robust_core.resources.stopwords import stop_words
    from robust_core.resources.vectors import word_vectors
    from robust_core.resources.wordnet import synonyms

__all__ = ["antonyms", "minilm_folder", "neighbours", "stop_words", "synonyms", "tag", "tag_swaps", "tags_of",
           "word_vectors"]

_MODULE_OF = {"antonyms": "antonyms", "minilm_folder": "encoder", "neighbours": "neighbours", "stop_words": "stopwords",
              "synonyms": "wordnet", "tag": "pos", "tag_swaps": "pos", "tags_of": "pos", "word_vectors": "vectors"}


def __getattr__(name: str) -> object:
    """Import the module that holds a public name, the first time the name is asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = function
    return function


class _Door(ModuleType):
    """A package whose functions win over its submodules of the same name.

    Python binds an imported submodule as an attribute of its package; `neighbours` and `antonyms` would then be a
    function or a module, depending on who imported what first.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _MODULE_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
