"""Two models and a small data set for experiments."""

import dataclasses
import json
from pathlib import Path

import pytest

from helpers.doubles import BagOfWords, Counting, Planted, WordEncoder
from helpers.pages import card
from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.models import loading
from robust_core.registry import param

MODELS = ("sst2/cnn/base", "sst2/minilm/base")
TEXTS = [("a good movie", 1), ("a bad movie", 0), ("a clever and good movie", 1), ("a fine movie", 1)]


@dataclasses.dataclass(frozen=True)
class Greedy(Planted):
    """Put a weak word in the place of a strong one."""

    name, title, source = "pwws", "PWWS", "https://example.org/pwws"

    new: str = param("dull", "Word that takes its place")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Counting]:
    """Put doubles in the place of two checkpoints, two attacks and the data."""
    for name in MODELS:
        folder = tmp_path / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(json.dumps(card(name)))
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "data" / "sst2").mkdir(parents=True)
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in TEXTS)]
    (tmp_path / "data" / "sst2" / "test.tsv").write_text("\n".join(lines) + "\n")
    built = {MODELS[0]: Counting(BagOfWords(id=MODELS[0])),
             MODELS[1]: Counting(BagOfWords(id=MODELS[1], bias=(0.0, 4.0)))}
    monkeypatch.setattr(loading, "load", lambda name, device="auto": built[name])
    list(ATTACKS)
    monkeypatch.setitem(ATTACKS._members, "textfooler", Planted)
    monkeypatch.setitem(ATTACKS._members, "gene", Greedy)
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    return built
