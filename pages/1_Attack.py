"""Attack: Change a few words so that a classifier changes its mind, and see why.

Icon: bolt
Sidebar: models, attacks, explanation, thresholds, seed
"""

import random

import streamlit as st

from ui.attack import comparison_table, examples, guards, live, replay
from ui.saliency.page import LAST
from ui.session import attack, locks, next_step, selection, true_label
from ui.shared import catalogue
from ui.widgets import scripts


def write_example(text: str) -> None:
    """Put an example into the text box, and its true label beside it."""
    st.session_state["text"] = text
    true_label.write_label(text, examples.read_labels().get(text, true_label.NO_LABEL))


def surprise() -> None:
    """Put any example into the text box."""
    write_example(random.choice([t for t in examples.list_everything() if t != st.session_state["text"]]))


if "text" not in st.session_state:
    write_example(selection.DEFAULT_TEXT)
st.text_area("Type a review", key="text", height=84, persist_state="session",
             placeholder="A sentence or two about a film, in English")
scripts.follow_typing("text")
live.show_predictions()

present = attack.find_outcome()
busy = present is not None and present.running
classes = catalogue.list_classes(selection.read_selection().models)
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.button("Attack", on_click=attack.start_attack, type="primary", icon=":material/bolt:", disabled=busy)
    st.button("Stop", on_click=attack.stop_attack, icon=":material/stop:", disabled=not busy)
    true_label.pick_label(st.session_state["text"], classes)
    locks.draw_locks(st.session_state["text"], classes)
    with st.popover("Examples", icon=":material/menu_book:", key=examples.OPEN, on_change="rerun") as menu:
        if menu.open:
            examples.draw_menu(write_example)
    st.button("Surprise me", on_click=surprise, icon=":material/shuffle:")
live.show_attack(present)
replay.show_replay(present)
guards.show_guards(present)
comparison_table.show_comparison(present)
if present is None:
    next_step.suggest("Lessons", "New here? Take the first lesson", key="attack.next",
                      about="What an adversarial example is, in five minutes: guess, run, compare")
elif present.results and not busy:
    next_step.suggest("Saliency", "See the reasons word by word", key="attack.next", prepare=next_step.choose,
                      args=({"saliency.source": LAST},), about="Which words each answer rests on, in both texts")
