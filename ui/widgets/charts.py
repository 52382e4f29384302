"""Plotly figures, drawn from results; colours follow the theme, percent exists only here."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.widgets.markdown import escape_plotly

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# The two colours of highlighted words, in tones that stand out from both a light and a dark page.
FOR, AGAINST = "#7e5cd6", "#d9660a"
# Lines that guide the eye: seen on a light page and on a dark one.
GUIDE = "#85838c"
CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"]}


def make_curve_figure(traces: list[dict[str, Any]], layout: dict[str, Any]) -> "Figure":
    """Make a figure of plain traces and a plain layout."""
    # Plotly takes a pandas that another thread is still importing for a whole one; an import waits for its end.
    import pandas  # noqa: F401
    import plotly.graph_objects as go

    return go.Figure(traces, layout)


def make_curve(points: Sequence[tuple[int, float]], label: str, *, border: float = 0.5, queries: int = 0,
               at: tuple[int, float] | None = None, colour: str = FOR, height: int = 150) -> "Figure":
    """Draw how the probability of a class falls while an attack asks the model.

    Args:
        points: (queries so far, probability 0..1 of the class at first) at each accepted step.
        label: Name of the class.
        border: Probability below which the prediction certainly flips; 0 leaves the line out.
        queries: Queries so far, where the curve is carried on flat; 0 ends it at the last step.
        at: (queries, probability) to ring, such as a step of a replay.
        colour: The model's colour; below the border a point is a cross.
        height: Height in pixels.
    """
    x, label = [count for count, _ in points], escape_plotly(label)
    y = [100 * proba for _, proba in points]
    traces = [{
        "type": "scatter", "x": x, "y": y, "mode": "lines+markers", "showlegend": False,
        "line": {"shape": "hv", "width": 2.5, "color": colour},
        "marker": {"size": [10 if p < 100 * border else 7 for p in y], "color": colour,
                   "symbol": ["x" if p < 100 * border else "circle" for p in y]},
        "hovertemplate": f"%{{x}} queries<br>{label} %{{y:.1f}} %<extra></extra>",
    }]
    if x and queries > x[-1]:
        traces.append({"type": "scatter", "x": [x[-1], queries], "y": [y[-1]] * 2, "mode": "lines", "showlegend": False,
                       "line": {"dash": "dot", "width": 2, "color": colour}, "hoverinfo": "skip"})
    if at:
        traces.append({"type": "scatter", "x": [at[0]], "y": [100 * at[1]], "mode": "markers", "showlegend": False,
                       "marker": {"size": 16, "symbol": "circle-open", "color": AGAINST, "line": {"width": 3}},
                       "cliponaxis": False, "hoverinfo": "skip"})
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100 * border, "y1": 100 * border, "opacity": 0.6,
            "line": {"width": 1, "dash": "dash", "color": GUIDE}}
    # One call instead of many updates: this is drawn several times a second while an attack runs.
    return make_curve_figure(traces, {
        "height": height, "margin": {"l": 4, "r": 8, "t": 6, "b": 4}, "hovermode": "closest", "uirevision": "keep",
        "xaxis": {"title": {"text": "queries", "standoff": 2}, "rangemode": "tozero", "automargin": True, "nticks": 5},
        "yaxis": {"title": {"text": f"{label} (%)", "standoff": 2}, "range": [-5, 105], "tickvals": [0, 50, 100],
                  "automargin": True},
        "shapes": [line] if border else [],
    })


_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
# Eight colours that stay apart with every colour blindness and stand out from both pages (3:1 and more): searched for
# among all such by the smallest distance of two of them. Every series has its own mark or dash besides.
COLOURS = ("#007878", "#d87830", "#4890fc", "#a884a8", "#c000c0", "#d80c6c", "#906000", "#8430fc")
# Line and marker of a series, as `choose_look` makes them.
Look = Mapping[str, Any]
_MOST_POINTS = 4000
# Points nearer than these shares of the axes share a label, of so many words at most.
_CLOSE, _MOST_NAMES = (0.25, 0.2), 3


def _make_layout(x: str, y: str, height: int, **more: object) -> dict[str, Any]:
    return {"height": height, "margin": {"l": 4, "r": 8, "t": 8, "b": 4}, "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.25, "yanchor": "top", "x": 0},
            "xaxis": {"title": {"text": x, "standoff": 4}, "automargin": True},
            # Room for labels that turn out wider than Plotly thought when it placed the title.
            "yaxis": {"title": {"text": y, "standoff": 12}, "automargin": True}} | more


def make_rings(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    """Return a trace that rings the points of the slice; they are picked by the points that they ring."""
    return {"type": "scatter", "mode": "markers", "name": "slice", "x": x, "y": y, "hoverinfo": "skip",
            "marker": {"symbol": "circle-open", "size": 15, "color": GUIDE, "line": {"width": 2.5}}}


def choose_look(i: int, colour: str = "") -> dict[str, Any]:
    """Return dash, mark and colour of the i-th curve, which can be told apart without colour as well.

    Args:
        i: Its number.
        colour: Its colour, such as a model's; by default one that goes with the number.
    """
    tone = colour or COLOURS[i % 8]
    return {"line": {"color": tone, "dash": _DASHES[i % 6], "width": 2.5},
            "marker": {"symbol": _SYMBOLS[i % 8], "size": 9, "color": tone}}


def make_top_k(curves: Mapping[str, Mapping[int, float]], chance: Mapping[int, Mapping[int, float]],
               looks: Sequence[Look] = (), height: int = 320) -> "Figure":
    """Draw top-k intersection for k from 1 to 10.

    Args:
        curves: For each name the share kept, by k.
        chance: For each number of words the share that random orders keep, by k.
        looks: Look of each curve; by number where there are none.
        height: Height in pixels.
    """
    traces = [{"type": "scatter", "x": list(values), "y": [100 * v for v in values.values()], "name": name,
               "mode": "lines+markers", **(looks[i] if looks else choose_look(i)),
               "hovertemplate": f"{name}<br>top %{{x}}: %{{y:.0f}} %<extra></extra>"}
              for i, (name, values) in enumerate((escape_plotly(name), own) for name, own in curves.items())]
    traces += [{"type": "scatter", "x": list(values), "y": [100 * v for v in values.values()], "mode": "lines",
                "name": "by chance" if len(chance) == 1 else f"by chance, {words} words",
                "line": {"color": GUIDE, "dash": "dot", "width": 1.5},
                "hovertemplate": "random orders<br>top %{x}: %{y:.0f} %<extra></extra>"}
               for words, values in sorted(chance.items())]
    layout = _make_layout("k", "kept (%)", height)
    layout["xaxis"] |= {"dtick": 1}
    layout["yaxis"] |= {"range": [-4, 104]}
    return make_curve_figure(traces, layout)


def make_word_scatter(points: Sequence[tuple[str, str, str, float, float]], looks: Sequence[Look] = (),
                      height: int = 320) -> "Figure":
    """Draw the importance of each word in one text against that in the other; swapped words are named.

    Args:
        points: (series, word, word in the other text, score, score in the other text).
        looks: Look of each series; by number where there are none.
        height: Height in pixels.
    """
    traces = []
    for i, name in enumerate(dict.fromkeys(point[0] for point in points)):
        own = [(*map(escape_plotly, point[:3]), *point[3:]) for point in points if point[0] == name]
        mark = (looks[i] if looks else choose_look(i))["marker"]
        swapped, name = [old.lower() != new.lower() for _, old, new, _, _ in own], escape_plotly(name)
        traces.append({
            "type": "scatter", "x": [p[3] for p in own], "y": [p[4] for p in own], "name": name,
            "mode": "markers+text", "textposition": "top center", "cliponaxis": False,
            "text": [p[2] if changed else "" for p, changed in zip(own, swapped, strict=True)],
            "marker": {"color": mark["color"], "symbol": mark["symbol"],
                       "size": [13 if changed else 8 for changed in swapped],
                       "line": {"width": [2.5 if changed else 0 for changed in swapped], "color": GUIDE}},
            "customdata": [[f"{p[1]} → {p[2]}" if changed else p[1], name, p[3], p[4]]
                           for p, changed in zip(own, swapped, strict=True)],
            "hovertemplate": f"{name}<br>%{{customdata[0]}}<br>original %{{x:+.3f}}, adversarial %{{y:+.3f}}"
                             "<extra></extra>"})
    values = [v for p in points for v in p[3:]]
    low, high = min(values, default=0.0), max(values, default=1.0)
    diagonal = {"type": "line", "x0": low, "x1": high, "y0": low, "y1": high, "opacity": 0.6,
                "line": {"width": 1, "dash": "dash", "color": GUIDE}}
    return make_curve_figure(traces, _make_layout("importance in the original", "in the adversarial text", height,
                                                  shapes=[diagonal]))


def make_boxes(groups: Mapping[str, Sequence[float]], label: str, *, limit: float | None = None,
               chance: float | None = None, points: bool = False, colours: Sequence[str] = ()) -> "Figure":
    """Draw the distribution of a figure in each group as a box lying on its side, values that are NaN left out.

    Args:
        groups: Values by name.
        label: What they are, with the unit.
        limit: Value to mark, from which on a verdict is good.
        chance: Value that chance gives, to mark.
        points: Whether every value is drawn beside its box.
        colours: Colour of each group; by number where there are none.
    """
    traces = [{"type": "box", "x": [v for v in values if v == v], "name": escape_plotly(name), "orientation": "h",
               "boxmean": True, "marker": {"color": colours[i] if colours else COLOURS[i % 8], "size": 4},
               "line": {"width": 2}, "showlegend": False, "boxpoints": "all" if points else "outliers"}
              for i, (name, values) in enumerate(groups.items())]
    marks = [(value, dash, text) for value, dash, text in ((limit, "dash", "limit"), (chance, "dot", "by chance"))
             if value is not None]
    layout = _make_layout(label, "", 110 + 60 * len(groups))
    # Room above the boxes for what the two lines mean.
    layout["margin"] = layout["margin"] | {"t": 40 if marks else 8}
    layout["yaxis"] |= {"autorange": "reversed"}
    layout["shapes"] = [{"type": "line", "x0": value, "x1": value, "y0": 0, "y1": 1, "yref": "paper", "opacity": 0.7,
                         "line": {"width": 1.5, "dash": dash, "color": GUIDE}} for value, dash, _ in marks]
    layout["annotations"] = [{"x": value, "y": 1, "yref": "paper", "text": text, "showarrow": False,
                              "yanchor": "bottom", "yshift": 16 * i} for i, (value, _, text) in enumerate(marks)]
    return make_curve_figure(traces, layout)


def make_cloud(points: Sequence[tuple[str, float, float]], x: str, y: str, marked: Collection[str] = (),
               found: Collection[str] = (), height: int = 300, log_x: bool = False) -> "Figure":
    """Draw a point for each word; some are named.

    Args:
        points: (word, x, y); of more than 4,000 those that are not named are thinned out evenly.
        x: Label of the x axis.
        y: Label of the y axis.
        marked: Words of the typed text.
        found: Words that were searched for.
        height: Height in pixels.
        log_x: Whether the x axis is logarithmic.
    """
    named = {*marked, *found}
    rest = [p for p in points if p[0] not in named]
    rest = rest[:: -(-len(rest) // _MOST_POINTS) or 1]
    series = [("all words", rest, GUIDE, "circle", 5, "markers"),
              ("your text", [p for p in points if p[0] in marked], AGAINST, "diamond", 11, "markers+text"),
              ("search", [p for p in points if p[0] in found and p[0] not in marked], FOR, "square", 11,
               "markers+text")]
    spans = _find_span([p[1] for p in points], log_x), _find_span([p[2] for p in points], False)
    traces = [{"type": "scatter", "x": [p[1] for p in own], "y": [p[2] for p in own],
               "text": _place_labels(own, spans, log_x) if symbol != "circle" else None,
               "customdata": [escape_plotly(p[0]) for p in own], "name": name, "mode": mode,
               "textposition": "middle right", "cliponaxis": False,
               "marker": {"color": colour, "symbol": symbol, "size": size,
                          "opacity": 0.45 if name == "all words" else 1},
               "hovertemplate": f"%{{customdata}}<br>{x} %{{x:.4g}}<br>{y} %{{y:.4g}}<extra></extra>"}
              for name, own, colour, symbol, size, mode in series if own]
    layout = _make_layout(x, y, height)
    if log_x:
        # Less than two decades: 2 and 5 have marks too.
        layout["xaxis"] |= {"type": "log", "dtick": 1 if max((p[1] for p in points), default=1) >= 100 else "D2"}
    return make_curve_figure(traces, layout)


def _find_span(values: Sequence[float], log: bool) -> float:
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (math.log10(max(high, 1)) if log else high - low) or 1.0


def _place_labels(points: Sequence[tuple[str, float, float]], spans: Sequence[float], log_x: bool) -> list[str]:
    """Return a label for each point; where several stand close together one carries the names of all of them."""
    places = [(math.log10(max(x, 1)) if log_x else x, y) for _, x, y in points]
    groups: list[list[int]] = []
    for i in sorted(range(len(points)), key=lambda i: -points[i][2]):
        group = next((g for g in groups if all(abs(places[i][axis] - places[g[0]][axis]) < _CLOSE[axis] * spans[axis]
                                               for axis in (0, 1))), None)
        if group is None:
            groups.append([i])
        else:
            group.append(i)
    labels = [""] * len(points)
    for first, *others in groups:
        words = [points[i][0] for i in (first, *others)]
        more = [f"+ {len(words) - _MOST_NAMES}"] if len(words) > _MOST_NAMES else []
        labels[first] = "<br>".join([*map(escape_plotly, words[:_MOST_NAMES]), *more])
    return labels


def make_losses(epochs: Sequence[dict], steps: Sequence[dict], height: int = 300) -> "Figure":
    """Draw each loss term of a training: means of epochs as lines, single steps as faint dots.

    Args:
        epochs: Its "epoch" events.
        steps: Its "step" events.
        height: Height in pixels.
    """
    names = list(dict.fromkeys(name for event in [*epochs, *steps] for name in event["terms"]))
    traces: list[dict] = []
    for i, name in enumerate(names):
        label, tone = name.replace("_", " "), COLOURS[i % 8]
        look = {"name": label, "legendgroup": name, "hovertemplate": f"epoch %{{x:.3~g}}<br>{label} %{{y:.4f}}"
                                                                     "<extra></extra>"}
        dots = [(e["epoch"] - 1 + e["step"] / e["steps"], e["terms"][name]) for e in steps if name in e["terms"]]
        traces.append(look | {
            "type": "scatter", "mode": "markers", "x": [x for x, _ in dots], "y": [y for _, y in dots], "opacity": 0.35,
            "showlegend": False, "marker": {"size": 4, "color": tone, "symbol": _SYMBOLS[i % 8]}})
        means = [(e["epoch"], e["terms"][name]) for e in epochs if name in e["terms"]]
        traces.append(look | {
            "type": "scatter", "mode": "lines+markers", "x": [x for x, _ in means], "y": [y for _, y in means],
            "line": {"color": tone, "width": 2.5, "dash": _DASHES[i % 6]},
            "marker": {"size": 7, "color": tone, "symbol": _SYMBOLS[i % 8]}})
    return make_curve_figure(traces, _make_training_layout(height, epochs, "mean over the epoch"))


def make_dev_accuracy(epochs: Sequence[dict], chance: float, height: int = 300) -> "Figure":
    """Draw the accuracy on dev after each epoch; the best epoch that counts is ringed, guessing is a dashed line.

    Args:
        epochs: "epoch" events of a training.
        chance: Accuracy of guessing, 0..1.
        height: Height in pixels.
    """
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
    layout = _make_training_layout(height, epochs, "% of dev classified correctly")
    layout["yaxis"] |= {"range": [0, 104], "tickvals": [0, 25, 50, 75, 100]}
    layout["shapes"] = [{"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 100 * chance, "y1": 100 * chance,
                         "opacity": 0.6, "line": {"width": 1, "dash": "dash", "color": GUIDE}}]
    layout["annotations"] = [{"xref": "paper", "x": 1, "xanchor": "right", "y": 100 * chance, "yanchor": "top",
                              "text": "guessing", "showarrow": False}]
    return make_curve_figure(traces, layout)


def _make_training_layout(height: int, epochs: Sequence[dict], label: str) -> dict:
    last = epochs[-1]["epochs"] if epochs else 1
    return {"height": height, "margin": {"l": 4, "r": 12, "t": 30, "b": 4}, "uirevision": "keep",
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": {"title": {"text": "epoch", "standoff": 4}, "range": [0, last + 0.3], "automargin": True},
            "yaxis": {"title": {"text": label, "standoff": 4}, "automargin": True}}
