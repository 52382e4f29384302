"""Attack: Change a few words so that a classifier changes its mind, and see why.

Icon: bolt
"""

import random

import streamlit as st

from ui.attack import comparison_table, examples, live, replay
from ui.session import attack, selection
from ui.shared import catalogue

st.session_state.setdefault("text", selection.DEFAULT_TEXT)


def take_example() -> None:
    """Put the chosen example into the text box."""
    if st.session_state["example"]:
        st.session_state["text"], st.session_state["example"] = st.session_state["example"], None


def surprise() -> None:
    """Put any example into the text box."""
    st.session_state["text"] = random.choice([t for t in examples.list_everything() if t != st.session_state["text"]])


st.text_area("Type a review", key="text", height=100, persist_state="session",
             placeholder="A sentence or two about a film, in English")
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.selectbox("Examples", examples.list_examples(), index=None, key="example", placeholder="Examples",
                 on_change=take_example, label_visibility="collapsed", width=200)
    st.button("Surprise me", on_click=surprise, icon=":material/shuffle:")
live.show_predictions()

present = attack.find_outcome()
busy = present is not None and present.running
classes = catalogue.list_classes(selection.read_selection().models)
if st.session_state.get("label") not in classes:
    st.session_state["label"] = selection.NO_LABEL
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.button("Attack", on_click=attack.start_attack, type="primary", icon=":material/bolt:", disabled=busy)
    st.button("Stop", on_click=attack.stop_attack, icon=":material/stop:", disabled=not busy)
    st.selectbox(
        "True label",
        [selection.NO_LABEL, *classes],
        key="label",
        persist_state="session",
        width=150,
        format_func=lambda name: classes.get(name, "not given"),
        help="With a true label, a model that is wrong before the attack is skipped. Without one, the attack "
             "tries to change whatever the model predicts first, as on a model that has no class of this name.",
    )
live.show_attack(present)
replay.show_replay(present)
comparison_table.show_comparison(present)
