"""Leaderboard: What each model keeps under each attack, with its error and the command that measures it again.

Icon: leaderboard
"""

import streamlit as st

from ui.leaderboard import board, chart, detail, filters, summary, table
from ui.widgets.markdown import note

found = board.find_board()
if not found.entries:
    st.info("No figures are stored in results/ yet. Measure some: `python -m robust_core reproduce presets/sst2 "
            "--out results --freeze DATE --data-dir DIR`")
    st.stop()
chosen = filters.draw_filters(found.entries)
if chosen.entries:
    summary.draw_summary(chosen)
    chart.draw_scatter(chosen.entries)
    st.caption("Bars are one standard error; on the dashed line nothing is lost. The models picked in the sidebar of "
               "other pages stand out in their colours. Point at a mark for its model; click it for its figure below.")
    table.draw_table(chosen)
else:
    st.info("No stored figure fits these filters.")
    st.button("Show all", on_click=filters.clear_filters, icon=":material/filter_alt_off:")
if chosen.papers:
    table.draw_papers(board.find_papers(), chosen)
if chosen.entries:
    detail.draw_detail(chosen.entries)
for name, why in found.left_out:
    note(f"results/{name} is left out: {why}")
if chosen.entries:
    detail.draw_next_step(chosen.entries)
