"""The table of entries."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.history.entries import Entry, name_dataset
from ui.shared import catalogue

if TYPE_CHECKING:
    from pandas import DataFrame


def make_table(entries: Sequence[Entry]) -> "DataFrame":
    """Return a line an entry; columns without anything are left out."""
    import pandas as pd

    table = pd.DataFrame([_make_row(entry) for entry in entries])
    return table.loc[:, [bool(table[name].notna().any() and (table[name] != "").any()) for name in table]]


def _make_row(entry: Entry) -> dict[str, Any]:
    return {"When (UTC)": entry.when, "What": entry.kind.capitalize(), "Models": name_models(entry),
            "Attack": name_attacks(entry), "Data": name_data(entry), "Figure": entry.figure,
            "Value": None if math.isnan(entry.value) else 100 * entry.value,
            "±": None if math.isnan(entry.error) else 100 * entry.error, "Texts": entry.n or None, "Text": entry.text,
            "Id": entry.id}


def name_models(entry: Entry) -> str:
    """Return the models of an entry as people write them."""
    return ", ".join(map(catalogue.name_option, entry.models))


def name_attacks(entry: Entry) -> str:
    """Return the attacks of an entry with their presets."""
    presets = [*entry.presets, *[""] * len(entry.attacks)]
    return ", ".join((ATTACKS[name].title if name in ATTACKS else name) + (f" ({preset})" if preset else "")
                     for name, preset in zip(entry.attacks, presets, strict=False))


def name_data(entry: Entry) -> str:
    """Return data set and split of an entry."""
    return f"{name_dataset(entry.dataset)} {entry.split}".strip() if entry.dataset else ""


def configure_columns() -> Mapping[str, Any]:
    """Return the columns' formats and explanations."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "When (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC", help=(
            "When it began; of trainings and judgements when they were last written")),
        "Value": number(format="%.1f %%"), "±": number(format="%.1f", help="Standard error, in percentage points"),
        "Texts": number(format="localized", help="Texts behind the figure; of a training those it learnt from"),
        "Text": text(help="The typed text, the defence of a training, or the judge's name"),
        "Id": text(help="Id of the run, of the link or of the model"),
    }
