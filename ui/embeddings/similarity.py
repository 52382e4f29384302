"""How alike the texts of an attack are, or any sentences, under sentence encoders and under models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from robust_core import encoders
from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.evaluation.embedding_space import compute_cosines, compute_representations
from ui.embeddings import vectors
from ui.embeddings.page import AttackPath
from ui.session import selection
from ui.shared import catalogue, colours
from ui.widgets import charts
from ui.widgets.markdown import escape_markdown, escape_plotly, note, warn

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Defences that learn from perturbed embeddings.
ON_EMBEDDINGS = ("freelb", "carl", "rar")
_MOST_TYPED = 12


def draw_similarity(path: AttackPath) -> None:
    """Draw how alike the original and each text on the path are, for every encoder and every chosen model."""
    st.subheader("Similarity of the original and the adversarial text")
    device, lines, tones = selection.read_selection().device, {}, []
    for name in encoders.list_names():
        tones.append(charts.GUIDE)
        lines[vectors.name_encoder(name)] = compute_cosines(vectors.encode(name, device, path.texts))[0]
    for model in selection.read_selection().models:
        try:
            found = _represent(model, catalogue.fingerprint_model(model), device, path.texts)
            lines[catalogue.name_model(model)] = compute_cosines(found)[0]
            tones.append(colours.color_model(model))
        except RobustError as error:
            note(error)
    st.dataframe([{"Encoder or model": name, "Similarity": float(line[-1])} for name, line in lines.items()],
                 hide_index=True, column_config={"Similarity": st.column_config.ProgressColumn(
                     help="Cosine of the original and the adversarial text: 1 is the same direction", format="%.3f",
                     min_value=0.0, max_value=1.0)})
    if trained := _find_embedding_models():
        names = ", ".join(catalogue.name_model(model) for model in trained)
        st.button("Add the models trained on perturbed embeddings", key="embeddings.add",
                  on_click=selection.choose_models, args=trained, icon=":material/add:",
                  help=f"Adds {escape_markdown(names)} to the models in the sidebar.")
    if len(path.texts) > 2:
        st.plotly_chart(_make_steps(path.texts, lines, tones), config=charts.CONFIG, key="embeddings.steps")
    st.caption("Encoders are made for comparing sentences. Of a model, the representation that its last layer reads is "
               "compared: in a robust model it moves little.")


@st.cache_data(show_spinner="Reading …", max_entries=200)
def _represent(model: str, stamp: str, device: str, texts: tuple[str, ...]) -> np.ndarray:
    return compute_representations(vectors.load_model(model, device), texts)


def _find_embedding_models() -> list[str]:
    """Return base, FreeLB, CARL and RAR where they are not picked: of a picked model's architecture before others."""
    known, picked = catalogue.read_cards(), selection.read_selection().models
    cards = [known[model] for model in picked if model in known]
    for card in [*cards, *(c for c in known.values() if cards and c.dataset == cards[0].dataset)]:
        here = [m for name in ("base", *ON_EMBEDDINGS) if (m := f"{card.dataset}/{card.architecture}/{name}") in known]
        if any(not model.endswith("/base") for model in here):
            return [model for model in here if model not in picked]
    return []


def _make_steps(texts: Sequence[str], lines: dict[str, np.ndarray], tones: Sequence[str]) -> "Figure":
    """Return a line an encoder or model; encoders are grey, models have their colours."""
    return charts.make_curve_figure(
        [{"type": "scatter", "mode": "lines+markers", "name": name, "x": list(range(len(line))), "y": line.tolist(),
          "text": [escape_plotly(text) for text in texts],
          **charts.choose_look(i, tones[i]),
          "hovertemplate": f"{name}<br>%{{text}}<br>cosine %{{y:.3f}}<extra></extra>"}
         for i, (name, line) in enumerate((escape_plotly(name), line) for name, line in lines.items())],
        {**vectors.make_layout(len(lines)),
         "xaxis": {"title": {"text": "words changed so far"}, "dtick": 1}, "yaxis": {"title": {"text": "cosine"}}})


def draw_sentences() -> None:
    """Show the similarity of any typed sentences, a line each, as a matrix."""
    st.subheader("Similarity of any sentences")
    st.session_state.setdefault("embeddings.lines", "A clever film.\nA shrewd film.\nA dull film.\nThe train is late.")
    typed = st.text_area("One sentence a line", key="embeddings.lines", height="content", persist_state="session")
    names = encoders.list_names()
    encoder = st.selectbox("Encoder", names, key="embeddings.matrix", width=260, format_func=vectors.name_encoder)
    try:
        texts = tuple(check_typed(line) for line in typed.splitlines() if line.strip())[:_MOST_TYPED]
    except RobustError as error:
        warn(error)
        return
    if len(texts) < 2:
        st.info("Type at least two sentences.")
        return
    values = compute_cosines(vectors.encode(encoder, selection.read_selection().device, texts))
    short = [f"{i + 1}. {escape_plotly(text[:30])}" for i, text in enumerate(texts)]
    st.plotly_chart(charts.make_curve_figure(
        [{"type": "heatmap", "z": values, "x": short, "y": short, "zmin": 0, "zmax": 1, "colorscale": "Purples",
          "texttemplate": "%{z:.2f}", "hovertemplate": "%{y}<br>%{x}<br>cosine %{z:.3f}<extra></extra>"}],
        {"height": 120 + 40 * len(texts), "margin": {"l": 4, "r": 8, "t": 8, "b": 4},
         "yaxis": {"autorange": "reversed"}}), config=charts.CONFIG, key="embeddings.heat")
