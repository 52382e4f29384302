"""Evaluation: the same examples for every model, resume, rows that a slow twin confirms, and explanations compared."""

import dataclasses
import itertools
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.doubles import SENTIMENT, BagOfWords, Counting, Planted, WordEncoder, WordReader

from robust_core import encoders, metrics
from robust_core.errors import BadInput, Incompatible, MissingResource, RobustError, UnknownName
from robust_core.evaluation import explanation_consistency
from robust_core.evaluation.evaluate import check_labels, choose, evaluate
from robust_core.events import Event
from robust_core.explainers.base import Explainer
from robust_core.registry import param
from robust_core.store import ResultStore
from robust_core.text import Draft, align
from robust_core.types import Attribution, Example

TEXTS = [("a good movie", 1), ("a bad movie", 0), ("good and good and good", 1), ("a clever and good movie", 1),
         ("a good but dull movie", 0), ("a fine movie", 1), ("good", 1), ("dull", 0)]


@pytest.fixture(autouse=True)
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the attack engine compare sentences without loading an encoder."""
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with a small data set under the name of SST-2."""
    (tmp_path / "data" / "sst2").mkdir(parents=True)
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in TEXTS)]
    (tmp_path / "data" / "sst2" / "test.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path / "data"


@dataclasses.dataclass(frozen=True)
class Counted(Explainer):
    """An explainer whose scores are weight x count, and who writes down what it explained."""

    name, title, source = "counted", "Counted", "https://example.org/counted"
    opposed = False

    gap: float = param(0.0, "Gap that it claims")
    asked: list[tuple[str, int]] = dataclasses.field(default_factory=list, compare=False)

    def attribute(self, model: BagOfWords, texts: Sequence[str], targets: Sequence[int]) -> list[Attribution]:
        """Explain by the table of weights."""
        self.asked.extend(zip(texts, targets, strict=True))
        found = []
        for text, target in zip(texts, targets, strict=True):
            draft = Draft.of(text)
            scores = tuple(float(model.table[model.unit_ids(word)[0], target]) for word in draft.words)
            found.append(Attribution(text, draft.spans, scores, target, {"name": self.name}, self.gap, 0, sum(scores)))
        return found


def rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the rows among events."""
    return [dict(event.data) for event in events if event.kind == "row"]


def test_clean_accuracy_without_an_attack(data: Path) -> None:
    events = list(evaluate([BagOfWords()], "sst2", data_dir=data))
    row, = rows(events)
    # Right: all but "a good but dull movie" (2 - 1 > 0, labelled negative).
    assert row["n"] == 8
    assert row["accuracy"] == 7 / 8
    assert row["accuracy_se"] == pytest.approx(math.sqrt(7 / 8 * 1 / 8 / 8))
    assert (row["model"], row["dataset"], row["split"], row["attack"]) == ("double/bag-of-words", "sst2", "test", None)
    part = {"part": "accuracy of double/bag-of-words", "total": 8}
    assert [event.data for event in events if event.kind == "progress"] == [part | {"done": 0}, part | {"done": 8}]
    judged, = (event.data["right"] for event in events if event.kind == "judged")
    assert judged == {f"sst2/test/{i}": i != 4 for i in range(8)}


def test_attack_rows_agree_with_a_count_by_hand(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    row, = rows(list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store)))
    # good -> bad flips "a good movie", "good and good and good" (after two swaps), "a clever and good movie" and
    # "good"; "a bad movie", "a fine movie" and "dull" have nothing to swap; "a good but dull movie" is skipped.
    assert (row["n"], row["skipped"], row["succeeded"], row["errors"], row["stopped"]) == (8, 1, 4, 0, 0)
    assert row["accuracy"] == 7 / 8
    assert row["accuracy_under_attack"] == 3 / 8
    assert row["attack_success_rate"] == 4 / 7
    assert row["swaps"] == (1 + 2 + 1 + 1) / 4
    assert row["attack"] == "planted"
    assert row["parameters"] == {"name": "planted", "max_queries": 0, "time_limit": 0.0, "old": "good", "new": "bad"}
    stored = store.results(row["run"])
    assert all(r.steps and r.curve for r in stored if r.swaps), "the course of each search is stored"
    assert [r.example.uid for r in sorted(stored, key=lambda r: r.example.uid)] == [f"sst2/test/{i}" for i in range(8)]
    summary = metrics.summary(stored)
    assert {name: row[name] for name in summary} == pytest.approx(summary, nan_ok=True)


def test_results_are_on_disk_before_they_are_seen(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    for event in evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store):
        if event.result is not None:
            assert any((event.uid, event.victim) in store.done(run) for run in store.runs())


def test_a_killed_evaluation_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    whole = rows(list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data)))
    seen = 0
    events = evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store)
    for event in events:
        seen += event.result is not None
        if seen == 3:
            events.close()
            break
    model = Counting(BagOfWords())
    after = list(evaluate([model], "sst2", "test", [Planted()], data_dir=data, store=store))
    assert sum(event.result is not None for event in after) == 5
    assert _figures(rows(after)) == _figures(whole)
    model = Counting(BagOfWords())
    again = list(evaluate([model], "sst2", "test", [Planted()], data_dir=data, store=store))
    assert (model.calls, len(again)) == (0, 1)
    assert _figures(rows(again)) == _figures(whole)


def _figures(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without what a clock decides."""
    return [{k: repr(v) for k, v in row.items() if not k.startswith("seconds") and k != "run"} for row in found]


def test_a_second_model_and_more_examples_use_what_is_stored(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    first, second = Counting(BagOfWords()), BagOfWords(id="double/second")
    few = list(evaluate([first], "sst2", "test", [Planted()], n=3, data_dir=data, store=store))
    assert rows(few)[0]["n"] == 3
    more = list(evaluate([first, second], "sst2", "test", [Planted()], n=5, data_dir=data, store=store))
    new = [(event.victim, event.uid) for event in more if event.result is not None]
    assert sum(victim == "double/bag-of-words" for victim, _ in new) == 2
    assert sum(victim == "double/second" for victim, _ in new) == 5
    found = rows(more)
    assert [row["n"] for row in found] == [5, 5]
    assert found[0]["accuracy_under_attack"] == found[1]["accuracy_under_attack"]
    assert found[0]["run"] != found[1]["run"]


def test_other_parameters_are_another_run(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    runs = set()
    for options in ({}, {"max_queries": 1}, {"time_limit": 60.0}, {"seed": 1}):
        runs.add(rows(list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store,
                                    **options)))[0]["run"])
    assert len(runs) == 4


def parts(events: Sequence[Event]) -> dict[str, list[tuple[int, int]]]:
    """Return (done, total) of every progress event that tells of a part, by part."""
    found: dict[str, list[tuple[int, int]]] = {}
    for event in events:
        if "part" in event.data:
            found.setdefault(event.data["part"], []).append((event.data["done"], event.data["total"]))
    return found


def test_progress_counts_what_is_stored_as_done_from_the_start(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    first, second = BagOfWords(), BagOfWords(id="double/second")
    events = list(evaluate([first], "sst2", "test", [Planted()], n=3, data_dir=data, store=store))
    assert parts(events) == {"planted on double/bag-of-words": [(i, 3) for i in range(4)]}
    events = list(evaluate([first, second], "sst2", "test", [Planted()], data_dir=data, store=store, transfer=True,
                           explain=[Counted()]))
    assert parts(events) == {
        "planted on double/bag-of-words": [(i, 8) for i in range(3, 9)],
        "planted on double/second": [(i, 8) for i in range(9)],
        "counted of double/bag-of-words under planted": [(0, 4), (4, 4)],
        "counted of double/second under planted": [(0, 4), (4, 4)],
        "texts of planted against double/bag-of-words on double/second": [(0, 8), (8, 8)],
        "texts of planted against double/second on double/bag-of-words": [(0, 8), (8, 8)]}
    events = list(evaluate([first, second], "sst2", "test", [Planted()], data_dir=data))
    assert parts(events) == {"planted on double/bag-of-words, double/second": [(i, 16) for i in range(17)]}


def test_two_at_once_on_one_store_end_like_one(data: Path, tmp_path: Path) -> None:
    alone, = rows(list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data)))
    stores = [ResultStore(tmp_path / "runs") for _ in range(2)]
    both = [evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store) for store in stores]
    # In turn, event by event: each works on what the other one has just stored.
    seen: list[list[Event]] = [[], []]
    for pair in itertools.zip_longest(*both):
        for i, event in enumerate(pair):
            seen[i] += [event] if event else []
    assert _figures(rows(seen[0])) == _figures(rows(seen[1])) == _figures([alone])
    assert len(stores[0].results(next(iter(stores[0].runs())))) == 8


