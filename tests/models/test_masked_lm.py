"""The masked language model: what it offers, that batches do not matter, how it is loaded; its training's rules."""

import json

import numpy as np
import pytest
import torch
from helpers.doubles import BagOfWords, WordEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import ATTACKS, datasets, paths
from robust_core.attacks import transformations
from robust_core.attacks.engine.masked_lm_server import _measure_room
from robust_core.attacks.engine.near_ties import settle_likely_words
from robust_core.attacks.engine.requests import BATCHED, CANONICAL, Fill, Filled, Refine
from robust_core.attacks.transformations import list_cased_substitutes
from robust_core.errors import BadInput, MissingResource
from robust_core.models import hub, loading, masked_lm
from robust_core.models.networks.bert import Bert
from robust_core.models.networks.mlm_head import MaskedNetwork
from robust_core.models.tokens import read_subwords
from robust_core.resources import masked_model_folder, minilm_folder
from robust_core.text import Draft, find_words
from robust_core.train import masked_lm as masked_lm_training
from robust_core.train.masked_lm_loop import Settings, Training, draw_order, start_network
from robust_core.train.masked_lm_texts import Vocabulary
from robust_core.train.masking import hide_pieces
from robust_core.types import Blank, Example

TEXTS = ("A warm and clever film.", "Nothing here (not even the music) is new!", "[MASK] [SEP] is typed by a person",
         "Good", "the one with Mike's friends \u2014 a story told 3 times, slowly and without much care for anyone")


@pytest.fixture(scope="module")
def model():
    """The network before any training: what it may offer does not depend on what it has learnt."""
    torch.manual_seed(0)
    tokens = read_subwords(minilm_folder(), 48)
    pieces = tokens.vocabulary()
    network = MaskedNetwork(Bert.from_folder(minilm_folder()))
    return masked_lm.MaskedModel("untrained", network, tokens, pieces["[MASK]"], masked_lm.Words.of(pieces),
                                 torch.device("cpu"))


@pytest.fixture
def trained():
    if not any((root / "masked" / "minilm" / "card.json").is_file() for root in paths.checkpoint_folders()):
        pytest.skip("checkpoints/masked is not made yet: python -m robust_core.train.masked_lm")
    return masked_lm.load("minilm", "cpu")


@st.composite
def blanks(draw) -> Blank:
    draft = Draft.of(draw(st.sampled_from(TEXTS)))
    i = draw(st.integers(0, len(draft.words) - 1))
    like = draw(st.sampled_from((draft.words[i], "UPPER", "Title", "lower", "")))
    return Blank(draft.text[:draft.spans[i].start], draft.text[draft.spans[i].end:], like)


@given(st.lists(blanks(), max_size=6), st.integers(1, 60))
@settings(max_examples=25, deadline=None)
def test_fill_offers_whole_words_in_the_right_capitals(model, asked, most):
    for blank, found in zip(asked, model.fill(asked, most), strict=True):
        words = [word for word, _ in found]
        assert len(words) == len(set(words)) == most
        assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
        assert sum(np.exp(value) for _, value in found) <= 1 + 1e-6
        for word in words:
            assert find_words(word) == ((0, len(word)),) and any(c.isalpha() for c in word)
            if blank.like == "UPPER":
                assert word == word.upper()
            elif blank.like == "Title":
                assert word[0].isupper() or not word[0].isalpha()
            elif blank.like in ("lower", ""):
                assert word == word.lower()


