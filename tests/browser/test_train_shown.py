"""A person at the Train page, in Chromium: the demo from the click to the model in the picker."""

import re
import time

from playwright.sync_api import expect


def test_the_demo_from_click_to_picker(new_page):
    page = new_page("/train")
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_enabled(timeout=240_000)
    began = time.monotonic()
    train.click()
    expect(page.get_by_text(re.compile(r"Epoch \d+ of \d+"))).to_be_visible(timeout=240_000)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    expect(page.locator(".stPlotlyChart").first).to_be_visible(timeout=240_000)
    expect(page.get_by_text("The model is in the list of models now.")).to_be_visible(timeout=600_000)
    print(f"demo: {time.monotonic() - began:.0f} s")
    expect(page.locator(".stPlotlyChart")).to_have_count(2)
    page.get_by_role("button", name="Try it on the Attack page").click()
    expect(page.get_by_role("heading", name="Attack", level=1)).to_be_visible()
    expect(page.locator(".rx-chip", has_text="CNN · FLAT-TextFooler").locator("b")).to_be_visible(timeout=240_000)


def test_stop_and_resume(new_page):
    page = new_page("/train")
    train = page.get_by_role("button", name="Train", exact=True)
    expect(train).to_be_enabled(timeout=240_000)
    train.click()
    expect(page.get_by_text(re.compile(r"Epoch \d+ of \d+"))).to_be_visible(timeout=240_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("What it had learnt is kept")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Stopped.")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("Unfinished trainings")).to_have_count(0)
