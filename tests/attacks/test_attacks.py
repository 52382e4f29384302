"""The attack engine and every attack on it: results, counts, order, stopping, failures; greedy search and its twin."""

import dataclasses
import random
import threading
import time
import zlib

import numpy as np
import pytest
from helpers.doubles import BagOfWords, Counting, Planted, WordEncoder, WordFiller
from helpers.needs import mark_attacks
from helpers.texts import slow_window

from robust_core import ATTACKS
from robust_core.attacks import clare, constraints, transformations
from robust_core.attacks.base import Attack, make_generator
from robust_core.attacks.engine import token_splice
from robust_core.attacks.engine.requests import Accept, Candidate, Pause, Score, Target
from robust_core.errors import BadInput
from robust_core.models import masked_lm
from robust_core.resources import stop_words
from robust_core.text import Draft, Edit, diff, find_words, match_case
from robust_core.types import Example

SYNONYMS = {
    "good": ("fine", "nice", "decent", "dull"), "clever": ("smart", "witty", "bright"), "movie": ("film", "picture"),
    "dull": ("bland", "flat", "slow"), "bad": ("poor", "weak", "rough"), "fine": ("fair", "decent"), "it": ("that",),
    "watch": ("see", "view"), "story": ("tale", "plot"), "great": ("grand", "large"),
}
WEIGHTS = {
    "good": 1.2, "great": 1.0, "nice": 0.3, "clever": 0.9, "smart": 0.5, "witty": 0.2, "bright": -0.4, "fine": 0.4,
    "decent": 0.1, "fair": -0.2, "movie": 0.1, "film": 0.0, "picture": -0.1, "dull": -0.9, "bland": -0.3, "flat": 0.2,
    "bad": -1.2, "poor": -0.5, "weak": -0.2, "rough": 0.3, "watch": 0.1, "see": 0.0, "view": -0.2, "story": 0.2,
    "tale": 0.1, "plot": -0.1, "grand": 0.3, "large": -0.8,
}
LONG = "A good, clever and fine movie that never feels dull or bad to watch, with a great story that stays with us."
EXAMPLES = [
    Example(LONG, 1, "t/0"),
    Example("A good movie.", 1, "t/1"),
    Example("Good", 1, "t/2"),
    Example("\U0001f600 good \U0001f600 movie \U0001f3ac!", 1, "t/3"),
    Example("\U0001f600", 1, "t/4"),
    Example("It is not what they were.", 1, "t/5"),
    Example(" ".join(["good bad dull clever movie"] * 80), 1, "t/6"),
    Example("A bad, dull movie.", 1, "t/7"),
    Example("A bad, dull movie with a poor story that nobody would watch twice, even on a slow day at home.", 0, "t/8"),
    Example("<script>alert('good')</script> [MASK] [SEP] good movie", 1, "t/9"),
    Example("the story told in pieces", None, "t/10"),
    Example("", None, "t/11"),
]


@pytest.fixture(autouse=True)
def thesaurus(monkeypatch):
    """A small table of neighbours and synonyms, one part of speech: every figure here can be followed by hand."""
    use(monkeypatch, {word: [(other, 0.95 - 0.05 * k) for k, other in enumerate(others)]
                      for word, others in SYNONYMS.items()})
    monkeypatch.setattr(constraints, "tag", lambda words: ["NOUN"] * len(words))
    monkeypatch.setattr(constraints, "tag_swaps", lambda words, position, candidates: ["NOUN"] * len(candidates))
    yield
    forget()


@pytest.fixture(autouse=True)
def filler(monkeypatch):
    """A masked language model that knows a few words, in the place of the packaged one."""
    monkeypatch.setattr(clare, "tag", lambda words: ["ADJ" if w.lower() in ("good", "bad") else "NOUN" for w in words])
    monkeypatch.setattr(masked_lm, "load", lambda name, device: WordFiller(SYNONYMS, ("film", "see")))


def use(monkeypatch, table: dict[str, list[tuple[str, float]]]) -> None:
    """Put a table of neighbours in the place of the packed ones, of WordNet's too."""
    forget()
    monkeypatch.setattr(transformations, "neighbours", lambda word: table.get(word.lower(), []))
    monkeypatch.setattr(
        transformations, "synonyms", lambda word, pos=None: tuple(o for o, _ in table.get(word.lower(), []))
    )


def forget() -> None:
    """Forget what was looked up in another table."""
    transformations.list_substitutes.cache_clear()
    transformations.list_wordnet_swaps.cache_clear()


