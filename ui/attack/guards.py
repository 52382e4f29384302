"""Would a guard in front of the model have caught the text that an attack found?"""

import html
from collections.abc import Mapping, Sequence

import streamlit as st

from robust_core.evaluation.guards import BYPASSED, FLAGGED, PUT_RIGHT, name_fate
from robust_core.guards import GUARDS
from robust_core.text import diff
from ui.attack import overview, transfer_fluency
from ui.session.outcome import Outcome, Pair, name_pairs
from ui.shared import catalogue
from ui.shared.guarded import Reading, ask_reading
from ui.widgets import phrases, refresh
from ui.widgets.markdown import note

_OPEN = "guards.open"
# What a cell says of a text that flips the model alone, and the class of its look.
_CELLS = {PUT_RIGHT: ("✓ put right", "failed"), FLAGGED: ("✓ flagged", "failed"),
          BYPASSED: ("✗ not caught", "succeeded")}
# What a guard makes of a text and of its original, or why that is not known.
Answer = tuple[Reading | None, Reading | None, str]


def show_guards(now: Outcome | None) -> None:
    """Offer to read the texts that flipped a model through each guard, once an attack has ended."""
    if now is None or now.running or not (flipped := _list_flipped(now)):
        return

    @st.fragment
    def draw() -> None:
        with st.expander("Would a guard have caught it?", key=_OPEN, on_change="rerun",
                         icon=":material/security:") as box:
            if box.open:
                with refresh.show_failure("the guards"):
                    _draw_guards(now, flipped)

    draw()


def _list_flipped(now: Outcome) -> list[Pair]:
    return [pair for pair in now.donors() if transfer_fluency.is_flipped(now, pair)]


def _draw_guards(now: Outcome, flipped: Sequence[Pair]) -> None:
    named = name_pairs(now)

    def ask_all() -> dict[tuple[Pair, str], Answer]:
        return {(pair, guard): _ask(now, pair, guard) for pair in flipped for guard in GUARDS}

    def draw() -> bool:
        asked = ask_all()
        st.html(make_guard_table(now, flipped, asked, named))
        for line in dict.fromkeys(error for _, _, error in asked.values() if error):
            note(line)
        return not all(map(_is_known, asked.values()))

    refresh.make_fragment(draw, not all(map(_is_known, ask_all().values())), f"guards.{now.id}", every=0.5)
    st.caption("The attack did not know of the guards; one that does may find another text. `python -m robust_core "
               "guard` measures both over a data set, and how many clean texts a guard flags.")


def _ask(now: Outcome, pair: Pair, guard: str) -> Answer:
    (after, error), (before, also) = (ask_reading(pair.model, now.asked.device, guard, text)
                                      for text in (now.results[pair].perturbed, now.text))
    return after, before, error or also


def _is_known(found: Answer) -> bool:
    """Say whether all is known of a text and a guard that will be."""
    after, before, error = found
    return bool(error) or (after is not None and before is not None)


def make_guard_table(now: Outcome, flipped: Sequence[Pair], asked: Mapping[tuple[Pair, str], Answer],
                     named: Mapping[Pair, str]) -> str:
    """Return a line a text that flips a model alone, and a column a guard, as HTML."""
    head = "".join(f'<th scope="col">{html.escape(GUARDS[guard].title)}</th>' for guard in GUARDS)
    body = "".join(
        f'<tr><th scope="row">{html.escape(named[pair])}</th>'
        + "".join(f"<td>{_make_cell(now, pair, asked[pair, guard])}</td>" for guard in GUARDS) + "</tr>"
        for pair in flipped)
    about = ("A guard reads a text before the model does: it cleans the text, or flags it as adversarial. This is what "
             "each guard makes of the texts that flip a model without it.")
    return overview.make_table("Guards", about, f'<th scope="col">Text that flips</th>{head}', body)


def _make_cell(now: Outcome, pair: Pair, found: Answer) -> str:
    after, before, error = found
    if error:
        return '<div class="rx-cell"><b>–</b><span>cannot tell</span></div>'
    if after is None or before is None:
        return '<div class="rx-cell running"><b>looking …</b></div>'
    result = now.results[pair]
    word, look = _CELLS[name_fate(after.label, result.reference_label)]
    lines = [] if after.label < 0 else [phrases.name_class(catalogue.find_labels(pair.model), after.label)]
    lines += _describe_cleaning(result.perturbed, after.text)
    if before.label < 0:
        lines.append("flags the original too")
    return (f'<div class="rx-cell {look}"><b>{word}</b>'
            + "".join(f"<span>{html.escape(line)}</span>" for line in lines) + "</div>")


def _describe_cleaning(text: str, cleaned: str) -> list[str]:
    """Say which words a guard has changed; two of them are enough to see what it does."""
    if text == cleaned:
        return []
    # The words as they were may hold signs that turn a line around.
    words = [f"“{swap.new}”" for swap in diff(text, cleaned) if swap.new]
    return [f"reads {', '.join(words[:2])}{' …' if len(words) > 2 else ''}" if words else "cleans the text"]
