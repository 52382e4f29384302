"""SimCSE and RobustSentEmbed: their parameters, their presets, and how long and how fast to train."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from robust_core.encoder_training import METHODS
from robust_core.registry import Method, check_hooks, check_parameters, param

if TYPE_CHECKING:
    from robust_core.encoder_training.networks import Training
    from robust_core.encoder_training.objectives import Objective


@METHODS.register("simcse", title="SimCSE", source="https://arxiv.org/abs/2104.08821")
@dataclasses.dataclass(frozen=True)
class SimCSE(Method):
    """Pull two dropout views of a sentence together and push other sentences away.

    Differs: the packaged encoder's own mean pooling is trained as it is used, without a projection on top of it; set
    `projection` for that of the released code.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}, "as-released": {"projection": True}}

    temperature: float = param(0.05, "Divides cosines in the contrastive loss", low=0.001, high=10.0)
    projection: bool = param(False, "Train through two linear layers with batch norms, left out afterwards")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_hooks(cls, "sentence method", ("objective",))

    def __post_init__(self) -> None:
        check_parameters(self)

    def objective(self, training: "Training") -> "Objective":
        """Begin a training: return what says which terms of a batch are minimised."""
        from robust_core.encoder_training.objectives import Objective

        return Objective(training, self)
