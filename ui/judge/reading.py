"""One text at a time, without a sign of where it comes from: two presses, and the next one."""

import datetime
import html

import streamlit as st

from robust_core.errors import RobustError
from robust_core.judging.items import UNCLEAR, Counts, Item
from robust_core.judging.kept import keep_judgement
from robust_core.judging.records import Judged
from ui.judge import result
from ui.judge.choosing import Task
from ui.shared import catalogue
from ui.widgets.markdown import escape_markdown, warn

STOPPED = "judge.stopped"
_AT, _SAID, _FAILED = "judge.at", "judge.said", "judge.failed"
ENGLISH = {True: ("Passable English", "Y", "check"), False: ("Not passable", "N", "close")}
UNCLEAR_KEY, BACK_KEY = "0", "Left"


def draw_reading(task: Task) -> None:
    """Draw the text to judge, or what came of all of them."""
    own = task.read_own()
    if failed := st.session_state.pop(_FAILED, None):
        warn(failed)
    item = _find_item(task, own)
    if item is None:
        st.success(f"You have judged all {len(task.items):d} texts.", icon=":material/check:")
        with st.container(horizontal=True):
            st.button("Judge the last one again", key="judge.back", type="tertiary", icon=":material/undo:",
                      on_click=_go_to, args=(task.items[-1].id,))
        result.draw_result(task)
        return
    at, done = task.items.index(item), sum(each.id in own for each in task.items)
    st.progress(done / len(task.items), text=f"Text {at + 1:d} of {len(task.items):d} · {done:d} judged")
    st.html(f'<div class="rx-judged" role="region" aria-label="Text to judge">{html.escape(item.text)}</div>')
    said = _read_said(item, own)
    _draw_labels(task, item, said)
    _draw_english(task, item, said)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("One text back", key="judge.back", type="tertiary", icon=":material/undo:", disabled=at == 0,
                  shortcut=BACK_KEY, on_click=_go_to, args=(task.items[max(at - 1, 0)].id,))
        if item.id in own:
            st.button("Leave it as it is", key="judge.leave", type="tertiary", icon=":material/redo:",
                      on_click=_go_to, args=(_find_next(task, own, at),))
        st.button("Stop here, show the result", key="judge.stop", type="tertiary", icon=":material/stop:",
                  disabled=not done, on_click=_stop)
    st.caption("A judgement is kept once you have answered both questions; go on later under the same name. Where a "
               "text comes from, and whether an attack has changed it, is hidden until the result.")


def _find_item(task: Task, own: dict[str, Judged]) -> Item | None:
    """Return the text to show: the one gone back to, or the first without a judgement."""
    items = {item.id: item for item in task.items}
    if (gone := st.session_state.get(_AT)) in items:
        return items[gone]
    return next((item for item in task.items if item.id not in own), None)


def _find_next(task: Task, own: dict[str, Judged], at: int) -> str:
    """Return the id of the text after a place, empty where that is the first without a judgement."""
    after = task.items[at + 1].id if at + 1 < len(task.items) else ""
    return after if after in own else ""


def _read_said(item: Item, own: dict[str, Judged]) -> dict[str, str | bool]:
    """Return what has been said of a text by now: kept earlier, or pressed just now."""
    pressed = st.session_state.get(_SAID, {})
    if pressed.get("item") == item.id:
        return pressed
    kept = own.get(item.id)
    return {"item": item.id} | ({} if kept is None else {"before": kept.says, "english": kept.passable})


def _draw_labels(task: Task, item: Item, said: dict[str, str | bool]) -> None:
    st.markdown("**Which label has this text?**")
    chosen = said.get("label", said.get("before"))
    with st.container(horizontal=True):
        for number, label in enumerate((*task.source.labels, UNCLEAR), 1):
            key = UNCLEAR_KEY if label == UNCLEAR else str(number) if number < 10 else None
            st.button(escape_markdown(catalogue.show_label(label)), key=f"judge.says.{item.id}.{number}", shortcut=key,
                      type="primary" if label == chosen else "secondary", on_click=_say_label, args=(task, item, label))


def _draw_english(task: Task, item: Item, said: dict[str, str | bool]) -> None:
    st.markdown("**Is it passable English?**", help="Passable: somebody who writes English well could have written it, "
                                                    "in haste perhaps.")
    with st.container(horizontal=True):
        for passable, (name, key, icon) in ENGLISH.items():
            st.button(escape_markdown(name), key=f"judge.english.{item.id}.{key}", shortcut=key,
                      icon=f":material/{escape_markdown(icon)}:", on_click=_say_english, args=(task, item, passable),
                      type="primary" if said.get("english") is passable else "secondary")


def _say_label(task: Task, item: Item, label: str) -> None:
    said = st.session_state.get(_SAID, {})
    english = said["pressed"] if said.get("item") == item.id and "pressed" in said else None
    _keep(task, item, label, english)


def _say_english(task: Task, item: Item, passable: bool) -> None:
    said = st.session_state.get(_SAID, {})
    label = said.get("label") if said.get("item") == item.id else None
    _keep(task, item, label, passable)


def _keep(task: Task, item: Item, label: str | None, passable: bool | None) -> None:
    """Keep a judgement once both questions are answered, in whichever order; runs before the page is drawn."""
    if label is None or passable is None:
        given: dict[str, str | bool] = {"item": item.id}
        given |= {} if label is None else {"label": label}
        given |= {} if passable is None else {"english": passable, "pressed": passable}
        st.session_state[_SAID] = given
        return
    when = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
    counts = task.source.counts.get(item.group, Counts()) if item.adversarial else Counts()
    try:
        keep_judgement(Judged(task.judge, label, passable, when, task.source.id, counts, item))
    except RobustError as error:
        st.session_state[_FAILED] = str(error)
        return
    st.session_state.pop(_SAID, None)
    st.session_state.pop(_AT, None)


def _go_to(item_id: str) -> None:
    st.session_state[_AT] = item_id
    st.session_state.pop(_SAID, None)


def _stop() -> None:
    st.session_state[STOPPED] = True
