"""Masked language models: likely words for a blank, and how fluent a text is.

The packaged one is MiniLM with low-rank weights and a head learnt by `build_masked`; any other is read by its Hugging
Face id or folder.
"""

import functools
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from robust_core.errors import BadInput, list_names
from robust_core.file_hashes import mark_read
from robust_core.files import short_name
from robust_core.models import fingerprints, hub, lora
from robust_core.models.batching import pad_rows, split_batches
from robust_core.models.card_files import check_file_names, check_low_rank, check_sha256, check_types, read_json_card
from robust_core.models.device import pick_device
from robust_core.models.library_check import check_masked_model
from robust_core.models.networks.bert import Bert
from robust_core.models.networks.encoder_body import LibraryObject
from robust_core.models.networks.mlm_head import MaskedNetwork
from robust_core.models.threads import run_batch
from robust_core.models.tokens import Subwords, read_subwords
from robust_core.models.weight_files import load_weights
from robust_core.resources import masked_model_folder, minilm_folder
from robust_core.text import match_case
from robust_core.types import Blank

# A single letter is a word in two cases only.
_WORD = re.compile(r"[A-Za-z]*[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*(?:['-][A-Za-z0-9]+)*")
_LETTERS = frozenset("aiAI")
# Pieces in a batch, pads included: about 0.2 s on two cores.
_BUDGET, _GPU_BUDGET = 1024, 32_768


class Words(NamedTuple):
    """The pieces of a vocabulary that are whole words.

    Attributes:
        ids: (m,) piece ids, in rising order.
        words: m words.
    """

    ids: torch.Tensor
    words: tuple[str, ...]

    @classmethod
    def of(cls, vocabulary: Mapping[str, int]) -> "Words":
        """Pick the whole words of a vocabulary of word pieces, byte pairs or sentence pieces."""
        signs = {piece[0] for piece in vocabulary if piece}
        begins = next((sign for sign in ("\u0120", "\u2581") if sign in signs), "")
        found = {i: piece.removeprefix(begins) for piece, i in vocabulary.items() if piece.startswith(begins)}
        whole = {i: word for i, word in found.items() if _WORD.fullmatch(word) and (len(word) > 1 or word in _LETTERS)}
        return cls(torch.tensor(sorted(whole)), tuple(whole[i] for i in sorted(whole)))