def test_limits_reach_the_attack(data: Path) -> None:
    events = list(evaluate([BagOfWords()], "sst2", "test", [Planted()], max_queries=2, data_dir=data))
    assert max(event.result.queries for event in events if event.result) == 2
    assert rows(events)[0]["exhausted"] == 1


def test_stop_keeps_what_there_is(data: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    store = ResultStore(tmp_path / "runs")
    found = []
    for event in evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store, stop=stop,
                          explain=[Counted()]):
        if event.result is not None:
            stop.set()
        found.append(event)
    row, = rows(found)
    assert 1 <= row["n"] + row["stopped"] <= 8
    assert row["stopped"] >= 1
    assert row["warnings"][0].startswith(f"Only {row['n']} of 8 examples came to an end.")
    row, = rows(list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store)))
    assert (row["n"], row["stopped"]) == (8, 0), "what was stopped is done again"
    stop = threading.Event()
    stop.set()
    row, = rows(list(evaluate([BagOfWords()], "sst2", data_dir=data, stop=stop)))
    assert row["n"] == 0
    assert math.isnan(row["accuracy"])


def test_a_search_that_breaks_is_counted_and_the_others_go_on(data: Path) -> None:
    class Fragile(BagOfWords):
        def proba_from_ids(self, rows: Sequence[tuple[int, ...]]) -> Any:  # noqa: ANN401 (an array)
            if any(len(row) == 1 for row in rows):
                raise RuntimeError("broken")
            return super().proba_from_ids(rows)

    row, = rows(list(evaluate([Fragile()], "sst2", "test", [Planted()], data_dir=data)))
    assert (row["n"], row["errors"]) == (6, 2)
    assert row["warnings"][0] == (
        "2 examples have no result. The attack broke off with an internal error (RuntimeError).")
    assert row["warnings"][1].startswith("Only 6 of 8 examples came to an end.")


