"""Stored runs of doubles: evaluations of a few sentences, with and without explanations."""

import pytest

from helpers.doubles import BagOfWords, Planted, WordEncoder, WordReader
from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.datasets import DataSet, LabelledTexts
from robust_core.evaluation.evaluate import evaluate
from robust_core.explainers import EXPLAINERS
from robust_core.store import ResultStore
from robust_core.types import Example

TEXTS = ("a good movie", "a bad movie", "a dull movie", "good good good", "a clever movie", "a fine movie",
         "no good words", "bad bad bad")


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    """Put a small attack beside the real ones, and a double in the place of the encoder."""
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    list(ATTACKS)
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)


def make_texts(name: str = "reviews", texts: tuple[str, ...] = TEXTS) -> LabelledTexts:
    """Return labelled texts: positive where `good`, `clever` or `fine` stands in them."""
    about = DataSet(name, name.capitalize(), ("negative", "positive"), "made up", length=20)
    return LabelledTexts(about, "test", [
        Example(text, int(any(word in text for word in ("good", "clever", "fine"))), f"{name}/test/{i}")
        for i, text in enumerate(texts)])


def store_run(store: ResultStore, model: str = "double/a", *, explain: bool = True, fluency: bool = False,
              texts: LabelledTexts | None = None, bias: tuple[float, ...] = ()) -> str:
    """Attack a double on a few sentences; return the id of the stored run."""
    events = list(evaluate(
        [BagOfWords(id=model, bias=bias)], texts or make_texts(), "test", [Planted()], store=store,
        explain=[EXPLAINERS["ig"]()] if explain else [], reader=WordReader() if fluency else None))
    return next(event.data["run"] for event in events if event.kind == "row")