class HuggingFaceMasked(nn.Module):
    """Any masked language model of the `transformers` library, asked like `MaskedNetwork`.

    Args:
        model: A model made by AutoModelForMaskedLM.
    """

    def __init__(self, model: LibraryObject) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Return the (m, vocabulary) scores of the pieces at m places."""
        return self.model(input_ids=ids, attention_mask=mask.long()).logits[wanted]


class MaskedModel:
    """A masked language model; any number of threads may use it, since each batch holds the lock.

    Args:
        id: Name.
        network: Called with (n, t) ids, mask and the places to guess.
        tokens: Its tokenizer.
        mask_id: The piece that stands for a blank.
        words: Its whole words.
        device: Where it runs.
    """

    def __init__(self, id: str, network: nn.Module, tokens: Subwords, mask_id: int, words: Words,
                 device: torch.device) -> None:
        self.id, self._tokens, self._mask, self._device = id, tokens, mask_id, device
        self._network = network.to(device).eval().requires_grad_(False)
        self._ids, self._words = words.ids.to(device), words.words
        self._lock = threading.Lock()
        self._budget = _GPU_BUDGET if device.type == "cuda" else _BUDGET
        self.batch = self._budget // 32

    def fill(self, blanks: Sequence[Blank], most: int) -> list[list[tuple[str, float]]]:
        """Return likely words for blanks.

        Args:
            blanks: Texts that lack one word. The model reads as much on both sides as its length allows.
            most: Words wanted for each.

        Returns:
            For each blank at most `most` whole words with their log-probabilities, likeliest first, in the capitals of
            the word that stood there; of words that differ in capitals only the likelier one. A blank that names the
            words to choose from gets these: of several pieces each stands for itself, given the text around them.
        """
        result: list[list[tuple[str, float]]] = [[] for _ in blanks]
        open_ = [i for i, blank in enumerate(blanks) if not blank.among]
        # Words that become one by their capitals leave room for others.
        k = min(most + 16, len(self._words))
        for at, values, places in self._guess([self._row(blanks[i]) for i in open_], k):
            found: dict[str, float] = {}
            like = blanks[open_[at]].like
            for value, place in zip(values.tolist(), places.tolist(), strict=True):
                word = self._words[place]
                found.setdefault(match_case(word, like) if like else word, value)
            result[open_[at]] = list(found.items())[:most]
        for i, rated in self._rate({i: blank for i, blank in enumerate(blanks) if blank.among}).items():
            result[i] = sorted(rated.items(), key=lambda item: (-item[1], item[0]))[:most]
        return result

    def likeliest(self, ids: torch.Tensor, mask: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the piece that fits best at each of some places; memory running out is the caller's business.

        Args:
            ids: (n, t) piece ids, with the mask at what is hidden.
            mask: (n, t) bool, True at real pieces.
            places: (n, t) bool with m places set.

        Returns:
            (m,) piece ids; a guess may be any piece, special ones too.
        """
        with self._lock, torch.no_grad():
            return self._network(ids, mask, places).argmax(-1)

    def vocabulary(self) -> dict[str, int]:
        """Return the ids of all its pieces."""
        return self._tokens.vocabulary()

    @property
    def mask_id(self) -> int:
        """The piece that stands for a blank."""
        return self._mask

    def _rate(self, blanks: Mapping[int, Blank]) -> dict[int, dict[str, float]]:
        """Return the log-probability of each word that a blank names: one row for each number of pieces."""
        rows, asked = [], []
        for i, blank in blanks.items():
            pieces = {word: self._tokens.unit_ids(" " + word) for word in blank.among}
            for size in sorted({len(ids) for ids in pieces.values()}):
                rows.append(self._row(blank, size))
                asked.append((i, {word: ids for word, ids in pieces.items() if len(ids) == size}))
        found: dict[int, dict[str, float]] = {i: {} for i in blanks}
        for group in split_batches(rows, self._budget):
            scores = self._run([rows[k] for k in group]).log_softmax(-1)
            place = 0
            for k in group:
                i, words = asked[k]
                size = len(next(iter(words.values())))
                ids = torch.tensor(list(words.values()), device=self._device)
                sums = scores[torch.arange(place, place + size, device=self._device), ids].sum(-1)
                found[i] |= dict(zip(words, sums.tolist(), strict=True))
                place += size
        return found

    def _guess(self, rows: Sequence[tuple[int, ...]], k: int) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """Yield for each row its position, its k highest log-probabilities of whole words, and which words."""
        for group in split_batches(rows, self._budget):
            scores = self._run([rows[i] for i in group])
            values, places = scores.log_softmax(-1)[:, self._ids].topk(k)
            yield from zip(group, values.cpu(), places.cpu(), strict=True)

    def pseudo_perplexity(self, texts: Sequence[str], *, most: int | None = None,
                          go_on: Callable[[], bool] = lambda: True) -> np.ndarray:
        """Return how surprising texts are: exp of minus the mean log-probability of each piece, given all others.

        Args:
            texts: n texts. Each piece of each takes a pass of its own.
            most: Most pieces of a text; a longer one is not read. None: no limit.
            go_on: Asked before each batch of passes; once it says no, nothing more is read.

        Returns:
            (n,) float64, at least 1; lower is more fluent; NaN for a text without pieces, and for one that was not
            read to its end: a sample of its pieces would mostly miss the few words in which two texts differ.

        Source: Salazar et al. 2020, arXiv:1910.14659.
        """
        rows, truths, owner = [], [], []
        for i, text in enumerate(texts):
            ids = self._tokens.unit_ids(text)
            if most is not None and len(ids) > most:
                continue
            for at, piece in enumerate(ids):
                rows.append(self._window(ids[:at], ids[at + 1:]))
                truths.append(piece)
                owner.append(i)
        own = np.full(len(rows), np.nan)
        for group in split_batches(rows, self._budget):
            if not go_on():
                break
            scores = self._run([rows[i] for i in group]).log_softmax(-1)
            truth = torch.tensor([truths[i] for i in group], device=self._device)
            own[group] = scores.gather(1, truth[:, None])[:, 0].double().cpu().numpy()
        sums = np.bincount(owner, weights=own, minlength=len(texts)) if rows else np.zeros(len(texts))
        counts = np.bincount(owner, minlength=len(texts)) if rows else np.zeros(len(texts))
        return np.array([np.exp(-s / n) if n else np.nan for s, n in zip(sums, counts, strict=True)])

    def count_pieces(self, text: str) -> int:
        """Return the number of pieces of a text, which is that of the passes that `pseudo_perplexity` takes."""
        return len(self._tokens.unit_ids(text))

    def _row(self, blank: Blank, size: int = 1) -> tuple[int, ...]:
        return self._window(self._tokens.unit_ids(blank.before.rstrip()), self._tokens.unit_ids(blank.after), size)

    def _window(self, before: tuple[int, ...], after: tuple[int, ...], size: int = 1) -> tuple[int, ...]:
        """Return the input around a blank: half of the room on each side, and what one side leaves to the other."""
        prefix, suffix = self._tokens.prefix, self._tokens.suffix
        room = max(self._tokens.length - len(prefix) - len(suffix) - size, 0)
        left = min(len(before), max(room // 2, room - len(after)))
        return (*prefix, *before[len(before) - left:], *[self._mask] * size, *after[: room - left], *suffix)

    def _run(self, rows: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """Return (m, vocabulary) float32 scores of the m blanks of all rows; memory running out halves the batch."""
        try:
            with self._lock, torch.inference_mode():
                ids, mask = pad_rows(rows, self._tokens.pad_id, self._device)
                return run_batch(lambda: self._network(ids, mask, ids == self._mask).float(), self._device,
                                 self._network)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise
            half = len(rows) // 2
            return torch.cat([self._run(rows[:half]), self._run(rows[half:])])


_LOADING = threading.Lock()


def load(name: str = "minilm", device: str = "auto") -> MaskedModel:
    """Return a masked language model, loaded once per process and device.

    Args:
        name: `minilm`, a folder, or a Hugging Face id.
        device: auto, cpu, cuda, mps.

    Raises:
        MissingResource: Its weights are not here and cannot be fetched.
        BadInput: They are damaged, or the folder holds no masked language model.
    """
    with _LOADING:
        return _load(name, str(pick_device(device)))


@functools.lru_cache(maxsize=2)
def _load(name: str, device: str) -> MaskedModel:
    where = pick_device(device)
    return _load_packaged(where) if name == "minilm" else _load_hugging_face(name, where)


def _load_packaged(device: torch.device) -> MaskedModel:
    folder, encoder = masked_model_folder(), minilm_folder()
    card = read_packaged_card()
    check_sha256(folder, card["files"], lambda name, problem: (
        f"The masked language model's {name} {problem}; restore it."))
    for name in ("card.json", "model.safetensors"):
        mark_read(folder / name)
    if fingerprints.hash_encoder() != card["parent"]:
        raise BadInput("The masked language model adapts another encoder than the one in use; unset ROBUST_ENCODER.")
    state = {name: value.float() for name, value in load_weights(folder / "model.safetensors").items()}
    network = MaskedNetwork(Bert.from_folder(encoder))
    head = [name for name in network.state_dict() if name.startswith("head.")]
    try:
        lora.merge_state(network, state, card["config"], head)
    except (KeyError, RuntimeError) as error:
        raise BadInput(f"The masked language model cannot be read: {error}.") from None
    tokens = read_subwords(encoder, card["config"]["length"])
    pieces = tokens.vocabulary()
    return MaskedModel("minilm", network, tokens, pieces["[MASK]"], Words.of(pieces), device)


def read_packaged_card() -> dict[str, Any]:
    """Return the card of the packaged masked language model.

    Raises:
        MissingResource: The model is not there.
        BadInput: Its card is damaged.
    """
    def make(values: dict[str, Any]) -> dict[str, Any]:
        check_types(values, {"files": Mapping[str, str], "parent": str, "config": Mapping[str, Any]})
        check_file_names(values["files"])
        check_low_rank(values["config"])
        return values

    return read_json_card(masked_model_folder(), make,
                          "The card of the masked language model is damaged; restore card.json.")


def _load_hugging_face(name: str, device: torch.device) -> MaskedModel:
    found = hub.open_model(name, "AutoModelForMaskedLM", "masked language model", 128)
    if found.tokenizer.mask_token_id is None:
        raise BadInput(f"{short_name(Path(name))} has no mask.")
    if found.missing:
        lacking = list_names(sorted(found.missing), 80)
        raise BadInput(f"{short_name(Path(name))} is no masked language model: it has no weights for {lacking}.")
    network = HuggingFaceMasked(found.model.eval())
    check_masked_model(network, found.tokens, found.tokenizer.mask_token_id, short_name(Path(name)))
    return MaskedModel(name, network, found.tokens, found.tokenizer.mask_token_id,
                       Words.of(found.tokenizer.get_vocab()), device)
