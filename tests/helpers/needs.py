"""Marks for tests of what an installation with fewer packages lacks."""

from collections.abc import Iterable

import pytest

from robust_core import ATTACKS


def mark_attacks(names: Iterable[str]) -> list:
    """Names of attacks as parameters, those that run in TextAttack's process marked as needing it."""
    return [pytest.param(name, marks=pytest.mark.textattack)
            if ATTACKS[name].__module__.startswith("robust_core.attacks.textattack.") else name for name in names]
