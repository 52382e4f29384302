"""What a figure rests on, written down beside it: engine, models, data, tables, encoders, each with its fingerprint.

Keys are `engine`, `model <id>`, `data <set>/<split>`, `table <name>`, `swaps <set>` (one that was given), `encoder
<id>`, `masked-model <id>` and `package <name>`; values are SHA-256 sums, but the number of the engine and versions of
packages. Equal entries say that an outcome comes again; where one differs, the two figures are of two things.
"""

import hashlib
from collections.abc import Mapping

from robust_core import version
from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.encoders import MeanPooled, SentenceTransformerEncoder
from robust_core.errors import RobustError
from robust_core.protocols import Card, Classifier, Encoder, HasCard
from robust_core.registry import from_record, to_record
from robust_core.resources import fingerprints
from robust_core.resources.encoder import WEIGHTS_SHA256
from robust_core.runs import Run, fingerprint_card, fingerprint_model, read_versions
from robust_core.types import Precision

RestsOn = dict[str, str]


def describe_engine() -> RestsOn:
    """Return the number of the engine: what the code itself makes of all the rest."""
    return {"engine": str(version.ENGINE)}


def describe_model(model: Classifier) -> RestsOn:
    """Return the fingerprint of a classifier, and that of the packaged encoder where the classifier stands on it."""
    card = model.card if isinstance(model, HasCard) else None
    return {f"model {model.id}": fingerprint_model(model)} | _describe_base(card)


def describe_data(dataset: str, split: str, sha256: str) -> RestsOn:
    """Return the entry of a split, of which `datasets.hash_examples` gives the sum."""
    return {f"data {dataset}/{split}": sha256}


def describe_attack(attack: Attack, *, similarity: bool = True) -> RestsOn:
    """Return the engine and all that the results of an attack rest on beside victim, data and parameters.

    Args:
        attack: The attack.
        similarity: Whether its results tell how similar both texts are, which the packaged encoder says.

    Raises:
        MissingResource: Some of it is not here.
    """
    measured = fingerprints.describe([fingerprints.ENCODER]) if similarity else {}
    return describe_engine() | attack.rests_on() | measured


def describe_encoder(encoder: Encoder) -> RestsOn:
    """Return the fingerprint of a sentence encoder, and that of the packaged one where it stands on that.

    An encoder that is none of ours and shows no files is known by its name alone.
    """
    if isinstance(encoder, SentenceTransformerEncoder):
        return {f"encoder {encoder.id}": fingerprints.fingerprint_folder(encoder.folder)}
    if isinstance(encoder, MeanPooled):
        if encoder.card is None:
            return fingerprints.describe([fingerprints.ENCODER])
        return {f"encoder {encoder.id}": fingerprint_card(encoder.card)} | _describe_base(encoder.card)
    return {f"encoder {encoder.id}": _hash_name(encoder.id)}


def describe_reader(name: str) -> RestsOn:
    """Return the fingerprint of the masked language model that reads how fluent texts are; others by name alone."""
    if name == fingerprints.PACKAGED:
        return fingerprints.describe([fingerprints.MASKED])
    return {f"masked-model {name}": _hash_name(name)}


def describe_run(attack: Attack, under: Mapping[str, str], model: tuple[str, str], device: str,
                 data: tuple[str, str, str], seed: int, precision: Precision = "exact") -> Run:
    """Return the run in which the results of an attack on one model are stored.

    The number of examples is no part of it: what a smaller draw has computed serves a larger one.

    Args:
        attack: The attack.
        under: What it rests on (`describe_attack`).
        model: Id and fingerprint of the model.
        device: Where it runs.
        data: Name of the data set, split, and SHA-256 of the whole split.
        seed: Seed of the attack.
        precision: As in `Attack.run`.
    """
    described: dict[str, str] = dict(zip(("dataset", "split", "sha256"), data, strict=True))
    if precision != "exact":
        described["precision"] = precision
    return Run(to_record(attack), dict([model]), described, seed, read_versions(), device, under)


def is_current(run: Run) -> bool:
    """Return whether what the attack of a stored run rests on is what lies here today; not of a run that says nothing.

    Results of two runs may be counted together only if both are current.
    """
    try:
        return dict(run.rests_on) == describe_attack(from_record(ATTACKS, run.method))
    except RobustError:
        return False


def _describe_base(card: Card | None) -> RestsOn:
    # The parent is the sum of the original weights, also where ROBUST_ENCODER names a copy of them that rounds.
    on_packaged = card is not None and card.parent == WEIGHTS_SHA256
    return fingerprints.describe([fingerprints.ENCODER]) if on_packaged else {}


def _hash_name(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
