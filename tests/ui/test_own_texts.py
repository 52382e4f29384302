"""Texts of one's own: brought on any page that takes a data set, then in every picker, and gone again."""

import pytest
from helpers.pages import MODELS, app, click, doubles, page, settle  # noqa: F401 (a fixture)
from helpers.uploads import csv_file
from streamlit.testing.v1 import AppTest

from robust_core import datasets
from ui.own import table_form

ROWS = b"text,label\ngood film,pos\nbad film,neg\nfine film,pos\nbad film,neg\n,pos\ndull,\n"


def opened(name: str) -> AppTest:
    at = app(models=MODELS[0])
    at.switch_page(f"pages/{name}.py")
    return settle(at)


def bring(at: AppTest, name: str, content: bytes, like: str = "negative, positive") -> AppTest:
    click(at, "Your own texts")
    at.file_uploader(key="own.data.file").upload(name, content, "text/csv")
    settle(at)
    if like:
        next(box for box in at.selectbox if box.label.startswith("Name the classes like")).set_value(like)
        settle(at)
    return at


@pytest.mark.parametrize("name, picker", [("3_Word_importance", "words.dataset"),
                                          ("4_Embeddings", "embeddings.dataset")])
def test_texts_brought_on_a_page_are_in_its_picker_and_the_others(name, picker):
    at = bring(opened(name), "films.csv", ROWS)
    assert [box.value for box in at.selectbox if box.label.endswith(" means")] == ["negative", "positive"]
    assert "3 texts are used; 3 rows are left out: 1 without a text, 1 without a label, 1 repeated." in page(at)
    assert "have these classes: CNN · base" in page(at)
    click(at, "Use these texts")
    assert datasets.describe("films").labels == ("negative", "positive") and at.selectbox(key=picker).value == "films"
    at.switch_page("pages/3_Word_importance.py")
    assert "Films" in settle(at).selectbox(key="words.dataset").options
    click(at, "Your own texts")
    click(at, "Remove")
    assert not datasets.list_own()


def test_texts_to_measure_on_are_not_offered_to_train_on():
    at = bring(opened("3_Word_importance"), "films.csv", ROWS)
    click(at, "Use these texts")
    at.switch_page("pages/6_Train.py")
    settle(at).button_group(key="train.data").set_value("Your own file")
    assert not [box for box in settle(at).selectbox if box.key == "train.own"]
    at.switch_page("pages/3_Word_importance.py")
    bring(settle(at), "more.csv", csv_file(), "")
    at.button_group(key="own.data.for").set_value("Train, too")
    click(settle(at), "Use these texts")
    assert datasets.find("more", "train") and datasets.describe("more").labels == ("0", "1")


def test_more_rows_are_made_of_a_file_and_downloaded():
    at = bring(opened("3_Word_importance"), "films.csv", ROWS.replace(b"good film", b"a good film with a great cast"))
    click(at, "Make")
    assert "new rows from 6. Read some before you train on them." in page(at)
    new = at.dataframe[-1].value
    assert set(new["From row"]) >= {1} and not set(new["New text"]) & {"a good film with a great cast", "bad film"}
    assert [button.label for button in at.get("download_button")] == ["Download CSV", "Download JSONL"]
    at.number_input(key="own.more.variants").set_value(3)
    settle(at)
    assert not at.get("download_button"), "other settings have made nothing yet"


@pytest.mark.parametrize("content, line", [
    (b"text,label,augmented_by\n" + b"good film,pos,a\nbad film,neg,b\n", "it was augmented before"),
    (b"text,label\n" + b"".join(b"film %d,%s\n" % (i, (b"pos", b"neg")[i % 2]) for i in range(2001)),
     "at most 2,000 are augmented here")])
def test_a_file_that_cannot_be_augmented_is_one_line(content, line):
    at = bring(opened("3_Word_importance"), "films.csv", content)
    click(at, "Make")
    assert line in page(at) and not at.get("download_button")


@pytest.mark.parametrize("content, line", [
    (b"text,label\na,b\n", "has 1 different values"), (b"", "needs a column of texts"), (b"\xff\xfe", "is not UTF-8"),
    (b"a\0b", "needs a column"), (b"question,sentence,label\na,b,c\n", "holds pairs of texts")])
def test_a_file_that_cannot_be_used_is_one_line(content, line):
    at = bring(opened("3_Word_importance"), "films.csv", content, "")
    assert line in page(at) and not any(b.label == "Use these texts" for b in at.button)


def test_a_name_that_is_taken_is_one_line_and_nothing_is_lost():
    at = bring(opened("3_Word_importance"), "films.csv", ROWS)
    next(t for t in at.text_input if t.label == "Name").set_value("sst2")
    click(settle(at), "Use these texts")
    assert "cannot name a data set of your own" in page(at) and any(b.label == "Use these texts" for b in at.button)


@pytest.mark.parametrize("value, place, expected", [("Positive", 0, 1), ("neg", 1, 0), ("pos", 0, 1), ("0", 0, 0),
                                                    ("1", 1, 1), ("7", 5, 1)])
def test_a_label_is_taken_for_the_class_that_it_most_probably_means(value, place, expected):
    assert table_form._guess(value, place, ("negative", "positive")) == expected
