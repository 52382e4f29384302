"""The server for the masked language model: likely words for blanks, each distinct blank asked once."""

import collections
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from robust_core.attacks.engine.requests import BATCHED, CANONICAL, Fill, Filled, Refine
from robust_core.attacks.engine.server import ALONE, Answers, find_first_alike
from robust_core.parts import write_plain
from robust_core.protocols import MaskedLanguageModel
from robust_core.types import Blank

if TYPE_CHECKING:
    from robust_core.attacks.engine.search_state import ActiveSearch
# A search may ask for two or three blanks a word at once, and no text has more than 400 words.
_FILLS = 8_000
# The same in log-probabilities of pieces.
FP32_FILL = 1e-4


class MaskedLMServer:
    """Asks the masked language model for words, once for each distinct blank.

    Args:
        model: The model, or its name: it is loaded when first needed.
        device: Where a named one is put.
    """

    def __init__(self, model: MaskedLanguageModel | str, device: str) -> None:
        self._model, self._device = model, device
        self.waiting: list[ActiveSearch] = []
        self.worked = 0.0
        self._found: collections.OrderedDict[tuple[Blank, int], tuple[int, list[tuple[str, float]]]] = (
            collections.OrderedDict())

    def urgent(self, searches: int) -> bool:
        """Return whether it should be served though others could be: whenever anybody waits."""
        del searches
        return bool(self.waiting)

    def answers_now(self, search: "ActiveSearch") -> bool:
        """Return False: what is asked for waits for its turn, however little it is."""
        del search
        return False

    def _loaded(self) -> MaskedLanguageModel:
        if isinstance(self._model, str):
            from robust_core.models import masked_lm

            self._model = masked_lm.load(self._model, self._device)
        return self._model

    def _wanted(self, search: "ActiveSearch") -> dict[tuple[Blank, int], int]:
        """Return what a request needs that is not there yet, and the level each is wanted at."""
        request, which = search.request, set[int]()
        if isinstance(request, Refine):
            assert isinstance(request.figures, Filled)
            request, which = request.figures.asked, set(request.which)
        assert isinstance(request, Fill)
        wanted = {(blank, request.most): CANONICAL if k in which else BATCHED
                  for k, blank in enumerate(request.blanks)}
        return {key: level for key, level in wanted.items() if self._found.get(key, (-1,))[0] < level}

    def serve(self, waiting: Sequence["ActiveSearch"]) -> Answers:
        """Fill up to a batch of blanks; return the searches whose blanks are all known, with their words."""
        model, taken, asked, level = self._loaded(), dict[tuple[Blank, int], None](), [], None
        for search in waiting:
            wanted = self._wanted(search)
            level = next(iter(wanted.values()), level) if level is None else level
            limit = ALONE if level == CANONICAL else model.batch
            taken |= dict.fromkeys(key for key, at in wanted.items() if at == level)
            asked.append(search)
            if len(taken) >= limit:
                taken = dict.fromkeys(list(taken)[:limit])
                break
        if taken and level is not None:
            self._fill(model, list(taken), level)
        done = [(search, self._answer(search)) for search in asked if not self._wanted(search)]
        while len(self._found) > _FILLS:
            self._found.popitem(last=False)
        return done

    def _fill(self, model: MaskedLanguageModel, keys: list[tuple[Blank, int]], level: int) -> None:
        for most in dict.fromkeys(most for _, most in keys):
            blanks = [blank for blank, own in keys if own == most]
            # One word more than wanted, to see by how much the last one is in.
            plain = [blank._replace(before=write_plain(blank.before), after=write_plain(blank.after))
                     for blank in blanks]
            found = ([model.fill([blank], most + 1)[0] for blank in plain] if level == CANONICAL
                     else model.fill(plain, most + 1))
            self._found.update({(blank, most): (level, words) for blank, words in zip(blanks, found, strict=True)})

    def _answer(self, search: "ActiveSearch") -> Filled:
        request = search.request.figures.asked if isinstance(search.request, Refine) else search.request  # type: ignore[union-attr]
        assert isinstance(request, Fill)
        keys = [(blank, request.most) for blank in request.blanks]
        found = [self._found[key] for key in keys]
        level = np.array([entry[0] for entry in found], dtype=np.int8)
        # Where a word is compared with another one, both may be off.
        error = np.where(level < CANONICAL, FP32_FILL * (1 if math.isinf(request.drop) else 2), 0.0)
        least = [_find_least(request, blank, dict(entry)) for blank, (_, entry) in zip(request.blanks, found,
                                                                                       strict=True)]
        words = [tuple(sorted(word for word, value in entry[: request.most] if value >= low))
                 for low, (_, entry) in zip(least, found, strict=True)]
        room = np.array([_measure_room([value for word, value in entry if not _is_standard(request, blank, word)],
                                       request.most, low)
                         for blank, low, (_, entry) in zip(request.blanks, least, found, strict=True)])
        return Filled(room, error, error, level, find_first_alike(keys), request.blanks, words, request)


def _find_least(request: Fill, blank: Blank, values: dict[str, float]) -> float:
    """Return the lowest log-probability of a word for a blank."""
    least = math.log(request.least) if request.least > 0 else -math.inf
    return least if math.isinf(request.drop) else max(least, values[blank.among[0]] - request.drop)


def _is_standard(request: Fill, blank: Blank, word: str) -> bool:
    """Return whether a word is the one that others are compared with: it is in, however the figures are off."""
    return not math.isinf(request.drop) and word == blank.among[0]


def _measure_room(values: Sequence[float], most: int, least: float) -> float:
    """Return by how much log-probabilities, highest first, may be off before other ones are chosen."""
    room = [abs(value - least) for value in values]
    return min([*room, (values[most - 1] - values[most]) / 2] if len(values) > most else room, default=np.inf)