# BERT-Attack lacks its masked language model here, and says so (test_bridge.py). What TextAttack's process offers for a
# word comes from the packed tables, whatever a test puts in their place here.
HERE = [name for name in ATTACKS if name != "bert-attack"]
ENGINE = [name for name in HERE if not ATTACKS[name].__module__.startswith("robust_core.attacks.textattack.")]
# These try all words of the tables in the place of others; elsewhere a test cannot plant what a model fails on.
SWAPPING = [name for name in ENGINE if name not in ("bad-characters", "ensemble", "hard-label")]
# What any classifier can be attacked with, one without gradients too.
BLACK_BOX = [name for name in SWAPPING if not ATTACKS[name].white_box]
# CheckList finds nothing to change in most texts.
CHANGING = [name for name in HERE if name != "checklist"]


@pytest.fixture(params=mark_attacks(HERE), ids=str)
def attack(request):
    return ATTACKS[request.param](max_queries=60)


@pytest.fixture
def victim():
    return BagOfWords(WEIGHTS, (0.0, 0.0), id="double/victim")


class Plain:
    """A classifier with nothing but the least that one needs."""

    def __init__(self, model, seconds: float = 0.0, at_first_batch=None, breaks_at: str = "\x00") -> None:
        self.id, self.labels = "double/plain", model.labels
        self._model, self._seconds, self._at_first_batch, self._breaks_at = model, seconds, at_first_batch, breaks_at

    def predict_proba(self, texts):
        if not len(texts):
            raise ValueError("nothing to classify")
        for text in texts:
            if self._breaks_at in text:
                raise ZeroDivisionError(text)
        if len(texts) > 1 and self._at_first_batch:
            self._at_first_batch, call = None, self._at_first_batch
            call()
        if len(texts) > 1:
            time.sleep(self._seconds * len(texts))
        return self._model.predict_proba(texts)


class Slow(Counting):
    """A token classifier that takes its time for each row."""

    budget = 64

    def __init__(self, model, seconds: float, at_first_batch=None) -> None:
        super().__init__(model)
        self._seconds, self._at_first_batch = seconds, at_first_batch

    def proba_from_ids(self, rows):
        if self._at_first_batch:
            self._at_first_batch, call = None, self._at_first_batch
            call()
        time.sleep(self._seconds * len(rows))
        return super().proba_from_ids(rows)


def run(attack, victims, examples, **options) -> list:
    """All events, with the sentence encoder without weights."""
    return list(attack.run(victims, examples, encoder=WordEncoder(), **options))


def results(events) -> dict:
    """Results by (uid, victim), without what a clock decides."""
    return {(e.uid, e.victim): dataclasses.replace(e.result, seconds=0.0) for e in events if e.kind == "result"}


def test_reports_only_what_a_fresh_look_confirms(attack, victim):
    found = results(run(attack, [victim], EXAMPLES))
    assert [uid for uid, _ in found] != [] and {uid for uid, _ in found} == {e.uid for e in EXAMPLES}
    for example in EXAMPLES:
        r = found[example.uid, victim.id]
        before, after = victim.predict_proba([example.text])[0], victim.predict_proba([r.perturbed])[0]
        assert r.before == pytest.approx(before) and r.after == pytest.approx(after)
        assert r.perturbed_label == after.argmax()
        assert r.reference_label == (before.argmax() if example.label is None else example.label)
        assert (r.status == "skipped") == (before.argmax() != r.reference_label)
        flipped = r.perturbed_label != r.reference_label
        reached = flipped if attack.goal == "flip" else not flipped and len(r.perturbed) < len(example.text)
        assert (r.status == "succeeded") == (r.status != "skipped" and reached)
        assert 1 <= r.forward_passes <= r.queries <= attack.max_queries
        assert r.eligible <= r.queries
        assert r.swaps == diff(example.text, r.perturbed)
        assert r.attack["name"] == attack.name and r.victim == victim.id and r.example == example
        assert r.curve[0] == (1, r.before[r.reference_label])
        assert r.curve[-1] == (r.queries, r.after[r.reference_label])
        assert [q for q, _ in r.curve] == sorted(q for q, _ in r.curve)
        taken = [s for s in r.steps if s.text]
        assert [s.proba for s in taken] == [p for _, p in r.curve[1: 1 + len(taken)]]
        assert ([s.text for s in r.steps if s.text] or [example.text])[-1] == r.perturbed
        assert all(s.queries <= r.queries and 0 <= s.lowest <= 1 and s.candidates >= 1 for s in r.steps)
        if r.status == "skipped":
            assert r.perturbed == example.text and r.queries == 1
        if r.perturbed == example.text:
            assert r.similarity == 1.0 and r.swaps == () and r.after == r.before
    wanted = {"skipped", "failed"} | ({"succeeded"} if attack.name in CHANGING else set())
    assert {r.status for r in found.values()} >= wanted


