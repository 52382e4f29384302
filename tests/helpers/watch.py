"""Watching which doors of the resources a search goes through."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import robust_core
from helpers.tables import forget_tables
from robust_core import resources

_FOLDER = Path(resources.__file__).parent
# What runs in a module of the resources uses this, by the names of `fingerprints`; the rest opens nothing by itself.
DOORS = {"neighbour_table": "neighbours", "pos": "parts-of-speech", "wordnet": "wordnet", "antonym_table": "antonyms",
         "vectors": "vectors", "stopwords": "stop-words", "sentiment_lexicon": "sentiment",
         "swap_table": "close-swaps", "encoder": "sentence-encoder", "masked_model": "masked-model"}
# A model whose card names the retrofitted vectors is part of what a search rests on by itself.
NO_DOORS = ("__init__", "_tables", "english", "fingerprints", "meaning", "retrofitted", "swap_sets")
# Functions elsewhere that load a model: file below robust_core, its function, what is loaded.
_LOADERS = (("encoders.py", "load_default", "sentence-encoder"), ("models/masked_lm.py", "load", "masked-model"))


class DoorWatch:
    """Sees what is used of `robust_core.resources` in this thread, and which models are loaded, until it ends.

    Whatever was looked up before is forgotten first, so that nothing comes from a cache unseen.

    Args:
        tell: Called with each name at its first use.

    Attributes:
        names: What was used, by the names of `fingerprints`.
    """

    def __init__(self, tell: Callable[[str], None] = lambda name: None) -> None:
        self.names: set[str] = set()
        self._tell = tell
        self._name_of = {str(path): DOORS[path.stem] for path in _FOLDER.glob("*.py") if path.stem not in NO_DOORS}
        home = Path(robust_core.__file__).parent
        self._loaded_by = {(str(home / file), function): name for file, function, name in _LOADERS}

    def __enter__(self) -> "DoorWatch":
        forget_tables()
        sys.setprofile(self._see)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        forget_tables()

    def _see(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        name = self._name_of.get(code.co_filename) or self._loaded_by.get((code.co_filename, code.co_name))
        if name is not None and name not in self.names:
            self.names.add(name)
            self._tell(name)