@given(st.lists(blanks(), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_a_batch_and_one_by_one_agree(model, asked):
    together = model.fill(asked, 20)
    for blank, found in zip(asked, together, strict=True):
        alone = dict(model.fill([blank], 21)[0])
        for word, value in found[:-1]:
            assert alone[word] == pytest.approx(value, abs=5e-5)


@given(st.lists(blanks(), min_size=1, max_size=5), st.sets(st.sampled_from(
    ("good", "fine", "bad", "film", "moviegoer", "unwatchable", "heartwarmingly")), min_size=1))
@settings(max_examples=15, deadline=None)
def test_named_words_are_rated_where_they_stand(model, asked, among):
    """A word of one piece has the probability it has among all; of more pieces the product, each piece hidden."""
    named = [blank._replace(among=tuple(sorted(among))) for blank in asked]
    for blank, found in zip(asked, model.fill(named, 10), strict=True):
        assert {word for word, _ in found} == among
        assert [value for _, value in found] == sorted((value for _, value in found), reverse=True)
        for word, value in found:
            pieces = model._tokens.unit_ids(word)
            scores = model._run([model._row(blank, len(pieces))]).log_softmax(-1)
            slow = sum(float(row[piece]) for row, piece in zip(scores, pieces, strict=True))
            assert value == pytest.approx(slow, abs=5e-5)
    mixed = model.fill([named[0], asked[0], *named], 2)
    assert [word for word, _ in mixed[0]] == [word for word, _ in mixed[2]]
    assert [word for word, _ in mixed[1]] == [word for word, _ in model.fill(asked[:1], 2)[0]]


def test_gene_keeps_the_neighbours_that_the_language_model_likes(trained):
    """With one kept word a position, every swap is the one that fits best."""
    text = "a warm and funny film with a great cast"
    draft = Draft.of(text)
    (result,) = [e.result for e in ATTACKS["gene"](keep_likeliest=1, max_share=1.0).run(
        [loading.load("sst2/cnn/base", "cpu")], [Example(text, 1, "a")], masked=trained, encoder=WordEncoder())
                 if e.result]
    assert result.swaps
    after = Draft.of(result.perturbed)
    for i, (old, new) in enumerate(zip(draft.words, after.words, strict=True)):
        if old != new:
            asked = transformations.make_blank(draft, i, i + 1)._replace(among=list_cased_substitutes(old, 8, 0.75))
            assert trained.fill([asked], 1)[0][0][0] == new


def test_words_are_those_of_the_vocabulary():
    pieces = {"[CLS]": 0, "good": 1, "##ing": 2, "!": 3, "a": 4, "x": 5, "1990": 6, "don't": 7, "3d": 8, "\u00e9t": 9}
    found = masked_lm.Words.of(pieces)
    assert found.words == ("good", "a", "don't", "3d") and found.ids.tolist() == [1, 4, 7, 8]
    bytes_ = masked_lm.Words.of({"<s>": 0, "\u0120good": 1, "ing": 2, "\u0120.": 3, "\u0120A": 4})
    assert bytes_.words == ("good", "A") and bytes_.ids.tolist() == [1, 4]


def test_a_typed_mask_is_plain_text(model):
    row = model._row(Blank("[MASK] is ", " here [MASK]"))
    assert row.count(model._mask) == 1


def test_long_texts_are_read_around_the_blank(model):
    words = [f"word{i}" for i in range(300)]
    for at in (0, 150, 299):
        row = model._row(Blank(" ".join(words[:at]), " " + " ".join(words[at + 1:])))
        assert len(row) == 48 and row.count(model._mask) == 1
    assert model.fill([Blank("x " * 400, "")], 3)[0]


def test_shuffled_reviews_are_less_fluent(trained):
    rng = np.random.default_rng(0)
    texts = [e.text for e in datasets.load("reviews", "dev")[:12]]
    shuffled = [" ".join(rng.permutation(Draft.of(text).words)) for text in texts]
    plain = [" ".join(Draft.of(text).words) for text in texts]
    figures = trained.pseudo_perplexity([*plain, *shuffled])
    assert np.mean(figures[:12] < figures[12:]) >= 0.8


def test_pseudo_perplexity_is_that_of_each_piece_alone(model):
    texts = ["A warm film.", "", "unbelievably"]
    figures = model.pseudo_perplexity(texts)
    assert np.isnan(figures[1])
    for text, figure in ((texts[0], figures[0]), (texts[2], figures[2])):
        ids, losses = model._tokens.ids(text), []
        for at in range(1, len(ids) - 1):
            row = torch.tensor([[*ids[:at], model._mask, *ids[at + 1:]]])
            with torch.inference_mode():
                scores = model._network(row, torch.ones_like(row, dtype=torch.bool), row == model._mask)
            losses.append(-float(scores.log_softmax(-1)[0, ids[at]]))
        assert figure == pytest.approx(np.exp(np.mean(losses)), rel=1e-4)


def test_what_is_not_here_is_one_line(monkeypatch, tmp_path):
    masked_lm._load.cache_clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "is_reachable", lambda name: False)
    with pytest.raises(MissingResource, match="^The masked language model bert-base-uncased is missing"):
        masked_lm.load("bert-base-uncased", "cpu")
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    with pytest.raises(MissingResource, match="packaged masked language model"):
        masked_lm.load("minilm", "cpu")


def test_damaged_weights_are_refused(monkeypatch, tmp_path):
    folder = tmp_path / "masked" / "minilm"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "card.json").write_text(json.dumps(
        {"files": {"model.safetensors": "0" * 64}, "parent": "", "config": {"length": 48, "lora_scale": 2.0}}))
    masked_lm._load.cache_clear()
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    with pytest.raises(BadInput, match="does not match its card"):
        masked_lm.load("minilm", "cpu")


