"""The additive model under certified training: worst cases, the learnt table, unlabelled texts."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from helpers.models import BAD, GOOD, draw_additive, tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.certify.word_swaps import WordCertifier
from robust_core.defences import DEFENCES
from robust_core.defences.certified import find_allowed_states, find_flags, find_worst_scores
from robust_core.errors import BadInput
from robust_core.models import loading
from robust_core.models.networks.additive import FLAGS, STATES, AdditiveNetwork
from robust_core.paths import runs_folder
from robust_core.registry import to_record
from robust_core.resources.stopwords import neutral_words, stop_words
from robust_core.resources.swap_sets import SwapSet, read_swap_set
from robust_core.train import saving, training, unlabelled
from robust_core.train.recipe import make_recipe
from robust_core.trainings import compare_settings, parse_spec

torch.set_num_threads(1)
WORDS = ("good", "bad", "fine", "poor", "film", "movie", "plot", "not", "never", "but", "yet", "very")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(tiny_data(tmp_path_factory.mktemp("data")))


def learn(data, **changes):
    """Return what a certified training of a few epochs ends in."""
    recipe = make_recipe("additive", "sst2", 40, **({"epochs": 6, "batch_size": 8, "length": 12} | changes))
    events = list(training.train(DEFENCES["certified"](weight=0.5), "sst2", "additive", recipe, device="cpu",
                                 data_dir=data))
    return events[-1]["trained"], events


@pytest.fixture(scope="module")
def trained(data):
    return learn(data)


def test_it_learns_and_is_the_same_from_its_file(trained, tmp_path):
    model, events = trained
    losses = [event["loss"] for event in events if event["kind"] == "epoch"]
    assert losses[-1] < losses[0] and model.card.epochs == 6
    card = saving.save(model, tmp_path)
    stored = loading.load(str(card.folder), "cpu")
    texts = [f"the film was {word}" for word in (*GOOD, *BAD)]
    own = model.tokens
    mine = model.network(model.network.embedding(torch.tensor([own.encode(text).ids for text in texts])),
                         torch.ones(len(texts), 4, dtype=torch.bool))
    assert torch.allclose(torch.softmax(mine, 1), torch.from_numpy(stored.predict_proba(texts)), atol=2e-3)
    found = WordCertifier(stored, read_swap_set("close")).certify(texts[0])
    assert found.prediction == int(stored.predict_proba(texts[:1]).argmax())


def test_words_that_no_text_holds_but_swaps_bring_have_entries(trained):
    model, _ = trained
    known = set(model.tokens.words)
    assert set(read_swap_set("wide").find("film")) <= known
    assert len(known) > 100
    table = model.network.embedding.weight
    assert table.shape[1] == 6 + FLAGS and not table[:2].any()
    assert table[2 + model.tokens.words.index("film"), :6].any()


def test_the_same_seed_gives_the_same_table(trained, data):
    again, _ = learn(data)
    assert torch.equal(again.network.embedding.weight, trained[0].network.embedding.weight)


@pytest.mark.parametrize("classes", [2, 4])
def test_worst_scores_against_a_slow_twin(classes):
    rng = np.random.default_rng(classes)
    net = AdditiveNetwork(9, classes, "sentiment")
    with torch.no_grad():
        net.embedding.weight.copy_(torch.from_numpy(rng.normal(size=net.embedding.weight.shape)))
        net.bias.copy_(torch.from_numpy(rng.normal(size=classes)))
    net.requires_grad_(False)
    table = net.embedding.weight
    options = torch.tensor([[0, 0, 0], [1, 1, 1]] + [[i, 2 + (i + 1) % 7, 2 + (i + 3) % 7] for i in range(2, 9)])
    ids = torch.tensor([[2, 5, 3, 4], [6, 7, 0, 0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    allowed = torch.from_numpy(rng.random((2, 4, 3)) < 0.5)
    allowed[..., 1] |= ~allowed.any(-1)
    labels = torch.tensor([1, 0])
    found = find_worst_scores(net, table, options, ids, mask, allowed, labels)
    for n in range(2):
        gold = int(labels[n])
        for c in range(classes):
            lead = float(net.bias[gold] - net.bias[c])
            for t in range(4):
                if mask[n, t]:
                    entries = table[options[ids[n, t]], :-FLAGS].view(3, 3, classes)[:, allowed[n, t]].flatten(0, 1)
                    lead += float((entries[:, gold] - entries[:, c]).min())
            assert float(found[n, gold] - found[n, c]) == pytest.approx(lead, abs=1e-4)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), st.sampled_from([2, 6]),
       st.sampled_from(list(STATES)))
def test_training_sees_the_bound_of_the_certificate(seed, words, classes, states):
    model, rng = draw_additive(seed, WORDS, classes, states), np.random.default_rng(seed)
    swaps = {word: tuple(rng.choice(WORDS, rng.integers(0, 3), replace=False).tolist()) for word in WORDS}
    found = WordCertifier(model, SwapSet("drawn", "", lambda word: swaps.get(word, ()))).certify(" ".join(words))
    rows = [[0], [1], *([i, *(2 + WORDS.index(other) for other in swaps[word])] for i, word in enumerate(WORDS, 2))]
    options = torch.tensor([row + row[:1] * (3 - len(row)) for row in rows])
    ids = torch.tensor([[*(2 + WORDS.index(word) for word in words), 0, 0]])
    mask, label = ids > 0, torch.tensor([found.prediction])
    table = model.net.embedding.weight
    may, must = find_flags(table, options)
    allowed = find_allowed_states(model.net, table[ids], mask, may[ids], must[ids])
    worst, = find_worst_scores(model.net, table, options, ids, mask, allowed, label).tolist()
    lead = worst[found.prediction] - max(score for c, score in enumerate(worst) if c != found.prediction)
    assert lead == pytest.approx(found.worst_margin, abs=1e-3)


@pytest.mark.parametrize(("architecture", "defence"), [("cnn", "certified"), ("additive", "freelb")])
def test_the_additive_model_and_certified_training_go_together(data, architecture, defence):
    with pytest.raises(BadInput, match="--architecture additive --defence certified"):
        list(training.train(DEFENCES[defence](), "sst2", architecture, make_recipe(architecture, "sst2", 40),
                            device="cpu", data_dir=data))


def test_presets_name_the_model():
    cls = DEFENCES["certified"]
    assert [cls(**values).variant for values in cls.PRESETS.values()] == list(cls.PRESETS)
    assert cls(weight=0.5).variant == "certified"
    assert cls(**cls.PRESETS["balanced"], hold_function_words=True).variant == "balanced-held"
    assert "hold_function_words" not in to_record(cls()), "cards from before have the same record"


def test_held_function_words_add_nothing(data):
    recipe = make_recipe("additive", "sst2", 40, epochs=3, batch_size=8, length=12)
    tables = []
    for hold in (False, True):
        defence = DEFENCES["certified"](weight=0.5, hold_function_words=hold)
        model = list(training.train(defence, "sst2", "additive", recipe, device="cpu", data_dir=data))[-1]["trained"]
        adds = model.network.embedding.weight.detach()[2:, :-FLAGS].abs().sum(1) > 0
        tables.append({word for word, some in zip(model.tokens.words, adds.tolist(), strict=True) if some})
        flags = model.network.embedding.weight.detach()[2:, -FLAGS:].any(1)
    free, held = tables
    assert free & neutral_words() and not held & neutral_words()
    assert {"film", *GOOD} & free <= held | neutral_words()
    # A negation is no neutral word, and still turns what follows.
    assert not {"not", "never", "but", "very", "n't"} & neutral_words() and neutral_words() < stop_words()
    assert flags.any() == any(word in ("not", "never", "but") for word in model.tokens.words)


@pytest.fixture
def teacher(trained, tmp_path, monkeypatch):
    card = saving.save(trained[0], tmp_path / "teacher")
    return str(card.folder)


def test_a_teacher_labels_texts_that_stand_in_no_later_split(data, teacher, tmp_path):
    from robust_core import datasets

    later = next(iter(datasets.load("sst2", "dev", data))).text
    path = tmp_path / "more.txt"
    good = "a film that is fine and good"
    path.write_text("\n".join([good, later.upper(), good, "", "bad"]))
    steps = unlabelled.label_texts(str(path), teacher, "sst2", data, "cpu")
    try:
        while True:
            event = next(steps)
            assert event["kind"] == "teacher"
    except StopIteration as end:
        taught = end.value
    assert [example.text for example in taught.examples] == [good, "bad"]
    assert taught.data["dropped_overlap"] == 1 and taught.data["n"] == 2 and taught.proba.shape == (2, 2)
    assert [example.label for example in taught.examples] == taught.proba.argmax(1).tolist()
    # What it said is kept, unless the file of it is damaged.
    with pytest.raises(StopIteration) as end:
        next(unlabelled.label_texts(str(path), teacher, "sst2", data, "cpu"))
    assert torch.equal(end.value.value.proba, taught.proba)
    (kept,) = (runs_folder() / "taught").glob("*.npy")
    kept.write_bytes(kept.read_bytes()[:-3])
    assert next(unlabelled.label_texts(str(path), teacher, "sst2", data, "cpu"))["kind"] == "teacher"
    model, _ = learn(data, unlabelled=str(path), teacher=teacher, epochs=2)
    assert model.card.data["unlabelled"]["n"] == 2 and model.card.recipe["unlabelled"] == "more.txt"
    plain, _ = learn(data, epochs=2)
    assert not torch.equal(model.network.embedding.weight, plain.network.embedding.weight)


def test_a_word_model_learns_from_unlabelled_texts_as_well(data, teacher, tmp_path):
    path = tmp_path / "more.txt"
    path.write_text("a fine and lovely thing\na dull and awful thing\n")
    recipe = make_recipe("cnn", "sst2", 40, epochs=1, unlabelled=str(path), teacher=teacher)
    events = list(training.train(DEFENCES["base"](), "sst2", "cnn", recipe, device="cpu", data_dir=data))
    assert next(e["rows"] for e in events if e["kind"] == "epoch") == events[-1]["trained"].card.data["train"]["n"] + 2


@pytest.mark.parametrize(("teacher_id", "content", "line"), [
    ("", "a text", "need a teacher"), ("trec/cnn/base", "a text", "other classes"), ("sst2/cnn/base", "", "no text")])
def test_what_cannot_be_taught_is_one_line(data, tmp_path, teacher_id, content, line):
    path = tmp_path / "more.txt"
    path.write_text(content)
    with pytest.raises(BadInput, match=line):
        list(unlabelled.label_texts(str(path), teacher_id, "sst2", data, "cpu"))


def test_a_training_on_other_texts_is_another_training(trained):
    values = {"dataset": "sst2", "architecture": "additive", "defence": "certified", "set": {"weight": 0.5}}
    card = trained[0].card
    assert "unlabelled" not in compare_settings(parse_spec(values), card.defence, card.recipe)
    taught_by = {"unlabelled": "/elsewhere/more.txt", "teacher": "sst2/cnn/base"}
    more = parse_spec(values | {"set": {"weight": 0.5, **taught_by}})
    assert compare_settings(more, card.defence, card.recipe)["unlabelled"] == ("", "more.txt")
    taught = dict(dataclasses.asdict(card)["recipe"]) | {"unlabelled": "more.txt", "teacher": "sst2/cnn/base"}
    assert "unlabelled" not in compare_settings(more, card.defence, taught)


CERTIFIED = {"dataset": "sst2", "architecture": "additive", "defence": "certified"}


def write_swaps(path, table):
    path.write_text(json.dumps(table))
    return str(path)


def learn_from(data, swaps, folder=None, **changes):
    """Train against a file's set; return the events."""
    recipe = make_recipe("additive", "sst2", 40, **({"epochs": 4, "batch_size": 8, "swap_file": swaps} | changes))
    return training.train(DEFENCES["certified"](swaps="file", weight=0.9), "sst2", "additive", recipe, device="cpu",
                          data_dir=data, folder=folder, resume=folder is not None)


