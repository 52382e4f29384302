"""SimCSE and RobustSentEmbed on tiny encoders: what must hold of perturbations and losses, corpus, tasks, storage."""

import contextlib
import dataclasses
import gzip
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.doubles import WordEncoder
from helpers.encoders import END, MASK, PAD, PIECES, START, WIDTH, Tokens, Words, batch, body, card, training
from helpers.models import write_hugging_face
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from robust_core import datasets, encoders
from robust_core.encoder_evaluation import probes, similarity, tasks
from robust_core.encoder_training import METHODS, corpus, objectives, specs
from robust_core.encoder_training.base import Schedule, make_method
from robust_core.encoder_training.losses import contrastive_loss, info_nce_loss, replaced_loss, stack_views
from robust_core.encoder_training.networks import Discriminator, SentenceBatch, SentenceNetwork
from robust_core.encoder_training.perturbations import MixedAscent, TokenTable, perturb_as_released
from robust_core.encoder_training.replaced_tokens import Special, hide_tokens, replace_tokens
from robust_core.encoder_training.robustsentembed import RobustSentEmbed
from robust_core.encoder_training.simcse import SimCSE
from robust_core.encoder_training.training import train
from robust_core.errors import BadInput, Incompatible, MissingResource, UnknownName
from robust_core.evaluation import provenance
from robust_core.models import base_encoders, encoder_cards, fingerprints
from robust_core.models.base_encoders import BaseEncoder, load_base_encoder
from robust_core.models.networks.bert import Bert, mean_pool
from robust_core.models.networks.probe import UnitClassifier
from robust_core.paths import ROOT
from robust_core.perturb import compute_slope
from robust_core.registry import parameters, to_record
from robust_core.resources.encoder import WEIGHTS_SHA256
from robust_core.store import ResultStore
from robust_core.types import Example

torch.set_num_threads(1)


class Guesser:
    """A generator that is always right, or always says one piece."""

    mask_id = MASK

    def __init__(self, truth: torch.Tensor | None = None) -> None:
        self.truth = truth

    def vocabulary(self):
        return Tokens().vocabulary()

    def likeliest(self, ids, mask, places):
        return torch.full((int(places.sum()),), 7) if self.truth is None else self.truth[places]


@pytest.fixture
def guesser(monkeypatch):
    monkeypatch.setattr(objectives.masked_lm, "load", lambda name, device: Guesser())


def terms(objective, given: SentenceBatch) -> dict[str, torch.Tensor]:
    with objective.training.random.dropout:
        return objective.terms(given)


# Losses.

def test_the_contrast_is_what_one_counts_by_hand():
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    first = math.log(1 + math.exp(2 * (math.sqrt(0.5) - 1)))
    second = math.log(1 + math.exp(2 * (0 - math.sqrt(0.5))))
    assert float(info_nce_loss(a, b, 0.5)) == pytest.approx((first + second) / 2)
    assert float(info_nce_loss(a, b, 0.5, reduction="sum")) == pytest.approx(first + second)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_an_adversarial_view_is_a_positive_and_never_a_negative(seed):
    a, b, c = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(seed))
    assert stack_views(a, [b, c], 0.05).shape == (10, 5)
    assert torch.allclose(contrastive_loss(a, [b, b], 0.05), info_nce_loss(a, b, 0.05))
    assert torch.allclose(
        contrastive_loss(a, [b, c], 0.05), (info_nce_loss(a, b, 0.05) + info_nce_loss(a, c, 0.05)) / 2
    )


# Perturbations.

@pytest.mark.parametrize("seed", range(3))
def test_the_sentence_level_perturbation_raises_the_loss_inside_its_ball(seed):
    objective, given = RobustSentEmbed(detection=0.0).objective(training(seed=seed)), batch(seed)
    rows = objective.training.network.embedding(given.ids).detach()
    with objective._measuring():
        clean = objective._view(rows, given).detach()
        delta = objective._perturbed(rows, clean, given) - rows
        assert objective._climbed(rows + delta, clean, given) > objective._climbed(rows, clean, given)
    assert 0 < delta.abs().max() <= objective.method.sentence_radius * objective.training.unit * (1 + 1e-4)
    assert not delta[~given.mask].any()


