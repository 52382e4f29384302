"""Teach the packaged encoder to guess masked words: `python -m robust_core.train.masked_lm --work DIR --out DIR`.

Low-rank weights on the frozen encoder and a small head are learnt from the training texts of the public data sets.
A killed run goes on where it was: batches, masks and the optimiser are those of a run that was never stopped.
"""

import argparse
import dataclasses
import hashlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from robust_core import __version__, paths
from robust_core.file_hashes import sha256
from robust_core.models import fingerprints
from robust_core.resources import minilm_folder
from robust_core.train.masked_lm_loop import LORA_SCALE, Settings, Training, draw_order, measure, start_network
from robust_core.train.masked_lm_texts import Vocabulary, read_held_out_texts, read_training_texts


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


def _say(kind: str, **values: object) -> None:
    print(json.dumps({"kind": kind} | values), flush=True)


def _write(out: Path, training: Training, settings: Settings, texts: dict[str, list[str]],
           held_out: dict[str, Any]) -> None:
    """Write model.safetensors and card.json."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(training.weights(), out / "model.safetensors", metadata={"format": "pt"})
    data = {name: {"texts": len(found), "sha256": hashlib.sha256("\n".join(found).encode()).hexdigest()}
            for name, found in texts.items()}
    file = out / "model.safetensors"
    card = {"id": "minilm", "config": {"length": settings.length, "lora_scale": LORA_SCALE},
            "settings": dataclasses.asdict(settings), "steps_done": training.step,
            "seconds": round(training.seconds, 1), "held_out": held_out, "data": data,
            "files": {file.name: sha256(file)}, "bytes": file.stat().st_size,
            "parent": fingerprints.hash_encoder(), "version": __version__}
    (out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
