"""Ways to train a classifier; each member says how one batch turns into gradients, the loop does the rest."""

from robust_core.registry import Registry
from robust_core.train.defence import Defence

DEFENCES = Registry[Defence]("defence", tuple(f"robust_core.defences.{name}" for name in (
    "base", "adversarial", "flat", "freelb", "carl", "rar", "certified", "gradient_swaps")))
