"""The step of judging: flipped texts of both presets, mixed and unmarked, and what the verdicts make of the success."""

import html
import math
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import streamlit as st

from robust_core import datasets, highlight
from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import NAMES, name_preset, read_preset
from robust_core.events import Event
from robust_core.judging.scores import estimate_valid_success
from robust_core.lessons.answers import NO, OPEN, YES
from robust_core.lessons.steps import Judge
from robust_core.metrics import estimate_proportion
from robust_core.text import find_words
from robust_core.types import AttackResult, Example
from ui.lessons import guesses, progress, running
from ui.lessons.progress import Place
from ui.session import selection
from ui.shared import catalogue, loaded
from ui.widgets import phrases, refresh
from ui.widgets.markdown import escape_markdown

_DATASET = "reviews"


def draw_judging(place: Place) -> None:
    """Draw the step."""
    step = place.step
    assert isinstance(step, Judge)
    ready = guesses.draw_guess(place)
    key = f"{place.key}.outcome"
    job = running.run_job(place, ready, lambda: _submit(step), "Make the texts", kept=key)
    if job is not None and not job.over:
        refresh.make_fragment(lambda: _watch(place, step), True, job.id)
        return
    if job is not None and key not in st.session_state:
        if job.error:
            st.warning(escape_markdown(job.error))
            return
        st.session_state[key] = gather(step, job.results)
    found = st.session_state.get(key)
    if found is None:
        return
    items, verdicts = found["items"], progress.read_answer(place).verdicts
    if not items:
        st.info("The attacks flipped no text, so there is nothing to judge. Go on to the next step.")
        progress.change_answer(place, verdicts=YES)
        return
    verdicts = (verdicts + OPEN * len(items))[: len(items)]
    if OPEN in verdicts:
        _draw_item(place, items, verdicts)
    else:
        _draw_result(place, step, found, verdicts)


def _submit(step: Judge) -> str:
    title = ATTACKS[step.attack].title
    device = selection.find_default_device()
    return loaded.submit_job("attack", lambda stop: attack_all(step, device, stop), f"{title}, a lesson's reviews")


def attack_all(step: Judge, device: str, stop: threading.Event) -> Iterator[Event]:
    """Attack short reviews under both presets; runs in a worker."""
    model = loaded.get_models().ask(step.model, catalogue.fingerprint_model(step.model), device).result()
    examples = choose_reviews(step)
    for preset in NAMES:
        cls = ATTACKS[step.attack]
        if not stop.is_set():
            yield from cls(**read_preset(cls, preset)).run([model], examples, stop=stop)


def choose_reviews(step: Judge) -> list[Example]:
    """Return the reviews that a step attacks: the first that are short enough."""
    short = [each for each in datasets.load(_DATASET, "test") if len(find_words(each.text)) <= step.words]
    return short[: step.texts]


def _watch(place: Place, step: Judge) -> bool:
    job = running.find_job(place)
    if job is None:
        return False
    done, total = len(job.results), len(NAMES) * len(choose_reviews(step))
    st.progress(min(done / max(total, 1), 1.0), text=f"{done:d} of {total:d} attacks done")
    return not job.over


def gather(step: Judge, results: Sequence[AttackResult]) -> dict[str, Any]:
    """Return, as plain data, how often each preset flipped, and the texts to judge in their order."""
    counts, items = {}, []
    order = random.Random(step.seed)
    for preset in NAMES:
        own = [r for r in results if name_preset(r.attack) == preset and r.status in ("succeeded", "failed")]
        flipped = sorted((r for r in own if r.status == "succeeded"), key=lambda r: r.example.uid)
        counts[preset] = {"attacked": len(own), "flipped": len(flipped)}
        items += [{"preset": preset, "text": r.example.text, "other": r.perturbed, "label": r.reference_label}
                  for r in order.sample(flipped, min(step.each, len(flipped)))]
    order.shuffle(items)
    return {"counts": counts, "items": items}


