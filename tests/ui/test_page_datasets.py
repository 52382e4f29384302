"""Pages with models of other data sets: where their texts are here, where they are not, and those of one's own file."""

import json

import numpy as np
import pytest
from helpers.doubles import BagOfWords
from helpers.pages import MODELS, app, card, doubles, page, settle  # noqa: F401 (a fixture)
from helpers.uploads import added
from streamlit.testing.v1 import AppTest

from robust_core import datasets
from robust_core.models import loading
from robust_core.types import Example
from ui.embeddings import text_map
from ui.saliency import page as saliency
from ui.shared import catalogue
from ui.widgets import charts


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Put a double of another data set among the models; return what does so."""
    def put(dataset: str, labels: tuple[str, ...]) -> str:
        model = f"{dataset}/cnn/base"
        folder = tmp_path / "checkpoints" / model
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(json.dumps(card(model) | {"dataset": dataset, "labels": list(labels)}))
        monkeypatch.setattr(loading, "load", lambda name, device="auto": BagOfWords(id=name, labels=labels))
        return model

    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    return put


def at(path: str, *models: str) -> AppTest:
    opened = app(models=",".join(models))
    opened.switch_page(f"pages/{path}.py")
    return settle(opened)


def stored_results(*models: str) -> AppTest:
    opened = at("2_Saliency", *models)
    opened.button_group(key="saliency.source").set_value(saliency.STORED)
    return settle(opened)


def test_where_a_models_texts_are_missing_a_line_says_so(known, monkeypatch):
    model = known("trec", datasets.describe("trec").labels[:2])
    monkeypatch.setattr(datasets, "data_folders", lambda data_dir: [])
    words = at("3_Word_importance", model)
    assert "needs texts with its own labels" in page(words) and "trec/test.tsv" in page(words)
    assert not any(b.key == "words.run" for b in words.button)
    stored = stored_results(model)
    assert "trec/test.tsv" in page(stored) and not any(b.key == "stored.run" for b in stored.button)
    # The map has the packaged texts to show.
    assert "120 texts of Reviews" in page(at("4_Embeddings", model))


def test_labels_that_no_data_set_here_has_are_named(known):
    model = known("reviews", ("bad", "good"))
    assert "No data set here has the labels of CNN · base: bad, good." in page(at("3_Word_importance", model))


def test_texts_of_ones_own_are_offered(known):
    mine = added()
    model = known("mine", mine.labels)
    words = at("3_Word_importance", model, MODELS[0], MODELS[1])
    assert words.selectbox(key="words.dataset").value == "mine" and any(b.key == "words.run" for b in words.button)
    assert words.selectbox(key="words.other").options == [catalogue.name_option(model)], "others cannot read its texts"
    words.selectbox(key="words.model").set_value(MODELS[1])
    settle(words)
    assert words.selectbox(key="words.other").value == MODELS[1]
    assert words.selectbox(key="words.dataset").value != "mine"
    stored = stored_results(model, MODELS[0])
    assert f"--dataset mine --n 30 --seed 0 --model {model} --attack planted" in stored.code[0].value
    assert "Left out because they have other labels: " in page(stored)
    shown = at("4_Embeddings", model)
    assert "36 texts of Mine" in page(shown)


def test_on_the_map_no_two_classes_look_alike_nor_like_the_way():
    labels = list(datasets.describe("trec").labels)
    examples = [Example("a", i, f"trec/test/{i}") for i in range(6)]
    figure = text_map._make_map(np.eye(7)[:6, :2], np.ones((2, 2)), examples, labels, ["b", "c"], [])
    *classes, way = figure.data
    assert [trace.name for trace in classes] == sorted(labels)
    looks = {(trace.marker.color, trace.marker.symbol) for trace in classes}
    assert len(looks) == 6 and way.marker.symbol not in {symbol for _, symbol in looks}
    texts = [Example("a", 1, "reviews/test/4"), Example("b", 0, "reviews/test/9")]
    two = text_map._make_map(np.eye(2), np.ones((2, 2)), texts, ["negative", "positive"], ["b", "c"], [1]).data
    assert [list(trace.customdata or ()) for trace in two] == [[9], [4], [], []], "places of the texts, to be picked"
    assert (two[3].name, list(two[3].x)) == ("slice", [0.0])
    assert [(t.name, t.marker.color) for t in two[:2]] == [("negative", charts.AGAINST), ("positive", charts.FOR)]