@pytest.mark.parametrize("error", [MissingResource("The table of words", "Make it."), BadInput("No such word.")])
def test_when_every_search_fails_the_reason_is_told(data: Path, monkeypatch: pytest.MonkeyPatch,
                                                    error: RobustError) -> None:
    def search(self: Planted, target: object, rng: object) -> None:
        raise error

    monkeypatch.setattr(Planted, "search", search)
    (data / "sst2" / "test.tsv").write_text("text\tlabel\na good movie\t1\na bad movie\t0\n")
    with pytest.raises(type(error), match=str(error)):
        list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data))


def test_the_draw_is_seeded_nested_and_in_order() -> None:
    examples = [Example("x", 0, str(i)) for i in range(100)]
    small, large = choose(examples, 10, 3), choose(examples, 30, 3)
    numbers = [int(e.uid) for e in small]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 10
    assert set(small) < set(large)
    assert choose(examples, 10, 3) == small != choose(examples, 10, 4)
    assert choose(examples, None, 0) == choose(examples, 1000, 0) == tuple(examples)
    with pytest.raises(BadInput, match="at least 1"):
        choose(examples, 0, 0)


def test_explanations_agree_with_a_slow_twin(data: Path) -> None:
    # "good and good and good" -> two swaps; without a weight for "and" the scores have ties, as tau-b handles them.
    # Both classes count: the first one gives the words another order than the second.
    weights = {"good": (-2, 2), "clever": (1.5, 1.5), "fine": (0, 0.5), "movie": (-0.5, 0), "bad": (2, -2),
               "dull": (1, -1)}
    model, explainer = BagOfWords(weights), Counted()
    events = list(evaluate([model], "sst2", "test", [Planted()], data_dir=data, explain=[explainer]))
    plain, everything, changed = rows(events)
    assert "explain" not in plain
    assert (everything["explain"], everything["pairs"], everything["compared"]) == ("counted", "all", 8)
    assert (changed["pairs"], changed["compared"]) == ("changed", 4)
    assert {text for text, _ in explainer.asked} == {
        "a good movie", "a bad movie", "good and good and good", "bad and bad and good", "a clever and good movie",
        "a clever and bad movie", "good", "bad"}, "identical texts are not explained"

    def twin(old: str, new: str) -> tuple[float, float]:
        taus, tops = [], []
        for target in (0, 1):
            a, b = (Counted().explain(model, [text], [target])[0] for text in (old, new))
            taus.append(metrics.kendall_tau(a.scores, b.scores))
            tops.append(metrics.top_k_intersection(a.scores, b.scores, 2))
        return sum(taus) / 2, sum(tops) / 2

    pairs = [("a good movie", "a bad movie"), ("good and good and good", "bad and bad and good"),
             ("a clever and good movie", "a clever and bad movie"), ("good", "bad")]
    values = [twin(*pair) for pair in pairs]
    taus = [tau for tau, _ in values if not math.isnan(tau)]
    assert len(taus) == 3, "one word has no order"
    assert changed["kendall_tau"] == pytest.approx(sum(taus) / 3)
    assert changed["top_k"]["2"] == pytest.approx(sum(top for _, top in values) / 4)
    assert everything["kendall_tau"] == pytest.approx((sum(taus) + 4) / 7)
    assert everything["top_k"]["2"] == pytest.approx((sum(top for _, top in values) + 4) / 8)
    lengths = [len(Draft.of(text).words) for text, _ in TEXTS]
    assert everything["top_k_random"]["2"] == pytest.approx(sum(min(2, n) / n for n in lengths) / 8)
    assert set(changed["top_k"]) == {str(k) for k in range(1, 11)}
    assert changed["kendall_tau_se"] == pytest.approx(metrics.estimate_mean(taus)[1])
    assert changed["gap"] == 0.0
    assert not changed["warnings"]


