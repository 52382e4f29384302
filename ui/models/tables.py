"""The Models page's tables: cards and the stored claims about them."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.attacks.presets import CAREFUL, PAPER
from robust_core.claims.footnotes import Footnotes
from robust_core.models.cards import ARCHITECTURES, Card
from ui.models.figures import Figure
from ui.shared import catalogue
from ui.widgets.footnotes import MARKS, draw_footnotes
from ui.widgets.markdown import escape_markdown, format_code

if TYPE_CHECKING:
    from pandas import DataFrame

# TextFooler under each preset is another attack: a column each.
_PRESETS = {CAREFUL: "Careful", PAPER: "Paper"}


def make_overview(cards: Sequence[Card], figures: Mapping[str, Sequence[Figure]]) -> "tuple[DataFrame, Footnotes]":
    """Return a line for each model, and its footnotes: accuracies in percent, standard errors, and what it takes."""
    import pandas as pd

    rows, footnotes = [], Footnotes()
    for card in cards:
        known = figures.get(card.id, ())
        test = _find_figure(known, "accuracy", card.dataset)
        attacked = {title: _find_figure(known, "accuracy_under_attack", card.dataset, "textfooler", preset)
                    for preset, title in _PRESETS.items()}
        rows.append(
            {
                "Model": catalogue.shorten_name(card),
                "Data": catalogue.name_dataset(card.dataset),
                "Dev": None if card.is_imported else 100 * card.dev_accuracy,
                "Test": _convert_percent(test and test.value),
                "Test ±": _convert_percent(test and test.error),
                **{column: value for title, under in attacked.items() for column, value in (
                    (title, _convert_percent(under and under.value)),
                    (f"{title} ±", _convert_percent(under and under.error)),
                    (f"{title} †", footnotes.mark(under.warnings, share=True) if under else ""))},
                "Parameters": card.parameters,
                "Size": card.bytes / 1e6,
                "Trained": None if card.is_imported else card.seconds / 60,
                "Seed": None if card.is_imported else card.seed,
                "Known faults": len(card.known_faults) or None,
            }
        )
    bare = [f"{title} †" for title in _PRESETS.values() if not any(row[f"{title} †"] for row in rows)]
    return pd.DataFrame(rows).drop(columns=bare), footnotes


def _find_figure(known: Sequence[Figure], metric: str, dataset: str, attack: str = "", preset: str = ""
                 ) -> Figure | None:
    """Return a figure on the test split; None where it is not known."""
    return next((figure for figure in known if (figure.metric, figure.dataset, figure.split, figure.attack,
                                                figure.preset) == (metric, dataset, "test", attack, preset)), None)


def _convert_percent(share: float | None) -> float | None:
    return None if share is None or math.isnan(share) else 100 * share


def configure_columns() -> dict[str, Any]:
    """Return the columns' formats and explanations."""
    number = st.column_config.NumberColumn
    return {
        "Dev": number(format="%.1f %%", help="Share of the dev split that is classified correctly"),
        "Test": number(format="%.1f %%", help="Share of the test split that is classified correctly"),
        "Test ±": number(format="%.1f", help="Standard error, in percentage points"),
        "Careful": number(format="%.1f %%", help="Share of the test split still classified correctly after TextFooler "
                                                 "with the preset Careful, whose swaps keep the meaning; texts that "
                                                 "were wrong before count as wrong"),
        "Paper": number(format="%.1f %%", help="The same after TextFooler with its paper's values, under which half "
                                               "of the flips no longer mean the same"),
        **{f"{title} ±": number(format="%.1f", help="Standard error, in percentage points")
           for title in _PRESETS.values()},
        **{f"{title} †": MARKS for title in _PRESETS.values()},
        "Parameters": number(format="localized", help="Numbers in the whole network"),
        "Size": number(format="%.1f MB", help="Stored files"),
        "Trained": number(format="%.1f min", help="Wall time of the training"),
        "Known faults": number(help="What was found to be wrong with how it was trained: see its details below"),
    }


