"""Tokenizers, networks, stored checkpoints and Hugging Face models, all tiny and made here."""

import concurrent.futures
import copy
import dataclasses
import hashlib
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.doubles import WordEncoder
from helpers.models import (
    BAD,
    CPU,
    FAMILIES,
    GOOD,
    LABELS,
    TEXTS,
    bert_config,
    tiny_data,
    word_model,
    write_hugging_face,
)
from helpers.processor import COMPUTES_BF16
from helpers.texts import any_text, word
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from robust_core import ATTACKS, EXPLAINERS, datasets
from robust_core.attacks import transformations
from robust_core.attacks.engine.requests import Candidate
from robust_core.attacks.engine.token_splice import Splice
from robust_core.cleaning import clean
from robust_core.defences import DEFENCES
from robust_core.errors import BadInput, MissingResource, RobustError, UnknownName
from robust_core.models import cards, loading, screening
from robust_core.models.batching import pad_rows, split_batches
from robust_core.models.classifier import TextClassifier
from robust_core.models.device import pick_device
from robust_core.models.networks import cpu_linear
from robust_core.models.networks.bert import Bert, mean_pool
from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM
from robust_core.models.tokens import Subwords, WordVocabulary, find_owners, read_subwords
from robust_core.resources import minilm_folder
from robust_core.text import Draft, Edit, find_words, split_word
from robust_core.train import saving, training
from robust_core.train.recipe import make_recipe
from robust_core.types import Example

torch.set_num_threads(1)
quick = settings(max_examples=200, deadline=None, derandomize=True)


# --- Tokenizers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("whole", "pieces"), [
    ("won't", ["wo", "n't"]), ("Bug-eyed", ["bug", "eyed"]), ("it's", ["it", "'s"]), ("caf\u00e9", ["cafe"]),
    ("I'd", ["i", "'d"]), ("dogs'", ["dogs"]), ("'s", ["'s"]), ("n't", ["n't"]), ("o'clock", ["o'clock"]),
    ("don't-stop", ["do", "n't", "stop"]), ("3D", ["3d"]), ("\u4e2d", []), ("under_score", ["under", "score"]),
])
def test_word_models_read_pieces_of_words(whole, pieces):
    assert split_word(whole) == pieces


VOCABULARY = WordVocabulary(("good", "movie", "wo", "n't", "bad", "the", "film", "dull", "clever", "and"), 6)


def test_word_vocabulary():
    assert len(VOCABULARY) == 12
    assert VOCABULARY.encode("The good, good zorp won't!") == ((7, 2, 2, 1, 4, 5), (0, 1, 2, 3, 4, 4), 5)
    assert VOCABULARY.encode("") == ((), (), 0)
    assert VOCABULARY.unit_ids(", ") == ()


def slow_read(whole_owner: list[int], room: int, words: int) -> int:
    """Words before the first one that loses a token."""
    return min([owner for owner in whole_owner[room:] if owner >= 0], default=words)


@quick
@given(st.lists(st.sampled_from(("good", "won't", "zorp", "bug-eyed", "\u4e2d", "it's")), max_size=12),
       st.integers(1, 8))
def test_a_word_is_read_when_all_its_tokens_are(words, length):
    text = " ".join(words)
    whole = WordVocabulary(VOCABULARY.words, 1000).encode(text)
    cut = WordVocabulary(VOCABULARY.words, length).encode(text)
    assert cut.ids == whole.ids[:length] and cut.owner == whole.owner[:length]
    assert cut.read == slow_read(list(whole.owner), length, len(words))


@pytest.fixture(scope="module")
def minilm_tokens():
    return read_subwords(minilm_folder(), 128)


def bare(tokens, labels=LABELS) -> TextClassifier:
    """A classifier with a tokenizer and no network."""
    return TextClassifier("double/bare", labels, nn.Identity(), tokens, CPU)


def join(classifier: TextClassifier, draft: Draft) -> tuple[int, ...]:
    """The ids of a draft, unit by unit."""
    units = [draft.gaps[0], *(u for pair in zip(draft.words, draft.gaps[1:], strict=True) for u in pair)]
    return classifier.row([classifier.unit_ids(unit) for unit in units])


