"""Links to what a page shows: everything is written down, so that nothing is computed again."""

import contextlib
import dataclasses
import json
import math
from typing import Any

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, RobustError
from robust_core.explainers import EXPLAINERS
from robust_core.registry import to_record
from robust_core.types import Attribution, Span
from ui.attack import permalink, replay, transfer_fluency
from ui.comparison import rows
from ui.session import attack as running
from ui.session import selection
from ui.session.outcome import VERSION, Outcome, Pair, from_document, to_document
from ui.shared import catalogue, loaded
from ui.widgets import forms

# Figures of an attribution that may be NaN, which strict JSON lacks.
_UNDEFINED = ("gap", "total", "fit")


def make_view(outcome: Outcome) -> dict[str, Any]:
    """Write everything a permalink brings back: choices, results, and what was computed for the table."""
    chosen = selection.read_selection()
    lines = rows.make_rows(outcome)
    attributions = [
        dataclasses.asdict(a)
        | {
            "model": row.pair.model,
            "fingerprint": catalogue.fingerprint_model(row.pair.model),
            **{name: None for name in _UNDEFINED if math.isnan(getattr(a, name))},
        }
        for row in lines
        for a in (row.explained, row.explained_other)
        if a is not None
    ]
    probabilities = [
        {
            "model": row.pair.model,
            "fingerprint": catalogue.fingerprint_model(row.pair.model),
            "text": text,
            "proba": proba,
        }
        for row in lines
        for text, proba in ((row.original, row.before), (row.other, row.after))
        if proba
    ]
    worked_out = transfer_fluency.ask_all(outcome)
    probabilities += [
        {"model": model, "fingerprint": catalogue.fingerprint_model(model), "text": text, "proba": proba}
        for pair, found in worked_out.items() for model in found.fools
        for text in (outcome.text, outcome.results[pair].perturbed)
        for proba, _ in [loaded.judge(model, outcome.asked["device"], text)] if proba]
    perplexities = {text: value for pair, found in worked_out.items() if found.perplexity is not None
                    for text, value in zip((outcome.text, outcome.results[pair].perturbed), found.perplexity,
                                           strict=True) if math.isfinite(value)}
    return {
        "text": chosen.text, "models": list(chosen.models), "seed": chosen.seed,
        "label": selection.NO_LABEL if chosen.label is None else chosen.label,
        "attacks": [to_record(attack) for attack in chosen.attacks], "explainer": to_record(chosen.explainer),
        "tau_at_least": chosen.tau_at_least, "top5_at_least": chosen.top5_at_least,
        "source": rows.choose_source(outcome), "found_on": st.session_state.get("found_on"),
        "adversarial": st.session_state.get("adversarial"), "outcome": to_document(outcome),
        "attributions": attributions, "probabilities": probabilities, "perplexities": perplexities,
        "replay": replay.find_place(outcome),
    }


def restore(token: str) -> None:
    """Bring back what a permalink holds, without computing anything again.

    Raises:
        BadInput: Nothing is stored under the token, or another version of the program wrote it.
    """
    document = loaded.open_store().get(token)
    try:
        if document["outcome"]["version"] != VERSION:
            raise KeyError("version")
        outcome = from_document(document["outcome"])
        if not set(outcome.attacks) <= set(ATTACKS):
            raise KeyError("attacks")
        device = outcome.asked["device"]
        for kept in document["attributions"]:
            values = dict(kept)
            model_id, print_ = values.pop("model"), values.pop("fingerprint")
            values["spans"] = tuple(Span(*span) for span in values["spans"])
            values["scores"] = tuple(values["scores"])
            values |= {name: math.nan for name in _UNDEFINED if values.get(name) is None}
            attribution = Attribution(**values)
            key = (attribution.text, attribution.target, json.dumps(attribution.method, sort_keys=True))
            loaded.get_explanations().put(attribution, model_id, print_, device, *key)
        for kept in document["probabilities"]:
            loaded.remember(tuple(kept["proba"]), kept["model"], kept["fingerprint"], device, kept["text"])
        for text, value in document["perplexities"].items():
            loaded._get_perplexities().put(float(value), device, text)
        replay.restore_place(outcome, document["replay"])
        for key in ("text", "models", "label", "seed", "tau_at_least", "top5_at_least"):
            st.session_state[key] = document[key]
        st.session_state[rows.make_source_key(outcome)] = document["source"]
        if document["found_on"] is not None:
            st.session_state["found_on"] = Pair(*document["found_on"])
        if document["adversarial"] is not None:
            st.session_state["adversarial"] = document["adversarial"]
        st.session_state["outcome"] = document["outcome"]
        with contextlib.suppress(RobustError):
            forms.preset_several(ATTACKS, "attacks", document["attacks"])
            forms.preset_form(EXPLAINERS, "explainer", document["explainer"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput("This link was made by another version of the program and cannot be shown.") from None


def share_link() -> None:
    """Store what is shown and make the address a permalink to it."""
    present = running.find_outcome()
    if present is None:
        return
    try:
        st.session_state["view"] = loaded.open_store().put(permalink.make_view(present))
        st.session_state["view_of"] = name_shown()
    except RobustError as error:
        selection.notify(str(error))


def name_shown() -> str:
    """Name everything that a permalink holds: it leaves the address when any of it changes."""
    now = selection.read_selection()
    return json.dumps([now.text, now.models, *map(forms.to_link, now.attacks), *(
        st.session_state.get(key) for key in ("job", "source", "source.attacks", "found_on", "adversarial"))])
