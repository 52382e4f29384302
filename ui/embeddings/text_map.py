"""A map of a data set's texts with the path of an attack on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from robust_core import datasets, encoders
from robust_core.evaluation import embedding_space
from robust_core.slices import find_place, is_member
from robust_core.types import Example
from ui.embeddings import vectors
from ui.embeddings.page import AttackPath
from ui.session import selection
from ui.shared import catalogue
from ui.slices import picking
from ui.slices import state as slices
from ui.widgets import charts, dataset_job
from ui.widgets.markdown import escape_plotly, note

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_TEXTS, _NEAREST = 120, 5


def draw_map(path: AttackPath) -> None:
    """Draw a map of a data set's texts with the path of the attack, and the nearest neighbours of both its ends."""
    st.subheader("A map of other texts")
    encoder, dataset, how = _draw_controls()
    device = selection.read_selection().device
    split = "train" if dataset_job.is_here(dataset, "train") else "test"
    file = datasets.find(dataset, split)
    examples = _load_examples(dataset, split, str(file), file.stat().st_mtime_ns)
    others = vectors.encode(encoder, device, tuple(e.text for e in examples))
    points = vectors.encode(encoder, device, path.texts)
    drawn, found, share = _project(others, points, how)
    labels = datasets.describe(dataset).labels
    picked = slices.find_slice()
    inside = [i for i, e in enumerate(examples) if picked is not None and is_member(picked, e.uid)]
    picking.draw_pickable(
        _make_map(drawn, found, examples, labels, path.texts, inside), "embeddings.map",
        lambda places: slices.take_slice(dataset, split, places, f"map of {vectors.name_encoder(encoder)}"),
        "Map of the data set's texts with the path of the attack")
    st.caption(f"Texts that you pick become a slice, to be attacked, explained or judged. {picking.HOW}")
    these = f"{len(examples)} texts of {catalogue.name_dataset(dataset)}"
    note((f"Two principal components of {these}; they show {100 * share:.0f} % of the variance"
          if share is not None else f"{these} by UMAP, which keeps neighbours together but not distances")
         + ": texts that are close here may be far apart in the full space.")
    columns = st.columns(2)
    for column, title, vector in zip(columns, ("original", "adversarial text"), (points[0], points[-1]), strict=True):
        column.dataframe([{"Cosine": min(float(others[i] @ vector), 1.0), "Nearest to the " + title: examples[i].text}
                          for i in embedding_space.find_nearest(others, vector, _NEAREST)], hide_index=True,
                         column_config={"Cosine": st.column_config.NumberColumn(format="%.3f", width=70)})


def _draw_controls() -> tuple[str, str, str]:
    """Draw the pickers; return the encoder, the data set and the kind of map."""
    known, sets = embedding_space.list_maps(), _list_sets()
    if st.session_state.get("embeddings.dataset") not in sets:
        st.session_state["embeddings.dataset"] = sets[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        encoder = st.selectbox("Encoder", encoders.list_names(), key="embeddings.encoder", width=260,
                               format_func=vectors.name_encoder)
        dataset = st.selectbox("Texts of", sets, key="embeddings.dataset", width=180,
                               format_func=catalogue.name_dataset) if len(sets) > 1 else sets[0]
        dataset_job.draw_own_button("embeddings")
        how = known[0] if len(known) == 1 else st.segmented_control(
            "Map", known, default=known[0], required=True, key="embeddings.how",
            format_func=embedding_space.MAPS.__getitem__)
    return encoder, dataset, how


def _list_sets() -> list[str]:
    """Return the data sets whose texts the map can show: those with the first model's labels, the packaged first."""
    picked = selection.read_selection().models
    found = dataset_job.list_available(catalogue.read_cards().get(picked[0]) if picked else None)
    return sorted(found, key=lambda name: name != "reviews") or ["reviews"]


@st.cache_data(show_spinner="Reading …", max_entries=20)
def _load_examples(dataset: str, split: str, path: str, stamp: int) -> tuple[Example, ...]:
    # Two people may have different data sets of one name: the path tells them apart.
    return datasets.choose(datasets.load(dataset, split), _MOST_TEXTS, 0)


@st.cache_data(show_spinner="Drawing the map …", max_entries=50)
def _project(others: np.ndarray, points: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray, float | None]:
    return embedding_space.project(others, points, how)


def _make_map(drawn: np.ndarray, found: np.ndarray, examples: Sequence[Example], classes: Sequence[str],
              path: Sequence[str], inside: Sequence[int]) -> "Figure":
    """Return the map; the texts of the slice, `inside`, are ringed, and each text carries its place."""
    labels = [classes[example.label or 0] for example in examples]
    traces, names = [], sorted(set(labels))
    for number, label in enumerate(names):
        chosen = [i for i, own in enumerate(labels) if own == label]
        at = drawn[chosen]
        traces.append({"type": "scatter", "mode": "markers", "name": escape_plotly(label), "x": at[:, 0], "y": at[:, 1],
                       "marker": {**_choose_mark(number, len(names)), "size": 7, "opacity": 0.7},
                       "text": [escape_plotly(examples[i].text) for i in chosen],
                       "customdata": [find_place(examples[i].uid) for i in chosen],
                       "hovertemplate": "%{text}<extra></extra>"})
    traces.append({"type": "scatter", "mode": "lines+markers", "name": "path of the attack", "x": found[:, 0],
                   "y": found[:, 1], "line": {"width": 2.5, "color": charts.COLOURS[2]},
                   "marker": {"size": [13, *[7] * (len(found) - 2), 13][: len(found)], "symbol": "diamond"},
                   "text": [escape_plotly(text) for text in path], "hovertemplate": "%{text}<extra></extra>"})
    if inside:
        traces.append(charts.make_rings(drawn[inside, 0].tolist(), drawn[inside, 1].tolist()))
    return charts.make_curve_figure(traces, {"height": 420, "margin": {"l": 4, "r": 8, "t": 8, "b": 4},
                                             "hovermode": "closest", "legend": {"orientation": "h", "y": -0.1}})


def _choose_mark(number: int, of: int) -> dict[str, Any]:
    """Return colour and mark of a class on the map; the marks differ as well as the colours, for grey scale."""
    if of == 2:
        return {"color": (charts.AGAINST, charts.FOR)[number], "symbol": ("circle", "triangle-up")[number]}
    # The third look is that of the attack's path.
    look = charts.choose_look(number + (number > 1))
    return {"color": look["line"]["color"], "symbol": look["marker"]["symbol"]}