@quick
@given(any_text, word, st.data())
@example("a \U0001f600 good\U0001f600 film", "fine", None)
@example("x\u0338y is \u4e2d\u6587 good", "fine", None)
@example("\U00018cd6\U00020000", "0", None)
def test_spliced_rows_are_those_of_the_tokenizer(minilm_tokens, text, new, data):
    """Whatever the engine asks for an edited text is what the tokenizer makes of that text."""
    text = clean(text)
    classifier, draft = bare(minilm_tokens), Draft.of(text)
    splice = Splice(classifier, text)
    assert not splice._spliced or join(classifier, draft) == classifier.text_row(text)
    places = range(len(draft.words)) if data is None else (
        [data.draw(st.integers(0, len(draft.words) - 1))] if draft.words else [])
    for i in places:
        for edit in (Edit(i, i + 1, (new,)), Edit(i, i + 1, ()), Edit(i, i, (new,)), Edit(i, i + 1, (new, "film"))):
            candidate = Candidate(draft, (edit,))
            assert splice.row(candidate) == classifier.text_row(candidate.text)


def test_plain_sentences_are_spliced_and_glued_ones_are_not(minilm_tokens):
    classifier = bare(minilm_tokens)
    for text in TEXTS:
        assert Splice(classifier, text)._spliced
    assert not Splice(classifier, "good\U0001f600bad")._spliced


def test_a_text_that_is_glued_past_the_cut_is_not_spliced(minilm_tokens):
    """A deletion moves into reach what lay past it."""
    short = Subwords(minilm_tokens._tokenizer, 6, 0)
    text = "the good film was very\U0001f600bad"
    classifier = bare(short)
    candidate = Candidate(Draft.of(text), (Edit(0, 1, ()),))
    assert Splice(classifier, text).row(candidate) == classifier.text_row(candidate.text)


def test_special_tokens_in_a_text_are_text(minilm_tokens):
    special = {minilm_tokens._tokenizer.token_to_id(t) for t in ("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]")}
    row = minilm_tokens.encode("[CLS] a [MASK] film [SEP] [PAD] [UNK]").ids
    assert (row[0], row[-1]) == (101, 102) and not set(row[1:-1]) & special


def test_packaged_padding_and_truncation_are_reset(minilm_tokens):
    assert len(minilm_tokens.encode("good").ids) == 3
    assert len(minilm_tokens.encode("good " * 300).ids) == 128
    assert minilm_tokens.encode("good " * 300).read == 126


@pytest.mark.parametrize("length", range(3, 16))
def test_subwords_read_whole_words_only(minilm_tokens, length):
    text = "unbelievably good story-telling, (really) anti-establishmentarian films"
    whole = minilm_tokens.encode(text)
    cut = Subwords(minilm_tokens._tokenizer, length, 0).encode(text)
    assert len(cut.ids) == len(cut.owner) == min(length, len(whole.ids)) and cut.ids[-1] == 102
    assert cut.read == slow_read(list(whole.owner[1:-1]), length - 2, len(find_words(text)))
    for i in range(cut.read):
        assert cut.owner.count(i) == whole.owner.count(i) > 0


def test_owners_are_the_words_that_tokens_overlap():
    # "a (bc) d": with and without the blank in front of a token
    assert find_owners([(0, 1), (2, 3), (3, 4), (4, 5), (5, 6), (6, 8)], [(0, 1), (3, 5), (7, 8)]) == (
        0,
        -1,
        1,
        1,
        -1,
        2,
    )
    assert find_owners([(0, 0), (0, 3)], []) == (-1, -1)


# --- Networks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [WordCNN, WordLSTM])
def test_a_text_is_judged_alike_alone_and_in_any_batch(kind):
    model, rng = word_model(kind), np.random.default_rng(0)
    texts = [" ".join(f"w{i}" for i in rng.integers(0, 45, n)) for n in (1, 2, 3, 5, 9, 17, 30, 44)] + [""]
    alone = np.concatenate([model.predict_proba([text]) for text in texts])
    for order in (range(len(texts)), reversed(range(len(texts))), rng.permutation(len(texts))):
        chosen = list(order)
        together = model.predict_proba([texts[i] for i in chosen])
        assert np.abs(together - alone[chosen]).max() <= 1e-6
        rows = [model.text_row(texts[i]) for i in chosen]
        ids, mask = pad_rows([*rows, (5,) * 60], model.tokens.pad_id, model.device)
        by_rows = model.net(model.net.embedding(ids), mask).softmax(-1).detach().numpy()
        assert np.abs(by_rows[:-1] - alone[chosen]).max() <= 1e-6
        with torch.inference_mode():
            by_ids = model.net.read(ids, mask).softmax(-1).numpy()
        assert np.abs(by_ids - by_rows).max() <= 1e-6
    assert together.dtype == np.float32 and together.sum(1) == pytest.approx(np.ones(len(texts)))
    assert model.predict_proba([]).shape == (0, 2)
    model._budget = 40
    assert [max(len(b) * len(rows[b[-1]]), len(b)) <= 40 or len(b) == 1 for b in model.batches(rows)]
    assert np.abs(model.proba_from_ids(rows) - alone[chosen]).max() <= 1e-6


