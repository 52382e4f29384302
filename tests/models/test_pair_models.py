"""Classifiers of pairs of texts from Hugging Face folders: read as the library reads them."""

import numpy as np
import pytest
import torch
from helpers.library_models import Library, write_library_model
from helpers.pairs import NLI, write_pair_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robust_core import EMBEDDING_ATTACKS, EXPLAINERS
from robust_core.errors import BadInput, Incompatible
from robust_core.evaluation import preflight
from robust_core.models.loading import load
from robust_core.models.pair_layout import PairLayout, read_pair_layout
from robust_core.models.tokens import WordVocabulary
from robust_core.parts import join_parts
from robust_core.reading import check_reads_pairs, describe_reading, find_reach, find_unread
from robust_core.text import find_words
from robust_core.types import Example, Frame

WORDS = st.lists(st.sampled_from(["a", "good", "film", "bad", "dull,", "it's", "unheard-of", "[SEP]", "</s>",
                                  "Na\u00efve"]), min_size=1, max_size=60).map(" ".join)
SHORT = join_parts(("a good film", "the film is bad"))


@pytest.fixture(scope="module", params=["Bert", "Roberta", "DistilBert"])
def both(request, tmp_path_factory):
    """A model as it is read here, and as the library reads it."""
    folder = tmp_path_factory.mktemp(request.param.lower()) / "nli"
    sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32} if request.param == "DistilBert" else {}
    write_pair_model(folder, request.param, **sizes) if request.param != "DistilBert" else write_distil(folder, sizes)
    return load(str(folder), "cpu"), Library(folder)


def write_distil(folder, sizes):
    write_pair_model(folder)
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    config = transformers.DistilBertConfig(vocab_size=len(tokenizer), max_position_embeddings=66, id2label=NLI,
                                           label2id={v: k for k, v in NLI.items()}, **sizes)
    torch.manual_seed(3)
    transformers.DistilBertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=WORDS, second=WORDS)
def test_a_pair_is_encoded_and_judged_as_by_the_library(both, first, second):
    model, library = both
    text = join_parts((first, second))
    coded = library.tokenizer(first, second, truncation=True, max_length=model.length, return_tensors="pt",
                              split_special_tokens=True)
    plain = not any(sign in text for sign in ("[SEP]", "</s>"))
    ours = model.text_row(text)
    if plain:
        assert list(ours) == coded["input_ids"][0].tolist()
        assert np.allclose(model.predict_proba([text]), library.ask(**coded).softmax(-1), atol=1e-6)
    assert len(ours) <= model.length and len(model.tokens.encode(text).owner) == len(ours)


def test_pairs_and_single_texts_share_a_batch(both):
    model, _ = both
    texts = ["a good film", SHORT, join_parts(("a film", "a good film it is"))]
    together = model.predict_proba(texts)
    assert np.allclose(together, np.concatenate([model.predict_proba([text]) for text in texts]), atol=1e-5)
    encoded = model.embed(texts)
    with torch.no_grad():
        by_rows = model.logits(encoded.embeddings, encoded.mask).softmax(-1)
    assert np.allclose(together, by_rows, atol=1e-5)
    assert model.representation(encoded.embeddings, encoded.mask).shape[0] == 3


def test_each_part_is_cut_and_what_is_not_read_is_known(both):
    model, _ = both
    first, second = "good film " * 40, "a bad film"
    text = join_parts((first, second))
    unread = find_unread(model, text)
    assert unread and max(unread) == 79, "the short part is read whole"
    words = len(find_words(text))
    assert describe_reading(model, text) == f"reads {words - len(unread)} of {words} words"
    assert find_reach(model, Frame(join_parts((first, "")), ""), second) == (3, frozenset())
    assert find_reach(model, Frame("", join_parts(("", second))), first)[0] == 80 - len(unread)
    assert find_reach(model, Frame(), text) == (words, unread)
    owner = set(model.tokens.encode(text).owner) - {-1}
    assert max(owner) == words - 1 and not unread & {*range(min(unread) + 1, 80)} & owner


@pytest.mark.parametrize("name", ["ig", "ixg", "loo", "lime", "shapley"])
def test_both_parts_are_explained(both, name):
    model, _ = both
    explainer = EXPLAINERS[name](**{"lime": {"samples": 60}, "shapley": {"orders": 2}}.get(name, {}))
    found, single = explainer.explain(model, [SHORT, "a good film"], [0, 0], parts=("premise", "hypothesis"))
    assert found.spans == find_words(SHORT) and found.parts == ("premise", "hypothesis") and single.parts == ()
    assert any(found.scores[:3]) and any(found.scores[3:])
    if name == "ig":
        assert found.gap < 0.01


def test_models_of_single_texts_refuse_pairs(tmp_path):
    example = Example.of_parts({"a": "x", "b": "y"})
    word = WordVocabulary(("x",), 5)
    assert word.encode(example.text).read == 2
    with pytest.raises(Incompatible, match="sst2/cnn/base reads single texts, no pairs: it was trained here"):
        check_reads_pairs(load("sst2/cnn/base", "cpu"))
    with pytest.raises(Incompatible, match="no pair that is laid out"):
        check_reads_pairs(load(str(write_library_model(tmp_path / "m", "bert")), "cpu"))
    with pytest.raises(Incompatible, match="no pair that is laid out"):
        check_reads_pairs(load(str(write_library_model(tmp_path / "x", "gpt2")), "cpu"))
    with pytest.raises(Incompatible, match="single texts"):
        check_reads_pairs(object.__new__(type("Plain", (), {"id": "plain"})))
    with pytest.raises(Incompatible, match="single texts"):
        EXPLAINERS["loo"]().explain(load("sst2/cnn/base", "cpu"), [SHORT], [0])
    pair = load(str(write_pair_model(tmp_path / "p")), "cpu")
    with pytest.raises(BadInput, match="two parts, not 3"):
        pair.predict_proba([join_parts("abc")])
    with pytest.raises(Incompatible, match="pairs of texts take attacks that change words"):
        list(EMBEDDING_ATTACKS["pgd"]().run(pair, [example]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(3, 40))
def test_parts_are_cut_longest_first(first, second, length):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[CLS]": 1, "[SEP]": 2, "b": 3}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.enable_truncation(length)
    found = tokenizer.encode("a " * first, "b " * second).ids
    layout = PairLayout((1,), (2,), (2,), True)
    assert layout.cut(first, second, length) == (found.count(0), found.count(3))


@pytest.mark.parametrize(("ids", "types", "told", "segments"), [
    ([1, 9, 2, 9, 2], [0, 0, 0, 1, 1], True, True), ([1, 9, 2, 9, 2], [0, 0, 0, 1, 1], False, False),
    ([1, 9, 2, 2, 9, 2], [0] * 6, True, False), ([9, 9], [0, 0], True, None),
    ([9, 2, 9, 2, 1], [0, 0, 1, 1, 2], True, None), ([1, 9, 2], [0, 0, 0], True, None)])
def test_the_layout_is_told_from_a_pair(ids, types, told, segments):
    found = read_pair_layout(lambda a, b: (ids, types), [9], told)
    assert (found.segments if found else None) is segments


def test_the_app_says_that_classes_are_those_of_pairs():
    found = preflight.check_names(["Entailment", "neutral", "contradiction"])
    assert found.verdict == preflight.LOOK and "pairs of texts" in found.line and "--pair" in found.advice
    assert preflight.check_names(["bad", "good"]).verdict == preflight.FINE
