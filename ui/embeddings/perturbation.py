"""What becomes of a prediction while k-PGD moves the embeddings of a text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from robust_core.errors import RobustError
from robust_core.evaluation.embedding_space import attack_embeddings
from ui.embeddings import vectors
from ui.embeddings.page import AttackPath
from ui.session import selection
from ui.shared import catalogue, colours
from ui.widgets import charts, phrases, refresh
from ui.widgets.markdown import escape_plotly, note

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

RADII = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
_READ = "The words that a model trained with RAR reads in the perturbed embeddings; the text itself has not changed."


@st.fragment
def draw_slider(path: AttackPath) -> None:
    """Let a person move the embeddings of the original by k-PGD, and show what becomes of the prediction."""
    with refresh.show_failure("the slider"):
        _draw_slider(path)


def _draw_slider(path: AttackPath) -> None:
    st.subheader("Perturbed embeddings of the original")
    chosen = selection.read_selection()
    if not chosen.models:
        st.info("Choose at least one model in the sidebar.")
        return
    radius = st.select_slider("ε, in mean token-embedding norms", RADII, value=0.1, key="embeddings.radius",
                              help="Largest L2 norm of the perturbation over the whole text, found by ten steps of PGD")
    rows, curves, models = [], {}, []
    for model in chosen.models:
        try:
            curve = _measure_curve(model, catalogue.fingerprint_model(model), chosen.device, path.texts[0])
        except RobustError as error:
            note(error)
            continue
        label, name = int(np.argmax(curve[0]["proba"])), catalogue.name_model(model)
        models.append(model)
        curves[name] = ([100 * r["proba"][label] for r in curve], [r["distance"] for r in curve])
        row = next(row for row in curve if row["radius"] == radius)
        answer = phrases.name_class(catalogue.find_labels(model), int(np.argmax(row["proba"])))
        rows.append({"Model": name, "Prediction": answer,
                     "Probability before %": 100 * curve[0]["proba"][label],
                     "Probability after %": 100 * row["proba"][label],
                     "Cosine": row["cosine"], "Distance": row["distance"], "read": row["read"]})
    if not rows:
        return
    number, exact = st.column_config.NumberColumn(format="%.1f"), st.column_config.NumberColumn(format="%.3f")
    shown = [{key: value for key, value in row.items() if key != "read"} for row in rows]
    st.dataframe(shown, hide_index=True, column_config={
        "Probability before %": number, "Probability after %": number, "Cosine": exact, "Distance": exact})
    for row in (row for row in rows if row["read"]):
        st.text(f"{row['Model']} reads the perturbed text as: {row['read']}", help=_READ)
    titles = ("probability of the first answer, %", "distance")
    for place, (column, title) in enumerate(zip(st.columns(2), titles, strict=True)):
        column.plotly_chart(_make_radius_figure({name: lines[place] for name, lines in curves.items()}, title, radius,
                                                 colours.list_looks(models)),
                            config=charts.CONFIG, key=f"embeddings.curve{place}")


@st.cache_data(show_spinner="Attacking the embedding …", max_entries=100)
def _measure_curve(model: str, stamp: str, device: str, text: str) -> list[dict[str, Any]]:
    return attack_embeddings(vectors.load_model(model, device), text, RADII)


def _make_radius_figure(lines: dict[str, list[float]], title: str, radius: float, looks: Sequence[charts.Look]
                        ) -> "Figure":
    """Return lines over ε, with a mark where the slider stands."""
    return charts.make_curve_figure(
        [{"type": "scatter", "mode": "lines+markers", "name": name, "x": list(RADII), "y": line,
          "hovertemplate": f"{name}<br>ε %{{x}}<br>%{{y:.2f}}<extra></extra>", **looks[i]}
         for i, (name, line) in enumerate((escape_plotly(name), line) for name, line in lines.items())],
        {**vectors.make_layout(len(lines)), "xaxis": {"title": {"text": "ε"}},
         "yaxis": {"title": {"text": title}, "rangemode": "tozero"},
         "shapes": [{"type": "line", "x0": radius, "x1": radius, "y0": 0, "y1": 1, "yref": "paper",
                     "line": {"dash": "dot", "width": 1.5, "color": charts.GUIDE}}]})
