"""Files of lessons: what is read, what is refused with file, line and reason; answers in links."""

import dataclasses
import json
import subprocess
import sys

import pytest
from helpers.hostile import check_line
from helpers.markdown import HOSTILE, draw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from robust_core.errors import BadInput, UnknownName
from robust_core.lessons import reader
from robust_core.lessons.answers import Answer, list_guesses, read_answers, write_answers
from robust_core.lessons.nodes import MOST_BYTES
from robust_core.lessons.reader import Head, find_lesson, list_lessons, read_lesson
from robust_core.lessons.steps import KINDS, NEEDED, ByHand, Choose, Judge, Option, Type, name_kind
from robust_core.paths import LESSONS, ROOT
from ui.lessons.markup import format_line, format_text

GOOD = """title: A lesson
goal: "You know: it."
minutes: 5
steps:
  - read:
      title: One
      text: |
        First *line*.

        Second.
  - choose:
      title: Two
      question: Which?
      options:
        - text: no
          why: It is not.
        - text: "Yes"
          why: It is.
          right: yes
  - attack:
      title: Three
      review: A good film.
      models: [sst2/cnn/base, sst2/lstm/base]
      guess:
        ask: models
        question: Which ones?
  - summary:
      title: Four
      points:
        - That is all.
"""
DEEP = "[" * 40 + "]" * 40
# What is put in the place of what, the line that is named, and a part of what is said.
BROKEN = {
    "unknown key": ("      question: Which?\n", "      qestion: Which?\n", 13, "'qestion' is no key of a step"),
    "misspelt": ("        ask: models", "        asc: models", 25, "'asc' is no key of the guess"),
    "missing": ("minutes: 5\n", "", 1, "a lesson needs \"minutes\": how long it takes"),
    "number": ("minutes: 5", "minutes: five", 3, "whole number from 1 to 60, not 'five'"),
    "kind": ("  - read:", "  - reed:", 5, "'reed' is no kind of step. Known: read, choose"),
    "model": ("sst2/lstm/base]", "sst2/lstm/bas]", 23, "Unknown model 'sst2/lstm/bas'"),
    "model twice": ("sst2/lstm/base]", "sst2/cnn/base]", 23, "stands in \"models\" of a step of the kind attack twice"),
    "classes": ("sst2/lstm/base]", "trec/cnn/base]", 23, "must have the same classes"),
    "guess": ("        ask: models", "        ask: model", 25, "one of word, models, swaps, flips, not 'model'"),
    "no right": ("          right: yes\n", "", 11, "no option is right"),
    "two kinds": ("  - summary:", "    summary:", 20, "a step has one key, its kind"),
    "no summary": ("  - summary:\n      title: Four\n      points:\n        - That is all.\n", "", 20,
                   "the last step must be of the kind summary"),
    "twice": ("minutes: 5", "title: Again\nminutes: 5", 3, "'title' stands here twice; it stood in line 1 before"),
    "empty": ("      title: One", "      title: ''", 6, "\"title\" of a step of the kind read is empty"),
    "no list": ("      points:\n        - That is all.", "      points: That is all.", 29, "must be a list"),
    "no text": ("goal: \"You know: it.\"", "goal: [x]", 2, "must be a text"),
    "no yaml": ("goal: \"You know: it.\"", "goal: You know: it.", 2, "this is no YAML: mapping values are not allowed"),
    "tab": ("minutes: 5", "\tminutes: 5", 3, "this is no YAML"),
    "reference": ("title: A lesson", "title: &a A lesson", 1, "references"),
    "tag": ("title: A lesson", "title: !!python/object:os.system x", 1, "cannot be used here"),
    "deep": ("minutes: 5", f"minutes: {DEEP}", 3, "more parts, or deeper ones"),
    "review": ("review: A good film.", "review: '!!!'", 22, "The text has no words"),
    "long": ("title: A lesson", f"title: {'x' * 200}", 1, "200 characters; 80 are the most"),
}