def test_the_first_step_along_signs_agrees_with_the_gradient():
    objective, given = RobustSentEmbed(detection=0.0).objective(training()), batch()
    rows = objective.training.network.embedding(given.ids).detach()
    with objective._measuring():
        clean = objective._view(rows, given).detach()
        start = (torch.randn(rows.shape) * 1e-3 * given.mask[..., None]).requires_grad_()
        slope = compute_slope(objective._climbed(rows + start, clean, given), start)
    moved = MixedAscent(1.0, 0.1, 0.0, 1.0, 1).climbed(torch.zeros_like(rows), slope, given.mask)
    agree = (moved.sign() == slope.sign())[given.mask]
    assert agree.float().mean() > 0.9


def test_the_released_perturbation_does_not_depend_on_the_gradient():
    x = torch.randn(4, 5, 64, generator=torch.Generator().manual_seed(0))
    up, down = (perturb_as_released(lambda y, s=s: (s * y).sum(), x, 4) for s in (1.0, -1.0))
    assert (up == down).float().mean() > 0.99 and (up - x).abs().max() <= 2e-6
    assert ((up - x).sign() == -x.sign()).float().mean() > 0.98


def test_the_token_table_remembers_and_climbs():
    given = batch()
    table = TokenTable(PIECES, WIDTH, 1.0, 0.05, 4, torch.Generator().manual_seed(0))
    before = table.table.clone()
    aim = torch.randn(*given.ids.shape, WIDTH)
    delta = table.find(lambda d: (d * aim).sum(), given.ids, given.mask)
    assert not delta[~given.mask].any()
    cosine = torch.nn.functional.cosine_similarity(delta[given.mask], aim[given.mask], dim=-1)
    assert (cosine > 0).float().mean() > 0.9
    untouched = [i for i in range(PIECES) if i not in set(given.ids.flatten().tolist()) | {PAD}]
    assert torch.equal(table.table[untouched], before[untouched]) and torch.equal(table.table[PAD], before[PAD])
    # A piece that stands twice gets both, as the sum.
    wanted = before.clone()
    for i, j in given.mask.nonzero().tolist():
        wanted[given.ids[i, j]] += delta[i, j]
    assert torch.allclose(table.table, wanted, atol=1e-6)


@pytest.mark.parametrize("preset", ["paper", "as-released"])
def test_perturbations_leave_no_gradient_and_no_mode_behind(guesser, preset):
    objective = make_method("robustsentembed", preset, projection=True).objective(training(projection=True))
    given, network = batch(), objective.training.network
    before = {name: value.clone() for name, value in network.named_buffers()}
    rows = network.embedding(given.ids)
    with objective._measuring():
        clean = objective._view(rows, given).detach()
        objective._tokens(rows, clean, given)
        objective._perturbed(rows, clean, given)
    assert all(p.grad is None for p in network.parameters()) and network.training
    assert all(torch.equal(before[name], value) for name, value in network.named_buffers())


# Courses.

def test_without_its_terms_it_is_simcse():
    plain, robust = (terms(made.objective(training()), batch())["contrast"].detach() for made in (
        SimCSE(), RobustSentEmbed(positive=False, regulariser=0.0, detection=0.0)))
    assert float(robust) == pytest.approx(float(plain), abs=1e-6)


@pytest.mark.parametrize("preset", ["paper", "as-released"])
def test_every_term_reaches_the_weights_and_none_the_generator(guesser, preset):
    method = make_method("robustsentembed", preset, token_contrast=0.1)
    objective = method.objective(training(projection=preset != "paper"))
    found = terms(objective, batch())
    assert set(found) == {"contrast", "regulariser", "token_contrast", "detection"}
    assert all(math.isfinite(float(term.detach())) for term in found.values())
    low = [p for name, p in objective.training.network.named_parameters() if "lora_" in name]
    for term in found.values():
        slopes = torch.autograd.grad(term, low, retain_graph=True, allow_unused=True)
        assert any(slope is not None and slope.abs().sum() > 0 for slope in slopes)
    assert not objective.training.network.embedding.weight.requires_grad