def test_transfer_by_hand(data: Path) -> None:
    # The second model leans to positive and minds "bad" less. Both are wrong about "a good but dull movie" only.
    models = [BagOfWords(), BagOfWords(SENTIMENT | {"bad": -1.0}, (0.0, 1.5), id="double/second")]
    events = list(evaluate(models, "sst2", "test", [Planted()], data_dir=data, transfer=True))
    one, other = (row for row in rows(events) if "adversarial_from" in row)
    # Of "a bad movie", "bad and bad and good", "a clever and bad movie" and "bad" the first and last fool it too.
    assert (one["adversarial_from"], one["model"]) == ("double/bag-of-words", "double/second")
    assert (one["n"], one["transferable"], one["attack"], one["dataset"]) == (8, 4, "planted", "sst2")
    assert (one["accuracy"], one["accuracy_under_transfer"], one["transfer_success_rate"]) == (7 / 8, 5 / 8, 2 / 4)
    assert one["accuracy_se"] == pytest.approx(math.sqrt(7 / 8 * 1 / 8 / 8))
    assert one["accuracy_under_transfer_se"] == pytest.approx(math.sqrt(5 / 8 * 3 / 8 / 8))
    assert one["transfer_success_rate_se"] == pytest.approx(math.sqrt(1 / 4 / 4))
    # "a bad movie", "bad and bad and bad" and "bad" fool the first model, and so does what the attack on the second
    # left where it failed: "a clever and bad movie".
    assert (other["adversarial_from"], other["model"]) == ("double/second", "double/bag-of-words")
    assert (other["n"], other["transferable"], other["transfer_success_rate"]) == (8, 3, 1.0)
    assert (other["accuracy"], other["accuracy_under_transfer"]) == (7 / 8, 3 / 8)


