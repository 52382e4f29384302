"""The shipped reviews, and what happens to data from elsewhere."""

import collections
import gzip
import os
import re
from pathlib import Path

import pytest

from robust_core import datasets, split_files, trainings
from robust_core.cleaning import clean
from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.experiments import base
from robust_core.experiments.base import Subject
from robust_core.experiments.budgets import plan_training
from robust_core.files import read_lines
from robust_core.text import find_words

REVIEWS = [e for split in datasets.SPLITS for e in datasets.load("reviews", split)]


def write(folder: Path, content: str | bytes, name: str = "sst2", file: str = "dev.tsv") -> Path:
    """Put a file of a data set into a folder."""
    (folder / name).mkdir(exist_ok=True)
    path = folder / name / file
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_reviews_are_enough_and_of_every_length():
    assert len(REVIEWS) >= 300
    lengths = [len(find_words(e.text)) for e in REVIEWS]
    assert min(lengths) >= 3 and max(lengths) <= 60
    assert min(lengths) <= 6 and max(lengths) >= 50
    assert {split: len(datasets.load("reviews", split)) >= 60 for split in datasets.SPLITS} == dict.fromkeys(
        datasets.SPLITS, True)


@pytest.mark.parametrize("split", datasets.SPLITS)
def test_reviews_are_balanced(split):
    labels = collections.Counter(e.label for e in datasets.load("reviews", split))
    assert set(labels) == {0, 1}
    assert min(labels.values()) >= 0.45 * sum(labels.values())


def test_no_two_reviews_share_five_words_in_a_row():
    home: dict[tuple[str, ...], str] = {}
    shared = []
    for e in REVIEWS:
        words = re.findall(r"[\w']+", e.text.lower().replace("-", " "))
        for gram in {tuple(words[i: i + 5]) for i in range(len(words) - 4)}:
            if home.setdefault(gram, e.uid) != e.uid:
                shared.append((" ".join(gram), home[gram], e.uid))
    assert not shared, shared


def test_reviews_differ_and_have_ids_of_their_own():
    assert len({e.uid for e in REVIEWS}) == len({e.text.lower() for e in REVIEWS}) == len(REVIEWS)
    assert all(e.uid.startswith("reviews/") for e in REVIEWS)
    assert all(clean(e.text) == e.text for e in REVIEWS)


def test_every_data_set_is_described():
    for name, described in datasets.DATASETS.items():
        assert described.name == name and described.title and described.source and described.length > 0
        assert len(set(described.labels)) == len(described.labels) >= 2
    assert datasets.describe("sst2").labels == ("negative", "positive")
    assert datasets.describe("trec").labels == ("DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM")
    with pytest.raises(UnknownName, match="Unknown data set 'sst3'. Known: reviews, sst2"):
        datasets.describe("sst3")


def test_missing_data_say_how_to_get_them(tmp_path, monkeypatch):
    with pytest.raises(MissingResource, match=r"The dev split of SST-2 is missing. Put sst2/dev.tsv .*--data-dir"):
        datasets.load("sst2", "dev", tmp_path)
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(MissingResource, match="The test split of AG News"):
        datasets.load("ag_news", "test")
    with pytest.raises(UnknownName, match="Unknown split 'validation'. Known: train, dev, test"):
        datasets.load("reviews", "validation")
    assert datasets.load("reviews", "dev"), "reviews are always here"


def test_a_folder_is_found_by_argument_or_environment(tmp_path, monkeypatch):
    write(tmp_path, "text\tlabel\nit wo n't do .\t0\n``  fine  ''\tpositive\n")
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path))
    found = datasets.load("sst2", "dev")
    assert [(e.text, e.label, e.uid) for e in found] == [
        ("it won't do.", 0, "sst2/dev/0"), ('"fine"', 1, "sst2/dev/1")]
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path / "nowhere"))
    assert datasets.load("sst2", "dev", tmp_path) == found
    write(tmp_path, gzip.compress(b"text\tlabel\npacked\t1\n"), file="dev.tsv.gz")
    assert [e.text for e in datasets.load("sst2", "dev", tmp_path)] == ["packed"]


def test_a_file_is_read_once_unless_its_lines_are_too_many_to_be_kept(tmp_path, monkeypatch):
    write(tmp_path, "text\tlabel\n" + "".join(f"film {i}\t{i % 2}\n" for i in range(500)))
    read = []
    monkeypatch.setattr(split_files, "read_lines", lambda path: read.append(path) or read_lines(path))
    found = datasets.load("sst2", "dev", tmp_path)
    assert len(found) == 500 and len(read) == 1
    for kept in (0, 11, 100, 5_000):
        monkeypatch.setattr(split_files, "_KEPT", kept)
        assert datasets.load("sst2", "dev", tmp_path) == found
    assert len(read) == 1 + 4 * 2


