"""A zipped model of one's own, in Chromium: its card, then every page with it chosen; the dialog on a phone."""

from pathlib import Path

import pytest
from helpers.library_models import write_library_model
from helpers.model_zips import pack
from playwright.sync_api import Page, expect

from robust_core.paths import ROOT
from ui.frame import list_pages

LONG = 240_000
PAGES = [page.title for page in list_pages(ROOT / "pages")]


def zip_model(folder: Path, architecture: str, classes: int) -> Path:
    """Write a tiny model whose classes have no names as films.zip; return its path."""
    labels = {i: f"LABEL_{i}" for i in range(classes)}
    made = write_library_model(folder / "films", architecture, id2label=labels,
                               label2id={label: i for i, label in labels.items()})
    path = folder / "films.zip"
    path.write_bytes(pack(made).getvalue())
    return path


@pytest.fixture(scope="module")
def zipped(tmp_path_factory) -> Path:
    return zip_model(tmp_path_factory.mktemp("own"), "distilbert", 2)


def check(page: Page, zipped: Path) -> None:
    """Open the dialog, and wait for the card of a zip."""
    page.get_by_role("button", name="Your own model").click(timeout=LONG)
    dialog = page.get_by_role("dialog")
    dialog.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(str(zipped))
    expect(dialog.get_by_test_id("stFileChipName")).to_have_text("films.zip", timeout=LONG)
    button = dialog.get_by_role("button", name="Check it")
    expect(button).to_be_enabled(timeout=LONG)
    button.click()
    expect(dialog.get_by_role("button", name="Use it")).to_be_visible(timeout=LONG)


def test_a_zipped_model_is_checked_and_used_on_attack_and_saliency(new_page, zipped):
    page = new_page()
    check(page, zipped)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("They have no names")).to_be_visible(timeout=LONG)
    dialog.get_by_role("combobox", name="Names of the classes").click()
    page.get_by_role("option", name="negative, positive").click()
    expect(dialog.get_by_text("They have no names")).to_have_count(0, timeout=LONG)
    dialog.get_by_role("button", name="Use it").click()
    expect(dialog).to_have_count(0, timeout=LONG)
    expect(page.get_by_test_id("stMain").get_by_text("distilbert · films").first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Attack", exact=True).click()
    expect(page.get_by_test_id("stMain").get_by_text("Finished").first).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="Saliency").click()
    expect(page.get_by_test_id("stMain").get_by_text("distilbert · films").first).to_be_visible(timeout=LONG)


def test_the_card_fits_a_phone(new_page, zipped):
    page = new_page(width=390, scheme="dark")
    page.get_by_test_id("stExpandSidebarButton").click(timeout=LONG)
    check(page, zipped)
    dialog = page.get_by_role("dialog")
    assert dialog.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0, timeout=LONG)


@pytest.mark.parametrize(("architecture", "classes"), [("bert", 2), ("roberta", 3), ("deberta", 6)])
def test_every_page_takes_a_model_of_ones_own(new_page, tmp_path, architecture, classes):
    page = new_page()
    check(page, zip_model(tmp_path, architecture, classes))
    page.get_by_role("dialog").get_by_role("button", name="Use it").click()
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=LONG)
    main, name = page.get_by_test_id("stMain"), f"{architecture} · films"
    expect(main.get_by_text(name).first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Attack", exact=True).click()
    expect(main.get_by_text("Finished").first).to_be_visible(timeout=LONG)
    for title in PAGES:
        page.get_by_role("link", name=title, exact=True).click()
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=LONG)
        expect(page.locator('[data-testid="stApp"][data-test-script-state="running"]')).to_have_count(0, timeout=LONG)
        expect(page.locator('[data-testid="stException"]')).to_have_count(0)
        if title in ("Attack", "Saliency"):
            expect(main.get_by_text(name).first).to_be_visible(timeout=LONG)
        elif title == "Word importance":
            expect(main.get_by_role("combobox", name="Model")).to_be_visible(timeout=LONG)
            main.get_by_role("combobox", name="Model").click()
            expect(page.get_by_role("option", name=name)).to_be_visible(timeout=LONG)
            page.keyboard.press("Escape")
