"""Probabilities and labels in words."""

from collections.abc import Sequence

from robust_core.errors import list_names


def format_percent(p: float) -> str:
    """Write a probability 0..1 in percent, with a decimal where rounding would claim certainty or a tie."""
    if p >= 0.9995 or p < 0.0005:
        return "100\u00a0%" if p == 1 else "0\u00a0%" if p == 0 else f"{'> 99.9' if p > 0.5 else '< 0.1'}\u00a0%"
    fine = p > 0.985 or p < 0.015 or 0.49 < p < 0.51
    return (f"{p:.1%}" if fine else f"{p:.0%}").replace("%", "\u00a0%")


def describe_prediction(proba: Sequence[float], names: Sequence[str]) -> str:
    """Name the predicted class with its probability."""
    best = max(range(len(proba)), key=proba.__getitem__)
    return f"{name_class(names, best)} {format_percent(proba[best])}"


def name_class(names: Sequence[str], index: int) -> str:
    """Name a class; by its number where the names are not known, as those of a model that is not here any more."""
    return names[index] if index < len(names) else f"class {index + 1}"


def list_classes(names: Sequence[str]) -> str:
    """List the classes of a model in a line."""
    return f"Classes: {list_names(names)}"
