"""The moving parts of the Attack page: fragments that redraw themselves while something is running."""

from collections.abc import Sequence

import streamlit as st

from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.evaluation import fluency
from ui.attack import cards, overview, proof, story, transfer_fluency
from ui.attack.transfer_fluency import TransferFluency
from ui.comparison import rows
from ui.comparison.row import Row
from ui.session import attack, selection
from ui.session.outcome import Outcome, Pair, name_pairs
from ui.shared import catalogue, colours, loaded
from ui.widgets import charts, phrases
from ui.widgets.markdown import note, warn
from ui.widgets.refresh import make_fragment

# Beyond this many cards their table comes first, and a line of cards breaks where the page ends.
_ABREAST = 4
# Beyond this many cards, drawing the curves several times a second would slow the attacks down.
MOST_CURVES = 12
# Where it is kept whether the details are open.
DETAILS = "attack.details"


def show_predictions() -> None:
    """Show what each chosen model says of the text, as soon as it is loaded."""
    chosen = selection.read_selection()
    try:
        text = check_typed(chosen.text)
    except RobustError as error:
        warn(error)
        return
    if not chosen.models:
        st.info("Choose at least one model in the sidebar.")
        return

    def predict_all() -> list[tuple[str, tuple[float, ...] | None, str]]:
        return [(m, *loaded.predict(m, chosen.device, text)) for m in chosen.models]

    def draw() -> bool:
        entries, waiting = [], False
        for model_id, proba, error in predict_all():
            name = catalogue.name_model(model_id)
            waiting = waiting or (proba is None and not error)
            answer = (phrases.describe_prediction(proba, catalogue.find_labels(model_id)) if proba
                      else error or f"loading {name} …")
            unread = loaded.describe_reading(model_id, chosen.device, text) if proba else ""
            entries.append(("" if proba is None and not error else name, f"{answer}, {unread}" if unread else answer))
        st.html(cards.make_chips(entries))
        return waiting

    make_fragment(draw, any(proba is None and not error for _, proba, error in predict_all()))


def show_attack(now: Outcome | None) -> None:
    """Show what an attack does to the text and a line a model, moving while it runs; all else is one click away."""
    if now is None:
        return
    named, names = name_pairs(now), {model: catalogue.find_labels(model) for model in now.models}
    ended = [-1]  # results and errors on the page

    def draw() -> bool:
        found = attack.wait_for_verdict(ended[0]) if now.running else 0
        latest = attack.find_outcome() or now
        # The first queries are a sign that it works: nothing waits before they are seen.
        ended[0] = found if latest.queries else -1
        after = transfer_fluency.ask_all(latest)
        show_summary(latest)
        complete = _show_story(latest, named, names)
        _show_details(latest, after, named, names)
        if now.running and not latest.running:
            # The whole page, with the table "Why?" and the downloads, as soon as the attack has ended; the rest follows
            # when it is known.
            return False
        return latest.running or not complete or any(found.waiting for found in after.values())

    make_fragment(draw, now.running or not rows.is_complete(_make_rows(now))
                  or any(found.waiting for found in transfer_fluency.ask_all(now).values()), now.id)


def _make_rows(now: Outcome) -> list[Row]:
    """Return what the models make of the text shown, once the attack has ended and there is such a text."""
    return rows.make_rows(now) if not now.running and now.donors() else []


def _show_story(now: Outcome, named: dict[Pair, str], names: dict[str, tuple[str, ...]]) -> bool:
    """Show the text with its swaps and a line a model; return whether they are as complete as they will get."""
    made = _make_rows(now)
    own = bool(made) and rows.choose_source(now) == rows.OWN
    shown = story.choose_shown(now)
    text, trying = story.find_text(now, shown)
    if made and not own:
        text = rows.find_shared_text(now)
    head = _describe_text(now, shown, named)
    proofs = {pair: found for pair in now.pairs if (found := proof.find_proof(now, pair)) is not None}
    st.html(story.make_story(now, head, "" if own and len(now.pairs) > 1 else text, story.list_lines(now, own),
                             {row.pair: row for row in made}, named, names, proofs,
                             selection.read_selection().limits, trying))
    return rows.is_complete(made)


def _describe_text(now: Outcome, shown: Pair | None, named: dict[Pair, str]) -> str:
    """Say what the text is that stands above the lines."""
    if shown is None:
        return "The text" if now.running or now.queue else "No text was changed."
    if now.running:
        return f"{named[shown]}: the text so far"
    if rows.choose_source(now) == rows.OWN and len(now.pairs) > 1:
        return "Each line is about the text that its own attack found."
    edited = st.session_state.get("adversarial")
    if edited is not None and edited != rows.find_found_text(now):
        return "The text as you edited it below"
    source = rows.find_donor(now) or shown
    flipped = now.results[source].status == "succeeded"
    return f"{'The text that flips' if flipped else 'The worst text found for'} {named[source]}, read by all models" \
        if len(now.models) > 1 else "The text after the attack"


