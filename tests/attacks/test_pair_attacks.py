"""Attacks on pairs of texts change what they may change, and nothing else."""

import numpy as np
import pytest
from helpers.doubles import WordEncoder, WordFiller
from helpers.pairs import write_pair_model
from helpers.swap_tables import plant_swaps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robust_core import ATTACKS
from robust_core.attacks.constraints import SentenceSimilarity
from robust_core.attacks.engine.word_gradients import measure_gradients
from robust_core.errors import Incompatible, MissingResource
from robust_core.models.loading import load
from robust_core.parts import has_parts, join_parts, split_parts
from robust_core.records import read_result, to_result_record
from robust_core.text import Draft, Edit
from robust_core.types import Example, Frame

OWN = [name for name in ATTACKS if not ATTACKS[name].__module__.startswith("robust_core.attacks.textattack.")]
# BERT-Attack needs a model that is not shipped.
OTHERS = [name for name in ATTACKS if name not in OWN and name != "bert-attack"]
NEAR = {"good": ("fine", "dull", "nice"), "film": ("movie", "flick"), "warm": ("cool", "mild"), "story": ("tale",),
        "bad": ("poor", "awful")}
NAMES = ("premise", "hypothesis")
WHICH = [NAMES[:1], NAMES[1:], NAMES]
WORDS = st.lists(st.sampled_from([*NEAR, "a", "the", "is", "Ann", "it,"]), min_size=1, max_size=9).map(" ".join)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(str(write_pair_model(tmp_path_factory.mktemp("pairs") / "nli")), "cpu")


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    """Few neighbours and one part of speech."""
    with plant_swaps(monkeypatch, NEAR):
        yield


def attack(model, name, first, second, attackable, **parameters):
    example = Example.of_parts(dict(zip(NAMES, (first, second), strict=True)), None, "u", attackable)
    method = ATTACKS[name](**{"max_queries": 40} | parameters)
    return list(method.run([model], [example], encoder=WordEncoder(), masked=WordFiller(NEAR, ("so",))))


def check(events, attackable):
    """The result, after a look at every text on the way to it."""
    assert events[-1].kind == "result", events[-1].data
    result = events[-1].result
    texts = [result.perturbed, *(step.text for step in result.steps if step.text),
             *(e.data["text"] for e in events if "text" in e.data)]
    for text in texts:
        parts = split_parts(text)
        assert len(parts) == 2
        for name, part in zip(NAMES, parts, strict=True):
            assert name in attackable or part == result.example.texts[name]
    for swap in result.swaps:
        side = NAMES[swap.start > len(split_parts(result.example.text)[0])]
        assert side in attackable
    return result


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(OWN), first=WORDS, second=WORDS, attackable=st.sampled_from(WHICH))
def test_only_what_may_change_changes(model, name, first, second, attackable):
    check(attack(model, name, first, second, attackable), attackable)


@pytest.mark.parametrize("name", OWN)
def test_each_attack_changes_each_part(model, name):
    changed = []
    for attackable in WHICH:
        result = check(attack(model, name, "a good film with a warm story", "the bad film is a good story.", attackable,
                              max_queries=200, aim="minimise"), attackable)
        changed.append(result.perturbed != result.example.text)
        assert result.after == tuple(map(float, model.predict_proba([result.perturbed])[0]))
        assert read_result(to_result_record(result)) == result
    assert sum(changed) >= 2, changed


@pytest.mark.textattack
@pytest.mark.parametrize("name", OTHERS)
def test_attacks_of_textattack_change_only_what_they_may(model, name):
    try:
        for attackable in WHICH:
            check(attack(model, name, "a good film with a warm story", "the bad film is a good story", attackable),
                  attackable)
    except MissingResource as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("kind", ["homoglyphs", "invisible", "reorderings", "deletions", "any"])
def test_hidden_characters_stay_in_their_part(model, kind):
    for attackable in WHICH:
        check(attack(model, "bad-characters", "good film", "bad story", attackable, kind=kind, population=5),
              attackable)


def test_the_end_of_a_part_that_is_not_read_is_left_alone(model):
    first = "good film " * 40
    result = check(attack(model, "textfooler", first, "bad", NAMES, max_queries=200, aim="minimise"), NAMES)
    unread = model.find_unread(result.example.text)
    before, after = Draft.of(result.example.text).words, Draft.of(result.perturbed).words
    assert unread and {i for i in range(len(before)) if before[i] != after[i]} <= {*range(81)} - unread
    assert any("reads" in note for note in result.notes)


def test_only_the_changed_part_is_compared_and_both_count_as_long(model):
    seen = []

    class Listening(WordEncoder):
        def encode(self, texts):
            seen.extend(texts)
            return super().encode(texts)

    example = Example.of_parts({"premise": "good film " * 8, "hypothesis": "a bad story"}, None, "u")
    method = ATTACKS["textfooler"](max_queries=60, aim="minimise", same_part_of_speech=False)
    list(method.run([model], [example], encoder=Listening(), masked=WordFiller(NEAR, ())))
    assert "a bad story" in seen and not any("film" in text or has_parts(text) for text in seen)
    short = Draft.of("a bad story")
    assert not SentenceSimilarity(0.8).measures(short)
    beside = Draft(short.words, short.gaps, 16)
    assert SentenceSimilarity(0.8).measures(beside) and beside.apply(Edit(1, 2, ("poor",))).beside == 16


def test_gradients_are_those_of_the_part_that_may_change(model):
    text = join_parts(("a good film", "the bad story"))
    whole = measure_gradients(model, text, 0)
    first = measure_gradients(model, "a good film", 0, frame=Frame("", join_parts(("", "the bad story"))))
    second = measure_gradients(model, "the bad story", 0, frame=Frame(join_parts(("a good film", "")), ""))
    assert np.array_equal(whole.rows, np.concatenate([first.rows, second.rows]))
    assert np.array_equal(whole.own, np.concatenate([first.own, second.own]))


def test_a_model_of_single_texts_takes_no_pair():
    with pytest.raises(Incompatible, match="reads single texts"):
        attack(load("sst2/cnn/base", "cpu"), "textfooler", "good", "bad", NAMES)
