"""What the chosen figures say first: who keeps most, and who cannot be told apart from that model."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import streamlit as st

from robust_core.attacks.presets import NAMES
from robust_core.leaderboard.entries import Entry
from robust_core.leaderboard.ranking import TOLD_APART, list_tied, sort_entries
from ui.leaderboard.board import name_entry
from ui.leaderboard.filters import ALL, Chosen, name_attack, name_preset
from ui.widgets.markdown import escape_markdown

_TIES = (f"Their difference is smaller than {TOLD_APART:g} of its standard errors. The errors are treated as "
         "independent: a comparison text by text would tell more models apart.")


def draw_summary(chosen: Chosen) -> None:
    """Write a line for each preset: the model that keeps most."""
    if chosen.attack == ALL:
        st.markdown(f"{len(chosen.entries):,} figures of several attacks. Choose one attack to rank the models.")
        return
    for line in write_lines(chosen.entries, chosen.attack):
        st.markdown(f"{escape_markdown(line.preset)}: **{escape_markdown(line.model)}** "
                    f"{escape_markdown(line.figures)}", help=escape_markdown(_TIES))


class Line(NamedTuple):
    """A sentence about the model that keeps most under a preset, in three parts."""

    preset: str
    model: str
    figures: str


def write_lines(entries: Sequence[Entry], attack: str) -> Iterator[Line]:
    """Yield a sentence for each preset that has entries.

    Args:
        entries: Of one data set and one attack.
        attack: Name of the attack.
    """
    for preset in (*NAMES, ""):
        mine = sort_entries([entry for entry in entries if entry.preset == preset])
        if mine:
            yield Line(name_preset(preset), name_entry(mine[0]), _describe_best(mine, attack))


def _describe_best(mine: Sequence[Entry], attack: str) -> str:
    best = mine[0]
    tied = len(list_tied(best, mine))
    others = "is the only one measured" if len(mine) == 1 else (
        "no other lies within the errors" if not tied else
        f"{tied} of the {len(mine) - 1} others cannot be told apart from it")
    return (f"keeps most, {100 * best.attacked.value:.1f} ± {100 * best.attacked.error:.1f} % right under "
            f"{name_attack(attack)} (clean {100 * best.clean.value:.1f} %); {others}.")
