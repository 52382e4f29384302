"""What a page shows while fluency is still being measured."""

import dataclasses
from types import SimpleNamespace

import pytest
from helpers.pages import MODELS, TEXT, app, click, doubles  # noqa: F401 (doubles is used by pytest)

from ui.attack import live, transfer_fluency
from ui.session import attack
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


@pytest.mark.parametrize("drawn, news, seconds", [
    (-1, {}, 0.0),  # nothing is on the page yet
    (0, {}, 0.4), (0, {0.1: (1, False)}, 0.1), (1, {0.1: (1, False)}, 0.4), (1, {0.2: (1, True)}, 0.2)])
def test_a_running_attack_is_drawn_again_at_a_verdict_else_after_a_moment(monkeypatch, drawn, news, seconds):
    clock = [100.0]

    class Jobs:
        def count_ended(self, job_id):
            assert job_id == "one"
            return max([(0, False), *(value for when, value in news.items() if clock[0] >= 100 + when - 1e-9)])

    def sleep(time):
        clock[0] += time

    monkeypatch.setattr(attack, "loaded", SimpleNamespace(get_jobs=Jobs))
    monkeypatch.setattr(attack, "st", SimpleNamespace(session_state={"job": "one"}))
    monkeypatch.setattr(attack, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    found = attack.wait_for_verdict(drawn)
    assert found == Jobs().count_ended("one")[0]
    assert seconds <= clock[0] - 100 <= seconds + 0.04


def test_nothing_waits_before_the_first_queries_are_on_the_page(monkeypatch):
    at = click(app(models=MODELS[0]), "Attack")
    ended = outcomes.from_document(at.session_state["outcome"])
    begun = dataclasses.replace(ended, running=True, results={})
    waited, shown = [], [begun, begun, dataclasses.replace(ended, running=True), begun]
    monkeypatch.setattr(live, "make_fragment", lambda draw, *about: [draw() for _ in shown])
    monkeypatch.setattr(live.attack, "wait_for_verdict", lambda drawn: waited.append(drawn) or 2)
    latest = iter(shown)
    monkeypatch.setattr(live.attack, "find_outcome", lambda: next(latest))
    live.show_attack(begun)
    assert waited == [-1, -1, -1, 2]
