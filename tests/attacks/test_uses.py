"""What an attack looks into is what it says it looks into: every door of the resources is watched while it searches."""

import sys
from pathlib import Path

import pytest
from helpers.doubles import WordEncoder, WordFiller
from helpers.needs import mark_attacks
from helpers.watch import DOORS, NO_DOORS, DoorWatch

from robust_core import ATTACKS, datasets, resources
from robust_core.attacks.presets import CAREFUL, read_preset
from robust_core.attacks.textattack import client
from robust_core.errors import BadInput
from robust_core.models import loading
from robust_core.paths import ROOT
from robust_core.resources import fingerprints
from robust_core.text import find_words
from robust_core.types import Blank

OF_TEXTATTACK = [name for name in ATTACKS if ATTACKS[name].__module__.startswith("robust_core.attacks.textattack.")]
OWN = [name for name in ATTACKS if name not in OF_TEXTATTACK]


class AskedEncoder(WordEncoder):
    """A sentence encoder that knows whether it was asked."""

    asked = False

    def encode(self, texts):
        self.asked = True
        return super().encode(texts)


class AskedFiller(WordFiller):
    """A masked language model that knows whether it was asked, and offers the same few words everywhere."""

    def __init__(self) -> None:
        super().__init__({}, ())

    def _fill(self, blank: Blank) -> list[tuple[str, float]]:
        words = blank.among or ("good", "terrible", "film", "never", "slowly", "wonderful", "bored", "waste")
        return [(word, -1.0 - k / 4) for k, word in enumerate(words)]


def look(name: str, preset: str = "paper") -> set[str]:
    """Return what an attack uses on a few reviews, by the names of `fingerprints`."""
    model = loading.load("sst2/cnn/base", "cpu")
    # Long enough for the window of the sentence encoder; of five, some are flipped and some are not.
    texts = [e for e in datasets.load("reviews", "test") if len(find_words(e.text)) > 16][:5]
    encoder, filler = AskedEncoder(), AskedFiller()
    attack = ATTACKS[name](max_queries=400, **read_preset(ATTACKS[name], preset))
    with DoorWatch() as watch:
        events = list(attack.run([model], texts, encoder=encoder, masked=filler, similarity=False))
    assert sum(e.kind == "result" for e in events) == len(texts)
    asked = {"sentence-encoder": encoder.asked, "masked-model": filler.asked}
    return watch.names | {use for use, was in asked.items() if was}


def compare(name: str, found: set[str]) -> None:
    """What is opened is declared; what is declared is opened here, so that none can be taken away unnoticed."""
    declared = set(ATTACKS[name].uses)
    assert found <= declared, f"{name} opens {found - declared}, which its `uses` leaves out"
    # The first members of the ensemble may flip all of these texts; it declares what its members do (test_ensemble.py).
    assert name == "ensemble" or declared <= found, (
        f"{name} declares {declared - found}, which it did not open on any of these texts")


@pytest.mark.parametrize("name", OWN)
def test_an_attack_opens_what_it_declares(name):
    compare(name, look(name))


@pytest.mark.parametrize("name", [name for name in ATTACKS if CAREFUL in ATTACKS[name].PRESETS])
def test_a_careful_attack_opens_the_set_of_swaps_and_not_its_recipes_tables(name):
    """The doubles offer few of the set's words, so the models behind them may not be asked here."""
    found, declared = look(name, CAREFUL), set(ATTACKS[name](**read_preset(ATTACKS[name], CAREFUL)).list_uses())
    assert found <= declared, f"{name} opens {found - declared}, which it leaves out"
    assert {fingerprints.SWAPS, "parts-of-speech", "stop-words"} <= found
    assert declared - found <= {fingerprints.MASKED, fingerprints.ENCODER}


@pytest.mark.thorough
@pytest.mark.textattack
def test_what_textattack_opens_for_us_is_declared(tmp_path, monkeypatch):
    """One test for all recipes: their process takes long to start."""
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("WATCHED_DOORS", str(log))
    monkeypatch.setattr(client, "_COMMAND", (sys.executable, str(ROOT / "tests/helpers/watched_textattack.py")))
    monkeypatch.setattr(client, "_WORKER", None)
    # BERT-Attack lacks its masked language model here, and says so.
    for name in (name for name in OF_TEXTATTACK if name != "bert-attack"):
        before = len(log.read_text())
        found = look(name) | set(log.read_text()[before:].split())
        # The process itself is one, and gets the stop words when it starts.
        compare(name, found | {"textattack", "stop-words"})
    assert client._WORKER is not None
    client._WORKER.close()


@pytest.mark.parametrize("name", mark_attacks(ATTACKS))
def test_what_is_declared_has_a_fingerprint(name):
    declared = ATTACKS[name].uses
    assert len(set(declared)) == len(declared) and set(declared) <= set(fingerprints.NAMES)


def test_the_watch_sees_every_door():
    modules = {path.stem for path in Path(resources.__file__).parent.glob("*.py")}
    assert modules == {*DOORS, *NO_DOORS}, "tests/helpers/watch.py must say what a new module of the resources is"
    arguments = {"tag": (["good"],), "close_swaps": ("good", "ADJ"), "tag_swaps": (["good"], 0, ["bad"]),
                 "stop_words": (), "word_vectors": (["good"], 0), "minilm_folder": (), "masked_model_folder": ()}
    for door in resources.__all__:
        with DoorWatch() as watch:
            try:
                getattr(resources, door)(*arguments.get(door, ("good",)))
            except BadInput:
                assert door == "word_vectors"
        assert watch.names == {DOORS[resources._MODULE_OF[door]]}, door
