"""What attacks look for, and the words that they leave alone: the same for every attack."""

import dataclasses

import pytest
from helpers.doubles import BagOfWords, WordEncoder, WordFiller
from helpers.swap_tables import plant_swaps

from robust_core import ATTACKS
from robust_core.attacks.goals import find_locked
from robust_core.attacks.presets import name_preset, write_options
from robust_core.errors import BadInput
from robust_core.registry import from_record, to_record
from robust_core.text import Draft
from robust_core.types import Example

OWN = [name for name in ATTACKS if not ATTACKS[name].__module__.startswith("robust_core.attacks.textattack.")]
NEAR = {"good": ("fine", "dull", "nice"), "film": ("movie", "flick"), "warm": ("cool", "mild"), "story": ("tale",)}
WEIGHTS = {"good": 1.0, "fine": 0.6, "nice": 0.2, "dull": -1.0, "film": 0.3, "movie": 0.0, "flick": -0.4, "warm": 0.8,
           "mild": 0.2, "cool": -0.7, "story": 0.2, "tale": -0.3}
VICTIM = BagOfWords(WEIGHTS, (0.0, 0.0), id="double/victim")
THREE = BagOfWords({w: (-v, v, -v / 2 + 0.1 * len(w)) for w, v in WEIGHTS.items()}, (0.0, 0.3, 0.0), id="double/three",
                   labels=("bad", "good", "odd"))
TEXT = "a good film with a warm story, good and warm film"


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    """Few neighbours and one part of speech."""
    with plant_swaps(monkeypatch, NEAR):
        yield


def attack(name: str, text: str = TEXT, victim: BagOfWords = VICTIM, **parameters):
    """The event that ends an attack."""
    method = ATTACKS[name](**{"max_queries": 400} | parameters)
    events = method.run([victim], [Example(text, None, "u")], encoder=WordEncoder(), masked=WordFiller(NEAR, ("so",)))
    return next(e for e in events if e.kind in ("result", "error"))


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("locked", [("good",), ("warm", "film"), ("good", "film", "warm", "story")])
def test_locked_words_stay(name, locked):
    r = attack(name, lock=locked).result
    kept = [word for word in Draft.of(r.perturbed).words if word in locked]
    assert kept == [word for word in Draft.of(TEXT).words if word in locked]
    assert r.attack["lock"] == list(locked)


@pytest.mark.parametrize("name", OWN)
def test_an_attack_without_locked_words_changes_one_of_them(name):
    assert attack(name).result.perturbed != TEXT


@pytest.mark.parametrize("name", OWN)
def test_a_target_is_reached_or_nothing_succeeds(name):
    for label in ("bad", "odd"):
        r = attack(name, victim=THREE, target=label.upper()).result
        place = THREE.labels.index(label)
        assert (r.status == "succeeded") == (r.perturbed_label == place)
        assert r.after[place] >= r.before[place] - 1e-6
        assert r.attack["target"] == label.upper()
    assert r.reference_label == 1


def test_some_attacks_reach_each_target():
    reached = {label for name in OWN for label in ("bad", "odd")
               if attack(name, victim=THREE, target=label).result.status == "succeeded"}
    assert reached == {"bad", "odd"}


@pytest.mark.parametrize("name", OWN)
def test_the_lowest_probability_is_no_higher_than_at_the_first_flip(name):
    first, lowest = attack(name).result, attack(name, aim="minimise").result
    assert lowest.after[1] <= first.after[1] + 1e-6
    assert (lowest.status == "succeeded") == (lowest.perturbed_label != 1)


def test_the_present_answer_and_an_unknown_class_are_no_targets():
    assert attack("pwws", victim=THREE, target="good").data["message"] == (
        "double/three says 'good' already: choose another target.")
    assert "label" in attack("pwws", target="green").data["message"]
    with pytest.raises(BadInput, match="leave the aim out"):
        ATTACKS["pwws"](target="bad", aim="minimise")
    with pytest.raises(BadInput, match="are texts"):
        ATTACKS["pwws"](lock="good")


@pytest.mark.parametrize("name", ATTACKS)
def test_a_record_with_a_goal_comes_back_and_is_no_preset(name):
    plain = ATTACKS[name]()
    asked = dataclasses.replace(plain, lock=("Film", "film"), target="bad", lock_names=True)
    record = to_record(asked)
    assert from_record(ATTACKS, record) == asked and record["lock"] == ["film"]
    assert name_preset(record) == "" and name_preset(to_record(plain)) == "paper"
    words = write_options(record)
    assert words[:4] == ["--lock", "film", "--target", "bad"] and "lock_names=True" in words
    assert "parts-of-speech" in dataclasses.replace(plain, lock_numbers=True).list_uses()


@pytest.mark.parametrize(("text", "locked"), [
    ("Nicole Kidman is good in Moulin Rouge.", {"Kidman", "Moulin", "Rouge"}),
    ("Good films by Spielberg. Spielberg is back, and I know it.", {"Spielberg"}),
    ("A GREAT FILM", set()), ("great film", set())])
def test_names_are_words_written_like_names(text, locked):
    draft = Draft.of(text)
    assert {draft.words[i] for i in find_locked(draft, (), True, False)} == locked


def test_numbers_are_digits_and_number_words():
    draft = Draft.of("the 2nd film of 1999 has three stars")
    assert {"2nd", "1999", "three"} <= {draft.words[i] for i in find_locked(draft, (), False, True)}
    assert "stars" not in {draft.words[i] for i in find_locked(draft, (), False, True)}
