"""The same texts whatever the batches: near-ties, noise, screening, order, width, process."""

import json
import os
import random
import subprocess
import sys
import zlib

import numpy as np
import pytest
from helpers.doubles import BagOfWords, WordEncoder
from hypothesis import given
from hypothesis import strategies as st

from robust_core import ATTACKS, datasets
from robust_core.attacks import constraints, transformations
from robust_core.attacks.engine import near_ties
from robust_core.attacks.engine.requests import BATCHED, CANONICAL, SCREENED, Estimates, Refine
from robust_core.models import loading
from robust_core.types import Example, Noise

NOISE = (0.05, 1e-3, 0.0)


def figures(canonical: np.ndarray, level: np.ndarray, seed: int) -> Estimates:
    """What a server would answer at some levels: off by less than the noise of the level."""
    error = np.array(NOISE)[level]
    off = np.random.default_rng([seed, *level]).uniform(-0.5, 0.5, len(canonical)) * error
    first: dict[float, int] = {}
    same = np.array([first.setdefault(v, i) for i, v in enumerate(canonical)])
    return Estimates(canonical + off[same], error, error, level, same, canonical.tolist())


def drive(steps, canonical: np.ndarray, seed: int):
    """Answer a search's wish to settle; return what it returns, and how many figures it settled."""
    asked, answer = 0, None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as end:
            return end.value, asked
        assert isinstance(request, Refine)
        level = request.figures.level.copy()
        assert all(level[k] < CANONICAL for k in request.which), "what is canonical cannot be settled"
        for k in request.which:
            level[request.figures.same == request.figures.same[k]] = request.figures.level[k] + 1
        asked += len(request.which)
        answer = figures(canonical, level, seed)


values = st.lists(st.sampled_from([0.1, 0.1 + 1e-5, 0.1 + 4e-4, 0.12, 0.3, 0.5, 0.5 - 1e-9, 0.9]),
                  min_size=1, max_size=12)


@given(values, st.integers(0, 99), st.sampled_from([SCREENED, BATCHED]))
def test_choices_are_those_of_the_canonical_figures(found, seed, low):
    canonical = np.array(found)
    start = figures(canonical, np.full(len(canonical), low, dtype=np.int8), seed)
    (order, _), _ = drive(near_ties.rank(start), canonical, seed)
    assert [canonical[k] for k in order] == sorted(canonical, reverse=True)
    (best, _), _ = drive(near_ties.find_highest(start, range(len(canonical))), canonical, seed)
    assert best == int(canonical.argmax())
    for k in range(len(canonical)):
        for threshold in (0.1, 0.5):
            (enough, _), _ = drive(near_ties.reaches(start, k, threshold), canonical, seed)
            assert enough == (canonical[k] >= threshold)
        number, _ = drive(near_ties.settle_rounded(start, k, 2), canonical, seed)
        assert number == round(float(canonical[k]), 2)


@given(values.filter(lambda found: len(found) > 1), st.integers(0, 99), st.sampled_from([SCREENED, BATCHED]))
def test_a_draw_by_gain_is_that_of_the_canonical_figures(found, seed, low):
    canonical, among = np.array(found), list(range(1, len(found)))
    weights = 1 / np.random.default_rng(seed).exponential(size=len(among))
    start = figures(canonical, np.full(len(canonical), low), seed)
    (drawn, settled), _ = drive(near_ties.sample_by_gain(start, 0, among, weights), canonical, seed)
    gain = np.maximum(canonical[1:] - canonical[0], 0) * weights
    assert drawn == (among[int(gain.argmax())] if gain.max() > 0 else None)
    assert len(settled.value) == len(canonical)


def test_a_draw_by_gain_settles_only_near_ties_and_its_chances_are_the_gains():
    canonical = np.array([0.1, 0.4, 0.2, 0.1])
    (drawn, _), asked = drive(near_ties.sample_by_gain(
        figures(canonical, np.full(4, BATCHED), 0), 0, [1, 2, 3], np.array([1.0, 1.0, 9.0])), canonical, 0)
    assert (drawn, asked) == (1, 0), "0.3 against 0.1 and nothing"
    rng, hits = np.random.default_rng(0), np.zeros(4)
    exact = figures(canonical, np.full(4, CANONICAL), 0)
    for _ in range(2000):
        (drawn, _), _ = drive(near_ties.sample_by_gain(exact, 0, [1, 2, 3], 1 / rng.exponential(size=3)), canonical, 0)
        hits[drawn] += 1
    assert hits[3] == 0 and hits[1] / 2000 == pytest.approx(0.75, abs=0.03)