@pytest.mark.parametrize("kept", [0, 10**6])
def test_a_file_that_is_damaged_at_its_end_is_refused_before_any_text_is_cleaned(tmp_path, monkeypatch, kept):
    write(tmp_path, b"text\tlabel\n" + b"fine\t1\n" * 5_000 + b"\xff\t1\n")
    monkeypatch.setattr(split_files, "_KEPT", kept)
    monkeypatch.setattr(datasets, "clean_row", lambda text: pytest.fail("a text was cleaned"))
    with pytest.raises(BadInput, match="cannot be read as UTF-8"):
        datasets.load("sst2", "dev", tmp_path)


def test_columns_may_stand_in_any_order_and_empty_texts_are_left_out(tmp_path):
    write(tmp_path, "id\tlabel\ttext\n7\tbusiness\tstocks fell\n8\t3\t \x00 \n9\tsci/tech\trockets rose\n", "ag_news")
    found = datasets.load("ag_news", "dev", tmp_path)
    assert [(e.text, e.label, e.uid) for e in found] == [("stocks fell", 2, "ag_news/dev/0"),
                                                         ("rockets rose", 3, "ag_news/dev/2")]
    assert len({e.uid for e in found}) == 2


@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbftext\tlabel\r\nfine\t1\r\n", b"text\tlabel\nfine\t1", b"text\tlabel\nfine\t 1 \n\n"])
def test_files_of_other_systems_are_read(tmp_path, content):
    write(tmp_path, content)
    assert [(e.text, e.label) for e in datasets.load("sst2", "dev", tmp_path)] == [("fine", 1)]


PACKED = gzip.compress(b"text\tlabel\n" + b"".join(b"word%d word\t1\n" % i for i in range(500)))


@pytest.mark.parametrize(("file", "content", "message"), [
    ("dev.tsv", "a fine film\t1\n", "sst2/dev.tsv needs a header line with the columns text and label"),
    ("dev.tsv", "", "needs a header line"),
    ("dev.tsv", "text\tlabel\n", "sst2/dev.tsv holds no texts"),
    ("dev.tsv", "text\tlabel\nfine\t1\nno label\n", "Line 3 of sst2/dev.tsv has too few columns"),
    ("dev.tsv", "text\tlabel\nfine\t2\n", "Line 2 of sst2/dev.tsv has the label '2'; known are negative, positive"),
    ("dev.tsv", "text\tlabel\nfine\tgood\n", "the label 'good'"),
    ("dev.tsv", "text\tlabel\nfine\t-1\n", "the label '-1'"),
    ("dev.tsv", "text\tlabel\nfine\t\u00b2\n", "the label '\u00b2'"),
    ("dev.tsv", "text\tlabel\nfine\t\n", "the label ''"),
    ("dev.tsv", b"text\tlabel\n\xff\xfe\t1\n", "dev.tsv cannot be read as UTF-8 text"),
    ("dev.tsv.gz", b"no gzip at all", "dev.tsv.gz cannot be read"),
    ("dev.tsv.gz", PACKED[:200], "dev.tsv.gz cannot be read"),
    ("dev.tsv.gz", PACKED[:60] + bytes(40) + PACKED[100:], "dev.tsv.gz cannot be read"),
])
def test_damaged_files_are_named_in_one_line(tmp_path, file, content, message):
    write(tmp_path, content, file=file)
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        datasets.load("sst2", "dev", tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_the_fingerprint_follows_texts_and_labels():
    some = datasets.load("reviews", "dev")
    assert datasets.hash_examples(some) == datasets.hash_examples(list(some)) != datasets.hash_examples(some[1:])
    assert len(datasets.hash_examples(some)) == 64


def test_rows_are_counted_once_and_again_when_the_file_has_changed(tmp_path, monkeypatch):
    path = write(tmp_path, "\ufefftext\tlabel\r\na film\t1\r\n\r\nanother\t0\r\n\n\n")
    opened = []
    monkeypatch.setattr(Path, "open", lambda self, *args, real=Path.open, **kwargs: (
        opened.append(self.name) if self == path else None) or real(self, *args, **kwargs))
    counts = [datasets.count_rows("sst2", "dev", tmp_path) for _ in range(3)]
    assert counts == [3, 3, 3] and opened == ["dev.tsv"]
    assert datasets.count_rows("sst2", "dev", tmp_path) == len([*read_lines(path)]) - 1
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"\n\n\n", b"\nb\n"))  # As long as before.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    assert datasets.count_rows("sst2", "dev", tmp_path) == 4
    path.write_bytes(b"text\tlabel\n")
    assert datasets.count_rows("sst2", "dev", tmp_path) == 0
    path.write_bytes(b"text\tlabel\n\xff\xfe\t1\n")
    with pytest.raises(BadInput, match="UTF-8"):
        datasets.count_rows("sst2", "dev", tmp_path)


def test_the_id_of_an_experiments_model_is_worked_out_once(monkeypatch):
    parsed = []
    base._name_training.cache_clear()
    monkeypatch.setattr(trainings, "parse_spec", lambda *args, real=trainings.parse_spec: (
        parsed.append(args) or real(*args)))
    subject = Subject(plan_training("sst2", "cnn", "flat", attack="textfooler"), ("textfooler",))
    assert {subject.id for _ in range(3)} == {"sst2/cnn/flat-textfooler"} and subject.base == "sst2/cnn/base"
    assert len(parsed) == 1
