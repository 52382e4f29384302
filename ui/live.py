"""The moving parts of the Attack page: fragments that redraw themselves while something is running."""

from collections.abc import Callable, Sequence

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.errors import RobustError
from robust_core.registry import to_record
from robust_core.text import check_typed
from ui import cards, charts, outcome, report, session, state, strips
from ui.outcome import OWN, SHARED, Outcome

_EVERY = 0.2
_SOURCES = {SHARED: "One text for all models", OWN: "Each model's own"}


def _fragment(draw: Callable[[], bool], running: bool) -> None:
    """Run `draw` again and again while it returns True; the page is run once more when that ends."""
    drawn = [False]

    def step() -> None:
        # The first time is a part of the page's own run, which ends by itself.
        if not draw() and running and drawn[0]:
            st.rerun()
        drawn[0] = True

    st.fragment(step, run_every=_EVERY if running else None)()


def predictions() -> None:
    """Show what each chosen model says of the text, as soon as it is loaded."""
    chosen = state.selection()
    try:
        text = check_typed(chosen.text)
    except RobustError as error:
        st.warning(str(error))
        return
    if not chosen.models:
        st.info("Choose at least one model in the sidebar.")
        return

    def answers() -> list[tuple[str, tuple[float, ...] | None, str]]:
        return [(m, *state.predict(m, chosen.device, text)) for m in chosen.models]

    def draw() -> bool:
        entries, waiting = [], False
        for model_id, proba, error in answers():
            name = state.title(model_id)
            waiting = waiting or (proba is None and not error)
            says = cards.says(proba, state.labels(model_id)) if proba else error or f"loading {name} …"
            entries.append(("" if proba is None and not error else name, says))
        st.html(cards.chips(entries))
        return waiting

    _fragment(draw, any(proba is None and not error for _, proba, error in answers()))


def attack(now: Outcome | None) -> None:
    """Show a card for each attacked model, moving while the attack runs."""
    if now is None:
        return

    def draw() -> bool:
        latest = outcome.present() or now
        summary(latest)
        with st.grid(columns="auto", min_column_width=245, border=True):
            for model_id in latest.asked["models"]:
                _card(latest, model_id)
        return latest.running

    _fragment(draw, now.running)


def summary(now: Outcome) -> None:
    """Show how much was asked in how much time."""
    head = "Attacking" if now.running else "Finished"
    st.caption(f"{head} · {now.queries:,} queries · {now.seconds:.1f} s · seed {now.asked['seed']} · "
               f"device {state.device_of(now.asked['models'], now.asked['device'])}")


def _card(now: Outcome, model_id: str) -> None:
    names = state.labels(model_id)
    result = now.results.get(model_id)
    points, target, asked = _points(now, model_id)
    with st.container():
        st.html(cards.card(now, model_id, state.title(model_id), names))
        if points and (result is None or result.status != "skipped"):
            figure = charts.curve(points, names[target], border=0.5 if len(names) == 2 else 0.0, asked=asked)
            st.plotly_chart(figure, key=f"curve.{model_id}", config=charts.CONFIG,
                            alt=f"Probability of the class against queries, {state.title(model_id)}")


def _points(now: Outcome, model_id: str) -> tuple[list[tuple[int, float]], int, int]:
    """Return the probability curve so far, the class it is of, and the queries so far."""
    result = now.results.get(model_id)
    if result:
        return list(result.curve), result.reference_label, result.queries
    event = now.latest.get(model_id)
    if event is None or event.kind not in ("progress", "step"):
        return [], 0, 0
    proba, _ = state.predict(model_id, now.asked["device"], now.text)
    if proba is None:
        return [], 0, 0
    label = now.asked["label"]
    target = proba.index(max(proba)) if label is None else label
    return [(0, proba[target]), *now.curves.get(model_id, [])], target, int(event.data.get("queries", 0))


