"""One line of a comparison: a model, an original and an adversarial text."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from robust_core.types import Attribution
from ui.session.choices import Limits
from ui.session.outcome import Pair


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table: both texts with their attributions, the predictions, and the verdicts.

    Attributions, probabilities and verdicts are None until they are ready; `error` says what went wrong. `target` is
    the class explained, and the reference label too unless `reference` says otherwise.
    """

    pair: Pair
    original: str
    other: str
    target: int
    before: tuple[float, ...] | None = None
    after: tuple[float, ...] | None = None
    explained: Attribution | None = None
    explained_other: Attribution | None = None
    readable: int | None = None
    readable_other: int | None = None
    agreement: Mapping[str, Any] | None = None
    error: str = ""
    reference: int | None = None

    @property
    def kept(self) -> bool | None:
        """Whether the prediction on the other text is still the reference label."""
        reference = self.target if self.reference is None else self.reference
        return None if self.after is None else self.after.index(max(self.after)) == reference

    def interpretation(self, limits: Limits) -> bool | None:
        """Whether the interpretation is kept; None while it is unknown or undefined."""
        if self.agreement is None or math.isnan(self.agreement["kendall_tau"]):
            return None
        return limits.hold(self.agreement["kendall_tau"], self.agreement["top_k"][5])
