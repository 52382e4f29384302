"""FreeLB, CARL and RAR on tiny networks: their limits are simpler methods, their formulas have slow twins."""

import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from robust_core import perturb, trainings
from robust_core.defences import DEFENCES, carl
from robust_core.defences.base import Base
from robust_core.defences.carl import CARL, Bank
from robust_core.defences.freelb import FreeLB
from robust_core.defences.rar import RAR
from robust_core.errors import BadInput, Incompatible
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.base import Network
from robust_core.models.networks.bert import Bert
from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM
from robust_core.models.networks.transformer import EncoderClassifier, HuggingFaceClassifier
from robust_core.models.tokens import WordVocabulary
from robust_core.train import batches
from robust_core.train.recipe import Recipe
from robust_core.train.setup import Randomness, Row, Setup
from robust_core.types import Example

torch.set_num_threads(1)
WORDS = tuple("abcdefghij")
CPU = torch.device("cpu")
LABELS = ("negative", "positive")


def tiny(kind: str, dropout: float = 0.3, seed: int = 0) -> Network:
    """A small network of an architecture over twelve rows."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "cnn":
            return WordCNN(12, 2, width=6, kernels=5, dropout=dropout, embedding_dropout=dropout)
        if kind == "lstm":
            return WordLSTM(12, 2, width=6, hidden=7, dropout=dropout, embedding_dropout=dropout)
        config = {"model_type": "bert", "hidden_act": "gelu", "hidden_size": 8, "num_attention_heads": 2,
                  "num_hidden_layers": 2, "intermediate_size": 16, "vocab_size": 12, "max_position_embeddings": 16,
                  "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_dropout_prob": dropout,
                  "attention_probs_dropout_prob": dropout}
        return EncoderClassifier(Bert(config), 2, dropout).train()


def setup_of(kind: str = "minilm", count: int = 20, dropout: float = 0.3, **recipe) -> Setup:
    """A training of `count` random rows, before its first step."""
    rng = np.random.default_rng(5)
    rows = [Row(tuple(rng.integers(2, 12, rng.integers(1, 7)).tolist()), int(i % 3 == 0), i) for i in range(count)]
    recipe = Recipe(**({"epochs": 4, "batch_size": 8, "mixed": False, "learning_rate": 0.01} | recipe))
    examples = [Example("x", row.label, str(row.number)) for row in rows]
    return Setup(tiny(kind, dropout), WordVocabulary(WORDS, 16), recipe, CPU, "sst2", kind, LABELS, examples, rows,
                 Randomness(0, CPU))


def run(defence, kind: str = "minilm", epochs: int = 1, count: int = 20, dropout: float = 0.3, **recipe):
    """Train for some epochs with plain SGD; returns the objective, the terms of each batch and the trained setup."""
    setup = setup_of(kind, count, dropout, **recipe)
    with setup.random.first:
        defence.prepare(setup)
    objective = defence.objective(setup)
    learnt = [p for p in setup.network.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(learnt, lr=0.05)
    terms, events = [], []
    for epoch in range(1, epochs + 1):
        making = objective.rows(epoch)
        try:
            while True:
                events.append(next(making))
        except StopIteration as done:
            rows = done.value
        for chosen in batches.shuffle([row.ids for row in rows], setup.recipe.batch_size, setup.random.order):
            optimiser.zero_grad()
            with setup.random.dropout:
                terms.append(objective.gradients(batches.make_batch([rows[i] for i in chosen], setup.tokens, CPU)))
            optimiser.step()
    return objective, terms, events


def weights(objective) -> dict[str, torch.Tensor]:
    """All tensors of the trained network but those of the reconstruction head."""
    return {k: v for k, v in objective.setup.network.state_dict().items() if not k.startswith("reconstruction.")}


def same(a, b) -> bool:
    """Whether two objectives ended at the same weights, bit for bit."""
    one, two = weights(a), weights(b)
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def gradients(defence, kind: str = "minilm", dropout: float = 0.0) -> dict[str, torch.Tensor]:
    """The gradients that one batch leaves."""
    setup = setup_of(kind, 8, dropout)
    with setup.random.first:
        defence.prepare(setup)
    objective = defence.objective(setup)
    with setup.random.dropout:
        objective.gradients(batches.make_batch(setup.rows, setup.tokens, CPU))
    return {name: p.grad for name, p in setup.network.named_parameters() if p.grad is not None}


# --- FreeLB ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cnn", "lstm", "minilm"])
def test_one_pass_from_the_embeddings_is_plain_training(kind):
    plain, free = run(Base(), kind, 2)[0], run(FreeLB(start=0.0, passes=1, step=5.0), kind, 2)[0]
    assert same(plain, free)
    assert not same(plain, run(FreeLB(start=0.0, passes=2, step=5.0), kind, 2)[0])
    assert not same(plain, run(FreeLB(start=0.5, passes=1), kind, 2)[0])


@pytest.mark.parametrize("kind", ["cnn", "lstm", "minilm"])
def test_passes_without_a_step_are_the_clean_gradient(kind):
    plain = gradients(Base(), kind)
    for dropout in (0.0, 0.3):
        plain, free = gradients(Base(), kind, dropout), gradients(FreeLB(start=0.0, passes=3, step=0.0), kind, dropout)
        assert plain.keys() == free.keys()
        for name in plain:
            assert torch.allclose(plain[name], free[name], atol=1e-6), f"{name}: passes have other dropout masks"


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_n_backward_passes_n_less_one_steps_uphill_and_no_parameter_moves(passes, monkeypatch):
    counts = {"descend": 0, "climbed": 0}
    descend, climbed = perturb.descend, perturb.Ascent.climbed

    def counting(name, function):
        def inner(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)
        return inner

    monkeypatch.setattr(perturb, "descend", counting("descend", descend))
    monkeypatch.setattr(perturb.Ascent, "climbed", counting("climbed", climbed))
    setup = setup_of(count=8)
    before = copy.deepcopy(setup.network.state_dict())
    FreeLB(passes=passes).objective(setup).gradients(batches.make_batch(setup.rows, setup.tokens, CPU))
    assert counts == {"descend": passes, "climbed": passes - 1}
    assert all(torch.equal(before[name], value) for name, value in setup.network.state_dict().items())


def test_freelb_is_the_mean_over_its_passes():
    """The released algorithm again, step by step, with autograd's own gradients."""
    defence, setup = FreeLB(start=0.0, step=0.7, passes=3, radius=1.0), setup_of("minilm", 8, 0.0)
    objective, batch = defence.objective(setup), batches.make_batch(setup.rows, setup.tokens, CPU)
    terms = objective.gradients(batch)
    network, found = setup.network, {n: p.grad.clone() for n, p in setup.network.named_parameters()
                                     if p.grad is not None}
    network.zero_grad()
    delta, total = torch.zeros(*batch.ids.shape, 8), 0.0
    for _ in range(3):
        delta = delta.detach().requires_grad_()
        loss = nn.functional.cross_entropy(network(network.embedding(batch.ids) + delta, batch.mask), batch.labels)
        (loss / 3).backward()
        total += loss.item() / 3
        moved = []
        for one, slope in zip(delta.detach(), delta.grad, strict=True):
            one = one + 0.7 * objective.unit * slope / slope.norm()
            moved.append(one * min(1.0, float(objective.unit / one.norm())))
        delta = torch.stack(moved)
    assert terms["loss"].item() == pytest.approx(total, rel=1e-5)
    for name, p in network.named_parameters():
        if name in found:
            assert torch.allclose(found[name], p.grad, atol=1e-6), name


