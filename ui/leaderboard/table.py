"""The leaderboard's table, and the papers' own figures in a table of their own."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.claims.derivation import Figure
from robust_core.claims.footnotes import Footnotes
from robust_core.explainers import EXPLAINERS
from robust_core.leaderboard.entries import Entry
from robust_core.leaderboard.papers import PaperFigure
from ui.leaderboard.board import name_entry
from ui.leaderboard.filters import ALL, Chosen, name_attack, name_defence, name_preset
from ui.widgets.footnotes import MARKS, draw_footnotes
from ui.widgets.markdown import escape_markdown, note

if TYPE_CHECKING:
    from pandas import DataFrame

_MARKS, VALID = "†", "Valid share"


def draw_table(chosen: Chosen) -> None:
    """Draw a line an entry, and below it what its marks stand for."""
    footnotes = Footnotes()
    table = make_table(chosen.entries, footnotes)
    if chosen.attack != ALL:
        table = table.drop(columns="Attack")
    st.dataframe(table, column_config=_configure_columns(), hide_index=True, placeholder="–")
    draw_footnotes(footnotes)
    st.caption("± is one standard error, over texts and, with several seeds, over trainings. Clean is accuracy on the "
               "same texts and trainings before the attack. Lowest is over the attacks measured under the preset: "
               "which texts each flips is not stored, so the true worst case is at most that, and a model that met "
               "more attacks has a harder test. Certified holds for the swap set that TextFooler and PWWS take words "
               "from.")


def make_table(entries: Sequence[Entry], footnotes: Footnotes) -> "DataFrame":
    """Return a line an entry, numbers as numbers so that columns sort; columns without any figure are left out.

    Args:
        entries: In the order of the lines.
        footnotes: Gets their warnings.
    """
    import pandas as pd

    table = pd.DataFrame([_make_row(entry, footnotes) for entry in entries])
    # A column that only some lines have is kept, one that none has is left out; that nobody judged is said.
    return table.loc[:, [name == VALID or bool(table[name].notna().any() and (table[name] != "").any())
                         for name in table]]


def _make_row(entry: Entry, footnotes: Footnotes) -> dict[str, Any]:
    lowest, proof, judged = entry.lowest, entry.certificate, entry.valid
    row: dict[str, Any] = {
        "Model": name_entry(entry), "Attack": name_attack(entry.attack), "Preset": name_preset(entry.preset),
        "Under attack": _convert(entry.attacked.value), "Under attack ±": _convert(entry.attacked.error),
        "Clean": _convert(entry.clean.value), "Clean ±": _convert(entry.clean.error),
        _MARKS: footnotes.mark(entry.warnings, share=True),
        "Lowest": _convert(lowest.share.value) if lowest else None,
        "Lowest ±": _convert(lowest.share.error) if lowest else None,
        "Lowest: by": f"{name_attack(lowest.attack)}, of {lowest.attacks}" if lowest else None,
        "Certified": _convert(proof.share.value) if proof else None,
        "Certified ±": _convert(proof.share.error) if proof else None,
        VALID: _convert(judged.share.value) if judged else None,
        "Valid ±": _convert(judged.share.error) if judged else None, "Judged": judged.share.n if judged else None}
    for explain in ("ig", "lime"):
        one = next((one for one in entry.stability if one.explain == explain), None)
        title = _name_explainer(explain)
        row |= {f"τ {title}": one.tau.value if one else None, f"Top-5 {title}": _of(one.top_5) if one else None}
    return row | {"Defence": name_defence(entry.defence),
                  "Query limit": entry.max_queries or None, "n": entry.attacked.n,
                  "Seeds": ", ".join(map(str, entry.seeds)), "Command": entry.sources[0].command}


def _of(figure: Figure) -> float | None:
    return _convert(figure.value)


def _convert(share: float) -> float | None:
    return None if math.isnan(share) else 100 * share


def _name_explainer(name: str) -> str:
    return "LIME" if name == "lime" else "IG" if name == "ig" else EXPLAINERS[name].title


def _configure_columns() -> Mapping[str, Any]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    error = number(format="%.1f", help="Standard error, in percentage points")
    tau = ("Kendall's τ of the words' importances, original to adversarial text, over all texts: 1 is the same order; "
           "measured on fewer texts where it costs much")
    top = "Share of the five most important words that are still among the five, over all texts"
    return {
        "Model": text(pinned=True), _MARKS: MARKS,
        "Under attack": number(format="%.1f %%", help="Share of the texts still classified correctly after the attack; "
                                                      "those that were wrong before count as wrong"),
        "Clean": number(format="%.1f %%", help="Share of the same texts classified correctly before the attack"),
        "Lowest": number(format="%.1f %%", help="Lowest accuracy under attack over the attacks measured under this "
                                                "preset, as far as they go"),
        "Lowest: by": text(help="The attack that leaves least, and how many were measured"),
        "Certified": number(format="%.1f %%", help="Right, and provably not flipped by any number of swaps of the set "
                                                   "that this attack takes its words from"),
        VALID: number(format="%.1f %%", help="Of the flips that somebody judged, those whose label is still the "
                                             "original's in the eyes of most judges; – where nobody judged any. The "
                                             "Judge page adds to it"),
        "Judged": number(format="localized", help="Flips that were judged"),
        **dict.fromkeys(("Under attack ±", "Clean ±", "Lowest ±", "Certified ±", "Valid ±"), error),
        "τ IG": number(format="%.2f", help=f"Integrated gradients. {tau}"), "τ LIME": number(format="%.2f", help=tau),
        "Top-5 IG": number(format="%.0f %%", help=top), "Top-5 LIME": number(format="%.0f %%", help=top),
        "Query limit": number(format="localized", help="Most queries a text; texts that need more count as held"),
        "n": number(format="localized", help="Texts of the test split"),
        "Seeds": text(help="Seeds of the trainings behind the figures"),
    }


def draw_papers(figures: Sequence[PaperFigure], chosen: Chosen) -> None:
    """Draw what papers state on the chosen data set and attack."""
    st.subheader("The papers' own figures", anchor=False)
    mine = [figure for figure in figures if figure.dataset == chosen.dataset
            and (chosen.attack == ALL or figure.attack in (chosen.attack, ""))]
    if not mine:
        note(f"No paper here gives figures for {name_attack(chosen.attack)} on this data set.")
        return
    st.dataframe([_make_paper_row(figure) for figure in mine], hide_index=True, placeholder="–", column_config={
        "Clean": st.column_config.NumberColumn(format="%.2f %%"),
        "Under attack": st.column_config.NumberColumn(format="%.2f %%"),
        "τ IG": st.column_config.NumberColumn(format="%.2f"),
        "Top-5 IG": st.column_config.NumberColumn(format="%.0f %%"),
        "Paper": st.column_config.LinkColumn(display_text="open")})
    st.caption(escape_markdown(
        "As printed, without errors, since the papers give none. Not ours and not to be ranked with ours: they rest on "
        "other word vectors, encoders and training sets, and on BERT or ALBERT where MiniLM stands here. FLAT's "
        "figures of CLARE and BAE come, most likely, from attacks with fragments of words: docs/results.md says why."))


def _make_paper_row(figure: PaperFigure) -> dict[str, Any]:
    stability = figure.stability.get("ig")
    return {"From": f"{figure.paper}, {figure.table}", "Model": figure.model, "Defence": figure.defence,
            "Attack": name_attack(figure.attack) if figure.attack else None, "Clean": _convert(figure.clean),
            "Under attack": _convert(figure.attacked), "τ IG": stability[0] if stability else None,
            "Top-5 IG": 100 * stability[1] if stability else None, "Paper": figure.source}
