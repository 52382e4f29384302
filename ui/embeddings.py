"""The Embeddings page's parts: similarity under encoders and models, a map, k-PGD on a slider, a matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import streamlit as st

from robust_core import datasets, encoders
from robust_core.errors import BadInput, RobustError
from robust_core.evaluation.embedding_space import (
    MAPS,
    attack_embeddings,
    attack_path,
    compute_cosines,
    compute_representations,
    find_nearest,
    list_maps,
    project,
)
from robust_core.models import encoder_cards
from robust_core.text import check_typed
from robust_core.types import AttackResult, Example
from ui.session import attack, selection
from ui.shared import catalogue, loaded
from ui.widgets import charts
from ui.widgets import dataset_job as corpora

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LAST, PAIR = "Last attack", "Two texts"
TITLES = {"minilm": "MiniLM", "simcse": "SimCSE", "robustsentembed": "RobustSentEmbed"}
# Defences that learn from perturbed embeddings.
ON_EMBEDDINGS = ("freelb", "carl", "rar")
RADII = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
OTHER_TEXT = "an astonishingly proficient piece of film"
_CORPUS, _MOST_TYPED, _NEAR = 120, 12, 5


class AttackPath(NamedTuple):
    """Texts from an original to an adversarial one, both included."""

    texts: tuple[str, ...]


def ask_texts() -> AttackPath | None:
    """Ask which two texts to look at; None where they cannot be used."""
    result = _find_last()
    choices = [LAST, PAIR] if result is not None else [PAIR]
    if st.session_state.get("embeddings.source") not in choices:
        st.session_state["embeddings.source"] = choices[0]
    source = st.segmented_control("Texts", choices, key="embeddings.source", required=True, persist_state="session")
    if source == LAST and result is not None:
        return AttackPath(tuple(attack_path(result.example.text, result.perturbed, result)))
    st.session_state.setdefault("embeddings.first", selection.DEFAULT_TEXT)
    st.session_state.setdefault("embeddings.second", OTHER_TEXT)
    left, right = st.columns(2)
    first = left.text_area("Original", key="embeddings.first", height="content", persist_state="session")
    second = right.text_area("Adversarial", key="embeddings.second", height="content", persist_state="session")
    try:
        return AttackPath(tuple(attack_path(check_typed(first), check_typed(second))))
    except RobustError as error:
        st.warning(str(error))
        return None


def _find_last() -> AttackResult | None:
    present = attack.find_outcome()
    donors = present.donors() if present is not None and not present.running else []
    return present.results[donors[0]] if present is not None and donors else None


def _encode(encoder: str, device: str, texts: tuple[str, ...]) -> np.ndarray:
    """Return the vectors of texts; an encoder that was trained anew is asked again."""
    stamp = next((card.files["model.safetensors"] for card in encoder_cards.cards() if card.id == encoder), "")
    return _encode_once(encoder, stamp, device, texts)


@st.cache_data(show_spinner="Encoding …", max_entries=200)
def _encode_once(encoder: str, stamp: str, device: str, texts: tuple[str, ...]) -> np.ndarray:
    return encoders.load(encoder, device).encode(texts)


@st.cache_data(show_spinner="Reading …", max_entries=200)
def _represent(model: str, stamp: str, device: str, texts: tuple[str, ...]) -> np.ndarray:
    return compute_representations(_load_model(model, device), texts)


@st.cache_data(show_spinner="Attacking the embedding …", max_entries=100)
def _measure_curve(model: str, stamp: str, device: str, text: str) -> list[dict[str, Any]]:
    return attack_embeddings(_load_model(model, device), text, RADII)


def _load_model(model: str, device: str) -> Any:  # noqa: ANN401 (any classifier)
    found = loaded.get_models().ask(model, catalogue.fingerprint_model(model), device).result()
    if not hasattr(found, "embed"):
        raise BadInput(f"{model} shows no embeddings.")
    return found


def _list_names() -> list[str]:
    return encoders.list_names()


def _name_encoder(name: str) -> str:
    """Return an encoder's name as people write it."""
    return TITLES.get(name, name)


