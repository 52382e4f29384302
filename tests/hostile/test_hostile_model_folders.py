"""Model folders that are broken or that ask for more: one line at every door, or an answer of finite numbers."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.hostile import answer_or_line, expect_line
from helpers.models import word_piece, write_hugging_face
from helpers.weights import DAMAGES, change_weights, poison

from robust_core.encoders import SentenceTransformerEncoder
from robust_core.models import loading, masked_lm
from robust_core.models.base_encoders import load_base_encoder
from robust_core.types import Blank

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
HUGE = 10**9


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A small classifier, whole and right."""
    made = write_hugging_face(tmp_path_factory.mktemp("whole") / "bert", "bert")
    loading.load(str(made), "cpu")
    return made


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    """A copy of it to be broken."""
    return Path(shutil.copytree(whole, tmp_path / "work" / "bert"))


def classify(folder: Path) -> object:
    """Probabilities of a few texts."""
    found = loading.load(str(folder), "cpu").predict_proba(["a good film", "", "good " * 200])
    assert np.isfinite(found).all() and np.allclose(found.sum(1), 1, atol=1e-4)
    return found


def encode(folder: Path) -> object:
    """Vectors of a few texts."""
    found = SentenceTransformerEncoder(str(folder), "cpu").encode(["a good film", "", "good " * 200])
    assert np.isfinite(found).all() and found.shape[0] == 3
    return found


def fill(folder: Path) -> object:
    """Words for a blank."""
    masked_lm._load.cache_clear()
    found = masked_lm.load(str(folder), "cpu").fill([Blank("a ", " film", "good")], 3)
    assert all(np.isfinite(figure) for _, figure in found[0])
    return found


def begin(folder: Path) -> object:
    """An encoder to start a training from."""
    return load_base_encoder(str(folder), 16).body.width


DOORS = {"classifier": classify, "encoder": encode, "masked": fill, "start": begin}


def refused_everywhere(folder: Path, *parts: str) -> None:
    """Every door refuses the folder."""
    for door in DOORS.values():
        expect_line(lambda door=door: door(folder), *parts)


def edit(folder: Path, name: str, **changes: Any) -> None:
    """Write other values into a JSON file of a folder."""
    path = folder / name
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | changes))


# --- Weights -------------------------------------------------------------------------------------

@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_of_weights_is_one_line(folder, damage):
    path = folder / "model.safetensors"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    expect_line(lambda: classify(folder))
    expect_line(lambda: encode(folder))


@pytest.mark.parametrize("damage", ["half", "2^63", "a pickle", "eight bits", "deep"])
def test_every_door_has_the_same_gate(folder, damage):
    path = folder / "model.safetensors"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    refused_everywhere(folder)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder, number):
    poison(folder / "model.safetensors", number)
    expect_line(lambda: classify(folder), "NaN or infinite")
    expect_line(lambda: encode(folder), "NaN or infinite")
    expect_line(lambda: begin(folder), "NaN or infinite")


@pytest.mark.parametrize("name", FILES[:4])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nothing", "loop"])
def test_what_is_no_regular_file_is_never_waited_for(folder, name, kind):
    (folder / name).unlink()
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
    elif kind == "device":
        (folder / name).symlink_to("/dev/zero")
    elif kind == "loop":
        (folder / name).symlink_to(folder / name)
    check = answer_or_line if name == "tokenizer_config.json" and kind == "nothing" else expect_line
    check(lambda: classify(folder))
    check(lambda: encode(folder))


@pytest.mark.parametrize("lost", ["bert.encoder.layer.0.output.dense.weight", "bert.embeddings.word_embeddings.weight",
                                  "bert.encoder.layer.1.attention.self.query.bias"])
def test_an_encoder_without_some_of_its_weights_is_never_answered_with_random_ones(folder, lost):
    change_weights(folder / "model.safetensors", lambda weights: weights.pop(lost))
    refused_everywhere(folder)


