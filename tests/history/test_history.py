"""What was run and kept: listed with the figures of the store, searched, compared, exported, removed."""

import dataclasses
import io
import json
import math
from pathlib import Path

import pytest
from helpers.results import RUN, result
from helpers.runs import TEXTS, make_texts, planted, store_run  # noqa: F401 (a fixture)
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from robust_core import metrics
from robust_core.errors import BadInput, RobustError
from robust_core.history.comparison import compare_runs
from robust_core.history.entries import (
    EVALUATION,
    JUDGED,
    LINK,
    TRAINING,
    TYPED,
    count_right,
    find_entries,
    list_entries,
)
from robust_core.history.export import list_rows, to_jsonl, to_parquet
from robust_core.history.removal import describe_loss, remove_entry
from robust_core.judging.items import Counts, Group, make_item
from robust_core.judging.kept import keep_judgement
from robust_core.judging.records import Judged
from robust_core.paths import own_checkpoints
from robust_core.records import to_result_record
from robust_core.store import ResultStore
from robust_core.types import STATUSES


@pytest.fixture
def store(own_runs):
    return ResultStore(own_runs)


def make_view(text="a good movie", statuses=("succeeded", "failed", "skipped")) -> dict:
    results = [to_result_record(result(str(i), similarity=0.5, status=status)) for i, status in enumerate(statuses)]
    return {"outcome": {"asked": {"text": text, "models": ["sst2/cnn/base"], "attacks": [{"name": "planted"}]},
                        "results": results}}


def put_card(name: str = "reviews/cnn/base", parts: tuple[str, ...] = ()) -> Path:
    folder = own_checkpoints() / name
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({
        "id": name, "dataset": "reviews", "architecture": "cnn", "defence": {"name": "base"}, "seed": 0,
        "labels": ["negative", "positive"], "config": {"network": {"length": 50}, "parts": dict.fromkeys(parts, "ab")},
        "recipe": {"epochs": 3}, "dev_accuracy": 0.75, "epochs": 2, "seconds": 9.0, "device": "cpu", "parameters": 12,
        "bytes": 25, "files": {"model.safetensors": "ab" * 32}, "parent": "", "version": "0.1.0",
        "data": {"train": {"n": 160, "sha256": "cd" * 32}, "dev": {"n": 80, "sha256": "cd" * 32}}}))
    return folder


def judge(judge_="Ann", says="positive", text="a fine film") -> None:
    keep_judgement(Judged(judge_, says, True, "2026-01-01T00:00:00", "a" * 12, Counts(4, 2), make_item(
        text, "a good film", "positive", True, Group("sst2/cnn/base", "planted", "paper"))))


def test_every_kind_is_listed_with_its_figure(store):
    run = store_run(store)
    token = store.put(make_view())
    put_card()
    judge()
    judge(text="a poor film", says="negative")
    found = {entry.kind: entry for entry in list_entries(store)}
    assert set(found) == {EVALUATION, TYPED, TRAINING, JUDGED}
    one, row = found[EVALUATION], metrics.summary(store.results(run))
    assert (one.id, one.n, one.value, one.error) == (
        run, row["n"], row["accuracy_under_attack"], row["accuracy_under_attack_se"])
    assert one.explained == ("ig",) and one.presets == ("paper",) and one.models == ("double/a",)
    assert found[TYPED].id == token and found[TYPED].figure == "1 of 2 attacks succeeded"
    assert found[TRAINING].value == 0.75 and found[TRAINING].error == pytest.approx((0.75 * 0.25 / 80) ** 0.5)
    assert (found[JUDGED].n, found[JUDGED].value, found[JUDGED].text) == (2, 0.5, "Ann")
    whens = [entry.when for entry in list_entries(store)]
    assert whens == sorted(whens, reverse=True) and all(when.tzinfo for when in whens)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STATUSES), max_size=40))
def test_the_share_from_counts_is_that_from_results(statuses):
    # As attacks end: whoever failed kept the label, whoever succeeded lost it.
    results = [result(str(i), status=status, perturbed_label=0 if status == "succeeded" else 1)
               for i, status in enumerate(statuses)]
    counts = {status: statuses.count(status) for status in STATUSES}
    row = metrics.summary(results)
    value = metrics.estimate_proportion(count_right({"name": "textfooler"}, counts), row["n"])
    assert repr(value) == repr((row["accuracy_under_attack"], row["accuracy_under_attack_se"]))


def test_a_person_s_views_are_those_that_their_store_names(store, tmp_path):
    links = ResultStore(tmp_path / "links")
    mine, other = links.put(make_view("mine")), links.put(make_view("other's"))
    pointer = store.put({LINK: mine})
    store.put({LINK: "nowhere"})
    store.put({"something": "else"})
    entry, = list_entries(store, links)
    assert (entry.id, entry.text) == (mine, "mine")
    remove_entry(entry, store, links)
    assert not list_entries(store, links) and pointer not in store.views() and [*links.views()] == [other]


def test_the_search_looks_at_lines_and_texts(store):
    one, two = store_run(store), store_run(store, "double/b", texts=make_texts("moods", ("a GOOD Été", "good")))
    token = store.put(make_view("Quite a soggy romance"))
    entries = list_entries(store)

    def find(asked: str) -> set[str]:
        return {entry.id for entry in find_entries(entries, asked, store)}

    assert find("") == find("  ") == {one, two, token}
    assert find("double/a") == find("DOUBLE/A planted paper") == find("clever movie") == find("bad bad  bad") == {one}
    assert find("moods") == find("good été") == {two} and find("soggy") == find("typed romance") == {token}
    assert find("double/a soggy") == set() and find(f"{entries[0].when:%Y-%m-%d} double/b") == {two}