def test_any_bert_in_a_folder_fills_blanks(tmp_path):
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertForMaskedLM(config).save_pretrained(tmp_path / "own", safe_serialization=True)
    PreTrainedTokenizerFast(tokenizer_file=str(minilm_folder() / "tokenizer.json"), mask_token="[MASK]",
                            pad_token="[PAD]", unk_token="[UNK]").save_pretrained(tmp_path / "own")
    (found,) = masked_lm.load(str(tmp_path / "own"), "cpu").fill([Blank("A ", " film", "Warm")], 5)
    assert len(found) == 5 and all(word[0].isupper() or word[0].isdigit() for word, _ in found)
    (tmp_path / "own" / "model.safetensors").unlink()
    masked_lm._load.cache_clear()
    with pytest.raises(BadInput, match="own has no safetensors weights"):
        masked_lm.load(str(tmp_path / "own"), "cpu")


# --- In attacks ----------------------------------------------------------------------------------


def test_room_is_half_the_gap_at_the_cut_or_the_way_to_the_least():
    assert _measure_room([-1.0, -2.0, -2.5], 2, -np.inf) == 0.25
    assert _measure_room([-1.0, -2.0, -2.5], 2, -2.1) == pytest.approx(0.1)
    assert _measure_room([-1.0], 2, -np.inf) == np.inf and _measure_room([], 2, -np.inf) == np.inf


def test_words_too_close_to_the_cut_are_asked_again():
    fill = Fill([Blank("a ", " film"), Blank("the ", " film")], 1)

    def filled(error, words) -> Filled:
        level = np.array([CANONICAL if e == 0 else BATCHED for e in error])
        return Filled(np.array([1e-6, 0.5]), np.array(error), np.array(error), level, np.arange(2), fill.blanks, words,
                      fill)

    steps = settle_likely_words(filled([1e-4, 1e-4], [("good",), ("same",)]))
    request = next(steps)
    assert isinstance(request, Refine) and list(request.which) == [0]
    with pytest.raises(StopIteration) as end:
        steps.send(filled([0.0, 1e-4], [("fine",), ("same",)]))
    assert end.value.value == [("fine",), ("same",)]


