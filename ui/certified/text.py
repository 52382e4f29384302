"""The certificate of a text, and how far an attack moved its vector."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from robust_core.certify.certified_accuracy import certify_texts
from ui.session import attack
from ui.shared import catalogue
from ui.widgets import charts
from ui.widgets.markdown import escape_markdown, escape_plotly

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
    from streamlit.elements.lib.column_types import ColumnConfig

    from robust_core.certify.base_classifiers import SmoothedCard, SmoothedModel

TITLES = {"sst2": "SST-2", "ag_news": "AG News", "digits": "Digits", "cifar10": "CIFAR-10"}
# Up to 4: with wider cells a text's few coordinates say nothing any more.
LAMBDAS = (0.25, 0.5, 1.0, 2.0, 4.0)
_COLOURS = (charts.AGAINST, charts.FOR, "#2b8a8a", "#b0447a", "#5b7f2e", "#8a6a3a", "#3f6fb5", "#a05a2c", "#6b6b7a",
            "#c28a1d")


def read_cards(kind: str) -> list["SmoothedCard"]:
    """Return the stored base classifiers for texts or images, seed 0 only."""
    from robust_core.certify import base_classifiers

    return [card for card in base_classifiers.cards() if card.kind == kind and not card.seed]


def load_model(card: "SmoothedCard") -> "SmoothedModel":
    """Return loaded base classifiers; a file that changed is read again."""
    return _load_model(card.id, json.dumps(dict(card.files), sort_keys=True))


@st.cache_resource(show_spinner=False, max_entries=8)
def _load_model(name: str, stamp: str) -> "SmoothedModel":
    from robust_core.certify import base_classifiers

    return base_classifiers.load(name)


@st.cache_data(show_spinner="Certifying …", max_entries=500)
def _certify(name: str, stamp: str, text: str, method: str) -> list[dict[str, Any]]:
    loaded = _load_model(name, stamp)
    return certify_texts(loaded, [text], method, [s for s in LAMBDAS if s in loaded.scales(method)])


def certify_scales(card: "SmoothedCard", text: str, method: str) -> list[dict[str, Any]]:
    """Return the rows of `certified.certify_texts` of a text at each Lambda."""
    return _certify(card.id, json.dumps(dict(card.files), sort_keys=True), text, method)


def draw_text(card: "SmoothedCard", text: str, method: str, scale: float) -> None:
    """Show a text's certificate at the chosen Lambda, and the votes at each."""
    rows = certify_scales(card, text, method)
    row = next(row for row in rows if row["scale"] == scale)
    if row["prediction"] is None:
        why = " ".join(row["warnings"]) or f"At Λ = {scale:g} the votes are too even."
        st.markdown(f"**No certificate.** {escape_markdown(why)}")
    else:
        sure = "" if row["alpha"] is None else f", with probability {100 * (1 - row['alpha']):.1f} %"
        st.markdown(f"**{escape_markdown(_name_model(row['prediction']))} is certain within {row['radius']:.3f}** at "
                    f"Λ = {scale:g}{sure}: no quantised vector at that L1 distance or nearer gets another answer.")
    known = {entry["scale"]: entry["dev_accuracy"] for entry in card.networks if entry["method"] == method}
    st.plotly_chart(make_vote_bars(rows), config=charts.CONFIG, key="certified.votes")
    table = [{"Λ": row["scale"], "Answer": _name_model(row["prediction"]), "Radius": row["radius"],
              "Steps": row["radius_steps"], "In the embedding": row["radius_embedding"],
              "Votes counted": row["evaluations"], "Base, dev": 100 * known[row["scale"]],
              "ms": 1000 * row["seconds"]} for row in rows]
    st.dataframe(table, hide_index=True, column_config=_configure_columns(card.levels))
    st.caption("Wider cells allow larger radii and leave less of the text: where the base classifier is hardly better "
               "than chance, a large radius says only that it gives the same answer to everything.")


