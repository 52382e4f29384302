"""Strips, cards and downloads: escaping, contrast, marks, verdicts, without a browser or a model."""

import csv
import dataclasses
import io
import json
import math
import re

import pytest

from robust_core import highlight
from robust_core.attacks import ATTACKS
from robust_core.events import Event
from robust_core.metrics import consistency
from robust_core.text import Draft, align, find_words
from robust_core.types import AttackResult, Attribution, Example, Step, Swap
from ui.attack import cards, downloads, replay
from ui.comparison import verdicts
from ui.comparison.row import Row
from ui.session.choices import Choices, Limits
from ui.session.outcome import Outcome, Pair, from_document, to_document
from ui.widgets import charts, phrases

draw = highlight.highlight_words
NAMES = ("Negative", "Positive")
ALL_NAMES = dict.fromkeys(("sst2/cnn/base", "sst2/lstm/base"), NAMES)
CNN, LSTM = Pair("sst2/cnn/base", "textfooler"), Pair("sst2/lstm/base", "textfooler")
TITLES = {CNN: "CNN", LSTM: "LSTM", Pair("sst2/cnn/base", ""): "CNN", Pair("sst2/lstm/base", ""): "LSTM"}
LIGHT = {"page": (253, 252, 250), "side": (243, 240, 234), "text": (29, 27, 38)}
DARK = {"page": (21, 20, 27), "side": (33, 31, 43), "text": (236, 233, 244)}


def attribution(text: str, scores: list[float], target: int = 1) -> Attribution:
    return Attribution(text, find_words(text)[: len(scores)], tuple(scores), target, {"name": "ig"}, 0.0)


def result(status: str = "succeeded", text: str = "a clever film", perturbed: str = "a shrewd film",
           **changes) -> AttackResult:
    swaps = (Swap(2, 8, "clever", "shrewd"),) if text != perturbed else ()
    values = dict(
        example=Example(text, None, "typed"), victim="sst2/cnn/base", attack={"name": "textfooler"},
        perturbed=perturbed, reference_label=1, perturbed_label=0, before=(0.02, 0.98), after=(0.71, 0.29),
        queries=1312, forward_passes=300, eligible=40, similarity=0.93, seconds=0.8, status=status,
        swaps=swaps, curve=((1, 0.98), (40, 0.29)))
    return AttackResult(**(values | changes))


def outcome(results: list[AttackResult], **changes) -> Outcome:
    asked = Choices("a clever film", ("sst2/cnn/base", "sst2/lstm/base"), ({"name": "textfooler", "max_queries": 0},),
                    seed=3, device="cpu")
    return Outcome("id", asked, {Pair(r.victim, r.attack["name"]): r for r in results}, **({"errors": {}} | changes))


def test_everything_typed_is_escaped():
    nasty = '<script>alert("x")</script> & <img src=x onerror=alert(1)> clever'
    pieces = [
        draw(nasty, attribution(nasty, [0.5] * len(find_words(nasty))), marks={0: 'was "><b>'},
             label='"><i>', target="<u>", trying="clever"),
        cards.make_chips([("<b>m</b>", "<i>x</i>")]),
        cards.make_head("<b>", "failed"),
        cards.make_card(outcome([result(text=nasty, perturbed=nasty, swaps=(), notes=("<script>",))]), CNN,
                        "<b>", ("<i>", "<u>")),
        cards.make_card(outcome([], errors={CNN: "<script>"}), CNN, "CNN", NAMES),
        verdicts.make_verdict_table([Row(CNN, nasty, nasty, 1, (0.4, 0.6), (0.3, 0.7), error="<script>")], {CNN: "<b>"},
                                    {CNN.model: ("<i>", "<u>")}, Limits(0.5, 0.6)),
    ]
    for piece in pieces:
        tags = set(re.findall(r"<\s*/?\s*([a-zA-Z!]+)", piece))
        assert tags <= {"p", "span", "div", "b", "table", "thead", "tbody", "tr", "th", "td"}, tags
        assert "<script" not in piece and "<img" not in piece and "<b>m" not in piece
    assert "&lt;" in pieces[0] and "&quot;" in pieces[0]


