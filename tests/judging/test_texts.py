"""Where texts to judge come from, how they are drawn, and judgements on disk."""

import json
import stat

import pytest
from helpers.results import RUN, result
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import owners, paths
from robust_core.errors import BadInput
from robust_core.judging import kept, sources
from robust_core.judging.items import ORIGINALS, UNNAMED, Counts, Group, choose_items, make_item, make_source
from robust_core.judging.kept import find_file, keep_judgement, read_content, read_kept
from robust_core.judging.records import COLUMNS, Judged, read_name, to_record
from robust_core.judging.shipped import read_reading
from robust_core.store import ResultStore
from robust_core.types import Example
from ui.widgets.spreadsheet import write_csv

GROUP = Group("sst2/cnn/base", "textfooler", "paper")
ITEM = make_item("a fine movie", "a good movie", "positive", True, GROUP)
ONE = Judged("Ann", "positive", True, "2026-01-01T00:00:00", "a" * 12, Counts(10, 4), ITEM)


def test_what_is_drawn_is_even_mixed_and_of_different_sentences():
    source, _ = read_reading()
    drawn = choose_items(source, 20, 8, 0)
    assert [sum(item.group == group for item in drawn) for group in sorted({i.group for i in drawn})] == [8, 5, 5, 5, 5]
    assert len({item.original for item in drawn}) == 28
    kinds = [item.adversarial for item in drawn]
    assert kinds != sorted(kinds) and kinds != sorted(kinds, reverse=True)
    assert choose_items(source, 20, 8, 0) == drawn and choose_items(source, 20, 8, 1) != drawn
    assert len(choose_items(source, 1000, 1000, 0)) == 240, "never more than there are, each once"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**31))
def test_more_texts_add_to_those_of_a_smaller_draw(flips, originals, seed):
    source, _ = read_reading()
    small, large = choose_items(source, flips, 0, seed), choose_items(source, flips + originals, 0, seed)
    assert set(small) <= set(large) and len(large) == flips + originals


def test_texts_that_cannot_be_judged_are_left_out_and_counted():
    items = [ITEM, ITEM, make_item("x" * 30_000, "x", "positive", True, GROUP), make_item("a \ud800", "b", "c", False)]
    source = make_source("b" * 12, "t", ["c"], items)
    assert [item.text for item in source.items] == ["a fine movie", "a ?"] and source.left_out == 1


def store_run(**changes) -> ResultStore:
    store = ResultStore()
    run = store.open_run(RUN)
    store.append(run, result("0"))
    store.append(run, result("1", example=Example("a dull film", 0, "1"), perturbed="a dull film", reference_label=0,
                             status="failed"))
    store.append(run, result("2", example=Example("wrong", 0, "2"), perturbed="wrong", status="skipped"))
    return store


def test_a_stored_run_is_named_blind_and_read_with_its_counts():
    store = store_run()
    run, = sources.list_runs(store)
    assert (run.id, run.flips, run.results) == (RUN.id, 1, 3)
    assert run.title == f"SST-2: 1 flips, run {RUN.id}" and "cnn" not in run.title and "textfooler" not in run.title
    source = sources.read_runs(store, [run.id], lambda model: ())
    assert source.labels == ("negative", "positive")
    assert [(item.text, item.label, item.adversarial) for item in source.items] == [
        ("a good movie", "positive", False), ("a fine movie", "positive", True), ("a dull film", "negative", False)]
    group = source.items[1].group
    assert group[:2] == ("sst2/cnn/base", "textfooler") and source.counts == {group: Counts(2, 1)}
    with pytest.raises(BadInput, match="not stored here any more"):
        sources.read_runs(store, ["0" * 12], lambda model: ())


def test_texts_of_a_run_travel_as_a_file():
    store = store_run()
    source = sources.read_runs(store, [RUN.id], lambda model: ())
    content = "".join(json.dumps(row) + "\n" for row in sources.to_rows(source)).encode()
    again = sources.read_attacked("texts.jsonl", content)
    assert again.items == source.items or set(again.items) == set(source.items)
    assert {g: c for g, c in again.counts.items() if g in source.counts} == source.counts


def test_what_attack_prints_and_what_the_attack_page_writes_is_read():
    row = {"model": "m", "attack": "pwws", "preset": None, "status": "succeeded", "original": "a good film",
           "perturbed": "a fine film", "reference_label": "positive", "before": {"a": 1}}
    held = row | {"status": "failed", "perturbed": "a good film", "original": "a dull one",
                  "reference_label": "Negative"}
    source = sources.read_attacked("a.json", json.dumps({"results": [row, held, row | {"status": "skipped"}]}).encode())
    assert source.counts == {Group("m", "pwws", ""): Counts(2, 1)} and source.count_flips() == 1
    assert source.labels == ("Negative", "positive")
    text = write_csv(["model", "attack", "status", "original", "perturbed", "reference_label"],
                     [["m", "pwws", "flipped", "a good film", "a fine film", "Positive"],
                      ["m", "pwws", "held", "bad", "bad", "Negative"], ["m", "pwws", "wrong before", "x", "x", ""]])
    source = sources.read_attacked("a.csv", text.encode())
    assert source.counts == {Group("m", "pwws", ""): Counts(2, 1)} and source.left_out == 1


