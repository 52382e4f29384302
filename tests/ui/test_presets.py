"""The preset in the sidebar, labels that come with examples, and words for models that were not put to the test."""

import dataclasses

import pytest
from helpers.pages import (  # noqa: F401 (a fixture)
    MODELS,
    app,
    attacked,
    click,
    doubles,
    find_label,
    page,
    query,
    settle,
    take_example,
)
from streamlit.testing.v1 import AppTest

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import TYPED_SECONDS
from robust_core.attacks.careful import CAREFUL_SIMILARITY, CLOSE, RECIPE
from robust_core.evaluation.outcomes import name_outcome
from robust_core.paths import ROOT
from robust_core.types import AttackResult, Example
from ui.attack import cards, examples
from ui.session.selection import DEFAULT_TEXT
from ui.session.true_label import NO_LABEL


def opened(**query_) -> AppTest:
    """Open the app with its own default attack."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    at.query_params.update(query_)
    return settle(at)


def press(at: AppTest, preset: str) -> AppTest:
    at.get_by_key("preset").set_value(preset)
    return settle(at)


def chosen(at: AppTest) -> dict:
    return at.session_state["chosen.attacks"][0]


def test_typed_texts_are_attacked_carefully_unless_paper_is_pressed():
    at = opened()
    assert at.get_by_key("preset").value == "careful"
    assert chosen(at)["swap_set"] == CLOSE and chosen(at)["min_text_similarity"] == CAREFUL_SIMILARITY
    assert chosen(at)["time_limit"] == TYPED_SECONDS and "attack" not in query(at)
    at = press(at, "paper")
    assert chosen(at) == {"name": "textfooler"} | chosen(at) and "swap_set" not in chosen(at)
    assert chosen(at)["min_text_similarity"] == 0.82 and query(at)["attack"] == "textfooler"
    at = press(at, "careful")
    assert chosen(at)["swap_set"] == CLOSE and "attack" not in query(at)


def test_a_changed_setting_is_no_preset_any_more_and_a_link_brings_it_back():
    at = opened()
    at.number_input(key="attacks.textfooler.min_text_similarity").set_value(0.7)
    at = settle(at)
    assert at.get_by_key("preset").value is None
    link = query(at)["attack"]
    again = opened(attack=link)
    assert chosen(again) == chosen(at) and again.get_by_key("preset").value is None


def test_links_say_which_preset():
    at = opened(attack="pwws")
    assert at.get_by_key("preset").value == "paper" and "swap_set" not in chosen(at)
    at = opened(attack="pwws;preset=careful")
    assert at.get_by_key("preset").value == "careful" and chosen(at)["swap_set"] == CLOSE
    assert query(at)["attack"] == "pwws;preset=careful"
    at = opened(attack="pwws;preset=nosuch")
    assert "Unknown preset 'nosuch'" in page(at)


def test_an_attack_without_careful_says_why():
    at = opened()
    at.multiselect(key="attacks").set_value(["textfooler", "clare"])
    at = settle(at)
    assert at.get_by_key("preset").value == "careful"
    assert "CLARE has no preset careful: it inserts and merges words" in page(at)
    at = press(at, "paper")
    assert "has no preset careful" not in page(at)


def test_an_example_brings_its_label_and_the_next_text_does_not_keep_it():
    at = app(text="a dull film")
    assert find_label(at).value == NO_LABEL
    other = next(text for text in examples.list_examples()[1:] if examples.read_labels()[text] == "Negative")
    at = take_example(at, other)
    assert at.text_area(key="text").value == other and find_label(at).value == "Negative"
    at.text_area(key="text").set_value("something else altogether")
    assert find_label(settle(at)).value == NO_LABEL


def test_a_browser_that_still_sends_the_last_label_does_not_label_the_next_text():
    at = app()
    late = find_label(at).set_value("Negative")
    at = settle(at)
    at.text_area(key="text").set_value("something else altogether")
    at = settle(at)
    # The widget of the text before, with its value, beside a press on Attack.
    assert late.key != find_label(at).key
    at.session_state[late.key] = "Negative"
    at = click(at, "Attack")
    assert find_label(at).value == NO_LABEL and ">wrong before</span>" not in page(at)


def test_every_example_has_a_label():
    labels = examples.read_labels()
    assert set(labels.values()) == {"Negative", "Positive"} and len(labels) > 100


def test_a_model_that_is_wrong_about_an_example_is_not_flipped():
    at = app()
    find_label(at).set_value("Negative")
    assert ">wrong before</span>" in page(click(at, "Attack")) and ">flipped</span>" not in page(at)


RESULT = AttackResult(Example("a good film", 1, "0"), "m", {"name": "textfooler"}, "a good film", 1, 1, (0.2, 0.8),
                      (0.2, 0.8), 9, 9, 9, 1.0, 0.1, "failed", (), ())


@pytest.mark.parametrize(("changes", "word"), [
    ({}, "held"), ({"tried": False}, "nothing to swap"), ({"status": "skipped"}, "wrong before"),
    ({"status": "succeeded"}, "flipped"), ({"status": "exhausted", "tried": False}, "out of budget"),
    ({"example": Example("ein wunderbarer Film über das Älterwerden", 1, "0")}, "not English"),
    ({"example": Example("Matrix Reloaded", 1, "0")}, "held"),
    ({"attack": {"name": "input-reduction"}, "status": "succeeded"}, "reduced"),
    ({"attack": {"name": "input-reduction"}, "tried": False}, "held"),
])
def test_held_is_said_of_a_model_that_was_put_to_the_test(changes, word):
    result = dataclasses.replace(RESULT, **changes)
    assert name_outcome(result) == word
    if word in ("nothing to swap", "not English"):
        assert "the model was not" in cards.describe_end(result, ("Negative", "Positive"))


def test_all_cards_have_a_word_and_all_presets_their_source():
    assert {name for name in ATTACKS if "careful" in ATTACKS[name].PRESETS} == {
        "textfooler", "pwws", "bae", "gene", "iga", "pso", "faster-alzantot", "a2t", "hotflip",
        "hard-label"}
    assert ATTACKS["textfooler"]().swap_set == RECIPE and len(MODELS) == 3 and attacked()


def test_each_example_says_what_comes_of_it():
    at = app()
    at.session_state[examples.OPEN] = True
    shown = at.run().radio(key="example").options
    assert shown[0] == DEFAULT_TEXT and len(set(shown)) == len(shown) >= 38
    assert {kind for kind, _ in examples.read_gallery().values()} <= set(examples.KINDS)
