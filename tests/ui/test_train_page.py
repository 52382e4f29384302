"""The Train page: what it asks for, how a training is shown, stopped, gone on with, and found in the pickers."""

import json
import threading
import time
from unittest import mock

import pytest
import streamlit as st
from helpers.uploads import csv_file
from streamlit.testing.v1 import AppTest

from robust_core import datasets, paths, trainings
from robust_core.errors import BadInput
from robust_core.jobs import process
from robust_core.kept_files import SWAPS, TEXTS, keep_texts, list_kept
from robust_core.paths import ROOT
from ui import warm_up
from ui.session import true_label
from ui.shared import catalogue, loaded
from ui.train import own_files, progress
from ui.widgets import charts

EPOCHS = [{"kind": "epoch", "epoch": i, "epochs": 4, "loss": 1 / i, "terms": {"loss": 1 / i, "cross_entropy": 0.9 / i},
           "rows": 160, "counts": i > 1, "dev_accuracy": accuracy, "seconds": float(i), "eta": 4.0 - i}
          for i, accuracy in enumerate((0.9, 0.6, 0.8, 0.7), 1)]
STEP = {"kind": "step", "epoch": 1, "epochs": 4, "step": 5, "steps": 20, "terms": {"loss": 1.2, "cross_entropy": 1.0},
        "loss": 1.2, "rate": 0.001, "seconds": 0.5, "eta": 130.0}
ATTACK = {"kind": "attack", "round": 1, "rounds": 1, "attack": "textfooler", "done": 12, "total": 40, "succeeded": 3,
          "eta": 5.0, "epoch": 2, "seconds": 3.0}


def card(model_id: str) -> dict:
    dataset, architecture, defence = model_id.split("/")
    return {"id": model_id, "dataset": dataset, "architecture": architecture, "recipe": {"epochs": 3},
            "defence": {"name": defence.split("-")[0]}, "seed": 0, "labels": ["negative", "positive"],
            "config": {"network": {"length": 50}}, "dev_accuracy": 0.8, "epochs": 3, "seconds": 40.0, "device": "cpu",
            "parameters": 1000, "bytes": 1000, "files": {"model.safetensors": "ab" * 32}, "data": {}, "parent": "",
            "version": "0.1.0"}