def draw_similarity(way: AttackPath) -> None:
    """Draw how alike the original and each text on the way are, for every encoder and every chosen model."""
    st.subheader("How far the words moved the text")
    device, lines = selection.read_selection().device, {}
    for name in _list_names():
        lines[_name_encoder(name)] = compute_cosines(_encode(name, device, way.texts))[0]
    for model in selection.read_selection().models:
        try:
            lines[catalogue.name_model(model)] = compute_cosines(
                _represent(model, catalogue.fingerprint_model(model), device, way.texts)
            )[0]
        except RobustError as error:
            st.caption(str(error))
    st.dataframe([{"Reads the text": name, "Similarity": float(line[-1])} for name, line in lines.items()],
                 hide_index=True, column_config={"Similarity": st.column_config.ProgressColumn(
                     help="Cosine of the original and the adversarial text: 1 is the same direction", format="%.3f",
                     min_value=0.0, max_value=1.0)})
    if trained := _find_embedding_models():
        names = ", ".join(catalogue.name_model(model) for model in trained)
        st.button("Add the models trained on moved embeddings", key="embeddings.add", on_click=selection.choose_models,
                  args=trained, icon=":material/add:", help=f"Adds {names} to the models in the sidebar.")
    if len(way.texts) > 2:
        st.plotly_chart(_make_steps(way.texts, lines), config=charts.CONFIG, key="embeddings.steps")
    st.caption("Encoders are made for comparing sentences; a model's own representation is what its last layer reads, "
               "and a robust one moves little.")


def _find_embedding_models() -> list[str]:
    """Return base, FreeLB, CARL and RAR where they are not picked: of a picked model's architecture before others."""
    known, picked = catalogue.read_cards(), selection.read_selection().models
    cards = [known[model] for model in picked if model in known]
    for card in [*cards, *(c for c in known.values() if cards and c.dataset == cards[0].dataset)]:
        here = [m for name in ("base", *ON_EMBEDDINGS) if (m := f"{card.dataset}/{card.architecture}/{name}") in known]
        if any(not model.endswith("/base") for model in here):
            return [model for model in here if model not in picked]
    return []


def _make_steps(texts: Sequence[str], lines: dict[str, np.ndarray]) -> "Figure":
    return charts.make_curve_figure(
        [{"type": "scatter", "mode": "lines+markers", "name": name, "x": list(range(len(line))), "y": line.tolist(),
          "text": [text.replace("<", "&lt;") for text in texts],
          "hovertemplate": f"{name}<br>%{{text}}<br>cosine %{{y:.3f}}<extra></extra>", **charts.choose_look(i)}
         for i, (name, line) in enumerate(lines.items())],
        {**_make_layout(len(lines)),
         "xaxis": {"title": {"text": "words changed so far"}, "dtick": 1}, "yaxis": {"title": {"text": "cosine"}}})