def test_only_a_pooler_may_be_missing(folder):
    change_weights(folder / "model.safetensors",
                   lambda weights: [weights.pop(name) for name in list(weights) if "pooler" in name])
    assert begin(folder) == 16
    encode(folder)
    expect_line(lambda: classify(folder), "pooler")


@pytest.mark.parametrize("name", ["bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight",
                                  "bert.encoder.layer.1.output.dense.weight", "classifier.weight"])
@pytest.mark.parametrize("shape", [(1,), (0, 16), (3, 3), (16,), (1, 1, 1)])
def test_weights_of_other_shapes_are_refused(folder, name, shape):
    change_weights(folder / "model.safetensors", lambda weights: weights.update({name: torch.ones(shape)}))
    if name == "bert.embeddings.LayerNorm.weight" and shape == (16,):
        classify(folder)
    else:
        expect_line(lambda: classify(folder))


@pytest.mark.parametrize("index", [
    {}, [], {"weight_map": {}}, {"weight_map": []}, {"weight_map": {"a": 1}},
    {"weight_map": {"a": "../other.safetensors"}},
    {"weight_map": {"a": "/etc/passwd"}}, {"weight_map": {"a": "sub/a.safetensors"}},
    {"weight_map": {"a": "pytorch_model.bin"}},
    {"weight_map": {"a": "nothing.safetensors"}}, {"weight_map": {"a": "one.safetensors"}}, {"weight_map": None}],
    ids=str)
def test_an_index_names_only_files_beside_it(folder, index):
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    expect_line(lambda: classify(folder), "index.json" if "nothing" not in str(index) else "nothing.safetensors")


def test_weights_in_several_files_are_read(folder, whole):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, chosen in parts.items():
        save_file({name: weights[name] for name in chosen}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps(
        {"metadata": {}, "weight_map": {name: file for file, chosen in parts.items() for name in chosen}}))
    assert np.array_equal(classify(folder), classify(whole))


# --- Settings ------------------------------------------------------------------------------------

SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
         "max_position_embeddings", "type_vocab_size")
WRONG = (0, -1, "x", None, HUGE, 10**6, 2.5, [], {}, "9" * 500)


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("value", WRONG, ids=lambda value: str(value)[:9])
def test_a_size_that_no_network_has_is_one_line(folder, key, value):
    edit(folder, "config.json", **{key: value})
    expect_line(lambda: classify(folder))


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("value", [1, 3, 5, 7, 17, 48, 100])
def test_a_size_that_does_not_fit_the_weights_is_one_line(folder, key, value):
    edit(folder, "config.json", **{key: value})
    # Heads have no weights of their own: any number that divides the width is possible.
    check = answer_or_line if (key, value) == ("num_attention_heads", 1) else expect_line
    check(lambda: classify(folder))


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"7", b'"bert"', b"{", b"[" * 100_000, b'{"a":' * 100_000,
                                     b"\xff\xfe{}", b" " * 2_000_000, b'{"hidden_size": ' + b"9" * 5_000 + b"}",
                                     b"\0" * 99])
def test_settings_that_are_no_object_are_one_line(folder, content):
    (folder / "config.json").write_bytes(content)
    refused_everywhere(folder, "config.json")


@pytest.mark.parametrize("changes", [
    {"id2label": {}}, {"id2label": []}, {"id2label": {"0": "a"}}, {"id2label": {"0": "a", "2": "b"}},
    {"id2label": {"x": "a", "y": "b"}}, {"id2label": {"0": None, "1": "b"}}, {"id2label": {"0": 1, "1": 2}},
    {"id2label": {"0": "", "1": "b"}}, {"id2label": {"0": "a", "1": "A"}}, {"id2label": {"0": "a" * 1_000, "1": "b"}},
    {"id2label": {"0": ["a"], "1": "b"}}, {"id2label": {str(i): str(i) for i in range(2_000)}}, {"num_labels": 0},
    {"num_labels": -1}, {"num_labels": HUGE}, {"num_labels": "two"}, {"num_labels": 3}, {"num_labels": 2.0},
    {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}, {"id2label": 7},
    {"id2label": {"-1": "a", "0": "b"}}], ids=lambda value: str(value)[:60])