def test_the_same_seed_gives_the_same_terms(guesser):
    both = []
    for _ in range(2):
        given = training()
        with given.random.first:
            objective = RobustSentEmbed().objective(given)
        both.append({name: float(term.detach()) for name, term in terms(objective, batch()).items()})
    assert both[0] == both[1]


def test_a_generator_with_other_pieces_is_refused(monkeypatch):
    other = Guesser()
    other.vocabulary = lambda: {"other": 0}  # type: ignore[method-assign]
    monkeypatch.setattr(objectives.masked_lm, "load", lambda name, device: other)
    with pytest.raises(Incompatible, match="set detection=0"):
        RobustSentEmbed().objective(training())


# Replaced pieces.

def test_a_perfect_generator_replaces_nothing():
    given, special = batch(), Special((PAD, START, END), MASK, PIECES)
    ids, changed = replace_tokens(given, 0.5, special, Guesser(given.ids).likeliest, torch.Generator().manual_seed(0))
    assert torch.equal(ids, given.ids) and not changed.any()


@pytest.mark.parametrize("everywhere", [False, True])
def test_special_pieces_and_pads_are_never_replaced(everywhere):
    given, special = batch(n=40), Special((PAD, START, END), MASK, PIECES)
    ids, changed = replace_tokens(
        given, 0.3, special, Guesser().likeliest, torch.Generator().manual_seed(0), everywhere
    )
    assert not changed[:, 0].any() and not changed[~given.mask].any() and torch.equal(changed, ids != given.ids)
    shown, wanted = hide_tokens(given, 0.3, special, torch.Generator().manual_seed(0))
    assert not torch.isin(given.ids[wanted], torch.tensor([PAD, START, END])).any()
    assert 0.2 < float(wanted.sum()) / float(given.mask.sum() - 80) < 0.4
    assert 0.6 < float((shown[wanted] == MASK).float().mean()) < 0.95 and torch.equal(shown[~wanted],
                                                                                      given.ids[~wanted])


def test_what_a_sentence_means_changes_every_score_and_pads_do_not_count():
    given, judge = batch(), Discriminator(body()).eval()
    rows = judge.body.table(given.ids).detach()
    one, other = (judge(rows, given.mask, torch.full((6, WIDTH), v)).detach() for v in (0.0, 2.0))
    assert ((one - other).abs().amax(-1) > 0)[given.mask].all()
    changed = torch.zeros_like(given.mask)
    spoilt = one.clone()
    spoilt[~given.mask] = 99.0
    assert float(replaced_loss(one, changed, given.mask)) == float(replaced_loss(spoilt, changed, given.mask))


# Corpus, tasks, storage.


def test_the_corpus_is_short_new_and_the_same_for_every_seed(folder):
    found = corpus.read_corpus(Words(), 0, 12, folder)  # type: ignore[arg-type]
    assert found.drawn_from == len(found.rows) and max(map(len, found.rows)) <= 12
    assert found.sources["text/wiki_sentences"] == 50, "no long one, none that stands in an STS set"
    # Twelve of the thirty training texts of the small SST-2 stand in dev as well.
    assert found.sources["sst2"] == 18 and found.drawn_from == 68
    assert found.left_out == {"text/wiki_sentences": 1, "sst2": 12}
    drawn = corpus.read_corpus(Words(), 20, 12, folder)  # type: ignore[arg-type]
    assert len(drawn.rows) == 20 and drawn.drawn_from == 68 and drawn == corpus.read_corpus(Words(), 20, 12, folder)
    with pytest.raises(MissingResource, match="wiki_sentences"):
        corpus.read_corpus(Words(), 0, 12, folder / "nothing")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mr", "cr", "subj", "mpqa"])