@pytest.mark.parametrize("kind", [WordCNN, WordLSTM])
def test_threads_share_a_model(kind):
    model = word_model(kind)
    texts = [" ".join(f"w{(i * k) % 40}" for i in range(k)) for k in range(1, 25)]
    wanted = model.predict_proba(texts)
    together = threading.Barrier(4)

    def judge(_: int) -> np.ndarray:
        together.wait(10)
        return np.stack([model.predict_proba(texts) for _ in range(5)])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(judge, range(4)):
            assert np.abs(found - wanted).max() <= 1e-6


@pytest.mark.parametrize("kind", [WordCNN, WordLSTM])
def test_the_white_box_is_the_black_box(kind):
    model = word_model(kind)
    texts = ["w1 w2 w3", "w4", "w5 w6, zorp w8-w9"]
    encoded = model.embed(texts)
    assert model.logits(encoded.embeddings, encoded.mask).softmax(-1).numpy() == pytest.approx(
        model.predict_proba(texts), abs=1e-6)
    assert [len(spans) for spans in encoded.spans] == [3, 1, 4]
    assert encoded.owner.tolist()[2] == [0, 1, 2, 3, 3] and encoded.owner.tolist()[1] == [0, -1, -1, -1, -1]
    assert torch.equal(encoded.pad, model.net.embedding.weight[0])
    represented = model.representation(encoded.embeddings, encoded.mask)
    assert torch.allclose(model.net.head(represented), model.logits(encoded.embeddings, encoded.mask))


def compare_bert(folder: Path) -> None:
    """Our forward pass against the library's, on the same files."""
    from transformers import BertModel

    theirs = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()
    ours = Bert.from_folder(folder)
    torch.manual_seed(0)
    ids = torch.randint(1, ours.config["vocab_size"], (3, 20))
    mask = torch.arange(20) < torch.tensor([[20], [7], [1]])
    with torch.no_grad():
        for keep in (mask, torch.ones_like(mask)):
            wanted = theirs(input_ids=ids, attention_mask=keep.long()).last_hidden_state
            found = ours(ours.table(ids), keep)
            assert torch.allclose(found[keep], wanted[keep], atol=2e-5)
            assert torch.allclose(mean_pool(found, keep)[2 if keep is mask else 0],
                                  wanted[2, 0] if keep is mask else wanted[0].mean(0), atol=2e-5)


def test_the_encoder_is_that_of_transformers(tmp_path):
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    BertModel(BertConfig(**bert_config(hidden_dropout_prob=0.0))).save_pretrained(tmp_path)
    compare_bert(tmp_path)


@pytest.mark.slow
def test_the_packaged_encoder_is_that_of_transformers():
    compare_bert(minilm_folder())


def test_the_encoder_refuses_what_it_is_not():
    with pytest.raises(ValueError, match="BERT encoders with GELU only"):
        Bert(bert_config(model_type="roberta"))
    with pytest.raises(ValueError, match="GELU only"):
        Bert(bert_config(hidden_act="relu"))


