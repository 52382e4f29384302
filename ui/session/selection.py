"""What one browser session has chosen in the sidebar."""

import contextlib
from typing import NamedTuple

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.cleaning import check_typed
from robust_core.environment import preferred_device
from robust_core.errors import RobustError
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer
from robust_core.registry import from_record
from ui.session.choices import Limits
from ui.session.presets import list_defaults
from ui.session.true_label import read_label
from ui.shared.catalogue import list_classes, read_cards

# Under `careful` a close synonym flips the first of the default models and neither of the others.
DEFAULT_TEXT = "Not even the lovely island scenery can save this soggy romance."
# What two texts are compared before there is an attack.
OTHER_TEXT = "Not even the beautiful island landscape can salvage this soggy romance."
# Two of one architecture, one of them defended, so that an attack may flip one and fail on the other, and one that is
# proved to hold.
DEFAULT_MODELS = ("sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/additive/close")
# Where a page leaves parameters of its own for the address, each time it is drawn.
PAGE_LINK = "page.link"
# Interpretation is kept when both hold: the medians over 500 dev pairs of the base models (results/verdict.json).
TAU_AT_LEAST, TOP5_AT_LEAST = 0.44, 0.6


class Selection(NamedTuple):
    """One person's choices: what to do with which text on which models."""

    text: str
    models: tuple[str, ...]
    attacks: tuple[Attack, ...]
    explainer: Explainer
    label: str | None
    seed: int
    limits: Limits
    device: str


def read_selection() -> Selection:
    """Return the present choices; a page that runs without the frame gets the defaults."""
    known = st.session_state
    attacks, explainer = known.get("chosen.attacks"), known.get("chosen.explainer")
    models, text = tuple(known.get("models", list_default_models())), known.get("text", DEFAULT_TEXT)
    label = read_label(text)
    return Selection(
        text,
        models,
        make_default_attacks() if attacks is None else tuple(from_record(ATTACKS, record) for record in attacks),
        from_record(EXPLAINERS, explainer) if explainer else make_default_explainer(),
        label if label in list_classes(models) else None,
        int(known.get("seed", 0)),
        Limits(float(known.get("tau_at_least", TAU_AT_LEAST)), float(known.get("top5_at_least", TOP5_AT_LEAST))),
        known.get("device", find_default_device()),
    )


def is_ready(chosen: Selection) -> bool:
    """Return whether there is a text that can be used, and a model."""
    with contextlib.suppress(RobustError):
        return bool(check_typed(chosen.text) and chosen.models)
    return False


def make_default_attacks() -> tuple[Attack, ...]:
    """Return the first attack as it is drawn at first, as the only one."""
    return tuple(ATTACKS[name](**list_defaults(ATTACKS[name])) for name in list(ATTACKS)[:1])


def make_default_explainer() -> Explainer:
    """Return the first explainer with its parameters' defaults."""
    return EXPLAINERS[next(iter(EXPLAINERS))]()


def find_default_device() -> str:
    """Return the device to use unless another is picked: ROBUST_DEVICE, or auto."""
    return preferred_device()


def list_default_models() -> list[str]:
    """Return those of DEFAULT_MODELS that are here, or else the first three models."""
    known = list(read_cards())
    return [m for m in DEFAULT_MODELS if m in known] or known[:3]


def choose_models(*model_ids: str) -> None:
    """Add models to those picked in the sidebar; for a button's `on_click`."""
    st.session_state["models"] = list(
        dict.fromkeys([*st.session_state.get("models", list_default_models()), *model_ids])
    )


def notify(message: str) -> None:
    """Leave a plain message for the page to show, until the choices change."""
    st.session_state["said"] = [message, ""]
