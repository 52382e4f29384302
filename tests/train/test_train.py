"""The training loop on forty rows: it learns, repeats itself bit for bit, and touches nothing else."""

import dataclasses
import hashlib
import json
import random

import numpy as np
import pytest
import torch
from helpers.models import BAD, GOOD, bert_config, tiny_data

from robust_core import __version__, datasets, splits
from robust_core.defences import DEFENCES
from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.models import loading
from robust_core.models.classifier import TextClassifier
from robust_core.models.optimiser import compute_rate
from robust_core.models.tokens import WordVocabulary
from robust_core.resources import minilm_folder
from robust_core.train import saving, start, training
from robust_core.train.batches import hide_words, make_batch, shuffle
from robust_core.train.defence import Defence, Objective
from robust_core.train.recipe import Recipe, make_recipe
from robust_core.train.setup import Batch, Row
from robust_core.types import Example

torch.set_num_threads(1)
TEXTS = [f"the film was {w}" for w in GOOD + BAD] + ["a lovely end indeed"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(tiny_data(tmp_path_factory.mktemp("data")))


def learn(data: str, architecture: str = "cnn", seed: int = 0, defence=None, meddle=lambda: None,
          **changes) -> list[dict]:
    """All events of a training; `meddle` is called at each."""
    recipe = make_recipe(architecture, "sst2", **({"epochs": 3, "batch_size": 8, "length": 12} | changes))
    events = []
    for event in training.train(defence or DEFENCES["base"](), "sst2", architecture, recipe, seed=seed, device="cpu",
                            data_dir=data):
        events.append(event)
        meddle()
    return events


def weights(events: list[dict]) -> dict[str, torch.Tensor]:
    """The trained tensors."""
    return events[-1]["trained"].network.state_dict()


def same(a: dict, b: dict) -> bool:
    """Whether two networks are equal, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def learnt(data):
    return {architecture: learn(data, architecture) for architecture in ("cnn", "lstm")}


@pytest.mark.parametrize("architecture", ["cnn", "lstm"])
def test_the_loss_falls_and_the_best_epoch_is_kept(learnt, architecture):
    *events, last = learnt[architecture]
    epochs = [e for e in events if e["kind"] == "epoch"]
    steps = [e for e in events if e["kind"] == "step"]
    assert steps and all(e["loss"] == e["terms"]["loss"] and 0 < e["step"] <= e["steps"] == 5 for e in steps)
    assert last["kind"] == "trained"
    assert [e["epoch"] for e in epochs] == [1, 2, 3] and {e["epochs"] for e in epochs} == {3}
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert epochs[-1]["eta"] == 0 and [e["seconds"] for e in epochs] == sorted(e["seconds"] for e in epochs)
    card = last["trained"].card
    best = max(e["dev_accuracy"] for e in epochs)
    assert card.dev_accuracy == best and card.epochs == next(e["epoch"] for e in epochs if e["dev_accuracy"] == best)
    assert not last["trained"].network.training


def test_the_card_says_how_it_was_made(learnt, data):
    card = learnt["cnn"][-1]["trained"].card
    assert (card.id, card.dataset, card.architecture, card.seed) == ("sst2/cnn/base", "sst2", "cnn", 0)
    assert card.labels == ("negative", "positive") and card.defence == {"name": "base"} and card.defence_name == "base"
    assert card.recipe["epochs"] == 3 and card.recipe["batch_size"] == 8 and card.recipe["dropout"] == 0.5
    assert card.config["network"]["length"] == 12 and card.device == "cpu" and card.version == __version__
    assert card.parameters == sum(p.numel() for p in learnt["cnn"][-1]["trained"].network.parameters())
    for split in ("train", "dev"):
        examples = datasets.load("sst2", split, data)
        assert card.data[split] == {"n": 40, "sha256": datasets.hash_examples(examples), "dropped_overlap": 0,
                                    "compared_with": list(splits.LATER[split])}
    assert card.known_faults == () and learnt["cnn"][0]["kind"] == "step", "there is nothing to say of the texts"
    assert json.dumps({f.name: getattr(card, f.name) for f in dataclasses.fields(card) if f.name != "folder"})


def test_the_same_seed_gives_the_same_weights(learnt, data):
    for architecture in ("cnn", "lstm"):
        assert same(weights(learn(data, architecture)), weights(learnt[architecture]))
    other = learn(data, seed=1)
    assert not same(weights(other), weights(learnt["cnn"])) and other[-1]["trained"].card.id == "sst2/cnn/base@1"


def test_random_numbers_outside_are_untouched_and_do_not_matter(learnt, data):
    torch.manual_seed(99)
    torch.rand(3)
    state, plain_state = torch.get_rng_state(), random.getstate()
    events = learn(data)
    assert torch.equal(torch.get_rng_state(), state) and random.getstate() == plain_state
    assert same(weights(events), weights(learnt["cnn"]))


def test_random_numbers_drawn_between_two_epochs_do_not_matter(learnt, data):
    drawn = []
    torch.manual_seed(7)
    events = learn(data, meddle=lambda: drawn.append(torch.rand(1).item()))
    torch.manual_seed(7)
    assert len(drawn) == len(events)
    assert drawn == [torch.rand(1).item() for _ in drawn], "the caller's random numbers are its own"
    assert same(weights(events), weights(learnt["cnn"]))


def test_an_abandoned_training_leaves_the_random_numbers_alone(data):
    recipe = make_recipe("cnn", "sst2", epochs=3, batch_size=8, length=12)
    running = training.train(DEFENCES["base"](), "sst2", "cnn", recipe, device="cpu", data_dir=data)
    next(running)
    torch.manual_seed(11)
    torch.rand(1)
    state = torch.get_rng_state()
    running.close()
    assert torch.equal(torch.get_rng_state(), state)


def test_a_trained_model_knows_its_words(learnt, data):
    for architecture in ("cnn", "lstm"):
        found = learnt[architecture][-1]["trained"]
        assert set(GOOD + BAD) <= set(found.tokens.words) and found.tokens.words[0] in ("the", "was")
        judge = TextClassifier("x", ("negative", "positive"), found.network, found.tokens, torch.device("cpu"))
        assert judge.unknown("zorp") and not judge.unknown("Lovely")
        dev = datasets.load("sst2", "dev", data)
        right = judge.predict_proba([e.text for e in dev]).argmax(1) == [e.label for e in dev]
        assert right.mean() == found.card.dev_accuracy > 0.7, "what is stored judges as what was measured"


@dataclasses.dataclass(frozen=True)
class Nowhere(Defence):
    """A loss that is no number."""

    name = "nowhere"

    def objective(self, setup):
        objective = Objective(setup, self)
        objective.gradients = lambda batch: {"loss": torch.tensor(float("nan"))}
        return objective


def test_a_loss_that_is_no_number_is_one_clear_line(data):
    with pytest.raises(BadInput, match="The loss is not a number after epoch 1: lower the learning rate"):
        learn(data, defence=Nowhere())


def test_missing_data_and_unknown_names_are_clear(tmp_path):
    with pytest.raises(MissingResource, match="The train split of SST-2"):
        learn(str(tmp_path))
    with pytest.raises(UnknownName, match="data set 'nosuch'"):
        make_recipe("cnn", "nosuch")


# --- Parts of the loop ---------------------------------------------------------------------------


@pytest.mark.parametrize(("values", "message"), [
    ({"epochs": 0}, "epochs must lie between 1 and 200"), ({"learning_rate": -1.0}, "learning_rate must"),
    ({"decay": "cosine"}, "decay must be one of constant, linear"), ({"clip": -1.0}, "clip must be at least 0.0"),
    ({"dropout": 1.0}, "dropout must"), ({"rank": 65}, "rank must"), ({"lora_targets": "none"}, "lora_targets must"),
    ({"batch_size": 0}, "batch_size must"), ({"length": 0}, "length must"), ({"warmup": 1.1}, "warmup must"),
])
def test_recipes_have_limits(values, message):
    with pytest.raises(BadInput, match=message):
        make_recipe("cnn", "sst2", **values)


def test_recipes_follow_architecture_and_data_set():
    assert make_recipe("cnn", "trec").length == 15 and make_recipe("lstm", "imdb").length == 400
    assert make_recipe("minilm", "sst2").length == 128
    assert make_recipe("cnn", "sst2", epochs=2) == dataclasses.replace(make_recipe("cnn", "sst2"), epochs=2)


def test_the_learning_rate_rises_and_falls():
    constant = Recipe()
    assert {compute_rate(step, 10, constant.warmup, constant.decay) for step in range(11)} == {1.0}
    rates = [compute_rate(step, 20, 0.2, "linear") for step in range(21)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:] == pytest.approx([(20 - step) / 16 for step in range(5, 21)]) and rates[20] == 0.0
    assert all(0 <= compute_rate(step, 1, 1.0, "linear") <= 1 for step in range(3))


@pytest.mark.parametrize(("count", "size"), [(1, 4), (7, 3), (200, 8), (64, 64)])
def test_every_text_is_seen_once_an_epoch(count, size):
    rows = [(1,) * (i % 9 + 1) for i in range(count)]
    batches = list(shuffle(rows, size, np.random.default_rng(0)))
    assert sorted(i for batch in batches for i in batch) == list(range(count))
    assert max(map(len, batches)) <= size
    assert batches == list(shuffle(rows, size, np.random.default_rng(0)))
    if count > 100:
        assert batches != list(shuffle(rows, size, np.random.default_rng(1)))


def test_batches_are_padded_to_their_longest():
    tokens = WordVocabulary(("a",), 5)
    first, second, third = (2, 1), (), (2, 2, 2)
    rows = [Row(first, 0, 4, (0, 1)), Row(second, 1, 5), Row(third, 1, 6, (0, 1, 1))]
    batch = make_batch(rows, tokens, torch.device("cpu"))
    assert batch.numbers.tolist() == [4, 5, 6] and batch.pair is None
    assert batch.ids.tolist() == [[2, 1, 0], [0, 0, 0], [2, 2, 2]] and batch.labels.tolist() == [0, 1, 1]
    assert batch.mask.tolist() == [[True, True, False], [True, False, False], [True, True, True]]
    made = Row((2, 3, 3), 0, 4, (0, 1, 1), rows[0])
    pair = make_batch([rows[2], made], tokens, torch.device("cpu")).pair
    assert pair.ids.tolist() == [[2, 2, 2], [2, 1, 0]] and pair.made.tolist() == [False, True]
    assert pair.owner.tolist() == [[0, 1, 1], [0, 1, -1]] and pair.twin.tolist() == [[0, 1, 1], [0, 1, 1]]
    assert pair.mask.tolist() == [[True, True, True], [True, True, False]]


def test_hidden_words_become_unknown_and_pads_stay():
    torch.manual_seed(0)
    ids = torch.tensor([[7] * 40 + [0] * 10 + [1]] * 50)
    hidden = hide_words(Batch(ids, ids > 0, torch.zeros(50), torch.arange(50)), 0.25).ids
    assert (hidden[:, 40:] == ids[:, 40:]).all() and set(hidden[:, :40].unique().tolist()) == {1, 7}
    assert (hidden[:, :40] == 1).float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert torch.equal(hide_words(Batch(ids, ids > 0, torch.zeros(50), torch.arange(50)), 0.0).ids, ids)


def test_vocabularies_are_ordered_by_frequency():
    examples = [Example("b b it's", 0), Example("a c it", 1), Example("C", 1)]
    assert start.learn_vocabulary(examples) == ("b", "c", "it", "'s", "a")
    assert start.learn_vocabulary(examples, at_least=2) == ("b", "c", "it")


# --- Transformers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_encoder(tmp_path_factory):
    """A random two-layer encoder in the place of the packaged one, with its tokenizer."""
    from transformers import BertConfig, BertModel

    packaged, folder = minilm_folder(), tmp_path_factory.mktemp("encoder")
    torch.manual_seed(2)
    config = BertConfig(**bert_config(vocab_size=30522, hidden_size=32, initializer_range=0.3))
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((packaged / "tokenizer.json").read_bytes())
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
              for name in ("model.safetensors", "config.json", "tokenizer.json")}
    (folder / "card.json").write_text(json.dumps({"sha256": hashes, "parent_sha256": "0" * 64}))
    return folder


@pytest.mark.parametrize(("rank", "targets"), [(4, "attention"), (2, "all"), (0, "attention")])
def test_a_transformer_is_trained_saved_and_comes_back(small_encoder, data, tmp_path, monkeypatch, rank, targets):
    monkeypatch.setenv("ROBUST_ENCODER", str(small_encoder))
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    changes = {"epochs": 4, "rank": rank, "lora_targets": targets, "learning_rate": 1e-2, "length": 32}
    events = learn(data, "minilm", **changes)
    losses = [event["loss"] for event in events if event["kind"] == "epoch"]
    assert losses[3] < losses[0]
    trained = events[-1]["trained"]
    adapted = {name for name, weight in trained.network.named_parameters() if weight.requires_grad}
    if rank:
        assert adapted and all("lora_" in name or name.startswith("head.") for name in adapted)
    card = saving.save(trained, tmp_path)
    assert card.parent == "0" * 64
    original = TextClassifier("x", card.labels, trained.network, trained.tokens, torch.device("cpu"))
    loaded = loading.load("sst2/minilm/base", "cpu")
    assert loaded.predict_proba(TEXTS) == pytest.approx(original.predict_proba(TEXTS), abs=5e-3)
    assert not any("lora" in name for name in loaded.net.state_dict()), "low-rank weights are merged"
    again = learn(data, "minilm", **changes)
    assert same(weights(again), weights(events))


def test_a_checkpoint_refuses_another_encoder(small_encoder, data, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("ROBUST_ENCODER", str(small_encoder))
    saving.save(learn(data, "minilm", epochs=1, length=16)[-1]["trained"], tmp_path)
    monkeypatch.delenv("ROBUST_ENCODER")
    with pytest.raises(BadInput, match="sst2/minilm/base adapts another encoder than the one in use"):
        loading.load("sst2/minilm/base", "cpu")


def test_an_unknown_architecture_is_one_clear_line(data):
    with pytest.raises(UnknownName, match="Unknown architecture 'transformer'. Known: cnn, lstm, cnn-ret"):
        learn(data, "transformer", epochs=1)

