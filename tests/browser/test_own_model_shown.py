"""A zipped model of one's own, in Chromium: its card, then Attack and Saliency; the dialog on a phone."""

from pathlib import Path

import pytest
from helpers.library_models import write_library_model
from helpers.model_zips import pack
from playwright.sync_api import expect

LONG = 240_000


@pytest.fixture(scope="module")
def zipped(tmp_path_factory) -> Path:
    """A tiny DistilBERT whose two classes have no names."""
    folder = tmp_path_factory.mktemp("own")
    made = write_library_model(folder / "films", "distilbert", id2label={0: "LABEL_0", 1: "LABEL_1"},
                               label2id={"LABEL_0": 0, "LABEL_1": 1})
    path = folder / "films.zip"
    path.write_bytes(pack(made).getvalue())
    return path


def check(page, zipped: Path) -> None:
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
