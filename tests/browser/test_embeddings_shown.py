"""A person at the Embeddings page, in Chromium, with the shipped encoders."""

import re

import pytest
from playwright.sync_api import expect

LONG = 240_000


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_draws_map_and_curves_and_fits_the_screen(new_page, width, scheme):
    page = new_page("/embeddings", width=width, scheme=scheme)
    # Similarity, map, two curves of k-PGD, matrix.
    expect(page.locator(".stPlotlyChart")).to_have_count(5, timeout=LONG)
    chart = page.locator(".stPlotlyChart", has_text="path of the attack")
    expect(chart.locator(".scatterlayer .trace")).to_have_count(3, timeout=LONG)
    expect(page.get_by_text(re.compile(r"Two principal components of \d+ texts of Reviews"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for drawn in page.locator(".stPlotlyChart").all():
        box = drawn.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 1


def test_the_slider_moves_the_mark_by_keyboard(new_page):
    page = new_page("/embeddings")
    mark = page.locator(".stPlotlyChart .shapelayer path").first
    expect(mark).to_be_attached(timeout=LONG)
    before = mark.get_attribute("d")
    knob = page.get_by_role("slider", name="ε, in mean token-embedding norms")
    knob.focus()
    knob.press("ArrowRight")
    expect(mark).not_to_have_attribute("d", before or "", timeout=LONG)


def test_a_bad_line_is_said_and_the_rest_stays(new_page):
    page = new_page("/embeddings")
    expect(page.locator(".stPlotlyChart")).to_have_count(5, timeout=LONG)
    box = page.get_by_role("textbox", name="One sentence a line")
    box.fill("alone")
    box.press("Control+Enter")
    expect(page.get_by_text("Type at least two sentences.")).to_be_visible(timeout=LONG)
    expect(page.locator(".stPlotlyChart")).to_have_count(4)