def test_a_strip_keeps_the_text_and_says_word_and_score():
    text = "A clever, clever film!"
    html = draw(text, attribution(text, [0.0, 0.5, -0.25, 0.1]), target="Positive")
    assert re.sub(r"<[^>]+>", "", html) == text
    assert 'aria-label="clever: +0.500 for Positive"' in html
    assert 'aria-label="clever: -0.250 against Positive"' in html
    assert "--a:50.0%;--bar:100%" in html and "--a:25.0%;--bar:50%" in html


def test_rows_share_one_scale():
    text = "clever film"
    weak, strong = attribution(text, [0.1, 0.0]), attribution(text, [-0.4, 0.2])
    assert highlight.find_strongest([weak, None, strong]) == 0.4
    assert "--bar:25%" in draw(text, weak, strongest=0.4)


def test_words_past_the_model_are_greyed_and_have_no_score():
    text = "good bad fine"
    html = draw(text, attribution(text, [0.5, -0.5]), readable=2)
    assert html.count("unread") == 1 and "fine: not read by this model" in html


def test_marks_say_what_a_word_was_and_became():
    there, here = highlight.mark_changes("an exceedingly clever film", "an clever film indeed")
    assert there == {1: "exceedingly deleted"} and here == {3: "inserted"}
    assert highlight.mark_changes("a clever film", "a shrewd film") == ({1: "became shrewd"}, {1: "was clever"})
    assert highlight.mark_changes("same text", "same text") == ({}, {})
    html = draw("a shrewd film", marks={1: "was clever"})
    assert 'tabindex="0" data-tip="was clever"' in html and "swapped" in html


def _luminance(colour):
    parts = [c / 255 for c in colour]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b) -> float:
    x, y = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (x + 0.05) / (y + 0.05)


@pytest.mark.parametrize("theme, inks", [
    (LIGHT, (highlight.FOR, highlight.AGAINST)), (DARK, (highlight.FOR_DARK, highlight.AGAINST_DARK))])
def test_text_stays_readable_on_the_strongest_colour(theme, inks):
    for ink in inks:
        for under in (theme["page"], theme["side"]):
            mixed = [
                highlight.MOST_OPAQUE * i + (1 - highlight.MOST_OPAQUE) * u for i, u in zip(ink, under, strict=True)
            ]
            assert contrast(mixed, theme["text"]) >= 4.5
        # The bar itself is a graphical object: 3 suffices.
        assert contrast(ink, theme["page"]) >= 3


@pytest.mark.parametrize("status, words", [
    ("succeeded", "1 word changed, and the prediction flips from Positive to Negative."),
    ("failed", "The attack found no words that flip it."),
    ("stopped", "Stopped before the end. Best so far: 1 word changed"),
    ("exhausted", "The budget of 1,312 queries ran out; the settings of the attack change it."),
    ("skipped", "The model was wrong before the attack: it says Positive"),
])
def test_each_end_has_a_plain_sentence(status, words):
    html = cards.make_card(outcome([result(status)]), CNN, "CNN", NAMES)
    assert words in html and f">{cards.WORDS[status]}<" in html


def test_a_search_that_ran_out_of_time_says_so():
    late = dataclasses.replace(result("stopped"), attack={"name": "textfooler", "time_limit": 60.0}, seconds=60.2)
    assert "The limit of 60 seconds ran out; the settings of the attack change it. Best so far: 1 word changed" in \
        cards.make_card(outcome([late]), CNN, "CNN", NAMES)
    by_hand = dataclasses.replace(late, seconds=12.0)
    assert "Stopped before the end." in cards.make_card(outcome([by_hand]), CNN, "CNN", NAMES)


def test_cards_before_the_end():
    begun = Event("started", "typed", "sst2/cnn/base", {"loading": True})
    live = Event("progress", "typed", "sst2/cnn/base",
                 {"queries": 45, "text": "a clever film", "trying": "clever", "proba": 0.9})
    at = outcome([], latest={CNN: begun}, running=True)
    assert "loading the model …" in cards.make_card(at, CNN, "CNN", NAMES)
    assert "Waiting for its turn." in cards.make_card(at, LSTM, "LSTM", NAMES)
    at = outcome([], latest={CNN: live}, running=True)
    html = cards.make_card(at, CNN, "CNN", NAMES)
    assert "45 queries" in html and 'class="w trying"' in html
    assert "Waiting for its turn." in cards.make_card(dataclasses.replace(at, queue=2), CNN, "CNN", NAMES)
    assert "Stopped before it began." in cards.make_card(outcome([]), CNN, "CNN", NAMES)
    assert "Broken." in cards.make_card(outcome([], trouble="Broken."), CNN, "CNN", NAMES)


