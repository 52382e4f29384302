"""TextAttack's process: runs searches over standard input and output, one JSON object a line.

Importing textattack takes some ten seconds, fails without NLTK's stop words and tries the network; `prepare` gives it
what it wants beforehand. Whatever a recipe would download is ours: neighbours, stop words, part of speech, sentence
encoder. Search methods, goals, transformations and the order of constraints are TextAttack's own, unmodified.

Differs from TextAttack's stop words: its comparison minds capitals, so ours are also given capitalised.
"""

import json
import os
import queue
import random
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from robust_core.attacks.engine.requests import RANKING
from robust_core.attacks.textattack.parts import FOLDERS, TextAttackPart, make_lock, prepare, wrap_victim
from robust_core.attacks.textattack.recipes import build_recipe
from robust_core.errors import MissingResource


class _Abandoned(BaseException):  # noqa: N818 (not an error; and TextAttack must not catch it)
    """The parent does not want this search any more."""


class _Server:
    """Runs the searches that the parent orders, one after the other, and asks the parent what the models say.

    In: {search, attack (its whole record), text, label, before, seed}, {search, answer}, {abandon}. Out: {ready} or
    {missing}; of a search {search, texts, trying, current}, {search, pairs}, at last {search, end} or {search, error}.
    """

    def __init__(self) -> None:
        # The pipe is ours alone: whatever else is printed goes to stderr.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._unwanted = self._search = -1
        self._before: list[float] | None = None
        self._trying = self._current = ""
        self._attacks: dict[str, TextAttackPart] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Hear the parent at any time; end when it ends."""
        for line in sys.stdin:
            message = json.loads(line)
            self._unwanted = message.get("abandon", self._unwanted)
            self._inbox.put(message)
        for folder in FOLDERS:
            folder.cleanup()
        os._exit(0)

    def _send(self, **message: object) -> None:
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def run(self) -> None:
        """Serve until the parent ends."""
        socket.socket.connect = _refuse  # type: ignore[method-assign]
        try:
            prepare()
        except MissingResource as error:
            self._send(missing=[error.what, error.how_to_get_it])
            return
        self._send(ready=True)
        while True:
            order = self._inbox.get()
            if "attack" in order:
                self._serve(order)
            elif "abandon" in order:
                self._send(search=order["abandon"], end=None)

    def _serve(self, order: dict[str, Any]) -> None:
        self._search, self._before = order["search"], order["before"]
        self._trying, self._current = RANKING, order["text"]
        try:
            self._send(search=self._search, end=self._attack(order), current=self._current)
        except _Abandoned:
            self._send(search=self._search, end=None)
        except MissingResource as error:
            self._send(search=self._search, missing=[error.what, error.how_to_get_it])
        except Exception as error:
            self._send(search=self._search, error=str(error) or type(error).__name__, trace=traceback.format_exc())

    def _attack(self, order: dict[str, Any]) -> str:
        """Run one search; return its last text."""
        key = json.dumps(order["attack"], sort_keys=True)
        if key not in self._attacks:
            attack = build_recipe(order["attack"], wrap_victim(self._proba), self._alike)
            attack.search_method.get_transformations = self._watch(attack.search_method.get_transformations)
            # Every text is submitted, so that TextAttack's count is the engine's; who answers has a cache.
            attack.goal_function.use_cache = False
            attack.goal_function.batch_size = 512
            self._attacks[key] = attack
        attack = self._attacks[key]
        attack.clear_cache()
        attack.pre_transformation_constraints = [
            *(c for c in attack.pre_transformation_constraints if not hasattr(c, "locked")),
            make_lock(order["locked"])]
        attack.goal_function.query_budget = order["attack"]["max_queries"] or float("inf")
        _seed(order["seed"])
        result = attack.attack(order["text"], order["label"])
        return result.perturbed_result.attacked_text.text

    def _watch(self, transform: Callable[..., TextAttackPart]) -> Callable[..., TextAttackPart]:
        """Return `transform`, noting from which text the search goes on, and at which word."""
        def watched(text: TextAttackPart, **options: TextAttackPart) -> TextAttackPart:
            self._check()
            self._current = text.text
            at = options.get("indices_to_modify")
            self._trying = text.words[at[0]] if at is not None and at[0] < len(text.words) else "all words"
            return transform(text, **options)
        return watched

    def _check(self) -> None:
        if self._unwanted == self._search:
            raise _Abandoned

    def _ask(self, **question: object) -> list[Any]:
        self._check()
        self._send(search=self._search, **question)
        while True:
            message = self._inbox.get()
            self._check()
            if message.get("search") == self._search:
                return message["answer"]

    def _proba(self, texts: list[str]) -> np.ndarray:
        if self._before is not None:
            # The first look at the original text; the engine had it before the search began.
            before, self._before = self._before, None
            return np.array([before], dtype=np.float32)
        return np.array(self._ask(texts=texts, trying=self._trying, current=self._current), dtype=np.float32)

    def _alike(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array(self._ask(pairs=pairs), dtype=np.float32)


def _refuse(*arguments: object) -> None:
    raise OSError("TextAttack's process uses no network")


def _seed(seed: int) -> None:
    """Seed what TextAttack draws from, so that a search is the same after any other."""
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (TextAttack uses the global generator)
    torch.manual_seed(seed)


if __name__ == "__main__":
    _Server().run()
