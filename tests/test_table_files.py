"""Files as people have them: dialects, header lines, equal labels, JSON of both kinds, and pairs of texts."""

import io
import json

import pytest
from helpers.uploads import BAD, GOOD

from robust_core import table_files
from robust_core.errors import BadInput
from robust_core.table_files import read_table_file, read_upload

ROWS = [(text, "Positive") for text in GOOD] + [(text, "negative") for text in BAD]


def write(delimiter: str, header: str = "text,label", rows=ROWS) -> bytes:
    """The rows as a file with a delimiter; texts are quoted, since they hold commas."""
    lines = [header.replace(",", delimiter)] if header else []
    lines += [f'"{text.replace(chr(34), chr(34) * 2)}"{delimiter}{label}' for text, label in rows]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "sep={}\n", '"sep={}"\r\n'])
def test_every_dialect_gives_the_same_table(delimiter, first):
    table = read_upload("films.csv", first.format(delimiter).encode() + write(delimiter))
    assert table == read_upload("films.csv", write(","))
    assert table.columns == ("text", "label") and table.header is True
    assert list(zip(table.values("text"), table.values("label"), strict=True)) == ROWS


def test_a_tsv_may_hold_semicolons_and_a_csv_may_be_called_tsv():
    assert read_upload("a.tsv", write(",")).values("label") == [label for _, label in ROWS]
    plain = "text\tlabel\n\"Lone quote; here\tbad\nAnother; text\tgood\n"
    assert read_upload("a.tsv", plain.encode()).values("text") == ['"Lone quote; here', "Another; text"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_without_a_header_line_no_row_is_lost(delimiter):
    table = read_upload("films.csv", write(delimiter, ""))
    assert table.header is False and table.columns == ("column 1", "column 2")
    assert table.values("column 1") == [text for text, _ in ROWS] and table.guess() == ("column 1", "column 2")


@pytest.mark.parametrize(("header", "rows", "named"), [
    ("text,label", [("fine", "a")] * 3, True), ("Review_Text,airline", [("fine", "a")] * 3, True),
    ("words,stars", [(f"text {i}", str(i % 5)) for i in range(9)], True),
    ("words,kind", [(f"text {i}", "ab"[i % 2]) for i in range(9)], True),
    ("this film was quite good,a", [(f"text {i}", "ab"[i % 2]) for i in range(9)], False),
    ("one film,5", [(f"text {i}", str(i % 5)) for i in range(9)], False),
    ("one film,a", [(f"text {i}", "ab"[i % 2]) for i in range(9)], False),
    ("what is it,question", [(f"text {i}", ("question", "no")[i % 2]) for i in range(9)], False),
    ("what do you think of us,sentiment", [(f"text {i}", "ab"[i % 2]) for i in range(9)], True),
    ("one film,c", [("two films", "a"), ("three films", "b")], None)])
def test_a_header_is_told_by_what_stands_below_it(header, rows, named):
    table = read_upload("films.csv", write(",", header, rows))
    assert table.header is named
    assert len(table.values(table.columns[0])) == len(rows) + (not named)
    for asked in (True, False):
        assert len(read_upload("a.csv", write(",", header, rows), asked).cells[
            header.split(",")[0] if asked else "column 1"]) == len(rows) + (not asked)


def test_labels_that_differ_in_case_or_as_numbers_do_are_one_class_and_that_is_said():
    rows = [("a film", label) for label in ("Positive", "positive", "POSITIVE ", "Positive", "bad", "Bad")]
    table = read_upload("a.csv", write(",", rows=rows))
    assert table.classes("label") == ["Positive", "bad"]
    assert table.describe_merged("label") == "counted as one class: Positive = positive = POSITIVE, bad = Bad"
    numbers = ("1", "1.0", "2", "10", "-1", "2.50")
    table = read_upload("a.csv", write(",", rows=[("a film", label) for label in numbers]))
    assert table.classes("label") == ["-1", "1", "2", "2.50", "10"]
    assert table.describe_merged("label") == "counted as one class: 1 = 1.0"
    assert read_upload("a.csv", write(",")).describe_merged("label") == ""


def test_a_constant_column_is_never_taken_for_the_labels():
    content = "lang,words,kind\n" + "".join(f"en,a film that is long {i},{'ab'[i % 2]}\n" for i in range(9))
    assert read_upload("a.csv", content.encode()).guess() == ("words", "kind")
    content = content.replace("lang", "label", 1)
    assert read_upload("a.csv", content.encode()).guess() == ("words", "kind"), "whatever it is called"


def test_json_may_be_an_array_or_an_object_a_line_whatever_the_file_is_called():
    objects = [{"text": text, "label": label, "more": {"a": [1, None]}, "none": None} for text, label in ROWS]
    lines = "\n".join(map(json.dumps, objects)).encode()
    array = b"\xef\xbb\xbf \n" + json.dumps(objects, indent=1).encode()
    tables = [read_upload(f"a.{kind}", content) for kind in ("json", "jsonl") for content in (lines, array)]
    assert all(table == tables[0] for table in tables) and tables[0].values("label") == [label for _, label in ROWS]
    assert tables[0].columns == ("text", "label", "more") and tables[0].values("more")[0] == '{"a": [1, null]}'


@pytest.mark.parametrize(("first", "second"), [
    ("premise", "hypothesis"), ("question1", "question2"), ("sentence1", "sentence2"), ("Question", "sentence"),
    ("text_a", "text_b")])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json"])
def test_files_of_pairs_are_refused_in_words(first, second, kind):
    rows = [{first: "a man sleeps", second: "a man is awake", "label": "ab"[i % 2]} for i in range(9)]
    sign = "," if kind == "csv" else "\t"
    lines = [sign.join(rows[0]), *(sign.join(row.values()) for row in rows)]
    content = {"jsonl": "\n".join(map(json.dumps, rows)), "json": json.dumps(rows)}.get(kind, "\n".join(lines))
    with pytest.raises(BadInput, match="holds pairs of texts .* Only single texts can be read"):
        read_upload(f"a.{kind}", content.encode())


def test_columns_of_one_name_or_none_are_kept():
    table = read_upload("a.csv", b"text,label,label,\nfilm,a,b,c\nbook,b,a,d\n")
    assert table.columns == ("text", "label", "label (3)", "column 4") and table.first(1)[0]["column 4"] == "c"


def test_a_column_that_is_not_there_is_one_line():
    table = read_upload("a.csv", write(","))
    for column in ("stars", "", None, 3, ["label"]):
        with pytest.raises(BadInput, match="There is no column .*; there are text, label"):
            table.values(column)


def test_what_is_sparse_stays_small(monkeypatch):
    monkeypatch.setattr(table_files, "MOST_CELLS", 1000)
    with pytest.raises(BadInput, match="more than 1,000 cells"):
        read_upload("a.jsonl", "\n".join(json.dumps({f"k{i}": "x"}) for i in range(60)).encode())
    few = "\n".join(json.dumps({"k": 1, "l": i}) for i in range(60))
    assert len(read_upload("a.jsonl", few.encode()).values("k")) == 60


def write_parquet(columns: dict[str, list]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    content = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), content)
    return content.getvalue()


def test_parquet_gives_the_table_of_the_same_rows(tmp_path):
    content = write_parquet({"text": ["good, \"fine\"", "caf\u00e9\n\u4f60", "bad"], "label": [1, 0, None]})
    table = read_upload("films.parquet", content)
    assert table.columns == ("text", "label") and table.guess() == ("text", "label")
    assert table.cells["text"] == ["good, \"fine\"", "caf\u00e9\n\u4f60", "bad"]
    assert table.cells["label"] == ["1", "0", ""]
    (tmp_path / "films.parquet").write_bytes(content)
    assert read_table_file(tmp_path / "films.parquet") == table


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", b"text,label\na,b\n",
                                     write_parquet({"text": ["a"] * 9})])
def test_parquet_that_cannot_be_used_is_one_line(content):
    with pytest.raises(BadInput, match="films.parquet"):
        read_upload("films.parquet", content)


@pytest.mark.thorough
def test_parquet_that_unpacks_to_far_more_is_refused():
    packed = write_parquet({"text": ["x" * 900_000] * 3_000, "label": ["a", "b", "c"] * 1_000})
    assert len(packed) < 1_000_000
    with pytest.raises(BadInput, match="it unpacks to more than 250,000,000 bytes"):
        read_upload("films.parquet", packed)
