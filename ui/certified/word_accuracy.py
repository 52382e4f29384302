"""Certified accuracy in words against the number of swaps, beside accuracy under attack, from stored claims."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.claims.files import Claim
from robust_core.claims.footnotes import Footnotes, read_warnings
from robust_core.errors import list_names
from robust_core.paths import RESULTS
from ui.certified.accuracy import read_stored_claims
from ui.shared import catalogue, colours, word_proof
from ui.widgets import charts
from ui.widgets.footnotes import draw_footnotes
from ui.widgets.markdown import escape_markdown, escape_plotly, format_code

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ANY = "any"
# The preset under which attacks choose from a set; none chooses from `close`.
PRESETS = {"careful": "careful", "wide": "paper"}
_ATTACKS = ("textfooler", "pwws")


class Measured(NamedTuple):
    """A share of texts and its standard error, both from 0 to 1."""

    value: float
    error: float

    @property
    def written(self) -> str:
        """In percent."""
        error = "" if math.isnan(self.error) else f" ± {100 * self.error:.1f}"
        return f"{100 * self.value:.1f}{error}"


class Source(NamedTuple):
    """Examples, seeds and command behind a figure; model and attack stand open in the command."""

    n: int
    seeds: tuple[int, ...]
    command: str


class ModelLine(NamedTuple):
    """What is known of one model under one swap set.

    Attributes:
        model: Its id.
        shares: Certified accuracy by the number of swaps: "0" is accuracy, "any" any number.
        attacked: Accuracy under each attack whose swaps lie in the set.
        warnings: What speaks against the figures of each attack.
        sources: Where the figures come from.
    """

    model: str
    shares: Mapping[str, Measured]
    attacked: Mapping[str, Measured]
    warnings: Mapping[str, Sequence[str]]
    sources: Sequence[Source]


def read_lines(dataset: str, swap_set: str) -> list[ModelLine]:
    """Return a line for each model that was certified on the test split of a data set; damaged files are left out."""
    found = []
    attacks = {(str(claim["details"]["model"]), str(claim["details"].get("attack"))): claim
               for claim in read_stored_claims(RESULTS, "presets-*.json")
               if claim["details"].get("preset") == PRESETS.get(swap_set, swap_set)} if swap_set in PRESETS else {}
    for claim in read_stored_claims(RESULTS, "own-certified-words-*.json"):
        try:
            if claim["details"]["dataset"] == dataset:
                found.append(_make_line(claim, swap_set, attacks))
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
            continue
    return sorted(found, key=lambda line: line.model)


def _make_line(claim: Claim, swap_set: str, attacks: Mapping[tuple[str, str], Claim]) -> ModelLine:
    details = claim["details"]
    row = next(row for row in (*details["rows"], *details["more"]) if row["swap_set"] == swap_set)
    by, errors = row["certified_by_swaps"], row["certified_by_swaps_se"]
    shares = {"0": _read(row["accuracy"], row["accuracy_se"])}
    shares |= {k: _read(by[k], errors[k]) for k in sorted(by, key=int)}
    shares[ANY] = _read(row["certified_accuracy"], row["certified_accuracy_se"])
    model = str(details["model"])
    mine = {attack: attacks[model, attack] for attack in _ATTACKS if (model, attack) in attacks}
    return ModelLine(model, shares, {a: _read(c["value"], c["value_se"]) for a, c in mine.items()},
                     {a: read_warnings(c["details"]) for a, c in mine.items()},
                     [_make_source(c) for c in (claim, *mine.values())])


def _make_source(claim: Claim) -> Source:
    known = {claim["details"].get("model"): "MODEL", claim["details"].get("attack"): "ATTACK"}
    return Source(int(claim["n"]), tuple(map(int, claim["seeds"])),
                  " ".join(known.get(word, word) for word in claim["command"].split(" ")))


def _read(value: float | None, error: float | None) -> Measured:
    return Measured(*(math.nan if number is None else float(number) for number in (value, error)))


def draw_accuracy(dataset: str, swap_set: str) -> None:
    """Show certified accuracy against the number of swaps, and what attacks with swaps of the set leave."""
    lines = read_lines(dataset, swap_set)
    if not lines:
        st.caption("Nothing measured yet: `python -m robust_core reproduce own/certified-words --out results`")
        return
    st.plotly_chart(make_curves(lines), config=charts.CONFIG, key="certified.word_curves")
    st.caption(f"Share of the test sentences of {escape_markdown(catalogue.name_dataset(dataset))} that a model gets "
               f"right and that provably no {escape_markdown(word_proof.TITLES[swap_set])} flip, at most so many at "
               "once; 0 is accuracy without a change.")
    footnotes = Footnotes()
    st.dataframe([_write_row(line, footnotes) for line in lines], hide_index=True, placeholder="–",
                 column_config=_configure_columns())
    draw_footnotes(footnotes)
    if swap_set in PRESETS:
        st.caption(f"The attacks choose from this set, preset {escape_markdown(PRESETS[swap_set].capitalize())}. They "
                   "find some flips and the certificate rules out all: what it proves is at most what they leave.")
    else:
        st.caption("No stored attack chooses from this set; see Careful and Wide.")
    _draw_source(lines)


def _write_row(line: ModelLine, footnotes: Footnotes) -> dict[str, str]:
    attacked = {_name_column(attack): f"{figure.written} {footnotes.mark(line.warnings[attack])}".rstrip()
                for attack, figure in line.attacked.items()}
    return {"Model": catalogue.name_option(line.model), "Clean %": line.shares["0"].written, **attacked,
            "Certified %": line.shares[ANY].written}


def _name_column(attack: str) -> str:
    return f"{ATTACKS[attack].title} %"


def _configure_columns() -> dict[str, Any]:
    column = st.column_config.TextColumn
    return {"Clean %": column(help="Accuracy without a change, ± standard error"),
            "Certified %": column(help="Right, and provably not flipped by any number of swaps"),
            **{_name_column(attack): column(help="Accuracy under the attack; † leads to a line below")
               for attack in _ATTACKS}}


def _draw_source(lines: Sequence[ModelLine]) -> None:
    sources = [source for line in lines for source in line.sources]
    sizes = escape_markdown(list_names([f"{n:,}" for n in dict.fromkeys(source.n for source in sources)]))
    seeds = escape_markdown(list_names(map(str, dict.fromkeys(seed for source in sources for seed in source.seeds))))
    # Commands that differ in the model and the attack alone are one.
    commands = "; ".join(map(format_code, dict.fromkeys(source.command for source in sources)))
    st.caption(f"n = {sizes}, seeds {seeds}; bars and ± are one standard error. {commands}")


def make_curves(lines: Sequence[ModelLine]) -> "Figure":
    """Draw certified accuracy against the number of swaps, a curve a model."""
    traces = []
    for i, line in enumerate(lines):
        look = charts.choose_look(i, colours.color_model(line.model))
        name = escape_plotly(catalogue.name_option(line.model))
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": name, "x": list(line.shares), **look,
            "y": [100 * share.value for share in line.shares.values()], "cliponaxis": False,
            "error_y": {"type": "data", "array": [100 * share.error for share in line.shares.values()], "thickness": 1},
            "hovertemplate": f"{name}<br>%{{x}} swaps: %{{y:.1f}} %<extra></extra>"})
    return charts.make_curve_figure(traces, {
        "height": 340, "margin": {"l": 4, "r": 8, "t": 6, "b": 4}, "hovermode": "closest",
        "xaxis": {"title": {"text": "number of swaps", "standoff": 4}, "automargin": True, "type": "category"},
        "yaxis": {"title": {"text": "certified accuracy (%)", "standoff": 12}, "range": [0, 100], "automargin": True},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}})
