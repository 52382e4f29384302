"""Certified accuracy against the radius, from stored claims."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.certify import SMOOTHERS, checks
from robust_core.claims.files import Claim, read_claims
from robust_core.claims.footnotes import Footnotes
from robust_core.errors import list_names
from robust_core.paths import RESULTS
from ui.widgets import charts
from ui.widgets.footnotes import draw_footnotes
from ui.widgets.markdown import escape_markdown, format_code

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


_DASHES = {"dssn": "solid", "ssn": "dash", "uniform": "dot"}


def read_stored_claims(folder: Path, pattern: str) -> list[Claim]:
    """Return the stored claims about a model in files of a pattern, plain trainings before their variants.

    Files are read again when one of them has changed; what cannot be read is left out.
    """
    paths = sorted(folder.glob(pattern), key=lambda path: (path.stem.count("-"), path.stem))
    return _read_claims(tuple((str(path), path.stat().st_mtime_ns) for path in paths))


@st.cache_data(show_spinner=False)
def _read_claims(stamp: tuple[tuple[str, int], ...]) -> list[Claim]:
    found = read_claims([Path(path) for path, _ in stamp], skip_damaged=True)
    return [claim for claim in found if "model" in claim["details"]]


def draw_curves() -> None:
    """Show certified accuracy against the radius, best over Lambda."""
    known = {claim["details"]["model"]: claim
             for claim in read_stored_claims(RESULTS, "dssn-certified-accuracy-*.json")}
    if not known:
        st.caption("Nothing measured yet: `python -m robust_core reproduce dssn/certified-accuracy --out results`")
        return
    chosen = st.segmented_control("Test set", list(known), default=next(iter(known)), key="certified.data",
                                  format_func=lambda name: escape_markdown(known[name]["details"]["title"]),
                                  label_visibility="collapsed")
    claim = known[chosen or next(iter(known))]
    samples = claim["thresholds"].get("samples")
    votes = f"; the randomised ones count {samples:,} votes" if samples else " and count the same number of votes"
    footnotes, marks = Footnotes(), {}
    for method in _DASHES:
        marks[method] = footnotes.mark(dict.fromkeys(
            warning for row in claim["details"]["rows"] if row["method"] == method
            for warning in checks.list_warnings(row["scale"], row["evaluations"], row["alpha"])))
    st.plotly_chart(make_curves(claim["details"]["best"], marks), config=charts.CONFIG, key="certified.curves")
    draw_footnotes(footnotes)
    seeds = escape_markdown(list_names(map(str, claim["seeds"])))
    st.caption(f"Best over Λ at each radius, chosen on these test inputs as in the paper; n = {claim['n']:,}, seeds "
               f"{seeds}; bars show one standard error. The three methods train networks of the same size{votes}. "
               "Where a curve stays flat near chance, the cells are so wide that all inputs get the same answer. "
               f"{format_code(claim['command'])}")


def make_curves(best: Sequence[Mapping[str, Any]], marks: Mapping[str, str]) -> "Figure":
    """Draw certified accuracy against the radius, a line a method, with the marks of its footnotes behind its name."""
    traces = []
    for method, colour in zip(_DASHES, (charts.FOR, charts.AGAINST, "#2b8a8a"), strict=True):
        rows = [row for row in best if row["method"] == method]
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": f"{SMOOTHERS[method].title} {marks[method]}".rstrip(),
            "x": [row["radius"] for row in rows], "y": [100 * row["value"] for row in rows],
            "error_y": {"type": "data", "array": [100 * (row["value_se"] or 0) for row in rows], "thickness": 1},
            "line": {"dash": _DASHES[method], "width": 2.5, "color": colour},
            "customdata": [[row["scale"], 100 * row["clean_accuracy"]] for row in rows],
            "hovertemplate": "radius %{x:g}: %{y:.1f} %<br>Λ %{customdata[0]:g}, clean accuracy "
                             "%{customdata[1]:.1f} %"})
    return charts.make_curve_figure(traces, {
        "height": 320, "margin": {"l": 4, "r": 8, "t": 6, "b": 4}, "hovermode": "closest",
        "xaxis": {"title": {"text": "L1 radius (coordinates from 0 to 1)", "standoff": 4}, "automargin": True,
                  "rangemode": "tozero"},
        "yaxis": {"title": {"text": "certified accuracy (%)", "standoff": 12}, "range": [0, 100], "automargin": True},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"}})
