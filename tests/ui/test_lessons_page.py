"""The Lessons page: every lesson answered right and wrong on the shipped models, its link, what is kept and hidden."""

import dataclasses
import json
import re
import time

import pytest
import streamlit as st
from helpers import lessons as truth
from streamlit.testing.v1 import AppTest

from robust_core.certify.word_swaps import WordCertifier
from robust_core.jobs.manager import BROKEN
from robust_core.lessons.answers import Answer
from robust_core.lessons.reader import list_lessons
from robust_core.lessons.steps import Attack, ByHand, Choose, Judge, Type, is_run
from robust_core.paths import ROOT
from robust_core.resources.swap_sets import read_swap_set
from ui import warm_up
from ui.lessons import guesses, hands, progress, proofs
from ui.lessons.progress import Place
from ui.session import attack
from ui.session.selection import PAGE_LINK
from ui.shared import loaded

LESSONS = {lesson.id: lesson for lesson in list_lessons().lessons}
PAGE = str(ROOT / "pages" / "7_Lessons.py")
NEGATIVE = "This is a dull and awful film, a tedious waste of time."
POSITIVE = "This is a wonderful and moving film, a great joy."
RIGHT = ("**Right.**", "**You were right.**", "**Done.**", "**You did it**")
WRONG = ("**Not quite.**", "**Not this time.**", "Try another change", "not fairly", "still says")


@pytest.fixture(autouse=True)
def no_warm_up(monkeypatch):
    monkeypatch.setattr(warm_up, "warm_up", lambda: None)
    # Whatever another test has put in the place of models and jobs, and closed.
    st.cache_resource.clear()
    yield
    for job in loaded.get_jobs().jobs():
        loaded.get_jobs().stop(job.id)


def open_lesson(name: str, number: int = 1, **more: str) -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=120)
    at.query_params.update({"lesson": name, "step": str(number)} | more)
    return settle(at)


def shown(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.warning, *at.info, *at.success, *at.html, *at.subheader]
    return "\n".join(str(e.value) for e in parts if not str(e.value).startswith("<script")).replace("\u00a0", " ")


def settle(at: AppTest) -> AppTest:
    """Run until nothing is loading or running any more, and nothing changes: a part may end while it is drawn."""
    before = ""
    for _ in range(600):
        at.run()
        assert not at.exception, at.exception
        text = shown(at)
        assert BROKEN not in text, text
        if not any(word in text for word in ("loading", "explaining …", "Running. The result")) and \
                not any(metric.value == "…" for metric in at.metric):
            if text == before:
                return at
            before = text
            continue
        time.sleep(0.05)
    raise AssertionError(shown(at))


def has(at: AppTest, key: str) -> bool:
    return any(button.key == key for button in at.button)


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click()
    return settle(at)


def guess(at: AppTest, place: Place, right: bool) -> AppTest:
    options = guesses.list_options(place, progress_text(place))
    found = truth.find_truth(place.step)
    chosen = sorted(found) if right else truth.choose_wrong(place.step, found, options)
    several = place.step.guess.ask in ("models", "changed")
    pills = at.pills(key=f"{place.key}.guess")
    assert has(at, f"{place.key}.run") and at.button(key=f"{place.key}.run").disabled, "the guess comes first"
    pills.set_value(chosen if several else chosen[0])
    return press(settle(at), f"{place.key}.run")


def progress_text(place: Place) -> str:
    return getattr(place.step, "review", "")


def answer(at: AppTest, place: Place, right: bool) -> AppTest:
    """Do what a step waits for; what the page says of it is checked."""
    step = place.step
    if isinstance(step, Choose):
        at.radio(key=f"{place.key}.option").set_value(next(i for i, o in enumerate(step.options) if o.right == right))
        settle(at)
    elif isinstance(step, Type):
        # Goals of the lessons shipped: from positive to negative, and from negative to positive.
        flips = NEGATIVE if "wonderful" in step.review else POSITIVE
        keeps = POSITIVE if flips == NEGATIVE else NEGATIVE
        at.text_area(key=f"{place.key}.typed").set_value(flips if right else keeps)
        settle(at)
    elif isinstance(step, ByHand):
        return play(at, place, right)
    elif isinstance(step, Judge):
        return judge(at, place, right)
    elif is_run(step) and step.guess is not None:
        guess(at, place, right)
    else:
        return at
    said = " ".join(str(e.value) for e in [*at.success, *at.info, *at.warning])
    assert any(mark in said for mark in (RIGHT if right else WRONG)), said
    assert not any(mark in said for mark in (WRONG if right else RIGHT)), said
    return at


