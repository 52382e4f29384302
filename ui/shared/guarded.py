"""What guards in front of a model make of a text, worked out in the background."""

from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from robust_core.classifiers import predict_labels
from robust_core.evaluation.guarded_names import guard_by_name
from ui.shared import loaded
from ui.shared.background_cache import BackgroundCache
from ui.shared.catalogue import fingerprint_model

if TYPE_CHECKING:
    from robust_core.guards.guarded_model import GuardedModel

# Models with a guard that are kept fitted, and texts that are kept judged.
_ROOM_GUARDED, _ROOM_TEXTS = 32, 4_000


class Reading(NamedTuple):
    """What a model with a guard makes of a text.

    Attributes:
        text: The text as it leaves the guard.
        label: The class that the model predicts of it then; -1 where the guard takes it for adversarial.
    """

    text: str
    label: int


def ask_reading(model_id: str, device: str, guard: str, text: str) -> tuple[Reading | None, str]:
    """Return (reading, error): (None, "") while it is being worked out.

    Args:
        model_id: Id of the model.
        device: Where it runs.
        guard: Name of the guard, with its default parameters and fitted to the texts that the model was trained on.
        text: The text.
    """
    return _get_readings().peek(model_id, fingerprint_model(model_id), device, guard, text)


@st.cache_resource(show_spinner=False)
def _get_guarded() -> "BackgroundCache[GuardedModel]":
    return BackgroundCache(_guard_model, _ROOM_GUARDED)


def _guard_model(model_id: str, fingerprint: str, device: str, guard: str) -> "GuardedModel":
    return guard_by_name(loaded.get_models().ask(model_id, fingerprint, device).result(), [guard])


@st.cache_resource(show_spinner=False)
def _get_readings() -> BackgroundCache[Reading]:
    return BackgroundCache(_read, _ROOM_TEXTS, patience=loaded.PATIENCE)


def _read(model_id: str, fingerprint: str, device: str, guard: str, text: str) -> Reading:
    guarded = _get_guarded().ask(model_id, fingerprint, device, guard).result()
    return Reading(guarded.clean(text), int(predict_labels(guarded, [text])[0]))
