"""The Embeddings page on doubles: what a person does, what the page then shows, and the figures behind it."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.doubles import BagOfWords
from helpers.pages import MODELS, attacked, card, doubles, page, settle  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core.evaluation import embedding_space
from robust_core.models import loading
from robust_core.paths import ROOT
from robust_core.types import Example
from ui.embeddings import vectors
from ui.shared import catalogue


def opened() -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "4_Embeddings.py"), default_timeout=30)
    return settle(at)


def test_it_shows_something_real_at_once():
    at = opened()
    assert not at.exception and not at.warning
    assert [s.value for s in at.subheader] == ["Similarity of the original and the adversarial text",
                                               "A map of other texts",
                                               "Perturbed embeddings of the original",
                                               "Similarity of any sentences"]
    table = at.dataframe[0].value
    assert list(table["Encoder or model"]) == ["MiniLM", *(catalogue.name_model(m) for m in MODELS)]
    assert table["Similarity"].between(-1, 1).all()
    assert len(at.get("plotly_chart")) == 5


def test_a_larger_ball_costs_certainty():
    at = opened()
    at.get_by_key("embeddings.radius").set_value(1.0)
    at = settle(at)
    rows = next(d.value for d in at.dataframe if "Distance" in d.value)
    assert (rows["Probability after %"] < rows["Probability before %"]).all() and (rows["Distance"] > 0).all()
    assert not at.text, "no model here reads words back"


def test_one_press_adds_the_models_trained_on_moved_embeddings(tmp_path, monkeypatch):
    assert not any(b.key == "embeddings.add" for b in opened().button), "there are none"
    rar, built = "sst2/minilm/rar", loading.load
    (tmp_path / "checkpoints" / rar).mkdir()
    (tmp_path / "checkpoints" / rar / "card.json").write_text(json.dumps(card(rar)))
    reader = BagOfWords(id=rar)
    reader.reads_back = True
    reader.read_back = lambda rows, mask: [f"{int(mask.sum())} *words*"]
    monkeypatch.setattr(loading, "load", lambda model, device="auto": reader if model == rar else
                        built(model, device))
    at = opened()
    at.session_state["models"] = [MODELS[0]]
    at = settle(at)
    at.get_by_key("embeddings.add").click()
    at = settle(at)
    # Those trained on embeddings, and the base model that they are to be compared with.
    assert at.session_state["models"] == [MODELS[0], MODELS[2], rar]
    assert list(at.dataframe[0].value["Encoder or model"]) == ["MiniLM", "CNN · base", "MiniLM · base", "MiniLM · RAR"]
    assert not any(b.key == "embeddings.add" for b in at.button)
    assert [t.value for t in at.text] == ["MiniLM · RAR reads the perturbed text as: 6 *words*"]


def test_the_map_is_drawn_by_umap_where_that_is_installed(monkeypatch):
    class Double:
        """Takes the first two coordinates, and remembers how it was asked."""

        def __init__(self, **asked):
            assert asked == {"metric": "cosine", "random_state": 0, "n_jobs": 1}

        def fit(self, corpus):
            self.embedding_ = corpus[:, :2]
            return self

        def transform(self, points):
            return points[:, :2]

    monkeypatch.setattr(embedding_space, "list_maps", lambda: ["pca", "umap"])
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Double))
    at = opened()
    assert "principal components" in page(at)
    at.get_by_key("embeddings.how").set_value("umap")
    at = settle(at)
    assert not at.exception and "by UMAP" in page(at) and "principal components" not in page(at)


def test_bad_text_is_one_plain_line():
    at = opened()
    at.get_by_key("embeddings.second").set_value("  ")
    at = settle(at)
    assert [w.value for w in at.warning] == ["The text is empty: type a sentence."]
    at.get_by_key("embeddings.lines").set_value("alone")
    assert "Type at least two sentences." in page(settle(at))


def test_the_way_goes_word_by_word():
    assert embedding_space.attack_path("a good old film", "a bad new film") == [
        "a good old film",
        "a bad old film",
        "a bad new film",
    ]
    assert embedding_space.attack_path("a film", "a film") == ["a film"]
    assert embedding_space.attack_path("a good film", "a very good film") == ["a good film", "a very good film"]


def test_a_plane_keeps_what_varies_most():
    rng = np.random.default_rng(0)
    corpus = rng.standard_normal((200, 5)) * np.array([0.1, 5.0, 0.1, 2.0, 0.1])
    drawn, points, share = embedding_space.project(corpus, corpus[:3] + 1)
    assert np.corrcoef(drawn[:, 0], corpus[:, 1])[0, 1] > 0.99 and np.corrcoef(drawn[:, 1], corpus[:, 3])[0, 1] > 0.99
    assert share is not None and share > 0.98 and drawn.mean(0) == pytest.approx([0, 0], abs=1e-9)
    # By hand: the first two right singular vectors, each with its largest coordinate positive.
    _, sizes, axes = np.linalg.svd(corpus - corpus.mean(0), full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][[0, 1], np.abs(axes[:2]).argmax(1)])[:, None]
    assert drawn == pytest.approx((corpus - corpus.mean(0)) @ axes.T) and share == pytest.approx(
        (sizes[:2] ** 2).sum() / (sizes ** 2).sum())
    assert points == pytest.approx((corpus[:3] + 1 - corpus.mean(0)) @ axes.T)
    assert embedding_space.project(np.ones((5, 3)), np.ones((1, 3)))[2] == 0.0, "texts that are all alike"
    unit = corpus / np.linalg.norm(corpus, axis=1, keepdims=True)
    assert embedding_space.find_nearest(unit, unit[7], 1) == [7]


def test_the_curve_begins_at_the_text_itself():
    model = BagOfWords()
    rows = embedding_space.attack_embeddings(model, Example("good movie").text, (0.0, 0.5, 1.0))
    assert rows[0]["proba"] == pytest.approx(model.predict_proba(["good movie"])[0].tolist())
    assert rows[0]["distance"] == 0 and rows[0]["read"] is None
    assert rows[0]["proba"][1] > rows[1]["proba"][1] > rows[2]["proba"][1]
    cosine = embedding_space.compute_cosines(
        embedding_space.compute_representations(model, ["good movie", "good movie", "bad movie"])
    )
    assert cosine[0] == pytest.approx([1, 1, -1])


def test_encoders_are_named_as_people_write_them():
    assert [vectors.name_encoder(name) for name in ("minilm", "simcse@1", "mine")] == [
        "MiniLM", "SimCSE, seed 1", "mine"]