class JitteryFiller:
    """Words that nearly tie; a batch sees them in another order than a text alone."""

    id, batch = "double/jittery", 5

    def fill(self, blanks, most):
        off = 0.0 if len(blanks) == 1 else 3e-5 * len(blanks)
        words = {f"word{k}": -1.0 - 1e-5 * (k // 2) + off * ((k * 7 + len(blanks)) % 3 - 1) for k in range(12)}
        return [sorted(words.items(), key=lambda pair: -pair[1])[:most] for _ in blanks]


@pytest.mark.parametrize("name", ["bae", "clare"])
def test_planted_ties_of_words_give_the_same_texts_at_any_width(name):
    weights = {f"word{k}": 0.3 * (k % 5) - 0.9 for k in range(12)} | {"good": 1.4, "clever": 0.9}
    victim = BagOfWords(weights, id="double/ties")
    examples = [Example(" ".join(["good", "clever"][: 1 + k % 2] * (1 + k % 3)) + f" film{k}", 1, f"u/{k}")
                for k in range(9)]
    attack = ATTACKS[name](max_candidates=4, same_part_of_speech=False) if name == "bae" else ATTACKS[name](
        max_candidates=4)

    def found(width):
        events = attack.run([victim], examples, width=width, encoder=WordEncoder(), masked=JitteryFiller())
        return {e.uid: (e.result.perturbed, e.result.queries) for e in events if e.result}

    alone = found(1)
    assert any(text != e.text for e in examples for text, _ in [alone[e.uid]])
    assert found(8) == alone == found(64)


def test_clare_replaces_inserts_and_merges():
    victim = BagOfWords({"good": 0.3, "clever": 0.2, "new": -0.2, "one": -0.6, "dull": -0.1})

    class Moves:
        id, batch = "double/moves", 8

        def fill(self, blanks, most):
            return [[("new" if not b.like else "one" if b.like == "good" and b.after == "" else "dull", -0.1)]
                    for b in blanks]

    def best(text: str, **options) -> str:
        events = ATTACKS["clare"](max_queries=0, **options).run([victim], [Example(text, 1, "u")],
                                                                encoder=WordEncoder(), masked=Moves())
        return [e.result for e in events if e.result][0].perturbed

    assert best("clever") == "dull"
    assert best("very clever", min_confidence=1.0, min_merge_confidence=1.0) == "new very clever"
    assert best("good story", min_confidence=1.0, min_insert_confidence=1.0) == "one"


# --- Training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def words():
    return Vocabulary.read(minilm_folder())


def test_rows_hold_every_word_once_and_whole(words):
    texts = ["unbelievably " * 60, "short", ""]
    rows = words.rows(texts, 16)
    assert max(map(len, rows)) <= 16 and rows[-1] == tuple(words.tokenizer.encode("short").ids)
    inner = [piece for row in rows[:-1] for piece in row[1:-1]]
    whole = words.tokenizer.encode(texts[0]).ids[1:-1]
    assert inner == whole[: len(inner)] and len(whole) - len(inner) < 8
    assert all(not words.tokenizer.id_to_token(row[1]).startswith("##") for row in rows)


def test_masks_follow_the_rule(words):
    rows = [(words.start, *range(2000, 2040), words.end)] * 200
    batch = hide_pieces(rows, words, 0.15, np.random.default_rng(0))
    assert batch.places.float().mean() == pytest.approx(0.15 * 40 / 42, abs=0.01)
    shown, true = batch.ids[batch.places], batch.truth
    assert (shown == words.mask).float().mean() == pytest.approx(0.8, abs=0.03)
    assert (shown == true).float().mean() == pytest.approx(0.1, abs=0.03)
    kept = torch.tensor(rows)[~batch.places]
    assert (batch.ids[~batch.places] == kept).all() and not batch.places[:, [0, -1]].any()
    assert (hide_pieces(rows, words, 0.15, np.random.default_rng(0), always=True).ids[batch.places] == words.mask).all()


def test_a_stopped_training_goes_on_as_if_it_never_was(words, tmp_path):
    rows = words.rows([e.text for e in datasets.load("reviews", "train")[:40]], 24)
    choice = Settings(steps=4, tokens=128, length=24, rank=2)
    counts = np.bincount(np.concatenate([row[1:-1] for row in rows]), minlength=words.size)

    def fresh(folder):
        folder.mkdir(exist_ok=True)
        return Training(start_network(minilm_folder(), choice, counts), choice, folder)

    whole = fresh(tmp_path / "a")
    masked_lm_training._train(whole, rows, words, choice, 10)
    half = fresh(tmp_path / "b")
    for _, batch in zip(range(2), draw_order(rows, choice), strict=False):
        half.learn(batch, words)
    half.save()
    again = fresh(tmp_path / "b")
    assert again.step == 2
    masked_lm_training._train(again, rows, words, choice, 10)
    for name, value in whole.weights().items():
        assert torch.equal(value, again.weights()[name]), name
    with pytest.raises(SystemExit, match="other settings"):
        Training(again.network, Settings(steps=5), tmp_path / "b")


def test_the_card_is_honest(trained):
    folder = masked_model_folder()
    card = json.loads((folder / "card.json").read_text())
    assert card["bytes"] == (folder / "model.safetensors").stat().st_size <= 4_000_000
    before, after = card["held_out"]["before"]["all"], card["held_out"]["after"]["all"]
    assert before["guesses"] == after["guesses"] > 1000
    assert after["top10"] > before["top10"] and after["perplexity"] < before["perplexity"]
