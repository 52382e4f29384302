"""Data sets of one's own: files as people have them, read, split, stored, and refused in one line."""

import json

import pytest
from helpers.uploads import BAD, GOOD, added, csv_file
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from robust_core import datasets, trainings, uploads
from robust_core.cli.program import app
from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.models import cards, loading
from robust_core.table_files import read_upload
from robust_core.tables import Table


def test_every_kind_of_file_gives_the_same_table():
    as_csv = read_upload("a.csv", csv_file())
    lines = [json.dumps({"id": i, "review": text, "stars": int(i < 30)}) for i, text in enumerate([*GOOD, *BAD])]
    as_jsonl = read_upload("a.jsonl", "\n".join(lines).encode())
    rows = [f"{i}\t{text}\t{int(i < 30)}" for i, text in enumerate([*GOOD, *BAD])]
    as_tsv = read_upload("a.TSV", "\n".join(["id\treview\tstars", *rows]).encode())
    assert as_csv == as_jsonl == as_tsv
    assert as_csv.columns == ("id", "review", "stars") and as_csv.first(1)[0]["review"] == GOOD[0]
    assert as_csv.guess() == ("review", "stars") and as_csv.classes("stars") == ["0", "1"]


def test_columns_are_guessed_by_what_is_in_them():
    rows = "\n".join(f"{i},some words that are long {i},{'ab'[i % 2]}" for i in range(4))
    assert read_upload("a.csv", f"x,y,z\n{rows}\n".encode()).guess() == ("y", "z")


def test_a_data_set_of_ones_own_is_like_any_other():
    what = added()
    assert what.labels == ("thumbs down", "thumbs up") and datasets.describe("mine") == what
    splits = {split: datasets.load("mine", split) for split in datasets.SPLITS}
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 36, "dev": 7, "test": 7}
    texts = [e.text for examples in splits.values() for e in examples]
    assert len(set(texts)) == len(texts) == 50 and set(texts) == {*GOOD, *BAD}
    assert all((e.label == 1) == ("good" in e.text) for examples in splits.values() for e in examples)
    assert {e.label for e in splits["dev"]} == {0, 1}
    assert 10 <= what.length <= 20 and datasets.count_rows("mine", "train") == len(splits["train"])


def test_the_same_file_is_stored_once_and_another_takes_no_ones_place():
    assert added() == added()
    with pytest.raises(BadInput, match="is there already"):
        added(content=csv_file().replace(b"good", b"fine"))
    assert len(datasets.load("mine", "train")) > 30
    with pytest.raises(UnknownName, match="nosuch"):
        datasets.describe("nosuch")


@pytest.mark.parametrize("values", [
    ("1", "2"), ("1", "2", "3", "4", "5"), ("1", "2", "3", "4"), ("0", "1"), ("-1", "1"), ("2", "1", "0"),
    ("1.0", "2.0"), ("0", "10", "2"), ("b", "a"), ("c", "1", "0")])
def test_every_text_keeps_its_own_class_whatever_the_labels_are_called(values):
    rows = [f"film {word} number {i} of {value},{value}" for value in values
            for i, word in enumerate(("one", "two", "three") * 4)]
    table = read_upload("a.csv", "\n".join(["text,label", *rows]).encode())
    about = uploads.add_dataset("stars", table, "text", "label")
    examples = [e for split in datasets.SPLITS for e in datasets.load("stars", split)]
    assert len(examples) == len(rows) and set(about.labels) == set(values)
    assert all(about.labels[e.label] == e.text.split()[-1] for e in examples)


def test_a_data_set_that_earlier_versions_stored_is_read_as_it_was_meant(own_runs):
    folder = own_runs / "data" / "stars"
    folder.mkdir(parents=True)
    about = {"title": "Stars", "labels": ["1", "2", "3"], "source": "Brought by the user", "length": 20, "sha256": ""}
    (folder / "about.json").write_text(json.dumps(about))
    (folder / "dev.tsv").write_text("text\tlabel\none star\t0\ntwo stars\t1\nthree stars\t2\n")
    assert [(e.text, e.label) for e in datasets.load("stars", "dev")] == [
        ("one star", 0), ("two stars", 1), ("three stars", 2)]


@pytest.mark.parametrize("damage", [
    {"labels": "ab"}, {"labels": ["a"]}, {"labels": [1, 2]}, {"labels": ["a", "a"]}, {"length": 10**9}, {"title": None},
    {"length": "5"}, {"labels": {"a": 1}}])
def test_a_description_whose_fields_are_of_another_kind_is_left_out(own_runs, damage):
    added()
    path = own_runs / "data" / "mine" / "about.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert datasets.list_own() == {}


