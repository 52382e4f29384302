"""Stored attacks with their explanations: distributions, the four quadrants, and the examples behind each count."""

import json
import math
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from robust_core import metrics
from robust_core.attacks import ATTACKS
from robust_core.claims.footnotes import Footnotes
from robust_core.errors import RobustError
from robust_core.evaluation import explanation_consistency
from robust_core.evaluation.evaluate import evaluate
from robust_core.events import Event
from robust_core.explainers import EXPLAINERS
from robust_core.registry import from_record, to_record
from robust_core.slices import SPLIT, Slice, is_member, is_slice
from robust_core.store import ResultStore
from robust_core.types import AttackResult
from ui.saliency import quadrants
from ui.session import selection
from ui.session.choices import Limits
from ui.shared import catalogue, colours, example_run, loaded
from ui.slices import line, picking
from ui.slices import state as slices
from ui.widgets import charts, dataset_job
from ui.widgets.footnotes import MARKS, draw_footnotes
from ui.widgets.markdown import escape_markdown, note, warn
from ui.widgets.report_button import draw_report

if TYPE_CHECKING:
    from pandas import DataFrame

# Prediction kept or lost x interpretation kept or lost, as in Figure 1 of the FLAT paper.
QUADRANTS = {(True, True): "Both kept", (True, False): "Only prediction kept",
             (False, True): "Only interpretation kept", (False, False): "Both lost"}
CHANGED, ALL, EVERYWHERE = "Changed texts", "All texts", "Everywhere"


class Example(NamedTuple):
    """An attacked text of a stored run: the model, the result, and how its explanations compare."""

    model: str
    result: AttackResult
    values: dict[str, Any]

    @property
    def changed(self) -> bool:
        """Whether the attack changed the text."""
        return self.result.perturbed != self.result.example.text

    @property
    def tau(self) -> float:
        """Kendall's tau towards the reference label."""
        return self.values["kendall_tau"]

    @property
    def top5(self) -> float:
        """Share of the five most important words kept."""
        return self.values["top_k"]["5"]

    def quadrant(self, limits: Limits) -> str | None:
        """Return where it belongs; None where the interpretation is undefined."""
        if math.isnan(self.tau) or math.isnan(self.top5):
            return None
        kept = self.result.perturbed_label == self.result.reference_label
        return QUADRANTS[kept, limits.hold(self.tau, self.top5)]


class Group(NamedTuple):
    """A stored attack on a model, explained in one way, and what `evaluation.checks` find about it."""

    of: explanation_consistency.Explained
    examples: list[Example]
    warnings: Sequence[str]

    @property
    def title(self) -> str:
        """Name of the model and of the attack."""
        part = " (slice)" if self.of.run.data.get("split") == SPLIT else ""
        return f"{catalogue.name_model(self.of.model)}, {_name_attack(self.of)}{part}"


def _name_attack(of: explanation_consistency.Explained) -> str:
    name = of.run.method["name"]
    return ATTACKS[name].title if name in ATTACKS else name


@st.cache_resource(show_spinner=False, max_entries=64)
def _read_group(folder: str, run_id: str, method: str, compared: int, done: int, _store: ResultStore) -> Group:
    of = next(of for of in explanation_consistency.list_stored(_store) if of.run_id == run_id
              and json.dumps(dict(of.method), sort_keys=True) == method)
    return Group(of, [Example(of.model, *pair) for pair in explanation_consistency.read_pairs(_store, of)],
                 explanation_consistency.list_stored_warnings(_store, of))


def _make_group(of: explanation_consistency.Explained, store: ResultStore) -> Group:
    method = json.dumps(dict(of.method), sort_keys=True)
    return _read_group(str(store.folder), of.run_id, method, of.compared, len(store.done(of.run_id)), store)


def pick_example() -> Example | None:
    """Draw everything that is stored, or the app's example run; return the example that a person chose."""
    try:
        store = loaded.open_store()
        known = explanation_consistency.list_stored(store)
    except RobustError as error:
        warn(error)
        return None
    empty = not known
    if empty:
        store = example_run.open_example()
        known = [of for of in explanation_consistency.list_stored(store) if example_run.is_here(of.run)]
    _offer_start(empty, expanded=not known)
    if not known:
        return None
    if empty:
        note(example_run.ABOUT)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        methods = list(dict.fromkeys(of.method["name"] for of in known))
        method = st.selectbox("Stored explanation", methods, key="stored.method", persist_state="session", width=240,
                              format_func=lambda name: EXPLAINERS[name].title if name in EXPLAINERS else name)
        data = list(dict.fromkeys(str(of.run.data.get("dataset")) for of in known if of.method["name"] == method))
        dataset = st.selectbox("Stored data set", data, key="stored.dataset", persist_state="session", width=180,
                               format_func=catalogue.name_dataset)
        st.session_state.setdefault("stored.which", CHANGED)
        which = st.segmented_control("Texts counted", [CHANGED, ALL], key="stored.which", required=True,
                                     persist_state="session",
                                     help="Texts that the attack did not change agree perfectly.")
    groups = [_make_group(of, store) for of in known
              if of.method["name"] == method and of.run.data.get("dataset") == dataset]
    picked = _choose_slice(dataset)
    groups = [g._replace(examples=[e for e in g.examples if (which == ALL or e.changed) and (
        picked is None or is_member(picked, e.result.example.uid, g.of.run_id))]) for g in groups]
    groups = [g for g in groups if g.examples]
    if not groups:
        st.info("No text was changed in these runs." if picked is None else "No stored attack has changed a text of "
                "the slice. Open “Attack and explain a data set” above and choose the slice, or count all texts.")
        return None
    _draw_distributions(groups)
    example = _pick_quadrant(groups)
    draw_report([st.session_state["stored.group"][0]], "stored.report", store)
    return example


