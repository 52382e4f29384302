"""Clean accuracy against accuracy under attack, a point an entry, with error bars."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from robust_core.attacks.presets import CAREFUL, PAPER
from robust_core.defences import DEFENCES
from robust_core.leaderboard.entries import Entry
from robust_core.models.cards import CORE
from ui.leaderboard.board import name_entry
from ui.leaderboard.filters import name_attack, name_defence, name_preset
from ui.widgets import charts
from ui.widgets.markdown import escape_plotly

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# A defence has one colour whatever is filtered; presets differ in the mark.
_DEFENCES = (*DEFENCES, CORE)
_SYMBOLS = {CAREFUL: "circle", PAPER: "diamond-open"}
_OTHER = "square-open"


def make_scatter(entries: Sequence[Entry], height: int = 420) -> "Figure":
    """Draw entries; those of one defence share a colour, those of one preset a mark.

    Args:
        entries: What to draw.
        height: Height in pixels.
    """
    traces: list[dict[str, Any]] = []
    defences = sorted({entry.defence for entry in entries}, key=_place)
    for defence in defences:
        colour = charts.choose_look(_place(defence))["line"]["color"]
        for preset in (CAREFUL, PAPER, ""):
            mine = [entry for entry in entries if (entry.defence, entry.preset) == (defence, preset)]
            if mine:
                traces.append(_make_trace(mine, name_defence(defence), colour, _SYMBOLS.get(preset, _OTHER)))
    # One line a defence and one a mark in the legend, whatever combinations there are.
    shown: set[str] = set()
    for trace in traces:
        trace["showlegend"] = trace["name"] not in shown
        shown.add(trace["name"])
    for preset in dict.fromkeys(entry.preset for entry in entries):
        traces.append({"type": "scatter", "x": [None], "y": [None], "mode": "markers", "name": name_preset(preset),
                       "marker": {"symbol": _SYMBOLS.get(preset, _OTHER), "size": 10, "color": charts.GUIDE},
                       "hoverinfo": "skip"})
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


def _make_trace(entries: Sequence[Entry], name: str, colour: str, symbol: str) -> dict[str, Any]:
    def bars(errors: Sequence[float]) -> dict[str, Any]:
        return {"type": "data", "array": [100 * error for error in errors], "thickness": 1, "width": 3}

    return {
        "type": "scatter", "mode": "markers", "name": escape_plotly(name), "legendgroup": name,
        "x": [100 * entry.clean.value for entry in entries], "y": [100 * entry.attacked.value for entry in entries],
        "error_x": bars([entry.clean.error for entry in entries]),
        "error_y": bars([entry.attacked.error for entry in entries]),
        "marker": {"color": colour, "symbol": symbol, "size": 10, "line": {"width": 2, "color": colour}},
        "customdata": [_write_hover(entry) for entry in entries],
        "hovertemplate": "%{customdata}<extra></extra>"}


def _write_hover(entry: Entry) -> str:
    lines = (name_entry(entry), f"{name_attack(entry.attack)}, {name_preset(entry.preset)}",
             f"clean {100 * entry.clean.value:.1f} ± {100 * entry.clean.error:.1f} %",
             f"under attack {100 * entry.attacked.value:.1f} ± {100 * entry.attacked.error:.1f} %",
             f"n {entry.attacked.n:,}, {len(entry.seeds)} training{'s' * (len(entry.seeds) > 1)}")
    return "<br>".join(map(escape_plotly, lines))