def write(tmp_path, text: str):
    path = tmp_path / "new.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read(tmp_path):
    lesson = read_lesson(write(tmp_path, GOOD))
    assert (lesson.id, lesson.head.goal, lesson.head.controls) == ("new", "You know: it.", "hidden")
    assert [name_kind(step) for step in lesson.steps] == ["read", "choose", "attack", "summary"]
    # As it is written, although YAML would take it for false.
    assert lesson.steps[1].options == (Option("no", "It is not."), Option("Yes", "It is.", True))
    assert lesson.steps[2].guess.ask == "models" and lesson.steps[2].preset == "careful"


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_names_its_line(tmp_path, case):
    old, new, line, why = BROKEN[case]
    assert GOOD.count(old) == 1
    with pytest.raises(BadInput) as error:
        read_lesson(write(tmp_path, GOOD.replace(old, new)))
    message = check_line(str(error.value))
    assert message.startswith(f"new.yaml, line {line}: ") and why in message, message


@pytest.mark.parametrize("data, why", [
    (b"", "the file is empty"), (b"\xff\xfe", "line 1: this is no UTF-8 text"), (b"a: 1\n\xff", "line 2: this is no"),
    (b"x" * (MOST_BYTES + 1), "too large"), (b"- a\n- b\n", "a lesson must have keys"), (b"a: *b", "line 1:"),
    (b"\x00", "line 1: this is no YAML")])
def test_what_is_no_lesson_at_all(tmp_path, data, why):
    path = tmp_path / "new.yaml"
    path.write_bytes(data)
    with pytest.raises(BadInput) as error:
        read_lesson(path)
    assert why in check_line(str(error.value))


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(BadInput, match="cannot be used"):
        read_lesson(tmp_path / "none.yaml")