def test_only_what_is_close_is_settled():
    canonical = np.array([0.9, 0.1, 0.3, 0.5, 0.3 + 1e-5])
    start = figures(canonical, np.full(5, BATCHED), 0)
    (order, settled), asked = drive(near_ties.rank(start), canonical, 0)
    assert order == [0, 3, 4, 2, 1] and asked == 2
    assert settled.level.tolist() == [BATCHED, BATCHED, CANONICAL, BATCHED, CANONICAL]


# --- Whole searches ------------------------------------------------------------------------------


def jitter(seed: bytes, shape: tuple[int, ...], size: float) -> np.ndarray:
    """Noise that depends on nothing but a batch."""
    return np.random.default_rng(zlib.crc32(seed)).uniform(-size, size, shape)


class Jittery(BagOfWords):
    """A victim whose batches differ from a text alone, in fp32 as on real machines and in bf16 much more."""

    screens = True

    def noise(self) -> Noise:
        """What its screening may be off by."""
        return Noise(0.05, 0.1)

    def proba_from_ids(self, rows, *, screened=False):
        """Judge a batch; a text alone has its canonical probabilities."""
        proba = super().proba_from_ids(rows)
        if len(rows) == 1 and not screened:
            return proba
        off = jitter(repr((rows, screened)).encode(), proba.shape, 0.02 if screened else 5e-6)
        scores = np.log(proba) + off
        return (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32)


class JitteryEncoder(WordEncoder):
    """The same for an encoder."""

    screens = True

    def noise(self) -> Noise:
        """What its screening may be off by."""
        return Noise(0.02, 0.04)

    def encode(self, texts, *, screened=False):
        """Encode a batch; a text alone has its canonical row."""
        rows = super().encode(texts)
        if len(texts) == 1 and not screened:
            return rows
        return (rows + jitter(repr((texts, screened)).encode(), rows.shape, 1e-4 if screened else 1e-8)).astype("f4")


WORDS = ("good", "fine", "nice", "dull", "bad", "slow", "warm", "cold")
# Ties that are exact, that a batch would hide, and that only screening would hide.
BIAS = (-1.5, 1.5, -1.0)
WEIGHTS = {f"{word}{k}": 0.4 * (i % 4 - 1.5) + (0, 0, 1e-7, 3e-3)[k] for i, word in enumerate(WORDS) for k in range(4)}


@pytest.fixture
def ties(monkeypatch):
    """A thesaurus of words that weigh the same, or nearly."""
    rng = random.Random(0)
    near = {word: sorted(o for o in WEIGHTS if abs(WEIGHTS[o] - WEIGHTS[word]) < 0.45) for word in WEIGHTS}
    table = {word: [(other, 0.9) for other in sorted(rng.sample(others, 6))] for word, others in near.items()}
    monkeypatch.setattr(transformations, "neighbours", lambda word: table.get(word.lower(), []))
    monkeypatch.setattr(
        transformations, "synonyms", lambda word, pos=None: tuple(o for o, _ in table.get(word.lower(), []))
    )
    forget()
    monkeypatch.setattr(constraints, "tag", lambda words: ["NOUN"] * len(words))
    monkeypatch.setattr(constraints, "tag_swaps", lambda words, position, candidates: ["NOUN"] * len(candidates))
    yield [Example(" ".join(rng.choices(sorted(WEIGHTS), k=rng.randint(4, 24))), None, f"t/{i}") for i in range(40)]
    forget()


def forget() -> None:
    """Forget what was looked up in another table."""
    transformations.list_substitutes.cache_clear()
    transformations.list_wordnet_swaps.cache_clear()


def found(victim, examples, attack, **options) -> dict:
    """What a run finds, without what depends on its batches."""
    results = [e.result for e in attack.run([victim], examples, **options) if e.result]
    assert len(results) == len(examples)
    return {r.example.uid: (r.perturbed, r.status, r.similarity, r.after, r.queries) for r in results}