def test_sizes_are_multiples_of_the_mean_norm_and_the_card_says_so():
    setup = setup_of()
    objective = FreeLB(start=0.5, step=0.2, radius=2.0).objective(setup)
    unit = setup.network.embedding.weight[1:].norm(dim=1).mean().item()
    assert objective.notes() == {"unit": pytest.approx(unit)}
    assert dataclasses.astuple(objective.ascent)[:3] == pytest.approx((0.2 * unit, 2 * unit, 0.5 * unit))


def test_a_training_takes_the_papers_setting_for_its_data_set():
    found = trainings.parse_spec(
        {"dataset": "ag_news", "architecture": "minilm", "defence": "carl", "set": {"passes": 2}}
    )
    assert found.defence == dataclasses.replace(CARL.paper("ag_news"), passes=2)
    assert trainings.parse_spec({"dataset": "trec", "architecture": "cnn", "defence": "freelb"}).defence == FreeLB()


def test_the_papers_settings():
    assert FreeLB() == FreeLB.paper("sst2") == FreeLB.paper("trec") == FreeLB(0.6, 0.1, 0.0, 2)
    assert FreeLB.paper("ag_news") == FreeLB(0.0, 0.01, 0.0, 3)
    assert CARL.paper("sst2").after == CARL.paper("trec").after == 3.0 and CARL.paper("ag_news").after == 2.07
    assert (CARL().negatives, CARL().temperature, CARL().momentum) == (16_000, 0.07, 0.5)
    assert CARL.paper("yelp_polarity").negatives == 20_000 and RAR().weight == 0.1
    for name in ("carl", "rar"):
        for dataset in FreeLB.BY_DATASET:
            mine, theirs = DEFENCES[name].paper(dataset), FreeLB.paper(dataset)
            assert (mine.start, mine.step, mine.radius, mine.passes) == dataclasses.astuple(theirs)[:4]


