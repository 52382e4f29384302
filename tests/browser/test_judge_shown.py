"""A judge at the keys, in Chromium; the page on a phone."""

import re

import pytest
from playwright.sync_api import expect

from robust_core.judging.items import choose_items
from robust_core.judging.shipped import read_reading

LONG = 240_000
ITEMS = choose_items(read_reading()[0], 20, 8, 0)


def press(page, key: str) -> None:
    """Press a key as somebody does who looks at the page first."""
    page.wait_for_timeout(500)
    expect(page.locator("[data-test-script-state=notRunning]")).to_be_visible(timeout=LONG)
    page.keyboard.press(key)


def test_three_texts_are_judged_by_keys_and_one_again(new_page):
    page = new_page("/judge")
    text = page.get_by_role("region", name="Text to judge")
    name = page.get_by_role("textbox", name="Your name")
    name.fill("Keys")
    # The keys work at once: the field lets go of them.
    name.press("Enter")
    expect(name).not_to_be_focused(timeout=LONG)
    for number, keys in enumerate(("1y", "0n", "y2")):
        expect(text).to_have_text(ITEMS[number].text, timeout=LONG)
        expect(page.get_by_text(f"Text {number + 1} of 28 · {number} judged")).to_be_visible(timeout=LONG)
        for key in keys:
            press(page, key)
    expect(page.get_by_text("Text 4 of 28 · 3 judged")).to_be_visible(timeout=LONG)
    press(page, "ArrowLeft")
    expect(text).to_have_text(ITEMS[2].text, timeout=LONG)
    positive = page.get_by_role("button", name=re.compile("Positive"))
    expect(positive).to_have_attribute("data-testid", "stBaseButton-primary", timeout=LONG)
    page.get_by_text("Your result", exact=True).click()
    expect(page.get_by_text("You have judged 3 of 28 texts.")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("columnheader", name="Valid success")).to_be_visible(timeout=LONG)


@pytest.mark.parametrize("view, waits_for", [("Judge", "Which label has this text?"), ("Your result", "Label kept:"),
                                             ("All judges", "Every text")])
def test_a_phone_shows_everything_in_its_width(new_page, view, waits_for):
    page = new_page("/judge", width=390, scheme="dark")
    page.get_by_test_id("stMain").get_by_role("radio", name=view, exact=True).click(timeout=LONG)
    expect(page.get_by_text(waits_for).first).to_be_visible(timeout=LONG)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_test_id("stMain").evaluate("e => e.scrollWidth") <= 390
