"""The Judge page: judging blind, going back and on, result, all judges, runs and files; what is kept and for whom."""

import json
import re

import pytest
import streamlit as st
from helpers.results import RUN, result
from streamlit.testing.v1 import AppTest

from robust_core import owners
from robust_core.errors import BadInput
from robust_core.jobs.manager import BROKEN
from robust_core.judging.items import choose_items
from robust_core.judging.kept import find_file, read_content, read_kept
from robust_core.judging.records import to_record
from robust_core.judging.shipped import READER, read_reading
from robust_core.paths import ROOT
from robust_core.store import ResultStore
from ui.judge import choosing, everyone, page, reading
from ui.judge.choosing import FILE, RUNS

SOURCE, SHIPPED = read_reading()
ITEMS = choose_items(SOURCE, 20, 8, 0)
HIDDEN = ("careful", "paper", "TextFooler", "textfooler", "cnn", "CNN", "MiniLM", "minilm", "original:", "Original ")


@pytest.fixture(autouse=True)
def no_caches():
    st.cache_resource.clear()


def open_page(**state) -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "8_Judge.py"), default_timeout=60)
    for key, value in state.items():
        at.session_state[f"judge.{key}"] = value
    return run(at)


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    assert BROKEN not in [w.value for w in at.warning]
    return at


def shown(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.warning, *at.info, *at.success, *at.html, *at.subheader]
    return "\n".join(str(e.value) for e in parts if not str(e.value).startswith("<style")).replace("\u00a0", " ")


def find_item(at: AppTest):
    """The text that is shown, as an item of the draw."""
    text = next(e.value for e in at.html if "rx-judged" in e.value and not e.value.startswith("<style"))
    return next(item for item in ITEMS if item.text.replace("'", "&#x27;").replace('"', "&quot;") in text)


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click()
    return run(at)


def judge(at: AppTest, says: str, passable: bool, english_first: bool = False) -> AppTest:
    item = find_item(at)
    label = f"judge.says.{item.id}.{[*SOURCE.labels, 'unclear'].index(says) + 1}"
    keys = [label, f"judge.english.{item.id}.{'Y' if passable else 'N'}"]
    for key in reversed(keys) if english_first else keys:
        press(at, key)
    return at


def view(at: AppTest, name: str) -> AppTest:
    at.session_state[page.VIEW] = name
    return run(at)


def name_judge(at: AppTest) -> str:
    return at.text_input(key="judge.name").value


def test_the_page_opens_on_the_first_text_of_the_shipped_reading_without_a_sign_of_its_origin():
    at = open_page()
    assert find_item(at) == ITEMS[0]
    assert re.fullmatch(r"Judge [0-9a-f]{4}", name_judge(at))
    assert not any(word in shown(at) + " ".join(b.label for b in at.button) for word in HIDDEN)
    assert at.button(key="judge.back").disabled and at.button(key="judge.stop").disabled


def test_all_texts_are_judged_and_the_result_is_that_of_the_engine():
    at = open_page(name="Ann", flips=4, originals=2)
    items = choose_items(SOURCE, 4, 2, 0)
    for number, item in enumerate(items):
        assert find_item(at).text == item.text and f"{number} judged" in at.get("progress")[0].proto.text
        judge(at, item.label if number else "unclear", number % 2 == 0, english_first=number == 3)
        assert number == 5 or not any(word in shown(at) for word in HIDDEN)
    judged, troubles = read_kept(SOURCE.id, "ann")
    assert not troubles and [each.item for each in judged] == items
    assert [each.says for each in judged] == ["unclear", *(item.label for item in items[1:])]
    text = shown(at)
    assert "You have judged all 6 texts." in text
    assert f"#### {4 - items[0].adversarial} of 4 adversarial texts still have the original" in text
    assert "Valid success = raw success × label kept" in text and "Originals (control)" in text
    press(at, "judge.back")
    assert find_item(at).text == items[-1].text, "the last one can be judged again"


def test_going_back_shows_what_was_said_and_the_last_word_counts():
    at = open_page(name="Ann")
    judge(at, "positive", True)
    judge(at, "negative", False)
    press(press(at, "judge.back"), "judge.back")
    item = find_item(at)
    assert item == ITEMS[0]
    assert at.button(key=f"judge.says.{item.id}.2").proto.type == "primary"
    assert at.button(key=f"judge.english.{item.id}.Y").proto.type == "primary"
    press(at, "judge.leave")
    assert find_item(at) == ITEMS[1]
    press(at, "judge.back")
    judge(at, "unclear", False)
    assert find_item(at) == ITEMS[2], "then the first one without a judgement"
    assert [each.says for each in read_kept(SOURCE.id, "Ann")[0]] == ["positive", "negative", "unclear"]
    press(at, "judge.stop")
    assert "You have judged 2 of 28 texts." in shown(at) and "true label" in shown(at)


