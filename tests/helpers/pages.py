"""The app with stand-ins for models, attacks and encoder, and steps that a person takes in it."""

import dataclasses
import json
import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from helpers.doubles import BagOfWords, Planted, WordEncoder, WordReader
from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.jobs.manager import BROKEN
from robust_core.models import loading, masked_lm
from robust_core.paths import ROOT
from robust_core.registry import param
from ui import warm_up
from ui.attack import examples, live
from ui.session import selection
from ui.shared import loaded

TEXT = "a good clever movie"
MODELS = ("sst2/cnn/base", "sst2/lstm/base", "sst2/minilm/base")
SLOW = {"slow": 0.0}
STORY = '<section class="rx-story'


def card(model_id: str) -> dict:
    return {"id": model_id, "dataset": "sst2", "architecture": model_id.split("/")[1], "defence": {"name": "base"},
            "seed": 0, "labels": ["negative", "positive"], "config": {"network": {"length": 50}},
            "recipe": {"epochs": 3, "learning_rate": 0.001}, "dev_accuracy": 0.8417, "epochs": 2, "seconds": 90.0,
            "device": "cpu", "parameters": 123456, "bytes": 2_500_000, "files": {"model.safetensors": "ab" * 32},
            "data": {"train": {"n": 6920, "sha256": "cd" * 32}}, "parent": "", "version": "0.1.0"}


class Patient(BagOfWords):
    """A double that may take its time over each question."""

    def proba_from_ids(self, rows):
        time.sleep(SLOW["slow"])
        return super().proba_from_ids(rows)


@dataclasses.dataclass(frozen=True)
class Milder(Planted):
    """Put a weaker word in the place of another."""

    name, title, source = "milder", "Milder words", "https://example.org/milder"

    new: str = param("fine", "Word that takes its place")


@pytest.fixture(autouse=True)
def doubles(tmp_path, monkeypatch):
    """Put three doubles in the place of the shipped models, and two small attacks beside the real ones."""
    for model_id in MODELS:
        folder = tmp_path / "checkpoints" / model_id
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(json.dumps(card(model_id)))
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    built = {MODELS[0]: Patient(id=MODELS[0]), MODELS[1]: Patient(id=MODELS[1], bias=(0.0, 4.0)),
             MODELS[2]: Patient(id=MODELS[2], length=3)}
    monkeypatch.setattr(loading, "load", lambda model_id, device="auto": built[model_id])
    list(ATTACKS)  # the shipped ones first
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)
    monkeypatch.setitem(ATTACKS._members, "milder", Milder)
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setattr(encoders, "list_names", lambda: ["minilm"])
    monkeypatch.setattr(encoders, "load", lambda name, device="auto": WordEncoder())
    monkeypatch.setattr(masked_lm, "load", lambda name="minilm", device="auto": WordReader())
    monkeypatch.setattr(warm_up, "warm_up", lambda: None)
    monkeypatch.setattr(selection, "DEFAULT_MODELS", MODELS)
    # A sentence whose words the doubles know.
    monkeypatch.setattr(selection, "DEFAULT_TEXT", "an exceedingly clever piece of cinema")
    monkeypatch.setattr(selection, "OTHER_TEXT", "an astonishingly proficient piece of film")
    monkeypatch.setitem(SLOW, "slow", 0.0)
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    loaded.get_jobs().close()


def app(**query) -> AppTest:
    """Open the app with a planted attack, and with the details of each search open."""
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    at.query_params.update({"attack": "planted", "text": TEXT} | query)
    at.session_state[live.DETAILS] = True
    return settle(at)


def settle(at: AppTest) -> AppTest:
    """Run until nothing is loading, attacking or being explained any more; a browser's polling does this."""
    for _ in range(200):
        at.run()
        assert not at.exception, at.exception
        # What nobody foresaw is a line on the page, its traceback in the log.
        assert BROKEN not in [w.value for w in at.warning], "a part of the page failed"
        if not any(word in page(at) for word in ("loading ", "explaining …", "Attacking ·", "Waiting for its turn",
                                                 "Measuring fluency", "Testing the text", "testing …",
                                                 "looking …")):
            return at
        time.sleep(0.05)
    raise AssertionError(page(at))


def page(at: AppTest) -> str:
    """Return all that is shown as text, the story of the attack aside."""
    shown = [*at.html, *at.caption, *at.markdown, *at.warning, *at.info, *at.error]
    return "\n".join(str(e.value) for e in shown
                     if not str(e.value).startswith(("<style", "<script", STORY))).replace("\u00a0", " ")


def read_story(at: AppTest) -> str:
    """Return the story of the attack, as HTML."""
    return next(str(e.value) for e in at.html if str(e.value).startswith(STORY)).replace("\u00a0", " ")


def click(at: AppTest, label: str) -> AppTest:
    next(b for b in at.button if b.label == label).click()
    return settle(at)


def take_example(at: AppTest, text: str) -> AppTest:
    """Open the menu of examples and choose one."""
    at.session_state[examples.OPEN] = True
    at.run().radio(key="example").set_value(text)
    return settle(at)


def find_label(at: AppTest):
    """Return the picker of the true label."""
    return next(box for box in at.selectbox if box.label == "True label")


def attacked() -> AppTest:
    return click(app(), "Attack")


def query(at: AppTest) -> dict:
    return {k: v[0] if isinstance(v, list) else v for k, v in at.query_params.items()}
