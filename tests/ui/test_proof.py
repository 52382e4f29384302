"""What the Attack page says of a proof."""

import dataclasses

import pytest

from robust_core.certify.word_swaps import WordCertificate
from robust_core.resources import swap_sets
from robust_core.types import AttackResult, Example
from ui.attack import cards, proof
from ui.session.outcome import Pair
from ui.shared import word_proof

RESULT = AttackResult(Example("a good film", 1, "0"), "m", {"name": "textfooler"}, "a good film", 1, 1, (0.2, 0.8),
                      (0.2, 0.8), 312, 9, 9, 1.0, 0.1, "failed", (), ())
FOUND = WordCertificate(1, True, -1, 1.0, 0.4, "a <b>fine</b> movie", 1_200_000, (), 0,
                        (1.0, 0.4))


@pytest.mark.parametrize(("changes", "line"), [
    ({}, "Proved: none of the 1,200,000 texts that careful swaps can make flips this. The attack asked 312 times."),
    ({"texts": 1}, "Proved: careful swaps cannot change this text. The attack asked 312 times."),
    ({"texts": 10**20}, "none of the 1.0e+20 texts"),
    ({"texts": 12 * 10**400}, "none of the 1.2e+401 texts"),
    ({"certified": False, "swaps_proven": 1}, "Proved for up to 1 swap: flipping this takes at least 2 careful swaps."),
    ({"certified": False, "swaps_proven": 0}, "Not proved: one swap may be enough to flip this (careful swaps)."),
])
def test_a_proof_is_a_sentence(changes, line):
    assert line in proof.write_proof(dataclasses.replace(FOUND, **changes), "careful", RESULT)


def test_the_swap_set_is_that_of_the_attack():
    assert proof.choose_swap_set({"name": "textfooler", "swap_set": "close"}) == "careful"
    assert proof.choose_swap_set({"name": "textfooler", "swap_set": "recipe"}) == "wide"
    assert proof.choose_swap_set({"name": "clare"}) == "wide"
    assert set(word_proof.TITLES) == set(word_proof.ABOUT) == set(swap_sets.NAMES)


def test_a_proof_on_a_card_is_text():
    pair = Pair("m", "textfooler")
    now = type("Now", (), {"results": {pair: RESULT}, "errors": {}, "running": False, "trouble": "", "latest": {},
                           "queue": 0, "asked": type("Asked", (), {"label": None}), "text": "a good film"})()
    card = cards.make_card(now, pair, "M", ("bad", "good"), (), "Worst: “a <b>fine</b> movie”")
    assert "&lt;b&gt;fine" in card and "rx-proof" in card
    assert "rx-proof" not in cards.make_card(now, pair, "M", ("a", "b"))


def test_nothing_is_claimed_of_a_set_that_was_given():
    given = {"name": "textfooler", "swap_set": "close", "swaps": "mine.json", "swaps_sha256": "0"}
    assert proof.choose_swap_set(given) == ""
