"""A learner at the Lessons page, in Chromium: every lesson answered right and wrong, the projector's keys, a phone."""

import re

import pytest
from helpers import lessons as truth
from playwright.sync_api import expect

from robust_core.lessons.reader import list_lessons
from robust_core.lessons.steps import ByHand, Choose, Judge, Type
from ui.lessons.guesses import list_options, name_option
from ui.lessons.progress import Place

LESSONS = {lesson.id: lesson for lesson in list_lessons().lessons}
LONG = 240_000
NEGATIVE, POSITIVE = "This is a dull and awful film, a tedious waste.", "This is a wonderful film, a great joy."
RIGHT, WRONG = re.compile(r"You were right\."), re.compile(r"Not this time\.")


def find(page, key: str):
    """The part of the page that a key names."""
    return page.locator(".st-key-" + re.sub(r"[^\w-]", "-", key))


def press(page, key: str) -> None:
    button = find(page, key).get_by_role("button")
    # While a page is drawn anew, what stood elsewhere before stands there a moment longer.
    expect(button).to_have_count(1, timeout=LONG)
    button.click(timeout=LONG)


def answer(page, place: Place, right: bool) -> None:
    step, key = place.step, place.key
    if isinstance(step, Choose):
        option = next(o for o in step.options if o.right == right)
        find(page, f"{key}.option").get_by_text(option.text, exact=True).click(timeout=LONG)
        expect(page.get_by_text("Right." if right else "Not quite.", exact=True)).to_be_visible(timeout=LONG)
    elif isinstance(step, Type):
        flips, keeps = (NEGATIVE, POSITIVE) if "wonderful" in step.review else (POSITIVE, NEGATIVE)
        box = page.get_by_label("Your text")
        box.fill(flips if right else keeps)
        box.press("Control+Enter")
        expect(page.get_by_text(re.compile("Done|still says")).first).to_have_text(
            re.compile("Done" if right else "still says"), timeout=LONG)
    elif isinstance(step, ByHand):
        play(page, place, right)
    elif getattr(step, "guess", None) is not None:
        found = truth.find_truth(step) if not isinstance(step, Judge) else {"10" if right else "0"}
        chosen = sorted(found) if right or isinstance(step, Judge) else truth.choose_wrong(
            step, found, list_options(place, getattr(step, "review", "")))
        for each in chosen:
            find(page, f"{key}.guess").get_by_text(name_option(place, each), exact=True).click(timeout=LONG)
        press(page, f"{key}.run")
        for number in range(10 if isinstance(step, Judge) else 0):
            expect(page.get_by_text(f"Text {number + 1} of 10")).to_be_visible(timeout=LONG)
            press(page, f"{key}.y")
        expect(page.get_by_text(RIGHT if right else WRONG)).to_be_visible(timeout=LONG)


def play(page, place: Place, right: bool) -> None:
    result = truth.attack(place.step.model, place.step.review)
    beaten = right and result.status == "succeeded"
    words = re.findall(r"[\w'-]+", place.step.review)
    for old, new in truth.list_swapped(result) if beaten else [(words[2], "not")]:
        find(page, f"{place.key}.word").get_by_text(old, exact=True).click(timeout=LONG)
        box = page.get_by_label(re.compile("What shall stand there"))
        box.fill(new)
        box.press("Enter")
        expect(page.get_by_label("Your text").get_by_text(new, exact=True)).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile("You did it" if beaten else "May have changed the meaning"))
           ).to_be_visible(timeout=LONG)


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_a_lesson_is_walked(new_page, name, right):
    lesson = LESSONS[name]
    page = new_page("/lessons")
    press(page, f"lessons.open.{name}")
    for number, step in enumerate(lesson.steps, 1):
        expect(page.get_by_text(f"step {number} of {len(lesson.steps)}")).to_be_visible(timeout=LONG)
        expect(page.get_by_role("heading", name=step.title)).to_be_visible(timeout=LONG)
        answer(page, Place(lesson, number), right)
        press(page, "lessons.next")
    expect(find(page, f"lessons.open.{name}")).to_be_visible(timeout=LONG)


def test_the_next_step_begins_at_the_top_and_a_link_brings_all_back(new_page):
    page = new_page("/lessons?lesson=adversarial-example&step=3")
    answer(page, Place(LESSONS["adversarial-example"], 3), True)
    expect(page).to_have_url(re.compile("answers=.*rare"), timeout=LONG)
    address = page.url
    press(page, "lessons.next")
    expect(page.get_by_text("step 4 of 6")).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stMain")).to_have_js_property("scrollTop", 0)
    other = new_page(address[address.index("/lessons"):])
    expect(other.get_by_text(RIGHT)).to_be_visible(timeout=LONG)
    expect(other.get_by_text("You said:")).to_be_visible()


def test_the_projector_s_keys_go_on_back_and_reveal(new_page):
    page = new_page("/lessons?lesson=adversarial-example&step=4&present=1", width=1920)
    expect(page.get_by_text("step 4 of 6")).to_be_visible(timeout=LONG)
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    heading = page.get_by_role("heading", name="What went wrong?")
    assert heading.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") > 40
    # A key does what its button does, and the button stands last on the page: it is there, and of this step, first.
    reveal = find(page, "lessons.reveal").get_by_role("button")
    expect(reveal).to_be_enabled(timeout=LONG)
    page.keyboard.press("a")
    expect(page.get_by_text("It has no idea that two words mean nearly the same.", exact=False)).to_be_visible(
        timeout=LONG)
    expect(reveal).to_be_disabled(timeout=LONG)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("step 5 of 6")).to_be_visible(timeout=LONG)
    expect(reveal).to_be_enabled(timeout=LONG)
    page.keyboard.press("a")
    expect(page.get_by_text(re.compile("changed the answer"))).to_be_visible(timeout=LONG)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("step 4 of 6")).to_be_visible(timeout=LONG)


@pytest.mark.parametrize("path", ["", "?lesson=adversarial-example&step=5", "?lesson=same-answer-other-reason&step=3",
                                  "?lesson=by-hand&step=3", "?lesson=same-meaning&step=3"])
def test_a_phone_shows_everything_in_its_width(new_page, path):
    page = new_page(f"/lessons{path}", width=390, scheme="dark")
    expect(find(page, "lessons.skip" if path else "lessons.open.proof")).to_be_visible(timeout=LONG)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_test_id("stMain").evaluate("e => e.scrollWidth") <= 390