# --- CARL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "passes"), [(0.0, 2), (0.5, 2), (0.0, 1)])
def test_carl_is_freelb_until_its_loss_begins(start, passes):
    free = run(FreeLB(start=start, passes=passes), epochs=2)[0]
    objective, terms, events = run(CARL(start=start, passes=passes, after=2.0), epochs=2)
    assert same(free, objective) and not events and objective.log_z == {}
    assert all(t["contrastive"] == 0 and t["loss"] == t["classification"] for t in terms)
    assert all(bank.written.all() for bank in objective.banks.values())
    longer, terms, events = run(CARL(start=start, passes=passes, after=2.0), epochs=3)
    assert not same(run(FreeLB(start=start, passes=passes), epochs=3)[0], longer)
    assert [t["contrastive"] > 0 for t in terms] == [False] * 6 + [True] * 3
    assert terms[6]["loss"].item() == pytest.approx((terms[6]["classification"] + terms[6]["contrastive"]).item())
    assert events == [{"kind": "contrastive", "step": 6, "epoch": 3, "negatives": 7}]
    assert [longer.counts(epoch) for epoch in (1, 2, 3)] == [False, False, True]


def test_fractional_epochs_fill_the_banks_first():
    objective, terms, events = run(CARL(after=2.4), epochs=3)
    assert objective.begins == round(2.4 * 3) == 7 and objective.fills == 3 and events[0]["step"] == 7
    assert [bool(t["contrastive"]) for t in terms] == [False] * 7 + [True] * 2
    assert objective.counts(3) and not objective.counts(2)


def test_the_contrastive_gradient_goes_through_both_views():
    for start in (0.0, 0.5):
        objective = run(CARL(start=start, after=2.0), epochs=2, dropout=0.0)[0]
        rows = objective.setup.rows[:8]
        batch = batches.make_batch(rows, objective.setup.tokens, CPU)
        seen = {}
        inner = objective.contrast

        def spy(found, batch, seen=seen, inner=inner):
            for name, vectors in found.items():
                vectors.retain_grad()
                seen[name] = vectors
            return inner(found, batch)

        objective.contrast = spy
        objective.setup.network.zero_grad()
        objective.gradients(batch)
        assert all(seen[name].grad is None or seen[name].grad.abs().sum() > 0 for name in seen)
        assert set(seen) == {"original", "adversarial"} and all(v.requires_grad for v in seen.values())
        assert not any(bank.rows.requires_grad for bank in objective.banks.values())


