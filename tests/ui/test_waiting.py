"""What a page shows while fluency is still being measured."""

import dataclasses

import pytest
from helpers.pages import MODELS, TEXT, app, click, doubles  # noqa: F401 (doubles is used by pytest)

from ui.attack import live, transfer_fluency
from ui.session import outcome as outcomes


@pytest.mark.parametrize("was_running, is_running, waiting, again", [
    (True, True, True, True), (True, True, False, True), (True, False, True, False), (True, False, False, False),
    (False, False, True, True), (False, False, False, False)])
def test_the_table_is_drawn_when_the_attack_ends_and_not_when_fluency_does(monkeypatch, was_running, is_running,
                                                                             waiting, again):
    at = click(app(models=MODELS[0]), "Attack")
    ended = outcomes.from_document(at.session_state["outcome"])
    kept = transfer_fluency.TransferFluency({}, None if waiting else (1.0, 2.0))
    drawn = []
    monkeypatch.setattr(live, "make_fragment", lambda draw, running, *about: drawn.append((draw(), running)))
    monkeypatch.setattr(live.attack, "find_outcome", lambda: dataclasses.replace(ended, running=is_running))
    monkeypatch.setattr(transfer_fluency, "ask_all", lambda outcome: dict.fromkeys(ended.donors(), kept))
    assert ended.donors() and ended.text == TEXT
    live.show_attack(dataclasses.replace(ended, running=was_running))
    assert drawn == [(again, was_running or waiting)]