def _show_details(now: Outcome, after: dict[Pair, TransferFluency], named: dict[Pair, str],
                  names: dict[str, tuple[str, ...]]) -> None:
    """Show a card for each model under each attack and tables of all cards, where they are wanted."""
    details = st.expander("Each search: its text, its curve, transfer and fluency", key=DETAILS, on_change="rerun",
                          icon=":material/query_stats:")
    # What is closed is not drawn: it would be sent anew several times a second.
    if not details.open:
        return
    # With several of both, a line of cards is a model wherever there is room for it.
    columns = len(now.attacks) if 1 < len(now.attacks) <= _ABREAST and len(now.models) > 1 else "auto"
    many = len(now.pairs) > _ABREAST
    with details:
        if many:
            _show_tables(now, after, named, names)
        with st.grid(columns=columns, min_column_width=245, border=True):
            for pair in now.pairs:
                _show_card(now, pair, named[pair], names[pair.model], overview.list_remarks(after.get(pair), named))
        if not many:
            _show_tables(now, after, named, names)
        _explain_figures(now, after)


def _show_tables(now: Outcome, after: dict[Pair, TransferFluency], named: dict[Pair, str],
                 names: dict[str, tuple[str, ...]]) -> None:
    """Show the overview of all cards, and which models each model's texts fool."""
    tables = [
        overview.make_attack_table(now, named, names) if len(now.pairs) > 1 else "",
        overview.make_transfer_table(now, after, named),
    ]
    for table in filter(None, tables):
        st.html(table)


def _explain_figures(now: Outcome, after: dict[Pair, TransferFluency]) -> None:
    """Say what the figures on fluency mean, or why there are none."""
    if not after:
        return
    trouble = next((found.trouble for found in after.values() if found.trouble), "")
    if trouble:
        note(f"Fluency is left out. {trouble}")
    else:
        st.caption("Fluency: how much more surprising a text has become to a masked language model.",
                   help=fluency.MEANING)
    if len(now.pairs) > MOST_CURVES:
        st.caption("With so many cards, the curve of each is in its replay below.")


def show_summary(now: Outcome) -> None:
    """Show how much was asked in how much time, or the place in the queue."""
    if now.queue:
        st.info(f"{cards.describe_queue(now.queue)}. The attack begins by itself; Stop takes it out of the queue.",
                icon=":material/hourglass_empty:")
        return
    head = "Attacking" if now.running else "Finished"
    if len(now.models) == 1 < len(now.attacks):
        head += f" · {catalogue.name_model(now.models[0])}"
    note(f"{head} · {now.queries:,} queries · {now.seconds:.1f} s · seed {now.asked.seed} · "
         f"device {loaded.find_device(now.asked.models, now.asked.device)}")


def _show_card(now: Outcome, pair: Pair, name: str, names: Sequence[str], remarks: Sequence[str]) -> None:
    result = now.results.get(pair)
    points, target, queries = _list_points(now, pair) if len(now.pairs) <= MOST_CURVES else ([], 0, 0)
    with st.container():
        st.html(cards.make_place(pair))
        proved = proof.find_proof(now, pair)
        st.html(cards.make_card(now, pair, name, names, remarks, proved.line if proved else ""))
        if points and (result is None or result.status != "skipped"):
            figure = charts.make_curve(points, phrases.name_class(names, target),
                                       border=0.5 if len(names) == 2 else 0.0, queries=queries,
                                       colour=colours.color_model(pair.model))
            st.plotly_chart(figure, key=f"curve.{pair.model}.{pair.attack}", config=charts.CONFIG,
                            alt=f"Probability of the class against queries, {name}")


def _list_points(now: Outcome, pair: Pair) -> tuple[list[tuple[int, float]], int, int]:
    """Return the probability curve so far, the class it is of, and the queries so far."""
    result = now.results.get(pair)
    if result:
        return list(result.curve), result.reference_label, result.queries
    event = now.latest.get(pair)
    if event is None or event.kind not in ("progress", "step"):
        return [], 0, 0
    proba, _ = loaded.predict(pair.model, now.asked.device, now.text)
    if proba is None:
        return [], 0, 0
    label = catalogue.find_label(pair.model, now.asked.label)
    target = proba.index(max(proba)) if label is None else label
    return [(0, proba[target]), *now.curves.get(pair, [])], target, int(event.data.get("queries", 0))
