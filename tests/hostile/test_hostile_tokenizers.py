"""Tokenizers that never end, grow or ask for code, and the parts of encoders: one line, or an answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.hostile import answer_or_line, expect_line
from helpers.model_folders import HUGE, classify, edit, encode
from helpers.models import word_piece

from robust_core.models import loading
from robust_core.models.device import pick_device
from robust_core.models.tokens import Subwords


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
    "grows 10^9 times": part(normalizer=GROWING),
    "a text of a million": part(normalizer=replace({"String": "q"}, "x" * 10**6)),
    "grows everywhere": part(normalizer=replace({"Regex": ""}, "x" * 1_000)),
    "prepends": part(normalizer={"type": "Prepend", "prepend": "x" * 10**5}),
    "decodes a million": part(decoder=replace({"String": "a"}, "x" * 10**6)),
    "a broken table": part(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    "no end": part(pre_tokenizer=cut("(a+)+$")), "no end 2": part(pre_tokenizer=cut("(x+x+)+y")),
    "no expression": part(pre_tokenizer=cut("(")),
    "no such part": part(pre_tokenizer={"type": "Nosuch"}), "a part of text": part(normalizer="lower"),
    "twice": part(post_processor={"type": "TemplateProcessing",
                                  "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 300, "pair": [],
                                  "special_tokens": {}}),
    "many specials": part(post_processor={
        "type": "TemplateProcessing", "pair": [],
        "single": [*[{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * 999, {"Sequence": {"id": "A", "type_id": 0}}],
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
    {"mask_token": {"a": 1}}, {"chat_template": "{% for i in range(10**9) %}x{% endfor %}"},
    {"extra_special_tokens": 7}, {"padding_side": "up"}, {"do_lower_case": "x"}, {"vocab_file": "/etc/passwd"},
    {"name_or_path": "/etc"}], ids=str)
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
    {"pooling_mode_mean_tokens": False}, {"nosuch": 1}], ids=str)
def test_odd_pooling_is_one_line_or_an_answer(encoder, changes):
    edit(encoder, "1_Pooling/config.json", **changes)
    answer_or_line(lambda: encode(encoder))


@pytest.mark.parametrize("changes", [
    {"model_args": {"trust_remote_code": True}}, {"tokenizer_name_or_path": "/etc"},
    {"model_kwargs": {"gguf_file": "x"}}, {"config_args": {"a": 1}}, {"transformer_task": "text-generation"},
    {"backend": "onnx"}, {"max_seq_length": 0}, {"max_seq_length": "x"}, {"max_seq_length": -3},
    {"modality_config": {"message": {"method": "forward"}}}, {"module_output_name": "__class__"}], ids=str)
def test_settings_of_an_encoder_open_nothing_else(encoder, changes):
    edit(encoder, "sentence_bert_config.json", **changes)
    expect_line(lambda: encode(encoder), "sentence_bert_config.json" if "max" not in str(changes) else "max_seq_length")


@pytest.mark.parametrize("changes", [
    {"prompts": 7}, {"prompts": {"a": 1}}, {"default_prompt_name": "nosuch"},
    {"prompts": {"q": "x"}, "default_prompt_name": 7}, {"model_type": "CrossEncoder"}, {"model_type": "SparseEncoder"},
    {"__version__": 7}, {"__version__": {"transformers": []}}, {"similarity_fn_name": "os.system"}], ids=str)
def test_odd_settings_of_an_encoder_are_one_line_or_an_answer(encoder, changes):
    edit(encoder, "config_sentence_transformers.json", **changes)
    answer_or_line(lambda: encode(encoder))


def test_a_tokenizer_that_fails_later_on_a_text_is_one_line(folder):
    from tokenizers import Regex, pre_tokenizers

    tokenizer, _ = word_piece()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(z+z+)+y"), "removed")
    tokens = Subwords(tokenizer, 32, 0)
    expect_line(lambda: tokens.encode("z" * 400), "tokenizer cannot read")


@pytest.mark.parametrize("device", [
    "meta", "hpu", "privateuseone", "cuda", "cuda:0", "cuda:99", "cuda:-1", "mps", "mps:0", "xpu", "xpu:7", "mkldnn",
    "xla", "vulkan", "ipu", "mtia", "opengl", "ideep", "hip", "fpga", "maia", "lazy", "ve", "ort", "", " ", "cpu:",
    "cpu:x", "cuda:" + "9" * 400, "x" * 10**6, "\0", "cpu\n", "CPU", 3, None, 2.5, ["cpu"], b"cpu"],
    ids=lambda value: repr(value)[:20])
def test_a_device_that_is_not_here_is_one_line(device):
    if device in ("cuda", "cuda:0", "mps", "mps:0", "xpu"):
        answer_or_line(lambda: pick_device(device))
    else:
        expect_line(lambda: pick_device(device), "There is no device")
