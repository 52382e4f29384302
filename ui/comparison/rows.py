"""The table of original and adversarial texts: which text each line compares, and what is known of both."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.metrics import consistency
from robust_core.registry import to_record
from robust_core.text import Draft, align
from ui.comparison.row import Row
from ui.session import selection
from ui.session.outcome import Outcome, Pair
from ui.shared import catalogue, loaded

SHARED, OWN = "shared", "own"


class Comparison(NamedTuple):
    """What the table compares, as it was chosen: a download goes by what was chosen when it was drawn.

    Attributes:
        source: SHARED or OWN.
        text: The one text beside the original, for SHARED.
        heading: What the lines stand for.
        explainer: Record of the explanation.
    """

    source: str
    text: str
    heading: str
    explainer: Mapping[str, Any]


def read_comparison(outcome: Outcome) -> Comparison:
    """Return what this session compares now."""
    return Comparison(choose_source(outcome), find_shared_text(outcome), make_heading(outcome),
                      to_record(selection.read_selection().explainer))


def make_source_key(outcome: Outcome) -> str:
    """Return where the choice of texts is kept: one for several attacks on one model, one for all else."""
    return "source.attacks" if len(outcome.models) == 1 < len(outcome.attacks) else "source"


def choose_source(outcome: Outcome) -> str:
    """Return whether the lines share a text; of several attacks on one model each has its own, by default."""
    if not outcome.donors():
        return SHARED
    key = make_source_key(outcome)
    return st.session_state.get(key, SHARED if key == "source" else OWN)


def make_heading(outcome: Outcome) -> str:
    """Say what the lines of the table stand for."""
    if choose_source(outcome) == SHARED or len(outcome.attacks) == 1:
        return "Model"
    return "Attack" if len(outcome.models) == 1 else "Model, attack"


def find_shared_text(outcome: Outcome) -> str:
    """Return the one text shown to all models: edited by hand, or that of the chosen card."""
    edited = st.session_state.get("adversarial")
    return find_found_text(outcome) if edited is None else edited


def edit_text() -> None:
    """Take over the text in the editing box; what cannot be used changes nothing but leaves a plain line."""
    typed = st.session_state.get("adversarial_box")
    # Streamlit also reports a box whose text the program itself has replaced.
    if typed is None or typed == st.session_state.get("box_shows"):
        return
    try:
        st.session_state["adversarial"] = check_typed(typed)
    except RobustError as error:
        selection.notify(f"The edited text is not used. {error}")


def undo_edit() -> None:
    """Go back to the text that the attack found."""
    for key in ("adversarial", "box_shows"):
        st.session_state.pop(key, None)


def find_donor(outcome: Outcome) -> Pair | None:
    """Return the card whose text is compared: the chosen one, the first that flipped by default."""
    donors = outcome.donors()
    chosen = st.session_state.get("found_on")
    return chosen if chosen in donors else donors[0] if donors else None


def find_found_text(outcome: Outcome) -> str:
    """Return the text of the chosen card."""
    donor = find_donor(outcome)
    return outcome.results[donor].perturbed if donor else outcome.text


def make_rows(outcome: Outcome, target: str | None = None, chosen: Comparison | None = None) -> list[Row]:
    """Return the lines of the table, each as complete as it can be now; missing parts are being made.

    Args:
        outcome: The attack.
        target: Name of the class explained; the reference label by default, and on models without such a class.
        chosen: What is compared; what the session has chosen by default.
    """
    chosen = read_comparison(outcome) if chosen is None else chosen
    usable = [pair for pair in outcome.pairs if pair not in outcome.errors]
    if chosen.source == OWN:
        found = {pair: outcome.results[pair].perturbed for pair in usable if pair in outcome.results}
        texts = {pair: found.get(pair, outcome.text) for pair in usable}
    else:
        texts = {Pair(pair.model, ""): chosen.text for pair in usable}
    return [make_row(pair, outcome.text, other, outcome.asked.device, chosen.explainer,
                     _find_reference(outcome, pair.model), catalogue.find_label(pair.model, target))
            for pair, other in texts.items()]


def _find_reference(outcome: Outcome, model_id: str) -> int | None:
    found = next((r.reference_label for p, r in outcome.results.items() if p.model == model_id), None)
    return catalogue.find_label(model_id, outcome.asked.label) if found is None else found


def make_row(pair: Pair, text: str, other: str, device: str, explainer: Mapping[str, Any],
             reference: int | None = None, target: int | None = None) -> Row:
    """Return a line that compares two texts, as complete as it can be now.

    Args:
        pair: The model, and the attack that made the other text.
        text: The original.
        other: The text beside it.
        device: Where the model runs.
        explainer: Record of the explanation.
        reference: The reference label; the prediction on the original by default.
        target: The class explained; the reference label by default.
    """
    model_id = pair.model
    before, error = loaded.predict(model_id, device, text)
    after, _ = loaded.predict(model_id, device, other)
    if reference is None:
        reference = before.index(max(before)) if before else 0
    target = reference if target is None else target
    line = Row(pair, text, other, target, before, after, error=error, reference=reference)
    if before is None or after is None:
        return line
    record = json.dumps(dict(explainer), sort_keys=True)
    explained = []
    for each in (text, other):
        value, error = loaded.get_explanations().peek(
            model_id, catalogue.fingerprint_model(model_id), device, each, target, record
        )
        explained.append(value)
        line = dataclasses.replace(line, error=line.error or error)
    a, b = explained
    agreement = consistency(a, b, align(Draft.of(text).words, Draft.of(other).words)) if a and b else None
    # What a model does not read has no score, so the attribution tells how far it reads.
    return dataclasses.replace(line, explained=a, explained_other=b, agreement=agreement,
                               readable=len(a.spans) if a else None, readable_other=len(b.spans) if b else None)


def is_complete(lines: list[Row]) -> bool:
    """Return whether every line is as complete as it will get."""
    return all(row.error or (row.explained and row.explained_other) for row in lines)
