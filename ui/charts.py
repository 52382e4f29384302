"""Plotly figures, drawn from results; colours follow the theme, percent exists only here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# The two colours of the strips, in tones that stand out from both a light and a dark page.
FOR, AGAINST = "#7e5cd6", "#d9660a"
CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"]}


def curve(points: Sequence[tuple[int, float]], label: str, *, border: float = 0.5, asked: int = 0,
          at: tuple[int, float] | None = None, height: int = 150) -> "Figure":
    """Draw how the probability of a class falls while an attack asks the model.

    Args:
        points: (queries so far, probability 0..1 of the class at first) at each accepted step.
        label: Name of the class.
        border: Probability below which the prediction certainly flips; 0 leaves the line out.
        asked: Queries so far, where the curve is carried on flat; 0 ends it at the last step.
        at: (queries, probability) to ring, such as a step of a replay.
        height: Height in pixels.
    """
    import plotly.graph_objects as go

    x = [queries for queries, _ in points]
    y = [100 * proba for _, proba in points]
    traces = [{
        "type": "scatter", "x": x, "y": y, "mode": "lines+markers", "showlegend": False,
        "line": {"shape": "hv", "width": 2.5, "color": FOR},
        "marker": {"size": 7, "color": [AGAINST if p < 100 * border else FOR for p in y]},
        "hovertemplate": f"%{{x}} queries<br>{label} %{{y:.1f}} %<extra></extra>",
    }]
    if x and asked > x[-1]:
        traces.append({"type": "scatter", "x": [x[-1], asked], "y": [y[-1]] * 2, "mode": "lines", "showlegend": False,
                       "line": {"dash": "dot", "width": 2, "color": FOR}, "hoverinfo": "skip"})
    if at:
        traces.append({"type": "scatter", "x": [at[0]], "y": [100 * at[1]], "mode": "markers", "showlegend": False,
                       "marker": {"size": 16, "symbol": "circle-open", "color": AGAINST, "line": {"width": 3}},
                       "cliponaxis": False, "hoverinfo": "skip"})
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100 * border, "y1": 100 * border, "opacity": 0.6,
            "line": {"width": 1, "dash": "dash"}}
    # One call instead of many updates: this is drawn several times a second while an attack runs.
    return go.Figure(traces, {
        "height": height, "margin": {"l": 4, "r": 8, "t": 6, "b": 4}, "hovermode": "closest", "uirevision": "keep",
        "xaxis": {"title": {"text": "queries", "standoff": 2}, "rangemode": "tozero", "automargin": True, "nticks": 5},
        "yaxis": {"title": {"text": f"{label} (%)", "standoff": 2}, "range": [-5, 105], "tickvals": [0, 50, 100],
                  "automargin": True},
        "shapes": [line] if border else [],
    })
