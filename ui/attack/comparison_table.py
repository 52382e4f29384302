"""Why an attack worked: the table of both texts, the box to edit one by hand, and the downloads."""

from collections.abc import Mapping, Sequence

import streamlit as st

from robust_core import highlight
from robust_core.attacks import ATTACKS
from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.registry import to_record
from ui.attack import downloads, permalink, transfer_fluency
from ui.comparison import rows, verdicts
from ui.comparison.rows import OWN, SHARED
from ui.session import selection
from ui.session.choices import Choices
from ui.session.outcome import Outcome, Pair, name_pairs
from ui.shared import catalogue
from ui.widgets import refresh


def show_comparison(now: Outcome | None) -> None:
    """Show the table of both texts, the editing box and the downloads of a finished attack."""
    if now is None or now.running or not now.results:
        return
    st.subheader("Why?")
    chosen = selection.read_selection()
    if is_old(now):
        st.caption("This table belongs to the attack above; text, models or attacks were changed since. "
                   "Press Attack for a new one.")
    _draw_sources(now)
    st.html(highlight.make_legend())
    named, names = name_pairs(now), {model: catalogue.find_labels(model) for model in now.models}
    compared = rows.read_comparison(now)

    def draw() -> bool:
        lines = rows.make_rows(now, chosen=compared)
        st.html(verdicts.make_verdict_table(lines, named, names, chosen.limits, compared.heading))
        return not rows.is_complete(lines)

    lines = rows.make_rows(now, chosen=compared)
    refresh.make_fragment(draw, not rows.is_complete(lines), now.id)
    st.caption(verdicts.describe_rule(chosen.limits))
    _draw_editor(now)
    # After the editor: it may have put the box's text in the place of the attack's.
    _draw_downloads(now, named, names, rows.read_comparison(now))


def is_old(now: Outcome) -> bool:
    """Return whether the choices have changed since an attack began."""
    chosen = selection.read_selection()
    try:
        text = check_typed(chosen.text)
    except RobustError:
        return True
    # On another device the attack finds the same.
    return now.asked != Choices(text, chosen.models, tuple(map(to_record, chosen.attacks)), chosen.label, chosen.seed,
                                now.asked.device)


def _draw_sources(now: Outcome) -> None:
    donors = now.donors()
    if not donors:
        st.caption("No text was changed; edit the text below to compare one of your own.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = rows.make_source_key(now)
        st.session_state.setdefault(key, rows.choose_source(now))
        st.segmented_control("Adversarial text", [SHARED, OWN], format_func=_name_sources(now).__getitem__, key=key,
                             required=True, persist_state="session",
                             help="One text: all models read the same adversarial text. Does a change that fools one "
                                  "model fool the others too? Each one's own: every row shows the text that its own "
                                  "attack found.")
        if rows.choose_source(now) == SHARED and len(donors) > 1:
            if st.session_state.get("found_on") not in donors:
                st.session_state["found_on"] = donors[0]
            st.selectbox("Found by" if len(now.models) == 1 else "Found on", donors, key="found_on",
                         format_func=name_pairs(now).__getitem__, width=260, on_change=rows.undo_edit,
                         persist_state="session")


def _name_sources(now: Outcome) -> dict[str, str]:
    """Name the two sources of adversarial text."""
    own = "model" if len(now.attacks) == 1 else "attack" if len(now.models) == 1 else "card"
    return {SHARED: "One text" if len(now.models) == 1 else "One text for all models", OWN: f"Each {own}'s own"}


def _draw_editor(now: Outcome) -> None:
    if rows.choose_source(now) == OWN:
        return
    text = rows.find_shared_text(now)
    # What was typed stays in the box while it cannot be used; otherwise the box shows the text of the table.
    if st.session_state.get("box_shows") != text or "adversarial_box" not in st.session_state:
        st.session_state["box_shows"] = st.session_state["adversarial_box"] = text
    st.text_area("Edit the adversarial text yourself: the table follows", key="adversarial_box", height="content",
                 on_change=rows.edit_text, persist_state="session")
    edited = st.session_state.get("adversarial")
    if edited is not None and edited != rows.find_found_text(now):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Edited by hand.")
            st.button("Back to the attack's text", on_click=rows.undo_edit, type="tertiary",
                      icon=":material/undo:")


def _draw_downloads(now: Outcome, named: dict[Pair, str], names: Mapping[str, Sequence[str]],
                    compared: rows.Comparison) -> None:
    limits, view = selection.read_selection().limits, permalink.read_choices(now)
    lines, after = rows.make_rows(now, chosen=compared), transfer_fluency.ask_all(now)
    with st.container(horizontal=True):
        st.button("Link", on_click=permalink.share_link, icon=":material/link:",
                  help="Store what is shown here and make a link to it.")
        # Made when drawn: a file holds what the page says. The page is drawn once more when all is explained.
        st.download_button("JSON", downloads.to_json(permalink.make_view(now, view, lines, after), names, now.results),
                           "attack.json", "application/json", on_click="ignore", icon=":material/download:")
        st.download_button("CSV", downloads.to_csv(now, lines, names, limits, after),
                           "attack.csv", "text/csv", on_click="ignore", icon=":material/download:")
        page = downloads.to_html(now, lines, named, names, limits, ATTACKS, compared.heading, after)
        st.download_button("HTML", page, "attack.html", "text/html", on_click="ignore", icon=":material/download:")
    if st.session_state.get("view"):
        st.caption("Whoever opens this link on this machine sees what you see now:")
        address = (st.context.url or "").split("?")[0]
        st.code(f"{address}?view={st.session_state['view']}", language=None, wrap_lines=True)