def test_leaving_out_similarity_changes_nothing_else(attack, victim):
    full, bare = results(run(attack, [victim], EXAMPLES)), results(run(attack, [victim], EXAMPLES, similarity=False))
    for key, r in full.items():
        assert np.isnan(bare[key].similarity) == (r.perturbed != r.example.text)
        assert dataclasses.replace(bare[key], similarity=r.similarity) == r


def test_the_same_seed_gives_the_same_result_in_any_order_and_width(attack, victim):
    other = BagOfWords({word: -w for word, w in WEIGHTS.items()}, id="double/other")
    wanted = results(run(attack, [victim, other], EXAMPLES, seed=3))
    shuffled = random.Random(0).sample(EXAMPLES, len(EXAMPLES))
    for width in (1, 8, 64):
        assert results(run(attack, [other, victim], shuffled, seed=3, width=width)) == wanted
    for example in EXAMPLES:
        alone = results(run(attack, [victim], [example], seed=3))
        assert alone == {(example.uid, victim.id): wanted[example.uid, victim.id]}


def test_stop_words_gaps_and_labels_are_left_alone(attack, victim):
    for r in results(run(dataclasses.replace(attack, max_queries=0), [victim], EXAMPLES)).values():
        # Contractions are what CheckList is about, CLARE merges "the film", and what nobody sees may stand anywhere.
        if attack.goal == "flip" and attack.name not in ("checklist", "clare", "bad-characters", "ensemble"):
            assert not {swap.old.lower() for swap in r.swaps} & stop_words()
        if len(Draft.of(r.perturbed).words) == len(Draft.of(r.example.text).words) and attack.name != "clare":
            assert Draft.of(r.perturbed).gaps == Draft.of(r.example.text).gaps


def test_an_attack_that_may_ask_only_once_changes_nothing(attack, victim):
    for r in results(run(dataclasses.replace(attack, max_queries=1), [victim], EXAMPLES)).values():
        assert r.perturbed == r.example.text and r.queries == 1
        assert r.status in ("skipped", "exhausted", "failed")


def test_budgets_are_kept_whatever_their_size(attack, victim):
    counted = Counting(victim)
    for budget in range(1, 40):
        r = results(run(dataclasses.replace(attack, max_queries=budget), [counted], EXAMPLES[:1]))["t/0", victim.id]
        assert r.queries <= budget
        assert r.status in ("exhausted", "succeeded") or r.queries < budget


def test_words_past_the_reach_of_a_model_are_never_changed(attack):
    short = BagOfWords(WEIGHTS, id="double/short", length=3)
    text = "clever good movie good great story good"
    r = results(run(attack, [short], [Example(text, 1, "u")]))["u", short.id]
    assert all(swap.end <= len("clever good movie") for swap in r.swaps)
    assert r.perturbed.endswith(" good great story good")


def test_without_a_label_the_own_prediction_is_left(attack, victim):
    examples = [dataclasses.replace(e, label=None) for e in EXAMPLES]
    found = results(run(attack, [victim], examples))
    assert all(r.status != "skipped" and r.reference_label == np.argmax(r.before) for r in found.values())


def test_many_victims_of_every_kind_and_events_in_order(attack):
    victim = BagOfWords(WEIGHTS, id="double/victim", length=500)
    three = BagOfWords({w: (-v, v / 2, v) for w, v in WEIGHTS.items()}, (0.1, 0, 0), id="double/three",
                       labels=("a", "b", "c"))
    # For each of thousands of typos TextAttack compares 400 words with 400 words: minutes.
    examples = [e for e in EXAMPLES if len(e.text) < 1000 or attack.name != "pruthi"]
    # The ensemble leaves out members that need gradients where a model shows none.
    gradients = attack.white_box or attack.name == "ensemble"
    plain_one = BagOfWords(WEIGHTS, id="double/plain", length=500) if gradients else Plain(victim)
    events = run(attack, [victim, plain_one, three], examples, width=5)
    found = results(events)
    assert len(found) == 3 * len(examples)
    for example in examples:
        plain, token = found[example.uid, "double/plain"], found[example.uid, victim.id]
        # Unknown words share one token row, so the fast door runs fewer; only it can tell that they are unknown.
        same = {"victim": "", "notes": (), "forward_passes": 0}
        assert dataclasses.replace(plain, **same) == dataclasses.replace(token, **same)
        for v in (victim.id, "double/plain", "double/three"):
            mine = [e for e in events if (e.uid, e.victim) == (example.uid, v)]
            kinds = [e.kind for e in mine]
            assert kinds[0] == "started" and kinds[-1] == "result"
            assert set(kinds[1:-1]) <= {"progress", "step"}
            counts = [e.data["queries"] for e in mine[1:-1]]
            assert counts == sorted(counts)
            steps = [e for e in mine if e.kind == "step"]
            result = mine[-1].result
            assert all(set(e.data) >= {"queries", "text", "proba", "swaps"} for e in steps)
            assert all(set(e.data) >= {"queries", "text", "proba", "trying"} for e in mine if e.kind == "progress")
            assert (steps[-1].data["text"] if steps else example.text) == result.perturbed
            for e in steps:
                model = three if v == three.id else victim
                fresh = model.predict_proba([e.data["text"]])[0][result.reference_label]
                assert e.data["proba"] == pytest.approx(fresh, abs=1e-6)


