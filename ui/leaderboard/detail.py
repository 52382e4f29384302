"""One entry of the leaderboard: its figures, where they come from, its command, and measuring it again."""

from collections.abc import Sequence

import streamlit as st

from robust_core.claims.derivation import Figure
from robust_core.claims.footnotes import Footnotes
from robust_core.explainers import EXPLAINERS
from robust_core.leaderboard.entries import Entry, Source
from ui.leaderboard.again import draw_again
from ui.leaderboard.board import name_entry
from ui.leaderboard.filters import name_attack, name_preset
from ui.session import next_step, selection
from ui.shared import catalogue
from ui.widgets.markdown import escape_markdown, note


def draw_detail(entries: Sequence[Entry]) -> None:
    """Draw a picker of the shown entries and all that is known of the one picked."""
    st.subheader("One figure", anchor=False)
    by_id = {entry.id: entry for entry in entries}
    if st.session_state.get("board.entry") not in by_id:
        st.session_state["board.entry"] = next(iter(by_id))
    chosen = st.selectbox("Figure", list(by_id), key="board.entry", persist_state="session",
                          format_func=lambda name: _name_choice(by_id[name]), label_visibility="collapsed")
    entry = by_id[chosen]
    with st.grid(columns=4, min_column_width=150):
        _draw_metric("Under attack", entry.attacked)
        _draw_metric("Clean, same texts", entry.clean)
        if entry.lowest is not None and entry.lowest.attacks > 1:
            _draw_metric(f"Lowest of {entry.lowest.attacks}: {name_attack(entry.lowest.attack)}", entry.lowest.share)
        if entry.certificate is not None:
            _draw_metric(f"Certified, {entry.certificate.swap_set} swaps", entry.certificate.share)
        if entry.valid is not None:
            _draw_metric(f"Valid share of {entry.valid.share.n} flips", entry.valid.share)
    _describe(entry)
    source = _choose_source(entry)
    st.code(source.command, language="bash", wrap_lines=True)
    if "DATA" in source.command.split():
        st.caption("Put the folder of the public data sets in the place of DATA: see docs/data.md.")
    draw_again(source)


def draw_next_step(entries: Sequence[Entry]) -> None:
    """Suggest an attack on the model of the figure that is picked, where that model is here."""
    picked = next((entry for entry in entries if entry.id == st.session_state.get("board.entry")), entries[0])
    here = picked.model in catalogue.read_cards()
    label = f"Attack a text on {catalogue.name_model(picked.model)}" if here else "Attack a text"
    next_step.suggest("Attack", label, key="board.next", prepare=selection.choose_models,
                      args=(picked.model,) if here else ())


def _name_choice(entry: Entry) -> str:
    limit = f", at most {entry.max_queries:,} queries" if entry.max_queries else ""
    return f"{name_entry(entry)} · {name_attack(entry.attack)} · {name_preset(entry.preset)}{limit}"


def _draw_metric(label: str, figure: Figure) -> None:
    # The error stands beside the label: a phone has no room for both in large letters.
    st.metric(escape_markdown(f"{label} (± {100 * figure.error:.1f})"), escape_markdown(f"{100 * figure.value:.1f} %"))


def _describe(entry: Entry) -> None:
    seeds = ", ".join(map(str, entry.seeds))
    note(f"{catalogue.name_dataset(entry.dataset)}, {entry.split} split · n = {entry.attacked.n:,} · seeds {seeds} · "
         f"precision {entry.precision or 'exact'} · model {entry.model} · results/{entry.sources[0].file}")
    for one in entry.stability:
        note(f"{EXPLAINERS[one.explain].title}: τ {one.tau.value:.3f} ± {one.tau.error:.3f}, top-5 "
             f"{100 * one.top_5.value:.1f} ± {100 * one.top_5.error:.1f} %, n = {one.tau.n:,} "
             f"(results/{one.source.file})")
    if entry.certificate is not None:
        note(f"Certificate: n = {entry.certificate.share.n:,} (results/{entry.certificate.source.file})")
    # Trainings of one model are warned about in the same words: a line for all of them.
    footnotes = Footnotes()
    footnotes.mark(entry.warnings)
    for warning in footnotes.notes():
        note(f"{warning.finding} {warning.advice}")


def _choose_source(entry: Entry) -> Source:
    """Return the claim to show: a picker where several answer the same question."""
    if len(entry.sources) == 1:
        return entry.sources[0]
    by_file = {source.file: source for source in entry.sources}
    if st.session_state.get("board.source") not in by_file:
        st.session_state["board.source"] = entry.sources[0].file
    chosen = st.selectbox("Measured more than once", list(by_file), key="board.source", persist_state="session",
                          format_func=lambda file: _name_source(by_file[file]),
                          help="The first is the one shown above: it has the most trainings, then the most texts.")
    return by_file[chosen]


def _name_source(source: Source) -> str:
    trainings = len(source.seeds)
    return (f"{source.file}: {100 * source.value:.1f} ± {100 * source.error:.1f} %, {trainings} "
            f"training{'s' * (trainings > 1)}, n = {source.n:,}")