@pytest.mark.thorough
def test_the_worst_case_is_over_the_set_of_the_file(data, tmp_path):
    """A word that only the file brings has an entry, which learns not to turn what it stands in for."""
    swaps = write_swaps(tmp_path / "mine.json", {word: ["xqzv"] for word in GOOD})
    model = list(learn_from(data, swaps, epochs=12))[-1]["trained"]
    found = read_swap_set(swaps)
    assert model.card.data["swaps"] == {"file": "mine.json", "sha256": found.sha256}
    assert model.card.recipe["swap_file"] == "mine.json" and model.card.defence["swaps"] == "file"
    assert "xqzv" in model.tokens.words and model.card.id == "sst2/additive/certified"
    stored = loading.load(str(saving.save(model, tmp_path / "checkpoints").folder), "cpu")
    texts = [f"the film was {word}" for word in GOOD]
    proofs = [WordCertifier(stored, found).certify(text) for text in texts]
    assert all(proof.certified and proof.prediction == 1 and proof.texts == 2 for proof in proofs)
    plain, _ = learn(data, epochs=12)
    assert "xqzv" not in plain.tokens.words and "swaps" not in plain.card.data


@pytest.mark.thorough
def test_a_training_does_not_go_on_with_another_file(data, tmp_path):
    swaps, state = write_swaps(tmp_path / "mine.json", {"good": ["xqzv"]}), tmp_path / "state"
    state.mkdir()
    for event in (begun := learn_from(data, swaps, state)):
        if event["kind"] == "epoch":
            begun.close()
            break
    write_swaps(tmp_path / "mine.json", {"good": ["xqzw"]})
    with pytest.raises(BadInput, match="differs in data"):
        list(learn_from(data, swaps, state))
    write_swaps(tmp_path / "mine.json", {"good": ["xqzv"]})
    assert list(learn_from(data, swaps, state))[-1]["kind"] == "trained"


