"""One colour a model, the same in all figures of all pages."""

import functools
from collections.abc import Sequence

import streamlit as st

from ui.shared import catalogue
from ui.widgets import charts

_MANY = len(charts.COLOURS)


def color_model(model_id: str) -> str:
    """Return the colour of a model; grey for one that is not here.

    It follows from the model's place in the list, where the shipped ones come first and whatever somebody adds comes
    last. Of the models picked, up to eight, no two have the same: one whose colour is taken by a model that was picked
    before it has the next that is free.
    """
    places = catalogue.list_places()
    # Another training of a model has its colour.
    model = model_id if model_id in places else model_id.partition("@")[0]
    if model not in places:
        return charts.GUIDE
    picked = tuple(places[m] for m in st.session_state.get("models", ()) if m in places)
    return charts.COLOURS[_spread_places(picked).get(places[model], places[model] % _MANY)]


def list_looks(models: Sequence[str]) -> list[charts.Look]:
    """Return line and marker of each curve of a figure, by its model; dash and mark go with its number."""
    return [charts.choose_look(i, color_model(model)) for i, model in enumerate(models)]


@functools.lru_cache(maxsize=256)
def _spread_places(places: Sequence[int]) -> dict[int, int]:
    """Return the number of the colour of each place, all different as long as there are enough."""
    found: dict[int, int] = {}
    for place in places:
        tried = [(place + step) % _MANY for step in range(_MANY)]
        found[place] = next((colour for colour in tried if colour not in found.values()), tried[0])
    return found
