"""Defences: their limits are the simpler method bit for bit, and each loss term does what it is there for."""

import copy
import dataclasses
import math

import pytest
import torch
from helpers.models import BAD, GOOD, tiny_data
from helpers.processor import COMPUTES_BF16
from hypothesis import given
from hypothesis import strategies as st

from robust_core.attacks import ATTACKS
from robust_core.defences import DEFENCES, adversarial
from robust_core.defences.adversarial import find_partners, find_round
from robust_core.defences.flat import measure_word_gaps
from robust_core.errors import BadInput
from robust_core.models import cards, loading
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.word_masks import MaskConfig, WordMasks
from robust_core.registry import parameters, to_record
from robust_core.splits import load_training_texts
from robust_core.train import batches, loop, saving, start
from robust_core.train.recipe import Recipe, make_recipe
from robust_core.train.setup import Pair, Randomness, Row, Setup
from robust_core.train.training import train

torch.set_num_threads(1)
CPU = torch.device("cpu")
SHORT = {"rounds": 1, "clean_epochs": 1, "round_epochs": 1, "attacked": 12}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(tiny_data(tmp_path_factory.mktemp("data")))


def learn(data, defence, architecture="cnn", seed=0, **changes):
    """All events of a training on forty rows."""
    recipe = make_recipe(architecture, "sst2", **({"batch_size": 8, "length": 12} | changes))
    return list(train(defence, "sst2", architecture, recipe, seed=seed, device="cpu", data_dir=data))


def setup_of(data, defence, seed=0, architecture="cnn"):
    """A training before its first step, as the loop makes it."""
    texts = load_training_texts("sst2", data)
    examples = texts.splits["train"]
    recipe = make_recipe(architecture, "sst2", batch_size=8, length=12)
    random = Randomness(seed, CPU)
    with random.first:
        begun = start.start_network(defence, "sst2", architecture, recipe, ("negative", "positive"), texts, seed)
        coded = [begun.tokens.encode(e.text) for e in examples]
        rows = [Row(c.ids, e.label, i, c.owner) for i, (c, e) in enumerate(zip(coded, examples, strict=True))]
        setup = Setup(begun.network, begun.tokens, recipe, CPU, "sst2", architecture, ("negative", "positive"),
                      examples, rows, random, seed)
        defence.prepare(setup)
    return setup


def made(setup, text, i=0):
    """A row made from the text of example i, by swaps."""
    coded = setup.tokens.encode(text)
    return Row(coded.ids, setup.rows[i].label, i, coded.owner, setup.rows[i])


def perturbed(setup, defence, text, i=0):
    """The rows that a defence makes of example i when its attack has found a text."""
    objective = defence.objective(setup)
    objective.load({"round": 1, "chosen": [i], "found": [[i, text]]})
    return objective._made()


def epochs(events):
    return [event for event in events if event["kind"] == "epoch"]


# --- Parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(DEFENCES))
def test_every_defence_describes_itself(name):
    cls = DEFENCES[name]
    assert cls.title and cls.source.startswith("https://") and cls.__doc__
    assert all(p.help for p in parameters(cls))
    for preset, values in cls.PRESETS.items():
        method = cls(**values)
        assert to_record(method) == {"name": name} | {
            p.name: p.default for p in parameters(cls) if not p.later} | values, preset


def test_parameters_have_limits():
    with pytest.raises(BadInput, match="attack must be one of"):
        DEFENCES["adversarial"](attack="nosuch")
    with pytest.raises(BadInput, match="beta must"):
        DEFENCES["flat"](beta=-1.0)


@pytest.mark.parametrize(("values", "rounds"), [
    ({"clean_epochs": 2, "rounds": 2, "round_epochs": 2}, [0, 0, 1, 1, 2, 2]),
    ({"clean_epochs": 0, "rounds": 1, "round_epochs": 3}, [1, 1, 1]),
    ({"clean_epochs": 3, "rounds": 0, "round_epochs": 3}, [0, 0, 0]),
])
def test_rounds_lie_where_they_should(values, rounds):
    defence = DEFENCES["adversarial"](**values)
    assert defence.fit(Recipe()).epochs == len(rounds)
    assert [find_round(defence, epoch + 1) for epoch in range(len(rounds))] == rounds