@given(some.text(max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_or_refused_in_one_line(tmp_path, text):
    path = tmp_path / "new.yaml"
    path.write_bytes(text.encode(errors="replace"))
    with pytest.raises(BadInput) as error:
        read_lesson(path)
    check_line(str(error.value))


def test_the_lessons_of_the_program_are_good_and_long_enough():
    listed = list_lessons()
    assert not listed.broken and len(listed.lessons) >= 6
    for lesson in listed.lessons:
        assert 5 <= lesson.head.minutes <= 12 and lesson.head.goal
        assert any(getattr(step, "guess", None) or isinstance(step, ByHand) for step in lesson.steps), lesson.id
    assert list_lessons().lessons[0].id == "adversarial-example"
    assert {name_kind(step) for lesson in listed.lessons for step in lesson.steps} == set(KINDS), "each kind is used"
    with pytest.raises(UnknownName, match="Unknown lesson"):
        find_lesson("none")


def test_a_folder_of_a_teacher_is_read_as_well(tmp_path, monkeypatch):
    write(tmp_path, GOOD)
    (tmp_path / "bad.yaml").write_text("title: x")
    monkeypatch.setenv("ROBUST_LESSONS", str(tmp_path))
    listed = list_lessons()
    assert listed.lessons[-1].id == "new" and listed.broken == ("bad.yaml, line 1: a lesson needs \"steps\": a list of "
                                                                "steps.",)


def test_the_page_for_teachers_has_every_kind_and_key_and_its_examples_are_good(tmp_path):
    text = (ROOT / "docs" / "lessons.md").read_text(encoding="utf-8")
    for field in dataclasses.fields(Head):
        assert f"| `{field.name}` |" in text
    for name, cls in KINDS.items():
        part = text.split(f"\n### `{name}`")[1].split("\n### ")[0].split("\n## ")[0]
        for field in dataclasses.fields(cls):
            assert f"`{field.name}`" in part or field.name in ("title", "text"), (name, field.name)
        assert all(f"`{needed}`" in part or needed == "text" for needed in NEEDED[name])
        example = part.split("```yaml\n")[1].split("```")[0]
        end = "" if name == "summary" else "  - summary: {title: End, points: [Done.]}\n"
        read_lesson(write(tmp_path, "title: T\ngoal: G.\nminutes: 5\nsteps:\n" + example + end))
    whole = text.split("```yaml\n")[1].split("```")[0]
    assert len(read_lesson(write(tmp_path, whole)).steps) >= 3


def test_the_command_line_checks_files(tmp_path):
    good, bad = write(tmp_path, GOOD), tmp_path / "bad.yaml"
    bad.write_text(GOOD.replace("minutes: 5", "minutes: 500"))
    for files, code, said in (([good], 0, "new"), ([good, bad], 1, "line 3"), ([], 0, "adversarial-example")):
        done = subprocess.run([sys.executable, "-m", "robust_core", "lessons", *map(str, files), "--json"], cwd=ROOT,
                              capture_output=True, text=True, timeout=120, check=False)
        rows = json.loads(done.stdout)["results"]
        assert done.returncode == code and said in str(rows)


LESSON_FILES = sorted(path.stem for path in LESSONS.glob("*.yaml"))


@some.composite
def make_answers(draw_, lesson: reader.Lesson) -> dict[int, Answer]:
    found = {}
    for number, step in enumerate(lesson.steps, 1):
        guesses = list_guesses(step) or []
        values: dict = {"done": draw_(some.booleans())}
        if guesses:
            values["guess"] = tuple(draw_(some.lists(some.sampled_from(guesses), max_size=4, unique=True)))
        if isinstance(step, Choose):
            values["option"] = draw_(some.integers(-1, len(step.options) - 1))
        if isinstance(step, Type):
            values["typed"] = draw_(some.sampled_from(["", "A film.", "naïve & <b> \"quoted\"", "漢字 word"]))
        if isinstance(step, ByHand):
            words = some.sampled_from(["film", "naïve", "cut", "well-made"])
            values["swaps"] = tuple(draw_(some.lists(some.tuples(some.integers(0, 7), words), max_size=5)))
        if isinstance(step, Judge):
            values["verdicts"] = draw_(some.text("yn-", max_size=2 * step.each))
        found[number] = Answer(**values)
    return found


@pytest.mark.parametrize("name", LESSON_FILES)
@given(data=some.data())
@settings(max_examples=25, deadline=None)
def test_answers_come_back_from_a_link(name, data):
    lesson = find_lesson(name)
    answers = {n: a for n, a in data.draw(make_answers(lesson)).items() if a != Answer()}
    # Texts are cleaned as typed ones are.
    found, lost = read_answers(lesson, write_answers(answers))
    expected = {n: dataclasses.replace(a, typed=a.typed.replace("<b> ", "")) for n, a in answers.items()}
    assert not lost and found == expected


JSON = some.recursive(some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
                      lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=3), inner),
                      max_leaves=8)


NUMBERS = some.sampled_from(["1", "2", "3", "0", "99", "01", "x"])


@given(some.dictionaries(NUMBERS, JSON | some.dictionaries(some.sampled_from("gdotsv"), JSON)),
       some.sampled_from(LESSON_FILES))
@settings(max_examples=150, deadline=None)
def test_no_link_breaks_anything(document, name):
    lesson = find_lesson(name)
    found, _ = read_answers(lesson, json.dumps(document))
    again, lost = read_answers(lesson, write_answers(found))
    assert not lost and again == {n: a for n, a in found.items() if a != Answer()}


@pytest.mark.parametrize("text", ["{", "[]", "null", "1", "[" * 3900, "x" * 5000, '{"1":' * 700, "\ud800"])
def test_what_is_no_answer_is_left_out(text):
    assert read_answers(find_lesson(LESSON_FILES[0]), text) == ({}, True)


@pytest.mark.parametrize("text", [t for t in HOSTILE if t.strip() and "*" not in t and "\n" not in t])
def test_a_lesson_s_text_is_shown_as_it_stands(text):
    for made in (format_line(text), format_text(text)):
        _, more = draw(made)
        assert not set(more) - {"bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"}, more


def test_stars_and_lists_are_marked():
    assert format_line("a **b c** and *d*.") == "a **b c** and *d*."
    assert format_text("One\ntwo.\n\n- a **b**\n- c\n  d\n\n3 * 4") == "One two.\n\n* a **b**\n* c d\n\n3 \\* 4"
    assert format_line("**[x](http://evil.example)**").startswith("**\\[x")
