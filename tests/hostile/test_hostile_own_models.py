"""People's own classifiers of the `transformers` library: odd folders, texts and calls get an answer or a line."""

import itertools
import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import captum.attr  # noqa: F401 (its drawing library makes a folder for itself when it is first imported)
import numpy as np
import pytest
import torch
from helpers.hostile import answer_or_line, expect_line, run_command
from helpers.library_models import Library, write_library_model
from helpers.models import word_model
from safetensors.torch import load_file, save_file

from robust_core import EXPLAINERS, encoders
from robust_core.cleaning import clean
from robust_core.models import loading
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.cnn_lstm import WordCNN
from robust_core.text import Draft

torch.set_num_threads(1)
ARCHITECTURES = ("bert", "roberta", "gpt2-no-pad", "llama", "bart", "t5", "longformer", "fnet")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Callable[[str], Path]:
    """Write a model of each architecture once, before anything is watched."""
    root = tmp_path_factory.mktemp("own")
    return {name: write_library_model(root / name, name) for name in ARCHITECTURES}.__getitem__


@pytest.fixture(scope="module")
def opened(written) -> Callable[[str], TextClassifier]:
    """Open a model of each architecture once."""
    made: dict[str, TextClassifier] = {}

    def load(name: str) -> TextClassifier:
        if name not in made:
            made[name] = word_model(WordCNN) if name == "cnn" else loading.load(str(written(name)), "cpu")
        return made[name]

    return load


# --- Calls from code: a list of texts, or one line ------------------------------------------------

NO_TEXTS: dict[str, Any] = {
    "None": None, "number": 5, "nan": float("nan"), "text": "a good film", "bytes": b"a good film", "set": {"a"},
    "dict": {"a": 1}, "generator": (text for text in ("a", "b")), "endless": itertools.repeat("a"),
    "map": map(str, "ab"), "list of None": [None], "list of numbers": [1, 2],
    "list of lists": [["a", "b"]], "list of pairs": [("a", "b")],
    "list of bytes": [b"a"], "list of paths": [Path("a")], "mixed": ["a", 3], "nan in a list": [float("nan")],
    "flag": [True], "object": [object()], "two axes": np.array([["a", "b"]]), "no axis": np.array("a"),
    "numbers": np.zeros(3), "objects": np.array(["a", None], dtype=object), "class": str, "view": memoryview(b"ab"),
    "range": range(3), "huge": [10 ** 400], "tensor": torch.zeros(2), "words of text": [deque("ab")],
}


@pytest.mark.parametrize("given", NO_TEXTS)
@pytest.mark.parametrize("door", ["cnn", "bert", "gpt2-no-pad", "gradients", "encoder"])
def test_what_is_no_list_of_texts_is_one_line(opened, door, given):
    ask = (encoders.load_default("cpu").encode if door == "encoder" else
           opened("bert").embed if door == "gradients" else opened(door).predict_proba)
    expect_line(lambda: ask(NO_TEXTS[given]), "text")


@pytest.mark.parametrize("texts", [[], (), ["a"], ("a", "b"), np.array(["a", "b"]), [np.str_("a")], deque(["a"])])
@pytest.mark.parametrize("name", ["cnn", "bert", "bart"])
def test_any_list_of_texts_is_read(opened, name, texts):
    assert opened(name).predict_proba(texts).shape == (len(texts), len(opened(name).labels))


# --- What somebody types --------------------------------------------------------------------------

TYPED = {
    "empty": "", "blank": " ", "line breaks": "a\n\n\tfilm\r", "surrogate": "a \ud83d film", "nul": "a\x00film",
    "joined": "\U0001f468\u200d\U0001f469\u200d\U0001f467", "new emoji": "\U0001fae0 good \U0001fae8",
    "smiley": "It was :( because", "marks": "e\u0301\u0323" * 50, "backwards": "\u202egood\u202c film",
    "special": "<s> </s> <pad> <unk> <mask> [CLS] [SEP] [MASK] [PAD] [UNK] <|endoftext|>", "long": "film " * 3_000,
    "one word": "x" * 15_000, "cjk": "\u4f60\u597d" * 300, "reference": "&copy=2; &amp; <br /> &#39;",
    "entities": "&lt;script&gt;", "private": "\ue000\U000f0000", "unassigned": "\u0378\U0001ffff",
}


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2-no-pad", "bart", "t5", "fnet"])
def test_a_typed_text_gets_probabilities_or_a_line_and_the_same_ones_in_any_company(opened, name, typed):
    model, text = opened(name), TYPED[typed]
    model.tokens.length = min(model.tokens.length, 64)
    alone = answer_or_line(lambda: model.predict_proba([text]))
    if isinstance(alone, str):
        assert typed == "surrogate"
        return
    together = model.predict_proba(["a good film", text, "so very bad and dull, dull, dull"])
    assert np.isfinite(alone).all() and alone.sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(together[1] - alone[0]).max() <= 1e-4
    if len(text) < 200:
        scores = answer_or_line(lambda: EXPLAINERS["ixg"]().explain(model, [text], [0])[0].scores)
        assert isinstance(scores, str) or np.isfinite(scores).all()


