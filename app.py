"""The app's frame: pages found in `pages/`, the sidebar they share, the address. Start: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

import ui
from ui import frame, warm_up
from ui.lessons import progress
from ui.own import dialogs
from ui.shared import people
from ui.slices import line
from ui.widgets import dataset_job, refresh, scripts

ROOT = Path(__file__).parent
icon = Path(ui.__file__).parent / "icon.png"
st.set_page_config(page_title="Robustness explorer", page_icon=str(icon), layout="wide")
people.tell_people_apart()
found = frame.list_pages(ROOT / "pages")
# Lower-case addresses differ from those that Streamlit itself would give to files in `pages/`: its own handling of that
# folder, which precedes the first `st.navigation` of a process, then never takes a page for its own.
entries = [st.Page(page.path, title=page.title, icon=page.icon, default=not i,
                   url_path=page.title.lower().replace(" ", "-")) for i, page in enumerate(found)]
with refresh.show_failure("the address"):
    frame.open_session()
current = st.navigation(entries)
frame.apply_style()
here = next(page for page, entry in zip(found, entries, strict=True) if entry.title == current.title)
with refresh.show_failure("the sidebar"):
    if not (here.title == progress.TITLE and progress.hides_controls()):
        frame.draw_sidebar(here.controls)
    frame.watch_attack(entries[0], here is found[0])
    dataset_job.draw_sign()
    scripts.close_sidebar_on_phones()
with refresh.show_failure("the dialog"):
    dialogs.draw_dialog()
st.title(here.title)
st.caption(here.subtitle)
frame.show_message()
if not (here.title == progress.TITLE and progress.hides_controls()):
    with refresh.show_failure("the slice"):
        line.draw_line()
with refresh.show_failure(here.title):
    current.run()
with refresh.show_failure("the link"):
    frame.write_link()
# After the page: the imports of a warm-up would hold up its first drawing.
warm_up.warm_up()
