"""Model folders to be broken, and the doors that they come in by."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from helpers.hostile import expect_line
from robust_core.encoders import SentenceTransformerEncoder
from robust_core.models import loading, masked_lm
from robust_core.models.base_encoders import load_base_encoder
from robust_core.types import Blank

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
HUGE = 10**9


def classify(folder: Path) -> object:
    """Probabilities of a few texts."""
    found = loading.load(str(folder), "cpu").predict_proba(["a good film", "", "good " * 200])
    assert np.isfinite(found).all() and np.allclose(found.sum(1), 1, atol=1e-4)
    return found


def encode(folder: Path) -> object:
    """Vectors of a few texts."""
    found = SentenceTransformerEncoder(str(folder), "cpu").encode(["a good film", "", "good " * 200])
    assert np.isfinite(found).all() and found.shape[0] == 3
    return found


def fill(folder: Path) -> object:
    """Words for a blank."""
    masked_lm._load.cache_clear()
    found = masked_lm.load(str(folder), "cpu").fill([Blank("a ", " film", "good")], 3)
    assert all(np.isfinite(figure) for _, figure in found[0])
    return found


def begin(folder: Path) -> object:
    """An encoder to start a training from."""
    return load_base_encoder(str(folder), 16).body.width


DOORS = {"classifier": classify, "encoder": encode, "masked": fill, "start": begin}


def refused_everywhere(folder: Path, *parts: str) -> None:
    """Every door refuses the folder."""
    for door in DOORS.values():
        expect_line(lambda door=door: door(folder), *parts)


def edit(folder: Path, name: str, **changes: Any) -> None:
    """Write other values into a JSON file of a folder."""
    path = folder / name
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changes))
