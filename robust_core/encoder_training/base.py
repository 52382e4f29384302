"""What the trainings of sentence encoders share: their schedule, and a method by name."""

import dataclasses
from typing import Any

from robust_core.encoder_training import METHODS
from robust_core.encoder_training.simcse import SimCSE
from robust_core.errors import UnknownName
from robust_core.registry import check_parameters, param


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast to train an encoder; the same for every method, so that rows can be compared.

    Differs: the paper trains all weights of BERT-base at 7e-6 for two epochs of a million sentences; low-rank weights
    need a larger rate.
    """

    epochs: int = param(1, "Passes over the sentences", low=1, high=100)
    batch_size: int = param(64, "Sentences a step", low=2, high=4096)
    learning_rate: float = param(1e-4, "Largest step of the optimiser", low=0.0, high=1.0)
    decay: str = param("linear", "How the rate goes on", choices=("constant", "linear"))
    warmup: float = param(0.0, "Share of the steps in which the rate rises", low=0.0, high=1.0)
    clip: float = param(1.0, "Largest gradient norm; 0 switches clipping off", low=0.0)
    length: int = param(32, "Longest sentence, in pieces", low=4, high=256)
    rank: int = param(16, "Rank of the low-rank weights", low=1, high=64)
    lora_targets: str = param("all", "Which layers get low-rank weights", choices=("attention", "all"))
    mixed: bool = param(True, "Run matrix products in bf16 where the processor has it")
    checks: int = param(4, "Times that STS-B dev is asked, at equal distances; the best weights are kept", low=1,
                        high=1000)

    def __post_init__(self) -> None:
        check_parameters(self)


def make_method(name: str, preset: str = "", **values: Any) -> SimCSE:  # noqa: ANN401 (fields)
    """Return a method with a preset, and `values` on top of it.

    Raises:
        UnknownName: There is no such method or preset.
        BadInput: A value is not allowed.
    """
    cls = METHODS[name]
    presets: dict[str, dict[str, Any]] = cls.PRESETS  # type: ignore[attr-defined]
    if preset and preset not in presets:
        raise UnknownName("preset", preset, list(presets))
    return cls(**presets[preset or "paper"] | values)
