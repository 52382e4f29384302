"""Presets of attacks: named values of their parameters.

`paper` has the recipe's values, on which tables and parity rest. `careful` chooses from the stored set of close swaps
and compares whole texts, so that a text that it ends with mostly says the same; typed texts are attacked with it.
"""

from collections.abc import Mapping
from typing import Any

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.errors import BadInput, UnknownName
from robust_core.registry import parameters

PAPER, CAREFUL = "paper", "careful"
NAMES = (CAREFUL, PAPER)
# What says nothing of how a text may be changed, but how long one looks, or with which model's eyes.
ASIDE = ("max_queries", "time_limit", "masked_model")


def read_preset(cls: type[Attack], preset: str) -> dict[str, Any]:
    """Return the values of a preset of an attack, by parameter.

    Raises:
        UnknownName: There is no such preset.
        BadInput: This attack has none of that name.
    """
    if preset not in NAMES:
        raise UnknownName("preset", preset, list(NAMES))
    if preset not in cls.PRESETS:
        raise BadInput(f"{describe_refusal(cls)} Use --preset {PAPER}, or another attack.")
    return cls.PRESETS[preset]


def choose_preset(cls: type[Attack]) -> str:
    """Return the preset for typed texts: `careful` where the attack has it, or else `paper`."""
    return CAREFUL if CAREFUL in cls.PRESETS else PAPER


def describe_refusal(cls: type[Attack]) -> str:
    """Return why an attack has no preset `careful`, as a sentence."""
    return f"{cls.title} has no preset {CAREFUL}: {cls.not_careful}."


def name_preset(record: Mapping[str, Any]) -> str:
    """Return the preset whose values a record of an attack has, or nothing where it has others.

    Limits of queries and time do not count, nor which masked language model is asked. With a given swap set the words
    are not the preset's.

    Args:
        record: Record of an attack (`registry.to_record`).
    """
    if {"swaps", *Attack.EXTENDED} & set(record):
        return ""
    cls = ATTACKS[str(record["name"])]
    known = [p for p in parameters(cls) if p.name not in ASIDE]
    return next((name for name, values in cls.PRESETS.items()
                 if all(record.get(p.name, p.default) == values.get(p.name, p.default) for p in known)), "")


def write_options(record: Mapping[str, Any]) -> list[str]:
    """Return the options of the command line that give an attack its parameters: its preset, then what differs.

    Args:
        record: Record of an attack (`registry.to_record`).
    """
    cls, preset = ATTACKS[str(record["name"])], name_preset(record)
    named = preset not in ("", PAPER)
    given = read_preset(cls, preset) if named else {}
    settable = {p.name for p in parameters(cls)}
    extended = [word for locked in record.get("lock", ()) for word in ("--lock", str(locked))]
    extended += ["--target", str(record["target"])] if "target" in record else []
    return ["--preset", preset] * named + extended + [
        word for name, value in record.items() if name in settable and name not in given
        for word in ("--set", f"{name}={value}")]