def test_texts_of_a_file_get_the_labels_of_a_model():
    table = read_upload("a.csv", b"text,label\nfine,1\nbad,0\n,1\ngood,1.0\nno label,\n")
    found = uploads.label_rows(table, "text", "label", {"0": "NEGATIVE", "1": "positive"})
    assert found == (("NEGATIVE", "positive"), [("fine", 1), ("bad", 0), ("good", 1)], 2, None)
    texts = uploads.match_labels(found, ("positive", "negative"), "films")
    assert [(e.text, e.label) for e in texts.examples] == [("fine", 0), ("bad", 1), ("good", 0)]
    plain = uploads.label_rows(table, "text", "label")
    assert [e.label for e in uploads.match_labels(plain, ("LABEL_0", "LABEL_1"), "films").examples] == [1, 0, 1]
    with pytest.raises(BadInput, match="labels of films are 0, 1, those of the model negative.* --map 0="):
        uploads.match_labels(plain, ("negative", "positive"), "films")
    with pytest.raises(BadInput, match="has no label 'x'; there are 0, 1"):
        uploads.label_rows(table, "text", "label", {"x": "y"})


@pytest.mark.parametrize(("name", "table", "text", "label", "names"), [
    (3, None, "review", "stars", {}), ("mine", "a table", "review", "stars", {}), ("mine", None, "nosuch", "stars", {}),
    ("mine", None, "review", 3, {}), ("mine", None, ["review"], "stars", {}), ("mine", None, "review", "stars", ["a"]),
    ("mine", None, "review", "stars", {"0": 3}), ("mine", None, "review", "stars", {"0": "n" * 5000}),
    ("mine", None, "review", "stars", {("a",): "x"})])
def test_a_wrong_call_is_one_line(own_runs, name, table, text, label, names):
    with pytest.raises(BadInput):
        uploads.add_dataset(name, table or read_upload("a.csv", csv_file()), text, label, names)
    assert not (own_runs / "data").exists()


def test_repeated_and_empty_rows_count_once_or_not_at_all():
    more = b"98,a bad film number 3,0\r\n99,,1\r\n100,a film without a label,\r\n"
    assert (
        added(content=csv_file() + more) and sum(datasets.count_rows("mine", split) for split in datasets.SPLITS) == 50
    )


@pytest.mark.parametrize(("file_name", "content", "line"), [
    ("a.xlsx", b"", "is no csv, tsv, jsonl, json or parquet file"), ("a.csv", b"\xff\xfe\x00", "not UTF-8"),
    ("a.csv", b"", "needs a column of texts"), ("a.csv", b"text\nonly one column\n", "needs a column of texts"),
    ("a.csv", b"text,label\n", "needs a column of texts"), ("a.csv", b"text,label\na,1,2\n", "Row 2 of a.csv has 3"),
    ("a.jsonl", b'{"text": 1}\n[1]\n', "Line 2 of a.jsonl"), ("a.jsonl", b"{", "Line 1 of a.jsonl"),
])
def test_a_file_that_cannot_be_read_is_one_line(file_name, content, line):
    with pytest.raises(BadInput, match=line):
        read_upload(file_name, content)


@pytest.mark.parametrize(("name", "column", "names", "line"), [
    ("sst2", "stars", {}, "name of a known one"), ("../up", "stars", {}, "small letters"),
    ("mine", "id", {}, "51 different values; labels have 2 to"), ("mine", "review", {}, "different"),
    ("mine", "stars", {"0": "same", "1": "same"}, "two at least"), ("mine", "stars", {"0": " "}, "needs a name"),
])
def test_a_table_that_cannot_be_used_is_one_line(own_runs, name, column, names, line):
    table = read_upload("a.csv", csv_file() + b"51,one more,1\r\n")
    with pytest.raises(BadInput, match=line):
        uploads.add_dataset(name, table, "review", column, {v: v for v in set(table.values(column))} | names)
    assert not (own_runs / "data").exists()


def test_too_few_texts_are_refused():
    table = read_upload("a.csv", b"text,label\n" + b"".join(b"film %d,%d\n" % (i, i == 0) for i in range(30)))
    with pytest.raises(BadInput, match="The class '1' has 1 texts"):
        uploads.add_dataset("few", table, "text", "label", {"0": "0", "1": "1"})


def test_a_damaged_description_is_left_out(own_runs):
    added()
    (own_runs / "data" / "mine" / "about.json").write_text("{")
    assert datasets.list_own() == {}


def test_names_come_from_files():
    assert uploads.make_plain_name("My Reviews (2).csv") == "my_reviews_2"
    assert uploads.make_plain_name("sst2.tsv") == "own_sst2" and uploads.make_plain_name("÷.csv") == "own"


def test_small_data_sets_get_recipes_and_defences_of_their_own():
    from robust_core.train.recipe import SMALL, make_recipe

    few, many = make_recipe("cnn", "sst2", SMALL - 1), make_recipe("cnn", "sst2", SMALL)
    assert many == make_recipe("cnn", "sst2") and few.batch_size < many.batch_size and few.epochs > many.epochs
    assert make_recipe("cnn", "sst2", 10, epochs=3).epochs == 3
    mine = added()
    assert make_recipe("cnn", mine.name).length == mine.length
    values = {"dataset": "reviews", "architecture": "cnn", "defence": "flat"}
    small = trainings.parse_spec(values).defence
    assert small.keep == 0.9 and small.attacked == 40
    assert trainings.parse_spec(values | {"set": {"keep": 0.7}}).defence.keep == 0.7
    assert trainings.parse_spec(values | {"preset": "paper"}).defence.keep == 0.5, "a preset is what it says"