# --- Hugging Face models ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FAMILIES)
def hugging_face(request, tmp_path_factory):
    """(folder, classifier) of each family."""
    folder = write_hugging_face(tmp_path_factory.mktemp(request.param), request.param)
    return folder, loading.load(str(folder), "cpu")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hugging_face_models_judge_as_in_their_library(hugging_face):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, classifier = hugging_face
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert classifier.labels == LABELS and classifier.card is None and not classifier.net.training
    found = classifier.predict_proba(TEXTS)
    assert found.std(0).max() > 1e-3, "a random model that answers the same to all would prove nothing"
    for text, proba in zip(TEXTS, found, strict=True):
        ids = torch.tensor([classifier.text_row(text)])
        assert ids[0].tolist() == tokenizer(text)["input_ids"]
        with torch.no_grad():
            wanted = theirs(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.softmax(-1)[0]
        assert proba == pytest.approx(wanted.numpy(), abs=1e-5)


def test_hugging_face_models_show_their_inside(hugging_face):
    _, classifier = hugging_face
    encoded = classifier.embed(TEXTS)
    with torch.no_grad():
        proba = classifier.logits(encoded.embeddings, encoded.mask).softmax(-1)
        represented = classifier.representation(encoded.embeddings, encoded.mask)
    assert proba.numpy() == pytest.approx(classifier.predict_proba(TEXTS), abs=1e-5)
    assert represented.shape == (len(TEXTS), 16)
    assert encoded.embeddings.shape[:2] == encoded.mask.shape == encoded.owner.shape
    for i, text in enumerate(TEXTS):
        owner = encoded.owner[i].tolist()
        words = [o for o in owner if o >= 0]
        assert words == sorted(words) and set(words) == set(range(len(find_words(text))))
        assert owner[0] == -1 and owner[len(classifier.text_row(text)) - 1] == -1
        assert all(o == -1 for o in owner[len(classifier.text_row(text)):])
        assert encoded.mask[i].sum() == len(classifier.text_row(text))


def test_pieces_belong_to_the_words_they_spell(hugging_face):
    _, classifier = hugging_face
    tokenizer = classifier.tokens._tokenizer
    text = "a clever, unbelievably good (really) story-telling film"
    coded = classifier.tokens.encode(text)
    for i, (start, end) in enumerate(find_words(text)):
        spelled = tokenizer.decode([t for t, o in zip(coded.ids, coded.owner, strict=True) if o == i])
        letters = "".join(c for c in spelled.replace("\u2581", "") if c.isalpha())
        assert letters == text[start:end].replace("-", "")


def test_special_tokens_in_a_text_are_text_everywhere(hugging_face):
    _, classifier = hugging_face
    tokens = classifier.tokens
    special = {*tokens.prefix, *tokens.suffix, tokens.pad_id} - {tokens._tokenizer.token_to_id("[UNK]")}
    row = classifier.text_row("[MASK] <s> film [SEP] </s> <pad> [PAD] <mask> [CLS]")
    inner = row[len(tokens.prefix): len(row) - len(tokens.suffix)]
    assert not set(inner) & special


def test_long_texts_fit_into_hugging_face_models(hugging_face):
    _, classifier = hugging_face
    text = "good " * 400
    assert len(classifier.text_row(text)) == classifier.length <= 66
    assert 0 < classifier.readable_words(clean(text)) < 66
    assert classifier.predict_proba([text, "", "good"]).shape == (3, 2)


def test_attack_and_saliency_run_on_hugging_face_models(hugging_face, monkeypatch):
    _, classifier = hugging_face
    table = {"good": ["bad", "fine"], "clever": ["dull"], "movie": ["film", "story"], "film": ["movie"]}
    transformations.list_substitutes.cache_clear()
    monkeypatch.setattr(transformations, "neighbours", lambda w: [(o, 0.9) for o in table.get(w.lower(), ())])
    attack = ATTACKS["textfooler"](same_part_of_speech=False)
    examples = [Example(text, None, f"u/{i}") for i, text in enumerate(TEXTS)]
    events = list(attack.run([classifier], examples, encoder=WordEncoder()))
    transformations.list_substitutes.cache_clear()
    found = [e.result for e in events if e.kind == "result"]
    assert len(found) == len(TEXTS), [e.data for e in events if e.kind == "error"]
    for r in found:
        assert r.after == pytest.approx(classifier.predict_proba([r.perturbed])[0], abs=1e-6)
        assert (r.status == "succeeded") == (r.perturbed_label != r.reference_label)
    for r in found[:2]:
        attributions = EXPLAINERS["ig"]().explain(classifier, [r.example.text, r.perturbed], [r.reference_label] * 2)
        for attribution, before in zip(attributions, (r.before, r.after), strict=True):
            assert len(attribution.scores) == len(attribution.spans) == len(find_words(attribution.text))
            assert np.isfinite(attribution.scores).all()
            assert attribution.gap <= max(0.01 * abs(attribution.total), 0.002) or attribution.steps == 400
            assert abs(attribution.total) <= 1 and before[r.reference_label] - attribution.total >= -1e-4


def test_a_folder_without_a_classifier_says_so(tmp_path):
    from transformers import BertConfig, BertModel

    with pytest.raises(BadInput, match="neither a card.json nor a Hugging Face config.json") as caught:
        loading.load(str(tmp_path))
    assert str(tmp_path) not in str(caught.value)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="has no safetensors weights"):
        loading.load(str(tmp_path))
    folder = write_hugging_face(tmp_path / "pickled", "bert")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="safetensors"):
        loading.load(str(folder))
    headless = write_hugging_face(tmp_path / "headless", "bert")
    BertModel(BertConfig.from_pretrained(headless)).save_pretrained(headless)
    with pytest.raises(RobustError):
        loading.load(str(headless))


