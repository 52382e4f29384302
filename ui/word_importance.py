"""The Word importance page's parts: what a model cares about everywhere, worked out once and kept."""

import json
import math
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.errors import RobustError
from robust_core.evaluation.evaluate import choose, evaluate
from robust_core.explainers import EXPLAINERS, word_importance
from robust_core.registry import from_record, to_record
from robust_core.store import fingerprint_model
from robust_core.text import Draft
from ui.session import selection
from ui.shared import catalogue
from ui.shared import loaded as state
from ui.widgets import charts, dataset_job

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN = 15
Key = tuple[Any, ...]


class Words(NamedTuple):
    """What is known of a model's words.

    Attributes:
        values: Importance of each word.
        masks: Whether these are learnt masks; otherwise mean absolute attributions.
        frequency: How often each word stands in the texts.
        substituted: How often stored attacks on the model changed it.
        attacked: Stored results behind that.
        gaps: Importance gap between words and their synonyms.
    """

    values: Mapping[str, float]
    masks: bool
    frequency: Mapping[str, int]
    substituted: Mapping[str, int]
    attacked: int
    gaps: list[float]


@st.cache_resource(show_spinner=False)
def _get_kept() -> dict[Key, Words]:
    return {}


def make_key(model_id: str, dataset: str, n: int) -> Key:
    """Return what the importances of a model depend on."""
    chosen = selection.read_selection()
    return (model_id, catalogue.fingerprint_model(model_id), dataset, n, chosen.seed, chosen.device,
            json.dumps(to_record(chosen.explainer), sort_keys=True), json.dumps([to_record(a) for a in chosen.attacks]))


def find_known(model_id: str, dataset: str, n: int) -> Words | None:
    """Return what was worked out before."""
    return _get_kept().get(make_key(model_id, dataset, n))


def make_job(models: list[str], dataset: str, n: int) -> Any:  # noqa: ANN401 (a job's function)
    """Return a job that attacks the texts with the sidebar's attacks and measures the words of each model."""
    chosen = selection.read_selection()
    keys = {model_id: make_key(model_id, dataset, n) for model_id in models}
    attacks = [to_record(attack) for attack in chosen.attacks]
    explainer = to_record(chosen.explainer)

    def events(stop: threading.Event) -> Iterator[Any]:
        store, examples = state.open_store(), choose(datasets.load(dataset, "test"), n, chosen.seed)
        loaded = [state.get_models().ask(m, catalogue.fingerprint_model(m), chosen.device).result() for m in models]
        methods = [from_record(ATTACKS, record) for record in attacks]
        if methods:
            for event in evaluate(loaded, dataset, "test", methods, n=n, seed=chosen.seed, store=store, stop=stop):
                if event.kind == "progress" and "part" in event.data:
                    yield event
        for model in loaded:
            if stop.is_set():
                return
            for item in _measure_words(model, from_record(EXPLAINERS, explainer), examples, store, stop):
                if isinstance(item, Words):
                    _get_kept()[keys[model.id]] = item
                else:
                    yield item

    return events


def _measure_words(model: Any, explainer: Any, examples: Any, store: Any, stop: threading.Event) -> Iterator[Any]:  # noqa: ANN401
    frequency = word_importance.count_words(examples)
    masks, values = word_importance.has_masks(model), {}
    if masks:
        values = word_importance.read_masks(model, sorted(frequency))
    else:
        for item in word_importance.average_attributions(model, explainer, examples, stop):
            if isinstance(item, dict):
                values = item
            else:
                yield item
    if stop.is_set():
        return

    def of(words: list[str]) -> Mapping[str, float]:
        return word_importance.read_masks(model, words) if masks else {w: values[w] for w in words if w in values}

    print_ = fingerprint_model(model)
    results = [r for run_id, run in store.runs().items() if run.models == {model.id: print_}
               for r in store.each(run_id)]
    yield Words(values, masks, frequency, word_importance.count_substitutions(results), len(results),
                word_importance.measure_synonym_gaps(of, frequency))


def draw_controls() -> tuple[str, str, str, int] | None:
    """Draw the pickers; return the model, the one beside it, the data set and the number of texts, or None."""
    models = list(selection.read_selection().models)
    if not models:
        st.info("Choose at least one model in the sidebar.")
        return None
    first, beside = _choose_first(models)
    if st.session_state.get("words.model") not in models:
        st.session_state["words.model"] = first
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox(
            "Model", models, key="words.model", format_func=catalogue.name_option, persist_state="session", width=220
        )
        alike = dataset_job.list_alike(model, models)
        if st.session_state.get("words.other") not in alike:
            st.session_state["words.other"] = beside if beside in alike else alike[-1]
        other = st.selectbox(
            "Beside it",
            alike,
            key="words.other",
            format_func=catalogue.name_option,
            persist_state="session",
            width=220,
            help="The second model of the synonym plot.",
        )
        texts = dataset_job.draw_controls("words", catalogue.read_cards().get(model), 30)
        if texts is None:
            return None
        dataset, n = texts
        both = list(dict.fromkeys([model, other]))
        st.button("Measure", type="primary", icon=":material/play_arrow:", key="words.run",
                  disabled=dataset_job.is_running(), on_click=dataset_job.start_job,
                  args=("Measuring words", make_job(both, dataset, n)),
                  help="Attacks the texts with the sidebar's attacks, so that it is known which words get replaced, "
                       "and gives every word its importance. What is stored already is used again.")
    return model, other, dataset, n


