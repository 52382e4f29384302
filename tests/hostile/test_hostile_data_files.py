"""Data files that are bombs, endless, nested, or no files at all: read within bounds, or one plain line."""

import gzip
import io
import itertools
import json
import os
import resource
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.hostile import answer_or_line, expect_line, run_command

from robust_core import datasets, uploads
from robust_core.encoder_evaluation import probes, similarity
from robust_core.files import MOST_LINE
from robust_core.table_files import KINDS, MOST_BYTES, MOST_CELLS, read_table_file, read_upload

DIGITS, DEEP, LONG = "9" * 5000, 200_000, "a" * (MOST_LINE + 10)
# Seconds within which a file is refused or read, however it is made; one core that others share.
SOON = 8.0


@pytest.fixture(autouse=True)
def soon(request: pytest.FixtureRequest):
    """Fail a test whose reading takes long, or takes hundreds of megabytes more than before."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - began < SOON
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000, "KiB"


def pack(line: bytes, times: int) -> bytes:
    """A gzip file of one line repeated, made without holding what it unpacks to."""
    made, packer = io.BytesIO(), zlib.compressobj(9, zlib.DEFLATED, 31)
    block = line * max(1, 1_000_000 // len(line))
    for _ in range(max(1, times * len(line) // len(block))):
        made.write(packer.compress(block))
    made.write(packer.flush())
    return made.getvalue()


HEAD = b"text\tlabel\n"
SPLITS: dict[str, Callable[[], bytes]] = {
    "bomb of one line": lambda: pack(b"a", 200_000_000),
    "bomb of rows": lambda: pack(b"a\t1\n", 2_600_000),
    "bomb of blanks": lambda: pack(b"\n", 20_000_000),
    "bomb of tabs": lambda: pack(b"\t", 100_000_000),
    "bomb of zeros": lambda: pack(b"\0", 200_000_000),
    "bomb below a header": lambda: gzip.compress(HEAD) + pack(b"a film\t1\n", 2_600_000),
    "members": lambda: gzip.compress(HEAD + b"a\t1\n") * 20_000,
    "cut": lambda: gzip.compress(HEAD + b"a\t1\n" * 999)[:40],
    "zeros": lambda: bytes(100),
    "empty": lambda: b"",
    "header only": lambda: gzip.compress(HEAD),
    "no text": lambda: gzip.compress(b"\xff\xfe\xfd"),
    "bad sum": lambda: gzip.compress(HEAD + b"a\t1\n")[:-8] + bytes(8),
}
PLAIN: dict[str, bytes] = {
    "long text": HEAD + LONG.encode() + b"\t1\n",
    "long label": HEAD + b"a\t" + LONG.encode() + b"\n",
    "digits": HEAD + f"a\t{DIGITS}\n".encode(),
    "minus": HEAD + b"a\t-1\n",
    "float": HEAD + b"a\t1.0\n",
    "many columns": b"\t".join(b"c%d" % i for i in range(50_000)) + b"\n",
    "same columns": b"text\ttext\tlabel\na\tb\t1\n",
    "cells": HEAD + b"a\t1" + b"\t" * 500_000 + b"\n",
    "nul": b"text\0\tlabel\na\t1\n",
    "nul text": HEAD + b"\0\t1\n",
    "surrogates": HEAD + b"\xed\xa0\x80\t1\n",
    "latin": HEAD + b"caf\xe9\t1\n",
    "returns": b"text\tlabel\ra\t1\r",
    "bom": b"\xef\xbb\xbf" * 3 + HEAD + b"a\t1\n",
    "separators": HEAD + "a\u2028b\x0bc\x85\t1\n".encode(),
    "arabic": HEAD + "a\t\u0661\n".encode(),
    "superscript": HEAD + "a\t\u00b2\n".encode(),
    "long header": b"a" * (MOST_LINE + 10),
    "blank lines": HEAD + b"\n" * 400_000 + b"a\t1\n",
    "csv": b"text,label\na,1\n",
    "markup": HEAD + b"<b>" * 300_000 + b"\t1\n",
    "entities": HEAD + b"&amp;" * 100_000 + b"\t1\n",
}


def put(folder: Path, content: bytes, name: str, table: str = "sst2") -> Path:
    """Put a file where a data set is looked for."""
    (folder / table).mkdir(parents=True, exist_ok=True)
    (folder / table / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("case", SPLITS)
@pytest.mark.parametrize("read", ["load", "count"])
def test_a_packed_split_is_refused_in_one_line_or_read(tmp_path, case, read):
    folder = put(tmp_path, SPLITS[case](), "dev.tsv.gz")
    call = datasets.load if read == "load" else datasets.count_rows
    line = answer_or_line(lambda: call("sst2", "dev", folder))
    assert "bomb" not in case or "dev.tsv.gz" in str(line)


@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("read", ["load", "count", "table"])
def test_a_split_is_refused_in_one_line_or_read(tmp_path, case, read):
    folder = put(tmp_path, PLAIN[case], "dev.tsv")
    answer_or_line(
        {
            "load": lambda: datasets.load("sst2", "dev", folder),
            "table": lambda: list(datasets.read_table("sst2/dev", ("text", "label"), folder)),
            "count": lambda: datasets.count_rows("sst2", "dev", folder),
        }[read]
    )


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to itself", "link to nothing", "socket", "huge"])
@pytest.mark.parametrize("name", ["dev.tsv", "dev.tsv.gz", "about.json"])
def test_what_is_no_file_is_not_waited_for(tmp_path, own_runs, kind, name):
    place = tmp_path / "sst2" / name if name != "about.json" else own_runs / "data" / "mine" / name
    place.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "socket":
        os.mknod(place, 0o140644)
    elif kind == "huge":
        with place.open("wb") as file:
            file.truncate(2_000_000_000)
    else:
        place.symlink_to(place if "itself" in kind else "nowhere")
    expect_line(lambda: datasets.load("sst2", "dev", tmp_path))
    assert datasets.list_own() == {}


@pytest.mark.parametrize("score", ["nan", "inf", "x", "", DIGITS, "1e999", "\u0661.5", "0x10"])
def test_scores_and_labels_of_public_tables(tmp_path, score):
    rows = "".join(f"a man\ta dog {i}\t{score}\n" for i in range(5))
    put(tmp_path, f"sentence1\tsentence2\tscore\n{rows}".encode(), "sts12.tsv", "sts")
    answer_or_line(lambda: similarity.read_pairs("sts/sts12", tmp_path))
    put(tmp_path, f"text\tlabel\na man\t{score}\n".encode(), "mr.tsv", "transfer")
    expect_line(lambda: probes.read_task("mr", tmp_path), "0 or 1")


def make_objects(n: int, row: Callable[[int], dict]) -> bytes:
    """JSON lines."""
    return "\n".join(json.dumps(row(i)) for i in range(n)).encode()


UPLOADS: dict[str, Callable[[], bytes]] = {
    "deep lists": lambda: b"[" * DEEP,
    "deep objects": lambda: b'{"a":' * DEEP,
    "deep closed": lambda: b"[" * DEEP + b"]" * DEEP,
    "deep value": lambda: b'{"text": ' + b"[" * 900 + b"]" * 900 + b', "label": 1}\n',
    "deep array": lambda: b"[" + b'{"text": ' + b"[" * 990 + b"]" * 990 + b', "label": 1}]',
    "long line": lambda: b'{"text": "' + b"a" * 3_000_000 + b'"}',
    "many keys": lambda: make_objects(3, lambda i: {f"k{k}": i for k in range(50_000)}),
    "new keys": lambda: make_objects(20_000, lambda i: {"text": "a", f"k{i}": "b"}),
    "sparse": lambda: b"{}\n" * 100_000 + make_objects(500, lambda i: {f"k{i}": 1}),
    "empty objects": lambda: b"{}\n" * 100_000,
    "digits": lambda: f'{{"text": "a", "label": {DIGITS}}}'.encode(),
    "digits as text": lambda: f"text,label\na,{DIGITS}\nb,1\n".encode(),
    "nan": lambda: b'{"text": "a", "label": NaN}\n{"text": "b", "label": Infinity}\n',
    "surrogate": lambda: b'{"text": "\\ud800", "label": "\\udfff"}\n{"text": "b", "label": 1}\n',
    "nul": lambda: b"text,label\n\0,1\nb\0,2\n",
    "same keys": lambda: b'{"text": 1, "text": 2, "label": 3}\n' * 20,
    "long key": lambda: make_objects(5, lambda i: {"k" * 100_000: i, "k" * 100_001: i}),
    "columns": lambda: b",".join([b"c"] * 50_000) + b"\na,b\n",
    "cells": lambda: b"text,label\na,1" + b"," * 400_000 + b"\n",
    "long cell": lambda: b"text,label\n" + b"a" * 900_000 + b",1\n",
    "open quote": lambda: b'text,label\n"' + b"a\n" * 300_000,
    "quotes": lambda: b"text,label\n" + b'"' * 900_000,
    "quoted lines": lambda: b'text,label\n"' + b"a\n" * 30_000 + b'",1\n',
    "tsv cell": lambda: b"text\tlabel\n" + LONG.encode(),
    "delimiters": lambda: b",;|\t" * 200_000,
    "blanks": lambda: b" " * 900_000,
    "lines": lambda: b"\n" * 900_000,
    "returns": lambda: b"\r" * 400_000,
    "sep": lambda: b"sep=a\ntextalabel\n",
    "sep twice": lambda: b"sep=;\nsep=,\na;b\n",
    "sep quote": lambda: b'sep="\ntext"label\na"b\n',
    "sep long": lambda: b"sep=" + b";" * 100_000,
    "bom": lambda: b"\xef\xbb\xbf\xef\xbb\xbftext,label\na,b\n",
    "utf-16": lambda: "text,label\na,b\n".encode("utf-16"),
    "nothing": lambda: b"",
    "one sign": lambda: b"a",
    "latin": lambda: b"text,label\ncaf\xe9,1\n",
    "null": lambda: b"null",
    "number": lambda: b"[1, 2, 3]",
    "strings": lambda: b'["a"]',
    "array of arrays": lambda: b'[["a", "b"]]',
    "array and more": lambda: b'[{"text": "a"}] x',
    "zip": lambda: b"PK\x03\x04" + bytes(100),
    "pickle": lambda: b"\x80\x04cos\nsystem\n",
    "formula": lambda: b'text,label\n=cmd|"/c calc"!A1,1\n@x,2\n',
    "zeros": lambda: bytes(300_000),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", UPLOADS)
def test_an_upload_is_refused_in_one_line_or_read(case, kind):
    content = UPLOADS[case]()
    table = answer_or_line(lambda: read_upload(f"a.{kind}", content))
    if isinstance(table, str):
        return
    assert 2 <= len(table.columns) and all(
        len(table.cells[c]) == len(table.cells[table.columns[0]]) for c in table.columns
    )
    answer_or_line(lambda: uploads.label_rows(table, *table.guess()))
    answer_or_line(lambda: [table.describe_merged(column) for column in table.columns])
    answer_or_line(lambda: uploads.add_dataset("mine", table, *table.guess()))


@pytest.mark.parametrize("size", [MOST_BYTES + 1, 3_000_000_000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_too_large_is_not_read(kind, size):
    path = Path(f"a.{kind}")
    with path.open("wb") as file:
        file.truncate(size)
    expect_line(lambda: read_table_file(path), "200,000,000 bytes are the most")
    assert run_command("train", "--dataset", path.name, "--architecture", "cnn")[0] == 2
    assert run_command("evaluate", "--data", path.name, "--model", "nosuch")[0] == 2


def test_a_long_array_is_refused_before_it_is_read():
    expect_line(lambda: read_upload("a.json", b'[{"a": 1}' + b" " * 21_000_000 + b"]"), "JSON array")
    expect_line(lambda: read_upload("a.json", b"[" + b"{}," * 400_000 + b"{}]"))


def test_a_table_within_the_bounds_is_read_in_columns():
    row = b"0.5," * 19 + b"a\n"
    table = read_upload("a.csv", b",".join(b"c%d" % i for i in range(20)) + b"\n" + row * 20_000)
    assert len(table.columns) == 20 and len(table.values("c3")) == 20_000
    assert MOST_CELLS > 20 * 20_000


NAMES = [
    "",
    ".",
    "..",
    "a",
    "a.csv.exe",
    "a." + "c" * 5000,
    "\0.csv",
    "\ud800.csv",
    "a\nb.csv",
    "<b>.csv",
    "a" * 5000 + ".csv",
    "../../x.csv",
    "![x](http://192.0.2.1).csv",
    ".csv",
    "CSV",
    "a.CSV",
    "\u202etxt.csv",
    "a.csv ",
    "a b;c.tsv",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_name_of_a_file(name):
    for content in (b"text,label\na,1\nb,2\n", b"", b"\xff"):
        answer_or_line(lambda content=content: read_upload(name, content))
    plain = uploads.make_plain_name(name)
    assert plain.isascii() and plain.isidentifier() or plain[0].isdigit()


@pytest.mark.parametrize(
    ("name", "content"), itertools.product([None, 3, b"a.csv", ["a.csv"]], [None, "text", 3, b"a,b"])
)
def test_what_is_no_file_at_all_is_refused(name, content):
    expect_line(lambda: read_upload(name, content))


NAMED = [
    "",
    "..",
    "../x",
    "a/b",
    "A",
    "a b",
    "a" * 52,
    "a\0",
    "\ud800",
    "-a",
    "_a",
    "\u00e4",
    "sst2",
    "reviews",
    ".a",
    None,
    3,
    b"a",
    ["a"],
    "a\n",
]


@pytest.mark.parametrize("name", NAMED)
def test_a_hostile_name_of_a_data_set(name, own_runs):
    rows = b"".join(b"film %d,%d\n" % (i, i % 2) for i in range(40))
    table = read_upload("a.csv", b"text,label\n" + rows)
    expect_line(lambda: uploads.add_dataset(name, table, "text", "label"), "cannot name a data set")
    assert not own_runs.exists()
    if name not in ("sst2", "reviews"):
        expect_line(lambda: datasets.load(name, "dev"), "Unknown data set")
        expect_line(lambda: datasets.describe(name), "Unknown data set")
