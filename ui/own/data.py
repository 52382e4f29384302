"""The dialog for texts: a file with labels becomes a data set in every picker of its owner."""

import streamlit as st

from robust_core import datasets, uploads
from robust_core.datasets import same_labels
from robust_core.errors import RobustError
from robust_core.table_files import KINDS
from ui.own import more_rows, table_form
from ui.own.table_form import Columns
from ui.session import dialogs
from ui.shared import catalogue, people
from ui.widgets.markdown import escape_markdown, note, warn

MEASURE, TRAIN = "Measure models", "Train, too"
_ERROR = "own.data.error"


def draw_dialog() -> None:
    """Draw this person's data sets, and a form for another one."""
    _draw_kept()
    if message := st.session_state.pop(_ERROR, ""):
        warn(message)
    file = table_form.upload_file("own.data.file")
    if file is None:
        note(f"One text with its label in each row: {', '.join(kind.upper() for kind in KINDS)}. For example "
             "text,label in the first line, then the rows.")
        return
    try:
        chosen = table_form.choose_columns(*file, "own.data", list_classes())
    except RobustError as error:
        warn(error)
        return
    names = list(dict.fromkeys(chosen.names.values()))
    order = next((labels for labels in list_classes() if {*map(str.casefold, names)} <= {*map(str.casefold, labels)}),
                 ())
    _say_who_fits(tuple(order or names))
    purpose = st.segmented_control("What for", [MEASURE, TRAIN], key="own.data.for", default=MEASURE, required=True,
                                   help="To measure, all texts are test texts. To train as well, 15 % of each class "
                                        "are held out as dev and as many as test; only test is measured on.")
    st.button("Use these texts", type="primary", key="own.data.use", icon=":material/check:", on_click=_add,
              args=(chosen, order, purpose == MEASURE))
    more_rows.draw_more_rows(chosen)


def list_classes() -> list[tuple[str, ...]]:
    """Return the classes of the models that are here, each once, those picked first."""
    cards = catalogue.read_cards()
    picked = [cards[m] for m in st.session_state.get("models", ()) if m in cards]
    return list(dict.fromkeys(card.labels for card in (*picked, *cards.values())))


def _say_who_fits(labels: tuple[str, ...]) -> None:
    fitting = [catalogue.shorten_name(card) for card in catalogue.read_cards().values()
               if same_labels(card.labels, labels)]
    if fitting:
        note(f"{len(fitting)} models that are here have these classes: {', '.join(fitting[:3])}"
             f"{' …' if len(fitting) > 3 else ''}.")
    else:
        note("No model that is here has these classes, so none can be measured on these texts yet: name them like "
             "those of a model, or train one on them.")


def _draw_kept() -> None:
    """List this person's data sets, each with a button that removes it."""
    for name, data in datasets.list_own().items():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{escape_markdown(data.title)}** · {escape_markdown(', '.join(data.labels))}")
            st.button("Remove", key=f"own.data.remove.{name}", on_click=_remove, args=(name,),
                      icon=":material/delete:", help="Takes the texts away. Models and stored results stay.")


def _remove(name: str) -> None:
    try:
        uploads.remove_dataset(name)
    except RobustError as error:
        st.session_state[_ERROR] = str(error)


def _add(chosen: Columns, order: tuple[str, ...], only_test: bool) -> None:
    try:
        people.check_uploads()
        made = uploads.add_dataset(chosen.name, chosen.table, chosen.text, chosen.label, chosen.names, order=order,
                                   only_test=only_test)
    except RobustError as error:
        st.session_state[_ERROR] = str(error)
        return
    if picker := dialogs.find_picker():
        st.session_state[picker] = made.name
    dialogs.close_dialog()