# --- Checkpoints -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """{architecture: Trained} on forty rows, one epoch, and the folder of the data."""
    data = tiny_data(tmp_path_factory.mktemp("data"))
    found = {}
    for architecture in ("cnn", "lstm"):
        recipe = make_recipe(architecture, "sst2", epochs=1, batch_size=8, length=12)
        *_, last = training.train(DEFENCES["base"](), "sst2", architecture, recipe, data_dir=str(data), device="cpu")
        found[architecture] = last["trained"]
    return found


@pytest.fixture
def shelf(trained, tmp_path, monkeypatch):
    """A folder of checkpoints with both models."""
    root = tmp_path / "checkpoints"
    for one in trained.values():
        saving.save(one, root)
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(root))
    return root


@pytest.mark.parametrize("architecture", ["cnn", "lstm"])
def test_a_saved_model_comes_back(trained, shelf, architecture):
    model_id = f"sst2/{architecture}/base"
    loaded = loading.load(model_id, "cpu")
    original = TextClassifier("x", LABELS, trained[architecture].network, trained[architecture].tokens, CPU)
    texts = [f"the film was {w}" for w in GOOD + BAD] + ["zorp", "", "good " * 40]
    assert loaded.predict_proba(texts) == pytest.approx(original.predict_proba(texts), abs=2e-3)
    card = loaded.card
    assert (loaded.id, loaded.labels, loaded.length) == (model_id, LABELS, 12)
    assert card == {c.id: c for c in cards.cards()}[model_id]
    assert card.title == {"cnn": "CNN \u00b7 base", "lstm": "LSTM \u00b7 base"}[architecture]
    assert set(card.files) == {"model.safetensors", "../embedding.safetensors", "../vocabulary.txt"}
    assert card.bytes == sum((card.folder / name).stat().st_size for name in card.files)
    assert [p for p in shelf.rglob("*") if p.is_file() and p.name.startswith("tmp")] == []
    assert loading.load(str(shelf / model_id), "cpu").predict_proba(texts[:2]) == pytest.approx(
        loaded.predict_proba(texts[:2]))
    again = loading.load(model_id, "cpu")
    assert np.array_equal(again.predict_proba(texts), loaded.predict_proba(texts))


def test_cards_are_listed_in_order_and_own_trainings_beside_them(trained, shelf, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    assert [c.id for c in cards.cards()] == ["sst2/cnn/base", "sst2/lstm/base"]
    seeded = trained["cnn"]._replace(card=dataclasses.replace(trained["cnn"].card, id="sst2/cnn/base@1", seed=1))
    saving.save(seeded, tmp_path / "runs" / "checkpoints")
    assert [c.id for c in cards.cards()] == ["sst2/cnn/base", "sst2/cnn/base@1", "sst2/lstm/base"]
    assert loading.load("sst2/cnn/base@1", "cpu").card.seed == 1


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["base/model.safetensors", "embedding.safetensors", "vocabulary.txt"])
@pytest.mark.parametrize("damage", [flip, lambda path: path.write_bytes(path.read_bytes()[:-1]), Path.unlink])
def test_a_damaged_file_is_never_used(shelf, name, damage):
    damage(shelf / "sst2" / "cnn" / name)
    with pytest.raises(BadInput, match=rf"sst2/cnn/base: {Path(name).name} .*restore the checkpoint") as caught:
        loading.load("sst2/cnn/base", "cpu")
    assert "\n" not in str(caught.value)
    assert loading.load("sst2/lstm/base", "cpu").labels == LABELS