def test_labels_that_do_not_fit_are_one_line(folder, changes):
    edit(folder, "config.json", **changes)
    expect_line(lambda: classify(folder))


@pytest.mark.parametrize("changes", [
    {"auto_map": {"AutoConfig": "evil.Config"}}, {"auto_map": {"AutoModel": "somebody/else--evil.Model"}},
    {"trust_remote_code": True}, {"quantization_config": {"load_in_8bit": True}},
    {"quantization_config": {"quant_method": "x"}},
    {"compression_config": {"a": 1}}, {"transformers_weights": "../other.safetensors"}, {"backbone": "resnet50"},
    {"attn_implementation": "somebody/kernel"}, {"_attn_implementation": "somebody/kernel@main:f"},
    {"_attn_implementation_internal": "somebody/kernel"}, {"model_type": "nosuch"}, {"model_type": 7},
    {"model_type": None},
    {"model_type": ["bert"]}, {"model_type": "whisper"}, {"model_type": "x" * 5_000}, {"model_type": "timm_wrapper"},
    {"model_type": "gpt2"}, {"model_type": "roberta", "pad_token_id": HUGE}, {"hidden_act": "os.system"},
    {"hidden_act": 7},
    {"text_config": {"hidden_size": HUGE}}, {"pruned_heads": {"99": [0]}}, {"torchscript": "x", "hidden_act": None},
    {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": 1}}}}}}}}}}, {"layer_types": [[HUGE]],
    "num_layers": [HUGE]}],
    ids=lambda value: str(value)[:60])
def test_settings_that_ask_for_code_or_for_something_else_are_refused(folder, changes):
    edit(folder, "config.json", **changes)
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n")
    expect_line(lambda: classify(folder))
    expect_line(lambda: encode(folder))


@pytest.mark.parametrize("changes", [
    {"chunk_size_feed_forward": 3}, {"return_dict": False}, {"torchscript": True}, {"output_attentions": True},
    {"is_decoder": True}, {"layer_norm_eps": "x"}, {"layer_norm_eps": 1e30}, {"hidden_dropout_prob": 7},
    {"pad_token_id": -5},
    {"pad_token_id": "x"}, {"position_embedding_type": "nosuch"}, {"classifier_dropout": -1},
    {"initializer_range": "x"},
    {"dtype": "int8"}, {"dtype": "nosuch"}, {"torch_dtype": "bfloat16"}, {"architectures": 7},
    {"architectures": ["os.system"]},
    {"transformers_version": 7}, {"use_cache": "x"}, {"problem_type": "nosuch"}, {"tie_word_embeddings": "x"},
    {"num_hidden_layers": 2.0}, {"bos_token_id": [1] * 100}, {"label2id": {"x": HUGE}}, {"max_length": -1},
    {"_name_or_path": "/etc"}], ids=str)
def test_odd_settings_are_one_line_or_an_answer(folder, changes):
    edit(folder, "config.json", **changes)
    answer_or_line(lambda: classify(folder))


# --- Tokenizers ----------------------------------------------------------------------------------

def part(**changes: Any) -> Callable[[dict], object]:
    """A tokenizer with other parts."""
    return lambda base: base | changes


def model(**changes: Any) -> Callable[[dict], object]:
    """A tokenizer whose model has other settings."""
    return lambda base: base | {"model": base["model"] | changes}


def replace(pattern: dict, content: str) -> dict:
    """A normaliser that writes one thing for another."""
    return {"type": "Replace", "pattern": pattern, "content": content}


def cut(regex: str) -> dict:
    """A splitter by a regular expression."""
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Removed", "invert": False}


