"""A person at the Saliency and Word importance pages, in Chromium, with the shipped models."""

import pytest
from playwright.sync_api import expect

LONG = 240_000


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_two_texts_are_explained_and_fit_the_screen(new_page, width, scheme):
    page = new_page("/saliency?models=sst2/cnn/base,sst2/lstm/base", width=width, scheme=scheme)
    heading = page.get_by_role("heading", name="Faithfulness: how far to trust the explanation")
    expect(heading).to_be_visible(timeout=LONG)
    rows = page.locator(".rx-table tbody tr")
    expect(rows).to_have_count(2)
    for i in range(2):
        expect(rows.nth(i).locator(".rx-strip")).to_have_count(3)
        assert rows.nth(i).locator(".rx-strip").nth(2).locator("[aria-label*='for Negative']").count() > 0
    expect(page.locator(".stPlotlyChart")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_every_swapped_word(new_page):
    page = new_page("/saliency?models=sst2/cnn/base")
    heading = page.get_by_role("heading", name="Faithfulness: how far to trust the explanation")
    expect(heading).to_be_visible(timeout=LONG)
    page.locator(".rx-strip .swapped[tabindex]").first.focus()
    seen = []
    for _ in range(3):
        seen.append(page.evaluate("document.activeElement.getAttribute('data-tip') || ''"))
        page.keyboard.press("Tab")
    assert seen[0].startswith("became ") and all(tip.startswith(("became ", "was ")) for tip in seen)


def reach(page, name: str) -> None:
    """Press Tab until the element of that name, or that text, has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText")
        if name in (here or ""):
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_words_are_measured_by_keyboard_while_the_page_stays_alive(new_page):
    page = new_page("/word-importance?models=sst2/cnn/base")
    expect(page.get_by_role("button", name="Measure")).to_be_visible(timeout=LONG)
    reach(page, "Texts")
    page.keyboard.press("Control+A")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    reach(page, "Measure")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Do synonyms count alike?")).to_be_visible(timeout=LONG)
    expect(page.locator(".stPlotlyChart")).to_have_count(4)
    reach(page, "Find words")
    page.keyboard.type("film")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="Word importance").click()
    expect(page.locator(".stPlotlyChart")).to_have_count(4, timeout=LONG)
    expect(page.get_by_label("Find words")).to_have_value("film")
