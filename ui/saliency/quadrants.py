"""Prediction against interpretation as a figure: a point a text of a stored run, to be picked as a slice."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robust_core.errors import shorten
from robust_core.slices import Slice, is_member
from ui.session.choices import Limits
from ui.slices import picking
from ui.slices import state as slices
from ui.widgets import charts
from ui.widgets.markdown import escape_plotly

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from ui.saliency.stored_results import Example

_SYMBOLS = ("circle", "diamond-open", "square-open", "x")
_MOST_CHARACTERS = 140


def draw_quadrants(examples: Sequence["Example"], run: str, names: Mapping[tuple[bool, bool], str], limits: Limits,
                   colour: str) -> None:
    """Draw a run's texts by what became of prediction and interpretation; picked ones become the slice.

    Args:
        examples: The texts.
        run: Id of the run.
        names: Name of each quadrant, by prediction kept and interpretation kept.
        limits: When an interpretation counts as kept.
        colour: The model's.
    """
    def take(picked: list[str]) -> None:
        inside = {example.quadrant(limits) for example in examples if example.result.example.uid in picked}
        slices.take_results(run, picked, str(inside.pop()).lower() if len(inside) == 1 else "")

    picking.draw_pickable(make_figure(examples, run, list(names.values()), limits, colour, slices.find_slice()),
                          f"stored.quadrants.{run}", take,
                          "Kendall's τ of each text against the lead of its label after the attack")


def make_figure(examples: Sequence["Example"], run: str, names: Sequence[str], limits: Limits, colour: str,
                chosen: Slice | None, height: int = 320) -> "Figure":
    """Return the figure: to the right of the line the prediction is kept, above the other one τ is high enough.

    Texts whose interpretation is not defined are left out. Each point carries the id of its text.
    """
    traces: list[dict[str, Any]] = []
    for name, symbol in zip(names, _SYMBOLS, strict=True):
        own = [example for example in examples if example.quadrant(limits) == name]
        if own:
            traces.append({
                "type": "scatter", "mode": "markers", "name": name, "x": [measure_lead(e) for e in own],
                "y": [e.tau for e in own], "customdata": [e.result.example.uid for e in own],
                "text": [escape_plotly(shorten(e.result.perturbed, _MOST_CHARACTERS)) for e in own],
                "marker": {"color": colour, "symbol": symbol, "size": 9, "line": {"width": 2, "color": colour}},
                "hovertemplate": "%{text}<br>lead %{x:+.0f} points, τ %{y:.2f}<extra></extra>"})
    rings = [e for e in examples if chosen is not None and e.quadrant(limits)
             and is_member(chosen, e.result.example.uid, run)]
    if rings:
        traces.append(charts.make_rings([measure_lead(e) for e in rings], [e.tau for e in rings]))
    line = {"type": "line", "opacity": 0.7, "line": {"width": 1, "dash": "dash", "color": charts.GUIDE}}
    return charts.make_curve_figure(traces, {
        "height": height, "margin": {"l": 4, "r": 8, "t": 8, "b": 4}, "hovermode": "closest",
        "xaxis": {"title": {"text": "lead of the reference label after the attack (points)", "standoff": 4},
                  "range": [-105, 105], "zeroline": False, "automargin": True},
        "yaxis": {"title": {"text": "τ", "standoff": 8}, "range": [-1.08, 1.08], "zeroline": False, "automargin": True},
        "legend": {"orientation": "h", "y": -0.28, "yanchor": "top", "x": 0},
        "shapes": [line | {"x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper"},
                   line | {"x0": 0, "x1": 1, "xref": "paper", "y0": limits.tau_at_least, "y1": limits.tau_at_least}]})


def measure_lead(example: "Example") -> float:
    """Return by how many points the reference label leads over the best other class after the attack."""
    after, reference = example.result.after, example.result.reference_label
    return 100 * (after[reference] - max(p for i, p in enumerate(after) if i != reference))