@pytest.mark.parametrize("place, said", [(1, "next"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"),
                                         (21, "21st"), (113, "113th")])
def test_a_place_in_the_queue_is_an_ordinal(place, said):
    assert cards.describe_queue(place) == f"Waiting: {said} in the queue"


def row(scores: list[float], other: list[float], after=(0.71, 0.29)) -> Row:
    a, b = "a clever film", "a shrewd film"
    x, y = attribution(a, scores), attribution(b, other)
    return Row(Pair("sst2/cnn/base", ""), a, b, 1, (0.02, 0.98), after, x, y, 3, 3,
               consistency(x, y, align(Draft.of(a).words, Draft.of(b).words)))


def test_verdicts_follow_the_stated_rule():
    same, flat = row([0.1, 0.5, 0.2], [0.1, 0.6, 0.2]), row([0, 0, 0], [1, 2, 3])
    turned = row([0.1, 0.5, 0.2], [0.5, 0.1, 0.2])
    assert same.interpretation(Limits(0.5, 0.6)) is True and same.kept is False
    assert turned.interpretation(Limits(0.5, 0.6)) is False and turned.interpretation(Limits(-1.0, 0.6)) is True
    assert flat.interpretation(Limits(0.5, 0.6)) is None and "τ undefined" in verdicts.describe_agreement(flat)
    assert row([0.1, 0.5, 0.2], [0.1, 0.6, 0.2], after=(0.3, 0.7)).kept is True
    html = verdicts.make_verdict_table([same], TITLES, ALL_NAMES, Limits(0.5, 0.6))
    assert "✗ lost" in html and "✓ kept" in html and "τ 1.00, top-5 3/3" in html


def test_downloads_hold_everything_and_need_nothing_from_outside():
    at, lines = outcome([result()], errors={LSTM: "Damaged."}), [row([0.1, 0.5, 0.2], [0.1, 0.6, 0.2])]
    table = list(csv.DictReader(io.StringIO(downloads.to_csv(at, lines, ALL_NAMES, Limits(0.5, 0.6)))))
    assert [r["status"] for r in table] == ["flipped", "error"]
    assert table[0]["kendall_tau"] == "1.0000" and table[0]["swaps"] == "clever>shrewd"
    assert table[1]["error"] == "Damaged." and table[0]["remarks"] == table[1]["remarks"] == ""
    page = downloads.to_html(at, lines, TITLES, ALL_NAMES, Limits(0.5, 0.6), ATTACKS)
    assert "a shrewd film" in re.sub(r"<[^>]+>", "", page)
    assert not re.search(r'src\s*=|href\s*=\s*"(?!#)|url\(|@import|<script', page)
    assert json.loads(downloads.to_json({"gap": math.nan, "x": [1]}))["gap"] is None


def test_downloads_say_what_speaks_against_a_flip():
    doubtful = result(swaps=(Swap(2, 8, "clever", "stupid"),), notes=("Flips only because of a note.",))
    at, doubt = outcome([doubtful]), "May have changed the meaning: clever → stupid (positive to negative)."
    row = next(csv.DictReader(io.StringIO(downloads.to_csv(at, [], ALL_NAMES, Limits(0.5, 0.6)))))
    assert row["remarks"] == f"Flips only because of a note. {doubt}"
    assert json.loads(downloads.to_json({}, ALL_NAMES, at.results))["doubts"] == [[*CNN, [doubt]]]
    page = downloads.to_html(at, [], TITLES, ALL_NAMES, Limits(0.5, 0.6), ATTACKS)
    assert doubt in page and "Flips only because of a note." in page


@pytest.mark.parametrize("cell", ["=1+1", "+x", "-x", "@x"])
def test_no_cell_is_taken_for_a_formula(cell):
    at = outcome([result(text=cell, perturbed=cell, swaps=())])
    at = dataclasses.replace(at, asked=dataclasses.replace(at.asked, text=cell))
    row = next(csv.DictReader(io.StringIO(downloads.to_csv(at, [], ALL_NAMES, Limits(0.5, 0.6)))))
    assert row["original"] == f"'{cell}"


def test_an_outcome_survives_being_stored():
    at = outcome([result(), result("failed", victim="sst2/lstm/base", similarity=math.nan)], seconds=1.5)
    kept = from_document(json.loads(downloads.to_json(to_document(at))))
    assert kept.results[CNN] == at.results[CNN]
    assert math.isnan(kept.results[LSTM].similarity)
    assert (kept.text, kept.seconds, kept.donors()) == (at.text, 1.5, [CNN, LSTM])


def test_the_curve_is_in_percent_and_carries_on_to_the_last_query():
    figure = charts.make_curve([(1, 0.98), (40, 0.29)], "Positive", queries=60)
    assert list(figure.data[0].x) == [1, 40] and list(figure.data[0].y) == pytest.approx([98, 29])
    assert list(figure.data[1].x) == [40, 60]
    assert list(figure.data[0].marker.symbol) == ["circle", "x"], "below the border it is flipped"
    assert charts.make_curve([(1, 0.98)], "Positive", colour="#007878").data[0].line.color == "#007878"


STEPS = (Step(4, "ranking words", 3, 0.6, "", 0.98), Step(9, "film", 5, 0.99, "", 0.98),
         Step(20, "a", 1, 0.7, "", 0.98), Step(58, "clever", 38, 0.25, "a shrewd film", 0.29))


def test_a_replay_says_what_was_tried_and_what_came_of_it():
    found = replay.make_frames(result(steps=STEPS), NAMES)
    assert [frame.line.replace("\u00a0", " ") for frame in found] == [
        "The original text: Positive 98 %.",
        "Ranking words, 3 texts: the lowest probability of Positive was 60 %.",
        "Tried 5 words for “film”: the lowest probability of Positive was 99.0 %. Nothing better: the word stays.",
        "Tried 1 word for “a”: the lowest probability of Positive was 70 %, but no text that is allowed was better: "
        "the word stays.",
        "Tried 38 words for “clever”: the lowest probability of Positive was 25 %; kept “shrewd”."]
    assert [(f.text, f.queries, f.trying) for f in found[2:]] == [
        ("a clever film", 9, "film"), ("a clever film", 20, "a"), ("a shrewd film", 58, "")]
    last = replay.draw_frame(found, 4, result(steps=STEPS), NAMES)
    assert 'data-tip="was clever"' in last and "the prediction flips" in last
    assert 'class="w trying"' in replay.draw_frame(found, 2, result(steps=STEPS), NAMES)


def test_a_replay_ends_with_the_text_of_the_result():
    taken = Step(30, "crossover", 20, 0.4, "a smart film", 0.4)
    left_out = Step(40, "film", 1, 0.3, "a smart", 0.3)
    found = replay.make_frames(result(steps=(taken, left_out)), NAMES)
    assert found[1].line.endswith("; kept “smart”.") and found[2].line.endswith("; left out “film”.")
    assert (found[3].text, found[3].proba) == ("a shrewd film", 0.29)
    nasty = result(text="<script> clever", perturbed="<b> clever", steps=(Step(2, "<i>", 1, 0.1, "<b> clever", 0.1),))
    found = replay.make_frames(nasty, ("<i>", "<u>"))
    drawn = "".join(replay.draw_frame(found, i, nasty, ("<i>", "<u>")) for i in range(2))
    assert set(re.findall(r"<\s*/?\s*([a-zA-Z!]+)", drawn)) == {"p", "span", "div"}


def test_the_curve_rings_a_step():
    ring = charts.make_curve([(1, 0.98), (40, 0.29)], "Positive", at=(40, 0.29)).data[-1]
    assert (list(ring.x), list(ring.y)) == ([40], pytest.approx([29]))


@pytest.mark.parametrize("p, text", [(1.0, "100 %"), (0.99996, "> 99.9 %"), (0.9932, "99.3 %"), (0.6449, "64 %"),
                                     (0.5003, "50.0 %"), (0.0101, "1.0 %"), (0.0001, "< 0.1 %"), (0.0, "0 %")])
def test_percent_never_claims_more_than_it_knows(p, text):
    assert phrases.format_percent(p).replace("\u00a0", " ") == text


def test_a_reduced_text_is_not_called_flipped():
    pair = Pair("sst2/cnn/base", "input-reduction")
    now = outcome([result(attack={"name": "input-reduction"}, perturbed="a film", perturbed_label=1)])
    assert cards.find_status(now, pair) == "reduced"
    assert "still Positive" in cards.make_card(now, pair, "CNN", ("Negative", "Positive"))
    assert "flip" not in cards.make_card(now, pair, "CNN", ("Negative", "Positive")).lower()