def test_a_training_that_ends_too_early_says_so():
    with pytest.raises(BadInput, match="begins after 3 epochs, but this training ends after 3: train for at least 4"):
        CARL().objective(setup_of(epochs=3))
    with pytest.raises(BadInput, match="begins after 2.07 epochs, but this training ends after 2: .* at least 3"):
        CARL(after=2.07).objective(setup_of(epochs=2))
    setup = setup_of()
    setup.rows = [row._replace(label=1) for row in setup.rows]
    with pytest.raises(BadInput, match="all training texts share one label"):
        CARL().objective(setup)
    with pytest.raises(Incompatible, match="in transformers only"):
        CARL(representation="first").objective(setup_of("cnn"))


vectors_of = st.integers(0, 10_000).map(lambda s: torch.randn(6, 5, generator=torch.Generator().manual_seed(s)))


@given(vectors_of, vectors_of)
@settings(max_examples=20, deadline=None)
def test_bank_invariants(first, second):
    index = torch.tensor([4, 0, 7])
    bank = Bank(8, 5, CPU)
    bank.write(torch.arange(8), torch.cat([first, second])[:8])
    before = bank.rows.clone()
    bank.write(index, second[:3].requires_grad_(), keep=1.0)
    assert torch.allclose(bank.rows, before, atol=1e-6), "all momentum: nothing changes"
    bank.write(index, second[:3], keep=0.0)
    assert torch.allclose(bank.rows[index], nn.functional.normalize(second[:3]), atol=1e-6)
    others = [i for i in range(8) if i not in index.tolist()]
    assert torch.equal(bank.rows[others], before[others]), "other rows stay"
    bank.write(index, first[:3], keep=0.5)
    wanted = (nn.functional.normalize(second[:3]) + nn.functional.normalize(first[:3])) / 2
    assert torch.allclose(bank.rows[index], nn.functional.normalize(wanted), atol=1e-5)
    assert torch.allclose(bank.rows.norm(dim=1), torch.ones(8), atol=1e-5) and not bank.rows.requires_grad