def draw_map(way: AttackPath) -> None:
    """Draw a map of a data set's texts with the way of the attack and its nearest neighbours."""
    st.subheader("A map of other texts")
    names, device, known, sets = _list_names(), selection.read_selection().device, list_maps(), _list_sets()
    if st.session_state.get("embeddings.dataset") not in sets:
        st.session_state["embeddings.dataset"] = sets[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        encoder = st.selectbox("Encoder", names, key="embeddings.encoder", width=260, format_func=_name_encoder)
        dataset = st.selectbox("Texts of", sets, key="embeddings.dataset", width=180,
                               format_func=catalogue.name_dataset) if len(sets) > 1 else sets[0]
        how = known[0] if len(known) == 1 else st.segmented_control(
            "Map", known, default=known[0], required=True, key="embeddings.how", format_func=lambda name: MAPS[name])
    split = "train" if corpora.is_here(dataset, "train") else "test"
    examples = _load_examples(dataset, split, datasets.find(dataset, split).stat().st_mtime_ns)
    corpus, points = (_encode(encoder, device, tuple(texts)) for texts in ([e.text for e in examples], way.texts))
    drawn, found, share = _project(corpus, points, how)
    labels = datasets.describe(dataset).labels
    st.plotly_chart(_make_map(drawn, found, [e.text for e in examples], [labels[e.label or 0] for e in examples],
                              way.texts), config=charts.CONFIG, key="embeddings.map")
    these = f"{len(examples)} texts of {catalogue.name_dataset(dataset)}"
    st.caption((f"Two principal components of {these}; they show {100 * share:.0f} % of the variance"
                if share is not None else f"{these} by UMAP, which keeps neighbours and bends the rest")
               + ", so what is near here may be far in truth.")
    columns = st.columns(2)
    for column, title, vector in zip(columns, ("original", "adversarial text"), (points[0], points[-1]), strict=True):
        column.dataframe([{"Cosine": float(corpus[i] @ vector), "Nearest to the " + title: examples[i].text}
                          for i in find_nearest(corpus, vector, _NEAR)], hide_index=True,
                         column_config={"Cosine": st.column_config.NumberColumn(format="%.3f", width=70)})


def _list_sets() -> list[str]:
    """Return the data sets whose texts the map can show: those with the first model's labels, the packaged first."""
    picked = selection.read_selection().models
    found = corpora.list_available(catalogue.read_cards().get(picked[0]) if picked else None)
    return sorted(found, key=lambda name: name != "reviews") or ["reviews"]


@st.cache_data(show_spinner="Reading …", max_entries=20)
def _load_examples(dataset: str, split: str, stamp: int) -> tuple[Example, ...]:
    return datasets.choose(datasets.load(dataset, split), _CORPUS, 0)


@st.cache_data(show_spinner="Drawing the map …", max_entries=50)
def _project(corpus: np.ndarray, points: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray, float | None]:
    return project(corpus, points, how)


def _make_map(drawn: np.ndarray, found: np.ndarray, texts: Sequence[str], labels: Sequence[str],
              way: Sequence[str]) -> "Figure":
    traces, names = [], sorted(set(labels))
    for number, label in enumerate(names):
        chosen = [i for i, own in enumerate(labels) if own == label]
        at = drawn[chosen]
        traces.append({"type": "scatter", "mode": "markers", "name": label, "x": at[:, 0], "y": at[:, 1],
                       "marker": {**_choose_mark(number, len(names)), "size": 7, "opacity": 0.7},
                       "text": [texts[i].replace("<", "&lt;") for i in chosen],
                       "hovertemplate": "%{text}<extra></extra>"})
    traces.append({"type": "scatter", "mode": "lines+markers", "name": "way of the attack", "x": found[:, 0],
                   "y": found[:, 1], "line": {"width": 2.5, "color": "#3f8f8a"},
                   "marker": {"size": [13, *[7] * (len(found) - 2), 13][: len(found)], "symbol": "diamond"},
                   "text": [text.replace("<", "&lt;") for text in way], "hovertemplate": "%{text}<extra></extra>"})
    return charts.make_curve_figure(
        traces,
        {
            "height": 420,
            "margin": {"l": 4, "r": 8, "t": 8, "b": 4},
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.1},
        },
    )


def _choose_mark(number: int, of: int) -> dict[str, Any]:
    """Return colour and mark of a class on the map; the marks differ as well as the colours, for grey scale."""
    if of == 2:
        return {"color": (charts.AGAINST, charts.FOR)[number], "symbol": ("circle", "triangle-up")[number]}
    # The third look is that of the attack's way.
    look = charts.choose_look(number + (number > 1))
    return {"color": look["line"]["color"], "symbol": look["marker"]["symbol"]}


