"""Figures in which points can be picked, by click, box or lasso."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui.widgets import charts

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# The bar above the figure keeps the two ways of picking several points.
_CONFIG = {**charts.CONFIG, "modeBarButtonsToRemove": ["autoScale2d"]}


HOW = ("Drag a box around them, or choose the lasso in the bar above the figure; with Pan chosen there, click single "
       "ones.")


def draw_pickable(figure: "Figure", key: str, take: Callable[[list[Any]], None], alt: str, several: bool = True
                  ) -> None:
    """Draw a figure; what is picked in it is handed on before the page is drawn again.

    Args:
        figure: Its points carry what they stand for as `customdata`; points without any cannot be picked.
        key: Key of the figure.
        take: Gets what the picked points stand for, each once; is not called where nothing is picked.
        alt: What the figure shows, for screen readers.
        several: Whether a drag draws a box; else a click picks one point.
    """
    def pick() -> None:
        if found := list(list_picked(st.session_state.get(key))):
            take(found)

    if several:
        # Streamlit takes either clicks or boxes, by what a drag does.
        figure.update_layout(dragmode="select")
    st.plotly_chart(figure, config=_CONFIG if several else charts.CONFIG, key=key, alt=alt, on_select=pick,
                    selection_mode=("points", "box", "lasso") if several else "points")


def list_picked(state: Mapping[str, Any] | None) -> Iterator[Any]:
    """Yield what the picked points of a figure stand for, each once, in the order of the picking."""
    seen: list[Any] = []
    for point in state["selection"]["points"] if state else ():
        value = point.get("customdata")
        if value is not None and value not in seen:
            seen.append(value)
            yield value
