"""A button that makes the report of stored runs, and the download of what it made."""

from collections.abc import Sequence

import streamlit as st

from robust_core.errors import RobustError
from robust_core.reports.making import MOST_RUNS, make_runs_report
from robust_core.store import ResultStore
from ui.session import selection
from ui.shared import loaded
from ui.widgets.markdown import note, warn


def draw_report(run_ids: Sequence[str], key: str, store: ResultStore | None = None) -> None:
    """Draw the button, and the download once the report of these very runs is made.

    Args:
        run_ids: Ids of the runs.
        key: Prefix of the widgets' keys.
        store: Where they are; this person's store by default.
    """
    made = f"{key}.page"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Make report", key=f"{key}.make", icon=":material/description:", disabled=len(run_ids) > MOST_RUNS,
                     help="One HTML file that needs nothing from outside: figures with errors, worst examples with the "
                          "words' importance, warnings, settings, the command, and what to do next. Models with a "
                          "certificate are certified for it."):
            st.session_state.pop(made, None)
            device = selection.read_selection().device
            try:
                with st.spinner("Making the report …"):
                    page = make_runs_report(store or loaded.open_store(), run_ids,
                                            lambda name: loaded.wait_for_model(name, device))
                st.session_state[made] = (list(run_ids), page.encode(errors="replace"))
            except RobustError as error:
                warn(error)
        about, page = st.session_state.get(made, ([], b""))
        if about == list(run_ids):
            name = f"report-{run_ids[0]}.html" if len(run_ids) == 1 else "report.html"
            st.download_button("Download report", page, name, "text/html", key=f"{key}.save", on_click="ignore",
                               icon=":material/download:", type="primary")
            note(f"Made: {len(page) / 1000:,.0f} kB. It opens in any browser.")
