"""Teach the packaged encoder to guess masked words: `python -m robust_core.train.masked_lm --work DIR --out DIR`.

Low-rank weights on the frozen encoder and a small head are learnt from the training texts of the public data sets.
A killed run goes on where it was: batches, masks and the optimiser are those of a run that was never stopped.
"""

import argparse
import dataclasses
import gzip
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch.nn import functional as F  # noqa: N812 (its name everywhere)
from torch.nn.attention import SDPBackend, sdpa_kernel

from robust_core import __version__, datasets, paths
from robust_core.models import fingerprints
from robust_core.models.batching import pad_rows, split_batches
from robust_core.models.device import has_fast_bf16
from robust_core.models.networks.bert import Bert
from robust_core.models.networks.mlm_head import MaskedNetwork
from robust_core.paths import sha256
from robust_core.resources import minilm_folder
from robust_core.text import clean

SETS = ("sst2", "imdb", "yelp_polarity", "ag_news", "trec")
HELD_BACK = 1000
# A last piece of a long text that is shorter than this says little.
_SHORTEST = 8
_LORA_SCALE = 2.0


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


class Vocabulary(NamedTuple):
    """The encoder's tokenizer and the ids that training needs."""

    tokenizer: Tokenizer
    size: int
    pad: int
    start: int
    end: int
    mask: int

    @classmethod
    def read(cls, folder: Path) -> "Vocabulary":
        """Read the tokenizer of an encoder's folder."""
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        return cls(tokenizer, tokenizer.get_vocab_size(),
                   *(tokenizer.token_to_id(name) for name in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")))

    def rows(self, texts: Sequence[str], length: int) -> list[tuple[int, ...]]:
        """Cut texts into rows of at most `length` pieces that begin and end with whole words."""
        room, rows = length - 2, []
        for coded in self.tokenizer.encode_batch(list(texts), add_special_tokens=False):
            begin = 0
            while begin < len(coded.ids):
                stop = min(begin + room, len(coded.ids))
                while begin + 1 < stop < len(coded.ids) and coded.word_ids[stop] == coded.word_ids[stop - 1]:
                    stop -= 1
                if begin == 0 or stop - begin >= _SHORTEST:
                    rows.append((self.start, *coded.ids[begin:stop], self.end))
                begin = stop
        return rows


def read_training_texts(folder: Path) -> dict[str, list[str]]:
    """Return the texts to learn from, by source; none that stands in a dev or test split as well."""
    held = {e.text for name in SETS for split in ("dev", "test") for e in datasets.load(name, split, folder)}
    texts = {name: [e.text for e in datasets.load(name, "train", folder) if e.text not in held] for name in SETS}
    return texts | {"wiki_sentences": read_wiki_sentences(folder)[:-HELD_BACK]}


def read_held_out_texts(folder: Path) -> dict[str, list[str]]:
    """Return texts that training never sees, by source."""
    texts = {name: [e.text for e in datasets.load(name, "dev", folder)] for name in SETS}
    return texts | {"wiki_sentences": read_wiki_sentences(folder)[-HELD_BACK:]}


def read_wiki_sentences(folder: Path) -> list[str]:
    """Return the sentences of `text/wiki_sentences.tsv.gz`, each once, cleaned."""
    with gzip.open(folder / "text" / "wiki_sentences.tsv.gz", "rt", encoding="utf-8") as file:
        return list(dict.fromkeys(text for line in itertools.islice(file, 1, None) if (text := clean(line))))


def draw_order(rows: Sequence[Sequence[int]], settings: Settings) -> Iterator[list[tuple[int, ...]]]:
    """Yield batches without end: each epoch in an order of its own, rows of like length together."""
    for epoch in itertools.count():
        rng = np.random.default_rng([settings.seed, epoch])
        order, groups = rng.permutation(len(rows)), []
        for start in range(0, len(order), 2048):
            pool = [tuple(rows[i]) for i in order[start: start + 2048]]
            groups += [[pool[i] for i in group] for group in split_batches(pool, settings.tokens)]
        yield from (groups[i] for i in rng.permutation(len(groups)))


class Masked(NamedTuple):
    """A batch to guess: (n, t) ids as shown, bool mask of real pieces, bool places to guess, (m,) true ids."""

    ids: torch.Tensor
    mask: torch.Tensor
    wanted: torch.Tensor
    truth: torch.Tensor


def hide_pieces(rows: Sequence[Sequence[int]], words: Vocabulary, share: float, rng: np.random.Generator, *,
                always: bool = False) -> Masked:
    """Choose places to guess, at least one a batch, and hide what stands there.

    Args:
        rows: Piece ids with special ones at both ends.
        words: The tokenizer.
        share: Share of the places.
        rng: Chooses.
        always: Put the mask at every place, as when a model is measured, instead of the 80/10/10 rule.
    """
    ids, mask = pad_rows(rows, words.pad, torch.device("cpu"))
    shown, inner = ids.numpy().copy(), mask.numpy().copy()
    inner &= ~np.isin(shown, (words.start, words.end))
    wanted = inner & (rng.random(shown.shape) < share)
    if not wanted.any():
        wanted[tuple(np.argwhere(inner)[rng.integers(inner.sum())])] = True
    how = rng.random(shown.shape)
    shown[wanted & ((how < 0.8) | always)] = words.mask
    swapped = wanted & (how >= 0.9) & (not always)
    shown[swapped] = rng.integers(0, words.size, swapped.sum())
    places = torch.from_numpy(wanted)
    return Masked(torch.from_numpy(shown), mask, places, ids[places])


# --- Training ------------------------------------------------------------------------------------


def start_network(folder: Path, settings: Settings, counts: np.ndarray) -> MaskedNetwork:
    """Return the encoder, frozen, with new low-rank weights and a head that knows how frequent each piece is."""
    from peft import LoraConfig, inject_adapter_in_model

    torch.manual_seed(settings.seed)
    network = MaskedNetwork(Bert.from_folder(folder).requires_grad_(False))
    inject_adapter_in_model(LoraConfig(r=settings.rank, lora_alpha=int(_LORA_SCALE * settings.rank),
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
        self.network, self._settings, self._file = network, settings, work / "state.safetensors"
        self._learnt = {name: p for name, p in network.named_parameters() if p.requires_grad}
        heads = [p for name, p in self._learnt.items() if name.startswith("head.")]
        low = [p for name, p in self._learnt.items() if not name.startswith("head.")]
        self._optimiser = torch.optim.AdamW([{"params": heads, "lr": settings.head_rate},
                                             {"params": low, "lr": settings.low_rank_rate}], weight_decay=0.01)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._rate)
        self._mixed = has_fast_bf16(torch.device("cpu"))
        self.step, self.seconds = 0, 0.0
        if self._file.is_file():
            self._resume()

    def _rate(self, step: int) -> float:
        rising = self._settings.warmup * self._settings.steps
        return min((step + 1) / (rising + 1), max(0.0, (self._settings.steps - step) / (self._settings.steps - rising)))

    def learn(self, rows: Sequence[Sequence[int]], words: Vocabulary) -> float:
        """Make one step and return the loss."""
        started = time.perf_counter()
        batch = hide_pieces(
            rows, words, self._settings.share, np.random.default_rng([self._settings.seed, 1, self.step])
        )
        # On short rows the plain kernel is faster backwards than the fused one.
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._mixed):
            scores = self.network(batch.ids, batch.mask, batch.wanted)
        loss = F.cross_entropy(scores.float(), batch.truth)
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self._learnt.values()), 1.0)
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        self.seconds += time.perf_counter() - started
        return float(loss.detach())

    def save(self) -> None:
        """Write weights, moments and step, complete or not at all."""
        tensors = {f"weight.{name}": p.detach() for name, p in self._learnt.items()}
        for name, p in self._learnt.items():
            tensors |= {f"{key}.{name}": self._optimiser.state[p][key] for key in ("exp_avg", "exp_avg_sq")}
        notes = {"step": self.step, "seconds": self.seconds, "settings": dataclasses.asdict(self._settings)}
        fresh = self._file.with_suffix(".new")
        save_file(tensors, fresh, metadata={"notes": json.dumps(notes)})
        os.replace(fresh, self._file)

    def _resume(self) -> None:
        with safe_open(self._file, "pt") as file:
            notes = json.loads(file.metadata()["notes"])
            if notes["settings"] != dataclasses.asdict(self._settings):
                raise SystemExit(f"{self._file.parent} holds a training with other settings: {notes['settings']}")
            self.step, self.seconds = notes["step"], notes["seconds"]
            with torch.no_grad():
                for name, p in self._learnt.items():
                    p.copy_(file.get_tensor(f"weight.{name}"))
                    self._optimiser.state[p] = {
                        "step": torch.tensor(float(self.step)),
                        **{key: file.get_tensor(f"{key}.{name}") for key in ("exp_avg", "exp_avg_sq")}}
        self._schedule.last_epoch = self.step
        for group, base in zip(self._optimiser.param_groups, self._schedule.base_lrs, strict=True):
            group["lr"] = base * self._rate(self.step)

    def weights(self) -> dict[str, torch.Tensor]:
        """Return what is stored of the network, in fp16."""
        return {name.replace(".default.weight", ""): p.detach().half().contiguous()
                for name, p in self._learnt.items()}