# --- Masks -----------------------------------------------------------------------------------------


def test_masks_are_zero_or_one_in_training_and_phi_afterwards():
    torch.manual_seed(0)
    masks, rows = WordMasks(6, MaskConfig(hidden=9)), torch.randn(50, 20, 6)
    mask = torch.ones(50, 20, dtype=torch.bool)
    drawn = masks.weights(rows, mask)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert drawn.mean().item() == pytest.approx(masks(rows).mean().item(), abs=0.06)
    drawn.sum().backward()
    assert masks.out.weight.grad.abs().sum() > 0, "a sample passes its gradient on"
    masks.eval()
    assert torch.equal(masks.weights(rows, mask), masks.weights(rows, mask))
    # The slow twin: softmax over the two outputs, the second is the probability of keeping the word.
    twin = masks.out(torch.tanh(masks.hidden(rows))).softmax(-1)[..., 1]
    assert torch.allclose(masks.weights(rows, mask), twin, atol=1e-6)


def test_special_tokens_are_kept_unless_wanted():
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    rows = torch.randn(2, 5, 4)
    for specials in (False, True):
        masks = WordMasks(4, MaskConfig(3, specials=specials, first=1, last=1)).eval()
        kept = masks.weights(rows, mask) == 1.0
        wanted = [[True, False, False, False, True], [True, False, True, False, False]]
        assert kept.tolist() == ([[False] * 5] * 2 if specials else wanted)


def test_entropy_alone_drives_masks_to_one_half():
    torch.manual_seed(1)
    masks, rows = WordMasks(5, MaskConfig(hidden=16), keep=0.9), torch.randn(30, 5)
    optimiser = torch.optim.Adam(masks.parameters(), lr=0.02)
    assert masks(rows).mean() > 0.8
    for _ in range(300):
        phi = masks(rows)
        entropy = -(phi * phi.log() + (1 - phi) * (1 - phi).log()).mean()
        optimiser.zero_grad()
        (-entropy).backward()
        optimiser.step()
    assert (masks(rows) - 0.5).abs().max() < 0.02 and entropy.item() == pytest.approx(math.log(2), abs=1e-3)


def test_the_entropy_of_an_objective_is_maximised(data):
    setup = setup_of(data, DEFENCES["flat"](beta=1.0, keep=0.9))
    objective = DEFENCES["flat"](beta=1.0, keep=0.9).objective(setup)
    objective.cross_entropy = lambda batch: torch.zeros((), requires_grad=True) * 1.0
    optimiser = torch.optim.Adam(setup.network.masks.parameters(), lr=1e-3)
    batch = batches.make_batch(setup.rows, setup.tokens, CPU)
    for _ in range(200):
        optimiser.zero_grad()
        terms = objective.gradients(batch)
        optimiser.step()
    assert terms["phi"].item() == pytest.approx(0.5, abs=0.01)
    assert terms["entropy"].item() == pytest.approx(math.log(2), abs=1e-3)
    assert terms["loss"].item() == pytest.approx(-math.log(2), abs=1e-3)


