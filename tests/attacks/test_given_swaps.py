"""A swap set that is given to an attack: its words and no others are put in, and what is certified under it holds."""

import dataclasses
import json

import pytest
from helpers.doubles import BagOfWords, WordEncoder, WordFiller
from helpers.models import draw_additive
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import ATTACKS
from robust_core.attacks.careful import SwapAttack, give_swaps
from robust_core.attacks.given_swaps import GivenSwaps, list_cased_swaps
from robust_core.attacks.presets import CAREFUL, PAPER, name_preset, read_preset
from robust_core.certify.word_swaps import WordCertifier
from robust_core.datasets import DataSet, LabelledTexts
from robust_core.errors import BadInput
from robust_core.evaluation.evaluate import evaluate
from robust_core.registry import to_record
from robust_core.resources import stop_words
from robust_core.resources.swap_sets import read_swap_set
from robust_core.store import ResultStore
from robust_core.text import Draft
from robust_core.types import Example

TAKERS = [name for name, cls in ATTACKS.items() if issubclass(cls, SwapAttack) and cls.takes_swaps]
SMALL = {"population": 6, "generations": 4, "keep_likeliest": 0, "max_share": 1.0}
WORDS = ("good", "bad", "fine", "poor", "film", "movie", "plot", "never", "tale")


def write_swaps(folder, table, name="mine.json"):
    path = folder / name
    path.write_text(json.dumps(table), encoding="utf-8")
    return read_swap_set(str(path))


def make(name, swap_set, preset=PAPER, **more):
    """Return an attack that may go as far as the set lets it: without a threshold on sentences."""
    cls = ATTACKS[name]
    known = {f.name for f in dataclasses.fields(cls)}
    loose = {"min_text_similarity": -1.0, "same_part_of_speech": False} if preset == PAPER else {}
    values = {field: value for field, value in (SMALL | loose).items() if field in known}
    return give_swaps(cls(**(read_preset(cls, preset) | values | more)), swap_set)


def attack(method, victim, text, label=None):
    events = method.run([victim], [Example(text, label, "u")], encoder=WordEncoder(), masked=WordFiller({}, ()))
    return next(event.result for event in events if event.result)


def test_the_attacks_that_take_a_set():
    assert TAKERS == ["textfooler", "pwws", "gene", "iga", "pso", "faster-alzantot", "a2t", "hotflip", "hard-label"]


@pytest.mark.parametrize("preset", [PAPER, CAREFUL])
@pytest.mark.parametrize("name", TAKERS)
def test_words_come_from_the_set_alone(name, preset, tmp_path):
    """No neighbour and no synonym: the set has one, which is no neighbour; another word has none."""
    victim = BagOfWords({"good": 2.0, "lovely": 2.0, "purple": -9.0}, (0.0, 0.0), id="double/victim")
    swaps = write_swaps(tmp_path, {"good": ["purple"], "an": ["a"]})
    result = attack(make(name, swaps, preset, **({"min_text_similarity": -1.0} if preset == CAREFUL else {})), victim,
                    "an Good thing of lovely words")
    if preset == PAPER:
        assert result.perturbed == "an Purple thing of lovely words" and result.status == "succeeded"
    assert {swap.new.lower() for swap in result.swaps} <= {"purple", "a"}
    assert result.attack["swaps"] == "mine.json" and result.attack["swaps_sha256"] == swaps.sha256


@pytest.mark.parametrize(("table", "after"), [
    ({"honest": ["good"]}, "an good film"), ({"honest": ["good"], "an": ["a"]}, "a good film")])
def test_an_article_changes_only_where_the_set_has_it(table, after, tmp_path):
    victim = BagOfWords({"honest": 2.0, "good": -2.0}, (0.0, 0.0), id="double/victim")
    method = make("pwws", write_swaps(tmp_path, table), CAREFUL, min_text_similarity=-1.0)
    assert attack(method, victim, "an honest film").perturbed == after


