"""Clean accuracy against accuracy under attack, a point an entry, with error bars; a point picked is shown below."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.attacks.presets import CAREFUL, PAPER
from robust_core.defences import DEFENCES
from robust_core.leaderboard.entries import Entry
from robust_core.models.cards import CORE
from ui.leaderboard.board import name_entry
from ui.leaderboard.filters import name_attack, name_defence, name_preset
from ui.session import next_step
from ui.shared import catalogue, colours
from ui.slices import picking
from ui.widgets import charts
from ui.widgets.markdown import escape_plotly

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# A defence has one mark whatever is filtered; it is filled under `careful`, hollow under `paper`.
_DEFENCES = (*DEFENCES, CORE)
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "pentagon", "triangle-down",
            "star-square")
_PRESETS = {CAREFUL: "", PAPER: "-open"}
_OTHER = "-open-dot"


def draw_scatter(entries: Sequence[Entry]) -> None:
    """Draw entries; the one that is picked is that of the part "One figure"."""
    picking.draw_pickable(make_scatter(entries), "board.scatter",
                          lambda picked: next_step.choose({"board.entry": picked[0][1]}),
                          "Clean accuracy and accuracy under attack of each model", several=False)


def make_scatter(entries: Sequence[Entry], height: int = 420) -> "Figure":
    """Draw entries: a mark a defence, filled or hollow by preset; the models picked in the sidebar have their colours.

    Args:
        entries: What to draw.
        height: Height in pixels.
    """
    traces: list[dict[str, Any]] = []
    picked = [model for model in st.session_state.get("models", ()) if any(entry.model == model for entry in entries)]
    defences = sorted({entry.defence for entry in entries}, key=_place)
    for defence in defences:
        for preset in (CAREFUL, PAPER, ""):
            mine = [entry for entry in entries if (entry.defence, entry.preset) == (defence, preset)]
            if mine:
                traces.append(_make_trace(mine, name_defence(defence), _choose_symbol(defence, preset), picked))
    # One line a defence, one a preset and one a picked model in the legend, whatever combinations there are.
    lines = [(name_defence(defence), _choose_symbol(defence, CAREFUL), charts.GUIDE) for defence in defences]
    lines += [(name_preset(preset), f"circle{_PRESETS.get(preset, _OTHER)}", charts.GUIDE)
              for preset in dict.fromkeys(entry.preset for entry in entries)]
    lines += [(catalogue.name_model(model), "line-ew-open", colours.color_model(model)) for model in picked]
    # A click on a defence takes its points away.
    traces += [{"type": "scatter", "x": [None], "y": [None], "mode": "markers", "name": escape_plotly(name),
                "legendgroup": name, "hoverinfo": "skip",
                "marker": {"symbol": symbol, "size": 10, "color": colour, "line": {"width": 2, "color": colour}}}
               for name, symbol, colour in lines]
    low = max(0.0, min((100 * entry.clean.value for entry in entries), default=0.0) - 3)
    high = min(100.0, max((100 * entry.clean.value for entry in entries), default=100.0) + 3)
    # Where nothing is lost a point lies on this line.
    line = {"type": "line", "x0": low, "x1": high, "y0": low, "y1": high, "opacity": 0.7,
            "line": {"width": 1, "dash": "dash", "color": charts.GUIDE}}
    return charts.make_curve_figure(traces, {
        "height": height, "margin": {"l": 4, "r": 8, "t": 8, "b": 4}, "hovermode": "closest", "shapes": [line],
        "xaxis": {"title": {"text": "clean accuracy (%)", "standoff": 4}, "range": [low, high], "automargin": True},
        "yaxis": {"title": {"text": "under attack (%)", "standoff": 8}, "range": [-4, 100], "automargin": True},
        "legend": {"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0}})


def _place(defence: str) -> int:
    return _DEFENCES.index(defence) if defence in _DEFENCES else len(_DEFENCES)


def _choose_symbol(defence: str, preset: str) -> str:
    return _SYMBOLS[_place(defence) % len(_SYMBOLS)] + _PRESETS.get(preset, _OTHER)


def _make_trace(entries: Sequence[Entry], name: str, symbol: str, picked: Sequence[str]) -> dict[str, Any]:
    tones = [colours.color_model(entry.model) if entry.model in picked else charts.GUIDE for entry in entries]

    def bars(errors: Sequence[float]) -> dict[str, Any]:
        return {"type": "data", "array": [100 * error for error in errors], "thickness": 1, "width": 3,
                "color": charts.GUIDE}

    return {
        "type": "scatter", "mode": "markers", "name": escape_plotly(name), "legendgroup": name, "showlegend": False,
        "x": [100 * entry.clean.value for entry in entries], "y": [100 * entry.attacked.value for entry in entries],
        "error_x": bars([entry.clean.error for entry in entries]),
        "error_y": bars([entry.attacked.error for entry in entries]),
        "marker": {"color": tones, "symbol": symbol, "size": [13 if entry.model in picked else 9 for entry in entries],
                   "line": {"width": 2, "color": tones}},
        "customdata": [[_write_hover(entry), entry.id] for entry in entries],
        "hovertemplate": "%{customdata[0]}<extra></extra>"}


def _write_hover(entry: Entry) -> str:
    lines = (name_entry(entry), f"{name_attack(entry.attack)}, {name_preset(entry.preset)}",
             f"clean {100 * entry.clean.value:.1f} ± {100 * entry.clean.error:.1f} %",
             f"under attack {100 * entry.attacked.value:.1f} ± {100 * entry.attacked.error:.1f} %",
             f"n {entry.attacked.n:,}, {len(entry.seeds)} training{'s' * (len(entry.seeds) > 1)}")
    return "<br>".join(map(escape_plotly, lines))