def test_the_corpus_holds_nothing_of_the_tasks_without_splits(folder, name):
    """Each of their texts is a test text of some fold: SST-2's sentences are MR's texts, or parts of them."""
    (folder / "transfer" / f"{name}.tsv").write_text("text\tlabel\nWell, A Slow  film 2 !\t0\na good film 0\t0\n"
                                                     "Sentence number 7 here\t1\n")
    with gzip.open(folder / "text" / "wiki_sentences.tsv.gz", "at") as file:
        file.write("a slow film 2.\n")
    found = corpus.read_corpus(Words(), 0, 12, folder)  # type: ignore[arg-type]
    assert found.left_out == {"text/wiki_sentences": 3, "sst2": 13} and found.sources["text/wiki_sentences"] == 49


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4).map(tuple), max_size=6),
       st.lists(st.lists(st.sampled_from("abc"), max_size=8).map(tuple), max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_stands_in_a_text_is_found_and_nothing_else(sentences, texts):
    def stands(sentence):
        return any(sentence == text[i: i + len(sentence)] for text in texts for i in range(len(text)))

    assert corpus.find_contained(sentences, texts) == {s for s in sentences if s and stands(s)}


def test_encoders_are_selected_on_pairs_that_they_are_not_measured_on(folder):
    dev, left_out = similarity.read_dev_pairs(folder)
    assert (len(dev.scores), left_out) == (5, 6)
    pairs = list(zip(dev.first, dev.second, dev.scores, strict=True))
    assert ("cars", "slow cars", 2) in pairs and ("A Fine Film", "a good film", 3) not in pairs, "in any order and case"
    for table in similarity.TASKS.values():
        with contextlib.suppress(MissingResource):
            given = similarity.read_pairs(table, folder)
            assert not {frozenset(pair) for pair in zip(dev.first, dev.second, strict=True)} & {
                frozenset(pair) for pair in zip(given.first, given.second, strict=True)}
    lines = (folder / "sts" / "stsb_test.tsv").read_text()
    (folder / "sts" / "stsb_dev.tsv").write_text(lines)
    with pytest.raises(BadInput, match="Only 0 pairs of sts/stsb_dev stand in no task"):
        similarity.read_dev_pairs(folder)


def test_spearman_correlates_ranks_and_its_error_is_near_what_draws_show():
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(200):
        x = rng.standard_normal(100)
        y = x + rng.standard_normal(100)
        rho, error = similarity.spearman(x, y)
        assert rho == pytest.approx(np.corrcoef(x.argsort().argsort(), y.argsort().argsort())[0, 1])
        draws.append((rho, error))
    assert np.std([rho for rho, _ in draws]) == pytest.approx(np.mean([e for _, e in draws]), rel=0.2)
    # Tied values share their mean rank: 1, 2.5, 2.5, 4 against 1, 2, 3, 4.
    assert similarity.spearman([1, 2, 2, 3], [1, 2, 3, 4])[0] == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert math.isnan(similarity.spearman([1.0] * 5, range(5))[0]) and math.isnan(similarity.spearman([1], [1])[1])


def test_similarity_reads_only_test_rows(folder):
    assert len(similarity.read_pairs("sts/sts12", folder).scores) == 4
    row, = similarity.evaluate_similarity(WordEncoder(), ["stsb"], folder)
    assert row["n"] == 5 and row["value"] > 0.5 and row["metric"] == "spearman" and row["value_se"] > 0
    (folder / "sts" / "sts13.tsv").write_text("score\tsentence1\tsentence2\nx\ta\tb\n")
    with pytest.raises(BadInput, match="needs the columns"):
        similarity.read_pairs("sts/sts13", folder)
    with pytest.raises(MissingResource, match="sts/sts14"):
        similarity.read_pairs("sts/sts14", folder)


def test_probes_learn_what_the_words_say(folder):
    row, other = probes.evaluate_transfer(WordEncoder(), ["sst2", "mr"], folder)
    assert row["value"] == 1.0 and row["n"] == 12 and other["value"] > 0.9 and other["n"] == 60
    given = probes.choose_attacked("mr", folder)
    assert (len(given.test), len(given.dev), len(given.train)) == (6, 6, 48)
    assert not {e.uid for e in given.test} & {e.uid for e in given.train}


def test_probes_learn_from_no_text_that_they_are_measured_on(folder):
    given = probes.read_task("sst2", folder)
    assert (len(given.train), len(given.dev), len(given.test)) == (18, 12, 12), "twelve stand in dev as well"
    lines = [f"{'the good plot' if i % 3 else 'The Dull Plot'}{i % 3}\t{int(i % 3 > 0)}" for i in range(60)]
    (folder / "transfer" / "mr.tsv").write_text("text\tlabel\n" + "\n".join(
        [*lines, *(f"one of its kind {i}\t{i % 2}" for i in range(60))]) + "\n")
    given = probes.choose_attacked("mr", folder)
    texts = [{e.text.casefold() for e in part} for part in (given.train, given.dev, given.test)]
    assert len(given.test) == 12 and not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]