@pytest.mark.parametrize(("beta", "gamma"), [(0.3, 0.7), (0.0, 0.7), (0.3, 0.0)])
def test_the_loss_is_its_terms_with_their_weights(data, beta, gamma):
    defence = DEFENCES["flat"](beta=beta, gamma=gamma)
    setup = setup_of(data, defence)
    setup.network.eval()
    masks, text = setup.network.masks, setup.examples[0].text.split()
    other = made(setup, " ".join([*text[:-1], GOOD[0] if text[-1] != GOOD[0] else BAD[0]]))
    batch = batches.make_batch([other, *setup.rows[1:4]], setup.tokens, CPU)
    objective = defence.objective(setup)
    terms = objective.gradients(batch)
    found = {name: p.grad.clone() for name, p in masks.named_parameters()}
    assert terms["entropy"] > 0 and terms["importance_gap"] > 0
    assert terms["loss"].item() == pytest.approx(
        (terms["cross_entropy"] - beta * terms["entropy"] + gamma * terms["importance_gap"]).item())
    phi = setup.network.importance(setup.network.embedding(batch.ids))[batch.mask]
    entropy = -(phi * phi.log() + (1 - phi) * (1 - phi).log()).mean()
    loss = objective.cross_entropy(batch) - beta * entropy + gamma * objective.importance_gap(batch)
    for name, slope in zip(found, torch.autograd.grad(loss, list(masks.parameters())), strict=True):
        assert torch.allclose(found[name], slope, atol=1e-6), name


# --- The importance gap ----------------------------------------------------------------------------


def test_the_importance_gap_is_zero_for_equal_texts_and_has_a_gradient_else(data):
    defence = DEFENCES["flat"]()
    setup = setup_of(data, defence)
    objective, text = defence.objective(setup), setup.examples[0].text
    setup.network.train()
    same = batches.make_batch([made(setup, text)], setup.tokens, CPU)
    assert objective.importance_gap(same).item() == 0.0
    words = text.split()
    other = GOOD[0] if words[-1] != GOOD[0] else BAD[0]
    batch = batches.make_batch([made(setup, " ".join([*words[:-1], other])), setup.rows[1]], setup.tokens, CPU)
    gap = objective.importance_gap(batch)
    gap.backward()
    assert setup.network.masks.hidden.weight.grad.abs().sum() > 0
    judge = TextClassifier("x", setup.labels, copy.deepcopy(setup.network), setup.tokens, CPU)
    hidden = batch._replace(ids=batch.ids.masked_fill(batch.mask, 1))
    assert objective.importance_gap(hidden).item() == gap.item(), "hiding words is no attack"
    old, new = judge.word_importance([words[-1], other])
    assert gap.item() == pytest.approx(abs(old - new), rel=1e-4), "one replaced word of one adversarial row"
    diluted = dataclasses.replace(defence, mean_of_all_rows=True).objective(setup).importance_gap(batch)
    assert diluted.item() == pytest.approx(gap.item() / 2)


def test_words_of_several_pieces_count_as_their_most_important():
    mine, theirs = torch.tensor([[0.9, 0.2, 0.6, 0.3]]), torch.tensor([[0.9, 0.5, 0.1, 0.0]])
    pair = Pair(theirs, theirs > -1, torch.tensor([[-1, 0, 1, 2]]), torch.tensor([[-1, 0, 0, 1]]),
                torch.tensor([True]), torch.zeros(1, 4, dtype=torch.int64))
    # Word 0: max(0.2, 0.6) against 0.5; word 1: 0.3 against 0.1; word 2 is lacking on one side.
    assert measure_word_gaps(mine, theirs, pair).tolist() == pytest.approx([0.1 + 0.2])


SWAPS = ("textfooler", "pwws", "bae", "gene", "iga", "pso", "faster-alzantot", "a2t", "hotflip", "hard-label")
OTHERS = ("clare", "textbugger", "deepwordbug", "checklist", "bert-attack", "pruthi")


@pytest.mark.parametrize("attack", OTHERS)
@pytest.mark.parametrize(("kind", "text"), [
    ("inserted", "the lovely film was good"), ("deleted", "film was good"), ("split", "the fi lm was good")])
def test_words_without_a_partner_count_in_no_gap(data, attack, kind, text):
    """By position every word behind an inserted one stands beside another word."""
    defence = DEFENCES["flat"](attack=attack)
    setup = setup_of(data, defence)
    setup.network.eval()
    assert setup.examples[0].text == "the film was good"
    batch = batches.make_batch(perturbed(setup, defence, text), setup.tokens, CPU)
    gap = defence.objective(setup).importance_gap(batch).item()
    judge = TextClassifier("x", setup.labels, copy.deepcopy(setup.network), setup.tokens, CPU)
    old, new = judge.word_importance(["film", "lm"])
    # Of the halves of a split word one is its partner: words behind it follow it.
    assert gap == pytest.approx(abs(old - new) if kind == "split" else 0.0, abs=1e-6)