def _choose_first(models: list[str]) -> tuple[str, str]:
    """Return the models to begin with: one with word masks, if any is chosen, beside the base of its architecture."""
    cards = catalogue.read_cards()
    masked = [m for m in models if m in cards and cards[m].config.get("network", {}).get("masks")]
    if not masked:
        return models[0], models[-1]
    base = masked[0].rpartition("/")[0] + "/base"
    return masked[0], base if base in models else next((m for m in models if m != masked[0]), masked[0])


def name_importance(found: Words) -> str:
    """Name the importance of a model's words."""
    return "global importance (mask)" if found.masks else "mean |attribution|"


def describe_importance(found: Words, n: int) -> str:
    """Say what the importance is, and what it rests on."""
    what = ("Importance is the model's own word mask, the same in every text." if found.masks else
            f"This model has no word masks: importance is the mean absolute attribution "
            f"({selection.read_selection().explainer.title}) of a word over {n} texts.")
    return (f"{what} {len(found.values):,} words; substitutions counted over {found.attacked:,} stored attacks on this "
            "model.")


def draw_clouds(found: Words, marked: set[str], searched: set[str]) -> None:
    """Draw the three scatter plots of importance, frequency and substitution."""
    values, own = found.values, name_importance(found)
    columns = st.columns(3)
    pairs = [("Substitution against frequency", found.frequency, found.substituted, "word frequency", "substitutions"),
             ("Importance against frequency", found.frequency, values, "word frequency", own),
             ("Importance against substitution", found.substituted, values, "substitutions", own)]
    for column, (title, x, y, x_label, y_label) in zip(columns, pairs, strict=True):
        with column:
            st.markdown(f"##### {title}")
            points = [(word, float(x.get(word, 0)), float(y.get(word, 0))) for word in values]
            figure = charts.make_cloud(points, x_label, y_label, marked, searched, log_x=x_label == "word frequency")
            st.plotly_chart(figure, config=charts.CONFIG, key=f"words.{title}", alt=f"{title} of each word")
            c = word_importance.correlate({w: x.get(w, 0) for w in values}, {w: y.get(w, 0) for w in values})
            if math.isnan(c.r):
                st.caption(f"Pearson's r is undefined: one of the two is the same for all {c.n:,} words.")
            else:
                p = "< 0.001" if c.p < 0.001 else f"= {c.p:.3f}"
                st.caption(f"Pearson's r = {c.r:.3f}, p {p}, {c.n:,} words")


def draw_gaps(found: Words, other: Words | None, names: tuple[str, str]) -> None:
    """Draw how differently words and their synonyms are weighed, two models side by side."""
    st.subheader("Do synonyms count alike?")
    shown = {names[0]: found} | ({names[1]: other} if other and names[1] != names[0] else {})
    if len({w.masks for w in shown.values()}) > 1:
        st.caption("One of the two has masks in 0..1, the other attributions in probability: their sizes differ.")
    figure = charts.make_boxes({name: w.gaps for name, w in shown.items()}, "importance gap to synonyms")
    st.plotly_chart(figure, config=charts.CONFIG, key="words.gaps", alt="Importance gap between words and synonyms")
    counts = ", ".join(f"{name} {len(w.gaps):,} words" for name, w in shown.items())
    st.caption(f"Mean absolute difference to at most 10 nearest synonyms of up to 1,000 random words ({counts}); only "
               "synonyms whose importance is known count.")


def draw_ranking(found: Words, searched: set[str]) -> None:
    """Draw the most and the least important words, and those searched for."""
    ordered = sorted(found.values, key=lambda word: -found.values[word])
    lists = [("Most important", ordered[:_SHOWN]), ("Least important", ordered[::-1][:_SHOWN])]
    if searched:
        lists.append(("Found", [word for word in ordered if word in searched]))
    for column, (title, words) in zip(st.columns(len(lists)), lists, strict=True):
        with column:
            st.markdown(f"##### {title}")
            st.dataframe(_make_listing(found, words, ordered), hide_index=True, placeholder="–",
                         column_config={
                             "Word": st.column_config.TextColumn(width=105),
                             "Importance": st.column_config.NumberColumn(format="%.4f", width=88),
                             "Rank": st.column_config.NumberColumn(width=52),
                             "Frequency": st.column_config.NumberColumn(width=80),
                             "Swapped": st.column_config.NumberColumn(width=74, help="How often attacks replaced it")})


def _make_listing(found: Words, words: list[str], ordered: list[str]) -> "DataFrame":
    import pandas as pd

    place = {word: i for i, word in enumerate(ordered, 1)}
    return pd.DataFrame([{"Word": w, "Importance": found.values[w], "Rank": place[w],
                          "Frequency": found.frequency.get(w, 0), "Swapped": found.substituted.get(w, 0)}
                         for w in words], columns=["Word", "Importance", "Rank", "Frequency", "Swapped"])


def find_matching(found: Words, text: str) -> set[str]:
    """Return the known words that contain any of the searched parts."""
    parts = [part.lower() for part in text.replace(",", " ").split()]
    return {word for word in found.values if any(part in word for part in parts)} if parts else set()


def find_typed(found: Words) -> tuple[set[str], list[str]]:
    """Return the words of the typed review that have an importance, and those that have none."""
    try:
        words = {word.lower() for word in Draft.of(selection.read_selection().text).words}
    except RobustError:
        return set(), []
    return {word for word in words if word in found.values}, sorted(words - set(found.values))