GROWING = {"type": "Sequence", "normalizers": [replace({"String": "a"}, "a" * 10)] * 9}
TOKENIZERS: dict[str, Callable[[dict], object]] = {
    "a list": lambda base: [base], "null": lambda base: None, "no object": lambda base: {}, "a number": lambda base: 7,
    "no model": part(model=None), "a model of text": part(model="WordPiece"), "no such model": model(type="Nosuch"),
    "no unknown token": model(unk_token="[NONE]"), "no words": model(vocab={}), "words in a list": model(vocab=["a"]),
    "an id too large": model(vocab={"[UNK]": 2**40}), "an id below": model(vocab={"[UNK]": -1}),
    "ids past the table": model(vocab={"[UNK]": 1, "a": 5_000, "[CLS]": 2, "[SEP]": 3, "[PAD]": 0}),
    "words of any length": model(max_input_chars_per_word=HUGE),
    "grows 10^9 times": part(normalizer=GROWING), "a text of a million": part(normalizer=replace({"String": "q"},
    "x" * 10**6)),
    "grows everywhere": part(normalizer=replace({"Regex": ""}, "x" * 1_000)), "prepends": part(
        normalizer={"type": "Prepend", "prepend": "x" * 10**5}),
        "decodes a million": part(decoder=replace({"String": "a"}, "x" * 10**6)),
    "a broken table": part(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    "no end": part(pre_tokenizer=cut("(a+)+$")), "no end 2": part(pre_tokenizer=cut("(x+x+)+y")),
    "no expression": part(pre_tokenizer=cut("(")),
    "no such part": part(pre_tokenizer={"type": "Nosuch"}), "a part of text": part(normalizer="lower"),
    "twice": part(post_processor={"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A",
    "type_id": 0}}] * 300,
                                  "pair": [], "special_tokens": {}}),
    "many specials": part(post_processor={
        "type": "TemplateProcessing", "single": [*[{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * 999,
                                                 {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}}),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_tokenizer_that_is_broken_or_never_ends_is_one_line(folder, kind):
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(TOKENIZERS[kind](json.loads(path.read_text()))))
    expect_line(lambda: classify(folder))


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 100_000, b'{"model":' * 100_000, b"{}" * 9, b"\0" * 1_000])
def test_a_tokenizer_that_is_no_json_is_one_line(folder, content):
    (folder / "tokenizer.json").write_bytes(content)
    expect_line(lambda: classify(folder), "tokenizer")


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"[" * 100_000, b"\xff", b"7"])
def test_what_lies_beside_a_tokenizer_is_an_object(folder, name, content):
    (folder / name).write_bytes(content)
    expect_line(lambda: classify(folder), name)


@pytest.mark.parametrize("changes", [
    {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}}, {"trust_remote_code": True}, {"from_slow": True},
    {"tokenizer_file": "/etc/passwd"}, {"fast_tokenizer_files": ["tokenizer.0.0.1.json"]}, {"gguf_file": "x.gguf"},
    {"tokenizer_class": 7}, {"tokenizer_class": ["a"]}], ids=str)
def test_a_tokenizer_asks_for_no_code_and_no_other_file(folder, changes):
    edit(folder, "tokenizer_config.json", **changes)
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n")
    expect_line(lambda: classify(folder), "tokenizer_config.json")


@pytest.mark.parametrize("changes", [
    {"tokenizer_class": "os.system"}, {"tokenizer_class": "NosuchTokenizer"}, {"added_tokens_decoder": {"x": {}}},
    {"added_tokens_decoder": 7}, {"added_tokens_decoder": {"999999999": {"content": "@user", "special": False}}},
    {"model_max_length": -1}, {"model_max_length": "x"}, {"unk_token": None}, {"pad_token": 7},
    {"mask_token": {"a": 1}},
    {"chat_template": "{% for i in range(10**9) %}x{% endfor %}"}, {"extra_special_tokens": 7}, {"padding_side": "up"},
    {"do_lower_case": "x"}, {"vocab_file": "/etc/passwd"}, {"name_or_path": "/etc"}], ids=str)
def test_odd_settings_of_a_tokenizer_are_one_line_or_an_answer(folder, changes):
    edit(folder, "tokenizer_config.json", **changes)
    answer_or_line(lambda: loading.load(str(folder), "cpu").predict_proba(["a good film"]))


