"""What a notebook draws: everything of a result, escaped, without scripts or ids, in any number on one page."""

import dataclasses
import html
import re

import pytest
from helpers.doubles import BagOfWords, Planted
from helpers.runs import make_texts, planted  # noqa: F401 (a fixture)
from hypothesis import given
from hypothesis import strategies as st

from robust_core.evaluation.evaluate import evaluate
from robust_core.events import EvaluationRow, Event, Rows
from robust_core.explainers import EXPLAINERS
from robust_core.text import diff, find_words
from robust_core.types import AttackResult, Attribution, Example

NASTY = '<script>alert("x")</script> & <img src=x onerror=alert(1)> id="a" clever'
ALLOWED = {"div", "style", "p", "b", "span", "del", "ins", "table", "thead", "tbody", "tr", "th", "td"}


def attacked(text: str = "a clever film", perturbed: str = "a shrewd film", **changes) -> AttackResult:
    values = dict(
        example=Example(text, None, "typed"), victim="sst2/cnn/base", attack={"name": "textfooler"},
        perturbed=perturbed, reference_label=1, perturbed_label=0, before=(0.02, 0.98), after=(0.71, 0.29),
        queries=1312, forward_passes=300, eligible=40, similarity=0.93, seconds=0.84, status="succeeded",
        swaps=diff(text, perturbed), curve=((1, 0.98), (40, 0.29)))
    return AttackResult(**(values | changes))


def attributed(text: str, **changes) -> Attribution:
    spans = find_words(text)
    scores = tuple((-1) ** i * (i + 1) / 10 for i in range(len(spans)))
    return dataclasses.replace(Attribution(text, spans, scores, 1, {"name": "ig"}, 0.0), **changes)


def read(drawn: str) -> str:
    """What a reader sees."""
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", drawn, flags=re.DOTALL))


def check(drawn: str) -> None:
    assert set(re.findall(r"<\s*/?\s*([a-zA-Z!]+)", drawn)) <= ALLOWED
    tags = " ".join(re.findall(r"<[^>]+>", drawn))
    # Quoted values are what screen readers read; no attribute of a tag may be an id or call anything.
    assert not re.search(r"\s(id|on\w+|src|href)\s*=", re.sub(r'"[^"]*"', '""', tags))


def test_a_result_says_what_came_of_it_and_what_it_took():
    drawn = attacked(notes=("A remark & more.",))._repr_html_()
    check(drawn)
    assert "<del>clever</del> <ins>shrewd</ins>" in drawn
    said = read(drawn)
    assert "flipped: textfooler on sst2/cnn/base · class 1 98.0 % → 29.0 %; now class 0, 71.0 %" in said
    assert "1 word changed · 1,312 queries · similarity 0.93 · 0.8 s" in said and "A remark & more." in said


@pytest.mark.parametrize("changes, word", [
    ({"status": "failed"}, "held"), ({"status": "failed", "tried": False}, "nothing to swap"),
    ({"status": "skipped"}, "wrong before the attack"), ({"status": "stopped"}, "stopped"),
    ({"status": "exhausted"}, "out of budget"), ({"status": "succeeded"}, "reduced")])
def test_each_end_has_its_word(changes, word):
    result = attacked(perturbed="a clever film", perturbed_label=1, after=(0.02, 0.98), similarity=float("nan"),
                      queries=1, **changes)
    said = read(result._repr_html_())
    assert said.startswith(f"{word}: textfooler") and "now class" not in said
    assert "0 words changed · 1 query · 0.8 s" in said


def test_an_attribution_names_the_words_that_count_most():
    drawn = attributed("A clever, clever film!", gap=0.012)._repr_html_()
    check(drawn)
    said = read(drawn)
    assert "What speaks for class 1: ig" in said and "A clever, clever film!" in said
    assert "film -0.400, clever +0.300, clever -0.200 · the scores miss the change of the output by 0.012" in said
    assert "The text has no words." in read(attributed("")._repr_html_())
    assert "miss" not in read(attributed("a", gap=float("nan"))._repr_html_())


def test_what_somebody_typed_stays_text():
    for drawn in (attacked(NASTY, NASTY + " <b>x</b>", victim="<i>v</i>", notes=("<script>",))._repr_html_(),
                  attributed(NASTY)._repr_html_()):
        check(drawn)
        assert "<script" not in drawn and "<img" not in drawn
        assert '<script>alert("x")</script>' in read(drawn)


def read_cells(drawn: str) -> list[list[str]]:
    """The cells of the table, line by line."""
    return [[html.unescape(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", line)]
            for line in re.findall(r"<tr>(.*?)</tr>", drawn)]


def test_rows_of_an_evaluation_are_a_table():
    models = [BagOfWords(id="double/a"), BagOfWords(id="double/b", bias=(0.0, 4.0))]
    events = [event for event in evaluate(models, make_texts(), "test", [Planted()], explain=[EXPLAINERS["ig"]()])
              if event.kind == "row"]
    rows = Rows(event.data for event in events)
    drawn = rows._repr_html_()
    check(drawn)
    head, *lines = read_cells(drawn)
    assert len(lines) == len(rows) == 6 and all(len(line) == len(head) for line in lines)
    first = dict(zip(head, lines[0], strict=True))
    row = rows[0]
    assert (first["Model"], first["Data"], first["Attack"], first["Texts"]) == (
        "double/a", "reviews test", "planted", str(row["n"]))
    assert first["Under attack %"] == (f"{100 * row['accuracy_under_attack']:.1f} ± "
                                       f"{100 * row['accuracy_under_attack_se']:.1f}")
    assert first["Explained by"] == "" and "Transferred %" not in head, "no row has it"
    explained = dict(zip(head, lines[1], strict=True))
    assert explained["τ"].startswith(f"{rows[1]['kendall_tau']:.2f} ± ")
    assert explained["Top-5 %"].startswith(f"{100 * rows[1]['top_k']['5']:.1f}")
    assert all(html.escape(warning) in drawn for row in rows for warning in row["warnings"])


def test_a_single_row_and_its_event_draw_themselves():
    row = EvaluationRow(model="<b>m</b>", dataset="sst2", split="test", n=3, accuracy=float("nan"), accuracy_se=None,
                        warnings=["<script>"])
    assert dict(row) == row and row._repr_html_() == Event("row", "", "m", row)._repr_html_()
    check(row._repr_html_())
    assert read_cells(row._repr_html_()) == [["Model", "Data", "Texts"], ["<b>m</b>", "sst2 test", "3"]]
    assert Event("result", "1", "m", result=attacked())._repr_html_() == attacked()._repr_html_()
    assert Event("progress", "1", "m")._repr_html_() is None, "shown as Python shows it"
    assert "nothing was evaluated" in read(Rows()._repr_html_())


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_can_be_drawn(original, perturbed):
    for drawn in (attacked(original, perturbed)._repr_html_(), attributed(original)._repr_html_()):
        check(drawn)
    assert original in read(attributed(original)._repr_html_())
