"""What a person chose, frozen: what to attack and how, and when an interpretation counts as kept."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from ui.shared.catalogue import name_label, write_label


class Limits(NamedTuple):
    """An interpretation counts as kept where both hold."""

    tau_at_least: float
    top5_at_least: float

    def hold(self, tau: float, top5: float) -> bool:
        """Return whether Kendall's τ and the share of the five most important words are large enough."""
        return tau >= self.tau_at_least and top5 >= self.top5_at_least


@dataclasses.dataclass(frozen=True)
class Choices:
    """The text, models and attacks of one press of the button; permalinks and stored outcomes hold it as a document.

    Args:
        text: The text to attack, cleaned.
        models: Ids of the models.
        attacks: Record of each attack (`registry.to_record`).
        label: Name of the true class, as people read it; None where none was given. A model without this class is
            attacked without a true label.
        seed: Seed of every search.
        device: Where the models run, as it was chosen: auto, cpu, cuda:0, …
    """

    text: str
    models: tuple[str, ...]
    attacks: tuple[Mapping[str, Any], ...]
    label: str | None = None
    seed: int = 0
    device: str = "auto"

    def to_document(self) -> dict[str, Any]:
        """Write the choices as plain data, with the keys that stored links have."""
        return {"text": self.text, "label": write_label(self.label, self.models), "models": list(self.models),
                "attacks": [dict(record) for record in self.attacks], "seed": self.seed, "device": self.device}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Choices":
        """Read what `to_document` wrote.

        Raises:
            KeyError: The document lacks a key.
        """
        return cls(document["text"], tuple(document["models"]), tuple(document["attacks"]),
                   name_label(document["label"], document["models"]), document["seed"], document["device"])
