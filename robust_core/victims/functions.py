"""A person's Python function as a classifier: texts in, probabilities out. To import its module is to run it."""

import hashlib
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core.errors import BadInput, first_sentence, quote
from robust_core.file_hashes import sha256
from robust_core.victims.fields import check_labels
from robust_core.victims.probabilities import check_probabilities
from robust_core.victims.spending import Meter

_BATCH = 64


def find_function(name: str) -> Callable[..., Any]:
    """Return the function behind `module:function`; modules of the present folder are found too.

    Raises:
        BadInput: There is none, or importing its module fails.
    """
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except Exception as error:  # noqa: BLE001 (whatever a person's module does)
        raise BadInput(f"The module {quote(module)} cannot be imported: {type(error).__name__}: "
                       f"{first_sentence(error)}.") from None
    finally:
        if here in sys.path:
            sys.path.remove(here)
    if not callable(found):
        raise BadInput(f"The module {quote(module)} has no function {quote(attribute)}.")
    return found


def read_labels(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    """Return the labels that a function says itself, or its module: `labels`, or LABELS.

    Raises:
        BadInput: Neither does.
    """
    labels = getattr(function, "labels", getattr(sys.modules.get(name.partition(":")[0]), "LABELS", None))
    if labels is None:
        raise BadInput(f"Name the classes of {name} in its order: {name}#negative,positive, or write LABELS = (…) into "
                       "its module.")
    return check_labels(list(labels), name)


def hash_function(function: Callable[..., Any], name: str) -> str:
    """Return a SHA-256 that changes with the file of a function's module, and with what it says itself (`version`)."""
    file = getattr(sys.modules.get(name.partition(":")[0]), "__file__", None)
    source = sha256(Path(file)) if file and Path(file).is_file() else ""
    return hashlib.sha256(f"{name}\0{source}\0{getattr(function, 'version', '')}".encode()).hexdigest()


class FunctionSource:
    """Asks a function; one thread at a time."""

    batch, parallel = _BATCH, 1

    def __init__(self, who: str, function: Callable[..., Any], labels: Sequence[str], meter: Meter | None = None
                 ) -> None:
        self._who, self._function, self._labels, self._meter = who, function, labels, meter

    def ask(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities of texts.

        Raises:
            BadInput: A ceiling forbids the call, or the function fails or gives no probabilities.
        """
        paid = self._meter.begin() if self._meter else 0
        try:
            given = self._function(list(texts))
        except Exception as error:  # noqa: BLE001 (whatever a person's function does)
            raise BadInput(f"{self._who} failed: {type(error).__name__}: {first_sentence(error)}.") from None
        finally:
            if self._meter:
                self._meter.settle(paid, (0, 0))
        return check_probabilities(given, len(texts), self._labels, self._who)
