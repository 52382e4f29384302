"""RobustSentEmbed: its parameters and presets."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from robust_core.encoder_training import METHODS
from robust_core.encoder_training.simcse import SimCSE
from robust_core.registry import param

if TYPE_CHECKING:
    from robust_core.encoder_training.networks import Training
    from robust_core.encoder_training.objectives import Objective


@METHODS.register("robustsentembed", title="RobustSentEmbed", source="https://arxiv.org/abs/2403.11082")
@dataclasses.dataclass(frozen=True)
class RobustSentEmbed(SimCSE):
    """SimCSE with adversarial views as positives, and replaced words to be found out under perturbed embeddings.

    The defaults are what the paper intends. Each term of the loss can be switched off: `positive=false`,
    `regulariser=0`, `detection=0`; without all three this is SimCSE. `as-released` is what the published code does:
    no adversarial positives, a sentence-level perturbation that does not depend on the gradient (it moves the output
    of the embedding layer by 1e-6 against its own sign), pads counted in the detection, a projection.

    Differs: sizes are multiples of the mean norm of the encoder's token embeddings; they were chosen on dev, where
    half of the radius leaves little to learn and half as much again costs similarity. The released formula scales the
    perturbation itself to a largest coordinate of one, where every coordinate ends at its limit; here the gradient is
    scaled. Perturbations climb in eval mode and by `torch.autograd.grad`, so that no gradient leaks into the weights.
    The generator's guess takes the place of masked pieces only, in the released code of all pieces (`everywhere`).
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}, "as-released": {
        "positive": False, "released_attack": True, "pads": True, "everywhere": True, "projection": True}}

    positive: bool = param(True, "Whether the sentence-level adversarial view is a second positive")
    regulariser: float = param(1 / 128, "Weight of the contrast between the clean second view and the adversarial one",
                               low=0.0, high=100.0)
    detection: float = param(0.005, "Weight of finding replaced words (lambda)", low=0.0, high=100.0)
    token_contrast: float = param(0.0, "Weight of the contrast of token-level perturbed sentences, which the released "
                                       "code adds by accident", low=0.0, high=100.0)
    sentence_radius: float = param(0.02, "Largest coordinate of the sentence-level perturbation, in mean "
                                         "token-embedding norms (epsilon)", low=0.0, high=10.0)
    sentence_step: float = param(0.01, "Size of one sentence-level step, in mean token-embedding norms", low=0.0,
                                 high=10.0)
    sentence_start: float = param(0.001, "Size of the random start, in mean token-embedding norms", low=0.0, high=10.0)
    mix: float = param(0.5, "Share of the step along signs (FGSM); the rest follows the gradient (PGD; rho)", low=0.0,
                       high=1.0)
    updates: int = param(4, "Steps uphill of both perturbations", low=1, high=50)
    token_step: float = param(0.015, "Length of one token-level step, in mean token-embedding norms", low=0.0,
                              high=10.0)
    masked: float = param(0.2, "Share of the pieces that the generator guesses", low=0.01, high=0.9)
    pads: bool = param(False, "Count pads as unchanged pieces in the detection")
    everywhere: bool = param(False, "Take the generator's guess for every piece, not for masked ones only")
    released_attack: bool = param(False, "Perturb sentences as the released code does")

    def objective(self, training: "Training") -> "Objective":
        """Begin a training."""
        from robust_core.encoder_training.objectives import RobustObjective

        return RobustObjective(training, self)
