"""Checkpoints of each kind to be broken, and how each is asked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.hostile import expect_line
from robust_core import encoders
from robust_core.certify import base_classifiers
from robust_core.file_hashes import sha256
from robust_core.models import cards, encoder_cards, loading, masked_lm
from robust_core.models.architectures import build
from robust_core.paths import CHECKPOINTS

WORDS = tuple(f"w{i}" for i in range(18))
SIZES = {"length": 12, "width": 8, "kernels": 4, "sizes": [2, 3]}
HUGE = 10**9
WRONG = {"null": None, "text": "x", "-1": -1, "10^9": HUGE, "10^30": 10**30, "half": 0.5, "list": [[]],
         "object": {"a": 1}, "true": True}


def write_shelf(root: Path) -> Path:
    """Write checkpoints of each kind, whole and right, below a folder."""
    network, _ = build("cnn", SIZES, ("negative", "positive"), WORDS)
    state = network.state_dict()
    table = {"embedding.safetensors": {"weight": state.pop("embedding.weight")},
             "vocabulary.txt": "\n".join(WORDS).encode()}
    card = cards.Card("sst2/cnn/base", "sst2", "cnn", {"name": "base"}, 0, ("negative", "positive"),
                      {"network": SIZES}, {}, 0.5, 1, 1.0, "cpu", 9, 0, {}, {}, "", "0.1.0", root)
    cards.save(card, state, table, root)
    for place in ("encoders/simcse", "smoothed/digits", "masked/minilm", "sst2/minilm/base"):
        shutil.copytree(CHECKPOINTS / place, root / place)
    return root


def classify(root: Path, place: str = "sst2/cnn/base") -> object:
    """Probabilities from a checkpoint."""
    found = loading.load(str(root / place), "cpu").predict_proba(["w1 w2", ""])
    assert np.isfinite(found).all()
    return found


def certify(root: Path) -> object:
    """Classes from base classifiers."""
    model = base_classifiers.load("digits")
    return [model.judge(*key)(np.zeros((1, *model.shape), dtype=np.float32)) for key in model.networks]


def encode(root: Path) -> object:
    """Vectors of an adapted encoder."""
    encoders._load_adapted.cache_clear()
    found = encoders.load(str(root / "encoders/simcse"), "cpu").encode(["a good film"])
    assert np.isfinite(found).all()
    return found


def fill(root: Path) -> object:
    """How fluent the packaged masked language model finds a text."""
    masked_lm._load.cache_clear()
    return masked_lm.load("minilm", "cpu").pseudo_perplexity(["a good film"])


KINDS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "word model": ("sst2/cnn/base", classify),
    "transformer": ("sst2/minilm/base", lambda root: classify(root, "sst2/minilm/base")),
    "encoder": ("encoders/simcse", encode), "base classifiers": ("smoothed/digits", certify),
    "masked": ("masked/minilm", fill)}
FIELDS = {"word model": cards.Card, "encoder": encoder_cards.EncoderCard,
          "base classifiers": base_classifiers.SmoothedCard}


def edit(root: Path, kind: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a card says."""
    path = root / KINDS[kind][0] / "card.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def sign(root: Path, kind: str) -> None:
    """Write the SHA-256 that the files have now onto their card."""
    folder = root / KINDS[kind][0]
    edit(root, kind, lambda values: values.update(files={name: sha256(folder / name) for name in values["files"]}))


def refused(root: Path, kind: str, *parts: str) -> str:
    """The line with which a broken checkpoint is refused."""
    return expect_line(lambda: KINDS[kind][1](root), *parts)