@given(st.integers(0, 1000), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_negatives_have_other_labels_and_as_many_as_there_are(seed, count):
    setup = setup_of()
    objective = CARL(negatives=count).objective(setup)
    setup.random.choice = np.random.default_rng(seed)
    chosen = np.random.default_rng(seed).permutation(20)[:6]
    batch = batches.make_batch([setup.rows[i] for i in chosen], setup.tokens, CPU)
    covered = []
    for group in objective._groups(batch):
        label = batch.labels[group.rows].unique().item()
        others = [row.label != label for row in setup.rows]
        assert all(others[i] for i in group.negatives.tolist())
        assert len(group.negatives) == len(set(group.negatives.tolist())) == min(count, sum(others))
        covered += group.rows.tolist()
    assert sorted(covered) == list(range(6))


def slow_nce(anchors, positives, bank, negatives, log_z, temperature) -> float:
    """The sum of the losses of anchors in plain numbers; without log_z it is worked out from these scores."""
    size = len(bank)
    every = [[sum(a * b for a, b in zip(x, y, strict=True)) / temperature
              for y in [p, *(bank[j] for j in own)]] for x, p, own in zip(anchors, positives, negatives, strict=True)]
    if log_z is None:
        flat = [math.exp(s) for row in every for s in row]
        log_z = math.log(sum(flat) / len(flat) * size)
    total = 0.0
    for row in every:
        m = len(row) - 1
        p = [math.exp(s) / math.exp(log_z) for s in row]
        total -= math.log(p[0] / (p[0] + m / size + 1e-7))
        total -= sum(math.log((m / size) / (q + m / size + 1e-7)) for q in p[1:])
    return total


@given(st.integers(0, 10_000), st.sampled_from([0.07, 0.5, 2.0]))
@settings(max_examples=25, deadline=None)
def test_the_contrastive_loss_is_its_slow_twin(seed, temperature):
    setup = setup_of()
    objective = CARL(temperature=temperature).objective(setup)
    generator = torch.Generator().manual_seed(seed)
    batch = batches.make_batch(setup.rows[:5], setup.tokens, CPU)
    found = {name: torch.randn(5, 4, generator=generator) * 3 for name in ("original", "adversarial")}
    for name in found:
        objective.banks[name] = Bank(20, 4, CPU)
        objective.banks[name].write(torch.arange(20), torch.randn(20, 4, generator=generator))
    loss = objective.contrast(found, batch)
    units = {n: nn.functional.normalize(v).double().tolist() for n, v in found.items()}
    banks = {n: b.rows.double().tolist() for n, b in objective.banks.items()}
    labels = [row.label for row in setup.rows]
    negatives = [[j for j in range(20) if labels[j] != labels[i]] for i in range(5)]
    wanted = sum(slow_nce(units[a], units[o], banks[o], negatives, None, temperature)
                 for a, o in (("adversarial", "original"), ("original", "adversarial"))) / 5
    assert loss.item() == pytest.approx(wanted, rel=1e-4)
    first = dict(objective.log_z)
    objective.contrast({n: v.flip(0) for n, v in found.items()}, batch)
    assert objective.log_z == first, "the normaliser is set once"


@pytest.mark.parametrize(("m", "size", "known"), [(16_000, 67_349, 10.68), (20_000, 60_000, 10.90), (3, 10, None)])
def test_equal_scores_have_a_closed_form(m, size, known):
    flat = torch.zeros(2, dtype=torch.float64), torch.zeros(2, m, dtype=torch.float64)
    loss = carl.noise_contrastive_loss(*flat, carl.estimate_log_normaliser([flat], size), size)
    assert carl.estimate_log_normaliser([flat], size) == pytest.approx(math.log(size))
    assert loss.tolist() == pytest.approx([math.log(m + 1) + m * math.log1p(1 / m)] * 2, rel=1e-2)
    if known:
        assert loss[0].item() == pytest.approx(known, abs=0.02)
    better = carl.noise_contrastive_loss(flat[0] + 1, flat[1], math.log(size), size)
    worse = carl.noise_contrastive_loss(flat[0], flat[1] + 1, math.log(size), size)
    assert (better < loss).all() and (worse > loss).all()


def test_a_positive_from_the_bank_is_another_loss():
    assert not same(run(CARL(after=1.0), epochs=2)[0], run(CARL(after=1.0, positive="bank"), epochs=2)[0])
    assert not same(run(CARL(after=1.0), epochs=2)[0], run(CARL(after=1.0, representation="first"), epochs=2)[0])


def test_a_resumed_carl_goes_on_as_if_nothing_had_happened():
    objective = run(CARL(after=1.0, negatives=4), epochs=2)[0]
    other = CARL(after=1.0, negatives=4).objective(objective.setup)
    other.load(copy.deepcopy(objective.state()))
    setup = objective.setup
    batch, state = batches.make_batch(setup.rows[:8], setup.tokens, CPU), setup.random.state()
    found = []
    for one in (objective, other):
        one.setup.random.load(copy.deepcopy(state))
        one.setup.network.zero_grad()
        with one.setup.random.dropout:
            found.append(one.gradients(batch))
    assert found[0] == found[1] and objective.step == other.step
    assert all(torch.equal(objective.banks[n].rows, other.banks[n].rows) for n in objective.banks)


def test_banks_follow_with_momentum_once_they_are_full():
    def banks(momentum, epochs):
        objective = run(CARL(after=2.0, momentum=momentum), epochs=epochs)[0]
        return {name: bank.rows for name, bank in objective.banks.items()}

    full = banks(0.5, 2)
    for momentum in (0.0, 1.0):
        found = banks(momentum, 2)
        assert all(torch.equal(found[name], full[name]) for name in full), "what fills a bank replaces what was there"
    stays, moves = banks(1.0, 3), banks(0.0, 3)
    for name in full:
        assert torch.allclose(stays[name], full[name], atol=1e-6)
        assert not torch.allclose(moves[name], full[name], atol=1e-3)


# --- RAR ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lstm", "minilm"])
def test_rar_without_its_loss_is_freelb(kind):
    assert same(run(FreeLB(), kind, 2)[0], run(RAR(weight=0.0), kind, 2)[0])
    assert not same(run(FreeLB(), kind, 2)[0], run(RAR(), kind, 2)[0])


def test_the_perturbation_climbs_the_classification_loss_only(monkeypatch):
    seen = {}
    climbed = perturb.Ascent.climbed
    for weight in (0.0, 50.0):
        ways = seen.setdefault(weight, [])

        def spy(self, *args, ways=ways):
            ways.append(climbed(self, *args))
            return ways[-1]

        monkeypatch.setattr(perturb.Ascent, "climbed", spy)
        gradients(RAR(weight=weight, passes=4, step=1.0))
    assert len(seen[0.0]) == 3 and all(torch.equal(a, b) for a, b in zip(seen[0.0], seen[50.0], strict=True))


def test_the_reconstruction_loss_is_its_slow_twin():
    setup = setup_of(count=4, dropout=0.0)
    defence = RAR(start=0.0, passes=1, weight=0.25)
    with setup.random.first:
        defence.prepare(setup)
    batch = batches.make_batch(setup.rows, setup.tokens, CPU)
    terms = defence.objective(setup).gradients(batch)
    network, head = setup.network, setup.network.reconstruction
    with torch.no_grad():
        states = network.reading(network.embedding(batch.ids), batch.mask).states.double().numpy()
    table, total, count = network.embedding.weight.detach().double().numpy(), 0.0, 0
    dense, bias = head.dense.weight.detach().double().numpy(), head.dense.bias.detach().double().numpy()
    for i, row in enumerate(setup.rows):
        for j, token in enumerate(row.ids):
            x = dense @ states[i, j] + bias
            x = np.array([v * 0.5 * (1 + math.erf(v / 2 ** 0.5)) for v in x])
            x = (x - x.mean()) / math.sqrt(x.var() + 1e-12)
            scores = table @ x + head.bias.detach().double().numpy()
            total += math.log(sum(math.exp(s) for s in scores)) - scores[token]
            count += 1
    assert terms["reconstruction"].item() == pytest.approx(0.25 * total / count, rel=1e-4)
    assert terms["loss"].item() == pytest.approx((terms["classification"] + terms["reconstruction"]).item())


def test_the_clean_pass_can_be_left_out():
    setup = setup_of(count=4, dropout=0.0)
    for skip, calls in ((False, 3), (True, 2)):
        defence = RAR(start=0.0, passes=3, skip_clean=skip)
        with setup.random.first:
            defence.prepare(setup)
        objective, seen = defence.objective(setup), []
        inner = setup.network.reconstruct
        setup.network.reconstruct = lambda states, inner=inner, seen=seen: seen.append(1) or inner(states)
        objective.gradients(batches.make_batch(setup.rows, setup.tokens, CPU))
        del setup.network.reconstruct
        assert len(seen) == calls


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(("start", "passes"), [(0.0, 3), (0.0, 2), (0.0, 1), (0.5, 3)])
def test_the_reconstruction_weighs_the_same_with_and_without_the_clean_pass(skip, start, passes):
    """Passes that do not climb are alike: their mean is that of one, whichever of them count."""
    def learn(defence):
        setup = setup_of(count=8, dropout=0.0)
        with setup.random.first:
            defence.prepare(setup)
        terms = defence.objective(setup).gradients(batches.make_batch(setup.rows, setup.tokens, CPU))
        return terms, {name: p.grad for name, p in setup.network.named_parameters() if p.grad is not None}

    one, slopes = learn(RAR(start=start, step=0.0, passes=1, weight=0.3))
    terms, found = learn(RAR(start=start, step=0.0, passes=passes, weight=0.3, skip_clean=skip))
    assert terms["reconstruction"].item() == pytest.approx(one["reconstruction"].item(), rel=1e-5)
    assert terms["loss"].item() == pytest.approx(one["loss"].item(), rel=1e-5)
    assert found.keys() == slopes.keys()
    assert all(torch.allclose(found[name], slopes[name], atol=1e-6) for name in slopes)


def test_the_decoder_is_the_table_itself_and_cnns_have_no_states():
    for kind in ("lstm", "minilm"):
        network = tiny(kind)
        names = {name for name, _ in network.named_parameters()}
        network.add_reconstruction()
        added = {name for name, _ in network.named_parameters()} - names
        assert {name.removeprefix("reconstruction.") for name in added} == {
            "dense.weight", "dense.bias", "norm.weight", "norm.bias", "bias"}
        network.eval()
        states = torch.randn(1, 7 if kind == "lstm" else 8)
        before = network.reconstruct(states)
        with torch.no_grad():
            network.embedding.weight *= 2
        assert torch.allclose(network.reconstruct(states) - network.reconstruction.bias,
                              2 * (before - network.reconstruction.bias), atol=1e-5)
    with pytest.raises(Incompatible, match="RAR reads each token back from its hidden state"):
        RAR().prepare(setup_of("cnn"))


def test_rar_learns_to_read_and_says_what_it_reads():
    objective, terms, _ = run(RAR(weight=1.0, start=0.0, step=0.01), "lstm", epochs=150, dropout=0.0)
    assert terms[-1]["reconstruction"] < 0.7 * terms[0]["reconstruction"]
    model = TextClassifier("x", LABELS, objective.setup.network, objective.setup.tokens, CPU)
    encoded = model.embed(["a b c", "d"])
    texts = model.read_back(encoded.embeddings, encoded.mask)
    assert [len(text.split()) for text in texts] == [3, 1] and set(" ".join(texts).split()) <= {*WORDS, "<unk>"}
    plain = TextClassifier("plain", LABELS, tiny("lstm"), objective.setup.tokens, CPU)
    with pytest.raises(Incompatible, match="plain cannot read tokens back"):
        plain.read_back(encoded.embeddings, encoded.mask)


def test_the_parameter_counts_of_the_paper():
    from transformers import AlbertConfig, AlbertForSequenceClassification

    config = AlbertConfig(hidden_size=768, num_attention_heads=12, intermediate_size=3072, vocab_size=30000,
                          num_labels=2, classifier_dropout_prob=0.1, hidden_dropout_prob=0.0,
                          attention_probs_dropout_prob=0.0)
    network = HuggingFaceClassifier(AlbertForSequenceClassification(config)).eval()
    assert sum(p.numel() for p in network.parameters()) == 11_685_122
    network.add_reconstruction()
    assert sum(p.numel() for p in network.parameters()) == 11_813_810
    assert network.reconstruction.approximate == "tanh"
    ids, mask = torch.tensor([[2, 40, 50, 3]]), torch.ones(1, 4, dtype=torch.bool)
    with torch.no_grad():
        rows = network.embedding(ids)
        reading = network.reading(rows, mask)
        assert torch.allclose(reading.logits, network(rows, mask), atol=1e-6)
        assert reading.representation.shape == (1, 768) and reading.representation.abs().max() <= 1
        assert network.reconstruct(reading.states).shape == (1, 4, 30000)


@pytest.mark.parametrize("kind", ["cnn", "lstm", "minilm"])
def test_a_reading_is_what_the_network_says(kind):
    network = tiny(kind).eval()
    batch = batches.make_batch(setup_of().rows, WordVocabulary(WORDS, 16), CPU)
    with torch.no_grad():
        rows = network.embedding(batch.ids)
        reading = network.reading(rows, batch.mask)
        assert torch.equal(reading.logits, network(rows, batch.mask))
        assert torch.equal(reading.representation, network.represent(rows, batch.mask))
    assert (reading.states is None) == (kind == "cnn")
