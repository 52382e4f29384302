"""Base classifiers under noise, stored and loaded; certified data sets, searches, commands, the page."""

import json
import threading

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from robust_core.certify import (
    SMOOTHERS,
    base_classifiers,
    certified_accuracy,
    checks,
    flip_search,
    images,
    inputs,
    networks,
    theorem,
    training,
)
from robust_core.certify.space import learn_space
from robust_core.certify.training import Settings, fit_network
from robust_core.claims.footnotes import split_warning
from robust_core.cli.program import app
from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Options
from robust_core.paths import ROOT, own_checkpoints
from robust_core.store import ResultStore
from robust_core.types import AttackResult, Example
from ui.certified import accuracy
from ui.certified import text as certified_view
from ui.certified.accuracy import make_curves
from ui.certified.digits import read_picture

RUN = CliRunner()


def clusters(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that lie apart on every one of six coordinates, 0..50."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return np.clip(rng.normal(15 + 20 * labels[:, None], 4, (n, 6)), 0, 50).round().astype(np.int32), labels


@pytest.mark.parametrize(("name", "stability"), [(name, s) for name in SMOOTHERS for s in (0.0, 6.0)])
def test_training_under_noise(name, stability):
    vectors, labels = clusters()
    method = SMOOTHERS[name](scale=0.5)
    chosen = Settings(epochs=25, batch_size=32, hidden=16, stability=stability)
    network = fit_network(method, vectors, labels, 2, 50, chosen)
    again = fit_network(method, vectors, labels, 2, 50, chosen)
    assert all((a == b).all() for a, b in zip(network.parameters(), again.parameters(), strict=True))
    test, truth = clusters(60, seed=1)
    found = list(method.certify(networks.make_judge(network), test, 50, 2))
    right = [c.prediction == y and c.radius > 0.1 for c, y in zip(found, truth, strict=True)]
    assert np.mean(right) > 0.8


def test_stability_makes_answers_steadier():
    vectors, labels = clusters()
    labels = np.where(np.random.default_rng(2).random(len(labels)) < 0.3, 1 - labels, labels)
    method, spread = SMOOTHERS["ssn"](scale=1.0), {}
    for weight in (0.0, 30.0):
        network = fit_network(
            method, vectors, labels, 2, 50, Settings(epochs=12, batch_size=32, hidden=16, stability=weight)
        )
        import torch

        draws = [network(torch.from_numpy(method.noisy(vectors, 50, np.random.default_rng(i)))).softmax(-1)[:, 1]
                 for i in range(8)]
        spread[weight] = float(torch.stack(draws).std(0).mean())
    assert spread[30.0] < 0.7 * spread[0.0]


def test_training_refuses_what_does_not_fit():
    vectors, labels = clusters(20)
    for wrong, message in ((vectors + 0.5, "quantised"), (vectors + 49, "between 0 and 50")):
        with pytest.raises(BadInput, match=message):
            fit_network(SMOOTHERS["dssn"](), wrong, labels, 2, 50)
    with pytest.raises(BadInput, match="class from 0 to 1"):
        fit_network(SMOOTHERS["dssn"](), vectors, labels + 1, 2, 50)


def test_the_space_keeps_distances_and_what_tells_the_classes_apart():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    points = rng.normal(size=(400, 12)) * np.array([5.0] * 6 + [1.0] * 6)
    points[:, 11] += 4 * labels
    points = points.astype(np.float32)
    for kind in ("pca", "supervised"):
        space = learn_space(points, labels, 3, kind)
        np.testing.assert_allclose(space.axes @ space.axes.T, np.eye(3), atol=1e-5)
        inside = space.vectors(points)
        assert inside.min() == 0 and inside.max() == 255
        assert ((inside == 0) | (inside == 255)).mean() == pytest.approx(0.01, abs=0.005)
    assert abs(space.axes[0, 11]) > 0.9
    # One step of the vector is one step of the embedding along an axis.
    moved = space.mean + 10 * space.step * space.axes[1]
    assert np.abs(space.vectors(moved[None]) - space.vectors(space.mean[None])).sum() == pytest.approx(10, abs=1)
    for wrong in (np.full((1, 12), np.nan), np.zeros((1, 5)), np.zeros(12)):
        with pytest.raises(BadInput):
            space.vectors(wrong)
    for wrong in ({"dimensions": 13}, {"dimensions": 0}, {"dimensions": 2, "kind": "magic"}):
        with pytest.raises(BadInput):
            learn_space(points, labels, **wrong)


@pytest.fixture
def digits(monkeypatch):
    """Base classifiers of the digits, trained in a moment, in the folder of own trainings."""
    *_, last = training.train_base_classifiers("digits", ("dssn",), (0.5,), seed=7,
                                               settings=Settings(epochs=6, batch_size=32, hidden=32))

    base_classifiers.save(last["model"], own_checkpoints())
    return base_classifiers.load("digits@7")


def test_a_stored_model_is_the_trained_one(digits):
    assert digits.scales("dssn") == [0.5] and digits.scales("uniform") == []
    assert digits.card.data["train"]["n"] == 1097 and digits.labels == tuple("0123456789")
    data = inputs.read_split("digits", "test", n=30)
    row, found = certified_accuracy.measure_certified_accuracy(digits, data, SMOOTHERS["dssn"](scale=0.5))
    assert row["evaluations"] == 16 and row["n"] == 30 and row["alpha"] is None
    shares = list(row["certified_accuracy"].values())
    assert shares == sorted(shares, reverse=True) and shares[0] == row["clean_accuracy"] > 0.7 > shares[-1] == 0
    with pytest.raises(BadInput, match=r"no dssn network for Lambda 3; there are 0.5\."):
        digits.judge("dssn", 3)
    (digits.card.folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(BadInput, match="does not match its card"):
        base_classifiers.load("digits@7")
    with pytest.raises(UnknownName):
        base_classifiers.load("nothing")


def test_no_search_flips_inside_the_radius_and_some_do_outside(digits):
    data, method = inputs.read_split("digits", "test", n=12), SMOOTHERS["dssn"](scale=0.5)
    _, found = certified_accuracy.measure_certified_accuracy(digits, data, method)
    row = flip_search.search_data_set(digits, data, method, found, outside=(2.0, 8.0))
    assert row["inside"] == 12 and row["inside_flips"] == 0
    assert row["outside"]["8"] > 0.5 and row["outside"]["2"] <= row["outside"]["8"]


def test_the_search_stays_within_its_budget_and_finds_what_is_there():
    def counts(vector):
        return np.array([10, 9]) if vector.sum() < 7 else np.array([9, 10])

    for budget, flipped in ((0, False), (1, False), (2, True), (9, True)):
        outcome = flip_search.search_flip(counts, np.array([5, 0, 0]), 6, budget)
        assert outcome.flipped == flipped and outcome.spent <= budget


def test_the_best_lambda_is_taken_at_each_radius():
    def row(scale, seed, near, far):
        return {"dataset": "d", "method": "dssn", "scale": scale, "seed": seed, "n": 10, "clean_accuracy": near,
                "seconds": 0.5, "evaluations": 7, "certified_accuracy": {"0.1": near, "1": far},
                "certified_accuracy_se": {"0.1": 0.1, "1": 0.1}}

    near, far = certified_accuracy.choose_best_scales(
        [row(0.5, 0, 0.9, 0.0), row(0.5, 1, 0.7, 0.0), row(4.0, 0, 0.5, 0.4), row(4.0, 1, 0.5, 0.2)]
    )
    assert (near["scale"], near["radius"], near["seeds"]) == (0.5, 0.1, [0, 1])
    # Inputs: (0.9 * 0.1 + 0.7 * 0.3) / 10 / 2 = 0.015; seeds: a variance of 0.02, over two.
    assert near["value"] == pytest.approx(0.8) and near["value_se"] == pytest.approx((0.015 + 0.01) ** 0.5)
    assert (far["scale"], far["value"], far["evaluations"], far["seconds"]) == (4.0, pytest.approx(0.3), 7, 0.5)


def test_the_experiment_trains_seeds_once_and_makes_its_table(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    name, few = "dssn/certified-accuracy", training.Settings(epochs=1, hidden=4)
    monkeypatch.setattr(training, "recommend_settings", lambda dataset: few)
    monkeypatch.setattr(training, "SCALES", (0.5, 1.0))

    def claims(stop=None, **changes):
        options = Options(models=("digits-stable",), seeds=2, n=20, **changes)
        events = list(EXPERIMENTS[name]().run(options, ResultStore(tmp_path / "runs"), stop or threading.Event()))
        return [dict(e.data) for e in events if e.kind == "claim"]

    claim, = claims()
    assert (claim["n"], claim["seeds"], claim["thresholds"]["stability"]) == (20, [0, 1], 6.0)
    assert len(claim["details"]["rows"]) == 2 * 3 * 2
    known = {card.id: card for card in base_classifiers.cards()}
    assert known["digits-stable"].settings["stability"] == known["digits-stable@1"].settings["stability"] == 6.0
    table = EXPERIMENTS[name]().table([claim])
    assert table.count("| Digits, stabilised | ") >= 2 and "votes" in table
    monkeypatch.setattr(training, "train_base_classifiers", None)
    again, = claims()
    assert again["value"] == claim["value"], "trained models are used again"
    stop = threading.Event()
    stop.set()
    assert claims(stop) == []
    with pytest.raises(BadInput, match="attacks nothing"):
        claims(attacks=("pwws",))
    with pytest.raises(BadInput, match="no model 'mnist'"):
        list(EXPERIMENTS[name]().run(Options(models=("mnist",)), ResultStore(tmp_path / "runs"), stop))


def test_images(tmp_path):
    pixels, labels = images.load("digits", "test")
    assert pixels.shape == (500, 1, 8, 8) and pixels.max() == 16 and set(labels) == set(range(10))
    splits = [images.load("digits", split)[0].tobytes() for split in images.SPLITS]
    assert sum(map(len, splits)) == 1797 * 64 * 4
    with pytest.raises(MissingResource, match="binary version"):
        images.load("cifar10", "train", tmp_path)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = {}
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        rows[name] = rng.integers(0, 256, (1001, 3073), dtype=np.uint8)
        rows[name][:, 0] %= 10
        rows[name].tofile(folder / name)
    test, labels = images.load("cifar10", "test", tmp_path)
    assert test.shape == (1001, 3, 32, 32) and test[5, 1, 2, 3] == rows["test_batch.bin"][5, 1 + 1024 + 2 * 32 + 3]
    assert (labels == rows["test_batch.bin"][:, 0]).all()
    assert [len(images.load("cifar10", split, tmp_path)[1]) for split in ("train", "dev")] == [5, 5000]
    # A convolutional network is trained and certified on them like any array.
    network = fit_network(SMOOTHERS["dssn"](scale=0.1), test[:40], labels[:40], 10, 255, Settings(epochs=1, hidden=4))
    found = next(SMOOTHERS["dssn"](scale=0.1).certify(networks.make_judge(network), test[:1], 255, 10))
    assert found.evaluations == 51
    (folder / "test_batch.bin").write_bytes(b"12345")
    with pytest.raises(BadInput, match="binary version"):
        images.load("cifar10", "test", tmp_path)


def test_every_shipped_model_is_whole():
    shipped = [card for card in base_classifiers.cards() if not card.seed]
    assert {card.id for card in shipped} >= {"sst2", "ag_news", "digits"}
    assert sum(card.bytes for card in shipped) < 3_000_000
    for card in shipped:
        model = base_classifiers.load(card.id)
        assert {name for name, _ in model.networks} == set(SMOOTHERS)
        assert model.scales("dssn")[-1] == 32
        assert (model.space is None) == (card.kind == "image")


def attacked(text: str, perturbed: str, attack: str = "textfooler") -> AttackResult:
    return AttackResult(Example(text, 1, text), "sst2/cnn/base", {"name": attack}, perturbed, 1, 0, (0.1, 0.9),
                        (0.8, 0.2), 9, 9, 9, 0.9, 0.1, "succeeded", (), ())


def test_texts_are_certified_and_attacks_inside_the_radius_hold():
    model, text = base_classifiers.load("sst2"), "an exceedingly clever piece of cinema"
    rows = certified_accuracy.certify_texts(model, [text], "dssn", (0.25, 0.5))
    assert [row["evaluations"] for row in rows] == [127, 255] and rows[0]["effective_scale"] == 127 / 510
    assert rows[0]["prediction"] == "positive" and rows[0]["radius"] == pytest.approx(rows[0]["radius_steps"] / 255)
    assert rows[0]["radius_embedding"] == pytest.approx(rows[0]["radius_steps"] * model.space.step)
    assert certified_accuracy.certify_texts(model, [text, "dull"], "dssn", (0.25,))[0]["votes"] == rows[0]["votes"]
    row = certified_accuracy.compare_moves(model, [attacked(text, text + "!"), attacked(text, "a terrible mess"),
                                                   attacked(text, text)], SMOOTHERS["dssn"](scale=0.5))
    assert row["changed"] == 2 and row["inside_flipped"] == 0 and row["inside"] <= row["held"] <= 2
    row = certified_accuracy.compare_moves(model, [attacked(text, text + "!"), attacked("dull", "a terrible mess")],
                                           SMOOTHERS["dssn"](scale=0.5))
    assert list(row["texts"]) == [text, "dull"] and sum(row["texts"].values()) == row["inside"]
    with pytest.raises(BadInput):
        certified_accuracy.compare_moves(model, [attacked(text, text)], SMOOTHERS["dssn"](scale=0.5))
    with pytest.raises(BadInput, match="reads no texts"):
        base_classifiers.load("digits").vectors([text])


def run(*words: str) -> list[dict]:
    done = RUN.invoke(app, ["certify", *words, "--json"])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["results"]


def test_the_command_certifies_a_text_and_a_data_set():
    row, = run("A clever film.", "--scale", "0.5")
    assert {"text", "prediction", "radius", "norm", "scale", "levels", "evaluations", "method"} <= set(row)
    assert (row["norm"], row["levels"], row["evaluations"], row["method"]) == ("l1", 255, 255, "dssn")
    row, = run("A clever film.", "--method", "ssn", "--scale", "0.5", "--set", "samples=300")
    assert row["evaluations"] == 300 and row["alpha"] == 0.001
    row, = run("--dataset", "digits", "--scale", "1", "--n", "40")
    assert {"dataset", "method", "scale", "n", "clean_accuracy", "clean_accuracy_se", "certified_accuracy",
            "certified_accuracy_se"} <= set(row)
    assert row["n"] == 40 and row["clean_accuracy"] > 0.8


TOO_FEW = "At Λ 0.25, 8 votes cannot certify anything: 11 that all agree are the least."


def test_the_command_says_where_votes_cannot_certify():
    words = ["--dataset", "digits", "--method", "ssn", "--scale", "0.25", "--scale", "0.5", "--n", "20"]
    few, enough = run(*words)
    assert few["clean_accuracy"] == 0 and split_warning(few["warnings"][0])[0] == TOO_FEW
    assert enough["clean_accuracy"] > 0 and enough["warnings"] == []
    assert TOO_FEW in " ".join(RUN.invoke(app, ["certify", *words]).stdout.split())
    row, = run("A clever film.", "--method", "ssn", "--scale", "0.5", "--set", "samples=10")
    assert row["prediction"] is None and "10 votes cannot certify anything" in row["warnings"][0]


@pytest.mark.parametrize("alpha", [1e-9, 0.001, 0.01, 0.25, 0.3, 0.5])
def test_the_least_votes_are_those_that_certify_when_all_agree(alpha):
    least = checks.count_least_votes(alpha)
    assert theorem.randomised_certificate(least, least, 1.0, alpha) >= -1e-12
    assert theorem.randomised_certificate(least - 1, least - 1, 1.0, alpha) < 0
    assert checks.list_warnings(1.0, least, alpha) == [] == checks.list_warnings(1.0, 1, None)
    assert len(checks.list_warnings(1.0, least - 1, alpha)) == 1


@pytest.mark.parametrize(("words", "line"), [
    (["A film.", "--scale", "0"], "Lambda must be a positive number, not 0.0."),
    (["A film.", "--scale", "-1"], "Lambda must be a positive number, not -1.0."),
    (["A film.", "--scale", "nan"], "Lambda must be a positive number, not nan."),
    (["A film.", "--scale", "3"], "sst2 has no dssn network for Lambda 3;"),
    (["A film.", "--method", "magic"], "Unknown smoother 'magic'. Known: dssn, ssn, uniform."),
    (["A film.", "--model", "magic"], "Unknown smoothed model 'magic'."),
    (["A film.", "--set", "samples=3"], "There is no parameter 'samples'."),
    ([], "Give either a text or --dataset."), (["A film.", "--dataset", "digits"], "Give either a text or --dataset."),
    (["A film.", "--model", "digits"], "digits is a model for images; it reads no texts."),
])
def test_bad_questions_get_one_line(words, line):
    done = RUN.invoke(app, ["certify", *words])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1


def open_distance() -> AppTest:
    at = AppTest.from_file(str(ROOT / "pages" / "5_Certified.py"), default_timeout=60)
    at.session_state["certified.view"] = "Distance (L1)"
    return at.run()


def shown(at: AppTest) -> str:
    assert not at.exception, at.exception
    return "\n".join(str(e.value) for e in [*at.markdown, *at.caption, *at.warning, *at.info])


def test_the_page():
    at = open_distance()
    text = shown(at)
    assert "It is not a statement about words" in text and "is certain within" in text
    assert "attack the review on the Attack page" in text
    assert len(at.dataframe[0].value) == len(certified_view.LAMBDAS)
    at.selectbox(key="certified.method").set_value("ssn").run()
    assert "with probability 99.9 %" in shown(at) or "No certificate" in shown(at)
    at.text_area(key="text").set_value("").run()
    assert at.warning and not at.exception


def test_the_page_marks_the_methods_whose_votes_cannot_certify(tmp_path, monkeypatch):
    best = [{"method": method, "radius": 0.0, "value": 0.5, "value_se": 0.1, "scale": 0.5, "clean_accuracy": 0.6}
            for method in SMOOTHERS]
    rows = [{"method": method, "scale": scale, "evaluations": int(32 * scale), "alpha": alpha}
            for method, alpha in (("dssn", None), ("ssn", 0.001), ("uniform", 0.001)) for scale in (0.25, 0.5)]
    claim = {"claim": "x", "metric": "certified_accuracy", "value": 0.5, "value_se": 0.1, "n": 20, "seeds": [0],
             "run": "", "command": "again", "thresholds": {}, "versions": {},
             "details": {"model": "digits", "title": "Digits", "best": best, "rows": rows}}
    (tmp_path / "dssn-certified-accuracy-digits.json").write_text(json.dumps(claim))
    monkeypatch.setattr(accuracy, "RESULTS", tmp_path)
    drawn = []
    monkeypatch.setattr(accuracy, "make_curves", lambda *given: drawn.append(given[1]) or make_curves(*given))
    at = open_distance()
    assert f"†1: {TOO_FEW}" in [c.value for c in at.caption], "one line for both methods"
    assert drawn == [{"dssn": "", "ssn": "†1", "uniform": "†1"}]
    assert [line.name for line in make_curves(best, drawn[0]).data] == ["DSSN", "SSN †1", "Uniform noise †1"]


def test_the_page_says_why_a_text_has_no_certificate(monkeypatch):
    few = {"prediction": None, "scale": 0.5, "alpha": 0.001, "radius": 0.0, "radius_steps": 0, "radius_embedding": 0.0,
           "evaluations": 8, "seconds": 0.1, "votes": {"negative": 8, "positive": 0},
           "warnings": checks.list_warnings(0.5, 8, 0.001)}
    monkeypatch.setattr(certified_view, "certify_scales", lambda *_: [few])
    at = open_distance()
    assert "**No certificate.** At Λ 0.5, 8 votes cannot certify anything: 11" in shown(at)
    monkeypatch.setattr(certified_view, "certify_scales", lambda *_: [few | {"evaluations": 255, "warnings": []}])
    assert "**No certificate.** At Λ = 0.5 the votes are too even." in shown(at.run())


def test_pictures_become_digits():
    import io

    from PIL import Image

    ink = np.full((80, 80), 255, dtype=np.uint8)
    ink[10:70, 30:50] = 0
    buffer = io.BytesIO()
    Image.fromarray(ink).save(buffer, "PNG")
    digit = read_picture(buffer.getvalue(), 16)
    assert digit.shape == (8, 8) and digit[4, 3] == digit[4, 4] == 16 and digit[0, 0] == 0
    with pytest.raises(BadInput, match="no PNG or JPEG"):
        read_picture(b"no picture", 16)
