"""What an attack looks into is what it says it looks into: every door of the resources is watched while it searches."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.doubles import WordEncoder, WordFiller
from helpers.watch import DOORS, NO_DOORS, DoorWatch

from robust_core import ATTACKS, datasets, resources
from robust_core.attacks.textattack import client
from robust_core.errors import BadInput
from robust_core.models import loading
from robust_core.paths import ROOT
from robust_core.resources import fingerprints
from robust_core.text import find_words
from robust_core.types import Blank

# BERT-Attack lacks its masked language model here, and says so.
HERE = [name for name in ATTACKS if name != "bert-attack"]


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


@pytest.fixture(scope="module")
def uses(tmp_path_factory) -> Iterator:
    """Return a function from an attack's name to what it uses; TextAttack's process is watched as well."""
    log = tmp_path_factory.mktemp("doors") / "log"
    log.touch()
    model = loading.load("sst2/cnn/base", "cpu")
    # Long enough for the window of the sentence encoder; of five, some are flipped and some are not.
    texts = [e for e in datasets.load("reviews", "test") if len(find_words(e.text)) > 16][:5]
    known: dict[str, set[str]] = {}

    def look(name: str) -> set[str]:
        if name not in known:
            encoder, filler, before = AskedEncoder(), AskedFiller(), len(log.read_text())
            with DoorWatch() as watch:
                events = list(ATTACKS[name](max_queries=400).run([model], texts, encoder=encoder, masked=filler,
                                                                 similarity=False))
            assert sum(e.kind == "result" for e in events) == len(texts)
            known[name] = watch.names | set(log.read_text()[before:].split())
            known[name] |= {"sentence-encoder"} if encoder.asked else set()
            known[name] |= {"masked-model"} if filler.asked else set()
            if ATTACKS[name].__module__.startswith("robust_core.attacks.textattack."):
                # The process itself is one, and gets the stop words when it starts.
                known[name] |= {"textattack", "stop-words"}
        return known[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "WATCHED_DOORS", str(log))
        patch.setattr(client, "_COMMAND", (sys.executable, str(ROOT / "tests" / "helpers" / "watched_textattack.py")))
        patch.setattr(client, "_WORKER", None)
        yield look
        if client._WORKER is not None:
            client._WORKER.close()


@pytest.mark.parametrize("name", HERE)
def test_what_a_search_opens_is_declared(name, uses):
    assert uses(name) <= set(ATTACKS[name].uses), f"{name} opens what its `uses` leaves out"


@pytest.mark.parametrize("name", HERE)
def test_what_is_declared_is_opened_here(name, uses):
    """So the test above fails as soon as a declaration is taken away."""
    assert set(ATTACKS[name].uses) <= uses(name)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_declared_has_a_fingerprint(name):
    declared = ATTACKS[name].uses
    assert len(set(declared)) == len(declared) and set(declared) <= set(fingerprints.NAMES)


def test_the_watch_sees_every_door():
    modules = {path.stem for path in Path(resources.__file__).parent.glob("*.py")}
    assert modules == {*DOORS, *NO_DOORS}, "tests/helpers/watch.py must say what a new module of the resources is"
    arguments = {"tag": (["good"],), "tag_swaps": (["good"], 0, ["bad"]), "word_vectors": (["good"], 0),
                 "stop_words": (), "minilm_folder": (), "masked_model_folder": ()}
    for door in resources.__all__:
        with DoorWatch() as watch:
            try:
                getattr(resources, door)(*arguments.get(door, ("good",)))
            except BadInput:
                assert door == "word_vectors"
        assert watch.names == {DOORS[resources._MODULE_OF[door]]}, door
