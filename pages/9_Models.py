"""Models: Which classifiers are here, how good they are, and how each was trained.

Icon: table_chart
"""

import streamlit as st

from ui.models import figures, tables
from ui.own import dialogs
from ui.own import model as own_model
from ui.session import next_step
from ui.shared import catalogue
from ui.widgets.footnotes import draw_footnotes

cards = list(catalogue.read_cards().values())
if not cards:
    st.info("No trained models are here. Train one: `python -m robust_core train --dataset sst2 --architecture cnn "
            "--defence base`")
    st.stop()
dialogs.draw_button()
found = figures.read_figures()
table, footnotes = tables.make_overview(cards, found)
st.dataframe(table, column_config=tables.configure_columns(), hide_index=True, placeholder="–")
draw_footnotes(footnotes)
st.caption("Careful and Paper: accuracy left by TextFooler under each preset. Dev is the split on which the stored "
           "weights were chosen. The test split is not trained on, but for the few texts that a model's known fault "
           "names; where it was looked at before a choice, docs/freeze.md says so. ± is the standard error. A dash "
           "means that no figure has been stored in results/ yet.")

if st.session_state.get("models.detail") not in [card.id for card in cards]:
    st.session_state.pop("models.detail", None)
chosen = st.selectbox("Details of", [card.id for card in cards], format_func=catalogue.name_option, key="models.detail",
                      persist_state="session")
card = next(card for card in cards if card.id == chosen)
tables.draw_detail(card, found.get(chosen, []))
if card.is_imported:
    st.button("Remove", key="models.remove", on_click=own_model.remove, args=(card.id,), icon=":material/delete:",
              help="Takes the files of this model away. Results that were stored stay.")
next_step.suggest("Leaderboard", "Compare the models under attack", key="models.next", prepare=next_step.choose,
                  args=({"board.dataset": card.dataset},))
