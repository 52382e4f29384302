"""Vectors of texts under sentence encoders and under the chosen models, kept for all sessions."""

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from robust_core import encoders
from robust_core.models import encoder_cards
from ui.shared import catalogue, loaded

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

TITLES = {"minilm": "MiniLM", "simcse": "SimCSE", "robustsentembed": "RobustSentEmbed"}


def encode(encoder: str, device: str, texts: tuple[str, ...]) -> np.ndarray:
    """Return the (n, d) vectors of texts; an encoder that was trained anew is asked again."""
    stamp = next((card.files["model.safetensors"] for card in encoder_cards.cards() if card.id == encoder), "")
    return _encode_once(encoder, stamp, device, texts)


@st.cache_data(show_spinner="Encoding …", max_entries=200)
def _encode_once(encoder: str, stamp: str, device: str, texts: tuple[str, ...]) -> np.ndarray:
    return encoders.load(encoder, device).encode(texts)


def load_model(model: str, device: str) -> "TextClassifier":
    """Return a loaded model; waits for it."""
    return loaded.get_models().ask(model, catalogue.fingerprint_model(model), device).result()


def name_encoder(name: str) -> str:
    """Return an encoder's name as people write it: that of `simcse@1` is "SimCSE, seed 1"."""
    kind, _, seed = name.partition("@")
    return TITLES.get(kind, kind) + (f", seed {seed}" if seed else "")


def make_layout(lines: int) -> dict[str, Any]:
    """Return a layout in which the legend stands below the axis, even where it has a line for each entry."""
    return {"height": 240 + 24 * lines, "margin": {"l": 4, "r": 8, "t": 8, "b": 4},
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"}}
