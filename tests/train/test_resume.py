"""Trainings that end early, go on, come from a plan, or are shared by two processes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from helpers.models import bert_config, tiny_data
from safetensors.torch import load_file
from typer.testing import CliRunner

from robust_core import train, trainings
from robust_core.cli.program import app
from robust_core.defences import DEFENCES
from robust_core.errors import BadInput, UnknownName
from robust_core.models import cards, loading
from robust_core.paths import ROOT
from robust_core.resources import minilm_folder
from robust_core.train import saving, training
from robust_core.train.recipe import make_recipe
from robust_core.train.saving import read_state, write_state

torch.set_num_threads(1)
SHORT = {"rounds": 1, "clean_epochs": 1, "round_epochs": 1, "attacked": 8, "texts": "all"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(tiny_data(tmp_path_factory.mktemp("data")))


def events_of(data, defence, architecture="cnn", **options):
    recipe = make_recipe(architecture, "sst2", epochs=2, batch_size=8, length=12, warmup=0.1, decay="linear")
    return training.train(defence, "sst2", architecture, recipe, seed=3, device="cpu", data_dir=data, **options)


def weights(events):
    return list(events)[-1]["trained"].network.state_dict()


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "values", "architecture"), [
    ("base", {}, "lstm"), ("adversarial", SHORT, "cnn"), ("flat", SHORT, "cnn")])
def test_a_resumed_training_ends_with_the_same_weights(data, tmp_path, monkeypatch, name, values, architecture):
    monkeypatch.setattr(train.loop, "_EVERY", 0.0)
    monkeypatch.setattr(train.loop, "_SAVE_ROWS", 0.0)
    defence = DEFENCES[name](**values)
    whole = list(events_of(data, defence, architecture))
    wanted = whole[-1]["trained"].network.state_dict()
    for cut in (1, 4, 9, len(whole) - 1):
        folder = tmp_path / str(cut)
        running = events_of(data, defence, architecture, folder=folder, save_every=2)
        for _ in range(cut):
            next(running)
        del running
        events = list(events_of(data, defence, architecture, folder=folder, save_every=2, resume=True))
        found = events[-1]["trained"]
        assert all(torch.equal(found.network.state_dict()[key], wanted[key]) for key in wanted), cut
        assert (found.card.dev_accuracy, found.card.epochs) == (
            whole[-1]["trained"].card.dev_accuracy, whole[-1]["trained"].card.epochs)
        assert [e["epoch"] for e in events if e["kind"] == "epoch"] == [1, 2]
        assert not list(folder.iterdir()), "a finished training leaves no state behind"


def test_a_state_of_another_training_is_refused(data, tmp_path):
    running = events_of(data, DEFENCES["base"](), folder=tmp_path, save_every=2)
    while next(running)["kind"] != "epoch":
        pass
    with pytest.raises(BadInput, match="The saved training differs in defence"):
        list(events_of(data, DEFENCES["adversarial"](rounds=0, clean_epochs=2), folder=tmp_path, resume=True))


def test_a_state_survives_writing(tmp_path):
    shared = torch.arange(4.0)
    values = {"a": {"x/y": shared, "plain": [1, 0.1, None, "text", True]}, "b": [shared, shared.view(2, 2)], "c": {}}
    write_state(tmp_path, values)
    back = read_state(tmp_path)
    assert torch.equal(back["a"]["x/y"], shared) and torch.equal(back["b"][1], shared.view(2, 2))
    assert back["a"]["plain"] == [1, 0.1, None, "text", True] and back["c"] == {}
    (tmp_path / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(BadInput, match="cannot be read"):
        read_state(tmp_path)
    assert read_state(tmp_path / "nothing") is None


def test_training_stops_early_when_asked(data):
    recipe = make_recipe("cnn", "sst2", epochs=30, batch_size=8, length=12, patience=2, learning_rate=0.0)
    events = list(training.train(DEFENCES["base"](), "sst2", "cnn", recipe, device="cpu", data_dir=data))
    assert [e["epoch"] for e in events if e["kind"] == "epoch"] == [1, 2, 3]
    assert events[-1]["trained"].card.epochs == 1


# --- Plans -----------------------------------------------------------------------------------------


def invoke(*words):
    return CliRunner().invoke(app, list(words))


def test_a_plan_trains_what_is_not_there(data, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "shipped"))
    small = {"dataset": "sst2", "architecture": "cnn", "set": {"epochs": 1, "batch_size": 8, "length": 12}}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps([small, small | {"seed": 1}]))
    words = ["train", "--plan", str(path), "--data-dir", data, "--device", "cpu", "--json",
             "--claims", str(tmp_path / "claims")]
    first = invoke(*words)
    assert first.exit_code == 0, first.stderr
    rows = json.loads(first.stdout)["results"]
    assert [row["model"] for row in rows] == ["sst2/cnn/base", "sst2/cnn/base@1"]
    assert set(rows[0]) == {"model", "seed", "dev_accuracy", "epochs", "seconds", "path"}
    assert len(list((tmp_path / "claims").glob("*.json"))) == 2
    again = invoke(*words)
    assert json.loads(again.stdout)["results"] == rows and again.stderr.count("is there already") == 2
    path.write_text(json.dumps([small | {"defence": "freelb", "name": "base"}]))
    other = invoke(*words)
    assert other.exit_code == 2 and "there with other parameters" in other.stderr


def test_a_plan_into_a_folder_of_its_own_finds_its_base_model_there(data, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "shipped"))
    small = {"dataset": "sst2", "architecture": "cnn", "set": {"batch_size": 8, "length": 12}}
    base = small | {"set": small["set"] | {"epochs": 1}}
    flat = small | {"defence": "flat", "attack": "pwws", "set": small["set"] | {
        "rounds": 1, "clean_epochs": 1, "round_epochs": 1, "attacked": 4}}
    path, out = tmp_path / "plan.json", tmp_path / "elsewhere"
    path.write_text(json.dumps([base, flat]))
    done = invoke("train", "--plan", str(path), "--data-dir", data, "--device", "cpu", "--out", str(out), "--json")
    assert done.exit_code == 0, done.stderr
    folder = out / "sst2" / "cnn" / "flat-pwws"
    assert cards.read_card(folder).config["start"] == "sst2/cnn/base"
    assert not (folder / "embedding.safetensors").exists(), "the base model's table is shared"


@pytest.mark.parametrize(("values", "message"), [
    ({"architecture": "cnn"}, "needs a data set"), ({"nonsense": 1}, "nonsense does not fit"),
    ({"dataset": "sst2", "architecture": "cnn", "set": {"betta": 1.0}}, "no parameter 'betta'"),
    ({"dataset": "sst2", "architecture": "cnn", "defence": "flat", "set": {"epochs": 3}}, "decides on its epochs"),
    ({"dataset": "sst2", "architecture": "cnn", "seed": -1}, "whole number"),
])
def test_a_training_that_does_not_fit_is_one_clear_line(values, message):
    with pytest.raises(BadInput, match=message):
        trainings.parse_spec(values)


def test_orders_know_presets_and_attacks():
    values = {"dataset": "sst2", "architecture": "lstm", "defence": "flat", "attack": "pwws", "seed": 2}
    wanted = trainings.parse_spec(values | {"preset": "as-released", "set": {"beta": 0.2}})
    assert wanted.id == "sst2/lstm/flat-pwws@2" and wanted.defence.double_softmax and wanted.defence.beta == 0.2
    with pytest.raises(UnknownName, match="preset 'nosuch'"):
        trainings.parse_spec(values | {"preset": "nosuch"})


# --- Any encoder -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A random two-layer BERT without a head, as a Hugging Face folder."""
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    torch.manual_seed(4)
    config = BertConfig(**bert_config(vocab_size=30522, hidden_size=32, initializer_range=0.3))
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_file=str(minilm_folder() / "tokenizer.json"), unk_token="[UNK]", pad_token="[PAD]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]").save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(("rank", "name"), [(2, "base"), (0, "base"), (2, "flat")])
def test_any_encoder_is_trained_and_comes_back(encoder, data, tmp_path, monkeypatch, rank, name):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    recipe = make_recipe(encoder, "sst2", epochs=2, batch_size=8, length=16, rank=rank, learning_rate=1e-2)
    defence = DEFENCES[name](**({"rounds": 0, "clean_epochs": 2} if name == "flat" else {}))
    *_, last = training.train(defence, "sst2", encoder, recipe, device="cpu", data_dir=data)
    trained = last["trained"]
    learnt = {key for key, weight in trained.network.named_parameters() if weight.requires_grad}
    assert any("classifier" in key for key in learnt)
    assert any("lora_" in key for key in learnt) == bool(rank)
    card = saving.save(trained, tmp_path)
    assert card.id.startswith("sst2/tiny-bert") and len(card.id.split("/")) == 3
    loaded = loading.load(card.id, "cpu")
    texts = ["a lovely end", "the film was dull"]
    with torch.no_grad():
        encoded = loaded.embed(texts)
        original = trained.network(encoded.embeddings, encoded.mask).softmax(-1).numpy()
    assert loaded.predict_proba(texts) == pytest.approx(original, abs=5e-3)


