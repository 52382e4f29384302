"""Ways to train a classifier; each member says how one batch turns into gradients, the loop does the rest."""

from robust_core.registry import Registry

DEFENCES = Registry("defence", ("robust_core.defences.base", "robust_core.defences.adversarial",
                                "robust_core.defences.flat"))