def test_a_probe_is_the_same_whatever_the_number_of_threads(tmp_path):
    """Bits of weights make a classifier's fingerprint; in fp32 and with several threads, sums end elsewhere."""
    code = """
import sys
import numpy as np
from robust_core.encoder_evaluation.probes import fit_probe
rng = np.random.default_rng(0)
vectors = rng.standard_normal((1500, 24)) @ rng.standard_normal((24, 384)) + 0.3 * rng.standard_normal((1500, 384))
labels = (vectors[:, 0] + 4 * rng.standard_normal(1500) > 0).astype(int)
vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
probe = fit_probe(vectors, labels, (vectors[:200], labels[:200]))
sys.stdout.buffer.write(probe.weight.tobytes() + probe.bias.tobytes() + str(probe.strength).encode())
"""
    made = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT,
                           env=os.environ | {name: str(threads) for name in (
                               "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}).stdout
            for threads in (1, 2)]
    assert len(made[0]) > 2 * 4 * 384 and made[0] == made[1]


def test_ten_folds_choose_their_strength_on_dev_never_on_the_test_fold():
    from sklearn.linear_model import LogisticRegression

    # Noisy labels: the best strength of a test fold is luck, and choosing it there would show.
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((200, 12))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = (vectors[:, 0] + 0.5 * rng.standard_normal(200) > 0).astype(int)
    task = probes.Task("mr", ("negative", "positive"), [Example(str(i), int(y), str(i)) for i, y in enumerate(labels)])
    value, _, n = probes.measure_accuracy(lambda texts: vectors[[int(text) for text in texts]], task)
    folds = np.random.default_rng(0).permutation(200) % 10
    chosen = lucky = 0
    for fold in range(10):
        test, dev = folds == fold, folds == (fold + 1) % 10
        fitted = [LogisticRegression(C=c, max_iter=1000).fit(vectors[~test & ~dev], labels[~test & ~dev])
                  for c in probes.STRENGTHS]
        hits = [int((model.predict(vectors[test]) == labels[test]).sum()) for model in fitted]
        chosen += hits[int(np.argmax([model.score(vectors[dev], labels[dev]) for model in fitted]))]
        lucky += max(hits)
    assert (value, n) == (chosen / 200, 200) and chosen < lucky


def test_a_victim_on_a_closed_encoder_is_attacked_by_words_only(folder):
    events = list(tasks.evaluate_encoder([WordEncoder()], [("attacks", "sst2")], attacks=("fgsm", "pwws"), n=4,
                                         data_dir=folder))
    row, = (e.data for e in events if e.kind == "row")
    assert row["attack"] == "pwws" and row["encoder"] == "double/words" and row["n"] == 4
    message, = (e.data["message"] for e in events if e.kind == "note")
    assert "shows no gradients" in message


class Closed(encoders.SentenceTransformerEncoder):
    """An encoder of a folder that is opened by another library: only its files tell it from another one."""

    def __init__(self, folder):
        self.id, self.folder = "closed", folder

    def encode(self, texts):
        return WordEncoder().encode(texts)


def test_rows_of_tasks_say_what_they_rest_on(folder):
    engine = provenance.describe_engine()
    named = provenance.describe_encoder(WordEncoder())
    assert list(named) == ["encoder double/words"]
    found = {row["task"]: row["rests_on"] for kind in ("sts", "transfer") for row in (
        e.data for e in tasks.evaluate_encoder([WordEncoder()], [(kind, t) for t in (
            ("stsb", "sts12") if kind == "sts" else ("sst2", "mr"))], data_dir=folder) if e.kind == "row")}
    sums = {f"data sst2/{split}": datasets.hash_examples(datasets.load("sst2", split, folder))
            for split in datasets.SPLITS}
    whole = datasets.hash_examples(probes.read_task("mr", folder).train)
    assert found["sst2"] == engine | named | sums and found["mr"] == engine | named | {"data transfer/mr": whole}
    pairs = similarity.read_pairs("sts/stsb_test", folder)
    assert found["stsb"] == engine | named | {"data sts/stsb_test": pairs.sha256}
    assert set(found["sts12"]) == {"engine", *named, "data sts/sts12"}
    path = folder / "sts" / "sts12.tsv"
    path.write_text(path.read_text().replace("\t3\t", "\t3.5\t"))
    row, = similarity.evaluate_similarity(WordEncoder(), ["sts12"], folder)
    assert row["rests_on"]["data sts/sts12"] != found["sts12"]["data sts/sts12"], "a changed score"


def test_attacks_on_another_encoder_of_the_same_name_are_another_run(folder, tmp_path):
    """A victim on a closed encoder is known by its name: what stands in its run is the encoder's files and the data."""
    store, rows = ResultStore(tmp_path / "runs"), []
    for number, (weights, texts) in enumerate((("a", 30), ("a", 30), ("b", 30), ("b", 29))):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "model.safetensors").write_text(weights)
        lines = (folder / "sst2" / "train.tsv").read_text().splitlines()[: texts + 1]
        (folder / "sst2" / "train.tsv").write_text("\n".join(lines) + "\n")
        events = list(tasks.evaluate_encoder([Closed(home)], [("attacks", "sst2")], attacks=("pwws",), n=4,
                                             data_dir=folder, store=store))
        row, = (e.data for e in events if e.kind == "row")
        rows.append((row["run"], row["rests_on"], sum(e.kind == "progress" and e.uid != "" for e in events)))
    first, same, other, fewer = rows
    assert same == (*first[:2], 0) and first[2] == other[2] == fewer[2] == 4
    assert len({run for run, *_ in rows}) == 3
    assert [{k for k in a if a[k] != b[k]} for a, b in ((first[1], other[1]), (other[1], fewer[1]))] == [
        {"encoder closed"}, {"data sst2/train"}]
    assert set(first[1]) == {"engine", "encoder closed", *(f"data sst2/{s}" for s in datasets.SPLITS),
                             "table stop-words", "table wordnet"}
    assert store.runs()[first[0]].rests_on == first[1]