@pytest.mark.parametrize("typed", ["joined", "new emoji", "smiley", "marks", "cjk", "reference", "line breaks"])
@pytest.mark.parametrize("name", ["bert", "gpt2-no-pad", "bart"])
def test_a_typed_text_reaches_an_own_model_unchanged(opened, written, name, typed):
    found = opened(name).predict_proba([TYPED[typed]])
    assert np.abs(found - Library(written(name)).proba([TYPED[typed]], opened(name).length)).max() <= 1e-4


# --- Folders that are whole, and are no plain classifiers -----------------------------------------


def drop_tokenizer(folder: Path) -> None:
    for path in folder.glob("*token*"):
        path.unlink()


def widen_head(folder: Path) -> None:
    """Give the head one label more than config.json says."""
    weights = load_file(folder / "model.safetensors")
    for key, value in weights.items():
        if value.shape[:1] == (3,):
            weights[key] = torch.cat([value, value[:1]])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def add_pieces(folder: Path) -> None:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    tokenizer.add_tokens(["@user", "http"])
    tokenizer.save_pretrained(folder)


def configure(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no tokenizer": (drop_tokenizer, ""),
    "another head": (widen_head, ""),
    "regression": (configure(problem_type="regression"), "regression"),
    "several labels": (configure(problem_type="multi_label_classification"), "several labels at once"),
    "unheard of": (configure(problem_type="sorting \x1b[31m" * 50), ""),
}


@pytest.mark.parametrize("fault", REFUSED)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_folder_that_is_no_plain_classifier_is_refused_in_one_line(tmp_path, name, fault):
    change, part = REFUSED[fault]
    folder = write_library_model(tmp_path / name, name)
    change(folder)
    expect_line(lambda: loading.load(str(folder), "cpu"), part)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_model_with_one_output_is_no_classifier(tmp_path, name):
    folder = write_library_model(tmp_path / name, name, num_labels=1, id2label={0: "score"}, label2id={"score": 0})
    expect_line(lambda: loading.load(str(folder), "cpu"), "regression")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_pieces_without_a_row_are_refused_and_all_else_is_read(tmp_path, name):
    folder = write_library_model(tmp_path / name, name)
    add_pieces(folder)
    model = answer_or_line(lambda: loading.load(str(folder), "cpu"))
    if isinstance(model, TextClassifier):
        want = Library(folder).proba(["a good film"], min(model.length, 64))
        assert np.abs(model.predict_proba(["a good film"]) - want).max() <= 1e-4
        expect_line(lambda: model.predict_proba(["a good film", "hello @user"]), "@user")
        expect_line(lambda: model.embed(["hello @user"]), "@user")


@pytest.mark.parametrize("command", ["predict", "explain"])
@pytest.mark.parametrize("name", ["bert", "gpt2-no-pad", "bart"])
def test_the_command_line_says_how_far_a_model_reads(written, name, command):
    """On an own model, which reads at its own length; the line names no more than that."""
    text = "a good film, " * 60
    code, out, _ = run_command(command, text, "--model", str(written(name)), "--device", "cpu",
                               *(("--method", "ixg") if command == "explain" else ()))
    model = loading.load(str(written(name)), "cpu")
    assert code == 0 and f"reads {model.readable_words(clean(text)):,} of 180 words." in " ".join(out.split())
    code, out, _ = run_command(command, text, "--model", str(written(name)), "--device", "cpu", "--json")
    assert code == 0 and json.loads(out)["results"][0]["words_in_text"] == 180


@pytest.mark.parametrize("text", ["It was :( because", "I loved it :)", "\u201cgood\u201d \u2019tis", "two  blanks",
                                  "a\\b good", "x &copy=2; good", "fish &amp; chips", "\U0001fae0 good",
                                  "it wo n't work , will it ?"])
def test_the_command_line_gives_an_own_model_what_was_typed(written, text):
    folder = str(written("bert"))
    code, out, _ = run_command("predict", text, "--model", folder, "--json")
    model = loading.load(folder, "cpu")
    expected = model.predict_proba([text])[0]
    given = json.loads(out)["results"][0]["proba"]
    assert code == 0 and np.allclose(list(given.values()), expected, atol=1e-6)
    code, out, _ = run_command("explain", text, "--model", folder, "--method", "loo", "--json")
    assert code == 0 and json.loads(out)["results"][0]["words"] == list(Draft.of(text).words)