def test_a_plain_table_without_status_has_no_success():
    source = sources.read_attacked("a.csv", b"original,perturbed,label\na good film,a fine film,pos\nbad,bad,neg\n")
    assert source.counts == {} and source.count_flips() == 1
    assert source.items[1].group == Group("", UNNAMED, "") != ORIGINALS


@pytest.mark.parametrize("content, says", [
    (b"original,label\na,b\n", "no column perturbed or adversarial"),
    (b"original,perturbed,label\na,a,b\nb,b,c\n", "nothing to judge"),
    (b"original,perturbed,label,attempted,succeeded\na,x,b,1,5\nb,y,c,1,5\n", "more texts are flipped"),
    ("original,perturbed,label\n" + "".join(f"a{k},b{k},l{k}\n" for k in range(60)), "different labels")])
def test_files_that_cannot_be_judged_are_one_line(content, says):
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(BadInput, match=says):
        sources.read_attacked("a.csv", content)


def test_judgements_are_added_to_one_private_file_a_judge_and_come_back():
    for judged in (ONE, ONE._replace(says="unclear", when="2026-01-02"), ONE._replace(judge="  ann ".strip()),
                   ONE._replace(judge="../../Bob")):
        keep_judgement(judged)
    path = find_file(ONE.source, "ANN")
    assert path.parent.parent == paths.own_judgements() and len(list(path.parent.iterdir())) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_kept(ONE.source, "Ann") == ([ONE, ONE._replace(says="unclear", when="2026-01-02"),
                                             ONE._replace(judge="ann")], [])
    assert {each.judge for each in read_kept(ONE.source)[0]} == {"Ann", "ann", "../../Bob"}
    with owners.act_for("else"):
        assert read_kept(ONE.source) == ([], [])


def test_a_line_that_a_killed_process_left_unfinished_costs_no_other():
    keep_judgement(ONE)
    path = find_file(ONE.source, ONE.judge)
    with path.open("ab") as file:
        file.write(path.read_bytes()[:40])
    assert read_kept(ONE.source) == ([ONE], [])
    keep_judgement(ONE._replace(says="negative"))
    assert [each.says for each in read_kept(ONE.source)[0]] == ["positive", "negative"]


def test_a_damaged_file_is_a_line_beside_the_others(monkeypatch):
    keep_judgement(ONE)
    find_file(ONE.source, "Bob").write_text('{"judge": "Bob"}\n')
    judged, (line,) = read_kept(ONE.source)
    assert judged == [ONE] and "holds no judgements" in line or "needs a column" in line
    monkeypatch.setattr(kept, "MOST_BYTES", 10)
    with pytest.raises(BadInput, match="at most 10 bytes"):
        keep_judgement(ONE)
    monkeypatch.setattr(kept, "MOST_FILES", 2)
    with pytest.raises(BadInput, match="2 files of judgements are the most"):
        keep_judgement(ONE._replace(judge="Cleo"))


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path = find_file(ONE.source, ONE.judge)
    path.parent.mkdir(parents=True)
    path.symlink_to(victim)
    with pytest.raises(BadInput, match="cannot be written"):
        keep_judgement(ONE)
    assert victim.read_text() == "mine"


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT, st.booleans(), TEXT, st.booleans())
def test_any_judgement_survives_both_ways_of_export(judge, says, passable, text, adversarial):
    item = make_item(text, text + "!", "positive", adversarial, GROUP if adversarial else ORIGINALS)
    judged = Judged(read_name(judge), says, passable, "2026", "a" * 12, Counts(9, 3), item)
    record = to_record(judged)
    two = [record, record]
    assert read_content("a.jsonl", "".join(json.dumps(each) + "\n" for each in two).encode()) == [judged] * 2
    lines = write_csv(COLUMNS, [[each[name] for name in COLUMNS] for each in two])
    # A cell that already began with an apostrophe before such a sign cannot be told from a guarded one.
    if not any(str(cell).startswith("'") for cell in record.values()):
        assert read_content("a.csv", lines.encode()) == [judged] * 2


@pytest.mark.parametrize("change, says", [
    ({"kind": "other"}, "kind is adversarial or original"), ({"passable": "maybe"}, "passable is true or false"),
    ({"says": ""}, "lacks a text"), ({"item": "../x"}, "twelve hexadecimal digits"), ({"judge": " "}, "needs a name"),
    ({"judge": "x" * 100}, "at most 60 characters"), ({"attempted": "-1"}, "no number of texts"),
    ({"succeeded": 11}, "more texts are flipped"), ({"attempted": "9" * 5000}, "no number of texts")])
def test_a_row_that_is_no_judgement_is_named(change, says):
    content = json.dumps(to_record(ONE) | change).encode()
    with pytest.raises(BadInput, match=says) as refused:
        read_content("a.jsonl", content)
    assert str(refused.value).startswith("Row 1 of a.jsonl")