def _choose_slice(dataset: str) -> Slice | None:
    """Let a person count the slice's texts alone, where it has texts of this data set."""
    chosen = slices.find_slice()
    if chosen is None or slices.find_dataset(chosen) != dataset:
        return None
    st.session_state.setdefault(line.STORED_ONLY, False)
    only = st.toggle(f"Only the slice: {escape_markdown(slices.describe_slice(chosen))}", key=line.STORED_ONLY,
                     persist_state="session", help="All figures below are then over the texts of the slice alone.")
    return chosen if only else None


def _offer_start(empty: bool, expanded: bool) -> None:
    chosen = selection.read_selection()
    models = dataset_job.list_alike(chosen.models[0], chosen.models) if chosen.models else []
    # Kept: a page that is drawn once more at once would close again what was asked for.
    asked = st.session_state.get(line.OPEN_FORM, False)
    with st.expander("Attack and explain a data set", expanded=expanded or asked, icon=":material/play_arrow:"):
        if empty:
            st.caption("Nothing of yours is stored yet. This attacks the sidebar's models with its attacks on the "
                       "texts of a data set, explains both texts of every pair, and stores each result as it comes.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            card = catalogue.read_cards().get(models[0]) if models else None
            texts = dataset_job.draw_controls("stored.new", card, 30)
            if texts is None:
                return
            dataset, n = texts
            st.button("Run", type="primary", icon=":material/play_arrow:", key="stored.run",
                      disabled=dataset_job.is_running() or not (models and chosen.attacks),
                      on_click=dataset_job.start_job, args=("Attacking and explaining", make_job(models, dataset, n)))
        if left := [catalogue.name_model(model) for model in chosen.models if model not in models]:
            note(f"Left out because they have other labels: {', '.join(left)}.")
        words = [f"--model {model}" for model in models] + [f"--attack {a.name}" for a in chosen.attacks]
        st.caption("The same from the command line, which resumes after an interruption:")
        source = f"--slice {dataset}" if is_slice(dataset) else f"--dataset {dataset} --n {n}"
        st.code(f"python -m robust_core evaluate {source} --seed {chosen.seed} {' '.join(words)} "
                f"--explain {chosen.explainer.name}", language="bash", wrap_lines=True)


def make_job(model_ids: Sequence[str], dataset: str, n: int) -> dataset_job.Work:
    """Return the work of attacking a data set with the chosen attacks, explained as chosen.

    Args:
        model_ids: The models.
        dataset: Name of the data set, or a slice as the address has it.
        n: Texts to draw from its test split.
    """
    chosen = selection.read_selection()
    attacks, explainer = [to_record(a) for a in chosen.attacks], to_record(chosen.explainer)

    def work(stop: threading.Event) -> Iterator[Event | str]:
        models = [loaded.get_models().ask(m, catalogue.fingerprint_model(m), chosen.device).result()
                  for m in model_ids]
        events = evaluate(models, slices.read_texts(dataset), "test", [from_record(ATTACKS, a) for a in attacks], n=n,
                          seed=chosen.seed, store=loaded.open_store(), explain=[from_record(EXPLAINERS, explainer)],
                          stop=stop)
        yield from dataset_job.keep_progress(events)

    return work


def _draw_distributions(groups: Sequence[Group]) -> None:
    limits = selection.read_selection().limits
    tones = [colours.color_model(g.of.model) for g in {g.title: g for g in groups}.values()]
    left, right = st.columns(2)
    with left:
        st.subheader("Kendall's τ")
        figure = charts.make_boxes({g.title: [e.tau for e in g.examples] for g in groups}, "τ",
                                   limit=limits.tau_at_least, colours=tones)
        st.plotly_chart(figure, config=charts.CONFIG, key="stored.tau", alt="Distribution of tau of each model")
    with right:
        st.subheader("Top-5 words kept")
        chance = [e.values["top_k_random"]["5"] for g in groups for e in g.examples]
        figure = charts.make_boxes({g.title: [100 * e.top5 for e in g.examples] for g in groups}, "top-5 (%)",
                                   limit=100 * limits.top5_at_least, chance=100 * metrics.estimate_mean(chance)[0],
                                   colours=tones)
        st.plotly_chart(figure, config=charts.CONFIG, key="stored.top5", alt="Distribution of top-5 intersection")
    st.subheader("Prediction and interpretation")
    table, footnotes = _count_quadrants(groups, limits)
    st.dataframe(table, hide_index=True, placeholder="–", column_config=_COLUMNS)
    draw_footnotes(footnotes)
    st.caption(f"Interpretation is kept where τ is at least {limits.tau_at_least:.2f} and top-5 at least "
               f"{limits.top5_at_least:.0%} (adjustable in the sidebar); importance is that for the reference label. "
               "± is the standard error.")


_COLUMNS = {
    "Texts": st.column_config.NumberColumn(help="Texts behind the line."),
    "†": MARKS,
    "τ": st.column_config.NumberColumn(format="%.3f", help="Mean of Kendall's τ where it is defined."),
    "τ ±": st.column_config.NumberColumn(format="%.3f"),
    "Top-5 %": st.column_config.NumberColumn(format="%.1f", help="Mean share of the five most important words kept."),
    "Top-5 ±": st.column_config.NumberColumn(format="%.1f"),
    "By chance %": st.column_config.NumberColumn(format="%.1f", help="What random orders of the words would keep."),
    "Run": st.column_config.TextColumn(help="Id of the run in the store."),
}


def _count_quadrants(groups: Sequence[Group], limits: Limits) -> "tuple[DataFrame, Footnotes]":
    import pandas as pd

    rows, footnotes = [], Footnotes()
    for g in groups:
        placed = [e.quadrant(limits) for e in g.examples]
        tau, top = (metrics.estimate_mean(values) for values in
                    ([e.tau for e in g.examples], [100 * e.top5 for e in g.examples]))
        chance = metrics.estimate_mean(100 * e.values["top_k_random"]["5"] for e in g.examples)[0]
        rows.append({"Model": catalogue.name_model(g.of.model), "Attack": _name_attack(g.of),
                     "†": footnotes.mark(g.warnings, share=True), "Texts": len(placed),
                     **{name: placed.count(name) for name in QUADRANTS.values()}, "Undefined": placed.count(None),
                     "τ": tau[0], "τ ±": tau[1], "Top-5 %": top[0], "Top-5 ±": top[1], "By chance %": chance,
                     "Seed": g.of.run.seed, "Run": g.of.run_id})
    table = pd.DataFrame(rows)
    return table if footnotes.notes() else table.drop(columns="†"), footnotes


def _pick_quadrant(groups: Sequence[Group]) -> Example | None:
    limits = selection.read_selection().limits
    keys = [(g.of.run_id, json.dumps(dict(g.of.method), sort_keys=True)) for g in groups]
    by_key = dict(zip(keys, groups, strict=True))
    if st.session_state.get("stored.group") not in keys:
        st.session_state["stored.group"] = keys[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = st.selectbox("Examples of", keys, key="stored.group", persist_state="session", width=320,
                           format_func=lambda key: by_key[key].title if key in by_key else "")
        st.session_state.setdefault("stored.where", EVERYWHERE)
        where = st.segmented_control("Where", [EVERYWHERE, *QUADRANTS.values()], key="stored.where", required=True,
                                     persist_state="session")
    quadrants.draw_quadrants(by_key[key].examples, key[0], QUADRANTS, limits,
                             colours.color_model(by_key[key].of.model))
    st.caption(f"Texts that you pick become a slice, to be attacked, explained or judged. {picking.HOW}")
    found = [e for e in by_key[key].examples
             if where == EVERYWHERE or e.quadrant(limits) == where]
    if not found:
        st.info("There is no such text in this run.")
        return None
    found.sort(key=lambda e: (math.isnan(e.tau), e.tau))
    event = st.dataframe(_make_listing(found), hide_index=True, selection_mode="multi-row", on_select="rerun",
                         height=240, key=f"stored.rows.{key[0]}.{where}", placeholder="–",
                         column_config={"τ": _COLUMNS["τ"], "Top-5 %": _COLUMNS["Top-5 %"]})
    rows = [row for row in event["selection"]["rows"] if row < len(found)]
    if not rows:
        st.caption("Choose a line to see its saliency below; the first one is shown. Several lines make a slice.")
    else:
        st.button(f"Make a slice of {len(rows):d} {'text' if len(rows) == 1 else 'texts'}", key="stored.take",
                  icon=":material/join_inner:", on_click=slices.take_results,
                  args=(key[0], [found[row].result.example.uid for row in rows]),
                  help="To attack, explain or judge these texts alone")
    return found[rows[0] if rows else 0]


def _make_listing(examples: Sequence[Example]) -> "DataFrame":
    import pandas as pd

    return pd.DataFrame([{"τ": e.tau, "Top-5 %": 100 * e.top5, "Status": e.result.status,
                          "Original": e.result.example.text, "Adversarial": e.result.perturbed} for e in examples])
