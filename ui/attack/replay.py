"""A finished attack, step by step: the text, the probability of its class, and what was tried."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from robust_core import highlight
from robust_core.text import Draft, diff
from robust_core.types import AttackResult, Step
from ui.attack import cards
from ui.session.outcome import Outcome, Pair, name_pairs
from ui.shared import catalogue, colours
from ui.widgets import charts, phrases, refresh
from ui.widgets.markdown import note

_OPEN, _CARD = "replay.open", "replay.card"


class Frame(NamedTuple):
    """What a search had come to after a step.

    Attributes:
        text: The text as it stands.
        queries: Texts submitted so far.
        proba: Probability of the reference label.
        trying: Word that was at stake and stays, else empty.
        line: What was tried and what came of it.
    """

    text: str
    queries: int
    proba: float
    trying: str
    line: str


def make_frames(result: AttackResult, names: Sequence[str]) -> list[Frame]:
    """Return a result's frames: the original text, then one for each step."""
    label, text = result.reference_label, result.example.text
    queries = result.curve[0][0] if result.curve else 0
    found = [Frame(text, queries, result.before[label], "",
                   f"The original text: {phrases.describe_prediction(result.before, names)}.")]
    for step in result.steps:
        line = _describe_step(step, found[-1], phrases.name_class(names, label))
        text = step.text or text
        found.append(Frame(text, step.queries, step.proba, "" if step.text else step.trying, line))
    if text != result.perturbed:
        found.append(Frame(result.perturbed, result.queries, result.after[label], "", "The best text of the search."))
    return found


def _describe_step(step: Step, last: Frame, label: str) -> str:
    is_word = step.trying.lower() in map(str.lower, Draft.of(last.text).words)
    count = f"{step.candidates:,} {'word' if is_word else 'text'}{'' if step.candidates == 1 else 's'}"
    if is_word:
        what = f"Tried {count} for “{step.trying}”"
    else:
        what = f"{step.trying[:1].upper()}{step.trying[1:]}, {count}" if step.trying else f"Compared {count}"
    what += f": the lowest probability of {label} was {phrases.format_percent(step.lowest)}"
    if step.text:
        return f"{what}; {_mark_kept(last.text, step.text)}."
    if not is_word:
        return f"{what}."
    better = step.lowest < last.proba
    return f"{what}{', but no text that is allowed was better' if better else '. Nothing better'}: the word stays."


def _mark_kept(before: str, after: str) -> str:
    swaps = diff(before, after)
    new, gone = [s.new for s in swaps if s.new], [s.old for s in swaps if not s.new]
    parts = [f"{verb} {', '.join(f'“{word}”' for word in words)}"
             for verb, words in (("kept", new), ("left out", gone)) if words]
    return " and ".join(parts) or "kept the text"


def draw_frame(found: Sequence[Frame], at: int, result: AttackResult, names: Sequence[str]) -> str:
    """Return a frame as HTML: the text with the words swapped so far, and what was tried."""
    frame = found[at]
    marked = highlight.mark_changes(result.example.text, frame.text)[1]
    lines = [frame.line] + ([cards.describe_end(result, names)] if at == len(found) - 1 else [])
    return (highlight.highlight_words(frame.text, marks=marked, trying=frame.trying, label=f"Text at step {at}")
            + f'<div role="status">{"".join(f"<p class=rx-line>{html.escape(line)}</p>" for line in lines)}</div>')


def show_replay(now: Outcome | None) -> None:
    """Offer the replay of a finished attack."""
    if now is None or now.running or not now.results:
        return

    @st.fragment
    def draw() -> None:
        with st.expander("Replay, step by step", key=_OPEN, on_change="rerun", icon=":material/replay:") as box:
            if box.open:
                with refresh.show_failure("the replay"):
                    _draw_replay(now)

    draw()


def _draw_replay(now: Outcome) -> None:
    pairs = list(now.results)
    if st.session_state.get(_CARD) not in pairs:
        st.session_state[_CARD] = pairs[0]
    if len(pairs) > 1:
        st.selectbox("Search", pairs, key=_CARD, format_func=name_pairs(now).__getitem__, width=280)
    pair = st.session_state[_CARD]
    result, names = now.results[pair], catalogue.find_labels(pair.model)
    if not result.steps:
        note(cards.describe_end(result, names) if result.status == "skipped" else
             "There are no steps to show: nothing was asked after the first look at the text.")
        return
    found = make_frames(result, names)
    key = _make_step_key(now, pair)
    at = _draw_slider(key, len(found) - 1)
    text, figure = st.columns([3, 2], gap="medium")
    with text:
        st.html(draw_frame(found, at, result, names))
    with figure:
        label = phrases.name_class(names, result.reference_label)
        drawn = charts.make_curve(result.curve, label, border=0.5 if len(names) == 2 else 0.0, queries=result.queries,
                                  at=(found[at].queries, found[at].proba), colour=colours.color_model(pair.model))
        st.plotly_chart(
            drawn,
            key=f"curve.{key}",
            config=charts.CONFIG,
            alt=f"{label} {phrases.format_percent(found[at].proba)} after {found[at].queries} queries, step {at}",
        )


def _make_step_key(now: Outcome, pair: Pair) -> str:
    return f"replay.{now.id}.{pair.model}.{pair.attack}"


def find_place(now: Outcome) -> dict[str, Any] | None:
    """Return which step of which search is shown, as plain data; None while the replay is closed."""
    if not st.session_state.get(_OPEN):
        return None
    pairs = list(now.results)
    pair = next((p for p in pairs if p == st.session_state.get(_CARD)), pairs[0])
    return {"pair": list(pair), "step": int(st.session_state.get(_make_step_key(now, pair), 0))}


def restore_place(now: Outcome, shown: Mapping[str, Any] | None) -> None:
    """Open the replay at what `place` returned; a step that the search does not have is left out."""
    if shown is None:
        return
    pair, step = Pair(*shown["pair"]), int(shown["step"])
    if pair not in now.results:
        return
    st.session_state[_OPEN], st.session_state[_CARD] = True, pair
    if 0 < step < len(make_frames(now.results[pair], catalogue.find_labels(pair.model))):
        st.session_state[_make_step_key(now, pair)] = step


def _draw_slider(key: str, last: int) -> int:
    """Draw the slider over 0..last with a button at each side."""
    def move(by: int) -> None:
        st.session_state[key] = min(max(st.session_state[key] + by, 0), last)

    st.session_state.setdefault(key, 0)
    at = st.slider("Step", 0, last, key=key, persist_state="session",
                   help="0 is the original text. The arrow keys move it, too.")
    with st.container(horizontal=True):
        st.button("Back", key=f"{key}.back", on_click=move, args=(-1,), disabled=at == 0,
                  icon=":material/chevron_left:")
        st.button("Next", key=f"{key}.next", on_click=move, args=(1,), disabled=at == last,
                  icon=":material/chevron_right:")
    return at