def play(at: AppTest, place: Place, right: bool) -> AppTest:
    step = place.step
    result = truth.attack(step.model, step.review)
    words = step.review.replace(".", "").replace(",", "").split()
    swaps = truth.list_swapped(result) if right and result.status == "succeeded" else truth.find_idle_swap(step)
    for old, new in swaps:
        at.pills(key=f"{place.key}.word").set_value(words.index(old))
        settle(at)
        at.selectbox(key=f"{place.key}.new.{words.index(old)}").set_value(new)
        settle(at)
    text = shown(at)
    if right and result.status == "succeeded":
        assert "**You did it**" in text, text
    else:
        assert "**You did it**" not in text, text
        assert not swaps or "still says" in text, text
    press(at, f"{place.key}.run")
    assert re.search(r"The attack (needed \d|found nothing)", shown(at))
    return at


def judge(at: AppTest, place: Place, right: bool) -> AppTest:
    verdicts = "yyyyynnnyn"
    at.pills(key=f"{place.key}.guess").set_value(str(verdicts.count("y")) if right else "0")
    press(settle(at), f"{place.key}.run")
    for number, verdict in enumerate(verdicts):
        if number == 3:
            # One text back, and again.
            press(at, f"{place.key}.back")
            press(at, f"{place.key}.{verdicts[2]}")
        assert "Careful" not in shown(at) and "Paper" not in shown(at), "the presets are hidden"
        press(at, f"{place.key}.{verdict}")
    text = shown(at)
    assert ("**You were right.**" if right else "**Not this time.**") in text
    assert "You found 6 of 10 texts to mean the same." in text
    found = re.findall(r'row">(\w+)</th><td[^>]*>(\d+) %, (\d+) of (\d+) flipped</td><td[^>]*>(\d) of 5 judged</td>'
                       r"<td[^>]*><b>(\d+) % ± \d+</b>", text)
    assert [row[0] for row in found] == ["Careful", "Paper"]
    for _, raw, flipped, attacked, kept, valid in found:
        share = int(flipped) / int(attacked)
        assert int(raw) == round(100 * share) and int(valid) == round(100 * share * int(kept) / 5)
    assert int(found[0][1]) < int(found[1][1])
    return at


@pytest.mark.parametrize("name", LESSONS)
@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
def test_a_lesson_is_walked(name, right):
    lesson = LESSONS[name]
    at = open_lesson(name)
    for number in range(1, len(lesson.steps) + 1):
        place = Place(lesson, number)
        if number < len(lesson.steps) and (is_run(place.step) or isinstance(place.step, Choose | Type)):
            assert has(at, "lessons.skip") and not has(at, "lessons.next"), "it waits, and has a way on all the same"
        answer(at, place, right)
        if number < len(lesson.steps):
            assert has(at, "lessons.next") and not has(at, "lessons.skip")
            press(at, "lessons.next")
    assert "predictions" in shown(at) or not any(getattr(step, "guess", None) for step in lesson.steps)
    press(at, "lessons.next")
    assert {button.key for button in at.button} == {"lessons.attack", *(f"lessons.open.{each}" for each in LESSONS)}


def test_every_lesson_can_be_skipped_through():
    for name, lesson in LESSONS.items():
        at = open_lesson(name)
        for _ in range(len(lesson.steps) - 1):
            press(at, "lessons.skip" if has(at, "lessons.skip") else "lessons.next")
        assert has(at, f"lessons.{name}.{len(lesson.steps)}.restart")


def test_the_example_of_case_a_b_and_c_is_found_live():
    step = LESSONS["same-answer-other-reason"].steps[2]
    assert {kind for kind, _ in truth.compare(step).values()} == {"A", "B", "C"}


