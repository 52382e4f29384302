"""A person at the Attack page, in Chromium, with the shipped models."""

import csv
import io
import json
import re
import time

import pytest
from playwright.sync_api import Page, expect

# Those that the app begins with.
MODELS = 3
REVIEW = "a smart and funny film with a wonderful cast"
SENTENCE = "The acting is wonderful and the story is touching, funny and wise, a delight from start to end."
# As long a text as the page takes: another attack begins and ends meanwhile, on a fast machine too.
LONG = " ".join([SENTENCE] * 22)


def ready(page: Page, models: int = MODELS) -> Page:
    """Wait until every chosen model has said what it thinks."""
    expect(page.locator(".rx-chip b")).to_have_count(models, timeout=240_000)
    return page


def type_review(page: Page, text: str) -> None:
    box = page.get_by_role("textbox", name="Type a review")
    box.fill(text)
    box.press("Control+Enter")


def attack(page: Page) -> None:
    page.get_by_role("button", name="Attack", exact=True).click()


def finished(page: Page) -> Page:
    expect(page.get_by_text("Finished ·")).to_be_visible(timeout=240_000)
    # The line above the story is drawn before the story is.
    expect(page.locator(".rx-lines .rx-badge", has_text="attacking")).to_have_count(0)
    return page


def open_details(page: Page) -> Page:
    """Open what stands behind the story: the cards, their curves and their tables."""
    page.get_by_text("Each search: its text").click()
    expect(page.locator(".rx-head").first).to_be_visible()
    return page


def explained(page: Page) -> Page:
    expect(finished(page).locator(".rx-table td", has_text="τ")).to_have_count(MODELS, timeout=240_000)
    return page


def badges(page: Page) -> list[str]:
    """Return how the attack on each model ended, by the lines of the story."""
    return page.locator(".rx-lines td:nth-child(2) .rx-badge:first-child").all_inner_texts()


@pytest.fixture
def attacked(new_page) -> Page:
    page = ready(new_page("/?attack=textfooler"))
    type_review(page, REVIEW)
    expect(page.locator(".rx-chip b").first).to_contain_text("Positive")
    attack(page)
    return explained(page)


def test_a_review_is_flipped_and_explained(attacked):
    assert len(badges(attacked)) == MODELS and "flipped" in badges(attacked)
    expect(attacked.locator(".rx-story ins").first).to_be_in_viewport()
    assert attacked.locator(".rx-story del").count() > 0
    assert attacked.locator(".rx-lines").evaluate("e => e.getBoundingClientRect().bottom") <= 900
    expect(open_details(attacked).locator(".rx-head .rx-badge")).to_have_count(MODELS)
    assert attacked.locator(".rx-head .rx-badge").all_inner_texts() == badges(attacked)
    expect(attacked.locator(".stPlotlyChart")).to_have_count(MODELS)
    expect(attacked.locator(".rx-table tbody tr")).to_have_count(MODELS)
    swapped = attacked.locator(".rx-table tbody tr").first.locator("td").nth(1).locator(".swapped").first
    assert swapped.get_attribute("data-tip").startswith("was ")
    swapped.hover()
    shown = swapped.evaluate("e => getComputedStyle(e, '::before').content")
    assert shown.startswith('"was ')
    colours = attacked.locator(".rx-table .w.for, .rx-table .w.against").count()
    assert colours >= MODELS * len(REVIEW.split())