@pytest.mark.parametrize("attack", OTHERS)
def test_a_swap_beside_an_insertion_is_found(data, attack):
    defence = DEFENCES["flat"](attack=attack)
    setup = setup_of(data, defence)
    setup.network.eval()
    batch = batches.make_batch(perturbed(setup, defence, "indeed the story was good"), setup.tokens, CPU)
    judge = TextClassifier("x", setup.labels, copy.deepcopy(setup.network), setup.tokens, CPU)
    old, new = judge.word_importance(["film", "story"])
    assert old != new and defence.objective(setup).importance_gap(batch).item() == pytest.approx(
        abs(old - new), abs=1e-6)


@given(st.lists(st.tuples(*[st.sampled_from("abcde")] * 2), min_size=1, max_size=12), st.sampled_from(SWAPS))
def test_words_that_were_swapped_stay_in_their_places(pairs, attack):
    """Also where moving words would take fewer edits: "a b c" to "b c d" by three swaps is no deletion."""
    before, after = (" ".join(words) for words in zip(*pairs, strict=True))
    assert find_partners(ATTACKS[attack](), before, after) == list(range(len(pairs)))


def test_only_attacks_that_swap_say_so():
    assert [name for name, attack in ATTACKS.items() if attack.swaps_only] == [n for n in ATTACKS if n in SWAPS]


@pytest.mark.parametrize("architecture", ["cnn", "lstm"])
def test_against_swaps_flat_learns_what_it_did_by_position(data, architecture, monkeypatch):
    defence = DEFENCES["flat"](gamma=0.5, **SHORT)
    one = learn(data, defence, architecture)
    assert any(e["terms"]["importance_gap"] > 0 for e in epochs(one))
    monkeypatch.setattr(adversarial, "find_partners", lambda attack, before, after: list(range(len(after.split()) + 9)))
    two = learn(data, defence, architecture)
    assert [e["terms"] for e in epochs(one)] == [e["terms"] for e in epochs(two)]
    mine, theirs = one[-1]["trained"].network.state_dict(), two[-1]["trained"].network.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("specials", [False, True])
def test_the_entropy_of_a_transformer_is_that_of_its_masked_tokens(data, specials):
    """[CLS] and [SEP] have no masks, and the paper's x are words: their entropy is nobody's."""
    defence = DEFENCES["flat"](mask_specials=specials)
    setup = setup_of(data, defence, architecture="minilm")
    setup.network.eval()
    batch = batches.make_batch(setup.rows[:6], setup.tokens, CPU)
    terms = defence.objective(setup).gradients(batch)
    phi = setup.network.importance(setup.network.embedding(batch.ids)).detach()
    each = -(phi * phi.log() + (1 - phi) * (1 - phi).log())
    counted = batch.mask.clone()
    if not specials:
        special = torch.tensor([*setup.tokens.prefix, *setup.tokens.suffix])
        counted &= ~torch.isin(batch.ids, special)
        assert counted.sum() == batch.mask.sum() - 2 * len(batch.ids)
    assert terms["entropy"].item() == pytest.approx(each[counted].mean().item(), abs=1e-6)
    assert terms["phi"].item() == pytest.approx(phi[counted].mean().item(), abs=1e-6)
    assert each[counted].mean().item() != pytest.approx(each[batch.mask].mean().item(), abs=1e-5) or specials