def test_going_back_keeps_answers_and_results():
    name, step = "adversarial-example", LESSONS["adversarial-example"].steps[2]
    at = guess(open_lesson(name, 3), Place(LESSONS[name], 3), True)
    before = shown(at)
    press(at, "lessons.next")
    at.radio(key=f"lessons.{name}.4.option").set_value(0)
    settle(at)
    press(at, "lessons.back")
    assert shown(at) == before and "You said: **rare**" in before and truth.find_truth(step) == {"rare"}
    press(at, "lessons.next")
    assert at.radio(key=f"lessons.{name}.4.option").value == 0
    press(at, "lessons.list")
    press(at, f"lessons.open.{name}")
    assert at.radio(key=f"lessons.{name}.4.option").value == 0, "the list leads back to the step"
    for key in ("next", "skip"):
        press(at, f"lessons.{key}")
    press(at, f"lessons.{name}.6.restart")
    assert at.button(key="lessons.back").disabled and at.session_state["lessons.answers"] == {}


def test_a_link_brings_the_lesson_back_and_runs_what_had_been_run():
    name = "adversarial-example"
    at = guess(open_lesson(name, 3), Place(LESSONS[name], 3), False)
    found = at.session_state[PAGE_LINK]
    assert found["lesson"] == name and found["step"] == "3" and json.loads(found["answers"])["3"]["d"] == 1
    st.cache_resource.clear()
    new = open_lesson(name, 3, answers=found["answers"])
    assert "**Not this time.**" in shown(new) and new.session_state[PAGE_LINK] == found
    assert [h.value for h in new.html] == [h.value for h in at.html]


@pytest.mark.parametrize("more", [{"answers": "[" * 3000}, {"answers": '{"3":{"g":["nonsense"]}}'}, {"step": "99"},
                                  {"answers": "x" * 5000}, {"step": "-1"}, {"answers": '{"3":{"x":1}}'}])
def test_a_link_that_does_not_fit_is_one_line(more):
    at = open_lesson("adversarial-example", **({"step": "3"} | more))
    assert at.session_state["said"][0] == (
        "The link does not fit this lesson in all parts: what fits is here, the rest is left out.")
    assert at.session_state["lessons.answers"] == {"adversarial-example": {}} and has(at, "lessons.back")


def test_a_link_to_no_lesson_is_one_line():
    at = open_lesson("<script>alert(1)</script>")
    assert at.session_state["said"][0].startswith("Unknown lesson '<script>")
    assert has(at, "lessons.open.proof")


def test_controls_are_hidden_unless_the_lesson_shows_them(tmp_path, monkeypatch):
    (tmp_path / "open.yaml").write_text("title: Open\ngoal: See the sidebar.\nminutes: 1\ncontrols: shown\nsteps:\n"
                                        "  - summary: {title: End, points: [Done.]}\n")
    monkeypatch.setenv("ROBUST_LESSONS", str(tmp_path))
    at = settle(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60))
    assert at.sidebar.multiselect
    at = settle(at.switch_page("pages/7_Lessons.py"))
    assert not at.sidebar.multiselect and "lesson" not in at.query_params
    press(at, "lessons.open.proof")
    assert not at.sidebar.multiselect and at.query_params["lesson"] in ("proof", ["proof"])
    press(at, "lessons.list")
    press(at, "lessons.open.open")
    assert at.sidebar.multiselect
    at = settle(at.switch_page("pages/1_Attack.py"))
    assert at.sidebar.multiselect and "lesson" not in at.query_params


def test_a_broken_file_is_one_line_beside_the_others(tmp_path, monkeypatch):
    (tmp_path / "new.yaml").write_text("title: New\ngoal: One.\nminutes: 5\nsteps:\n  - reed: {title: A, text: B}\n")
    monkeypatch.setenv("ROBUST_LESSONS", str(tmp_path))
    at = settle(AppTest.from_file(PAGE, default_timeout=60))
    assert len(at.warning) == 1 and "new.yaml, line 5:" in at.warning[0].value.replace("\\", "")
    assert len([b for b in at.button if b.key.startswith("lessons.open.")]) == len(LESSONS)