# --- For real --------------------------------------------------------------------------------------


def command(*words, launch=()):
    return [sys.executable, "-m", *launch, "robust_core", "train", "--dataset", "reviews", "--architecture", "cnn",
            "--set", "clean_epochs=2", "--set", "rounds=1", "--set", "round_epochs=2", "--set", "attacked=20",
            "--defence", "flat", "--device", "cpu", "--json", *words]


@pytest.mark.slow
def test_a_killed_training_goes_on(tmp_path):
    def environment(name):
        return os.environ | {"ROBUST_RUNS": str(tmp_path / name), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    subprocess.run(command(), env=environment("whole"), check=True, capture_output=True, timeout=600)
    running = subprocess.Popen(command(), env=environment("killed"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    state = tmp_path / "killed" / "training" / "reviews-cnn-flat-textfooler" / "state.safetensors"
    while not state.exists() and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    subprocess.run(command("--resume"), env=environment("killed"), check=True, capture_output=True, timeout=600)
    one, two = (load_file(tmp_path / name / "checkpoints/reviews/cnn/flat-textfooler/model.safetensors")
                for name in ("whole", "killed"))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_two_processes_share_a_training(tmp_path):
    launch = ("accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1",
              "--mixed_precision", "no", "--dynamo_backend", "no", "-m")
    done = subprocess.run(command(launch=launch), capture_output=True, text=True, timeout=900, check=False,
                          env=os.environ | {"ROBUST_RUNS": str(tmp_path), "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-2000:]
    row, = json.loads(done.stdout)["results"]
    assert row["model"] == "reviews/cnn/flat-textfooler" and row["dev_accuracy"] > 0.4
    assert (tmp_path / "checkpoints/reviews/cnn/flat-textfooler/card.json").is_file()
