"""The training of a sentence encoder: corpus, first weights, selection on STS-B dev, and what there is to store."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from robust_core import __version__
from robust_core.encoder_evaluation import similarity
from robust_core.encoder_training import corpus
from robust_core.encoder_training.base import Schedule
from robust_core.encoder_training.simcse import SimCSE
from robust_core.errors import BadInput
from robust_core.models import encoder_cards
from robust_core.models.device import has_fast_bf16, pick_device
from robust_core.registry import to_record

_LORA_SCALE = 2.0
# Longest input of a finished encoder in pieces, as all-MiniLM-L6-v2 has it.
_LONGEST = 256


def train(method: SimCSE, schedule: Schedule, *, sentences: int | None = None, seed: int = 0, device: str = "auto",
          data_dir: str | None = None, name: str = "", start: str = "") -> Iterator[dict[str, Any]]:
    """Train an encoder and keep the weights that do best on STS-B dev.

    Args:
        method: Member of METHODS.
        schedule: How long and how fast.
        sentences: Sentences to learn from, 0 for all; by default 6,000 on a CPU and all on a GPU.
        seed: Seeds order, dropout, masks and first weights; the sentences are the same for every seed.
        device: auto, cpu, cuda, mps.
        data_dir: Folder of data sets.
        name: Name of the encoder; its method's by default.
        start: Folder or Hugging Face id of the encoder to start from; the packaged one if empty.

    Yields:
        {"kind": "ready", sentences, steps, left_out, pairs, pairs_left_out}: how many sentences and pairs of STS-B dev
        there are, and how many were left out because they are measured on; {"kind": "step", step, steps, terms, loss,
        seconds, eta} at least each half second; {"kind": "check", step, steps, spearman} after each look at STS-B dev,
        the first of the encoder as it was; at last {"kind": "trained", "card": EncoderCard, "weights": …}, for
        `encoder_cards.save`.

    Raises:
        MissingResource: Sentences, STS-B dev or the encoder are not here.
        BadInput: The loss is not finite, there are fewer sentences than a batch, or the encoder cannot be read.
        Incompatible: The method does not work on this encoder.
    """
    from robust_core.encoder_training.loop import EncoderLoop
    from robust_core.encoder_training.networks import SentenceNetwork, Training
    from robust_core.models.base_encoders import load_base_encoder
    from robust_core.models.lora import add_low_rank
    from robust_core.train.setup import Randomness

    where = pick_device(device)
    random = Randomness(seed, where)
    body, tokens, sha256 = load_base_encoder(start, _LONGEST)
    if sentences is None:
        sentences = 0 if where.type == "cuda" else corpus.ON_CPU
    given = corpus.read_corpus(tokens.until(schedule.length), sentences, schedule.length, data_dir)
    if len(given.rows) < schedule.batch_size:
        raise BadInput(f"There are only {len(given.rows)} sentences of at most {schedule.length} pieces; a batch has "
                       f"{schedule.batch_size}.")
    dev, left_out = similarity.read_dev_pairs(data_dir)
    with random.first:
        network = SentenceNetwork(body, method.projection)
        add_low_rank(network, schedule.rank, schedule.lora_targets)
        network.to(where)
        training = Training(network, tokens, where, random, schedule.mixed and has_fast_bf16(where), schedule.rank,
                            schedule.lora_targets, lambda: load_base_encoder(start, _LONGEST).body)
        objective = method.objective(training)
    loop = EncoderLoop(training, objective, schedule, given.rows, lambda encoder: similarity.correlate(encoder, dev)[0])
    yield {"kind": "ready", "sentences": len(given.rows), "steps": loop.steps,
           "left_out": sum(given.left_out.values()), "pairs": len(dev.scores), "pairs_left_out": left_out}
    yield from loop.run()
    card = encoder_cards.EncoderCard(
        id=(name or to_record(method)["name"]) + f"@{seed}" * bool(seed), method=to_record(method),
        schedule=dataclasses.asdict(schedule), seed=seed,
        config={"lora_scale": _LORA_SCALE, "length": tokens.length} | ({"start": start} if start else {}),
        corpus={"n": len(given.rows), "longest": given.length, "sources": dict(given.sources),
                "left_out": dict(given.left_out), "drawn_from": given.drawn_from, "sha256": given.sha256},
        dev={"task": "stsb dev", "metric": "spearman", "n": len(dev.scores), "left_out": left_out,
             "before": loop.checks[0][1], "after": loop.best, "step": loop.best_step,
             "checks": [list(check) for check in loop.checks]},
        steps=loop.steps, seconds=round(loop.seconds, 1), device=where.type, bytes=0, files={},
        parent=sha256, version=__version__, folder=Path())
    yield {"kind": "trained", "card": card, "weights": loop.weights}
