"""Which trainings are here, which come with the project, and the hashes by which a claim knows them again."""

import contextlib
import functools
from collections.abc import Iterable, Sequence

from robust_core.datasets import hash_examples
from robust_core.errors import BadInput
from robust_core.evaluation import provenance
from robust_core.files import read_json
from robust_core.models import encoder_cards
from robust_core.models.cards import cards
from robust_core.paths import CHECKPOINTS, checkpoint_folders
from robust_core.resources import fingerprints
from robust_core.runs import fingerprint_card
from robust_core.types import Example


def list_seeds(model: str, seeds: int) -> list[str]:
    """Return the ids of the trainings of a model: seeds 0 to seeds - 1."""
    return [model if seed == 0 else f"{model}@{seed}" for seed in range(seeds)]


def read_seed(model: str) -> int:
    """Return the seed in the id of a model or an encoder."""
    return int(model.rpartition("@")[2]) if "@" in model else 0


def split_by_presence(model: str, seeds: int) -> tuple[list[str], list[str]]:
    """Return the ids of a model's trainings that are here, and those that are not."""
    known = {card.id for card in cards()}
    wanted = list_seeds(model, seeds)
    return [name for name in wanted if name in known], [name for name in wanted if name not in known]


@functools.cache
def shipped() -> frozenset[str]:
    """Return the ids of the models and encoders that come with the project."""
    names = [path.parent.relative_to(CHECKPOINTS).as_posix() for path in CHECKPOINTS.rglob("card.json")]
    return frozenset([*names, *(name.removeprefix("encoders/") for name in names), "minilm"])


def describe_models(names: Iterable[str]) -> dict[str, str]:
    """Return from each model to the hash of what it has learnt, as `rests_on` of a claim holds it.

    Args:
        names: Ids; one that has no card is left out.
    """
    known = {card.id: card for card in cards()}
    return {f"model {name}": fingerprint_card(known[name]) for name in names if name in known}


def describe_encoders(names: Iterable[str]) -> dict[str, str]:
    """Return from each encoder that was trained here to the hash of what it has learnt, as `rests_on` holds it."""
    known = {card.id: card for card in encoder_cards.cards()}
    return {f"encoder {name}": fingerprint_card(known[name]) for name in names if name in known}


def describe_smoothed(names: Iterable[str]) -> dict[str, str]:
    """Return from each set of smoothed networks to the hash of its files, as `rests_on` of a claim holds it."""
    found = {}
    for name in names:
        for folder in checkpoint_folders():
            # Read here, since the module that knows these cards needs torch.
            with contextlib.suppress(BadInput, KeyError, TypeError):
                card = read_json(folder / "smoothed" / name / "card.json")
                found[f"smoothed {name}"] = fingerprints.hash_sums(card["files"])
                break
    return found


def describe_data(dataset: str, split: str, examples: Sequence[Example]) -> dict[str, str]:
    """Return the hash of a whole split, as `rests_on` of a claim holds it."""
    return provenance.describe_data(dataset, split, hash_examples(examples))


def describe_tables(*names: str) -> dict[str, str]:
    """Return the hashes of packaged tables and encoders, and the version of the engine, as `rests_on` holds them."""
    return fingerprints.describe(names) | provenance.describe_engine()