def test_swapped_files_are_never_used(shelf):
    one, two = shelf / "sst2/cnn/base/model.safetensors", shelf / "sst2/lstm/base/model.safetensors"
    held = one.read_bytes()
    shutil.copyfile(two, one)
    two.write_bytes(held)
    for model_id in ("sst2/cnn/base", "sst2/lstm/base"):
        with pytest.raises(BadInput, match=f"{model_id}: model.safetensors does not match its card"):
            loading.load(model_id, "cpu")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"null", b'{"id": "sst2/cnn/base"}'])
def test_a_damaged_card_is_left_out_and_named(shelf, content):
    (shelf / "sst2/cnn/base/card.json").write_bytes(content)
    assert [c.id for c in cards.cards()] == ["sst2/lstm/base"]
    for asked in ("sst2/cnn/base", str(shelf / "sst2/cnn/base")):
        with pytest.raises(BadInput, match="The card of sst2/cnn/base is damaged; restore card.json"):
            loading.load(asked, "cpu")


def edit_card(shelf: Path, **changes) -> None:
    """Write other values into the card of the CNN."""
    path = shelf / "sst2/cnn/base/card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("changes", [
    {"defence": {}}, {"defence": None}, {"id": 7}, {"id": None}, {"dataset": ["sst2"]}, {"architecture": None},
    {"files": []}, {"labels": 3}, {"seconds": "long"},
], ids=str)
def test_no_card_whatever_it_says_keeps_the_others_from_being_listed(shelf, changes):
    edit_card(shelf, **changes)
    assert "sst2/lstm/base" in [c.id for c in cards.cards()]
    assert all(c.title and c.defence_name for c in cards.cards())


@pytest.mark.parametrize("changes", [
    {"files": {}}, {"files": []}, {"config": {}}, {"config": {"network": {}}},
    {"config": {"network": {"length": 12, "speed": 3}}}, {"config": {"network": {"length": "long"}}},
    {"config": {"network": {"length": 12, "kernels": 7}}},
    {"architecture": "lstm"}, {"labels": ["one", "two", "three"]},
], ids=str)
def test_a_card_that_does_not_fit_its_files_is_one_clear_line(shelf, changes):
    edit_card(shelf, **changes)
    with pytest.raises(RobustError, match="sst2/cnn/base") as caught:
        loading.load(str(shelf / "sst2/cnn/base"), "cpu")
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_weights_are_one_clear_line_even_with_the_right_hash(shelf):
    path = shelf / "sst2/cnn/base/model.safetensors"
    path.write_bytes(b"no weights at all")
    card = json.loads((path.parent / "card.json").read_text())
    edit_card(shelf, files=card["files"] | {"model.safetensors": hashlib.sha256(path.read_bytes()).hexdigest()})
    with pytest.raises(BadInput, match="sst2/cnn/base/model.safetensors is damaged or no safetensors file"):
        loading.load("sst2/cnn/base", "cpu")


@pytest.mark.parametrize(
    "asked", ["sst2/cnn/nosuch", "sst2/cnn", "a/b/c", "", "  ", "sst2", "../x/y", "sst2/cnn/base@7"])
def test_an_unknown_model_lists_the_known_ones(shelf, asked):
    with pytest.raises(UnknownName, match="Known: sst2/cnn/base, sst2/lstm/base"):
        loading.load(asked, "cpu")