# --- Limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["cnn", "lstm"])
def test_flat_with_open_masks_and_no_weights_is_adversarial_training(data, architecture, monkeypatch):
    plain = learn(data, DEFENCES["adversarial"](**SHORT), architecture)
    real = WordMasks.__init__

    def open_masks(self, *args):
        real(self, *args)
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor([-200.0, 200.0]))

    monkeypatch.setattr(WordMasks, "__init__", open_masks)
    flat = learn(data, DEFENCES["flat"](beta=0.0, gamma=0.0, **SHORT), architecture)
    one, two = plain[-1]["trained"].network.state_dict(), flat[-1]["trained"].network.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert [e["terms"]["cross_entropy"] for e in epochs(flat)] == [e["loss"] for e in epochs(plain)]
    assert [e["dev_accuracy"] for e in epochs(flat)] == [e["dev_accuracy"] for e in epochs(plain)]
    assert epochs(plain)[1]["rows"] > 40, "adversarial rows were trained on"


def test_no_rounds_is_plain_training(data):
    alone = DEFENCES["adversarial"](rounds=0, clean_epochs=2)
    one = learn(data, alone)[-1]["trained"].network.state_dict()
    two = learn(data, DEFENCES["base"](), epochs=2)[-1]["trained"].network.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_double_softmax_has_its_floor(data):
    defence = DEFENCES["adversarial"](double_softmax=True, **SHORT)
    setup = setup_of(data, defence)
    objective = defence.objective(setup)
    setup.network.forward = lambda rows, mask: torch.tensor([[100.0, -100.0]]).repeat(len(rows), 1)
    batch = batches.make_batch(setup.rows[:1], setup.tokens, CPU)._replace(labels=torch.tensor([0]))
    assert objective.cross_entropy(batch).item() == pytest.approx(0.3133, abs=1e-4)


# --- Rounds ----------------------------------------------------------------------------------------


def test_rows_are_the_clean_ones_and_those_of_the_newest_round(data):
    defence = DEFENCES["flat"](rounds=2, clean_epochs=1, round_epochs=1, attacked=8, texts="all")
    events = learn(data, defence)
    attacks = [e for e in events if e["kind"] == "attack" and e["done"] == e["total"]]
    assert [(e["round"], e["rounds"], e["total"], e["epoch"]) for e in attacks] == [(1, 2, 8, 2), (2, 2, 8, 3)]
    assert [e["rows"] for e in epochs(events)] == [40, 48, 48], "rounds do not pile up"
    assert [e["counts"] for e in epochs(events)] == [False, True, True]
    card = events[-1]["trained"].card
    assert card.id == "sst2/cnn/flat-textfooler" and card.epochs in (2, 3) and card.defence == to_record(defence)
    assert {"loss", "cross_entropy", "entropy", "importance_gap", "phi"} == set(epochs(events)[1]["terms"])


def test_the_schedule_ends_where_it_should_when_the_rows_grow(data):
    values = {"attacked": 40, "texts": "all", "rounds": 1, "clean_epochs": 1, "round_epochs": 1}
    last = {}
    for fixed in (False, True):
        defence = DEFENCES["adversarial"](fixed_schedule=fixed, **values)
        setup = setup_of(data, defence)
        setup.recipe = dataclasses.replace(defence.fit(setup.recipe), decay="linear")
        run = loop.Loop(setup, defence.objective(setup), setup.rows, {}, None, 500)
        rates = []
        real = run._rate
        run._rate = lambda steps, real=real, rates=rates: rates.append(real(steps)) or rates[-1]
        list(run.run())
        assert len(rates) == 5 + 10
        last[fixed] = rates
    assert last[False] == pytest.approx([1 - i / 10 for i in range(5)] + [0.5 - i / 20 for i in range(10)])
    assert last[True][-5:] == [0.0] * 5, "planned for the clean rows alone, the rate is gone half-way"


# --- The finished model ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flat(data):
    return {name: learn(data, DEFENCES["flat"](**SHORT), name)[-1]["trained"] for name in ("cnn", "lstm")}


