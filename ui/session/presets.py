"""The preset of the attacks in the sidebar: how far a text may be changed."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import TYPED_SECONDS, Attack
from robust_core.attacks.presets import ASIDE, CAREFUL, NAMES, choose_preset, describe_refusal, name_preset, read_preset
from robust_core.registry import parameters
from ui.widgets import forms

# Prefix of the keys of the attacks' widgets.
KEY = "attacks"
# Where the sidebar's attacks begin otherwise than those of data sets, whatever the preset.
LIMITS = {"time_limit": TYPED_SECONDS}


def list_defaults(cls: type[Attack]) -> Mapping[str, Any]:
    """Return what the parameters of an attack begin with: its preset for typed texts, and limits on time."""
    return LIMITS | read_preset(cls, choose_preset(cls))


def draw_preset() -> None:
    """Draw the choice of a preset, which fills the forms of all attacks; it shows what these hold now."""
    st.session_state["preset"] = _find_preset()
    st.segmented_control(
        "How far a text may change", NAMES, key="preset", on_change=_fill_forms, format_func=str.capitalize,
        help="Careful: only close synonyms of a stored list, with the same part of speech and inflection, in a "
             "text that stays close as a whole. Paper: the values of each attack's paper, which often change the "
             "meaning. Neither is marked once you have changed a setting below.")


def explain_missing(attacks: list[Attack]) -> None:
    """Say which of the chosen attacks have no preset `careful`, where it is in force."""
    if st.session_state.get("preset") == CAREFUL:
        for attack in attacks:
            if CAREFUL not in attack.PRESETS:
                st.caption(f"{describe_refusal(type(attack))} Its paper's values are used.")


def write_link(attack: Attack) -> str:
    """Write an attack for the address, by its preset where it has one other than the recipe's values."""
    if name_preset(_to_values(attack)) == CAREFUL:
        return forms.to_link(attack, LIMITS | read_preset(type(attack), CAREFUL), CAREFUL)
    return forms.to_link(attack, LIMITS)


def _find_preset() -> str | None:
    """Return the preset whose values the forms of all chosen attacks hold; None where they hold others."""
    classes = [ATTACKS[name] for name in st.session_state.get(KEY, list(ATTACKS)[:1]) if name in ATTACKS]
    asked = [cls for cls in classes if CAREFUL in cls.PRESETS]
    found = {name_preset({"name": cls.name} | forms.read_values(cls, f"{KEY}.{cls.name}", list_defaults(cls)))
             for cls in asked}
    return (found.pop() or None) if len(found) == 1 else None if found else st.session_state.get("preset", CAREFUL)


def _fill_forms() -> None:
    """Write the values of the chosen preset into the forms of all attacks that have it, limits aside."""
    preset = st.session_state.get("preset")
    for cls in ATTACKS.values():
        values = cls.PRESETS.get(preset or "") if CAREFUL in cls.PRESETS else None
        for p in parameters(cls):
            if values is not None and p.name not in ASIDE:
                st.session_state[f"{KEY}.{cls.name}.{p.name}"] = values.get(p.name, p.default)


def _to_values(attack: Attack) -> dict[str, Any]:
    return {"name": attack.name} | {p.name: getattr(attack, p.name) for p in parameters(type(attack))}
