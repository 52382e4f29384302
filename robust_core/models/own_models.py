"""Classifiers that people brought: kept among their checkpoints with a card of their own, or taken away again.

So they are in every picker, and evaluations know them by the SHA-256 of their files. `staging` and `model_zips` take
them in.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from robust_core import __version__
from robust_core.cleaning import clean
from robust_core.errors import BadInput, UnknownName, quote
from robust_core.file_hashes import sha256
from robust_core.files import check_name, explain_failures, write_file
from robust_core.models.card_files import CARD
from robust_core.models.cards import IMPORTED, Card, cards, name_folder
from robust_core.models.staging import Staged, make_plain_name
from robust_core.paths import own_checkpoints

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

_LONGEST_LABEL, _MOST_NAMES = 80, 1_000


def keep_model(staged: Staged, model: "TextClassifier", name: str, labels: Sequence[str]) -> Card:
    """Put a staged model among the person's checkpoints.

    Args:
        staged: The model's files.
        model: The same, opened.
        name: What it shall be called; a plain form of it is the last part of its id.
        labels: Names of its classes, by index.

    Returns:
        Its card. Of a model that was trained elsewhere the card knows no training: no recipe, no data, no accuracy.

    Raises:
        BadInput: The names of the classes do not fit, the staged files are gone, or nothing can be written.
    """
    named = check_labels(labels, len(model.labels))
    root = own_checkpoints() / IMPORTED / name_folder(_find_architecture(model))
    place = _find_free(root, make_plain_name(name))
    with explain_failures(staged.source, "kept"):
        if not staged.folder.is_dir():
            raise BadInput(f"{staged.source} is not here any more: check it once more.")
        files = {path.name: sha256(path) for path in sorted(staged.folder.iterdir())}
        about = {
            "id": f"{IMPORTED}/{root.name}/{place.name}", "dataset": IMPORTED, "architecture": root.name,
            "defence": {"name": "unknown"}, "seed": 0, "labels": named,
            "config": {"network": {"length": model.length}, "classes": named, "source": staged.source},
            "recipe": {}, "dev_accuracy": 0.0, "epochs": 0, "seconds": 0.0, "device": "",
            "parameters": sum(weight.numel() for weight in model.net.parameters()),
            "bytes": sum(path.stat().st_size for path in staged.folder.iterdir()), "files": files, "data": {},
            "parent": "", "version": __version__, "known_faults": []}
        root.mkdir(parents=True, exist_ok=True)
        write_file(staged.folder / CARD, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
        os.replace(staged.folder, place)
    shutil.rmtree(staged.folder.parent, ignore_errors=True)
    return next(card for card in list_kept_models() if card.id == about["id"])


def check_labels(labels: Sequence[str], count: int) -> list[str]:
    """Return names of classes, cleaned.

    Raises:
        BadInput: They are not as many as the model's classes, one is empty or too long, or two are the same.
    """
    named = [clean(str(label)) for label in labels]
    if len(named) != count:
        raise BadInput(f"The model has {count} classes, not {len(named)}.")
    wrong = next((label for label in named if not label or len(label) > _LONGEST_LABEL), None)
    if wrong is not None:
        raise BadInput(f"Every class needs a name, of {_LONGEST_LABEL} characters at most.")
    if len({label.casefold() for label in named}) < count:
        raise BadInput("Two classes have the same name; give each its own.")
    return named


def _find_architecture(model: "TextClassifier") -> str:
    inner = getattr(model.net, "model", None)
    return str(getattr(getattr(inner, "config", None), "model_type", "") or "classifier")


def _find_free(root: Path, name: str) -> Path:
    for number in range(1, _MOST_NAMES):
        place = root / (name if number == 1 else f"{name}-{number}")
        if not os.path.lexists(place):
            return place
    raise BadInput(f"There are too many models called {quote(name)}.")


def list_kept_models() -> list[Card]:
    """Return the cards of the models that this person brought."""
    return [card for card in cards() if card.is_imported and card.folder.is_relative_to(own_checkpoints())]


def remove_model(model_id: str) -> None:
    """Take a model that this person brought away, with its files; stored results stay.

    Raises:
        UnknownName: There is no such model.
        BadInput: It cannot be removed.
    """
    known = {card.id: card for card in list_kept_models()}
    if model_id not in known:
        raise UnknownName("model of your own", model_id, list(known))
    folder = known[model_id].folder
    check_name(folder.name, "model's name")
    with explain_failures(model_id, "removed"):
        # Without its card it is in no picker, whatever becomes of the rest.
        (folder / CARD).unlink()
        shutil.rmtree(folder)
