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


# Line styles and markers tell curves apart without colour.
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
_TONES = (FOR, AGAINST, "#1f9e89", "#b5367a", "#7a7a7a", "#3b7dd8")


def losses(epochs: Sequence[dict], steps: Sequence[dict], height: int = 300) -> "Figure":
    """Draw each loss term of a training: means of epochs as lines, single steps as faint dots.

    Args:
        epochs: Its "epoch" events.
        steps: Its "step" events.
        height: Height in pixels.
    """
    import plotly.graph_objects as go

    names = list(dict.fromkeys(name for event in [*epochs, *steps] for name in event["terms"]))
    traces: list[dict] = []
    for i, name in enumerate(names):
        label, tone = name.replace("_", " "), _TONES[i % len(_TONES)]
        look = {"name": label, "legendgroup": name, "hovertemplate": f"epoch %{{x:.3~g}}<br>{label} %{{y:.4f}}"
                                                                      "<extra></extra>"}
        dots = [(e["epoch"] - 1 + e["step"] / e["steps"], e["terms"][name]) for e in steps if name in e["terms"]]
        traces.append(look | {
            "type": "scatter", "mode": "markers", "x": [x for x, _ in dots], "y": [y for _, y in dots], "opacity": 0.35,
            "showlegend": False, "marker": {"size": 4, "color": tone, "symbol": _SYMBOLS[i % len(_SYMBOLS)]}})
        means = [(e["epoch"], e["terms"][name]) for e in epochs if name in e["terms"]]
        traces.append(look | {
            "type": "scatter", "mode": "lines+markers", "x": [x for x, _ in means], "y": [y for _, y in means],
            "line": {"color": tone, "width": 2.5, "dash": _DASHES[i % len(_DASHES)]},
            "marker": {"size": 7, "color": tone, "symbol": _SYMBOLS[i % len(_SYMBOLS)]}})
    return go.Figure(traces, _training_layout(height, epochs, "mean over the epoch"))


def dev_accuracy(epochs: Sequence[dict], chance: float, height: int = 300) -> "Figure":
    """Draw the accuracy on dev after each epoch; the best epoch that counts is ringed, guessing is a dashed line.

    Args:
        epochs: "epoch" events of a training.
        chance: Accuracy of guessing, 0..1.
        height: Height in pixels.
    """
    import plotly.graph_objects as go

    x, y = [e["epoch"] for e in epochs], [100 * e["dev_accuracy"] for e in epochs]
    traces: list[dict] = [{
        "type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": "accuracy on dev", "showlegend": False,
        "line": {"color": FOR, "width": 2.5}, "marker": {"size": 7, "color": FOR},
        "hovertemplate": "epoch %{x}<br>%{y:.1f} % of dev<extra></extra>"}]
    counted = [e for e in epochs if e["counts"]]
    if counted:
        best = max(counted, key=lambda e: e["dev_accuracy"])
        traces.append({
            "type": "scatter", "mode": "markers", "x": [best["epoch"]], "y": [100 * best["dev_accuracy"]],
            "name": "weights that are kept", "cliponaxis": False, "hoverinfo": "skip",
            "marker": {"size": 17, "symbol": "circle-open", "color": AGAINST, "line": {"width": 3}}})
    layout = _training_layout(height, epochs, "% of dev classified correctly")
    layout["yaxis"] |= {"range": [0, 104], "tickvals": [0, 25, 50, 75, 100]}
    layout["shapes"] = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100 * chance, "y1": 100 * chance,
                         "opacity": 0.6, "line": {"width": 1, "dash": "dash"}}]
    layout["annotations"] = [{"xref": "paper", "x": 1, "xanchor": "right", "y": 100 * chance, "yanchor": "top",
                              "text": "guessing", "showarrow": False}]
    return go.Figure(traces, layout)


def _training_layout(height: int, epochs: Sequence[dict], label: str) -> dict:
    last = epochs[-1]["epochs"] if epochs else 1
    return {"height": height, "margin": {"l": 4, "r": 12, "t": 30, "b": 4}, "uirevision": "keep",
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": {"title": {"text": "epoch", "standoff": 4}, "range": [0, last + 0.3], "automargin": True},
            "yaxis": {"title": {"text": label, "standoff": 4}, "automargin": True}}
