"""Runs: everything that stored results depend on, and the fingerprints of models."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

from robust_core import __version__
from robust_core.protocols import Card, Classifier, DescribedTokens, HasCard, HasFingerprint, HasNetwork, HasTokens
from robust_core.records import to_plain_values, write_canonical

_LIBRARIES = ("numpy", "torch", "transformers", "tokenizers")


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that the results of a run depend on; the same configuration is the same run.

    Args:
        method: Record of the method (`registry.to_record`).
        models: Fingerprint of each model, by id (`fingerprint_model`).
        data: What was read: data set, split, SHA-256.
        seed: Seed of the run.
        versions: Version of each library that computes (`read_versions`).
        device: Where it ran.
        rests_on: Everything else that its results rest on, by name: number of the engine, fingerprint of each table,
            encoder and masked language model. Runs stored before this was written down have none.
    """

    method: Mapping[str, Any]
    models: Mapping[str, str]
    data: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    device: str
    rests_on: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """The run as plain data; without `rests_on` where that is empty, so that old runs keep their ids."""
        record = {f.name: to_plain_values(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return record if self.rests_on else {name: value for name, value in record.items() if name != "rests_on"}

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the record in canonical JSON."""
        return hashlib.sha256(write_canonical(self.record).encode()).hexdigest()[:12]


def read_versions() -> dict[str, str]:
    """Return the versions of Python, this project and the libraries that compute, importing none of them."""
    found = {"python": platform.python_version(), "robust_core": __version__}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def shows_weights(model: Classifier) -> bool:
    """Return whether a model's fingerprint tells what it has learnt; otherwise it is known by its id alone."""
    return isinstance(model, HasFingerprint) or (isinstance(model, HasCard) and model.card is not None) or (
        isinstance(model, HasNetwork) and model.net is not None)


def fingerprint_model(model: Classifier) -> str:
    """Return a SHA-256 that changes with a model: of its card's file sums and sizes, or else of weights and tokenizer.

    A model that says its fingerprint itself is known by that; one that has neither a card nor a network, by its id.
    """
    if isinstance(model, HasFingerprint):
        return model.fingerprint
    if isinstance(model, HasCard) and (card := model.card) is not None:
        return fingerprint_card(card)
    digest = hashlib.sha256(model.id.encode())
    if isinstance(model, HasNetwork) and (network := model.net) is not None:
        for name, tensor in sorted(network.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    if isinstance(model, HasTokens) and isinstance(model.tokens, DescribedTokens):
        digest.update(model.tokens.describe().encode())
    return digest.hexdigest()


def fingerprint_card(card: Card) -> str:
    """Return a SHA-256 of what a card says of a model's files, its sizes and the encoder below it."""
    parts = {"files": dict(card.files), "config": to_plain_values(card.config), "parent": card.parent}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