def test_another_day_and_another_name_go_on_where_each_was():
    at = open_page(name="Ann")
    judge(at, "positive", True)
    assert find_item(open_page(name=" ann ")) == ITEMS[1]
    assert find_item(open_page(name="Bob")) == ITEMS[0]
    assert "needs a name" in shown(open_page(name="   "))


def test_a_judgement_that_cannot_be_kept_is_a_line_and_stays_to_be_pressed(monkeypatch):
    def refuse(judged):
        raise BadInput("The disk is full.")

    at = open_page(name="Ann")
    monkeypatch.setattr(reading, "keep_judgement", refuse)
    judge(at, "positive", True)
    assert "The disk is full." in shown(at) and find_item(at) == ITEMS[0]
    monkeypatch.undo()
    item = ITEMS[0]
    press(at, f"judge.english.{item.id}.Y")
    assert find_item(at) == ITEMS[1], "the label was not lost"


def test_before_the_first_judgement_the_result_is_the_shipped_reading_s():
    at = view(open_page(), page.RESULT)
    assert "You have judged no text yet." in shown(at) and "184 of 200" in shown(at)


def test_all_judges_agreement_disputed_texts_and_downloads():
    at = open_page(name="Ann <b>*x*</b>")
    for number in range(3):
        judge(at, "unclear" if number else ITEMS[0].label, True)
    at = view(at, page.EVERYONE)
    text = shown(at)
    assert [m.label.replace("\\", "") for m in at.metric] == ["Cohen's kappa, label", "Cohen's kappa, passable English"]
    assert "2 judges; 3 texts" in text and "unclear 1" in text
    grid = at.dataframe[0].value
    assert list(grid.columns) == ["Text", "True label", f"{READER} says", "Ann <b>*x*</b> says", "From"]
    assert len(grid) == 240 and grid["Ann <b>*x*</b> says"].notna().sum() == 3
    at.multiselect[0].set_value([READER])
    assert not run(at).metric and "No text has two judges yet" in shown(at)


def test_files_of_other_judges_are_counted(monkeypatch):
    others = [each._replace(judge=name, says=each.item.label) for name in ("Bob", "Cleo") for each in SHIPPED[:5]]
    content = "".join(json.dumps(to_record(each)) + "\n" for each in others).encode()
    monkeypatch.setattr(everyone, "_read_uploaded", lambda: read_content("class.jsonl", content))
    at = view(open_page(), page.EVERYONE)
    assert [m.label.replace("\\", "") for m in at.metric] == ["Fleiss' kappa, label", "Fleiss' kappa, passable English"]
    assert "3 judges; 5 texts" in shown(at)


def test_without_stored_runs_there_is_a_way_on_and_with_one_it_is_judged_blind():
    at = open_page(**{"from": RUNS})
    assert "No run with flips is stored yet" in shown(at) and "evaluate --dataset reviews" in at.code[0].value
    store = ResultStore()
    store.open_run(RUN)
    for number in range(3):
        store.append(RUN.id, result(str(number), perturbed=f"a fine movie <i>{number}</i>"))
    at = open_page(**{"from": RUNS})
    assert at.multiselect[0].value == [RUN.id] and "cnn" not in str(at.multiselect[0].options)
    text = next(e.value for e in at.html if "rx-judged" in e.value and not e.value.startswith("<style"))
    assert "<i>" not in text and ("movie" in text)
    assert sum(b.key.startswith("judge.says.") for b in at.button) == 3


def test_a_file_is_read_and_what_is_wrong_with_it_is_a_line(monkeypatch):
    assert "Nothing is uploaded yet" in shown(open_page(**{"from": FILE}))
    found = choosing._read_file("a.csv", b"original,perturbed,label\na good film,a fine film,pos\nbad,bad,neg\n")
    monkeypatch.setattr(choosing, "_choose_file", lambda: found)
    at = open_page(**{"from": FILE})
    assert {b.label for b in at.button if b.key.startswith("judge.says.")} == {"Neg", "Pos", "Unclear"}
    monkeypatch.setattr(choosing, "_choose_file", lambda: choosing._read_file("a.csv", b"a,b\n1,2\n"))
    assert "has no column perturbed" in shown(open_page(**{"from": FILE}))


def test_in_a_shared_app_each_has_their_own_judgements(monkeypatch):
    person = ["one"]
    monkeypatch.setattr(owners, "_ask_person", lambda: person[0])
    at = open_page(name="Ann")
    judge(at, "positive", True)
    assert "people/one/judgements" in find_file(SOURCE.id, "Ann").as_posix() and find_file(SOURCE.id, "Ann").is_file()
    person[0] = "another"
    at = open_page(name="Ann")
    assert find_item(at) == ITEMS[0]
    assert "Ann" not in shown(view(at, page.EVERYONE)) and not at.metric