def test_an_original_that_the_other_model_has_wrong_is_no_transfer(data: Path) -> None:
    models = [BagOfWords(), BagOfWords({"good": -2.0, "bad": -2.0}, id="double/second")]
    events = list(evaluate(models, "sst2", "test", [Planted()], data_dir=data, transfer=True))
    row = next(row for row in rows(events) if row.get("adversarial_from") == "double/bag-of-words")
    assert row["transferable"] == 0
    assert math.isnan(row["transfer_success_rate"])


def test_transfer_asks_only_what_is_not_known(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    pair = [BagOfWords(), BagOfWords(id="double/second")]
    first = list(evaluate(pair, "sst2", "test", [Planted()], data_dir=data, store=store, transfer=True))
    counting = [Counting(model) for model in pair]
    again = list(evaluate(counting, "sst2", "test", [Planted()], data_dir=data, store=store, transfer=True))
    assert [sorted(model.texts) for model in counting] == [sorted(
        ["a bad movie", "bad and bad and good", "a clever and bad movie", "bad"])] * 2, "texts that were changed"
    assert _figures(rows(again)) == _figures(rows(first))
    assert rows(again)[2]["run"] == rows(again)[0]["run"], "the run of the attacked model"


def test_a_stopped_evaluation_has_no_transfer_rows(data: Path) -> None:
    stop = threading.Event()
    found = []
    for event in evaluate([BagOfWords(), BagOfWords(id="double/second")], "sst2", "test", [Planted()], data_dir=data,
                          stop=stop, transfer=True):
        if event.result is not None:
            stop.set()
        found.append(event)
    assert len(rows(found)) == 2


def test_stored_explanations_are_used_again(data: Path, tmp_path: Path) -> None:
    store, first, again = ResultStore(tmp_path / "runs"), Counted(), Counted()

    def measure(explainer: Counted, n: int | None) -> list[dict[str, Any]]:
        return rows(list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, store=store, n=n,
                                  explain=[explainer])))

    measure(first, 4)
    done = len(first.asked)
    plain, *everything = measure(again, None)
    assert 0 < len(again.asked) and done + len(again.asked) == 4 * 2 * 2, "four changed pairs, two classes, each once"
    third = Counted()
    assert measure(third, None)[1:] == everything and not third.asked
    # The pages' view: towards the reference label alone, unchanged texts compared with themselves.
    of, = explanation_consistency.list_stored(store)
    assert (of.model, of.compared, of.method["name"]) == ("double/bag-of-words", 4, "counted")
    pairs = explanation_consistency.read_pairs(store, of)
    assert len(pairs) == 8 and sum(r.perturbed != r.example.text for r, _ in pairs) == 4
    assert all(values["kendall_tau"] == 1.0 for r, values in pairs if r.perturbed == r.example.text)


def test_originals_are_explained_once_for_all_attacks(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True)
    class Alone(Counted):
        alone = True

    def measured(explainer: Counted, model: BagOfWords) -> list[dict[str, Any]]:
        monkeypatch.setattr(explanation_consistency, "_ORIGINALS", explanation_consistency._Originals(22))
        events = evaluate([model], "sst2", "test", [Planted(), Planted(max_queries=50)], data_dir=data,
                          explain=[explainer])
        return [_figures([row])[0] for row in rows(list(events)) if "explain" in row]

    class Weighed(BagOfWords):
        """Known by its weights, as a network is; a model known by its id alone may have learnt in between."""

        net = None

    monkeypatch.setattr(explanation_consistency, "fingerprint_model", lambda model: "weights of " + model.id)
    every, once, unknown = Counted(), Alone(), Alone()
    model = Weighed()
    model.net = torch.nn.Module()
    expected = measured(every, Weighed())
    assert len(expected) == 4
    assert measured(once, model) == expected == measured(unknown, Weighed())
    # Two attacks change four texts each, to the same words; there is room for 11 of their 14 words, three originals.
    assert (len(every.asked), len(unknown.asked), len(once.asked)) == (32, 32, 26)