def test_the_presenter_reveals_without_a_guess():
    name = "adversarial-example"
    at = open_lesson(name, 3, present="1")
    assert at.toggle(key=progress.PRESENT).value and has(at, "lessons.next")
    press(at, "lessons.reveal")
    assert "The attack swapped" in shown(at) and "**You were right.**" not in shown(at)
    press(at, "lessons.next")
    press(at, "lessons.reveal")
    assert any(option.right and option.text[:30] in shown(at).replace("\\", "")
               for option in LESSONS[name].steps[3].options)
    at.toggle(key=progress.PRESENT).set_value(False)
    assert not has(settle(at), "lessons.reveal")


def test_an_attack_can_be_stopped_and_run_again(monkeypatch):
    real = attack._run_attacks

    def slow(asked, stop):
        for event in real(asked, stop):
            if stop.wait(0.3):
                return
            yield event

    monkeypatch.setattr(attack, "_run_attacks", slow)
    name, place = "adversarial-example", Place(LESSONS["adversarial-example"], 3)
    at = open_lesson(name, 3)
    at.pills(key=f"{place.key}.guess").set_value("rare")
    settle(at)
    at.button(key=f"{place.key}.run").click().run()
    at.button(key=f"{place.key}.stop").click().run()
    at = settle(at)
    assert has(at, f"{place.key}.again") and "**You were right.**" not in shown(at)
    monkeypatch.setattr(attack, "_run_attacks", real)
    assert "**You were right.**" in shown(press(at, f"{place.key}.again"))


def test_what_is_typed_is_attacked_and_odd_text_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "typed.yaml").write_text(
        "title: Typed\ngoal: One.\nminutes: 5\nsteps:\n"
        "  - type: {title: Type, review: A good film., models: [sst2/cnn/base]}\n"
        "  - attack: {title: Attack it, typed: yes, models: [sst2/cnn/base], guess: {ask: word, question: Which one}}\n"
        "  - summary: {title: End, points: [Done.]}\n")
    monkeypatch.setenv("ROBUST_LESSONS", str(tmp_path))
    at = open_lesson("typed")
    at.text_area(key="lessons.typed.1.typed").set_value("  \n ")
    assert len(settle(at).warning) == 1
    at.text_area(key="lessons.typed.1.typed").set_value("A [shrewd](http://evil.example) <b>clever</b> comedy.")
    assert not settle(at).warning
    press(at, "lessons.next")
    text = shown(at)
    assert "shrewd" in text and "<b>c" not in text
    assert "clever" in at.pills(key="lessons.typed.2.guess").options
    assert isinstance(list_lessons().lessons[-1].steps[1], Attack)


def test_an_article_follows_the_word_and_goes_with_it(tmp_path, monkeypatch):
    (tmp_path / "game.yaml").write_text(
        "title: Game\ngoal: One.\nminutes: 5\nsteps:\n"
        "  - by_hand: {title: Play, review: This is a smart and entertaining film., model: sst2/cnn/base}\n"
        "  - summary: {title: End, points: [Done.]}\n")
    monkeypatch.setenv("ROBUST_LESSONS", str(tmp_path))
    at = open_lesson("game")
    at.pills(key="lessons.game.1.word").set_value(3)
    settle(at)
    at.selectbox(key="lessons.game.1.new.3").set_value("intelligent")
    settle(at)
    assert at.session_state["lessons.answers"]["game"][1]["swaps"] == ((2, "an"), (3, "intelligent"))
    assert [m.value for m in at.metric][0] == "1", "the article is no swap of its own"
    assert hands.write_text("This is a smart film.", Answer(swaps=((2, "an"), (3, "intelligent")))) == \
        "This is an intelligent film."
    press(at, "lessons.game.1.back")
    assert at.session_state["lessons.answers"]["game"][1]["swaps"] == () and not at.metric


def test_a_proof_is_said_in_plain_words():
    certify = WordCertifier(truth.get_model("sst2/additive/close"), read_swap_set("wide")).certify
    texts = ["Not even the lovely island scenery can save this soggy romance.", "Bad, bad, bad.", "the of"]
    said = [proofs.describe(certify(text), "Negative") for text in texts]
    assert all(line.startswith("It is ") for line in said) and any("not proved" in line for line in said)
    found = dataclasses.replace(certify(texts[0]), certified=True, texts=10**400)
    assert "more than 1,000,000,000,000,000 texts" in proofs.describe(found, "Negative")