class Trainer:
    """Stands in for the subprocess: says what it is told to, one event after the other."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.say = threading.Semaphore(0)
        self.events: list = []

    def __call__(self, words, stop, **_):
        self.asked.append(list(words))
        for event in list(self.events):
            while not self.say.acquire(timeout=0.02):
                if stop.is_set():
                    return
            if isinstance(event, Exception):
                raise event
            if event["kind"] == "stored":
                folder = paths.checkpoint_folders()[1] / event["row"]["model"]
                folder.mkdir(parents=True)
                (folder / "card.json").write_text(json.dumps(card(event["row"]["model"])))
            yield event


@pytest.fixture(autouse=True)
def trainer(tmp_path, monkeypatch):
    """No shipped models, no subprocess, caches of its own."""
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setattr(warm_up, "warm_up", lambda: None)
    stand_in = Trainer()
    monkeypatch.setattr(process, "run_command", stand_in)
    st.cache_resource.clear()
    yield stand_in
    loaded.get_trainings().close()


def opened() -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    return run(at.switch_page("pages/6_Train.py"))


def run(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception, at.exception
    return at


def page(at: AppTest) -> str:
    shown = [*at.subheader, *at.caption, *at.markdown, *at.warning, *at.info, *at.error, *at.success]
    return "\n".join([*(str(e.value) for e in shown), *(e.text for e in at.progress)])


def button(at: AppTest, label: str):
    return next(b for b in at.button if b.label == label)


def until(at: AppTest, text: str) -> AppTest:
    """Look again and again, as a browser does, until something is shown."""
    for _ in range(200):
        if text in page(run(at)):
            return at
        time.sleep(0.05)
    raise AssertionError(page(at))


def test_it_opens_ready_to_train_the_demo(trainer):
    at = opened()
    assert at.selectbox(key="train.architecture").value == "cnn" and at.selectbox(key="train.defence").value == "flat"
    assert "160 texts to train on, 80 (dev)" in page(at) and "`reviews/cnn/flat-textfooler`" in page(at)
    assert at.number_input(key="train.defence.flat.keep").value == 0.9, "what suits a small data set"
    assert not button(at, "Train").disabled


def test_a_training_from_click_to_picker(trainer):
    stored = {"kind": "stored", "row": {"model": "reviews/cnn/flat-textfooler"}}
    trainer.events = [STEP, EPOCHS[0], ATTACK, *EPOCHS[1:], stored]
    at = opened()
    button(at, "Train").click()
    until(at, "Starting")
    words = trainer.asked[0]
    assert words[:5] == ["train", "--dataset", "reviews", "--architecture", "cnn"] and "keep=0.9" in words
    assert words[words.index("--device") + 1] == "auto" and "--events" in words and "--resume" not in words
    trainer.say.release()
    until(at, "Epoch 1 of 4 · about 2 min to go")
    trainer.say.release(2)
    until(at, "Round 1 of 1: 12 of 40 texts attacked, 3 flipped · about 5 s to go")
    assert not button(at, "Stop").disabled
    trainer.say.release(9)
    until(at, "80.0 % of dev, epoch 3")
    assert "reviews/cnn/flat-textfooler" in catalogue.read_cards()
    frame = run(AppTest.from_file(str(ROOT / "app.py"), default_timeout=120))
    assert frame.multiselect(key="models").options == ["CNN · FLAT-TextFooler"]
    assert "`reviews/cnn/flat-textfooler-2`" in page(at), "the next one takes no one's place"
    button(at, "Try it on the Attack page").click()
    with mock.patch("streamlit.switch_page") as switch:
        assert run(at).session_state["models"] == ["reviews/cnn/flat-textfooler"]
    switch.assert_called_with("pages/1_Attack.py")
    first = datasets.load("reviews", "dev")[0]
    assert at.session_state["text"] == first.text
    with mock.patch("streamlit.session_state", at.session_state):
        assert true_label.read_label(first.text) == ("Negative", "Positive")[first.label]


def test_stop_and_resume(trainer, own_runs):
    trainer.events = [EPOCHS[0], *EPOCHS]
    at = opened()
    button(at, "Train").click()
    trainer.say.release()
    until(at, "Epoch 1 of 4")
    # What the engine leaves behind.
    wanted = trainings.parse_spec({"dataset": "reviews", "architecture": "cnn", "defence": "flat"})
    wanted.state.mkdir(parents=True)
    (wanted.state / "order.json").write_text(json.dumps({"order": wanted.values, "device": "cpu", "data_dir": None}))
    (wanted.state / "state.safetensors").write_bytes(b"")
    button(run(at), "Stop").click()
    until(at, "Stopped. What it had learnt is kept")
    assert "`reviews/cnn/flat-textfooler` · FLAT · saved" in page(at)
    button(at, "Resume").click()
    until(at, "Starting")
    assert "--resume" in trainer.asked[1] and "Unfinished" not in page(at)
    button(at, "Stop").click()
    until(at, "Stopped. It had not begun")
    button(at, "Discard").click()
    assert "Unfinished" not in page(run(at)) and trainings.list_unfinished() == []


def test_a_training_that_dies_is_one_line(trainer):
    trainer.events = [EPOCHS[0], BadInput("The training was ended from outside (SIGKILL), as happens.")]
    at = opened()
    button(at, "Train").click()
    trainer.say.release(2)
    assert [e.value for e in until(at, "SIGKILL").error] == [trainer.events[1].args[0]]


def test_a_second_training_waits_for_the_first(trainer):
    trainer.events = [EPOCHS[0]]
    at = opened()
    button(at, "Train").click()
    until(at, "Starting")
    button(at, "Train").click()
    until(at, "Waiting for its turn: number 1")
    assert len(at.selectbox(key="train.job").options) == 2
    button(at, "Stop").click()
    until(at, "Stopped. It had not begun")


def test_data_that_are_not_here_are_one_line(trainer, tmp_path):
    at = opened()
    at.segmented_control(key="train.data").set_value("A known data set")
    run(at)
    at.selectbox(key="train.known").set_value("yelp_polarity")
    at.text_input(key="train.folder").set_value(str(tmp_path))
    run(at)
    assert [w.value for w in at.warning][0].startswith("The train split of Yelp polarity is missing.")
    assert button(at, "Train").disabled


def test_a_file_becomes_a_data_set(trainer):
    at = opened()
    at.segmented_control(key="train.data").set_value("Your own file")
    assert "15 % of each class are held out" in page(run(at)) and button(at, "Train").disabled
    at.file_uploader(key="train.file").upload("films.csv", csv_file(), "text/csv")
    run(at)
    chosen = [at.selectbox(key=f"train.columns.films.csv.{part}").value for part in ("text", "label")]
    assert chosen == ["review", "stars"]
    next(t for t in at.text_input if t.label == "Name of label 1").set_value("liked")
    run(at)
    button(at, "Use these texts").click()
    assert "36 texts to train on, 7 (dev)" in page(run(at)) and "classes: 0, liked" in page(at)
    assert "`films/cnn/flat-textfooler`" in page(at) and not button(at, "Train").disabled


def test_the_first_line_of_a_file_is_a_row_unless_it_names_the_columns(trainer):
    at = opened()
    at.segmented_control(key="train.data").set_value("Your own file")
    rows = "\r\n".join(f"a {word} film that was number {i};{label}" for i in range(20)
                        for word, label in (("good", "Liked"), ("bad", "no"), ("fine", "liked")))
    run(at).file_uploader(key="train.file").upload("films.csv", rows.encode(), "text/csv")
    run(at)
    assert not at.checkbox(key="train.columns.films.csv.header").value
    assert [at.selectbox(key=f"train.columns.films.csv.rows.{part}").value for part in ("text", "label")] == [
        "column 1", "column 2"]
    assert "Counted as one class: Liked = liked." in page(at)
    at.checkbox(key="train.columns.films.csv.header").check()
    assert run(at).selectbox(key="train.columns.films.csv.label").value == "Liked"
    at.checkbox(key="train.columns.films.csv.header").uncheck()
    button(run(at), "Use these texts").click()
    assert "classes: Liked, no" in page(run(at)) and "42 texts to train on, 9 (dev)" in page(at)


def test_a_file_that_cannot_be_used_is_one_line(trainer):
    at = opened()
    at.segmented_control(key="train.data").set_value("Your own file")
    run(at).file_uploader(key="train.file").upload("films.csv", b"text\nonly\n", "text/csv")
    assert any("needs a column of texts" in w.value for w in run(at).warning)


def test_presets_and_data_fill_in_the_fields(trainer):
    trainer.events = [STEP]
    at = opened()
    at.selectbox(key="train.preset").set_value("as-released")
    assert run(at).toggle(key="train.defence.flat.double_softmax").value
    at.selectbox(key="train.defence").set_value("base")
    at.selectbox(key="train.architecture").set_value("lstm")
    run(at)
    assert at.number_input(key="train.recipe.epochs").value == 20 and "`reviews/lstm/base`" in page(at)
    at.number_input(key="train.recipe.epochs").set_value(7)
    run(at)
    button(at, "Train").click()
    until(at, "Starting")
    assert "epochs=7" in trainer.asked[0] and not any(w.startswith("batch_size") for w in trainer.asked[0])


def test_models_of_one_name_are_told_apart(monkeypatch):
    for name in ("sst2/cnn/base", "reviews/cnn/base", "sst2/lstm/base", "sst2/lstm/flat-pwws-2"):
        folder = paths.checkpoint_folders()[1] / name
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(json.dumps(card(name)))
    assert [catalogue.name_model(name) for name in ("sst2/cnn/base", "reviews/cnn/base", "sst2/lstm/base")] == [
        "CNN · base (SST-2)", "CNN · base (Reviews)", "LSTM · base"]
    assert catalogue.name_model("sst2/lstm/flat-pwws-2") == "LSTM · FLAT-PWWS-2"
    # Where all models picked read the same data, saying so on every line tells nothing; the picker goes on doing it.
    monkeypatch.setattr(loaded.st, "session_state", {"models": ["sst2/cnn/base", "sst2/lstm/base"]})
    assert [catalogue.name_model(name) for name in ("sst2/cnn/base", "reviews/cnn/base")] == [
        "CNN · base", "CNN · base (Reviews)"]
    assert catalogue.name_option("sst2/cnn/base") == "CNN · base (SST-2)"
    monkeypatch.setattr(loaded.st, "session_state", {"models": ["sst2/lstm/base", "reviews/cnn/base"]})
    assert [catalogue.name_model(name) for name in ("sst2/lstm/base", "reviews/cnn/base")] == [
        "LSTM · base (SST-2)", "CNN · base (Reviews)"]


def test_the_folders_are_looked_at_once_in_a_while(monkeypatch):
    looked, iglob = [], catalogue.glob.iglob
    monkeypatch.setattr(catalogue.glob, "iglob", lambda pattern: looked.append(pattern) or iglob(pattern))
    monkeypatch.setattr(catalogue, "_MOMENT", 60.0)
    known = set(catalogue.read_cards())
    assert [catalogue.name_option("unknown") for _ in range(3)] == ["unknown"] * 3 and len(looked) == len(
        paths.checkpoint_folders()
    )
    folder = paths.checkpoint_folders()[1] / "sst2" / "cnn" / "mine"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card("sst2/cnn/mine")))
    assert set(catalogue.read_cards()) == known, "a moment has not passed"
    monkeypatch.setattr(catalogue, "_MOMENT", 0.0)
    assert set(catalogue.read_cards()) == known | {"sst2/cnn/mine"}
    # Another folder is another question, whenever it is asked.
    monkeypatch.setattr(catalogue, "_MOMENT", 60.0)
    monkeypatch.setenv("ROBUST_RUNS", str(folder.parent))
    assert set(catalogue.read_cards()) == known


def test_events_become_curves():
    told = {"kind": "overlap", "message": "texts left out of train", "data": {}}
    now = progress.sort_events([told, STEP, EPOCHS[0], STEP | {"step": 9}, *EPOCHS])
    assert now.overlap == "texts left out of train" and not progress.sort_events([STEP]).overlap
    assert [e["epoch"] for e in now.epochs] == [1, 2, 3, 4] and len(now.steps) == 2 and now.model == ""
    many = progress.sort_events([STEP] * 5000)
    assert 100 <= len(many.steps) <= 300
    figure = charts.make_losses(now.epochs, now.steps)
    lines = [t for t in figure.data if t.mode == "lines+markers"]
    assert [t.name for t in lines] == ["loss", "cross entropy"] and tuple(lines[0].y) == (1, 1 / 2, 1 / 3, 1 / 4)
    assert len({(t.line.dash, t.marker.symbol) for t in lines}) == 2, "curves differ without colour"
    dots = [t for t in figure.data if t.mode == "markers"]
    assert tuple(dots[0].x) == (0.25, 0.45)
    ring = charts.make_dev_accuracy(now.epochs, 0.5).data[1]
    assert tuple(ring.x) == (3,) and tuple(ring.y) == (80.0,), "the first epoch does not count"


def add_card(model_id: str, **changes) -> None:
    folder = paths.checkpoint_folders()[1] / model_id
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card(model_id) | changes))


def test_texts_without_labels_and_their_teacher(trainer, own_runs):
    """From upload to command; the file is kept, so that a training that goes on finds it again."""
    for model_id, changes in (("sst2/cnn/base", {"dev_accuracy": 0.9}), ("reviews/lstm/base", {"dev_accuracy": 0.7}),
                              ("trec/cnn/base", {"labels": ["a", "b", "c"]}), ("reviews/cnn/base", {})):
        add_card(model_id, **changes)
    trainer.events = [{"kind": "teacher", "done": 512, "total": 2000}, *EPOCHS]
    at = opened()
    assert "train.teacher" not in at.session_state
    at.file_uploader(key="train.unlabelled.file").upload("More films.txt", b"a film\nanother film\n", "text/plain")
    run(at)
    (kept,) = list_kept(TEXTS).values()
    assert not at.warning
    # Those of the same data set come first, the better ones before the others; other classes not at all.
    assert at.selectbox(key="train.teacher").value == "reviews/cnn/base"
    assert len(at.selectbox(key="train.teacher").options) == 3
    at.selectbox(key="train.teacher").set_value("sst2/cnn/base")
    button(run(at), "Train").click()
    until(at, "Starting")
    words = trainer.asked[0]
    assert f"unlabelled={kept}" in words and "teacher=sst2/cnn/base" in words and kept.read_text().startswith("a film")
    trainer.say.release()
    until(at, "The teacher has labelled 512 of 2,000 texts")
    spec = trainings.parse_spec({"dataset": "reviews", "architecture": "cnn", "defence": "flat", "set": {
        "unlabelled": str(kept), "teacher": "sst2/cnn/base"}})
    spec.state.mkdir(parents=True)
    (spec.state / "order.json").write_text(json.dumps({"order": spec.values, "device": "cpu", "data_dir": None}))
    button(run(at), "Stop").click()
    until(at, "Unfinished trainings")
    button(at, "Resume").click()
    until(at, "Starting")
    assert f"unlabelled={kept}" in trainer.asked[1] and "--resume" in trainer.asked[1]


@pytest.mark.parametrize(("defence", "architecture"), [("base", "lstm"), ("freelb", "minilm"),
                                                       ("certified", "additive")])
def test_every_defence_learns_from_them(defence, architecture, trainer, own_runs):
    trainer.events = [STEP]
    add_card("reviews/cnn/base")
    keep_texts("more.txt", b"a film")
    at = opened()
    at.selectbox(key="train.defence").set_value(defence)
    at.selectbox(key="train.architecture").set_value(architecture)
    at.selectbox(key="train.unlabelled").set_value(next(iter(list_kept(TEXTS))))
    button(run(at), "Train").click()
    until(at, "Starting")
    words = trainer.asked[0]
    assert "teacher=reviews/cnn/base" in words and any(word.startswith("unlabelled=/") for word in words)


def test_a_file_without_texts_is_one_line(trainer, own_runs):
    at = opened()
    at.file_uploader(key="train.unlabelled.file").upload("more.txt", b"\xff\xfe\x00", "text/plain")
    run(at)
    assert any("is no UTF" in w.value for w in at.warning), page(at)
    assert list_kept(TEXTS) == {} and button(at, "Train").disabled


def test_without_a_model_of_these_classes_there_is_no_teacher(trainer, own_runs):
    keep_texts("more.txt", b"a film")
    at = opened()
    at.selectbox(key="train.unlabelled").set_value(next(iter(list_kept(TEXTS))))
    assert "No model that is here has the classes of this data set" in page(run(at))
    assert button(at, "Train").disabled


def test_no_field_names_a_file_of_the_machine(trainer):
    at = opened()
    assert not {t.key for t in at.text_input} & {f"train.recipe.{name}" for name in own_files.FIELDS}


def test_swaps_of_ones_own_for_certified_training(trainer, own_runs):
    trainer.events = [STEP]
    at = opened()
    at.selectbox(key="train.defence").set_value("certified")
    at.selectbox(key="train.architecture").set_value("additive")
    run(at)
    at.selectbox(key="train.defence.certified.swaps").set_value("file")
    assert "needs a file of swaps" in page(run(at)) and button(at, "Train").disabled
    at.file_uploader(key="train.swaps.file").upload("mine.json", b'{"good": ["fine"]}', "application/json")
    run(at)
    (kept,) = list_kept(SWAPS).values()
    assert "`reviews/additive/certified`" in page(at) and not button(at, "Train").disabled
    button(at, "Train").click()
    until(at, "Starting")
    assert f"swap_file={kept}" in trainer.asked[0] and "swaps=file" in trainer.asked[0]