@pytest.mark.parametrize("attack", mark_attacks(CHANGING), indirect=True)
def test_candidates_are_asked_as_the_tokenizer_reads_them(attack, victim, monkeypatch):
    join, seen = token_splice.Splice.row, []

    def checked(self, candidate):
        row = join(self, candidate)
        assert row == victim.text_row(candidate.text)
        seen.append(row)
        return row

    monkeypatch.setattr(token_splice.Splice, "row", checked)
    assert not [e for e in run(attack, [victim], EXAMPLES) if e.kind == "error"]
    assert len(seen) > 30


# --- Stop, time, failure -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tokens", "plain"])
@pytest.mark.parametrize("attack", mark_attacks(CHANGING), indirect=True)
def test_stop_ends_every_search_within_a_second(attack, victim, kind):
    """Somebody presses Stop while the first batch, of two seconds' work for all searches together, is under way."""
    if kind == "plain" and attack.white_box:
        pytest.skip("needs gradients")
    stop, pressed = threading.Event(), []

    def press() -> None:
        pressed.append(time.perf_counter())
        stop.set()

    slow = Slow(victim, 0.01, press) if kind == "tokens" else Plain(victim, 0.01, press)
    examples = [Example(LONG, 1, f"s/{i}") for i in range(20)]
    events = run(dataclasses.replace(attack, max_queries=0), [slow], examples, stop=stop, width=20)
    seconds = time.perf_counter() - pressed[0]
    assert {e.uid for e in events if e.kind == "started"} == {e.uid for e in events if e.kind == "result"}
    assert {e.result.status for e in events if e.result} == {"stopped"}
    # An attack that asks text by text may have had its first answer by then.
    assert all(e.result.perturbed == LONG or attack.labels_only and e.result.perturbed_label != 1
               for e in events if e.result)
    assert seconds < 1.0


def test_stop_keeps_the_best_text_so_far(victim):
    text = "good good good good good"
    stop = threading.Event()
    events = []
    for event in Planted(new="nice").run([victim], [Example(text, 1, "u")], stop=stop, encoder=WordEncoder()):
        events.append(event)
        if event.kind == "step" and len(event.data["swaps"]) == 2:
            stop.set()
    r = events[-1].result
    assert r.status == "stopped" and r.perturbed == "nice nice good good good"
    assert r.after == pytest.approx(victim.predict_proba([r.perturbed])[0])
    assert r.curve[-1][1] == r.after[1]


def test_stop_before_the_first_look_still_ends_what_was_started(attack, victim):
    stop = threading.Event()
    events = []
    for event in attack.run([victim], EXAMPLES, stop=stop, encoder=WordEncoder()):
        events.append(event)
        stop.set()
    started = {e.uid for e in events if e.kind == "started"}
    assert started and started == {e.uid for e in events if e.kind == "result"}
    assert {e.result.status for e in events if e.result} <= {"stopped", "skipped"}
    assert all(e.result.queries == 1 for e in events if e.result), "what was never run is not counted"


class PressesStop(BagOfWords):
    """A victim that is just being shown the final text when somebody presses Stop (or time runs out)."""

    def __init__(self, stop: threading.Event, seconds: float = 0.0) -> None:
        super().__init__(WEIGHTS, id="double/late")
        self._stop, self._seconds = stop, seconds

    def predict_proba(self, texts):
        if texts != ["A good movie."]:
            time.sleep(self._seconds)
            self._stop.set()
        return super().predict_proba(texts)


@pytest.mark.parametrize("attack", mark_attacks(CHANGING), indirect=True)
def test_a_search_that_is_about_to_report_when_stop_comes_still_reports(attack):
    stop = threading.Event()
    events = run(attack, [PressesStop(stop)], EXAMPLES[1:2], stop=stop)
    assert stop.is_set() and events[-1].kind == "result", [e.kind for e in events]
    assert events[-1].result.perturbed != "A good movie."


def test_a_search_that_is_about_to_report_when_time_is_up_still_reports(attack):
    limited = dataclasses.replace(attack, time_limit=0.05)
    events = run(limited, [PressesStop(threading.Event(), 0.1)], EXAMPLES[1:2])
    assert events[-1].kind == "result", [e.kind for e in events]


