"""Opening an entry again: the page that made it, with what was chosen there."""

import contextlib
import json
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, RobustError
from robust_core.evaluation.explanation_consistency import list_stored
from robust_core.history.entries import EVALUATION, JUDGED, TRAINING, TYPED, Entry, find_run
from robust_core.judging.items import make_id
from robust_core.judging.shipped import read_reading
from robust_core.store import ResultStore
from ui.attack import permalink
from ui.judge import choosing
from ui.saliency import page as saliency
from ui.saliency import stored_results
from ui.session import attack, presets, selection
from ui.shared import catalogue
from ui.train import again
from ui.widgets import forms

_ATTACK, _SALIENCY, _TRAIN, _JUDGE = ("pages/1_Attack.py", "pages/2_Saliency.py", "pages/6_Train.py",
                                      "pages/8_Judge.py")


class Place(NamedTuple):
    """Where an entry is opened.

    Attributes:
        page: File of the page.
        restore: Sets what was chosen there; may raise RobustError.
    """

    page: str
    restore: Callable[[], None]


def find_place(entry: Entry, store: ResultStore) -> Place:
    """Return where an entry is opened.

    Raises:
        BadInput: No page can show it; the message says why.
    """
    if entry.kind == TYPED:
        return Place(_ATTACK, lambda: _restore_attack(entry.id))
    if entry.kind == EVALUATION:
        model = entry.models[0] if entry.models else ""
        if not entry.explained and model not in catalogue.read_cards():
            raise BadInput(f"{model} is not among the models here, and its run was not explained: no page shows it. "
                           "A report can be made.")
        return Place(_SALIENCY, lambda: _restore_run(entry, store))
    if entry.kind == TRAINING:
        return Place(_TRAIN, lambda: _restore_training(entry.id))
    if entry.kind == JUDGED:
        return Place(_JUDGE, lambda: _restore_judgements(entry, store))
    return Place(_TRAIN, lambda: None)


def _restore_attack(token: str) -> None:
    attack.forget_attack()
    st.session_state.pop("view_of", None)
    permalink.restore(token)
    st.session_state["view"] = token


def _restore_run(entry: Entry, store: ResultStore) -> None:
    run = find_run(store, entry.id)
    known = catalogue.read_cards()
    if models := [model for model in entry.models if model in known]:
        st.session_state["models"] = models
    if run.seed < 2**31:
        st.session_state["seed"] = run.seed
    # What was attacked under other rules, such as somebody's own swaps, is shown all the same.
    with contextlib.suppress(RobustError):
        forms.preset_several(ATTACKS, presets.KEY, [dict(run.method)])
        st.session_state["chosen.attacks"] = [dict(run.method)]
    st.session_state["saliency.source"] = saliency.STORED
    of = next((of for of in list_stored(store) if of.run_id == entry.id), None)
    if of is None:
        st.session_state["stored.new.dataset"], st.session_state["stored.new.n"] = entry.dataset, max(entry.n, 1)
        selection.notify("This run is stored, but not explained yet. Open “Attack and explain a data set” below and "
                         "press Run: the attack is taken from the store.")
        return
    st.session_state["stored.method"], st.session_state["stored.dataset"] = of.method["name"], entry.dataset
    st.session_state["stored.which"] = stored_results.ALL
    st.session_state["stored.where"] = stored_results.EVERYWHERE
    st.session_state["stored.group"] = (of.run_id, json.dumps(dict(of.method), sort_keys=True))


def _restore_training(model_id: str) -> None:
    card = catalogue.read_cards().get(model_id)
    if card is None:
        raise BadInput(f"{model_id} is not here any more.")
    again.restore_form(card)


def _restore_judgements(entry: Entry, store: ResultStore) -> None:
    source = entry.id.partition("/")[0]
    st.session_state["judge.name"] = entry.text.partition(", ")[0]
    with contextlib.suppress(RobustError):
        if read_reading()[0].id == source:
            st.session_state["judge.from"] = choosing.SHIPPED
            return
    run = next((run for run in store.runs() if make_id("runs", run) == source), None)
    if run is not None:
        st.session_state["judge.from"], st.session_state["judge.runs"] = choosing.RUNS, [run]
        return
    st.session_state["judge.from"] = choosing.FILE
    selection.notify("These judgements are on several runs, or on a file: choose the runs, or upload the file again, "
                     "to go on with them.")
