"""A small model and texts that every worker finds."""

from pathlib import Path

import pytest
from helpers.sweeps import make_checkpoint, make_texts


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the texts."""
    make_checkpoint(tmp_path / "checkpoints", make_texts(tmp_path / "data", 40))
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "data"
