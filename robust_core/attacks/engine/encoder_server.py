"""The server for the sentence encoder: cosines of pairs of texts, each distinct text encoded once."""

import collections
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core import encoders
from robust_core.attacks.engine.requests import BATCHED, CANONICAL, SCREENED, Estimates, Refine, Similarity
from robust_core.attacks.engine.server import ALONE, Answers, bound_noise, find_first_alike
from robust_core.parts import write_plain
from robust_core.protocols import Encoder, ScreenedEncoder
from robust_core.types import Noise

if TYPE_CHECKING:
    from robust_core.attacks.engine.search_state import ActiveSearch
_VECTORS = 4_000
FP32_COSINE = Noise(3e-6, 3e-6)


class EncoderServer:
    """Encodes texts, each distinct one once, and turns pairs into cosines.

    Args:
        encoder: The encoder; None takes the packaged one, loaded when first needed.
        screened: Whether figures may be made in bf16 first.
        device: Where the packaged encoder is put.
    """

    def __init__(self, encoder: Encoder | None, screened: bool, device: str) -> None:
        self._encoder = encoder
        self._device, self._screened = device, screened
        self.waiting: list[ActiveSearch] = []
        self.worked = 0.0
        self._vectors: collections.OrderedDict[str, tuple[int, np.ndarray]] = collections.OrderedDict()

    def urgent(self, searches: int) -> bool:
        """Return whether it should be served though others could be.

        A search that only waits for the similarity it reports can wait for company, while many run beside it.
        """
        reporting = sum(not search.tally.searching for search in self.waiting)
        return reporting < len(self.waiting) or 4 * reporting >= max(searches, 1)

    def answers_now(self, search: "ActiveSearch") -> bool:
        """Return False: what is asked for waits for its turn, however little it is."""
        del search
        return False

    @functools.cached_property
    def _loaded(self) -> Encoder:
        return encoders.load_default(self._device) if self._encoder is None else self._encoder

    @functools.cached_property
    def _fast(self) -> ScreenedEncoder | None:
        """The encoder, if it can run in bf16."""
        return self._loaded if isinstance(self._loaded, ScreenedEncoder) else None

    def _wanted(self, search: "ActiveSearch") -> dict[str, int]:
        """Return the texts of a request that are not there yet, and the level each is wanted at."""
        request = search.request
        if isinstance(request, Refine):
            wanted: dict[str, int] = {}
            for k, pair in enumerate(request.figures.keys):
                for text in pair:
                    level = int(request.figures.level[k]) + (k in request.which)
                    wanted[text] = max(level, wanted.get(text, 0))
        else:
            assert isinstance(request, Similarity)
            screens = self._screened and not request.precise and self._fast is not None and self._fast.screens
            wanted = dict.fromkeys((text for pair in request.pairs for text in pair), SCREENED if screens else BATCHED)
        return {text: level for text, level in wanted.items() if self._vectors.get(text, (-1,))[0] < level}

    def serve(self, waiting: Sequence["ActiveSearch"]) -> Answers:
        """Encode up to a batch of new texts; return the searches whose texts are all known, with the cosines."""
        encoder = self._loaded
        wanted = {search: self._wanted(search) for search in waiting}
        levels = collections.Counter(level for texts in wanted.values() for level in texts.values())
        if levels:
            # Full batches are fast; what is asked for alone is rare and soon done.
            level = CANONICAL if CANONICAL in levels else max(levels, key=lambda level: levels[level])
            limit = ALONE if level == CANONICAL else encoder.batch
            texts = list(dict.fromkeys(text for found in wanted.values() for text, at in found.items() if at == level))
            self._encode(texts[:limit], level)
        done = [(search, self._answer(search)) for search, texts in wanted.items()
                if all(self._vectors.get(text, (-1,))[0] >= level for text, level in texts.items())]
        while len(self._vectors) > _VECTORS:
            self._vectors.popitem(last=False)
        return done

    def _encode(self, texts: list[str], level: int) -> None:
        plain = [write_plain(text) for text in texts]
        if level == CANONICAL:
            rows = [self._loaded.encode([text])[0] for text in plain]
        elif level == SCREENED and self._fast is not None:
            rows = self._fast.encode(plain, screened=True)
        else:
            rows = self._loaded.encode(plain)
        for text, row in zip(texts, rows, strict=True):
            self._vectors[text] = (level, row)

    def _answer(self, search: "ActiveSearch") -> Estimates:
        request = search.request
        pairs: Sequence[Any] = request.figures.keys if isinstance(request, Refine) else request.pairs  # type: ignore[union-attr]
        both = [(self._vectors[a], self._vectors[b]) for a, b in pairs]
        level = np.array([min(a[0], b[0]) for a, b in both], dtype=np.int8)
        value = np.array([float(a[1] @ b[1]) for a, b in both])
        absolute, spread = bound_noise(level, self._fast, FP32_COSINE)
        open_ = level < CANONICAL
        return Estimates(value, absolute * open_, spread * open_, level, find_first_alike(pairs), pairs)
