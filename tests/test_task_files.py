"""Files of several tasks, as AdvGLUE has them, and pairs of columns."""

import json

import pytest

from robust_core import uploads
from robust_core.errors import BadInput, UnknownName
from robust_core.pair_columns import choose_pair
from robust_core.parts import BOUNDARY, join_parts
from robust_core.table_files import read_table_file
from robust_core.task_files import TASKS, read_task_file

DEV = {
    "sst2": [{"idx": 0, "label": 1, "sentence": "it 's fine"}, {"idx": 1, "label": 0, "sentence": "it is bad"}],
    "mnli": [{"idx": 0, "label": 2, "premise": "A man sleeps .", "hypothesis": "Nobody sleeps ."},
             {"idx": 1, "label": 0, "premise": "A dog runs .", "hypothesis": "A pet moves ."}],
    "qnli": [{"question": "Who ?", "sentence": "Ann did .", "label": 0},
             {"question": "a", "sentence": "b", "label": 1}],
    "rte": [{"sentence1": "x", "sentence2": "y", "label": 1}, {"sentence1": "x", "sentence2": "z", "label": 0}],
    "qqp": [{"question1": "x", "question2": "y", "label": 1}, {"question1": "x", "question2": "z", "label": 0}],
    "own": [{"a": 1}],
}


def write(folder, content=DEV, name="dev.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["sst2", "mnli", "qnli", "rte", "qqp"])
def test_each_task_is_read_with_its_columns_and_labels(tmp_path, name):
    found = read_task_file(write(tmp_path), name)
    assert found.task == TASKS[name] and len(found.table.values("label")) == 2
    columns = found.task.columns
    text = choose_pair(columns) if len(columns) == 2 else columns[0]
    labelled = uploads.label_rows(found.table, text, "label", found.names)
    assert [labelled.labels[label] for _, label in labelled.rows] == [
        TASKS[name].labels[row["label"]] for row in DEV[name]]
    texts = uploads.match_labels(labelled, TASKS[name].labels, "dev").examples
    assert texts[0].parts == (columns if len(columns) == 2 else ())
    assert [e.label for e in texts] == [row["label"] for row in DEV[name]]


def test_pairs_are_cleaned_and_those_that_lack_a_part_are_left_out(tmp_path):
    rows = [*DEV["mnli"], {"label": 1, "premise": "x", "hypothesis": ""}, {"label": 1, "hypothesis": "x"},
            {"label": 1, "premise": f"wo{BOUNDARY}n't", "hypothesis": "x"}]
    table = read_task_file(write(tmp_path, {"mnli": rows})).table
    labelled = uploads.label_rows(table, choose_pair(("premise", "hypothesis"), ["premise"]), "label")
    assert labelled.left_out == 2 and labelled.rows[0][0] == join_parts(("A man sleeps.", "Nobody sleeps."))
    example = uploads.match_labels(labelled, ("LABEL_0", "LABEL_1", "LABEL_2"), "x").examples[-1]
    assert example.texts == {"premise": "won't", "hypothesis": "x"} and example.attackable == ("premise",)


def test_other_files_hold_no_tasks(tmp_path):
    for name, content in (("a.jsonl", '{"mnli": []}'), ("a.json", "[]"), ("b.json", "{}"), ("c.json", '{"text": "x"}'),
                          ("d.json", "no JSON"), ("e.json", "[" * 100_000)):
        assert read_task_file(write(tmp_path, content, name)) is None
        with pytest.raises(BadInput, match="holds no tasks by name"):
            read_task_file(tmp_path / name, "mnli")
    assert read_task_file(tmp_path / "none.json") is None


@pytest.mark.parametrize(("content", "task", "error", "message"), [
    (DEV, "", BadInput, "name one of them with --task"), (DEV, "cola", UnknownName, "cola"),
    ({"own": []}, "", BadInput, "tasks that can be read are"),
    ({"mnli": [{"premise": "x", "label": 0}]}, "mnli", BadInput, "The rows of mnli in dev.json have no hypothesis"),
    ({"mnli": []}, "mnli", BadInput, "needs a column"), ({"mnli": [1]}, "mnli", BadInput, "is no JSON object"),
])
def test_tasks_that_cannot_be_read(tmp_path, content, task, error, message):
    with pytest.raises(error, match=message):
        read_task_file(write(tmp_path, content), task)


@pytest.mark.parametrize(("columns", "change", "message"), [
    (("premise",), (), "two columns"), (("a", "a"), (), "two columns"), (("a", "b", "c"), (), "two columns"),
    (("a", "b"), ("c",), "no part"),
])
def test_columns_that_are_no_pair(columns, change, message):
    with pytest.raises(BadInput, match=message):
        choose_pair(columns, change)


def test_a_pair_has_its_columns_in_the_file_and_no_label_among_them(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("premise,hypothesis,label\nx,y,a\nz,w,b\n")
    with pytest.raises(BadInput, match="holds pairs of texts"):
        read_table_file(path)
    table = read_table_file(path, pairs=True)
    for pair, message in ((("premise", "claim"), "no column"), (("premise", "label"), "different columns")):
        with pytest.raises(BadInput, match=message):
            uploads.label_rows(table, choose_pair(pair), "label")
