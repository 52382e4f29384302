"""Model folders that are broken or that ask for more: one line at every door, or an answer of finite numbers."""

import json
import os

import numpy as np
import pytest
import torch
from helpers.hostile import answer_or_line, expect_line
from helpers.model_folders import FILES, HUGE, begin, classify, edit, encode, fill, refused_everywhere
from helpers.weights import DAMAGES, change_weights, poison

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


def test_weights_that_are_numbers_and_give_none_are_refused_when_the_model_is_opened(folder):
    def overflow(weights: dict[str, torch.Tensor]) -> None:
        for name in weights:
            if name.endswith(("query.weight", "key.weight")):
                # Of both signs, so that infinities meet whatever is read.
                weights[name] = torch.full_like(weights[name], 3e38)
                weights[name][:, ::2] *= -1

    change_weights(folder / "model.safetensors", overflow)
    expect_line(lambda: classify(folder), "cannot be run: its answers are NaN or infinite")
    expect_line(lambda: begin(folder), "cannot be run: its answers are NaN or infinite")


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
    {"weight_map": {"a": "../other.safetensors"}}, {"weight_map": {"a": "/etc/passwd"}},
    {"weight_map": {"a": "sub/a.safetensors"}}, {"weight_map": {"a": "pytorch_model.bin"}},
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
    {"quantization_config": {"quant_method": "x"}}, {"compression_config": {"a": 1}},
    {"transformers_weights": "../other.safetensors"}, {"backbone": "resnet50"},
    {"attn_implementation": "somebody/kernel"}, {"_attn_implementation": "somebody/kernel@main:f"},
    {"_attn_implementation_internal": "somebody/kernel"}, {"model_type": "nosuch"}, {"model_type": 7},
    {"model_type": None}, {"model_type": ["bert"]}, {"model_type": "whisper"}, {"model_type": "x" * 5_000},
    {"model_type": "timm_wrapper"}, {"model_type": "gpt2"}, {"model_type": "roberta", "pad_token_id": HUGE},
    {"hidden_act": "os.system"}, {"hidden_act": 7}, {"text_config": {"hidden_size": HUGE}},
    {"pruned_heads": {"99": [0]}}, {"torchscript": "x", "hidden_act": None},
    {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": 1}}}}}}}}}},
    {"layer_types": [[HUGE]], "num_layers": [HUGE]}],
    ids=lambda value: str(value)[:60])
def test_settings_that_ask_for_code_or_for_something_else_are_refused(folder, changes):
    edit(folder, "config.json", **changes)
    (folder / "evil.py").write_text("raise SystemExit('it ran')\n")
    expect_line(lambda: classify(folder))
    expect_line(lambda: encode(folder))


@pytest.mark.parametrize("changes", [
    {"chunk_size_feed_forward": 3}, {"return_dict": False}, {"torchscript": True}, {"output_attentions": True},
    {"is_decoder": True}, {"layer_norm_eps": "x"}, {"layer_norm_eps": 1e30}, {"hidden_dropout_prob": 7},
    {"pad_token_id": -5}, {"pad_token_id": "x"}, {"position_embedding_type": "nosuch"}, {"classifier_dropout": -1},
    {"initializer_range": "x"}, {"dtype": "int8"}, {"dtype": "nosuch"}, {"torch_dtype": "bfloat16"},
    {"architectures": 7}, {"architectures": ["os.system"]}, {"transformers_version": 7}, {"use_cache": "x"},
    {"problem_type": "nosuch"}, {"tie_word_embeddings": "x"}, {"num_hidden_layers": 2.0}, {"bos_token_id": [1] * 100},
    {"label2id": {"x": HUGE}}, {"max_length": -1}, {"_name_or_path": "/etc"}], ids=str)
def test_odd_settings_are_one_line_or_an_answer(folder, changes):
    edit(folder, "config.json", **changes)
    answer_or_line(lambda: classify(folder))


@pytest.mark.parametrize("adapter", [{"base_model_name_or_path": "/etc"}, {"base_model_name_or_path": "somebody/else"},
                                     {}])
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