def test_texts_that_wait_for_their_explanation_are_left_out(data: Path, tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    both = {"data_dir": data, "store": store}
    list(evaluate([BagOfWords()], "sst2", "test", [Planted()], n=4, explain=[Counted()], **both))
    list(evaluate([BagOfWords()], "sst2", "test", [Planted()], **both))
    assert 0 < len(explanation_consistency.read_pairs(store, explanation_consistency.list_stored(store)[0])) < 8


def test_one_pair_by_hand(data: Path) -> None:
    model = BagOfWords({"clever": 3.0, "good": 2.0, "and": 0.5, "movie": 0.25, "a": 0.1, "bad": -2.0})
    a, b = (Counted().explain(model, [text], [1])[0] for text in ("a clever and good movie", "a clever and bad movie"))
    found = metrics.consistency(a, b, align("a clever and good movie".split(), "a clever and bad movie".split()))
    # Scores .1 3 .5 2 .25 and .1 3 .5 -2 .25: of ten pairs those of "good" with a, and, movie turn round.
    assert found["kendall_tau"] == pytest.approx((7 - 3) / 10)
    assert found["top_k"][2] == 0.5


def test_wide_gaps_show_as_a_warning(data: Path) -> None:
    found = rows(list(evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, explain=[Counted(gap=1.0)])))
    assert all(any("completeness gap" in warning for warning in row["warnings"]) for row in found[1:])


def test_labels_must_be_those_of_the_data(data: Path) -> None:
    from robust_core.datasets import describe

    with pytest.raises(Incompatible, match="predicts positive, negative; SST-2 has the labels negative, positive"):
        list(evaluate([BagOfWords(labels=("positive", "negative"))], "sst2", data_dir=data))
    check_labels(BagOfWords(labels=("LABEL_0", "LABEL_1")), describe("sst2"))
    with pytest.raises(Incompatible):
        check_labels(BagOfWords(labels=("LABEL_0", "LABEL_1")), describe("trec"))


def test_wrong_questions_have_plain_answers(data: Path, tmp_path: Path) -> None:
    model = BagOfWords()
    for error, arguments, options in (
        (UnknownName, ("mnist",), {}), (UnknownName, ("sst2", "validation"), {}),
        (MissingResource, ("sst2", "test"), {"data_dir": tmp_path / "none"}), (BadInput, ("sst2",), {"n": 0}),
        (BadInput, ("sst2",), {"explain": [Counted()]}), (BadInput, ("sst2", "test", [Planted()]), {"max_queries": -1}),
    ):
        with pytest.raises(error):
            list(evaluate([model], *arguments, **({"data_dir": data} | options)))
    pair = [model, BagOfWords(id="double/second")]
    for models, attacks, reason in (([model], [Planted()], "at least two models"), (pair, [], "choose an attack")):
        with pytest.raises(BadInput, match=reason):
            list(evaluate(models, "sst2", "test", attacks, data_dir=data, transfer=True))
    with pytest.raises(BadInput, match="named twice"):
        list(evaluate([model, BagOfWords()], "sst2", data_dir=data))


def test_fluency_on_request(data):
    rows = [e.data for e in evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data, reader=WordReader())
            if e.kind == "row"]
    # Every "good" became a "bad", which is ten times as surprising; three of four texts have one, the other three.
    assert rows[0]["fluency_compared"] == rows[0]["succeeded"] and rows[0]["perplexity_ratio"] >= 11
    assert "perplexity_ratio" not in next(
        e.data for e in evaluate([BagOfWords()], "sst2", "test", [Planted()], data_dir=data) if e.kind == "row")
    with pytest.raises(BadInput, match="choose an attack"):
        list(evaluate([BagOfWords()], "sst2", "test", data_dir=data, reader=WordReader()))
