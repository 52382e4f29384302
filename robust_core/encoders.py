"""Sentence encoders: texts to unit vectors.

The packaged MiniLM runs on our own forward pass, since it is asked in the inner loop of attacks and opens in a
fraction of the time; so do the encoders trained here, which are low-rank weights on it or on an encoder of the
`transformers` library. Any other goes through sentence-transformers.
"""

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core.classifiers import prepare_texts
from robust_core.errors import UnknownName
from robust_core.files import check_path
from robust_core.models import encoder_cards
from robust_core.models.card_files import check_in_wheel
from robust_core.models.device import autocast_bf16, has_fast_bf16, pick_device
from robust_core.models.hub import find_folder
from robust_core.models.screening import make_probes, measure_noise
from robust_core.models.sentence_folders import open_sentence_transformer
from robust_core.protocols import Encoder
from robust_core.types import Noise

if TYPE_CHECKING:
    from robust_core.models.encoder_cards import EncoderCard


class MeanPooled:
    """The packaged all-MiniLM-L6-v2, or an encoder that was trained here: means of last hidden states, of length one.

    Args:
        device: auto, cpu, cuda, mps.
        card: The encoder that was trained here; None for the packaged one.

    Attributes:
        body: Its network, frozen and in eval mode.
        tokens: Its tokenizer.
        card: As given.
    """

    id = "minilm"
    length = 256

    def __init__(self, device: str = "auto", card: "EncoderCard | None" = None) -> None:
        from robust_core.models.base_encoders import load_base_encoder

        self._device, self.card = pick_device(device), card
        given = load_base_encoder("", self.length) if card is None else encoder_cards.load_adapted(card)
        if card is not None:
            self.id, self.length = card.id, given.tokens.length
        self.body = given.body.to(self._device).requires_grad_(False)
        self.tokens = given.tokens
        self._lock = threading.Lock()
        self._noise: Noise | None = None
        self.batch = 512 if self._device.type == "cuda" else 48
        self._budget = 32 * self.batch

    @property
    def screens(self) -> bool:
        """Whether running in bf16 is faster here."""
        return has_fast_bf16(self._device)

    def noise(self) -> Noise:
        """Return how far cosines of screened rows may be from exact ones; measured at first use."""
        if self._noise is None:
            errors = []
            for texts in make_probes():
                exact, low = self.encode(texts), self.encode(texts, screened=True)
                errors.append((low @ low[0] - exact @ exact[0])[1:, None])
            self._noise = measure_noise(errors)
        return self._noise

    def encode(self, texts: Sequence[str], *, screened: bool = False) -> np.ndarray:
        """Return (n, 384) float32 unit rows; an empty text is the encoding of nothing but special tokens.

        Args:
            texts: Texts.
            screened: Run in bf16; see `noise`.
        """
        from robust_core.models.batching import split_batches

        rows = [self.tokens.ids(text) for text in prepare_texts(self, texts)]
        result = np.zeros((len(rows), self.body.width), dtype=np.float32)
        for chosen in split_batches(rows, self._budget):
            result[chosen] = self._run([rows[i] for i in chosen], screened)
        return result

    def _run(self, rows: list[tuple[int, ...]], screened: bool) -> np.ndarray:
        import torch

        from robust_core.models.batching import pad_rows
        from robust_core.models.networks.bert import mean_pool
        from robust_core.models.threads import run_batch

        ids, mask = pad_rows(rows, self.tokens.pad_id, self._device)
        with self._lock, torch.inference_mode(), autocast_bf16(self._device, screened):
            hidden = run_batch(lambda: self.body(self.body.table(ids), mask), self._device, self.body)
            return torch.nn.functional.normalize(mean_pool(hidden, mask).float(), dim=-1).cpu().numpy()


class SentenceTransformerEncoder:
    """Any encoder that sentence-transformers can open.

    Args:
        name: Folder or Hugging Face id.
        device: auto, cpu, cuda, mps.

    Attributes:
        folder: Where its files lie.

    Raises:
        BadInput: The folder is broken, asks for code, or gives no vectors.
        MissingResource: It is not here and cannot be fetched.
    """

    batch = 64

    def __init__(self, name: str, device: str = "auto") -> None:
        self.id = name
        chosen = str(pick_device(device))
        self.folder = find_folder(name, "encoder")
        self._model: Any = open_sentence_transformer(self.folder, chosen)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, d) float32 unit rows."""
        return np.asarray(self._model.encode(prepare_texts(self, texts), batch_size=self.batch,
                                             normalize_embeddings=True, show_progress_bar=False), dtype=np.float32)


_LOADING = threading.Lock()


@functools.lru_cache(maxsize=2)
def _load_minilm(device: str) -> MeanPooled:
    return MeanPooled(device)


@functools.lru_cache(maxsize=8)
def _load_adapted(folder: Path, sha256: str, device: str) -> MeanPooled:
    return MeanPooled(device, encoder_cards.read(folder))


def load_default(device: str = "auto") -> MeanPooled:
    """Return the packaged encoder, loaded once per process and device."""
    with _LOADING:
        return _load_minilm(str(pick_device(device)))


def list_names() -> list[str]:
    """Return the names of the encoders that are here: the packaged one first, then those trained from it."""
    return ["minilm", *(card.id for card in encoder_cards.cards())]


def load(name: str, device: str = "auto") -> Encoder:
    """Load an encoder, one of ours once per process and device.

    Args:
        name: One of `list_names`, a folder with one of ours or one for sentence-transformers, or a Hugging Face id.
        device: auto, cpu, cuda, mps.

    Raises:
        UnknownName: There is no such encoder.
        BadInput: Its files are damaged.
        MissingResource: It cannot be reached.
    """
    folder = check_path(name, "encoder")
    if name == "minilm":
        return load_default(device)
    card = next((card for card in encoder_cards.cards() if card.id == name), None)
    if card is None and (folder / "card.json").is_file():
        card = encoder_cards.read(folder)
    if card is not None:
        with _LOADING:
            return _load_adapted(card.folder.resolve(), card.files["model.safetensors"], str(pick_device(device)))
    check_in_wheel(f"{encoder_cards.FOLDER}/{name}")
    if "/" not in name and not folder.is_dir():
        raise UnknownName("encoder", name, list_names())
    return SentenceTransformerEncoder(name, device)
