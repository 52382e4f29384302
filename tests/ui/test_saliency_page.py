"""The Saliency and Word importance pages on doubles: what a person does, what the page then shows."""

import csv
import io
import math
import re
import time

import pytest
from helpers.doubles import BagOfWords, Planted
from helpers.pages import MODELS, app, attacked, doubles, page, settle  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput
from robust_core.evaluation import explanation_consistency
from robust_core.metrics import consistency
from robust_core.paths import ROOT
from robust_core.text import align, find_words
from robust_core.types import Attribution, Example
from ui.comparison import rows
from ui.comparison.row import Row
from ui.saliency import grid, stored_results
from ui.saliency import page as saliency
from ui.session import selection
from ui.session.choices import Limits
from ui.session.outcome import Pair
from ui.shared import catalogue, loaded
from ui.widgets import charts
from ui.word_importance import measurement
from ui.word_importance import page as words

TEXTS = [("a good movie", 1), ("a bad movie", 0), ("good and good", 1), ("a clever and good movie", 1),
         ("a good but dull movie", 0), ("a fine movie", 1), ("good", 1), ("dull", 0)]


@pytest.fixture
def small(monkeypatch):
    """Let every data set hold eight texts."""
    examples = [Example(text, label, f"sst2/test/{i}") for i, (text, label) in enumerate(TEXTS)]
    monkeypatch.setattr(datasets, "load", lambda name, split, data_dir=None: list(examples))


def ready(at: AppTest) -> AppTest:
    """Run until nothing is being made any more, twice in a row: what is complete may bring in the next part."""
    quiet = 0
    for _ in range(200):
        settle(at)
        busy = any(word in page(at) for word in ("measuring: ", "Measuring;")) or running()
        quiet = 0 if busy else quiet + 1
        if quiet == 3:
            return at
        time.sleep(0.05)
    raise AssertionError(page(at))


def running() -> bool:
    return any(not job.over for job in loaded.get_jobs().jobs())


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click().run()
    return ready(at)


def saliency_page(at: AppTest) -> AppTest:
    at.switch_page("pages/2_Saliency.py")
    return ready(at)


def attribution(text: str, scores: tuple[float, ...], target: int = 1) -> Attribution:
    return Attribution(text, find_words(text), scores, target, {"name": "ig"}, 0.0)


def row(original: str, other: str, a: tuple[float, ...], b: tuple[float, ...]) -> Row:
    x, y = attribution(original, a), attribution(other, b)
    return Row(Pair(MODELS[0], ""), original, other, 1, (0.1, 0.9), (0.8, 0.2), x, y,
               agreement=consistency(x, y, align(original.split(), other.split())), reference=1)


def test_the_change_of_each_word_is_signed_and_aligned():
    line = row("a good long film", "so a fine long", (0.0, 0.5, 0.1, 0.2), (0.3, 0.1, 0.2, 0.1))
    moved = grid.subtract_scores(line)
    assert moved is not None and moved.text == "so a fine long"
    # good -> fine, so is new, film has gone.
    assert dict(zip(["so", "a", "fine", "long"], moved.scores, strict=True)) == pytest.approx(
        {"so": 0.3, "a": 0.1, "fine": -0.3, "long": 0.0}, abs=1e-12)
    assert [(w, v) for _, w, v, _, _ in grid.pair_words([line])] == [("a", "a"), ("good", "fine"), ("long", "long")]
    html = grid.make_grid([line], {line.pair: "CNN"}, {line.pair.model: ("Negative", "Positive")}, Limits(0.4, 0.6))
    assert "-0.300 less for Positive" in html and "+0.300 more for Positive" in html and "film deleted" in html
    assert html.count("role=\"group\"") == 3 and "✗ lost" in html