def test_two_runs_are_compared_on_the_texts_they_share(store):
    one = store_run(store)
    two = store_run(store, "double/b", bias=(0.0, 3.0), texts=make_texts(texts=(*TEXTS[:5], "other good")))
    found = compare_runs(store, one, two)
    assert (found.shared, found.only_first, found.only_second) == (5, 3, 1)
    first, second = ({r.example.text: r for r in store.each(run)} for run in (one, two))
    held = [metrics.list_held([r for text, r in results.items() if text in first and text in second])
            for results in (first, second)]
    by_name = {each.name: each for each in found.differences}
    value, error, n = metrics.estimate_paired_difference(held[1], held[0])
    attacked = by_name["Right under attack"]
    assert (attacked.value, attacked.error, attacked.n) == (value, error, n) and n == 5
    assert attacked.second - attacked.first == pytest.approx(value)
    both = [text for text in first if text in second and "skipped" not in (first[text].status, second[text].status)]
    assert by_name["Queries a text"].n == by_name["Attack success"].n == len(both) > 0
    assert by_name["Queries a text"].value == pytest.approx(
        sum(second[text].queries - first[text].queries for text in both) / len(both))
    assert {"Kendall's τ (Integrated gradients)", "Top-5 kept (Integrated gradients)"} <= set(by_name)
    assert {each.first.example.uid: each.now_right for each in found.changed} == {
        uid: held[1][uid] for uid in held[0] if held[0][uid] != held[1][uid]} != {}
    turned = {each.name: each.value for each in compare_runs(store, two, one).differences}
    assert all(turned[name] == pytest.approx(-each.value) for name, each in by_name.items())


def test_runs_that_cannot_be_compared_say_why(store):
    one = store_run(store)
    other = store_run(store, texts=make_texts("moods", ("good",)), explain=False)
    same_name = store_run(store, "double/b", texts=make_texts(texts=("another good text",)), explain=False)
    for words, two in (("one run twice", one), ("no text in common", other), ("no text in common", same_name),
                       ("No run 'nosuch'", "nosuch")):
        with pytest.raises(RobustError, match=words):
            compare_runs(store, one, two)


def test_a_removed_run_is_gone_and_refuses_what_still_arrives(store):
    one, two = store_run(store), store_run(store, "double/b")
    entry = next(entry for entry in list_entries(store) if entry.id == one)
    assert "8 results" in describe_loss(entry)
    assert remove_entry(entry, store) == f"Run {one} is gone: 8 results."
    assert [each.id for each in list_entries(store)] == [two] and not store.results(one)
    assert all(run == two for run, _, _ in store.explained())
    with pytest.raises(RobustError, match="No run"):
        remove_entry(entry, store)
    for late in (lambda: store.append(one, result()), lambda: store.compare(one, {"name": "ig"}, "0", {})):
        with pytest.raises(BadInput, match="removed from the history"):
            late()
    assert store_run(store) == one and len(store.results(one)) == 8, "measuring again brings it back"


def test_models_views_and_judgements_are_removed(store):
    folder, user = put_card(), put_card("reviews/cnn/core", ("reviews/cnn/base",))
    store.put(make_view())
    judge()
    by_id = {entry.id: entry for entry in list_entries(store)}
    with pytest.raises(BadInput, match="part of reviews/cnn/core"):
        remove_entry(by_id["reviews/cnn/base"], store)
    assert (folder / "card.json").exists()
    for name in ("reviews/cnn/core", "reviews/cnn/base"):
        assert remove_entry(by_id[name], store) == f"The model {name} is gone."
    assert not folder.exists() and not user.exists()
    for entry in list_entries(store):
        assert "gone" in remove_entry(entry, store)
    assert not list_entries(store)
    with pytest.raises(BadInput, match="not among"):
        remove_entry(by_id["reviews/cnn/base"], store)


def test_exports_hold_every_text_and_figure(store):
    run = store_run(store)
    store.put(make_view())
    put_card()
    judge()
    rows = list(list_rows(list_entries(store), store))
    written = [json.loads(line) for line in to_jsonl(rows).decode().splitlines()]
    table = parquet.read_table(io.BytesIO(to_parquet(rows))).to_pylist()
    assert len(written) == len(table) == 8 + 3 + 1 + 1
    mine = {row["uid"]: row for row in table if row["entry"] == run}
    for stored in store.each(run):
        row = mine[stored.example.uid]
        assert (row["original"], row["perturbed"], row["queries"], row["status"]) == (
            stored.example.text, stored.perturbed, stored.queries, stored.status)
        assert row["probability_after"] == stored.after[stored.reference_label]
        assert row["ig_top_5"] is not None
    assert {row["kind"] for row in written} == {EVALUATION, TYPED, TRAINING, JUDGED}


@settings(max_examples=40, deadline=None)
@given(text=st.text(), number=st.floats())
def test_any_text_can_be_exported(tmp_path_factory, text, number):
    store = ResultStore(tmp_path_factory.mktemp("store"))
    run = store.open_run(RUN)
    store.append(run, dataclasses.replace(result(similarity=number), perturbed=text))
    rows = list(list_rows([entry for entry in list_entries(store) if entry.id == run], store))
    row, = map(json.loads, to_jsonl(rows).decode().splitlines())
    assert row["perturbed"] == text and row["similarity"] == (number if math.isfinite(number) else None)
    back, = parquet.read_table(io.BytesIO(to_parquet(rows))).to_pylist()
    assert back["perturbed"] == text.encode(errors="replace").decode()
    store.close()
