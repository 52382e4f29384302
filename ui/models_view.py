"""The Models page's tables: cards and the stored claims about them."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.models.checkpoint import ARCHITECTURES, Card
from ui import state

if TYPE_CHECKING:
    from pandas import DataFrame

RESULTS = Path(__file__).parents[1] / "results"
_METRICS = {"accuracy": "Accuracy", "accuracy_under_attack": "Accuracy under attack",
            "attack_success_rate": "Attack success rate", "completeness": "Texts on which IG adds up"}


def claims(folder: Path = RESULTS) -> dict[str, list[dict[str, Any]]]:
    """Return the stored claims about each model; a file that cannot be read is left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("**/*.json")):
        try:
            claim = json.loads(path.read_text(encoding="utf-8"))
            found.setdefault(claim["details"]["model"], []).append(claim | {"value": float(claim["value"])})
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _claim(known: Sequence[dict[str, Any]], metric: str, dataset: str, split: str) -> tuple[float, float]:
    for claim in known:
        details = claim["details"]
        if (claim["metric"], details.get("dataset"), details.get("split")) == (metric, dataset, split):
            return claim["value"], _error(claim)
    return math.nan, math.nan


def overview(cards: Sequence[Card], claims: dict[str, list[dict[str, Any]]]) -> "DataFrame":
    """Return a line for each model: accuracies in percent with their standard errors, and what it takes."""
    import pandas as pd

    rows = []
    for card in cards:
        known = claims.get(card.id, [])
        test, test_se = _claim(known, "accuracy", card.dataset, "test")
        under, under_se = _claim(known, "accuracy_under_attack", card.dataset, "test")
        rows.append({
            "Model": state.short(card), "Data": state.dataset_title(card.dataset), "Dev": 100 * card.dev_accuracy,
            "Test": _blank(100 * test), "Test ±": _blank(100 * test_se), "Under attack": _blank(100 * under),
            "Under attack ±": _blank(100 * under_se),
            "Parameters": card.parameters, "Size": card.bytes / 1e6, "Trained": card.seconds / 60, "Seed": card.seed,
        })
    return pd.DataFrame(rows)


def _error(claim: dict[str, Any]) -> float:
    return math.nan if claim.get("value_se") is None else float(claim["value_se"])


def _blank(value: float) -> float | None:
    return None if math.isnan(value) else value


def columns() -> dict[str, Any]:
    """Return the columns' formats and explanations."""
    number = st.column_config.NumberColumn
    return {
        "Dev": number(format="%.1f %%", help="Share of the dev split that is classified correctly"),
        "Test": number(format="%.1f %%", help="Share of the test split that is classified correctly"),
        "Test ±": number(format="%.1f", help="Standard error, in percentage points"),
        "Under attack": number(format="%.1f %%", help="Share of the test split still classified correctly after the "
                               "attack; texts that were wrong before count as wrong"),
        "Under attack ±": number(format="%.1f", help="Standard error, in percentage points"),
        "Parameters": number(format="localized", help="Numbers in the whole network"),
        "Size": number(format="%.1f MB", help="Stored files"),
        "Trained": number(format="%.1f min", help="Wall time of the training"),
    }


def detail(card: Card, known: Sequence[dict[str, Any]]) -> None:
    """Show how a model was made and every stored figure about it."""
    st.subheader(state.short(card))
    classes = ", ".join(state.labels(card.id))
    with st.grid(columns=4, min_column_width=150):
        st.metric("Dev accuracy", f"{card.dev_accuracy:.1%}".replace("%", " %"))
        st.metric("Parameters", f"{card.parameters:,}")
        st.metric("Size", f"{card.bytes / 1e6:.1f} MB")
        st.metric("Training", f"{card.seconds / 60:.1f} min")
    st.markdown(f"Id `{card.id}` · {ARCHITECTURES.get(card.architecture, card.architecture)} · classes {classes} · "
                f"weights of epoch {card.epochs} · trained on {card.device} · seed {card.seed} · "
                f"version {card.version}")
    figures = [{"Figure": _METRICS.get(c["metric"], c["metric"]), "Claim": c.get("claim"),
                "Value": 100 * c["value"], "±": _blank(100 * _error(c)), "n": c.get("n"),
                "Command": c.get("command")}
               for c in known]
    if figures:
        st.dataframe(figures, hide_index=True, column_config={
            "Value": st.column_config.NumberColumn(format="%.1f %%"),
            "±": st.column_config.NumberColumn(format="%.1f", help="Standard error, in percentage points")})
    left, right = st.columns(2)
    with left:
        st.markdown("**How it was trained**")
        _table({"Defence": card.defence_name, **{k: v for k, v in card.defence.items() if k != "name"}, **card.recipe})
    with right:
        st.markdown("**Data**")
        st.dataframe([{"Split": split, "Texts": what.get("n"), "SHA-256": str(what.get("sha256", ""))[:16]}
                      for split, what in card.data.items()], hide_index=True)
        st.markdown("**Files**")
        st.dataframe([{"File": name, "SHA-256": digest[:16]} for name, digest in card.files.items()], hide_index=True)


def _table(values: dict[str, Any]) -> None:
    st.dataframe([{"Setting": key.replace("_", " "), "Value": str(value)} for key, value in values.items()],
                 hide_index=True)