def test_it_opens_with_two_texts_and_fills_the_grid():
    at = saliency_page(settle(AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)))
    assert at.text_area(key="saliency.first").value == selection.DEFAULT_TEXT
    shown = page(at)
    assert shown.count('scope="row"') == 3 and "was clever" in shown and "exceedingly" in shown
    assert "became astonishingly" in shown and "more for" in shown
    assert [h.value for h in at.subheader] == ["Most important words kept", "Each word in both texts",
                                               "Faithfulness: how far to trust the explanation"]
    table = at.dataframe[0].value
    assert list(table["Explanation"]) == ["Integrated gradients"] * 3
    # "clever" is all that the first double knows of this text.
    assert table["Comprehensiveness"][0] > table["random"][0] and table["Sufficiency"][0] == pytest.approx(0, abs=1e-4)


def test_the_last_attack_is_there_and_any_class_and_explanation_can_be_chosen():
    at = saliency_page(attacked())
    assert at.button_group(key="saliency.source").value == saliency.LAST
    assert "was good" in page(at) and "became bad" in page(at)
    before = re.findall(r"([+-]\d\.\d+) (?:for|against) Positive", page(at))
    at.selectbox(key="saliency.class").set_value("Negative")
    ready(at)
    other = re.findall(r"([+-]\d\.\d+) (?:for|against) Negative", page(at))
    assert [float(v) for v in other] == [-float(v) for v in before] and other, "two classes mirror each other"
    assert "✗ lost" in page(at), "the verdict on the prediction does not depend on the class explained"
    at.selectbox(key="explainer").set_value("loo")
    ready(at)
    assert list(at.dataframe[0].value["Explanation"]) == ["Leave one out"] * 3
    at.toggle(key="trust.all").set_value(True)
    ready(at)
    table = at.dataframe[0].value
    assert len(table) == 15 and set(table["How"]) == {"gradients", "probabilities"}
    assert table.loc[table["Explanation"] == "LIME", "R²"].notna().all()
    assert table.loc[table["Explanation"] == "Shapley values", "τ of seeds"].notna().any()


def test_what_cannot_be_read_is_one_line():
    at = saliency_page(app())
    at.text_area(key="saliency.second").set_value("...")
    ready(at)
    assert "has no words" in page(at) and not at.dataframe
    at.text_area(key="saliency.second").set_value('<b onclick="x">bad</b> movie')
    ready(at)
    assert "<b onclick" not in page(at)
    at.multiselect(key="models").set_value([])
    ready(at)
    assert "Choose at least one model" in page(at)


def test_a_download_names_every_pair_of_words():
    lines = list(csv.DictReader(io.StringIO(saliency.to_csv([
        row("a good film", "a bad film", (0.0, 0.5, 0.1), (0.1, -0.2, 0.1))]))))
    assert [(v["word"], v["other_word"], float(v["score"]), float(v["other_score"])) for v in lines] == [
        ("a", "a", 0.0, 0.1), ("good", "bad", 0.5, -0.2), ("film", "film", 0.1, 0.1)]
    assert lines[0]["model"] == MODELS[0] and lines[0]["explanation"] == "ig" and lines[0]["class"] == "Positive"


