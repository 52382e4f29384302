"""What encoder is to be trained, checked before anything is loaded, and the training that stores it."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robust_core.encoder_training import METHODS
from robust_core.encoder_training.base import Schedule, make_method
from robust_core.encoder_training.simcse import SimCSE
from robust_core.encoder_training.training import train
from robust_core.errors import BadInput, list_names, quote
from robust_core.files import check_name, check_path, check_target
from robust_core.models import encoder_cards
from robust_core.registry import parameters, to_record
from robust_core.types import MOST_SEED


@dataclasses.dataclass(frozen=True)
class EncoderSpec:
    """One training of an encoder.

    Args:
        method: How to train.
        schedule: How long and how fast.
        name: Name of the encoder without its seed; the method's by default.
        seed: Seed.
        sentences: Sentences to learn from; None as `training.train` has it.
        start: Folder or Hugging Face id of the encoder to start from; the packaged one if empty.
    """

    method: SimCSE
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    name: str = ""
    seed: int = 0
    sentences: int | None = None
    start: str = ""

    @property
    def id(self) -> str:
        """Name of the finished encoder."""
        return (self.name or to_record(self.method)["name"]) + f"@{self.seed}" * bool(self.seed)

    @property
    def words(self) -> list[str]:
        """The options of `train-encoder` that ask for it."""
        changed = {p.name: getattr(part, p.name) for part in (self.method, self.schedule)
                   for p in parameters(type(part)) if getattr(part, p.name) != p.default}
        words = ["--method", to_record(self.method)["name"]]
        words += [word for name, value in changed.items() for word in ("--set", f"{name}={value}")]
        words += ["--name", self.name] if self.name else []
        words += ["--seed", str(self.seed)] if self.seed else []
        words += ["--start", self.start] if self.start else []
        return words + (["--sentences", str(self.sentences)] if self.sentences is not None else [])


def list_parameters(name: str) -> dict[str, type]:
    """Return the types of what may be set: the method's parameters and the schedule's."""
    return {p.name: p.type for cls in (Schedule, METHODS[name]) for p in parameters(cls)}


def parse_spec(name: str, preset: str = "", settings: Mapping[str, Any] | None = None, encoder: str = "", seed: int = 0,
               sentences: int | None = None, start: str = "") -> EncoderSpec:
    """Return a training from its settings.

    Args:
        name: Name of the method.
        preset: Named parameters.
        settings: Parameters of the method or of the schedule.
        encoder: Name of the encoder; by default the method's, with the preset, if it is not the paper's, and with what
            it starts from, if it is not the packaged encoder.
        seed: Seed.
        sentences: Sentences to learn from.
        start: Folder or Hugging Face id of the encoder to start from; the packaged one if empty.

    Raises:
        UnknownName: There is no such method or preset.
        BadInput: A setting is not known or not allowed, or the name cannot be one of a folder.
    """
    cls, given = METHODS[name], dict(settings or {})
    own, times = {p.name for p in parameters(cls)}, {p.name for p in parameters(Schedule)}
    for key in given:
        if key not in own | times:
            raise BadInput(f"{cls.title} has no parameter {quote(key)}, nor has the schedule. "  # type: ignore[attr-defined]
                           f"Known: {list_names(sorted(own | times))}.")
    origin = re.sub(r"[^A-Za-z0-9]+", "-", check_path(start, "encoder to start from").name).strip("-")
    parts = [preset] * (preset not in ("", "paper")) + [origin] * bool(start)
    encoder = encoder or ("-".join([name, *parts]) if parts else "")
    if encoder and (not encoder.replace("-", "").replace("_", "").isalnum() or encoder == "minilm"):
        raise BadInput(f"An encoder's name is made of letters, digits, - and _, and is not minilm; not "
                       f"{quote(encoder)}.")
    if not 0 <= seed <= MOST_SEED:
        raise BadInput(f"A seed is a whole number between 0 and {MOST_SEED}.")
    check_name(f"{encoder or name}@{seed}", "encoder's name")
    return EncoderSpec(make_method(name, preset, **{k: v for k, v in given.items() if k in own}),
                       Schedule(**{k: v for k, v in given.items() if k in times}), encoder, seed, sentences, start)


def run_training(
    spec: EncoderSpec, root: Path, device: str = "auto", data_dir: str | None = None
) -> Iterator[dict[str, Any]]:
    """Train, store the encoder and hand on the events; the last is {"kind": "stored", "row": …, "card": …}.

    Raises:
        BadInput: The folder of checkpoints cannot be written to.
    """
    check_target(root)
    for event in train(spec.method, spec.schedule, sentences=spec.sentences, seed=spec.seed, device=device,
                       data_dir=data_dir, name=spec.name, start=spec.start):
        if event["kind"] != "trained":
            yield event
            continue
        card = encoder_cards.save(event["card"], event["weights"], root)
        yield {"kind": "stored", "card": card, "row": {
            "encoder": card.id, "seed": card.seed, "dev_spearman": card.dev["after"], "before": card.dev["before"],
            "sentences": card.corpus["n"], "step": card.dev["step"], "steps": card.steps, "seconds": card.seconds,
            "path": str(card.folder)}}
