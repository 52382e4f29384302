"""Reading and writing what somebody named: bounded, ordinary files, and the system's answers in one line."""

import gzip
from pathlib import Path

import pytest

from robust_core import files
from robust_core.errors import BadInput


@pytest.mark.parametrize("place", ["/proc/nosuch", "/proc/nosuch/x", "/sys/x"])
def test_a_folder_that_cannot_be_made_is_found_out_before_the_work(place):
    if not Path(place).parents[-2].is_dir():
        pytest.skip("no such file system here")
    with pytest.raises(BadInput, match="cannot be written"):
        files.check_target(Path(place))


def test_lines_come_as_from_the_whole_file(tmp_path):
    for content in (b"", b"\n", b"a", b"a\n", b"a\n\nb\n\n\n", b"\xef\xbb\xbfa\r\nb\rc", b"\n\na"):
        for name, data in (("a.tsv", content), ("a.tsv.gz", gzip.compress(content))):
            (tmp_path / name).write_bytes(data)
            whole = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
            assert list(files.read_lines(tmp_path / name)) == (whole.split("\n") if whole else [])


@pytest.mark.parametrize(("bound", "content", "line"), [
    ("MOST_LINE", "a" * 11, "Line 1 of a.tsv is too long: 10 characters"), ("MOST_CHARACTERS", "a\n" * 6, "too large"),
    ("MOST_ROWS", "a\n" * 15, "has too many lines: 10 rows")])
def test_each_bound_is_told(tmp_path, monkeypatch, bound, content, line):
    (tmp_path / "a.tsv").write_text(content)
    assert list(files.read_lines(tmp_path / "a.tsv"))
    monkeypatch.setattr(files, bound, 10)
    with pytest.raises(BadInput, match=line):
        list(files.read_lines(tmp_path / "a.tsv"))


def test_json_within_bounds(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": [1]}')
    assert files.read_json(path) == {"a": [1]}
    with pytest.raises(BadInput, match="a.json is too long: 5 bytes"):
        files.read_json(path, 5)
    with pytest.raises(BadInput, match="b.json cannot be read: it is not there"):
        files.read_json(tmp_path / "b.json")


def test_a_file_in_the_place_of_a_folder_is_told_before_the_work(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(BadInput, match="is a folder; name a file"):
        files.check_target_file(tmp_path / "a.json")
    (tmp_path / "b").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        files.check_target_file(tmp_path / "b" / "c.json")
    assert files.check_target_file(tmp_path / "c" / "d.json").name == "d.json"