CONTRASTS = """words => {
  const light = c => { const [r, g, b] = c.map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                       return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parse = text => { const n = text.match(/[\\d.]+(e-?\\d+)?/g).map(Number);
                          const unit = text.startsWith("color(") ? 1 : 255;
                          return [n.slice(0, 3).map(v => v / unit), n.length > 3 ? n[3] : 1]; };
  const page = parse(getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor)[0];
  return words.map(e => {
    const [ink, opacity] = parse(getComputedStyle(e).backgroundColor);
    const [text] = parse(getComputedStyle(e).color);
    const under = ink.map((v, i) => opacity * v + (1 - opacity) * page[i]);
    const [a, b] = [light(text), light(under)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_on_strips_stays_readable(new_page, scheme):
    page = ready(new_page(scheme=scheme))
    attack(page)
    explained(page)
    contrasts = page.locator(".rx-table .w.for, .rx-table .w.against").evaluate_all(CONTRASTS)
    assert len(contrasts) >= 30 and min(contrasts) >= 4.5


def test_the_first_example_flips_one_model_by_swaps_that_keep_the_meaning(new_page):
    page = ready(new_page())
    expect(page.get_by_role("radio", name="Careful")).to_be_checked()
    attack(page)
    finished(page)
    assert badges(page) == ["flipped", "held", "held"]
    expect(page.get_by_text("May have changed the meaning")).to_have_count(0)
    page.get_by_role("radio", name="Paper").click()
    expect(page).to_have_url(re.compile("attack=textfooler"))


def test_predictions_follow_the_typing(new_page):
    page = ready(new_page())
    box = page.get_by_role("textbox", name="Type a review")
    box.click()
    page.keyboard.press("Control+A")
    box.press_sequentially("A wonderful film, a great joy")
    # The box is not left, and no key sends it.
    expect(page.locator(".rx-chip b").first).to_contain_text("Positive")
    box.press_sequentially(" until the end", delay=50)
    expect(page).to_have_url(re.compile("until"))
    expect(box).to_have_value("A wonderful film, a great joy until the end")
    expect(box).to_be_focused()


def test_a_long_attack_is_stopped(new_page):
    page = ready(new_page("/?attack=textfooler"))
    page.get_by_text("Settings of TextFooler").click()
    words = page.get_by_role("spinbutton", name="Min text similarity")
    words.fill("0.999")
    words.press("Enter")
    type_review(page, LONG)
    expect(page.locator(".rx-chip b").first).to_be_visible()
    attack(page)
    expect(page.get_by_text("Attacking ·")).to_be_visible()
    expect(page.locator(".rx-lines .rx-badge", has_text="attacking").first).to_be_visible()
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_enabled()
    began = time.monotonic()
    stop.click()
    finished(page)
    assert time.monotonic() - began < 10
    assert "stopped" in badges(page)
    expect(open_details(page).get_by_text("Stopped before").first).to_be_visible()


def test_two_people_attack_at_once(new_page):
    # Gene goes through generations, so that it is still under way when the short attack ends, also on a slow machine.
    first, second = ready(new_page("/?attack=gene;min_text_similarity=0.999")), ready(new_page())
    type_review(first, LONG)
    attack(first)
    expect(first.get_by_text("Attacking ·")).to_be_visible()
    type_review(second, REVIEW)
    attack(second)
    finished(second)
    assert first.get_by_text("Attacking ·").is_visible(), "the short attack waited for the long one"
    first.get_by_role("button", name="Stop", exact=True).click()
    finished(first)
    expect(first.locator(".rx-lines .rx-badge", has_text="stopped").first).to_be_visible()
    assert "stopped" not in badges(second)


def test_the_adversarial_text_is_edited_by_hand(attacked):
    box = attacked.get_by_role("textbox", name="Edit the adversarial text yourself")
    box.fill("a dull and tedious film with a terrible cast")
    box.press("Control+Enter")
    expect(attacked.get_by_text("Edited by hand.")).to_be_visible()
    row = attacked.locator(".rx-table tbody tr").first
    expect(row.locator("td").nth(1)).to_contain_text("tedious")
    expect(row.locator("td").nth(2)).to_contain_text("Negative")
    expect(row.locator("td").nth(3)).to_contain_text("τ")
    attacked.get_by_role("button", name="Back to the attack's text").click()
    expect(attacked.get_by_text("Edited by hand.")).to_have_count(0)


def test_a_search_is_replayed_by_keyboard_and_thumb(attacked):
    attacked.get_by_text("Replay, step by step").click()
    slider, shown = attacked.get_by_role("slider"), attacked.locator("[aria-label^='Text at step']")
    expect(attacked.get_by_text("The original text: Positive")).to_be_visible()
    expect(shown).to_have_text(REVIEW)
    slider.press("ArrowRight")
    expect(attacked.get_by_text("Ranking words, ")).to_be_visible()
    slider.press("End")
    expect(shown.locator(".swapped").first).to_be_visible()
    expect(attacked.get_by_role("button", name="Next", exact=True)).to_be_disabled()
    attacked.set_viewport_size({"width": 390, "height": 900})
    attacked.get_by_role("button", name="Back", exact=True).click()
    expect(attacked.get_by_text(re.compile(r"^Tried \d+ words? for “"))).to_be_visible()
    over = attacked.locator("[data-testid=stMain], html").evaluate_all(
        "es => es.map(e => e.scrollWidth - e.clientWidth)")
    assert max(over) <= 0


def test_a_guard_puts_hidden_characters_right(new_page):
    page = ready(new_page("/?attack=bad-characters&models=sst2/cnn/base"), 1)
    attack(page)
    finished(page)
    page.get_by_text("Would a guard have caught it?").click()
    table = page.locator("table[aria-label=Guards]")
    expect(table.locator("td").first).to_contain_text("put right", timeout=60_000)
    # Without a data set's clean texts the others say what they lack.
    expect(table.get_by_text("looking …")).to_have_count(0, timeout=120_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_downloads(attacked):
    saved = {}
    for name in ("JSON", "CSV", "HTML"):
        with attacked.expect_download() as download:
            attacked.get_by_role("button", name=name, exact=True).click()
        saved[name] = open(download.value.path(), encoding="utf-8").read()
    assert len(json.loads(saved["JSON"])["outcome"]["results"]) == MODELS
    assert len(list(csv.DictReader(io.StringIO(saved["CSV"])))) == MODELS
    assert not re.search(r"src\s*=|href\s*=(?!\s*.#)|<script", saved["HTML"]) and "wonderful" in saved["HTML"]


def test_a_permalink_opens_in_another_browser(attacked, new_page):
    table = attacked.locator(".rx-table").inner_text()
    attacked.get_by_role("button", name="Link", exact=True).click()
    expect(attacked.locator("code", has_text="?view=")).to_be_visible()
    link = attacked.url
    assert re.search(r"\?view=[\w-]{16}$", link)
    other = new_page(link[link.index("/", 8):])
    expect(other.get_by_role("textbox", name="Type a review")).to_have_value(REVIEW)
    explained(other)
    assert other.locator(".rx-table").inner_text() == table
    assert badges(other) == badges(attacked)


def test_pages_and_reload_keep_what_was_done(attacked):
    before = badges(attacked)
    attacked.get_by_role("link", name="Models").click()
    expect(attacked.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    expect(attacked.locator("[data-testid=stDataFrame]").first).to_be_visible()
    attacked.get_by_role("link", name="About").click()
    expect(attacked.get_by_text("How to read a card")).to_be_visible()
    attacked.get_by_role("link", name="Attack").click()
    expect(attacked.get_by_role("textbox", name="Type a review")).to_have_value(REVIEW)
    assert badges(finished(attacked)) == before
    attacked.reload()
    expect(attacked.get_by_role("textbox", name="Type a review")).to_have_value(REVIEW)
    assert badges(finished(attacked)) == before


def test_a_page_can_be_opened_by_its_own_address(new_page):
    page = new_page("/about")
    expect(page.get_by_text("How to read a card")).to_be_visible()
    expect(page.get_by_role("link", name="Attack")).to_be_visible()


@pytest.mark.parametrize("text, line", [
    ("   ", "The text is empty: type a sentence."),
    ("good " * 10_000, "The text is too long: 10,000 words; 400 are the limit."),
])
def test_unusable_text_is_one_line(new_page, text, line):
    page = ready(new_page())
    type_review(page, text)
    expect(page.get_by_text(line)).to_be_visible()
    attack(page)
    expect(page.get_by_text(line)).to_be_visible()
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


@pytest.mark.parametrize("text", ["<script>document.title='gone'</script> a good film", "😀 a good film 😀",
                                  "فيلم جيد a good film", "[MASK] [SEP] a good film", "good"])
def test_odd_text_is_attacked_like_any_other(new_page, text):
    page = ready(new_page())
    type_review(page, text)
    ready(page)
    attack(page)
    finished(page)
    expect(page.locator("[data-testid=stException], [data-testid=stAlert]")).to_have_count(0)
    assert page.title() != "gone" and len(badges(page)) == MODELS


@pytest.mark.parametrize("path", ["/", "/train", "/models", "/about"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(new_page, path, width):
    page = new_page(path, width=width, scheme="dark")
    expect(page.locator("h1")).to_be_visible()
    if path == "/":
        attack(ready(page))
        explained(page)
    over = page.locator("[data-testid=stMain], html").evaluate_all("es => es.map(e => e.scrollWidth - e.clientWidth)")
    assert max(over) <= 0


@pytest.mark.parametrize("width", [390, 1280])
def test_a_cell_of_the_table_leads_to_its_card(new_page, width):
    page = ready(new_page("/?attack=textfooler,pwws&models=sst2/cnn/base,sst2/lstm/base", width=width), 2)
    type_review(page, REVIEW)
    expect(page.locator(".rx-chip b").first).to_contain_text("Positive")
    attack(page)
    cells = open_details(finished(page)).locator("a.rx-cell")
    expect(cells).to_have_count(4)
    # "Finished" stands above the table, which the browser redraws a moment later.
    expect(cells.last).to_have_attribute("aria-label", re.compile(r"^PWWS on LSTM · base: (flipped|held)"))
    cells.last.focus()
    page.keyboard.press("Enter")
    chosen = page.locator(".rx-head").filter(has_text="LSTM · base, PWWS")
    expect(chosen).to_have_css("outline-style", "solid")
    # Fluency comes after the result, on each card whose text has changed, and so does transfer.
    expect(page.get_by_text(re.compile("pseudo-perplexity [0-9,]+ → [0-9,]+")).first).to_be_visible()
    expect(page.get_by_role("region", name="Transfer between models")).to_be_visible()
    expect(page.get_by_text(re.compile("Measuring fluency|Testing the text"))).to_have_count(0)
    marked = page.locator(".rx-head").evaluate_all(
        "es => es.filter(e => getComputedStyle(e).outlineStyle === 'solid').map(e => e.innerText)")
    assert len(marked) == 1 and "LSTM · base, PWWS" in marked[0], "a card that is drawn again stays the one chosen"
    # What was drawn meanwhile may have moved the card.
    cells.last.focus()
    page.keyboard.press("Enter")
    expect(chosen).to_be_in_viewport()
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth")


def test_on_a_phone_the_sidebar_closes_behind_its_link_and_the_examples_fit(new_page):
    page = ready(new_page(width=390))
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebar").get_by_role("link", name="About").click()
    expect(page.locator("h1", has_text="About")).to_be_in_viewport()
    expect(page.get_by_test_id("stExpandSidebarButton")).to_be_visible()
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Attack").click()
    page.get_by_role("button", name="Examples").click()
    page.get_by_text("the plot is thin and the jokes fall flat").click()
    expect(page.get_by_role("textbox", name="Type a review")).to_have_value("the plot is thin and the jokes fall flat")
    expect(page.get_by_role("radio", name="the plot is thin")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