@pytest.mark.parametrize("attack", mark_attacks(CHANGING), indirect=True)
def test_a_time_limit_ends_one_example_and_the_next_begins(attack, victim):
    limited = dataclasses.replace(attack, max_queries=0, time_limit=0.05)
    examples = [Example(LONG, 1, "t/a"), Example(LONG, 1, "t/b"), Example("Good", 1, "t/c")]
    # One that asks text by text may be done after three of them.
    found = results(run(limited, [Slow(victim, 0.06 if attack.labels_only else 0.01)], examples, width=1))
    assert [found[uid, victim.id].status for uid in ("t/a", "t/b")] == ["stopped", "stopped"]
    assert found["t/c", victim.id].status in ("succeeded", "failed", "stopped")


@pytest.mark.parametrize("width", [1, 4, 64])
@pytest.mark.parametrize("attack", BLACK_BOX, indirect=True)
def test_a_victim_that_fails_on_one_text_costs_that_example_only(attack, victim, width, caplog):
    breaking = Plain(victim, breaks_at="clever decent")
    examples = [*EXAMPLES[:4], Example("a clever good movie", 1, "t/bad"), *EXAMPLES[7:]]
    events = run(attack, [breaking], examples, width=width)
    wanted = results(run(attack, [Plain(victim)], examples))
    assert [(e.uid, e.data["message"]) for e in events if e.kind == "error"] == [
        ("t/bad", "The attack broke off with an internal error (ZeroDivisionError).")]
    assert results(events) == {key: r for key, r in wanted.items() if key[0] != "t/bad"}
    assert "ZeroDivisionError" in caplog.text, "the traceback is kept for the log"


class BreaksOnRows(BagOfWords):
    """A token classifier that fails on the rows of one word."""

    def proba_from_ids(self, rows):
        if any(self.unit_ids("decent")[0] in row for row in rows):
            raise BadInput("The model does not like that word.")
        return super().proba_from_ids(rows)


@pytest.mark.parametrize("attack", SWAPPING, indirect=True)
def test_a_failing_batch_is_taken_apart(attack):
    texts = {"t/a": "a clever film", "t/b": "a good movie", "t/c": "a great tale"}
    examples = [Example(text, 1, uid) for uid, text in texts.items()]
    events = run(attack, [BreaksOnRows(WEIGHTS)], examples, width=64)
    assert [(e.uid, e.data["message"]) for e in events if e.kind == "error"] == [
        ("t/b", "The model does not like that word.")]
    assert {uid for uid, _ in results(events)} == {"t/a", "t/c"}


def test_a_victim_that_fails_at_once_when_stop_is_set_is_an_error_event(attack, victim):
    stop = threading.Event()
    events = []
    for event in attack.run([Plain(victim, breaks_at="good")], EXAMPLES[:2], stop=stop, encoder=WordEncoder()):
        events.append(event)
        stop.set()
    assert {e.kind for e in events} == {"started", "error"}


class BrokenEncoder(WordEncoder):
    """A sentence encoder that fails on texts with one word."""

    def encode(self, texts):
        if any("decent" in text or "fair" in text for text in texts):
            raise RuntimeError("broken")
        return super().encode(texts)


@pytest.mark.parametrize("attack", SWAPPING, indirect=True)
def test_a_failing_encoder_costs_only_the_examples_that_need_it(attack, victim):
    # "good movie" ends in a swap whose similarity is asked; the stop words ask nothing.
    examples = [Example("a " + "fine, " * 14 + "fine film", 1, "t/a"), Example("it is not what they were", 1, "t/b")]
    events = list(attack.run([victim], examples, encoder=BrokenEncoder()))
    assert {(e.uid, e.kind) for e in events if e.kind in ("error", "result")} == {("t/a", "error"), ("t/b", "result")}


@dataclasses.dataclass(frozen=True)
class Brittle(Attack):
    """Fails on texts with one word, and notes when its searches are closed."""

    name, title, source = "brittle", "Brittle", "https://example.org/brittle"
    closed = []

    def search(self, target: Target, rng):
        if "bad" in target.draft.words:
            raise KeyError("bad")
        try:
            for i in range(1000):
                yield Score([Candidate(target.draft, (Edit(0, 1, (f"word{i}",)),))])
            return Candidate(target.draft)
        finally:
            self.closed.append(target.example.uid)


def test_a_failing_search_costs_its_example_only(victim):
    events = run(Brittle(), [victim], [Example("good bad good", 1, "b/0"), Example("good", 1, "b/1")])
    assert [(e.uid, e.kind) for e in events if e.kind in ("error", "result")] == [("b/0", "error"), ("b/1", "result")]


