"""Word-substitution attacks, robust training, saliency and certificates for text classifiers.

Importing this package is cheap: models and methods are imported when they are first used.
"""

import importlib
from typing import Any

from robust_core.environment import set_up_threads

__version__ = "0.1.0"

_HOMES = {
    "ATTACKS": "robust_core.attacks",
    "DEFENCES": "robust_core.defences",
    "EMBEDDING_ATTACKS": "robust_core.attacks.embeddings",
    "EXPLAINERS": "robust_core.explainers",
    "GUARDS": "robust_core.guards",
    "Rows": "robust_core.types",
    "SMOOTHERS": "robust_core.certify.smoothers",
    "Example": "robust_core.types",
    "clean": "robust_core.cleaning",
    "cards": "robust_core.models.loading",
    "load": "robust_core.models.loading",
    "summary": "robust_core.metrics",
    "watch": "robust_core.jobs.progress",
}

__all__ = sorted(_HOMES)


set_up_threads()


def __getattr__(name: str) -> Any:  # noqa: ANN401 (forwards whatever the named module defines)
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
