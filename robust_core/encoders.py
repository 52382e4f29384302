"""Sentence encoders: texts to unit vectors.

The packaged MiniLM runs on our own forward pass, since it is asked in the inner loop of attacks and opens in a
fraction of the time; any other goes through sentence-transformers.
"""

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core.errors import BadInput, MissingResource
from robust_core.resources import minilm_folder
from robust_core.text import clean
from robust_core.types import Encoder, Noise


class MiniLM:
    """all-MiniLM-L6-v2: mean of the last hidden states over real tokens, scaled to length one.

    Args:
        device: auto, cpu, cuda, mps.
    """

    id = "minilm"
    length = 256

    def __init__(self, device: str = "auto") -> None:
        from robust_core.models.bert import Bert
        from robust_core.models.checkpoint import pick_device, subwords

        folder = minilm_folder()
        self._device = pick_device(device)
        self._body = Bert.from_folder(folder).to(self._device).requires_grad_(False)
        self._tokens = subwords(folder, self.length)
        self._lock = threading.Lock()
        self._noise: Noise | None = None
        self.batch = 512 if self._device.type == "cuda" else 48
        self._budget = 32 * self.batch

    @property
    def screens(self) -> bool:
        """Whether running in bf16 is faster here."""
        from robust_core.models.precision import fast_bf16

        return fast_bf16(self._device)

    def noise(self) -> Noise:
        """Return how far cosines of screened rows may be from exact ones; measured at first use."""
        from robust_core.models.precision import noise_of, probes

        if self._noise is None:
            errors = []
            for texts in probes():
                exact, low = self.encode(texts), self.encode(texts, screened=True)
                errors.append((low @ low[0] - exact @ exact[0])[1:, None])
            self._noise = noise_of(errors)
        return self._noise

    def encode(self, texts: Sequence[str], *, screened: bool = False) -> np.ndarray:
        """Return (n, 384) float32 unit rows; an empty text is the encoding of nothing but special tokens.

        Args:
            texts: Texts.
            screened: Run in bf16; see `noise`.
        """
        from robust_core.models.rows import batches

        rows = [self._tokens.ids(clean(text)) for text in texts]
        result = np.zeros((len(rows), self._body.config["hidden_size"]), dtype=np.float32)
        for chosen in batches(rows, self._budget):
            result[chosen] = self._run([rows[i] for i in chosen], screened)
        return result

    def _run(self, rows: list[tuple[int, ...]], screened: bool) -> np.ndarray:
        import torch

        from robust_core.models import precision
        from robust_core.models.bert import mean_pool
        from robust_core.models.rows import padded

        ids, mask = padded(rows, self._tokens.pad_id, self._device)
        with self._lock, torch.inference_mode(), precision.low(self._device, screened):
            hidden = self._body(self._body.embeddings.word_embeddings(ids), mask)
            return torch.nn.functional.normalize(mean_pool(hidden, mask).float(), dim=-1).cpu().numpy()


class SentenceTransformerEncoder:
    """Any encoder that sentence-transformers can open.

    Args:
        name: Folder or Hugging Face id.
        device: auto, cpu, cuda, mps.
    """

    batch = 64

    def __init__(self, name: str, device: str = "auto") -> None:
        from sentence_transformers import SentenceTransformer

        from robust_core.models.checkpoint import pick_device

        self.id = name
        try:
            self._model: Any = SentenceTransformer(name, device=str(pick_device(device)), trust_remote_code=False,
                                                   model_kwargs={"use_safetensors": True})
        except (OSError, ValueError) as error:
            if Path(name).is_dir():
                why = str(error).splitlines()[0]
                raise BadInput(f"{Path(name).name} cannot be read as an encoder: {why}") from None
            raise MissingResource(f"The encoder {name}", "Give a folder that holds it.") from None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, d) float32 unit rows."""
        return np.asarray(self._model.encode([clean(text) for text in texts], batch_size=self.batch,
                                             normalize_embeddings=True, show_progress_bar=False), dtype=np.float32)


_LOADING = threading.Lock()


@functools.lru_cache(maxsize=2)
def _minilm(device: str) -> MiniLM:
    return MiniLM(device)


def default(device: str = "auto") -> MiniLM:
    """Return the packaged encoder, loaded once per process and device."""
    from robust_core.models.checkpoint import pick_device

    with _LOADING:
        return _minilm(str(pick_device(device)))


def load(name: str, device: str = "auto") -> Encoder:
    """Load an encoder: `minilm`, a folder, or a Hugging Face id."""
    return default(device) if name == "minilm" else SentenceTransformerEncoder(name, device)
