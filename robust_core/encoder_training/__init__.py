"""Sentence encoders made robust: how they are trained, and what each training is worth."""

from robust_core.registry import Registry

METHODS = Registry(
    "sentence method",
    (
        "robust_core.encoder_training.simcse",
        "robust_core.encoder_training.robustsentembed",
    ),
)
