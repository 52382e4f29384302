"""Footnotes: a mark a kind of warning, one short line over all figures that have it, and nothing without warnings."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core.claims.files import read_claims
from robust_core.claims.footnotes import Footnotes, merge_findings, read_warnings, split_warning

UNKNOWN = "{} % of the flips bring in words unknown to the model. Prefer words that it knows."
BADLY = "{} % of the local linear models have an R² below 0.5. R² below 0.5 says little. Use more samples."


def test_a_kind_has_one_mark_and_one_line_with_the_range():
    footnotes = Footnotes()
    assert [footnotes.mark(warnings) for warnings in (
        [UNKNOWN.format(32)], [], [BADLY.format(40)], [BADLY.format(36), UNKNOWN.format(68)])] == [
        "†1", "", "†2", "†1 †2"]
    assert footnotes.lines() == ["†1: 32 to 68 % of the flips bring in words unknown to the model.",
                                 "†2: 36 to 40 % of the local linear models have an R² below 0.5."]
    assert [note.advice for note in footnotes.notes()] == ["Prefer words that it knows.",
                                                           "R² below 0.5 says little. Use more samples."]


def test_a_figure_pooled_over_seeds_has_a_mark_once_and_its_own_share():
    footnotes = Footnotes()
    pooled = [UNKNOWN.format(share) for share in (30, 35, 32)]
    assert footnotes.mark(pooled) == "†1" and footnotes.mark(pooled, share=True) == "†1 (30 to 35 %)"
    assert footnotes.mark([UNKNOWN.format(68)], share=True) == "†1 (68 %)"
    assert footnotes.mark([BADLY.format(40), UNKNOWN.format(68)], share=True) == "†1 (68 %) †2 (40 %)"
    other = "No word was changed in 7 of 7 attacked texts. Loosen a constraint."
    assert footnotes.mark([other], share=True) == "†3", "not every finding is a share"


def test_what_has_no_advice_is_a_finding():
    assert split_warning("Something is odd.") == ("Something is odd.", "")
    assert split_warning("3 examples have no result. The disk is full. Make room.") == (
        "3 examples have no result.", "The disk is full. Make room.")


def test_warnings_are_those_of_the_row_and_of_its_rows():
    rows = [{"warnings": ["a.", "b."]}, {"warnings": ["b."]}, {}, {"warnings": None}, "no row"]
    assert read_warnings({"rows": rows, "warnings": ["c."]}) == ["c.", "a.", "b."]
    assert read_warnings({}) == []


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 10**6)), min_size=1))
def test_a_merged_finding_has_the_least_and_the_greatest(numbers):
    line = merge_findings([f"{share} % of {n:,} texts, or 0.5." for share, n in numbers])
    found = [int(text.replace(",", "")) for text in re.findall(r"[0-9][0-9,]*", line.removesuffix(", or 0.5."))]
    expected = [[*dict.fromkeys((min(column), max(column)))] for column in zip(*numbers, strict=True)]
    assert found == [number for pair in expected for number in pair]


@pytest.mark.parametrize("share", [False, True])
def test_every_stored_warning_is_a_line_that_fits_below_a_table(share):
    footnotes, marked = Footnotes(), 0
    for claim in read_claims():
        warnings = read_warnings(claim["details"])
        marked += bool(footnotes.mark(warnings, share=share))
        for warning in warnings:
            finding, advice = split_warning(warning)
            assert f"{finding} {advice}".rstrip() == warning and advice
    assert len(footnotes.notes()) <= marked
    assert all(len(line) <= 120 for line in footnotes.lines())