SMALL = {"population": 5, "generations": 2}
PLANTED = {"textfooler": {"min_text_similarity": 0.5}, "pwws": {}, "gene": SMALL, "iga": SMALL, "pso": SMALL}


# Gene asks most by far.
NAMES = [pytest.param(name, marks=pytest.mark.thorough) if name == "gene" else name for name in PLANTED]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_planted_ties_give_the_same_texts_at_any_width_order_and_precision(ties, name, classes):
    attack = ATTACKS[name](**PLANTED[name])
    ties = ties[:12] if PLANTED[name] is SMALL else ties
    weights = WEIGHTS if classes == 2 else {w: (-v, v, v / 2) for w, v in WEIGHTS.items()}
    victim = Jittery(weights, BIAS[:classes], labels=("a", "b", "c")[:classes], length=50)
    calm = BagOfWords(weights, BIAS[:classes], labels=("a", "b", "c")[:classes], length=50)
    alone = {uid: value for e in ties
             for uid, value in found(victim, [e], attack, width=1, encoder=JitteryEncoder()).items()}
    assert {status for _, status, *_ in alone.values()} >= {"succeeded", "failed"}
    for width in (1, 8, 64):
        assert found(victim, ties, attack, width=width, encoder=JitteryEncoder()) == alone
    shuffled = random.Random(1).sample(ties, len(ties))
    assert found(victim, shuffled, attack, width=8, encoder=JitteryEncoder()) == alone
    assert found(victim, shuffled, attack, width=8, encoder=JitteryEncoder(), precision="screened") == alone
    assert found(calm, ties, attack, encoder=WordEncoder()) == alone


@pytest.mark.parametrize("name", NAMES)
def test_without_settling_the_planted_ties_would_matter(ties, name, monkeypatch):
    """The test above has teeth: with the noise denied, widths disagree."""
    from robust_core.attacks.engine import victim_server

    monkeypatch.setattr(victim_server, "FP32", Noise(0.0, 0.0))
    monkeypatch.setattr(victim_server, "_ROUNDING", 0.0)
    victim = Jittery(WEIGHTS, length=50)
    narrow, wide = (found(victim, ties, ATTACKS[name](**PLANTED[name]), width=width, encoder=JitteryEncoder())
                    for width in (1, 64))
    assert narrow != wide


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "n"), [("cnn", 12), ("lstm", 8), ("minilm", 3)])
def test_real_models_find_the_same_texts_at_any_width_order_and_precision(name, n):
    victim = loading.load(f"sst2/{name}/base", "cpu")
    examples = list(datasets.load("reviews", "dev")[:n])
    attack = ATTACKS["textfooler"](max_queries=150)
    alone = found(victim, examples, attack, width=1)
    assert found(victim, examples[::-1], attack, width=64) == alone
    screened = found(victim, examples, attack, precision="screened")
    assert {uid: value[:4] for uid, value in screened.items()} == {uid: value[:4] for uid, value in alone.items()}


@pytest.mark.thorough
def test_two_processes_with_other_hash_seeds_and_threads_agree():
    text = "An exceedingly clever piece of cinema, warm and funny, and never once dull or slow in two hours."
    words = ["robust_core", "attack", text, "--model", "sst2/cnn/base", "--preset", "paper", "--json"]
    code = (f"import runpy, sys, torch; sys.argv = {words}\n"
            "print(hash('film'), torch.get_num_threads(), file=sys.stderr)\n"
            "runpy.run_module('robust_core', run_name='__main__', alter_sys=True)")

    def run(seed: str, threads: str) -> tuple[dict, list[str]]:
        changes = {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", code], env=os.environ | changes, capture_output=True, check=True)
        (result,) = json.loads(done.stdout)["results"]
        # The last bits of a probability follow the number of threads on some processors.
        proba = {key: {name: round(value, 6) for name, value in result[key].items()} for key in ("before", "after")}
        return {key: value for key, value in (result | proba).items() if key != "seconds"}, (
            done.stderr.decode().split()[:2])

    (result, one), (again, other) = run("1", "1"), run("4242", "2")
    assert one[0] != other[0] and (one[1], other[1]) == ("1", "2"), "the processes differ in hashes and threads"
    assert result == again and result["status"] == "succeeded"