def test_a_model_that_cannot_be_fetched_says_so(shelf, monkeypatch):
    import transformers.utils.hub
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(transformers.utils.hub, "_is_offline_mode", True)
    with pytest.raises(UnknownName, match="Unknown model 'nosuch'. Known: sst2/cnn/base"):
        loading.load("nosuch", "cpu")
    with pytest.raises(MissingResource, match="The classifier nobody/nosuch is missing") as caught:
        loading.load("nobody/nosuch", "cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["cuda:99", "nosuch", ""])
def test_an_unknown_device_is_one_clear_line(device):
    with pytest.raises(BadInput, match="There is no device"):
        pick_device(device)
    assert pick_device("cpu") == CPU


@given(st.lists(st.integers(0, 60), max_size=60), st.integers(1, 400))
def test_batches_hold_every_row_once_within_the_budget_and_without_many_pads(lengths, budget):
    rows = [(7,) * n for n in lengths]
    found = list(split_batches(rows, budget))
    assert sorted(i for batch in found for i in batch) == list(range(len(rows)))
    for batch in found:
        held = [max(lengths[i], 1) for i in batch]
        assert len(batch) == 1 or len(batch) * max(held) <= budget
        assert len(batch) <= 8 or max(held) <= 1.15 * min(held) + 2
        ids, mask = pad_rows([rows[i] for i in batch], 0, CPU)
        assert ids.shape == mask.shape == (len(batch), max(held)) and mask.sum(1).tolist() == held


def test_the_packed_encoder_computes_what_the_plain_one_does():
    model = loading.load("sst2/minilm/base", "cpu")
    rows = [model.text_row(text) for text in ("good", "a dull film, really", "one two three four five six seven " * 9)]
    body = model.net.body
    for chosen in (rows[:1], rows, rows[::-1] * 7):
        ids, mask = pad_rows(chosen, model.tokens.pad_id, CPU)
        with torch.no_grad():
            plain = mean_pool(body(body.table(ids), mask), mask)
        with torch.inference_mode():
            packed = mean_pool(body(body.table(ids), mask), mask)
            with torch.autocast("cpu", torch.bfloat16):
                low = mean_pool(body(body.table(ids), mask).float(), mask)
        assert (packed - plain).abs().max() <= 2e-5
        assert 0 < (low - plain).abs().max() <= 0.1


@pytest.fixture
def tried_anew():
    """The CPU kernels as before their first use, and so again afterwards."""
    cpu_linear.is_available.cache_clear()
    yield
    cpu_linear.is_available.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_cpu_kernels_of_this_torch_agree_with_the_plain_layer(dtype, tried_anew, caplog):
    if dtype is torch.bfloat16 and not COMPUTES_BF16:
        pytest.skip("This processor has no kernels for bf16.")
    assert cpu_linear.is_available(dtype) and not caplog.records


def no_operator(*arguments):
    raise AttributeError("no such operator")


def wrong_operator(rows, weight, bias, *options):
    return torch.zeros(len(rows), len(bias))


@pytest.mark.parametrize("name, operator, told", [
    ("_linear_pointwise", wrong_operator, "differ from the plain layer by"),
    ("_linear_pointwise", no_operator, "AttributeError"), ("_reorder_linear_weight", no_operator, "AttributeError")])
def test_without_the_cpu_kernels_the_plain_pass_runs_and_one_line_tells(name, operator, told, tried_anew, monkeypatch,
                                                                        caplog):
    model = loading.load("sst2/minilm/base", "cpu")
    body = copy.deepcopy(model.net.body)
    ids, mask = pad_rows([model.text_row(text) for text in ("good", "a dull film, really")], model.tokens.pad_id, CPU)

    def run() -> torch.Tensor:
        with torch.inference_mode():
            return body(body.table(ids), mask).clone()

    with torch.no_grad():
        plain = body(body.table(ids), mask)
    with_kernels = run()
    cpu_linear.is_available.cache_clear()
    monkeypatch.setattr(torch.ops.mkldnn, name, operator)
    found = [run() for _ in range(3)]
    assert all(torch.equal(one, found[0]) for one in found)
    assert (found[0] - plain).abs().max() <= 1e-6 and (found[0] - with_kernels)[mask].abs().max() <= 2e-5
    (line,) = [record.getMessage() for record in caplog.records]
    assert told in line and "float32" in line and "\n" not in line


def test_a_packed_encoder_follows_its_weights_and_copies():
    model = loading.load("sst2/minilm/base", "cpu")
    body, text = copy.deepcopy(model.net.body), [model.text_row("a dull film")]
    ids, mask = pad_rows(text, model.tokens.pad_id, CPU)

    def packed(one: Bert) -> torch.Tensor:
        with torch.inference_mode():
            return one(one.table(ids), mask).clone()

    before = packed(body)
    assert torch.equal(packed(copy.deepcopy(body)), before)
    with torch.no_grad():
        body.encoder.layer[3].output.dense.weight.mul_(1.5)
        changed = body(body.table(ids), mask)
    assert (packed(body) - changed).abs().max() <= 2e-5 < (before - changed).abs().max()


def test_screening_stays_within_its_noise():
    model = loading.load("sst2/minilm/base", "cpu")
    if not model.screens:
        pytest.skip("no bf16 here")
    texts = [e.text for e in datasets.load("reviews", "dev")]
    exact, low = (model.proba_from_ids([model.text_row(t) for t in texts], screened=s) for s in (False, True))
    assert 0 < np.abs(exact - low).max()
    off = np.abs(screening.compute_log_odds(low) - screening.compute_log_odds(exact)).max()
    assert off <= 2 * model.noise().absolute <= 0.5