# --- Measuring -----------------------------------------------------------------------------------


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
                scores = network(batch.ids, batch.mask, batch.wanted).float()
            own += _count_pieces(scores, batch.truth)
        figures[name] = _make_shares(own)
        sums += own
    return figures | {"all": _make_shares(sums)}


def _count_pieces(scores: torch.Tensor, truth: torch.Tensor) -> np.ndarray:
    own = scores.gather(1, truth[:, None])
    place = (scores > own).sum(1)
    return np.array([len(truth), int((place < 1).sum()), int((place < 10).sum()),
                     float(F.cross_entropy(scores, truth, reduction="sum"))])


def _make_shares(counts: np.ndarray) -> dict[str, float]:
    n, first, ten, loss = counts
    return {"guesses": int(n), "top1": round(float(first / n), 4), "top10": round(float(ten / n), 4),
            "perplexity": round(float(np.exp(loss / n)), 2)}


# --- Command line --------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Train, printing one JSON object an event, and write the model with its card."""
    parser = argparse.ArgumentParser(prog="python -m robust_core.train.masked_lm", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of public texts")
    parser.add_argument("--work", type=Path, required=True, help="folder of the state, to go on from")
    parser.add_argument("--out", type=Path, default=paths.CHECKPOINTS / "masked" / "minilm", help="folder to write")
    parser.add_argument("--every", type=int, default=100, help="steps between states and lines")
    parser.add_argument("--measured", type=int, default=300, help="held-out rows of each source to measure on")
    parser.add_argument("--now", action="store_true", help="write the model as it is, without further steps")
    for field in dataclasses.fields(Settings):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    options = parser.parse_args(arguments)
    settings = Settings(**{f.name: getattr(options, f.name) for f in dataclasses.fields(Settings)})
    options.work.mkdir(parents=True, exist_ok=True)
    folder = minilm_folder()
    words, texts = Vocabulary.read(folder), read_training_texts(options.data)
    rows = words.rows([text for found in texts.values() for text in found], settings.length)
    counts = np.bincount(np.concatenate([row[1:-1] for row in rows]), minlength=words.size)
    training = Training(start_network(folder, settings, counts), settings, options.work)
    _say("ready", rows=len(rows), pieces=int(counts.sum()), step=training.step)
    if not options.now:
        _train(training, rows, words, settings, options.every)
    _say("measuring", step=training.step)
    held = read_held_out_texts(options.data)
    networks = {"before": start_network(folder, settings, counts), "after": training.network}
    figures = {name: measure(network, held, words, settings, options.measured) for name, network in networks.items()}
    _say("measured", **figures)
    _write(options.out, training, settings, texts, figures)
    return 0


def _train(training: Training, rows: list[tuple[int, ...]], words: Vocabulary, settings: Settings, every: int) -> None:
    losses = []
    for batch in itertools.islice(draw_order(rows, settings), training.step, settings.steps):
        losses.append(training.learn(batch, words))
        if training.step % every == 0 or training.step == settings.steps:
            training.save()
            _say("step", step=training.step, steps=settings.steps, loss=round(float(np.mean(losses)), 4),
                 seconds=round(training.seconds), eta=round(
                     training.seconds / training.step * (settings.steps - training.step)))
            losses.clear()


def _say(kind: str, **values: Any) -> None:  # noqa: ANN401 (plain values)
    print(json.dumps({"kind": kind} | values), flush=True)


def _write(out: Path, training: Training, settings: Settings, texts: dict[str, list[str]],
           held_out: dict[str, Any]) -> None:
    """Write model.safetensors and card.json."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(training.weights(), out / "model.safetensors", metadata={"format": "pt"})
    data = {name: {"texts": len(found), "sha256": hashlib.sha256("\n".join(found).encode()).hexdigest()}
            for name, found in texts.items()}
    file = out / "model.safetensors"
    card = {"id": "minilm", "config": {"length": settings.length, "lora_scale": _LORA_SCALE},
            "settings": dataclasses.asdict(settings), "steps_done": training.step,
            "seconds": round(training.seconds, 1), "held_out": held_out, "data": data,
            "files": {file.name: sha256(file)}, "bytes": file.stat().st_size,
            "parent": fingerprints.hash_encoder(), "version": __version__}
    (out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
