"""Word-substitution attacks: one file a recipe, on one engine (`engine.scheduler`) that batches all their questions."""

from robust_core.attacks.base import Attack
from robust_core.registry import Registry

ATTACKS = Registry[Attack]("attack", ("robust_core.attacks.textfooler", "robust_core.attacks.pwws",
                              "robust_core.attacks.bae", "robust_core.attacks.clare",
                              "robust_core.attacks.gene", "robust_core.attacks.iga", "robust_core.attacks.pso",
                              "robust_core.attacks.faster_alzantot", "robust_core.attacks.a2t",
                              "robust_core.attacks.hotflip", "robust_core.attacks.hard_label",
                              "robust_core.attacks.bad_characters",
                              "robust_core.attacks.ensemble", "robust_core.attacks.textattack.attacks"))