def test_a_stored_encoder_rests_on_its_files_and_on_the_packaged_one(monkeypatch):
    stored = object.__new__(encoders.MeanPooled)
    stored.id, stored.card = "tiny", card(files={"model.safetensors": "ab"}, parent=WEIGHTS_SHA256)
    found = provenance.describe_encoder(stored)
    assert set(found) == {"encoder tiny", "encoder minilm"}
    stored.card = card(files={"model.safetensors": "ac"}, parent=WEIGHTS_SHA256)
    assert provenance.describe_encoder(stored)["encoder tiny"] != found["encoder tiny"]
    stored.card = card(files={"model.safetensors": "ab"}, parent="another encoder")
    assert set(provenance.describe_encoder(stored)) == {"encoder tiny"}
    stored.id, stored.card = "minilm", None
    assert provenance.describe_encoder(stored) == {"encoder minilm": found["encoder minilm"]}


def test_a_probe_is_the_head_of_its_victim():
    rng = np.random.default_rng(0)
    probe = probes.fit_probe(rng.standard_normal((60, WIDTH)), np.arange(60) % 3,
                             (rng.standard_normal((9, WIDTH)), np.arange(9) % 3))
    given, network = batch(), UnitClassifier(body().eval(), probe.weight, probe.bias).eval()
    rows = network.embedding(given.ids)
    with torch.no_grad():
        unit, reading = network.represent(rows, given.mask), network.reading(rows, given.mask)
        scores = network(rows, given.mask)
    assert torch.allclose(unit.norm(dim=-1), torch.ones(6)) and torch.allclose(reading.representation, unit, atol=1e-6)
    assert torch.allclose(scores, reading.logits, atol=1e-6)
    assert scores.argmax(-1).tolist() == probe.predict(unit.numpy()).tolist()


