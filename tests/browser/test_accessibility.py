"""No serious or critical finding of axe-core on any page, in the light theme and the dark, with its details open."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from robust_core.paths import ROOT
from ui.frame import list_pages

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
GRAVE = ("serious", "critical")
PAGES = [page.title for page in list_pages(ROOT / "pages")]
# What a page says when it has drawn what takes a while; of the others the title is enough.
READY = {"Saliency": ".rx-strip", "Embeddings": ".stPlotlyChart", "Certified": ".rx-strip", "Leaderboard":
         ".stPlotlyChart", "Models": "[data-testid=stDataFrame]", "Lessons": "[data-testid=stButton]"}


def settle(page: Page) -> None:
    """Wait until the page is drawn, in our style, and moves no more."""
    page.wait_for_function("[...document.querySelectorAll('style')].some(each => each.textContent.includes('rx-'))")
    expect(page.locator('[data-testid="stApp"][data-test-script-state="running"]')).to_have_count(0)
    expect(page.locator('[data-stale="true"]')).to_have_count(0)


def open_details(page: Page) -> None:
    """Open what is folded up, so that it is looked at, too."""
    page.evaluate("document.querySelectorAll('[data-testid=stMain] details:not([open]) > summary')"
                  ".forEach(each => each.click())")
    settle(page)


def find_grave(page: Page) -> list[str]:
    """Return a line for each serious or critical finding, Streamlit's own included: there are none to leave out."""
    found = Axe().run(page, options=RULES).response
    assert len(found["passes"]) > 10, "axe-core looked at nothing"
    return [f"{finding['id']}: {' '.join(node['html'].split())[:200]} | {node['failureSummary'][:300]}"
            for finding in found["violations"] if finding["impact"] in GRAVE for node in finding["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("title", PAGES)
def test_a_page_has_no_grave_finding(new_page, title, scheme):
    page = new_page("/" if title == PAGES[0] else f"/{title.lower().replace(' ', '-')}", scheme=scheme)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    if title == "Attack":
        page.get_by_role("button", name="Attack", exact=True).click()
        expect(page.get_by_text(re.compile("^Finished ·"))).to_be_visible(timeout=240_000)
    elif title in READY:
        expect(page.locator(READY[title]).first).to_be_visible(timeout=240_000)
    settle(page)
    open_details(page)
    grave = find_grave(page)
    assert not grave, "\n".join(grave)


def test_the_check_finds_what_is_wrong(new_page):
    page = new_page("/about")
    expect(page.get_by_role("heading", name="About", level=1)).to_be_visible()
    settle(page)
    page.evaluate("document.querySelector('[data-testid=stMain] p').style.color = '#ddd'")
    assert any(line.startswith("color-contrast") for line in find_grave(page))
