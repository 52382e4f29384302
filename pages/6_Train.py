"""Train: Train a classifier, with a defence or without, and watch it learn.

Icon: model_training
Sidebar: seed
"""

import streamlit as st

from robust_core.errors import RobustError
from ui.session import next_step
from ui.train import form, progress
from ui.widgets.markdown import format_code, warn

job = progress.pick_training()
if job is not None:
    progress.show_training(job)
    st.divider()
progress.draw_unfinished()

st.subheader("Train a new model", anchor=False)
if job is None:
    st.caption("Without any change, this trains a CNN with FLAT on the sample reviews that come with the program: "
               "about a minute.")
try:
    asked = form.read_form()
except RobustError as error:
    warn(error)
    asked = None
with st.container(horizontal=True, vertical_alignment="center"):
    st.button("Train", type="primary", icon=":material/model_training:", disabled=asked is None,
              on_click=progress.start_training, args=(asked,))
    if asked is not None:
        st.caption(f"The model will be called {format_code(asked.spec.id)}"
                   + (", and its training begins when the present one has ended."
                      if job is not None and not job.over else "."))
if job is None or not job.over:
    next_step.suggest("Models", "See which models are here", key="train.next")