# --- Encoders of sentence-transformers -----------------------------------------------------------

MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
           {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]


@pytest.fixture
def encoder(folder) -> Path:
    """The folder as sentence-transformers stores an encoder."""
    (folder / "1_Pooling").mkdir()
    edit(folder, "1_Pooling/config.json", word_embedding_dimension=16, pooling_mode_mean_tokens=True)
    (folder / "modules.json").write_text(json.dumps(MODULES))
    return folder


@pytest.mark.parametrize("changes", [
    {"word_embedding_dimension": 7}, {"word_embedding_dimension": "x"}, {"word_embedding_dimension": None},
    {"word_embedding_dimension": HUGE}, {"pooling_mode": "nosuch"}, {"pooling_mode": 7},
    {"pooling_mode_mean_tokens": False},
    {"nosuch": 1}], ids=str)
def test_odd_pooling_is_one_line_or_an_answer(encoder, changes):
    edit(encoder, "1_Pooling/config.json", **changes)
    answer_or_line(lambda: encode(encoder))


@pytest.mark.parametrize("changes", [
    {"model_args": {"trust_remote_code": True}}, {"tokenizer_name_or_path": "/etc"},
    {"model_kwargs": {"gguf_file": "x"}},
    {"config_args": {"a": 1}}, {"transformer_task": "text-generation"}, {"backend": "onnx"}, {"max_seq_length": 0},
    {"max_seq_length": "x"}, {"max_seq_length": -3}, {"modality_config": {"message": {"method": "forward"}}},
    {"module_output_name": "__class__"}], ids=str)
def test_settings_of_an_encoder_open_nothing_else(encoder, changes):
    edit(encoder, "sentence_bert_config.json", **changes)
    expect_line(lambda: encode(encoder), "sentence_bert_config.json" if "max" not in str(changes) else "max_seq_length")


@pytest.mark.parametrize("changes", [
    {"prompts": 7}, {"prompts": {"a": 1}}, {"default_prompt_name": "nosuch"}, {"prompts": {"q": "x"},
    "default_prompt_name": 7},
    {"model_type": "CrossEncoder"}, {"model_type": "SparseEncoder"}, {"__version__": 7},
    {"__version__": {"transformers": []}},
    {"similarity_fn_name": "os.system"}], ids=str)
def test_odd_settings_of_an_encoder_are_one_line_or_an_answer(encoder, changes):
    edit(encoder, "config_sentence_transformers.json", **changes)
    answer_or_line(lambda: encode(encoder))


@pytest.mark.parametrize("adapter", [{"base_model_name_or_path": "/etc"},
                         {"base_model_name_or_path": "somebody/else"}, {}])
def test_an_adapter_is_not_followed_to_another_model(folder, adapter):
    edit(folder, "adapter_config.json", **adapter)
    refused_everywhere(folder, "adapter")


def test_pickles_beside_the_weights_are_never_opened(folder):
    for name in ("pytorch_model.bin", "model.pt", "training_args.bin", "tf_model.h5", "flax_model.msgpack"):
        (folder / name).write_bytes(DAMAGES["a pickle"](b""))
    classify(folder)
    (folder / "model.safetensors").unlink()
    refused_everywhere(folder, "safetensors")


def test_nothing_precedes_the_line(folder, capfd):
    change_weights(folder / "model.safetensors", lambda weights: weights.pop("classifier.weight"))
    capfd.readouterr()
    expect_line(lambda: classify(folder), "classifier.weight")
    expect_line(lambda: fill(folder), "no masked language model")
    encode(folder)
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_that_fails_later_on_a_text_is_one_line(folder):
    from tokenizers import Regex, pre_tokenizers

    from robust_core.models.tokens import Subwords

    tokenizer, _ = word_piece()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(z+z+)+y"), "removed")
    tokens = Subwords(tokenizer, 32, 0)
    expect_line(lambda: tokens.encode("z" * 400), "tokenizer cannot read")
