"""What of the leaderboard is shown: data set, attack, presets, architectures, defences, and the order."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import NAMES
from robust_core.defences import DEFENCES
from robust_core.leaderboard.entries import Entry
from robust_core.leaderboard.ranking import ORDERS, filter_entries, sort_entries
from robust_core.models.cards import ARCHITECTURES, CORE
from ui.shared import catalogue

ALL = "all"
_FIRST = ("sst2", "textfooler")


class Chosen(NamedTuple):
    """What a person asked for.

    Attributes:
        entries: The entries, in order.
        dataset: Name of the data set.
        attack: Name of the attack, or ALL.
        papers: Whether the papers' own figures are asked for.
    """

    entries: list[Entry]
    dataset: str
    attack: str
    papers: bool


def draw_filters(entries: Sequence[Entry]) -> Chosen:
    """Draw the pickers and return what they leave; at first TextFooler on SST-2 with both presets."""
    data = list(dict.fromkeys(entry.dataset for entry in entries))
    _begin("board.dataset", _FIRST[0], data)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dataset = st.selectbox("Data set", data, key="board.dataset", format_func=catalogue.name_dataset,
                               persist_state="session", width=140)
        here = filter_entries(entries, dataset=dataset)
        attacks = [*(name for name in ATTACKS if any(entry.attack == name for entry in here)), ALL]
        _begin("board.attack", _FIRST[1], attacks)
        attack = st.selectbox("Attack", attacks, key="board.attack", format_func=name_attack, persist_state="session",
                              width=180)
        presets = st.multiselect("Presets", NAMES, key="board.presets", format_func=str.capitalize, placeholder="Both",
                                 persist_state="session", width=180,
                                 help="Careful takes swaps that mostly keep the meaning; Paper has the values of each "
                                      "attack's paper. Nothing chosen shows both.")
    with st.expander("Filter and order", icon=":material/filter_list:"), st.container(horizontal=True):
        architectures = st.multiselect("Architectures", _list_known(ARCHITECTURES, [e.architecture for e in here]),
                                       key="board.architectures", format_func=name_architecture, placeholder="All",
                                       persist_state="session", width=180)
        defences = st.multiselect("Defences", _list_known([*DEFENCES, CORE], [e.defence for e in here]),
                                  key="board.defences", format_func=name_defence, placeholder="All",
                                  persist_state="session", width=180)
        order = st.selectbox("Order", list(ORDERS), key="board.order", format_func=lambda name: ORDERS[name][0],
                             persist_state="session", width=220,
                             help="The highest first. A click on a column's head sorts the table as well.")
        papers = st.toggle("Show the papers' own figures", key="board.papers", persist_state="session",
                           help="In a table of their own: they rest on other word vectors, encoders and training sets.")
    shown = filter_entries(here, attack=None if attack == ALL else attack, presets=presets,
                           architectures=architectures, defences=defences)
    return Chosen(sort_entries(shown, order), dataset, attack, papers)


def clear_filters() -> None:
    """Take all filters back but data set and attack."""
    for key in ("board.presets", "board.architectures", "board.defences"):
        st.session_state[key] = []


def _begin(key: str, first: str, options: Sequence[str]) -> None:
    if st.session_state.get(key) not in options:
        st.session_state[key] = first if first in options else options[0]


def _list_known(known: "Sequence[str] | dict[str, str]", named: Sequence[str]) -> list[str]:
    """Return the names that occur, the known ones first and in their own order."""
    return [*(name for name in known if name in named), *dict.fromkeys(name for name in named if name not in known)]


def name_attack(name: str) -> str:
    """Return an attack's name as people write it."""
    return "All attacks" if name == ALL else ATTACKS[name].title


def name_architecture(name: str) -> str:
    """Return an architecture's name as people write it."""
    return ARCHITECTURES.get(name, name)


def name_defence(name: str) -> str:
    """Return a defence's name as people write it."""
    return "Certified core" if name == CORE else DEFENCES[name].title if name in DEFENCES else name


def name_preset(name: str) -> str:
    """Return a preset's name as people write it."""
    return name.capitalize() if name else "Other values"
