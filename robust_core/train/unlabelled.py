"""Texts without labels, which a teacher labels: more to learn from than a data set holds (self-training)."""

import contextlib
import hashlib
import io
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from robust_core import datasets
from robust_core.cleaning import clean_row
from robust_core.errors import BadInput
from robust_core.files import check_path, read_lines, write_file
from robust_core.models import loading
from robust_core.paths import runs_folder
from robust_core.runs import fingerprint_model
from robust_core.splits import list_keys
from robust_core.types import Example

_TOGETHER = 512
# Folder of what teachers said, below that of the runs, and how many files of it are kept.
_KEPT, _MOST_KEPT = "taught", 8


class Taught(NamedTuple):
    """Texts and what the teacher says of them.

    Attributes:
        examples: The texts, each with the teacher's likeliest class.
        proba: (n, classes) its probabilities.
        data: What the card says of them: file, n, sha256, teacher, and how many were left out because they stand in
            dev or test.
    """

    examples: list[Example]
    proba: torch.Tensor
    data: dict[str, Any]


def label_texts(file: str, teacher: str, dataset: str, data_dir: str | None, device: str
                ) -> Generator[dict[str, Any], None, Taught]:
    """Read texts, leave out those of dev and test, and let a teacher label the others.

    What it said of the same texts before is kept in the runs folder, and taken from there.

    Args:
        file: Text file, one text a line, packed by gzip or not.
        teacher: Id of a model with the data set's labels.
        dataset: Name of the data set that is trained on.
        data_dir: Folder of the data sets.
        device: Where the teacher runs.

    Yields:
        {"kind": "teacher", done, total}, now and then.

    Raises:
        BadInput: No teacher is named, it has other labels, or no text is left.
    """
    path = check_path(file, "file of texts")
    if not teacher:
        raise BadInput("Texts without labels need a teacher: name a model by --teacher.")
    model = loading.load(teacher, device)
    if not datasets.same_labels(model.labels, datasets.describe(dataset).labels):
        raise BadInput(f"{teacher} has other classes than {dataset}; it cannot label texts for it.")
    lines = dict.fromkeys(text for line in read_lines(path) if (text := clean_row(line)))
    later = set()
    for split in ("dev", "test"):
        later |= list_keys(datasets.load(dataset, split, data_dir))
    texts = [text for text in lines if text.casefold() not in later]
    if not texts:
        raise BadInput(f"{path.name} holds no text that is not in dev or test of {dataset} as well.")
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    kept = runs_folder() / _KEPT / f"{hashlib.sha256(f'{digest} {fingerprint_model(model)}'.encode()).hexdigest()}.npy"
    proba = _read_kept(kept, len(texts), len(model.labels))
    if proba is None:
        parts = []
        for start in range(0, len(texts), _TOGETHER):
            parts.append(model.predict_proba(texts[start: start + _TOGETHER]))
            yield {"kind": "teacher", "done": min(start + _TOGETHER, len(texts)), "total": len(texts)}
        proba = np.concatenate(parts)
        _keep(kept, proba)
    examples = [Example(text, label, f"unlabelled-{i}")
                for i, (text, label) in enumerate(zip(texts, proba.argmax(1).tolist(), strict=True))]
    return Taught(examples, torch.from_numpy(proba), {
        "file": path.name, "n": len(texts), "teacher": teacher, "dropped_overlap": len(lines) - len(texts),
        "sha256": digest})


def _read_kept(path: Path, n: int, classes: int) -> np.ndarray | None:
    """Return what the same teacher said of the same texts in an earlier training; None where nothing whole is kept."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == (n, classes) and found.dtype == np.float32 and np.isfinite(found).all() else None


def _keep(path: Path, proba: np.ndarray) -> None:
    """Keep what a teacher said, for the next strength of the same training; the oldest of too many goes."""
    out = io.BytesIO()
    np.save(out, proba.astype(np.float32), allow_pickle=False)
    # A training does not end because its runs folder is full.
    with contextlib.suppress(BadInput, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, out.getvalue())
        for old in sorted(path.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime)[:-_MOST_KEPT]:
            old.unlink(missing_ok=True)