def test_a_stored_encoder_is_the_trained_one(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "hash_encoder", lambda: "p")
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    trained = training()
    weights = {name.removeprefix("body.").replace(".default.weight", ""): p.detach().half()
               for name, p in trained.network.named_parameters() if ".lora_" in name}
    done = encoder_cards.save(card(), weights, tmp_path)
    assert [c.id for c in encoder_cards.cards()] == ["tiny"] and encoder_cards.read(done.folder) == done
    fresh, given = body().eval(), batch()
    encoder_cards.apply(done, BaseEncoder(fresh, Words(), "p"))
    trained.network.eval()
    with torch.no_grad():
        wanted = trained.network.represent(trained.network.embedding(given.ids), given.mask)
        found = SentenceNetwork(fresh).eval().represent(fresh.table(given.ids), given.mask)
    assert torch.allclose(found, wanted, atol=0.01)
    with pytest.raises(BadInput, match="another encoder"):
        encoder_cards.apply(dataclasses.replace(done, parent="q"), BaseEncoder(body(), Words(), "p"))
    (done.folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(BadInput, match="does not match its card"):
        encoder_cards.apply(done, BaseEncoder(body(), Words(), "p"))
    (done.folder / "card.json").write_text("{}")
    with pytest.raises(BadInput, match="is damaged"):
        encoder_cards.cards()


# The training.

@pytest.fixture
def tiny(guesser, monkeypatch):
    """Let a training begin from a tiny encoder, read by words."""
    monkeypatch.setattr(Bert, "from_folder", lambda folder: body())
    monkeypatch.setattr(base_encoders, "read_subwords", lambda folder, length: Words())
    monkeypatch.setattr(fingerprints, "hash_encoder", lambda: "p")


def test_a_training_keeps_the_best_weights_and_moves_no_foreign_random_numbers(tiny, folder, tmp_path):
    chosen = {"batch_size": 8, "checks": 3, "rank": 4, "learning_rate": 0.01}
    wanted = specs.parse_spec("robustsentembed", "", chosen, "", 1, 30)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    events = [list(specs.run_training(wanted, tmp_path / str(i), "cpu", str(folder))) for i in range(2)]
    assert torch.equal(torch.rand(3), expected)
    kinds = [e["kind"] for e in events[0]]
    assert kinds[:2] == ["ready", "check"] and kinds[-2:] == ["check", "stored"] and kinds.count("check") == 4
    assert events[0][0] == {"kind": "ready", "sentences": 30, "steps": 3, "left_out": 13, "pairs": 5,
                            "pairs_left_out": 6}
    card, again = (made[-1]["card"] for made in events)
    assert card.id == "robustsentembed@1" and card.files == again.files, "the same seed gives the same weights"
    after = {step: value for step, value in card.dev["checks"] if step}
    assert card.dev["after"] == max(after.values()) == after[card.dev["step"]]
    assert card.corpus["n"] == 30 and card.corpus["drawn_from"] == 68 and card.device == "cpu"
    assert card.corpus["left_out"] == {"text/wiki_sentences": 1, "sst2": 12}
    assert (card.dev["n"], card.dev["left_out"]) == (5, 6) and card.known_faults == ()
    assert set(load_file(card.folder / "model.safetensors")) == {
        f"encoder.layer.{i}.{name}.lora_{side}" for i in range(2) for side in "AB" for name in (
            "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
            "intermediate.dense", "output.dense")}


def test_too_few_sentences_are_refused(tiny, folder):
    with pytest.raises(BadInput, match="There are only 5 sentences"):
        list(train(SimCSE(), Schedule(), sentences=5, device="cpu", data_dir=str(folder)))


@pytest.mark.parametrize("family", ["bert", "albert", "roberta"])
def test_any_encoder_is_trained_and_comes_back(family, folder, tmp_path, monkeypatch):
    start = str(write_hugging_face(tmp_path / f"tiny_{family}", family))
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path))
    wanted = specs.parse_spec("simcse", "", {"batch_size": 8, "checks": 1, "rank": 4, "learning_rate": 0.01}, "", 0, 24,
                              start)
    assert wanted.id == f"simcse-tiny-{family}" and wanted.words[-4:] == ["--start", start, "--sentences", "24"]
    stored = list(specs.run_training(wanted, tmp_path / "checkpoints", "cpu", str(folder)))[-1]
    assert stored["card"].config["start"] == start and stored["row"]["step"] == 3
    found = encoders.load(wanted.id, "cpu")
    before = load_base_encoder(start, 256)
    text = "a good film"
    ids = torch.tensor([before.tokens.ids(text)])
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        plain = mean_pool(before.body(before.body.table(ids), mask), mask)[0].numpy()
    vector = found.encode([text])[0]
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5) and 1e-4 < 1 - vector @ plain / np.linalg.norm(plain)
    with torch.no_grad():
        learnt = mean_pool(found.body(found.body.table(ids), mask), mask)[0].numpy()
    assert vector == pytest.approx(learnt / np.linalg.norm(learnt), abs=1e-5)
    # A victim on it shows gradients, as one on the packaged encoder does.
    row, = (e.data for e in tasks.evaluate_encoder([found], [("attacks", "sst2")], attacks=("fgsm",), n=4,
                                                   data_dir=folder) if e.kind == "row")
    assert row["n"] == 4 and row["encoder"] == wanted.id
    with pytest.raises(Incompatible, match="pieces are not the encoder's; set detection=0"):
        list(train(RobustSentEmbed(), Schedule(batch_size=8, rank=4), sentences=24, device="cpu",
                   data_dir=str(folder), start=start))