def draw_detail(card: Card, known: Sequence[Figure]) -> None:
    """Show how a model was made and every stored figure about it."""
    st.subheader(escape_markdown(catalogue.shorten_name(card)))
    classes = ", ".join(catalogue.find_labels(card.id))
    if card.is_imported:
        _draw_imported(card, known, classes)
        return
    with st.grid(columns=4, min_column_width=150):
        st.metric("Dev accuracy", f"{card.dev_accuracy:.1%}".replace("%", " %"))
        st.metric("Parameters", f"{card.parameters:,}")
        st.metric("Size", f"{card.bytes / 1e6:.1f} MB")
        st.metric("Training", f"{card.seconds / 60:.1f} min")
    about = (f" · {ARCHITECTURES.get(card.architecture, card.architecture)} · classes {classes} · weights of epoch "
             f"{card.epochs} · trained on {card.device} · seed {card.seed} · version {card.version}")
    st.markdown(f"Id {format_code(card.id)}{escape_markdown(about)}")
    for fault in card.known_faults:
        st.warning(escape_markdown(f"Known fault: {fault}"), icon=":material/error:")
    if known:
        _draw_figures(sorted(known, key=lambda f: (f.title, f.attack)))
    left, right = st.columns(2)
    with left:
        st.markdown("**How it was trained**")
        _draw_table(
            {"Defence": card.defence_name, **{k: v for k, v in card.defence.items() if k != "name"}, **card.recipe}
        )
    with right:
        st.markdown("**Data**")
        st.dataframe([{"Split": split, "Texts": what.get("n"), "SHA-256": str(what.get("sha256", ""))[:16],
                       "Left out": what.get("dropped_overlap")} for split, what in card.data.items()],
                     hide_index=True, placeholder="–", column_config={"Left out": st.column_config.NumberColumn(
                         help="Texts that a later split holds as well; a dash: not compared when it was trained")})
        _draw_files(card)


def _draw_imported(card: Card, known: Sequence[Figure], classes: str) -> None:
    """Show a model that somebody brought: of its training nothing is known."""
    st.markdown(f"Id {format_code(card.id)}" + escape_markdown(
        f" · your own, from {card.config.get('source', '')} · classes {classes} · {card.parameters:,} parameters · "
        f"{card.bytes / 1e6:.1f} MB · reads {card.config['network']['length']:,} pieces"))
    st.caption("Trained elsewhere: how, and on which texts, is not known here. Measure it on the Saliency page, or "
               "with `python -m robust_core evaluate`.")
    if known:
        _draw_figures(sorted(known, key=lambda f: (f.title, f.attack)))
    _draw_files(card)


def _draw_files(card: Card) -> None:
    st.markdown("**Files**")
    st.dataframe([{"File": name, "SHA-256": digest[:16]} for name, digest in card.files.items()], hide_index=True)


def _draw_figures(figures: Sequence[Figure]) -> None:
    footnotes = Footnotes()
    st.dataframe([{"Figure": f.title, "Attack": f.under or None,
                   "Value": f"{f.written} {footnotes.mark(f.warnings, share=True)}".rstrip(),
                   "Data": f"{catalogue.name_dataset(f.dataset)}, {f.split}" if f.split else None, "n": f.n,
                   "Command": f.command} for f in figures],
                 hide_index=True, placeholder="–", column_config={
                     "Value": st.column_config.TextColumn(help="± is the standard error; † leads to a line below"),
                     "n": st.column_config.NumberColumn(format="localized", help="Examples behind the figure")})
    draw_footnotes(footnotes)


def _draw_table(values: dict[str, Any]) -> None:
    st.dataframe([{"Setting": key.replace("_", " "), "Value": str(value)} for key, value in values.items()],
                 hide_index=True)
