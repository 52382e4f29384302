"""The training of the masked language model: first weights, steps, the state on disk, and how well it guesses."""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (its name everywhere)
from torch.nn.attention import SDPBackend, sdpa_kernel

from robust_core.models.batching import split_batches
from robust_core.models.device import autocast_bf16, has_fast_bf16
from robust_core.models.networks.bert import Bert
from robust_core.models.networks.mlm_head import MaskedNetwork
from robust_core.models.optimiser import Optimiser, compute_rate
from robust_core.train.masked_lm_texts import Vocabulary
from robust_core.train.masking import hide_pieces
from robust_core.train.saving import read_state, write_state

LORA_SCALE = 2.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """How long and how fast to train; part of the card.

    Args:
        steps: Steps of the optimiser.
        tokens: Pieces in a batch, pads included.
        length: Longest row in pieces, special ones included.
        rank: Rank of the low-rank weights.
        head_rate: Largest learning rate of the head.
        low_rank_rate: Largest learning rate of the low-rank weights.
        share: Share of the pieces to guess; of these 80 % are masked, 10 % replaced, 10 % left (Devlin et al. 2019).
        warmup: Share of the steps in which the rates rise; afterwards they fall to zero.
        seed: Seeds order, masks and initial weights.
    """

    steps: int = 3000
    tokens: int = 1024
    length: int = 48
    rank: int = 32
    head_rate: float = 1e-3
    low_rank_rate: float = 1e-3
    share: float = 0.15
    warmup: float = 0.05
    seed: int = 0


def draw_order(rows: Sequence[Sequence[int]], settings: Settings) -> Iterator[list[tuple[int, ...]]]:
    """Yield batches without end: each epoch in an order of its own, rows of like length together."""
    for epoch in itertools.count():
        rng = np.random.default_rng([settings.seed, epoch])
        order, groups = rng.permutation(len(rows)), []
        for start in range(0, len(order), 2048):
            pool = [tuple(rows[i]) for i in order[start: start + 2048]]
            groups += [[pool[i] for i in group] for group in split_batches(pool, settings.tokens)]
        yield from (groups[i] for i in rng.permutation(len(groups)))


def start_network(folder: Path, settings: Settings, counts: np.ndarray) -> MaskedNetwork:
    """Return the encoder, frozen, with new low-rank weights and a head that knows how frequent each piece is."""
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(settings.seed)
    network = MaskedNetwork(Bert.from_folder(folder).requires_grad_(False))
    inject_adapter_in_model(LoraConfig(r=settings.rank, lora_alpha=int(LORA_SCALE * settings.rank),
                                       target_modules=r"body\..*(query|key|value|dense)"), network)
    with torch.no_grad():
        network.head.bias.copy_(torch.from_numpy(np.log((counts + 1) / (counts + 1).sum())))
    for name, weight in network.named_parameters():
        weight.requires_grad_("lora_" in name or name.startswith("head."))
    # The encoder's dropout stays off: one pass over the texts cannot be learnt by heart.
    return network.eval()


class Training:
    """The loop, and its state on disk.

    Args:
        network: What learns.
        settings: How.
        work: Folder of the state.
    """

    def __init__(self, network: MaskedNetwork, settings: Settings, work: Path) -> None:
        self.network, self._settings, self._work = network, settings, work
        self._learnt = {name: p for name, p in network.named_parameters() if p.requires_grad}
        heads = [p for name, p in self._learnt.items() if name.startswith("head.")]
        low = [p for name, p in self._learnt.items() if not name.startswith("head.")]
        self._optimiser = Optimiser([low, heads], [settings.low_rank_rate, settings.head_rate], weight_decay=0.01,
                                    clip=1.0, clip_together=True)
        self._device = torch.device("cpu")
        self._mixed = has_fast_bf16(self._device)
        self.step, self.seconds = 0, 0.0
        self._resume()

    def learn(self, rows: Sequence[Sequence[int]], words: Vocabulary) -> float:
        """Make one step and return the loss."""
        started = time.perf_counter()
        settings = self._settings
        batch = hide_pieces(rows, words, settings.share, np.random.default_rng([settings.seed, 1, self.step]))
        # On short rows the plain kernel is faster backwards than the fused one.
        with sdpa_kernel(SDPBackend.MATH), autocast_bf16(self._device, self._mixed):
            scores = self.network(batch.ids, batch.mask, batch.places)
        loss = F.cross_entropy(scores.float(), batch.truth)
        self._optimiser.set_rate(compute_rate(self.step, settings.steps, settings.warmup))
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self.step += 1
        self.seconds += time.perf_counter() - started
        return float(loss.detach())

    def save(self) -> None:
        """Write weights, moments and step, complete or not at all."""
        write_state(self._work, {"settings": dataclasses.asdict(self._settings), "step": self.step,
                                 "seconds": self.seconds, "weights": self._learnt,
                                 "optimiser": self._optimiser.state()})

    def _resume(self) -> None:
        state = read_state(self._work)
        if state is None:
            return
        if state["settings"] != dataclasses.asdict(self._settings):
            raise SystemExit(f"{self._work} holds a training with other settings: {state['settings']}")
        self.step, self.seconds = state["step"], state["seconds"]
        with torch.no_grad():
            for name, p in self._learnt.items():
                p.copy_(state["weights"][name])
        self._optimiser.load(state["optimiser"])

    def weights(self) -> dict[str, torch.Tensor]:
        """Return what is stored of the network, in fp16."""
        return {name.replace(".default.weight", ""): p.detach().half().contiguous()
                for name, p in self._learnt.items()}


def measure(network: MaskedNetwork, texts: dict[str, list[str]], words: Vocabulary, settings: Settings,
            most: int) -> dict[str, dict[str, float]]:
    """Return how well a network guesses on texts that it never saw, by source and over all.

    Args:
        network: The network.
        texts: Held-out texts by source.
        words: The tokenizer.
        settings: Length of rows and share of places to guess.
        most: Rows of each source.

    Returns:
        For each source guesses, top1 and top10 (shares) and perplexity (exp of the mean loss), all with the mask at
        every place to guess.
    """
    figures, sums = {}, np.zeros(4)
    for name, found in texts.items():
        rng = np.random.default_rng([settings.seed, 2])
        rows = words.rows(found, settings.length)
        rows = [rows[i] for i in sorted(rng.permutation(len(rows))[:most])]
        own = np.zeros(4)
        for group in split_batches(rows, 2048):
            batch = hide_pieces([rows[i] for i in group], words, settings.share, rng, always=True)
            with torch.inference_mode():
                scores = network(batch.ids, batch.mask, batch.places).float()
            own += _count_guesses(scores, batch.truth)
        figures[name] = _make_shares(own)
        sums += own
    return figures | {"all": _make_shares(sums)}


def _count_guesses(scores: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
    own = scores.gather(1, truth[:, None])
    place = (scores > own).sum(1)
    return np.array([len(truth), int((place < 1).sum()), int((place < 10).sum()),
                     float(F.cross_entropy(scores, truth, reduction="sum"))])


def _make_shares(counts: np.ndarray) -> dict[str, float]:
    n, first, ten, loss = counts
    return {"guesses": int(n), "top1": round(float(first / n), 4), "top10": round(float(ten / n), 4),
            "perplexity": round(float(np.exp(loss / n)), 2)}