@pytest.mark.parametrize("architecture", ["cnn", "lstm"])
def test_a_masked_model_is_stored_and_comes_back(flat, architecture, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    saving.save(flat[architecture], tmp_path)
    loaded = loading.load(f"sst2/{architecture}/flat-textfooler", "cpu")
    texts = [f"the film was {word}" for word in GOOD + BAD]
    network = copy.deepcopy(flat[architecture].network)
    original = TextClassifier("x", loaded.labels, network, loaded.tokens, CPU)
    assert loaded.predict_proba(texts) == pytest.approx(original.predict_proba(texts), abs=5e-3)
    # The fast way through ids, the way of explanations through embeddings, and one text alone agree.
    encoded = loaded.embed(texts)
    assert loaded.logits(encoded.embeddings, encoded.mask).softmax(-1).numpy() == pytest.approx(
        loaded.predict_proba(texts), abs=1e-5)
    assert loaded.predict_proba(texts[:1]) == pytest.approx(loaded.predict_proba(texts)[:1], abs=1e-5)
    phi = loaded.word_importance([*GOOD, "zorp", "…"])
    assert phi.shape == (len(GOOD) + 2,) and ((phi > 0) & (phi < 1)).all() and len(set(phi.tolist())) > 2
    if architecture != "lstm" or COMPUTES_BF16:
        assert loaded.noise().absolute < 0.05


def test_the_words_of_the_base_model_are_shared_and_stay(data, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    base = saving.save(learn(data, DEFENCES["base"](), epochs=2)[-1]["trained"], tmp_path)
    trained = learn(data, DEFENCES["flat"](**SHORT))[-1]["trained"]
    assert trained.card.config["start"] == base.id
    card = saving.save(trained, tmp_path)
    assert card.files["../embedding.safetensors"] == base.files["../embedding.safetensors"]
    cards.check_files(base)
    other = saving.save(learn(data, DEFENCES["base"](), seed=1, epochs=2)[-1]["trained"], tmp_path)
    assert "embedding.safetensors" in other.files, "another table than the neighbours' lies in its own folder"
    for name in ("base", "base@1", "flat-textfooler"):
        loading.load(f"sst2/cnn/{name}", "cpu")


def test_groups_of_words_share_a_factor(data, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    defence = DEFENCES["flat"](**(DEFENCES["flat"].PRESETS["group-masks"] | {"groups": 3, "clean_epochs": 2}))
    trained = learn(data, defence, learning_rate=1e-2)[-1]["trained"]
    table = trained.network.embedding
    assert table.scale.shape == (3,) and (table.scale != 1).any() and set(table.group.unique().tolist()) == {0, 1, 2}
    saving.save(trained, tmp_path)
    loaded = loading.load("sst2/cnn/flat-groups3", "cpu")
    original = TextClassifier("x", loaded.labels, trained.network, trained.tokens, CPU)
    assert loaded.predict_proba(["a lovely end"]) == pytest.approx(original.predict_proba(["a lovely end"]), abs=5e-3)


def test_as_released_clips_nothing_and_disturbs_the_gap(data):
    released = DEFENCES["flat"](**DEFENCES["flat"].PRESETS["as-released"])
    setup = setup_of(data, released, architecture="lstm")
    assert setup.recipe.clip > 0
    objective, text = released.objective(setup), setup.examples[0].text
    assert setup.recipe.clip == 0 and setup_of(data, released, architecture="minilm").recipe.clip > 0
    setup.network.train()
    same = batches.make_batch([made(setup, text)], setup.tokens, CPU)
    assert objective.importance_gap(same).item() > 0, "the same text under two draws of dropout"


def test_a_transformer_s_masks_see_words_in_their_own_unit(data):
    masks = setup_of(data, DEFENCES["flat"](), architecture="minilm").network.masks
    table = setup_of(data, DEFENCES["flat"](), architecture="minilm").network.embedding.weight
    assert masks.config.unit == pytest.approx(table.square().mean().sqrt().item())
    with torch.no_grad():
        seen = table[1000:1200]
        assert masks.odds(seen).std() > 5 * masks.odds(seen * masks.config.unit).std()
    assert setup_of(data, DEFENCES["flat"]()).network.masks.config.unit == 1.0