def test_stored_results_from_running_them_to_an_example(small):
    at = saliency_page(app())
    at.button_group(key="saliency.source").set_value(saliency.STORED)
    ready(at)
    assert "Nothing of yours is stored yet" in page(at)
    press(at, "stored.run")
    counts = at.dataframe[0].value
    assert list(counts["Attack"].unique()) == ["Planted words"] and counts["Texts"].sum() > 0
    parts = counts[[*stored_results.QUADRANTS.values(), "Undefined"]].sum(axis=1)
    assert list(parts) == list(counts["Texts"])
    # Good gives way to bad, so every success means the opposite; the third model reads three words.
    assert dict(zip(counts["Model"], counts["†"], strict=True)) == {
        "CNN · base": "†2 (100 %)", "LSTM · base": "†2 (100 %)", "MiniLM · base": "†1 (25 %) †2 (100 %)"}
    notes = {c.value: c.help for c in at.caption if c.value.startswith("†")}
    assert [*notes] == [
        "†1: 25 % of the texts are longer than the model reads.",
        "†2: 100 % of the successes rest on swaps that change the meaning (antonym 3 to 4, number 0)."]
    assert "Leave antonyms and numbers out of the candidates" in [*notes.values()][1]
    assert list(at.dataframe[1].value["τ"].dropna()) == sorted(at.dataframe[1].value["τ"].dropna())
    assert "became bad" in page(at), "the grid shows the first example"
    everything = at.button_group(key="stored.which").set_value(stored_results.ALL)
    assert everything is not None
    ready(at)
    assert at.dataframe[0].value["Texts"].sum() > counts["Texts"].sum()
    assert "python -m robust_core evaluate" in at.code[0].value
    # The listing is that of the picked run, and shows as many texts as stand in its line. What is picked by itself is
    # the run that was stored first; the table begins with the newest.
    stored = [of.run_id for of in explanation_consistency.list_stored(loaded.open_store())]
    place = stored.index(at.session_state["stored.group"][0])
    told = {name: int(at.dataframe[0].value[name].iloc[place]) for name in stored_results.QUADRANTS.values()}
    shown = {}
    for name in told:
        at.button_group(key="stored.where").set_value(name)
        ready(at)
        shown[name] = len(at.dataframe[1].value) if len(at.dataframe) > 1 else 0
        assert ("no such text" in page(at)) == (not shown[name])
    assert shown == told and len({*told.values()}) > 1, told


class Refusing(Planted):
    """An attack that one text breaks."""

    def search(self, target, rng):
        if target.example.text == "a good movie":
            raise BadInput("This text is too odd.")
        return (yield from super().search(target, rng))


def test_examples_without_a_result_are_told_of_in_the_sidebar(small, monkeypatch):
    monkeypatch.setitem(ATTACKS._members, "planted", Refusing)
    at = saliency_page(app(models=MODELS[0]))
    at.button_group(key="saliency.source").set_value(saliency.STORED)
    press(ready(at), "stored.run")
    line = "Attacking and explaining: Planted words on CNN · base: 1 examples have no result. This text is too odd."
    assert [w.value for w in at.sidebar.warning] == [line]
    at.switch_page("pages/9_Models.py").run()
    assert [w.value for w in at.sidebar.warning] == [line], "as on every page"


def test_quadrants_follow_the_limits():
    result = stored_results.AttackResult(Example("good film", 1, "0"), MODELS[0], {"name": "planted"}, "bad film", 1, 0,
                                         (0.1, 0.9), (0.8, 0.2), 1, 1, 1, math.nan, 0.1, "succeeded", (), ())

    def where(tau: float, top5: float, label: int = 0) -> str | None:
        import dataclasses

        one = dataclasses.replace(result, perturbed_label=label)
        example = stored_results.Example(MODELS[0], one, {"kendall_tau": tau, "top_k": {"5": top5}})
        return example.quadrant(Limits(0.4, 0.6))

    assert where(0.5, 0.6) == "Only interpretation kept" and where(0.5, 0.5) == "Both lost" == where(0.3, 1.0)
    assert where(0.4, 0.6, 1) == "Both kept" and where(0.3, 0.6, 1) == "Only prediction kept"
    assert where(math.nan, 1.0) is None


def test_words_of_a_model_without_masks(small):
    at = app()
    at.switch_page("pages/3_Word_importance.py")
    ready(at)
    assert "Press Measure" in page(at)
    press(at, "words.run")
    shown = page(at)
    assert "no word masks" in shown and "Pearson's r" in shown and "8 texts" in shown or "30 texts" in shown
    assert "stored attacks on this model †1." in shown, "the attacks of this model rest on antonyms"
    assert "†1: 100 % of the successes rest on swaps that change the meaning" in shown
    first = at.dataframe[0].value
    assert first["Word"][0] in ("good", "bad", "clever") and list(first["Rank"][:3]) == [1, 2, 3]
    assert first.loc[first["Word"] == "good", "Swapped"].iloc[0] > 0, "the planted attack swaps good"
    at.text_input(key="words.find").set_value("mov")
    ready(at)
    assert list(at.dataframe[-1].value["Word"]) == ["movie"]


