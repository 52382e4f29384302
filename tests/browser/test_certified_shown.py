"""A person at the Certified page, in Chromium, with the shipped additive models and base classifiers."""

import re

import pytest
from playwright.sync_api import expect

LONG = 240_000
MANY_WORDS = ("a dull film but one of the most beautiful and moving stories of the year although some jokes fall flat "
              "and the plot is a little thin and the end comes too late for most of us")


def open_distance(new_page, **more):
    page = new_page("/certified", **more)
    page.get_by_text("Distance (L1)", exact=True).click(timeout=LONG)
    return page


def check_width(page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for chart in page.locator(".stPlotlyChart").all():
        box = chart.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 1


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_review_is_proved_in_words_and_fits_the_screen(new_page, width, scheme):
    page = new_page("/certified", width=width, scheme=scheme)
    expect(page.get_by_text(re.compile("Negative. Proved: none of the .* texts"))).to_be_visible(timeout=LONG)
    # A bar a word, and certified accuracy.
    expect(page.locator(".stPlotlyChart")).to_have_count(2, timeout=LONG)
    expect(page.locator(".stPlotlyChart").first.locator(".yaxislayer-above text")).to_have_count(11)
    check_width(page, width)
    text = page.get_by_label("Type a review")
    text.fill(MANY_WORDS)
    text.press("Control+Enter")
    expect(page.locator(".stPlotlyChart").first.locator(".yaxislayer-above text")).to_have_count(
        len(MANY_WORDS.split()), timeout=LONG)
    check_width(page, width)


def test_the_keyboard_takes_swaps_away(new_page):
    page = new_page("/certified")
    expect(page.get_by_text("With any number of swaps the lead falls")).to_be_visible(timeout=LONG)
    expect(page.locator(".stPlotlyChart")).to_have_count(2, timeout=LONG)
    page.get_by_role("slider").first.press("Home")
    expect(page.get_by_text("Without a swap the lead is")).to_be_visible(timeout=LONG)
    page.get_by_role("slider").first.press("ArrowRight")
    expect(page.get_by_text("With 1 swap the lead falls at most")).to_be_visible(timeout=LONG)
    expect(page.locator(".rx-strip .swapped")).to_have_count(1)


def test_one_press_leads_to_the_attack(new_page):
    page = new_page("/certified?models=sst2/cnn/base&text=a lovely film")
    page.get_by_role("button", name="Attack this text").click(timeout=LONG)
    expect(page.locator("h1", has_text="Attack")).to_be_visible(timeout=LONG)
    expect(page.get_by_label("Type a review")).to_have_value("a lovely film")
    expect(page.locator(".rx-chip b")).to_have_count(2, timeout=LONG)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_review_is_certified_and_fits_the_screen(new_page, width, scheme):
    page = open_distance(new_page, width=width, scheme=scheme)
    answer = page.get_by_text(re.compile("is certain within .* at Λ = 0.5"))
    expect(answer).to_be_visible(timeout=LONG)
    # Votes of the text, certified accuracy, votes of the digit.
    expect(page.locator(".stPlotlyChart")).to_have_count(3, timeout=LONG)
    expect(page.get_by_text("It is not a statement about words")).to_be_visible()
    check_width(page, width)
    before = answer.inner_text()
    text = page.get_by_label("Type a review")
    text.fill("a dull and lifeless mess of a film")
    text.press("Control+Enter")
    expect(page.get_by_text(re.compile("Negative is certain within"))).to_be_visible(timeout=LONG)
    assert page.get_by_text(re.compile("is certain within .* at Λ = 0.5")).inner_text() != before


def test_no_legend_lies_over_the_bars_of_a_digit(new_page):
    page = open_distance(new_page)
    expect(page.locator(".stPlotlyChart")).to_have_count(3, timeout=LONG)
    text, digit = page.locator(".stPlotlyChart").first, page.locator(".stPlotlyChart").last
    expect(digit.locator(".barlayer .bars").first).to_be_attached(timeout=LONG)
    expect(text.locator(".legend")).to_have_count(1)
    expect(digit.locator(".legend")).to_have_count(0)
    expect(digit.locator(".barlayer .bartext", has_text=re.compile(r"^\d$")).first).to_be_visible()


def test_the_keyboard_moves_lambda(new_page):
    page = open_distance(new_page)
    # The last chart is drawn last: a slider that is drawn anew between focus and key would not hear the key.
    expect(page.locator(".stPlotlyChart")).to_have_count(3, timeout=LONG)
    expect(page.get_by_text(re.compile("certain within .* at Λ = 0.5"))).to_be_visible(timeout=LONG)
    page.get_by_role("slider").first.press("ArrowRight")
    expect(page.get_by_text(re.compile("certain within .* at Λ = 1:"))).to_be_visible(timeout=LONG)