def why(now: Outcome | None) -> None:
    """Show the table of both texts, the editing box and the downloads of a finished attack."""
    if now is None or now.running or not now.results:
        return
    st.subheader("Why?")
    chosen = state.selection()
    if outcome_is_old(now):
        st.caption("This table belongs to the attack above; text, models or attack were changed since. "
                   "Press Attack for a new one.")
    _sources(now)
    st.html(strips.legend())
    titles = {m: state.title(m) for m in now.asked["models"]}
    names = state.labels(now.asked["models"][0])

    def draw() -> bool:
        lines = outcome.rows(now)
        st.html(cards.table(lines, titles, names, chosen.tau_at_least, chosen.top5_at_least))
        return not outcome.complete(lines)

    lines = outcome.rows(now)
    _fragment(draw, not outcome.complete(lines))
    st.caption(cards.rule(chosen.tau_at_least, chosen.top5_at_least))
    _editor(now)
    _downloads(now, titles, names)


def outcome_is_old(now: Outcome) -> bool:
    """Return whether the choices have changed since an attack began."""
    chosen = state.selection()
    try:
        text = check_typed(chosen.text)
    except RobustError:
        return True
    attack_ = chosen.attack and to_record(chosen.attack)
    return [text, list(chosen.models), attack_, chosen.label, chosen.seed] != \
        [now.asked[key] for key in ("text", "models", "attack", "label", "seed")]


def _sources(now: Outcome) -> None:
    donors = now.donors()
    if not donors:
        st.caption("No model's text was changed; edit the text below to compare one of your own.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.session_state.setdefault("source", SHARED)
        st.segmented_control("Adversarial text", list(_SOURCES), format_func=_SOURCES.__getitem__, key="source",
                             required=True, persist_state="session",
                             help="One text for all models shows whether a change that fools one model fools the "
                             "others too; each model's own shows the attack on each.")
        if st.session_state["source"] == SHARED and len(donors) > 1:
            if st.session_state.get("from_model") not in donors:
                st.session_state["from_model"] = donors[0]
            st.selectbox("Found on", donors, key="from_model", format_func=state.title, width=220,
                         on_change=outcome.undo_edit, persist_state="session")


def _editor(now: Outcome) -> None:
    if st.session_state.get("source", SHARED) == OWN:
        return
    text = outcome.shared_text(now)
    # What was typed stays in the box while it cannot be used; otherwise the box shows the text of the table.
    if st.session_state.get("box_shows") != text or "adversarial_box" not in st.session_state:
        st.session_state["box_shows"] = st.session_state["adversarial_box"] = text
    st.text_area("Edit the adversarial text yourself: the table follows", key="adversarial_box", height="content",
                 on_change=outcome.edit, persist_state="session")
    edited = st.session_state.get("adversarial")
    if edited is not None and edited != outcome.found_text(now):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Edited by hand.")
            st.button("Back to the attack's text", on_click=outcome.undo_edit, type="tertiary",
                      icon=":material/undo:")


def _downloads(now: Outcome, titles: dict[str, str], names: Sequence[str]) -> None:
    chosen = state.selection()
    limits = (chosen.tau_at_least, chosen.top5_at_least)
    with st.container(horizontal=True):
        st.button("Link", on_click=session.share, icon=":material/link:",
                  help="Store what is shown here and make a link to it.")
        # Made when pressed, so that what was still being explained when the page was drawn is inside.
        st.download_button("JSON", lambda: report.to_json(outcome.view(now)), "attack.json", "application/json",
                           on_click="ignore", icon=":material/download:")
        st.download_button("CSV", lambda: report.to_csv(now, outcome.rows(now), names, *limits), "attack.csv",
                           "text/csv", on_click="ignore", icon=":material/download:")
        st.download_button("HTML", lambda: report.to_html(now, outcome.rows(now), titles, names, *limits, ATTACKS),
                           "attack.html", "text/html", on_click="ignore", icon=":material/download:")
    if st.session_state.get("view"):
        st.caption("Whoever opens this link on this machine sees what you see now:")
        address = (st.context.url or "").split("?")[0]
        st.code(f"{address}?view={st.session_state['view']}", language=None, wrap_lines=True)
