"""Faithfulness: how far an explanation can be trusted, measured on the text at hand."""

import json
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer
from robust_core.explainers.faithfulness import measure_faithfulness, measure_repeatability
from robust_core.registry import from_record, to_record
from ui.comparison.row import Row
from ui.session import selection
from ui.shared import catalogue, loaded
from ui.shared.background_cache import BackgroundCache
from ui.widgets import phrases, refresh

if TYPE_CHECKING:
    from pandas import DataFrame

    from robust_core.explainers.faithfulness import Faithfulness

_ROOM = 2000


class FaithfulnessRow(NamedTuple):
    """What is known of one explanation of one text.

    Attributes:
        faithful: Comprehensiveness and sufficiency.
        fit: R² of the local model, NaN where there is none.
        gap: Completeness gap, NaN where none is promised.
        tau: Kendall's tau between seeds; 1 without a seed.
        spread: Largest standard deviation of a word's score over seeds.
        seconds: Time of one explanation.
    """

    faithful: "Faithfulness"
    fit: float
    gap: float
    tau: float
    spread: float
    seconds: float


@st.cache_resource(show_spinner=False)
def _get_cache() -> BackgroundCache[FaithfulnessRow]:
    return BackgroundCache(_measure_one, _ROOM, patience=loaded.PATIENCE)


def _measure_one(model_id: str, fingerprint: str, device: str, text: str, target: int, record: str) -> FaithfulnessRow:
    model = loaded.get_models().ask(model_id, fingerprint, device).result()
    started = time.perf_counter()
    [found] = from_record(EXPLAINERS, json.loads(record)).explain(model, [text], [target])
    seconds = time.perf_counter() - started
    return FaithfulnessRow(measure_faithfulness(model, found), found.fit, found.gap,
                           *measure_repeatability(model, found), seconds)


def show_faithfulness(lines: Sequence[Row]) -> None:
    """Draw the table of the chosen explanation on each model, or of all of them."""
    st.subheader("Faithfulness: how far to trust the explanation")
    everyone = st.toggle("All explanations", key="trust.all", persist_state="session",
                         help="Measures every explanation on each model; this takes some seconds.")
    chosen = selection.read_selection()
    others = [name for name in EXPLAINERS if name != chosen.explainer.name] if everyone else []
    methods: list[Explainer] = [chosen.explainer, *(EXPLAINERS[name]() for name in others)]
    models = {line.pair.model: line for line in lines if not line.error}
    # Of models with other classes, the probabilities in the table are those of other classes, too.
    mixed = len({catalogue.find_labels(model) for model in models}) > 1

    def look_up() -> tuple[list[dict[str, Any]], int]:
        rows, waiting = [], 0
        for line in models.values():
            for method in methods:
                value, error = _get_cache().peek(
                    line.pair.model, catalogue.fingerprint_model(line.pair.model), chosen.device, line.original,
                    line.target, json.dumps(to_record(method), sort_keys=True))
                waiting += value is None and not error
                names = catalogue.find_labels(line.pair.model)
                row = _make_row(catalogue.name_model(line.pair.model), method, value, error)
                rows.append(row | {"Class": phrases.name_class(names, line.target)} if mixed else row)
        return rows, waiting

    def draw() -> bool:
        rows, waiting = look_up()
        st.dataframe(_make_frame(rows), hide_index=True, column_config=_configure_columns(), placeholder="–")
        if waiting:
            st.caption(f"measuring: {waiting} to go …")
        return bool(waiting)

    refresh.make_fragment(draw, bool(look_up()[1]))
    st.caption("Measured on the original text. The most important 1, 5, 10, 20 and 50 % of the words are removed "
               "(comprehensiveness) or kept alone (sufficiency); shown is by how much the probability of the class "
               "falls on average. In a faithful explanation comprehensiveness is far above that of random orders of "
               "the words, and sufficiency far below.")


def _make_row(model: str, method: Explainer, value: FaithfulnessRow | None, error: str) -> dict[str, Any]:
    kind = "gradients" if method.white_box else "probabilities"
    row: dict[str, Any] = {"Model": model, "Explanation": method.title, "How": error or kind}
    if value is None:
        return row
    f = value.faithful
    seeded = "seed" in to_record(method)
    return row | {
        "Comprehensiveness": 100 * f.comprehensiveness, "random": 100 * f.random_comprehensiveness,
        "Sufficiency": 100 * f.sufficiency, "random ": 100 * f.random_sufficiency, "R²": _keep_known(value.fit),
        "Gap": _keep_known(100 * value.gap), "τ of seeds": value.tau if seeded else None,
        "± of a word": 100 * value.spread if seeded else None, "Seconds": value.seconds}


def _keep_known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _make_frame(rows: list[dict[str, Any]]) -> "DataFrame":
    import pandas as pd

    # What no explanation here has is no column: the table is wide enough.
    shown = [name for name in _FIGURES if any(row.get(name) is not None for row in rows)] or list(_FIGURES)
    frame = pd.DataFrame(rows, columns=["Model", *(["Class"] if rows and "Class" in rows[0] else []), "Explanation",
                                       "How", *shown])
    return frame.astype(dict.fromkeys(shown, float))


_FIGURES = {
    "Comprehensiveness": ("%.1f", "Points of probability lost without the most important words; higher is better."),
    "random": ("%.1f", "The same for random orders of the words."),
    "Sufficiency": ("%.1f", "Points of probability lost with only the most important words; lower is better."),
    "random ": ("%.1f", "The same for random orders of the words."),
    "R²": ("%.2f", "How well LIME's linear model imitates the classifier."),
    "Gap": ("%.2f", "Points by which the scores miss the change in probability that they should add up to."),
    "τ of seeds": ("%.2f", "Kendall's τ between five seeds: below 0.8 the order of the words is partly luck."),
    "± of a word": ("%.2f", "Largest standard deviation of a word's score over five seeds, in points."),
    "Seconds": ("%.2f", "Time of one explanation, as measured now."),
}


def _configure_columns() -> dict[str, Any]:
    return {name: st.column_config.NumberColumn(format=format_, help=help_)
            for name, (format_, help_) in _FIGURES.items()}