def test_a_file_of_swaps_is_a_part_of_the_training():
    spec = parse_spec(CERTIFIED | {"preset": "close", "set": {"swap_file": "/elsewhere/mine.json"}})
    assert spec.defence.swaps == "file" and spec.id == "sst2/additive/certified"
    assert parse_spec(spec.values) == spec and "swap_file=/elsewhere/mine.json" in spec.words
    record = {"name": "certified"} | dataclasses.asdict(spec.defence)
    assert compare_settings(spec, record, {"swap_file": "mine.json"}) == {}
    assert compare_settings(spec, record, {})["swap_file"] == ("", "mine.json")


@pytest.mark.parametrize(("values", "line"), [
    (CERTIFIED | {"set": {"swaps": "file"}}, "needs a file"),
    (CERTIFIED | {"set": {"swaps": "wide", "swap_file": "mine.json"}}, "leave one out"),
    (CERTIFIED | {"defence": "base", "set": {"swap_file": "mine.json"}}, "Base learns against no swaps")])
def test_swaps_that_do_not_fit_are_one_line(values, line):
    with pytest.raises(BadInput, match=line):
        parse_spec(values)


def test_a_file_is_asked_for_where_there_is_none(data):
    with pytest.raises(BadInput, match="needs a file"):
        list(learn_from(data, ""))