class Masked(BagOfWords):
    """A double with word masks."""

    def word_importance(self, found):
        import numpy as np

        return np.array([0.9 if word == "good" else 1 / (2 + len(word)) for word in found])


def test_masks_are_shown_as_they_are(small, monkeypatch):
    from robust_core.models import loading

    monkeypatch.setattr(loading, "load", lambda model_id, device="auto": Masked(id=model_id))
    at = app()
    at.switch_page("pages/3_Word_importance.py")
    press(ready(at), "words.run")
    assert "own word mask" in page(at) and at.dataframe[0].value["Word"][0] == "good"
    assert at.dataframe[0].value["Importance"][0] == pytest.approx(0.9)
    key = measurement.make_key(MODELS[0], at.selectbox(key="words.dataset").value, 30)
    found = measurement._get_kept().get(key)
    assert found is None or found.masks


def test_what_an_earlier_engine_swapped_is_not_counted(small, tmp_path, monkeypatch):
    import threading

    from robust_core import ATTACKS, EXPLAINERS, version
    from robust_core.datasets import LabelledTexts, describe
    from robust_core.evaluation.evaluate import evaluate
    from robust_core.store import ResultStore
    from robust_core.types import Example

    store, model = ResultStore(tmp_path / "store"), BagOfWords(id=MODELS[0])
    texts = LabelledTexts(describe("reviews"), "test", [Example("a good movie", 1, "0"), Example("a bad one", 0, "1")])
    list(evaluate([model], texts, "test", [ATTACKS["planted"]()], store=store))

    def count() -> tuple[int, int]:
        *_, found = measurement._measure_words(model, EXPLAINERS["loo"](), texts.examples, store, threading.Event())
        return found.attacked, found.substituted["good"]

    assert count() == (2, 1)
    monkeypatch.setattr(version, "ENGINE", version.ENGINE + 1)
    assert count() == (0, 0)


def test_words_begin_with_a_model_that_has_masks_beside_its_base(monkeypatch):
    import types

    plain, masked = (types.SimpleNamespace(config={"network": c}) for c in ({}, {"masks": {"source": "word"}}))
    monkeypatch.setattr(
        catalogue, "read_cards", lambda: {"a/cnn/base": plain, "a/lstm/base": plain, "a/lstm/flat": masked}
    )
    assert words._choose_first(["a/cnn/base", "a/lstm/flat", "a/lstm/base"]) == ("a/lstm/flat", "a/lstm/base")
    assert words._choose_first(["a/cnn/base", "a/lstm/flat"]) == ("a/lstm/flat", "a/cnn/base")
    assert words._choose_first(["a/lstm/flat"]) == ("a/lstm/flat", "a/lstm/flat")
    assert words._choose_first(["a/cnn/base", "own"]) == ("a/cnn/base", "own")


def test_words_in_one_place_share_a_label():
    points = [("the", 100.0, 0.9), ("warm", 1.0, 0.31), ("dull", 1.0, 0.30), ("odd", 1.0, 0.29), ("wry", 1.0, 0.28),
              ("rest", 3.0, 0.0)]
    figure = charts.make_cloud(points, "frequency", "importance", marked=[p[0] for p in points[:5]], log_x=True)
    rest, mine = figure.data
    assert list(mine.text) == ["the", "warm<br>dull<br>odd<br>+ 1", "", "", ""]
    assert list(mine.customdata) == ["the", "warm", "dull", "odd", "wry"] and list(rest.customdata) == ["rest"]


def test_own_texts_of_several_attacks_are_named():
    lines = [Row(Pair(MODELS[0], name), "a", "b", 0) for name in ("planted", "milder")]
    assert [saliency.name_rows(lines)[line.pair] for line in lines][::-1] == ["Milder words", "Planted words"]
    assert rows.is_complete([Row(Pair(MODELS[0], ""), "a", "b", 0, error="no")])