@st.fragment
def draw_slider(way: AttackPath) -> None:
    """Let a person move the embeddings of the original by k-PGD, and show what becomes of the prediction."""
    st.subheader("The text moved where no words are")
    chosen = selection.read_selection()
    if not chosen.models:
        st.info("Choose at least one model in the sidebar.")
        return
    radius = st.select_slider("ε, in mean token-embedding norms", RADII, value=0.1, key="embeddings.radius",
                              help="Largest L2 norm of the perturbation over the whole text, found by ten steps of PGD")
    rows, curves, read = [], {}, {}
    for model in chosen.models:
        try:
            curve = _measure_curve(model, catalogue.fingerprint_model(model), chosen.device, way.texts[0])
        except RobustError as error:
            st.caption(str(error))
            continue
        row = next(row for row in curve if row["radius"] == radius)
        label = int(np.argmax(curve[0]["proba"]))
        curves[catalogue.name_model(model)] = ([100 * r["proba"][label] for r in curve], [r["distance"] for r in curve])
        rows.append(
            {
                "Model": catalogue.name_model(model),
                "Says": catalogue.find_labels(model)[int(np.argmax(row["proba"]))],
                "Was sure %": 100 * curve[0]["proba"][label],
                "Is sure of the same %": 100 * row["proba"][label],
                "Cosine": row["cosine"],
                "Distance": row["distance"],
            }
        )
        if row["read"]:
            read[catalogue.name_model(model)] = row["read"]
    if not rows:
        return
    number, exact = st.column_config.NumberColumn(format="%.1f"), st.column_config.NumberColumn(format="%.3f")
    st.dataframe(rows, hide_index=True, column_config={
        "Was sure %": number, "Is sure of the same %": number, "Cosine": exact, "Distance": exact})
    for model, text in read.items():
        st.text(f"{model} reads there: {text}", help="The words that a model trained with RAR reads in the moved "
                                                     "embeddings; the text itself has not changed.")
    for place, (column, title) in enumerate(zip(st.columns(2), ("first answer, %", "distance"), strict=True)):
        column.plotly_chart(_make_radius_figure({name: lines[place] for name, lines in curves.items()}, title, radius),
                            config=charts.CONFIG, key=f"embeddings.curve{place}")


def _make_layout(lines: int) -> dict[str, Any]:
    """Return a layout in which the legend stands below the axis, even where it has a line for each entry."""
    return {"height": 240 + 24 * lines, "margin": {"l": 4, "r": 8, "t": 8, "b": 4},
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"}}


def _make_radius_figure(lines: dict[str, list[float]], title: str, radius: float) -> "Figure":
    """Return lines over ε, with a mark where the slider stands."""
    return charts.make_curve_figure(
        [{"type": "scatter", "mode": "lines+markers", "name": name, "x": list(RADII), "y": line,
          "hovertemplate": f"{name}<br>ε %{{x}}<br>%{{y:.2f}}<extra></extra>", **charts.choose_look(i)}
         for i, (name, line) in enumerate(lines.items())],
        {**_make_layout(len(lines)), "xaxis": {"title": {"text": "ε"}},
         "yaxis": {"title": {"text": title}, "rangemode": "tozero"},
         "shapes": [{"type": "line", "x0": radius, "x1": radius, "y0": 0, "y1": 1, "yref": "paper",
                     "line": {"dash": "dot", "width": 1.5, "color": charts.GUIDE}}]})


def draw_matrix() -> None:
    """Show the similarity of any typed sentences, a line each."""
    st.subheader("Any sentences")
    st.session_state.setdefault("embeddings.lines", "A clever film.\nA shrewd film.\nA dull film.\nThe train is late.")
    typed = st.text_area("One sentence a line", key="embeddings.lines", height="content", persist_state="session")
    names = _list_names()
    encoder = st.selectbox("Under", names, key="embeddings.matrix", width=260,
                           format_func=_name_encoder)
    try:
        texts = tuple(check_typed(line) for line in typed.splitlines() if line.strip())[:_MOST_TYPED]
    except RobustError as error:
        st.warning(str(error))
        return
    if len(texts) < 2:
        st.info("Type at least two sentences.")
        return
    values = compute_cosines(_encode(encoder, selection.read_selection().device, texts))
    short = [f"{i + 1}. {text[:30].replace('<', '&lt;')}" for i, text in enumerate(texts)]
    st.plotly_chart(charts.make_curve_figure(
        [{"type": "heatmap", "z": values, "x": short, "y": short, "zmin": 0, "zmax": 1, "colorscale": "Purples",
          "texttemplate": "%{z:.2f}", "hovertemplate": "%{y}<br>%{x}<br>cosine %{z:.3f}<extra></extra>"}],
        {"height": 120 + 40 * len(texts), "margin": {"l": 4, "r": 8, "t": 8, "b": 4},
         "yaxis": {"autorange": "reversed"}}), config=charts.CONFIG, key="embeddings.heat")
