"""A person picks texts on the map, in Chromium: the slice is in the address, outlives a reload, and is attacked."""

import re

from playwright.sync_api import expect

LONG = 90_000


def test_a_box_on_the_map_becomes_a_slice_that_is_attacked(new_page):
    page = new_page("/embeddings?models=sst2/cnn/base")
    chart = page.locator(".stPlotlyChart", has_text="path of the attack")
    expect(chart.locator(".scatterlayer .trace")).to_have_count(3, timeout=LONG)
    chart.scroll_into_view_if_needed()
    box = chart.locator(".nsewdrag").bounding_box()
    assert box is not None
    left, top = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + box["width"] * 0.3, top + box["height"] * 0.4, steps=8)
    page.mouse.up()
    line = page.locator(".st-key-slice\\.line, .st-key-slice-line").first
    expect(line).to_contain_text(re.compile(r"Slice: \d+ texts of Reviews, map of MiniLM"), timeout=LONG)
    said = line.inner_text().splitlines()[0]
    expect(page).to_have_url(re.compile(r"slice=reviews(~|%7E)(test|train)(~|%7E)[\d.-]+"))
    # The texts of the slice are ringed on the map.
    expect(chart.locator(".legendtext", has_text=re.compile("^slice$"))).to_be_visible(timeout=LONG)

    page.reload()
    expect(line).to_contain_text(said, timeout=LONG)
    line.get_by_role("button", name="attack").click()
    expect(page.get_by_role("heading", name="Saliency", exact=True)).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile(r"--slice reviews~"))).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Run", exact=True).click()
    heading = page.get_by_role("heading", name="Prediction and interpretation")
    expect(heading).to_be_visible(timeout=LONG)
    expect(line).to_contain_text(said)
    line.get_by_role("button", name="clear").click()
    expect(line).to_have_count(0)
    expect(page).not_to_have_url(re.compile("slice="))