def test_closing_the_generator_closes_every_search(victim):
    Brittle.closed.clear()
    running = Brittle().run([victim], [Example("good", 1, f"c/{i}") for i in range(5)], width=3,
                            encoder=WordEncoder())
    for event in running:
        if event.kind == "progress":
            break
    running.close()
    with pytest.raises(StopIteration):
        next(running)
    assert len(set(Brittle.closed)) == len(Brittle.closed) >= 1


# --- Counting and remarks ------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Repeats(Attack):
    """Asks the same text many times."""

    name, title, source = "repeats", "Repeats", "https://example.org/repeats"

    def search(self, target: Target, rng):
        swapped = Candidate(target.draft, (Edit(0, 1, ("fine",)),))
        for _ in range(3):
            scores = yield Score([swapped, swapped, Candidate(target.draft)])
        yield Accept(swapped, scores.proba[0], eligible=9)
        return swapped


def test_repeats_count_as_queries_but_run_once(victim):
    counted = Counting(victim)
    r = results(run(Repeats(), [counted], [Example("good", 1, "u")]))["u", victim.id]
    assert (r.queries, r.forward_passes, r.eligible) == (10, 3, 10)
    assert len(counted.rows) == 2 and counted.texts == ["good", "fine"]


def test_a_swap_to_an_unknown_word_is_flagged(monkeypatch):
    use(monkeypatch, {"good": [("zorp", 0.9)], "clever": [("dim", 0.9)]})
    model = BagOfWords({"good": 1.0, "clever": 1.0, "dim": -2.0}, (0.5, 0.0))
    found = results(run(ATTACKS["textfooler"](), [model], [Example("good", 1, "a"), Example("clever", 1, "b")]))
    assert found["a", model.id].notes == ("Flips only because the model does not know: zorp.",)
    assert found["b", model.id].status == "succeeded" and found["b", model.id].notes == ()


@dataclasses.dataclass(frozen=True)
class Shifts(Attack):
    """Deletes the first word and writes one behind the last: as many words, none in its place."""

    name, title, source = "shifts", "Shifts", "https://example.org/shifts"

    def search(self, target: Target, rng):
        n = len(target.draft.words)
        moved = Candidate(target.draft, (Edit(0, 1, ()), Edit(n, n, ("zorp",))))
        scores = yield Score([moved])
        yield Accept(moved, scores.proba[0])
        return moved


def test_a_flip_by_a_deleted_word_is_not_put_down_to_an_unknown_one():
    """By position "good" gave way to "zorp", and putting it back in there turns the flip."""
    model = BagOfWords({"good": 2.5, "film": 2.0}, (6.0, 0.0))
    found = results(run(Shifts(), [model], [Example("film good", 1, "a")]))["a", model.id]
    assert (found.status, found.perturbed, found.notes) == ("succeeded", "good zorp", ())


def test_generators_differ_by_seed_and_example_only():
    assert make_generator(0, "a").random() == make_generator(0, "a").random()
    assert len({make_generator(seed, uid).random() for seed in (0, 1) for uid in ("a", "b", "")}) == 6


def test_parts_of_speech_nouns_and_verbs_may_stand_in_for_each_other(monkeypatch):
    monkeypatch.setattr(constraints, "tag", lambda words: ["NOUN", "ADJ", "VERB"])
    monkeypatch.setattr(constraints, "tag_swaps", lambda words, position, candidates: list(candidates))
    speech = constraints.PartOfSpeech(Draft.of("a b c"))
    allowed = [speech.keep(i, ("NOUN", "VERB", "ADJ", "ADV")) for i in range(3)]
    assert allowed == [["NOUN", "VERB"], ["ADJ"], ["NOUN", "VERB"]]


def test_textfooler_on_the_packed_tables(monkeypatch):
    """The real neighbours and parts of speech: a flip by a listed neighbour of the same part of speech."""
    from robust_core import resources

    forget()
    monkeypatch.undo()
    text = "a terrible movie with a boring story"
    close = {word: [other for other, _ in resources.neighbours(word)] for word in ("terrible", "boring", "movie")}
    assert all(close.values())
    model = BagOfWords({"terrible": -1.0, "boring": -1.0}, (0.0, 0.5))
    events = run(ATTACKS["textfooler"](), [model], [Example(text, 0, "u")])
    r = events[-1].result
    assert r is not None, events[-1].data
    assert r.status == "succeeded" and {swap.old for swap in r.swaps} <= {"terrible", "boring"}
    assert all(swap.new in close[swap.old] for swap in r.swaps)


# --- Slow twin -----------------------------------------------------------------------------------

VOCABULARY = [a + b for a in ("ka", "lu", "mo", "ra") for b in ("bin", "dex", "fol", "gur")]


