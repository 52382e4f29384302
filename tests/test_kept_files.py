"""Files brought along for trainings: kept once in their person's folder, refused in one line."""

import json

import pytest

from robust_core import kept_files, owners, paths
from robust_core.errors import BadInput
from robust_core.files import read_lines
from robust_core.kept_files import SWAPS, TEXTS, keep_swaps, keep_texts, list_kept
from robust_core.resources.swap_sets import read_swap_set

SET = json.dumps({"good": ["fine"]}).encode()


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))


def test_equal_contents_are_kept_once_and_others_beside_them():
    first = keep_texts("My Films (2).txt", "\ufeffa film\n\nanother – one\n".encode())
    assert first.is_absolute() and list(read_lines(first)) == ["a film", "", "another – one"]
    assert first.name.startswith("my_films_2-") and keep_texts("My Films (2).txt", first.read_bytes()) == first
    other = keep_texts("my films 2.txt", b"another text")
    swaps = keep_swaps("mine.json", SET)
    assert list_kept(TEXTS) == {path.name: path for path in sorted([first, other])}
    assert list_kept(SWAPS) == {swaps.name: swaps} and read_swap_set(str(swaps)).find("good") == ("fine",)


def test_each_person_has_their_own(monkeypatch):
    with owners.act_for("ann"):
        keep_texts("mine.txt", b"a text")
        keep_swaps("mine.json", SET)
        assert paths.count_uploads() == (2, 2)
    with owners.act_for("bob"):
        assert list_kept(TEXTS) == {} and paths.count_uploads() == (0, 2)


@pytest.mark.parametrize("name", ["../../x.txt", "/etc/passwd", "a" * 3000, ".txt", "\x1b[31m.txt", "a/b\\c.txt"])
def test_names_lead_nowhere_else(name):
    assert keep_texts(name, b"a text").parent == paths.own_files().absolute()


@pytest.mark.parametrize(("content", "line"), [
    (b"", "holds no texts"), (b"\n \n", "holds no texts"), (b"PK\x03\x04\x00\x00", "holds no texts"),
    (b"\xff\xfe", "is no UTF-8 text"), (b"a" * 1_000_001, "too long"), (b"a\n" * 40, "is too large")])
def test_texts_that_cannot_be_used_are_one_line(content, line, monkeypatch):
    if line == "is too large":
        monkeypatch.setattr(kept_files, "MOST_BYTES", 50)
    with pytest.raises(BadInput, match=line) as caught:
        keep_texts("mine.txt", content)
    assert "\n" not in str(caught.value) and list_kept(TEXTS) == {}


@pytest.mark.parametrize(("content", "line"), [
    (b"[]", "mine.json is no file of swaps"), (b"{", "mine.json cannot be read as JSON"),
    (b'{"good": ["very fine"]}', "mine.json holds 'very fine', which is not one word")])
def test_swaps_that_cannot_be_used_are_one_line_and_not_kept(content, line):
    with pytest.raises(BadInput, match=line):
        keep_swaps("mine.json", content)
    assert list_kept(SWAPS) == {} and not any(paths.own_files().iterdir())
