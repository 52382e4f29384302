"""A run of a few reviews from the Saliency page to its report, in Chromium, with the shipped models."""

import pytest
from playwright.sync_api import expect
from pyarrow import parquet

LONG = 240_000


def test_a_run_is_found_opened_again_and_reported(new_page, chromium, tmp_path):
    page = new_page("/saliency?models=sst2/cnn/base")
    page.get_by_role("radio", name="Stored results").click(timeout=LONG)
    start = page.get_by_test_id("stExpander").filter(has_text="Attack and explain a data set")
    expect(start).to_be_visible(timeout=LONG)
    if start.locator("details").get_attribute("open") is None:
        start.locator("summary").click()
    count = start.locator("input[type=number]")
    count.fill("5")
    count.press("Enter")
    start.get_by_role("button", name="Run", exact=True).click(timeout=LONG)
    expect(page.get_by_text("Prediction and interpretation")).to_be_visible(timeout=LONG)

    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Kept here: ")).to_be_visible(timeout=LONG)
    page.get_by_role("textbox", name="Search").fill("sst2/cnn/base")
    page.get_by_role("textbox", name="Search").press("Enter")
    pick_first(page)
    expect(page.get_by_role("heading", name="CNN · base")).to_be_visible(timeout=LONG)
    for name, check in (("JSONL", lambda path: len(path.read_text().splitlines())),
                        ("Parquet", lambda path: parquet.read_table(path).num_rows)):
        with page.expect_download(timeout=LONG) as saved:
            page.get_by_role("button", name=name).click(timeout=LONG)
        saved.value.save_as(tmp_path / name)
        assert check(tmp_path / name) >= 5
    page.get_by_role("button", name="Make report").click(timeout=LONG)
    with page.expect_download(timeout=LONG) as saved:
        page.get_by_role("button", name="Download report").click(timeout=LONG)
    path = tmp_path / "report.html"
    saved.value.save_as(path)
    check_report(chromium, path)

    page.get_by_role("button", name="Open", exact=True).click(timeout=LONG)
    expect(page.get_by_role("heading", name="Saliency")).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Prediction and interpretation")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("radio", name="Stored results")).to_be_checked(timeout=LONG)


def pick_first(page) -> None:
    """Tick the first line of the first table."""
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible(timeout=LONG)
    page.wait_for_timeout(1500)
    box = table.bounding_box()
    page.mouse.click(box["x"] + 15, box["y"] + 52)


def check_report(chromium, path) -> None:
    """Open a report wide and light, then narrow and dark: nothing is asked for, nothing is cut off, nothing runs."""
    for width, scheme in ((1280, "light"), (390, "dark")):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        shown = context.new_page()
        asked, said = [], []
        shown.on("request", lambda r, asked=asked: asked.append(r.url))
        shown.on("console", lambda m, said=said: said.append(m.text))
        shown.goto(path.as_uri())
        expect(shown.get_by_role("heading", name="What to do next")).to_be_visible()
        expect(shown.get_by_text("Right under attack").first).to_be_visible()
        assert asked == [path.as_uri()] and said == []
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.evaluate("document.scripts.length") == 0
        light = shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 252, 250)"
        assert light == (scheme == "light")
        context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_the_screen(new_page, width, scheme):
    page = new_page("/history", width=width, scheme=scheme)
    expect(page.get_by_text("Kept here: ").or_(page.get_by_text("Nothing was run here"))).to_be_visible(timeout=LONG)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.get_by_test_id("stMain").evaluate("e => e.scrollWidth") <= width
