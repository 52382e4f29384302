"""A person at the Certified page, in Chromium, with the shipped base classifiers."""

import re

import pytest
from playwright.sync_api import expect

LONG = 240_000


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_review_is_certified_and_fits_the_screen(new_page, width, scheme):
    page = new_page("/certified", width=width, scheme=scheme)
    answer = page.get_by_text(re.compile("is certain within .* at Λ = 0.5"))
    expect(answer).to_be_visible(timeout=LONG)
    # Votes of the text, certified accuracy, votes of the digit.
    expect(page.locator(".stPlotlyChart")).to_have_count(3, timeout=LONG)
    expect(page.get_by_text("It is not a statement about words")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".stPlotlyChart").all():
        box = chart.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 1
    before = answer.inner_text()
    text = page.get_by_label("Type a review")
    text.fill("a dull and lifeless mess of a film")
    text.press("Control+Enter")
    expect(page.get_by_text(re.compile("Negative is certain within"))).to_be_visible(timeout=LONG)
    assert page.get_by_text(re.compile("is certain within .* at Λ = 0.5")).inner_text() != before


def test_no_legend_lies_over_the_bars_of_a_digit(new_page):
    page = new_page("/certified")
    expect(page.locator(".stPlotlyChart")).to_have_count(3, timeout=LONG)
    text, digit = page.locator(".stPlotlyChart").first, page.locator(".stPlotlyChart").last
    expect(digit.locator(".barlayer .bars").first).to_be_attached(timeout=LONG)
    expect(text.locator(".legend")).to_have_count(1)
    expect(digit.locator(".legend")).to_have_count(0)
    expect(digit.locator(".barlayer .bartext", has_text=re.compile(r"^\d$")).first).to_be_visible()


def test_the_keyboard_moves_lambda(new_page):
    page = new_page("/certified")
    expect(page.get_by_text(re.compile("certain within .* at Λ = 0.5"))).to_be_visible(timeout=LONG)
    page.get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text(re.compile("certain within .* at Λ = 1:"))).to_be_visible(timeout=LONG)