def _draw_item(place: Place, items: Sequence[Mapping[str, Any]], verdicts: str) -> None:
    at = verdicts.index(OPEN)
    item = items[at]
    st.progress(at / len(items), text=f"Text {at + 1:d} of {len(items):d}")
    st.markdown("**The original**")
    st.html(highlight.highlight_words(item["text"], label="Original text"))
    st.markdown("**The changed text**")
    marks = highlight.mark_changes(item["text"], item["other"])[1]
    st.html(highlight.highlight_words(item["other"], marks=marks, label="Changed text"))
    said = phrases.name_class(catalogue.find_labels(getattr(place.step, "model", "")), item["label"])
    st.markdown(f"A reader of the original calls it **{escape_markdown(said.lower())}**. Would a reader of the changed "
                "text still say so, and understand the same?")
    with st.container(horizontal=True):
        for label, verdict, icon in (("Same meaning", YES, "check"), ("Another meaning", NO, "close")):
            st.button(escape_markdown(label), key=f"{place.key}.{verdict}", icon=f":material/{icon}:",
                      on_click=_keep, args=(place, verdicts[:at] + verdict + verdicts[at + 1:]))
        st.button("One text back", key=f"{place.key}.back", type="tertiary", icon=":material/undo:", disabled=at == 0,
                  on_click=_keep, args=(place, verdicts[: max(at - 1, 0)] + OPEN * (len(items) - max(at - 1, 0))))


def _keep(place: Place, verdicts: str) -> None:
    progress.change_answer(place, verdicts=verdicts)


def weigh(found: Mapping[str, Any], verdicts: str) -> list[dict[str, Any]]:
    """Return a row a preset: how often it flipped, how many of those you judged to mean the same, and both together.

    Args:
        found: What `gather` returned.
        verdicts: y or n of each text.
    """
    rows = []
    for preset, counts in found["counts"].items():
        own = [v for item, v in zip(found["items"], verdicts, strict=True) if item["preset"] == preset]
        kept, judged = own.count(YES), len(own)
        raw, _ = estimate_proportion(counts["flipped"], counts["attacked"])
        valid, error = estimate_valid_success(counts["flipped"], counts["attacked"], kept, judged)
        rows.append({"preset": preset, **counts, "judged": judged, "kept": kept, "raw": raw, "valid": valid,
                     "error": error})
    return rows


def _draw_result(place: Place, step: Judge, found: Mapping[str, Any], verdicts: str) -> None:
    rows = weigh(found, verdicts)
    kept = verdicts.count(YES)
    guesses.compare(place, {str(kept)}, f"You found {kept} of {len(verdicts)} texts to mean the same.")
    st.html(make_table(rows))
    st.caption("Raw success: how many of the attacked texts were flipped. Valid success: raw success times the share "
               "of flips that you found to mean the same. ± is its standard error: with your few verdicts, "
               f"{step.each:d} a preset, it is wide. The Judge page does the same with more texts.")
    with st.expander("Which text came from where", icon=":material/visibility:"):
        for item, verdict in zip(found["items"], verdicts, strict=True):
            said = "same meaning" if verdict == YES else "another meaning"
            st.markdown(f"**{escape_markdown(item['preset'].capitalize())}**, you said: {escape_markdown(said)}")
            st.html(highlight.highlight_words(item["other"], label="Changed text",
                                              marks=highlight.mark_changes(item["text"], item["other"])[1]))
    st.button("Judge them again", key=f"{place.key}.anew", type="tertiary", icon=":material/refresh:",
              on_click=_keep, args=(place, OPEN * len(verdicts)))
    running.show_afterwards(step)


def make_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of raw and valid success as HTML; on a phone its cells stand below each other."""
    head, body = ("Preset", "Raw success", "Same meaning", "Valid success"), ""
    for row in rows:
        valid = "–" if math.isnan(row["valid"]) else f"{100 * row['valid']:.0f}\u00a0% ± {100 * row['error']:.0f}"
        raw = "–" if math.isnan(row["raw"]) else f"{100 * row['raw']:.0f}\u00a0%"
        cells = (f"{raw}, {row['flipped']} of {row['attacked']} flipped", f"{row['kept']} of {row['judged']} judged",
                 f"<b>{valid}</b>")
        body += (f'<tr><th scope="row">{html.escape(row["preset"].capitalize())}</th>'
                 + "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in zip(head[1:], cells, strict=True))
                 + "</tr>")
    titles = "".join(f'<th scope="col">{name}</th>' for name in head)
    return (f'<div class="rx-wrap"><table class="rx-table"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody>'
            "</table></div>")