def test_the_command_line_trains_on_a_file(tmp_path):
    (tmp_path / "films.csv").write_bytes(csv_file())
    done = CliRunner().invoke(app, ["train", "--dataset", str(tmp_path / "films.csv"), "--architecture", "cnn",
                                    "--set", "epochs=1", "--device", "cpu", "--json"])
    assert done.exit_code == 0, done.stderr
    assert "texts from review, labels from stars" in done.stderr
    assert json.loads(done.stdout)["results"][0]["model"] == "films/cnn/base"
    assert "films/cnn/base" in {card.id for card in cards.cards()}
    loaded = loading.load("films/cnn/base", "cpu")
    assert loaded.labels == ("0", "1") and loaded.predict_proba(["a good film"]).shape == (1, 2)


def test_the_command_line_chooses_columns_names_and_the_data_set(tmp_path):
    (tmp_path / "films.csv").write_bytes(csv_file("text,review,stars"))
    words = ["train", "--dataset", str(tmp_path / "films.csv"), "--architecture", "cnn", "--set", "epochs=1",
             "--device", "cpu", "--json", "--text", "review", "--label", "stars", "--map", "0=liked not",
             "--map", "1 = liked", "--data-name", "cinema"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["model"] == "cinema/cnn/base"
    assert datasets.describe("cinema").labels == ("liked not", "liked")


@pytest.mark.parametrize(("content", "more", "line"), [
    (b"one film;c\ntwo films;a\n", [], "say --header or --no-header"),
    (csv_file(), ["--text", "nosuch"], "There is no column 'nosuch'; there are id, review, stars"),
    (csv_file(), ["--map", "0"], "--map takes label=name"), (csv_file(), ["--map", "7=x"], "has no label '7'"),
    (csv_file(), ["--data-name", "../x"], "cannot name a data set"),
    (csv_file(), ["--text", "review", "--label", "review"], "different columns")])
def test_a_file_that_cannot_be_trained_on_is_one_line(tmp_path, content, more, line):
    (tmp_path / "films.csv").write_bytes(content)
    done = CliRunner().invoke(app, ["train", "--dataset", str(tmp_path / "films.csv"), "--architecture", "cnn", *more])
    assert done.exit_code == 2 and line in done.stderr and len(done.stderr.splitlines()) == 1


def test_options_of_a_file_need_a_file():
    for more in (["--text", "a"], ["--data-name", "a"], ["--no-header"]):
        done = CliRunner().invoke(app, ["train", "--dataset", "reviews", "--architecture", "cnn", *more])
        assert done.exit_code == 2 and "are about a file" in done.stderr


def test_a_file_to_measure_on_has_all_its_texts_in_test_and_the_order_of_a_models_classes():
    table = Table(("text", "label"), {"text": ["good", "bad", "fine"], "label": ["positive", "negative", "positive"]})
    names = ("Positive", "Neutral", "Negative")
    about = uploads.add_dataset("mine", table, "text", "label", order=names, only_test=True)
    assert about.labels == names and [e.label for e in datasets.load("mine", "test")] == [0, 2, 0]
    with pytest.raises(MissingResource):
        datasets.find("mine", "train")
    assert uploads.add_dataset("mine", table, "text", "label", order=names, only_test=True) == about
    other = uploads.add_dataset("other", table, "text", "label", order=("good", "bad"), only_test=True)
    assert other.labels == ("negative", "positive"), "classes of another model are not taken"
    uploads.remove_dataset("mine")
    assert list(datasets.list_own()) == ["other"]
    for name in ("mine", "reviews", "../other", ""):
        with pytest.raises(UnknownName):
            uploads.remove_dataset(name)


def test_what_is_left_out_is_said_with_the_reason():
    long = "word " * 401
    table = Table(("text", "label"), {"text": ["a", "a", "a", "", "b", long], "label": ["x", "x", "y", "x", "", "y"]})
    report = uploads.report_rows(table, "text", "label")
    assert report == uploads.Report(2, 1, 1, 1, 1, 1, 401)
    assert report.describe().startswith("2 texts are used; 4 rows are left out: 1 without a text, 1 without a label, "
                                        "1 repeated, 1 repeated with another label. 1 of the texts has more than 400 "
                                        "words")


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c d"]), st.sampled_from(["", "x", "y"])), min_size=2))
def test_every_row_is_used_or_left_out_for_one_reason(rows):
    table = Table(("text", "label"), {"text": [t for t, _ in rows] + ["e", "f"], "label": [v for _, v in rows] + [
        "x", "y"]})
    report = uploads.report_rows(table, "text", "label")
    assert report.used + report.no_text + report.no_label + report.repeated + report.contradicting == len(rows) + 2