def test_an_encoder_that_changed_since_is_refused(folder, tmp_path, monkeypatch):
    start = write_hugging_face(tmp_path / "tiny", "bert")
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path))
    wanted = specs.parse_spec("simcse", "", {"batch_size": 8, "rank": 4}, "mine", 0, 24, str(start))
    list(specs.run_training(wanted, tmp_path / "checkpoints", "cpu", str(folder)))
    write_hugging_face(start, "roberta")
    with pytest.raises(BadInput, match="mine adapts another encoder than the one in"):
        encoders.load("mine", "cpu")
    (start / "config.json").unlink()
    with pytest.raises(BadInput, match="tiny: 'config.json' cannot be read as a model's description"):
        next(specs.run_training(wanted, tmp_path / "checkpoints", "cpu", str(folder)))


# Orders.

@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_describes_itself(name):
    cls = METHODS[name]
    assert cls.__doc__ and cls.title and cls.source.startswith("https://")
    for p in parameters(cls):
        assert p.help and (p.type in (bool, str) or p.low is not None)
    assert {"paper", "as-released"} <= set(cls.PRESETS) and cls() == make_method(name)
    assert json.loads(json.dumps(to_record(cls())))["name"] == name


def test_an_order_says_how_to_ask_for_it():
    order = specs.parse_spec("robustsentembed", "", {"regulariser": 0.0, "checks": 2}, "mine", 3, 500)
    assert order.id == "mine@3" and order.schedule.checks == 2
    assert order.words == ["--method", "robustsentembed", "--set", "regulariser=0.0", "--set", "checks=2", "--name",
                           "mine", "--seed", "3", "--sentences", "500"]
    assert specs.parse_spec("simcse", "as-released").id == "simcse-as-released"


@pytest.mark.parametrize(("asked", "message"), [
    ({"name": "bert"}, "Unknown sentence method"), ({"preset": "best"}, "Unknown preset"),
    ({"settings": {"gamma": 1.0}}, "no parameter 'gamma', nor has the schedule"),
    ({"settings": {"mix": 2.0}}, "mix must lie between"), ({"encoder": "../x"}, "An encoder's name"),
    ({"encoder": "minilm"}, "is not minilm")])
def test_bad_orders_are_clear(asked, message):
    with pytest.raises((BadInput, UnknownName), match=message):
        specs.parse_spec(**{"name": "robustsentembed"} | asked)


def test_tasks_are_found_by_kind_and_by_name():
    assert len(tasks.list_tasks()) == 7 + 6 + 2
    assert tasks.list_tasks(["transfer"]) == [("transfer", name) for name in probes.TASKS]
    assert tasks.list_tasks(["sst2", "stsb"]) == [("sts", "stsb"), ("transfer", "sst2")]
    assert tasks.list_tasks(["attacks"]) == [("attacks", "sst2"), ("attacks", "mr")]
    with pytest.raises(UnknownName, match="Unknown task 'mrpc'"):
        tasks.list_tasks(["mrpc"])
    with pytest.raises(UnknownName, match="attack on encoders"):
        list(tasks.evaluate_encoder([WordEncoder()], [], attacks=("bae",)))