def _configure_columns(levels: int) -> "dict[str, ColumnConfig]":
    number = _format_number
    return {
        "Λ": number("%g", "Lambda: half the width of a cell, where every coordinate reaches from 0 to 1"),
        "Radius": number("%.3f", "L1 distance up to which the answer cannot change, coordinates from 0 to 1"),
        "Steps": number("%d", f"The same in quantisation steps, {levels} from one end to the other"),
        "In the embedding": number("%.4f", "The same in units of the sentence embedding, whose length is 1"),
        "Votes counted": number("localized", "Blurred copies of the vector that the base classifier judged"),
        "Base, dev": number("%.1f %%", "Share of dev texts that the base classifier gets right from one blurred copy"),
        "ms": number("%.1f", "Milliseconds on this machine"),
    }


def _format_number(format_: str, help_: str) -> "ColumnConfig":
    return st.column_config.NumberColumn(format=format_, help=help_)


def _name_model(label: str | None) -> str:
    return "abstains" if label is None else label.capitalize() if label.islower() else label


def make_vote_bars(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw the share of votes of each class at each Lambda, the classes named in the bars where there is room."""
    labels = list(rows[0]["votes"])
    names, shown = [f"Λ {row['scale']:g}" for row in rows], {x: escape_plotly(_name_model(x)) for x in labels}
    traces = []
    for i, label in enumerate(labels):
        shares = [100 * row["votes"][label] / max(1, row["evaluations"]) for row in rows]
        traces.append({
            "type": "bar", "orientation": "h", "name": shown[label], "y": names, "x": shares,
            "marker": {"color": _COLOURS[i % len(_COLOURS)]},
            "text": [shown[label] if share >= max(5, 2.3 * len(label)) else "" for share in shares],
            "textposition": "inside", "insidetextanchor": "middle", "textangle": 0,
            "insidetextfont": {"color": "#ffffff"}, "customdata": [row["votes"][label] for row in rows],
            "hovertemplate": f"%{{y}}<br>{shown[label]}: %{{customdata:,}} votes, %{{x:.1f}} %<extra></extra>"})
    # Many classes take a legend of several lines, which Plotly lays over a low chart.
    few = len(labels) <= 4
    return charts.make_curve_figure(traces, {
        "barmode": "stack", "height": 70 + 34 * len(rows), "margin": {"l": 4, "r": 22, "t": 6, "b": 4},
        "showlegend": few,
        "xaxis": {"title": {"text": "votes (%)", "standoff": 8}, "range": [0, 100], "automargin": True, "dtick": 20},
        "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}})


def draw_attack(card: "SmoothedCard", method: str, scale: float) -> None:
    """Show how far the texts of this session's last attack moved the vector, beside the radius at a Lambda."""
    outcome = attack.find_outcome()
    found = [] if outcome is None else [r for r in outcome.results.values() if r.perturbed != r.example.text]
    if not found:
        st.caption("No adversarial text yet: attack the review on the Attack page, and come back.")
        return
    loaded, lines = load_model(card), []
    for result in found:
        before, after = (loaded.vectors([text])[0] for text in (result.example.text, result.perturbed))
        moved = int(np.abs(before - after).sum())
        row, other = (next(r for r in certify_scales(card, text, method) if r["scale"] == scale)
                      for text in (result.example.text, result.perturbed))
        lines.append(
            {
                "Text": result.perturbed,
                "From": f"{catalogue.name_model(result.victim)}, {result.attack['name']}",
                "Moved": moved / loaded.levels,
                "Radius": row["radius"],
                "Inside": "inside" if moved <= row["radius_steps"] else "outside",
                "Answer before": _name_model(row["prediction"]),
                "Answer after": _name_model(other["prediction"]),
            }
        )
    st.dataframe(
        lines,
        hide_index=True,
        column_config={
            "Moved": _format_number(
                "%.3f", "L1 distance between the quantised vectors of the original and the adversarial text"
            ),
            "Radius": _format_number("%.3f", "Certified radius of the original at the chosen Λ"),
            "Inside": st.column_config.TextColumn(
                help="Inside the radius the smoothed classifier cannot change its answer; outside it may, or may not"
            ),
            "Answer before": st.column_config.TextColumn(help="Of the smoothed classifier on the original"),
            "Answer after": st.column_config.TextColumn(help="Of the smoothed classifier on the adversarial text"),
        },
    )
