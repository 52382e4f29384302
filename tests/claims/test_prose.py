"""Figures in sentences are written from claims."""

import re

import pytest

from robust_core.claims.prose import fill_figures, list_named
from robust_core.errors import BadInput
from robust_core.paths import PAGES

ROWS = [{"queries": 1234.6, "task": "a"}, {"queries": 2.0, "task": "b"}]
CLAIMS = {"a.json": {"value": 0.8249, "value_se": 0.009,
                     "details": {"rows": ROWS, "gap": -0.0123, "gap_se": None, "name": "x"}}}


def mark(path: str, spec: str, text: str = "?") -> str:
    return f"It is <!-- figure a {path} {spec} -->{text}<!-- /figure --> %."


@pytest.mark.parametrize(("path", "spec", "written"), [
    ("value", ".1%", "82.5"), ("value", ".1%±", "82.5 ± 0.9"), ("value", ".3f", "0.825"),
    ("details.rows.0.queries", ",.0f", "1,235"), ("details.rows.task=b.queries", ".1f", "2.0"),
    ("details.rows.*.queries", ".1f", "1236.6"), ("details.gap", "+.1%", "-1.2")])
def test_a_figure_is_written_from_its_claim(path, spec, written):
    assert fill_figures(mark(path, spec), CLAIMS) == mark(path, spec, written)
    assert fill_figures(mark(path, spec, written), CLAIMS) == mark(path, spec, written)


def test_several_in_a_line_keep_what_stands_between():
    text = mark("value", ".1%") + " and " + mark("value", ".3f")
    assert fill_figures(text, CLAIMS) == mark("value", ".1%", "82.5") + " and " + mark("value", ".3f", "0.825")
    assert list_named(text) == {"a.json"}


@pytest.mark.parametrize(("path", "spec"), [("nothing", ".1%"), ("details.rows.7.queries", ".1%"),
                                            ("details.name", ".1%"), ("details.gap", ".1%±")])
def test_a_figure_that_the_claim_does_not_hold_is_refused(path, spec):
    with pytest.raises(BadInput):
        fill_figures(mark(path, spec), CLAIMS)


def test_figures_of_several_claims_are_added_up():
    text = "<!-- figure a+b value .1f -->?<!-- /figure -->"
    assert fill_figures(text, CLAIMS | {"b.json": {"value": 2.0}}) == text.replace("?", "2.8")
    assert list_named(text) == {"a.json", "b.json"}


def test_a_figure_of_no_claim_is_refused():
    with pytest.raises(BadInput, match="the claim 'a', which is not there"):
        fill_figures(mark("value", ".1%"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_figure_with_an_error_stands_in_a_sentence_by_hand(page):
    text = page.read_text(encoding="utf-8")
    for written in (r"<!-- table:.*?<!-- /table -->", r"<!-- figure .*?<!-- /figure -->", r"```.*?```"):
        text = re.sub(written, "", text, flags=re.DOTALL)
    assert re.findall(r"\d ± \d\S*", text) == [], "write it with a marker (robust_core/claims/prose.py)"
