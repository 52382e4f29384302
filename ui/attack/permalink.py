"""Links to what a page shows: everything is written down, so that nothing is computed again."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, RobustError
from robust_core.explainers import EXPLAINERS
from robust_core.history.entries import LINK
from robust_core.registry import to_record
from robust_core.types import Attribution, Span
from ui.attack import replay, transfer_fluency
from ui.attack.transfer_fluency import TransferFluency
from ui.comparison import rows
from ui.comparison.row import Row
from ui.session import attack, selection, true_label
from ui.session.outcome import VERSION, Outcome, Pair, from_document, to_document
from ui.shared import catalogue, loaded
from ui.widgets import forms

# Figures of an attribution that may be NaN, which strict JSON lacks; how a view writes that no label was given.
_UNDEFINED, _NO_LABEL = ("gap", "total", "fit"), -1


def read_choices(outcome: Outcome) -> dict[str, Any]:
    """Write what this session has chosen, as plain data with the keys of a view."""
    chosen = selection.read_selection()
    return {
        "text": chosen.text, "models": list(chosen.models), "seed": chosen.seed,
        "label": _NO_LABEL if chosen.label is None else catalogue.write_label(chosen.label, chosen.models),
        "attacks": [to_record(method) for method in chosen.attacks], "explainer": to_record(chosen.explainer),
        **chosen.limits._asdict(),
        "source": rows.choose_source(outcome), "found_on": st.session_state.get("found_on"),
        "adversarial": st.session_state.get("adversarial"), "replay": replay.find_place(outcome),
    }


def make_view(outcome: Outcome, chosen: Mapping[str, Any], lines: Sequence[Row], found: Mapping[Pair, TransferFluency]
              ) -> dict[str, Any]:
    """Write everything a permalink brings back: choices, results, and what was computed for the table.

    Args:
        outcome: The attack.
        chosen: What `read_choices` returned.
        lines: The lines of the table.
        found: What `transfer_fluency.ask_all` returned.
    """
    # The keys stand in the order that stored views have.
    first = {key: value for key, value in chosen.items() if key != "replay"}
    return {
        **first, "outcome": to_document(outcome),
        "attributions": [_write_attribution(row.pair.model, a) for row in lines
                         for a in (row.explained, row.explained_other) if a is not None],
        "probabilities": _write_probabilities(outcome, lines, found),
        "perplexities": {text: value for pair, each in found.items() if each.perplexity is not None
                         for text, value in zip((outcome.text, outcome.results[pair].perturbed), each.perplexity,
                                                strict=True) if math.isfinite(value)},
        "replay": chosen["replay"],
    }


def _write_attribution(model: str, attribution: Attribution) -> dict[str, Any]:
    values = dataclasses.asdict(attribution)
    del values["parts"]  # texts of a view are single ones
    return values | {"model": model, "fingerprint": catalogue.fingerprint_model(model),
                     **{name: None for name in _UNDEFINED if math.isnan(values[name])}}


def _write_probabilities(outcome: Outcome, lines: Sequence[Row], found: Mapping[Pair, TransferFluency]
                         ) -> list[dict[str, Any]]:
    """Return what each model says of the texts of its line, and of the texts found on the other models."""
    known = [(row.pair.model, text, proba) for row in lines
             for text, proba in ((row.original, row.before), (row.other, row.after))]
    known += [(model, text, loaded.judge(model, outcome.asked.device, text)[0]) for pair, each in found.items()
              for model in each.fools for text in (outcome.text, outcome.results[pair].perturbed)]
    reads = {(model, text): loaded.describe_reading(model, outcome.asked.device, text) for model, text, _ in known}
    return [{"model": model, "fingerprint": catalogue.fingerprint_model(model), "text": text, "proba": proba}
            | ({"reads": reads[model, text]} if reads[model, text] else {}) for model, text, proba in known if proba]


def restore(token: str) -> None:
    """Bring back what a permalink holds, without computing anything again.

    Raises:
        BadInput: Nothing is stored under the token, or another version of the program wrote it.
    """
    document = loaded.open_links().get(token)
    try:
        if document["outcome"]["version"] != VERSION:
            raise KeyError("version")
        outcome = from_document(document["outcome"])
        if not set(outcome.attacks) <= set(ATTACKS):
            raise KeyError("attacks")
        _check_choices(document)
        _keep_computed(document, outcome.asked.device)
        replay.restore_place(outcome, document["replay"])
        for key in ("text", "models", "seed", "tau_at_least", "top5_at_least"):
            st.session_state[key] = document[key]
        true_label.write_label(document["text"],
                               catalogue.name_label(document["label"], document["models"]) or true_label.NO_LABEL)
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


def _check_choices(document: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError where a choice of a view is none that a page could have made."""
    texts = [document["text"], document["source"], *document["models"]]
    texts += [] if document["adversarial"] is None else [document["adversarial"]]
    texts += [] if document["found_on"] is None else Pair(*document["found_on"])
    if not all(isinstance(text, str) for text in texts) or not isinstance(document["label"], int | str):
        raise TypeError("a text of another type")
    if not (isinstance(document["seed"], int) and 0 <= document["seed"] < 2**31
            and -1 <= document["tau_at_least"] <= 1 and 0 <= document["top5_at_least"] <= 1
            and document["source"] in (rows.SHARED, rows.OWN)):
        raise ValueError("a choice out of its range")


def _keep_computed(document: Mapping[str, Any], device: str) -> None:
    """Put a view's attributions, probabilities and perplexities where a page looks before it computes them."""
    for kept in document["attributions"]:
        values = dict(kept)
        model, fingerprint = values.pop("model"), values.pop("fingerprint")
        values["spans"] = tuple(Span(*span) for span in values["spans"])
        values["scores"] = tuple(values["scores"])
        values |= {name: math.nan for name in _UNDEFINED if values.get(name) is None}
        attribution = Attribution(**values)
        key = (attribution.text, attribution.target, json.dumps(attribution.method, sort_keys=True))
        loaded.get_explanations().put(attribution, model, fingerprint, device, *key)
    for kept in document["probabilities"]:
        key = (kept["model"], kept["fingerprint"], device, kept["text"])
        loaded.remember(tuple(kept["proba"]), *key)
        loaded.remember_reading(str(kept.get("reads", "")), *key)
    for text, value in document["perplexities"].items():
        loaded.get_perplexities().put(float(value), device, text)


def share_link() -> None:
    """Store what is shown and make the address a permalink to it."""
    present = attack.find_outcome()
    if present is None:
        return
    try:
        links, own = loaded.open_links(), loaded.open_store()
        st.session_state["view"] = links.put(
            make_view(present, read_choices(present), rows.make_rows(present), transfer_fluency.ask_all(present)))
        if own is not links:
            # All people's views lie in one place, since links lead there: this says which are this person's.
            own.put({LINK: st.session_state["view"]})
        st.session_state["view_of"] = name_shown()
    except RobustError as error:
        selection.notify(str(error))


def name_shown() -> str:
    """Name everything that a permalink holds: it leaves the address when any of it changes."""
    now = selection.read_selection()
    return json.dumps([now.text, now.models, *map(forms.to_link, now.attacks), *(
        st.session_state.get(key) for key in ("job", "source", "source.attacks", "found_on", "adversarial"))])