@pytest.mark.parametrize("name", sorted(set(ATTACKS) - set(TAKERS)))
def test_other_attacks_refuse_a_set(name):
    with pytest.raises(BadInput, match=r"takes no swap set: .* take one: textfooler, pwws, gene, iga, "
                                       r"pso, faster-alzantot, a2t, hotflip, hard-label\."):
        give_swaps(ATTACKS[name](), read_swap_set("close"))


def test_bae_refuses_a_set_from_python_too():
    with pytest.raises(BadInput, match="takes no swap set"):
        ATTACKS["bae"](swaps=read_swap_set("close"))


def test_records_and_hashes_name_the_set(tmp_path):
    plain, one = ATTACKS["pwws"](), write_swaps(tmp_path, {"good": ["fine"]})
    other = write_swaps(tmp_path, {"good": ["poor"]}, "other.json")
    first = give_swaps(plain, one)
    assert to_record(first) == to_record(plain) | {"swaps": "mine.json", "swaps_sha256": one.sha256}
    assert name_preset(to_record(plain)) == PAPER and name_preset(to_record(first)) == ""
    rests = first.rests_on()
    assert rests["swaps mine.json"] == one.sha256 and "table wordnet" not in rests
    assert first != give_swaps(plain, other) and dataclasses.replace(first, max_queries=3).swaps is one
    named = give_swaps(plain, read_swap_set("wide"))
    assert {"neighbours", "wordnet", "stop-words"} <= set(named.list_uses())


def test_stored_runs_of_two_sets_are_two_runs(tmp_path):
    victim = BagOfWords({"good": 2.0, "poor": -4.0, "fine": 1.0}, (0.0, 0.0), id="double/victim")
    about = DataSet("mine", "Mine", victim.labels, "made here")
    texts = LabelledTexts(about, "file", [Example("good thing", 1, "mine/0")])
    store = ResultStore(tmp_path / "runs.sqlite")
    found = []
    for words in (["fine"], ["poor"]):
        method = make("textfooler", write_swaps(tmp_path, {"good": words}))
        found += [event.data for event in evaluate([victim], texts, attacks=[method], store=store)
                  if event.kind == "row"]
    assert found[0]["run"] != found[1]["run"]
    assert [row["accuracy_under_attack"] for row in found] == [1.0, 0.0]


def test_capitals_never_make_another_word(tmp_path):
    swaps = write_swaps(tmp_path, {"road": ["straße", "way"]})
    assert list_cased_swaps(swaps, "ROAD") == ["straße", "WAY"] and list_cased_swaps(swaps, "Road")[1] == "Way"
    assert all(word.lower() in swaps.find("road") for word in list_cased_swaps(swaps, "ROAD"))


def test_stop_words_stay(tmp_path):
    swaps = write_swaps(tmp_path, {"not": ["always"], "film": ["movie"]})
    assert "not" in stop_words()
    at = GivenSwaps(Draft.of("not a film"), swaps, same_part=False)
    assert [at.at(i) for i in range(3)] == [[], [], ["movie"]]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6),
       table=st.dictionaries(st.sampled_from(WORDS), st.lists(st.sampled_from(WORDS), max_size=4), max_size=9))
@pytest.mark.parametrize("name", TAKERS)
def test_no_certified_text_is_flipped_under_the_same_set(name, seed, words, table, tmp_path_factory):
    """What is attacked is what is proved, for any entries, states included ("never" turns what follows)."""
    swaps = write_swaps(tmp_path_factory.mktemp("swaps"), table)
    model = draw_additive(seed, WORDS)
    text = " ".join(words)
    proof = WordCertifier(model, swaps).certify(text)
    result = attack(make(name, swaps), model, text)
    for old, new in zip(words, Draft.of(result.perturbed).words, strict=True):
        assert old == new or new in swaps.find(old)
    assert not (proof.certified and result.status == "succeeded")
    if result.status == "succeeded":
        assert len(result.swaps) > proof.swaps_proven
