"""Slices: written and read the same, bounded, and loaded from data sets and from stored runs."""

import pytest
from helpers.runs import TEXTS, make_texts, planted, store_run  # noqa: F401 (a fixture)
from hypothesis import given
from hypothesis import strategies as st

from robust_core import datasets, slices
from robust_core.errors import BadInput, UnknownName
from robust_core.slices import MOST_TEXTS, RUN, Slice, is_member, load_slice, make_slice, read_slice, write_slice
from robust_core.store import ResultStore


def test_neighbours_are_written_together():
    chosen = make_slice("sst2", "test", [9, 4, 3, 5, 5], "  near ~ the\nattack ")
    assert chosen == Slice("sst2", "test", (3, 4, 5, 9), "near the attack")
    assert write_slice(chosen) == "sst2~test~3-5.9~near_the_attack"
    assert write_slice(make_slice("0123456789ab", RUN, [7])) == "0123456789ab~run~7"


@given(st.sets(st.integers(0, 300), min_size=1, max_size=MOST_TEXTS), st.text(max_size=60),
       st.sampled_from((("sst2", "dev"), ("my_texts", "test"), ("0123456789ab", RUN))))
def test_what_is_written_is_read(places, name, where):
    chosen = make_slice(*where, places, name)
    word = write_slice(chosen)
    again = read_slice(word)
    assert again._replace(name="") == chosen._replace(name="") and slices.is_slice(word)
    # Blanks and underscores of a name are one.
    assert again.name == slices.clean_name(chosen.name.replace("_", " ")) and write_slice(again)


@pytest.mark.parametrize("word", [
    "", "sst2", "sst2~test", "sst2~other~1", "~test~1", "sst2~test~", "sst2~test~a", "sst2~test~5-3", "sst2~test~-1",
    "sst2~test~1..2", "sst2~test~0-200", "sst2~test~99999999", "sst2~test~1~a~b", "xyz~run~1", "sst2~test~\u0663",
    "sst2~test~" + "1." * 5000, "sst2~test~9000000", "../x~run~1"])
def test_other_words_are_one_line(word):
    with pytest.raises(BadInput) as caught:
        read_slice(word)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_too_many_and_none_are_refused():
    with pytest.raises(BadInput, match="201 texts were picked"):
        make_slice("sst2", "test", range(201))
    with pytest.raises(BadInput, match="at least one text"):
        make_slice("sst2", "test", [])


def test_texts_of_a_data_set_keep_their_ids(tmp_path):
    store = ResultStore(tmp_path)
    everything = datasets.load("reviews", "test")
    about, split, found = load_slice(read_slice("reviews~test~1-2.5"), store)
    assert about.name == "reviews" and split == slices.SPLIT
    assert found == [everything[i] for i in (1, 2, 5)]
    with pytest.raises(BadInput, match="None of the texts"):
        load_slice(read_slice("reviews~test~60000"), store)
    with pytest.raises(UnknownName):
        load_slice(read_slice("nothing~test~1"), store)


def test_texts_of_a_run_come_from_the_store(tmp_path):
    store = ResultStore(tmp_path)
    run = store_run(store, explain=False, texts=make_texts("reviews"))
    chosen = make_slice(run, RUN, [0, 3, 99])
    about, _, found = load_slice(chosen, store)
    assert [example.text for example in found] == [TEXTS[0], TEXTS[3]] and about.name == "reviews"
    assert [result.example.uid for result in slices.list_results(chosen, store, run)] == [
        "reviews/test/0", "reviews/test/3"]
    assert slices.find_dataset(chosen, store) == "reviews"
    # A slice of the data set finds the same texts in the run.
    assert len(slices.list_results(make_slice("reviews", "test", [0, 3]), store, run)) == 2
    with pytest.raises(BadInput, match="not stored here"):
        load_slice(make_slice("0123456789ab", RUN, [1]), store)
    assert slices.find_dataset(make_slice("0123456789ab", RUN, [1]), store) == ""


def test_membership_needs_the_very_split_and_run():
    chosen = make_slice("sst2", "test", [3])
    assert is_member(chosen, "sst2/test/3") and is_member(chosen, "sst2/test/3", "0123456789ab")
    assert not any(is_member(chosen, uid) for uid in ("sst2/dev/3", "sst2/test/4", "sst2x/test/3", "sst2/test/x", ""))
    of_run = make_slice("0123456789ab", RUN, [3])
    assert is_member(of_run, "any/file/3", "0123456789ab") and not is_member(of_run, "any/file/3", "ba9876543210")
