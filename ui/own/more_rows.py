"""More rows for a file of one's own, from random swaps: made in the dialog for texts, and downloaded."""

import streamlit as st

from robust_core import augmentation
from robust_core.errors import RobustError
from robust_core.resources.swap_sets import NAMES, read_swap_set
from ui.own.table_form import Columns
from ui.widgets.markdown import note, warn

# Some seconds of one core under the set with the fewest words to look up.
MOST_ROWS = 2000
_KINDS = {".csv": "text/csv", ".jsonl": "application/x-ndjson"}
_MADE = "own.more.made"


def draw_more_rows(chosen: Columns) -> None:
    """Draw the form, and the downloads once rows are made of these very columns with these very settings.

    Args:
        chosen: The file's rows, and which column is which.
    """
    with st.expander("Make more rows for training", icon=":material/library_add:"):
        st.caption("Random words give way to words of a swap set; the label and all other cells stay, and five columns "
                   "say where a new row comes from. To add the texts that fool a model instead: "
                   "`python -m robust_core augment FILE --attack textfooler --model MODEL --out more.csv`.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            swaps = st.selectbox("Words from", NAMES, key="own.more.swaps", width=140, format_func=str.capitalize,
                                 help="Careful: close synonyms that keep most meanings. Close and Wide allow more, "
                                      "and keep fewer.")
            variants = st.number_input("New rows a row", 1, 10, 1, key="own.more.variants", width=140)
            percent = st.number_input("Words swapped (%)", 1, 100, 10, key="own.more.share", width=140,
                                      help="One word at least.")
            seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="own.more.seed", width=140)
        asked = (chosen.text, chosen.label, swaps, int(variants), int(percent), int(seed))
        if st.button("Make", key="own.more.make", icon=":material/library_add:"):
            _make(chosen, asked, swaps, int(variants), percent / 100, int(seed))
        of, known, new = st.session_state.get(_MADE, (None, (), []))
        # The same file is read once, so that its cells are the same object.
        if of is not chosen.table.cells or known != asked:
            return
        rows = len(chosen.table.values(chosen.text))
        note(f"{len(new):,} new rows from {rows:,}. Read some before you train on them.")
        st.dataframe([{"From row": each.row, "New text": each.text} for each in new[:5]], hide_index=True)
        with st.container(horizontal=True):
            for kind, mime in _KINDS.items():
                st.download_button(f"Download {kind[1:].upper()}",
                                   augmentation.write_rows(chosen.table, chosen.text, new, kind),
                                   f"{chosen.name}-augmented{kind}", mime, key=f"own.more.save{kind}",
                                   icon=":material/download:", on_click="ignore")


def _make(chosen: Columns, asked: tuple[str | int, ...], swaps: str, variants: int, share: float, seed: int) -> None:
    rows = len(chosen.table.values(chosen.text))
    if rows > MOST_ROWS:
        warn(f"The file has {rows:,} rows, and at most {MOST_ROWS:,} are augmented here. On the command line there is "
             "no limit: python -m robust_core augment.")
        return
    try:
        augmentation.check_columns(chosen.table)
        with st.spinner("Making rows …"):
            new = list(augmentation.swap_rows(chosen.table, chosen.text, read_swap_set(swaps), variants, share, seed))
    except RobustError as error:
        warn(error)
        return
    st.session_state[_MADE] = (chosen.table.cells, asked, new)