class RandomEncoder:
    """Every text has a direction of its own, somewhere in one quarter of the plane."""

    id, batch = "double/random", 7

    def encode(self, texts):
        angles = np.array([zlib.crc32(text.encode()) / 2 ** 32 * np.pi / 2 for text in texts], dtype=np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@dataclasses.dataclass
class World:
    """Random neighbours, parts of speech, weights and limits."""

    rng: random.Random

    def __post_init__(self) -> None:
        pick = self.rng
        close = {w: [v for v in pick.sample(VOCABULARY, pick.randint(0, 7)) if v != w] for w in VOCABULARY}
        self.neighbours = {w: sorted(((v, round(pick.uniform(0.5, 1), 2)) for v in found),
                                     key=lambda pair: (-pair[1], pair[0])) for w, found in close.items()}
        self.tags = {w: pick.choice(("NOUN", "VERB", "ADJ")) for w in VOCABULARY}
        self.classes = pick.choice((2, 3))
        # Few different weights, so that scores tie.
        values = (-1.0, -0.5, 0.0, 0.25, 0.5, 1.0)
        self.victim = BagOfWords({w: tuple(pick.choice(values) for _ in range(self.classes)) for w in VOCABULARY},
                                 labels=tuple("abc"[: self.classes]), length=pick.choice((4, 50, 50)))
        self.attack = ATTACKS["textfooler"](
            max_candidates=pick.choice((2, 50)), min_word_similarity=pick.choice((0.5, 0.7)),
            min_text_similarity=pick.choice((0.0, 0.8, 0.95)), window=pick.choice((2, 5, 15)),
            skip_short=pick.random() < 0.7, same_part_of_speech=pick.random() < 0.5)

    def tag(self, words):
        return [self.tags[w.lower()] for w in words]

    def tag_swaps(self, words, position, candidates):
        return self.tag(candidates)

    def text(self) -> str:
        words = [self.rng.choice(VOCABULARY) for _ in range(self.rng.randint(1, 14))]
        return " ".join([words[0].capitalize(), *words[1:]])


def twin(world: World, text: str, reference: int) -> str:
    """TextAttack's GreedyWordSwapWIR with TextFooler's constraints: eager, one text at a time, lists of words."""
    attack, victim, encoder = world.attack, world.victim, RandomEncoder()

    def score(words: list[str]) -> tuple[np.float32, bool]:
        proba = victim.predict_proba([" ".join(words)])[0]
        return np.float32(1.0) - proba[reference], proba.argmax() != reference

    def similarity(old: list[str], new: list[str], i: int) -> float:
        if attack.skip_short and len(new) < attack.window:
            return 1.0
        (a, b), (c, d) = slow_window(old, i, attack.window), slow_window(new, i, attack.window)
        one, two = encoder.encode([" ".join(old[a: b + 1]), " ".join(new[c: d + 1])])
        return float(one @ two)

    original = text.split()
    wanted = world.tag(original)
    positions = range(min(len(original), victim.length))
    deleted = [score(original[:i] + original[i + 1:])[0] for i in positions]
    current, current_score = original, score(original)[0]
    for i in sorted(positions, key=lambda i: -deleted[i]):
        candidates = []
        for word, cosine in world.neighbours[original[i].lower()][: attack.max_candidates]:
            fits = (wanted[i] == "ADJ") == (world.tags[word] == "ADJ")
            new = [*current[:i], match_case(word, original[i]), *current[i + 1:]]
            if cosine >= attack.min_word_similarity and (fits or not attack.same_part_of_speech):
                close = similarity(current, new, i)
                if close >= attack.min_text_similarity:
                    candidates.append((new, close))
        candidates.sort(key=lambda pair: " ".join(pair[0]))
        judged = sorted(((*score(new), close, new) for new, close in candidates), key=lambda found: -found[0])
        if not judged or not judged[0][0] > current_score:
            continue
        current_score, success, _, current = judged[0]
        if success:
            best = -np.inf
            for _, successful, close, new in judged:
                if not successful:
                    break
                if close > best:
                    best, current = close, new
            break
    return " ".join(current)


@pytest.mark.parametrize("seed", range(60))
def test_textfooler_chooses_as_a_slow_twin_does(seed, monkeypatch):
    world = World(random.Random(seed))
    use(monkeypatch, world.neighbours)
    monkeypatch.setattr(constraints, "tag", world.tag)
    monkeypatch.setattr(constraints, "tag_swaps", world.tag_swaps)
    examples = [Example(world.text(), None, f"w/{i}") for i in range(6)]
    events = list(world.attack.run([world.victim], examples, width=4, encoder=RandomEncoder()))
    found = results(events)
    for example in examples:
        r = found[example.uid, world.victim.id]
        assert r.perturbed == twin(world, example.text, r.reference_label)


def weighted_saliency_twin(world: World, text: str, reference: int) -> str:
    """TextAttack's GreedyWordSwapWIR("weighted-saliency") without a constraint, one text at a time."""
    def score(words: list[str]) -> tuple[np.float32, bool]:
        proba = world.victim.predict_proba([" ".join(words)])[0]
        return np.float32(1.0) - proba[reference], proba.argmax() != reference

    def swaps(words: list[str], i: int) -> list[list[str]]:
        near = [match_case(word, words[i]) for word, _ in world.neighbours[words[i].lower()]]
        return sorted(([*words[:i], word, *words[i + 1:]] for word in near), key=" ".join)

    current = text.split()
    positions = range(min(len(current), world.victim.length))
    saliency = np.array([score([*current[:i], "[UNK]", *current[i + 1:]])[0] for i in positions])
    best = np.array([max((score(new)[0] for new in swaps(current, i)), default=0) for i in positions])
    current_score = score(current)[0]
    for i in np.argsort(-np.exp(saliency) / np.exp(saliency).sum() * best, kind="stable"):
        judged = sorted(((*score(new), new) for new in swaps(current, i)), key=lambda found: -found[0])
        if judged and judged[0][0] > current_score:
            current_score, success, current = judged[0]
            if success:
                break
    return " ".join(current)


def test_a_swarm_with_nothing_left_to_swap_goes_on(victim):
    found = results(run(ATTACKS["pso"](), [victim], [Example("good good", 1, "u")]))["u", victim.id]
    stuck = results(run(ATTACKS["pso"](generations=3), [BagOfWords({}, (0.0, 1.0))], EXAMPLES[2:3]))
    assert found.status == "succeeded" and [r.status for r in stuck.values()] == ["failed"]


@pytest.mark.parametrize("seed", range(60))
def test_pwws_chooses_as_a_slow_twin_does(seed, monkeypatch):
    world = World(random.Random(seed))
    use(monkeypatch, world.neighbours)
    examples = [Example(world.text(), None, f"w/{i}") for i in range(6)]
    for r in results(run(ATTACKS["pwws"](), [world.victim], examples, width=4)).values():
        assert r.perturbed == weighted_saliency_twin(world, r.example.text, r.reference_label)


def test_the_random_worlds_are_varied(monkeypatch):
    """Guards the test above: it must see successes, failures, long ways and sentences that the encoder judges."""
    statuses, swaps, rejected = [], [], 0
    for seed in range(60):
        world = World(random.Random(seed))
        use(monkeypatch, world.neighbours)
        monkeypatch.setattr(constraints, "tag", world.tag)
        monkeypatch.setattr(constraints, "tag_swaps", world.tag_swaps)
        examples = [Example(world.text(), None, f"w/{i}") for i in range(6)]
        for r in results(list(world.attack.run([world.victim], examples, encoder=RandomEncoder()))).values():
            statuses.append(r.status)
            swaps.append(len(r.swaps))
            rejected += r.eligible < r.queries
    assert min(statuses.count("succeeded"), statuses.count("failed")) > 50
    assert sum(n > 1 for n in swaps) > 40 and rejected > 50


def test_every_word_of_the_thesaurus_is_one_word():
    for text in (*SYNONYMS, *WEIGHTS, *VOCABULARY):
        assert len(find_words(text)) == 1


@dataclasses.dataclass(frozen=True)
class Waiting(Planted):
    """Waits for something outside before it begins."""

    turns: int = 3

    def search(self, target, rng):
        for _ in range(self.turns):
            assert (yield Pause()) is None
        return (yield from Planted.search(self, target, rng))


def test_a_search_that_pauses_changes_nothing_and_hears_stop():
    examples = [Example("a good film", None, "1"), Example("a good good film", None, "2")]
    plain = results(run(Planted(), [BagOfWords()], examples))
    waited = results(run(Waiting(), [BagOfWords()], examples))
    assert [r.perturbed for r in waited.values()] == [r.perturbed for r in plain.values()]
    stop = threading.Event()
    events = []
    for event in Waiting(turns=10**9).run([BagOfWords()], examples, stop=stop, encoder=WordEncoder()):
        events.append(event)
        stop.set()
    begun = sum(e.kind == "started" for e in events)
    assert [e.result.status for e in events if e.result] == ["stopped"] * begun


def test_victims_with_the_same_id_are_refused():
    with pytest.raises(BadInput, match="Two victims have the same id"):
        next(Planted().run([BagOfWords(), BagOfWords()], [Example("a good movie")]))


@pytest.mark.parametrize("label", [2, -1])
def test_a_label_outside_the_classes_is_one_plain_line(label):
    with pytest.raises(BadInput, match=f"The label {label} of example 'x' is none of the 2 classes of double"):
        next(Planted().run([BagOfWords()], [Example("a good movie", label, "x")]))
