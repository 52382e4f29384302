"""Cards of stored models that are broken or lie about sizes: one line before anything of these sizes is allocated."""

import hashlib
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
from helpers.weights import DAMAGES, change_weights, poison

from robust_core import encoders
from robust_core.certify import base_classifiers
from robust_core.models import cards, encoder_cards, loading, masked_lm
from robust_core.models.architectures import build
from robust_core.models.networks.shapes import on_no_device
from robust_core.paths import CHECKPOINTS, sha256

WORDS = tuple(f"w{i}" for i in range(18))
SIZES = {"length": 12, "width": 8, "kernels": 4, "sizes": [2, 3]}
HUGE = 10**9
WRONG = {"null": None, "text": "x", "-1": -1, "10^9": HUGE, "10^30": 10**30, "half": 0.5, "list": [[]],
"object": {"a": 1},
         "true": True}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """Checkpoints of each kind, whole and right: a small word model, a transformer, an encoder, base classifiers."""
    root = tmp_path_factory.mktemp("whole")
    network, _ = build("cnn", SIZES, ("negative", "positive"), WORDS)
    state = network.state_dict()
    table = {"embedding.safetensors": {"weight": state.pop("embedding.weight")},
    "vocabulary.txt": "\n".join(WORDS).encode()}
    card = cards.Card("sst2/cnn/base", "sst2", "cnn", {"name": "base"}, 0, ("negative", "positive"),
    {"network": SIZES}, {},
                      0.5, 1, 1.0, "cpu", 9, 0, {}, {}, "", "0.1.0", root)
    cards.save(card, state, table, root)
    for place in ("encoders/simcse", "smoothed/digits", "masked/minilm", "sst2/minilm/base"):
        shutil.copytree(CHECKPOINTS / place, root / place)
    return root


@pytest.fixture
def root(shelf, tmp_path, monkeypatch, request) -> Path:
    """A copy of them to be broken, in the place of the shipped ones; of a test of one kind only that."""
    made = tmp_path / "work" / "checkpoints"
    kind = request.node.callspec.params.get("kind") if hasattr(request.node, "callspec") else None
    place = {"word model": "sst2/cnn"}.get(kind, KINDS[kind][0]) if kind else "."
    shutil.copytree(shelf / place, made / place)
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(made))
    return made


def classify(root: Path, place: str = "sst2/cnn/base") -> object:
    """Probabilities from a checkpoint."""
    found = loading.load(str(root / place), "cpu").predict_proba(["w1 w2", ""])
    assert np.isfinite(found).all()
    return found


def certify(root: Path) -> object:
    """Classes from base classifiers."""
    model = base_classifiers.load("digits")
    return [model.judge(*key)(np.zeros((1, *model.shape), dtype=np.float32)) for key in model.networks]


def encode(root: Path) -> object:
    """Vectors of an adapted encoder."""
    encoders._load_adapted.cache_clear()
    found = encoders.load(str(root / "encoders/simcse"), "cpu").encode(["a good film"])
    assert np.isfinite(found).all()
    return found


def fill(root: Path) -> object:
    """How fluent the packaged masked language model finds a text."""
    masked_lm._load.cache_clear()
    return masked_lm.load("minilm", "cpu").pseudo_perplexity(["a good film"])


KINDS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "word model": ("sst2/cnn/base", classify), "transformer": ("sst2/minilm/base", lambda root: classify(root,
    "sst2/minilm/base")),
    "encoder": ("encoders/simcse", encode), "base classifiers": ("smoothed/digits", certify),
    "masked": ("masked/minilm", fill)}
FIELDS = {"word model": cards.Card, "encoder": encoder_cards.EncoderCard,
"base classifiers": base_classifiers.SmoothedCard}


def edit(root: Path, kind: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a card says."""
    path = root / KINDS[kind][0] / "card.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def sign(root: Path, kind: str) -> None:
    """Write the SHA-256 that the files have now onto their card."""
    folder = root / KINDS[kind][0]
    edit(root, kind, lambda values: values.update(files={name: sha256(folder / name) for name in values["files"]}))


def refused(root: Path, kind: str, *parts: str) -> str:
    """The line with which a broken checkpoint is refused."""
    return expect_line(lambda: KINDS[kind][1](root), *parts)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_whole_is_answered(root, kind):
    KINDS[kind][1](root)


# --- The file itself -----------------------------------------------------------------------------

CONTENTS = {"empty": b"", "null": b"null", "list": b"[]", "number": b"7", "text": b'"card"', "half": b'{"id": "sst2',
"deep": b"[" * 100_000,
            "deep objects": b'{"id":' * 100_000, "no Unicode": b"\xff\xfe\x00", "zeros": bytes(1_000),
            "long": b'{"id": "' + b"x" * 3_000_000 + b'"}',
            "digits": b'{"seed": ' + b"9" * 5_000 + b"}", "NaN": b'{"seconds": NaN}'}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", CONTENTS)
def test_a_card_that_is_none_is_one_line(root, kind, content):
    (root / KINDS[kind][0] / "card.json").write_bytes(CONTENTS[content])
    refused(root, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", ["card.json", "model.safetensors"])
@pytest.mark.parametrize("form", ["pipe", "folder", "device", "loop", "nothing"])
def test_what_is_no_regular_file_is_never_waited_for(root, kind, file, form):
    path = root / KINDS[kind][0] / file
    path.unlink()
    if form == "pipe":
        os.mkfifo(path)
    elif form == "folder":
        path.mkdir()
    elif form == "device":
        path.symlink_to("/dev/zero")
    elif form == "loop":
        path.symlink_to(path)
    expect_line(lambda: KINDS[kind][1](root))


# --- Its fields ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, card in FIELDS.items()
                                             for field in card.__dataclass_fields__ if field != "folder"])
@pytest.mark.parametrize("value", WRONG)
def test_a_field_of_another_type_is_one_line_or_does_no_harm(root, kind, field, value):
    edit(root, kind, lambda values: values.update({field: WRONG[value]}))
    numbers = ("seed", "epochs", "seconds", "parameters", "bytes", "steps", "levels", "dev_accuracy")
    sound = field in numbers and value in ("-1", "10^9", "half", "10^30") or value == "text" or (
        value == "object" and field in ("recipe", "data", "method", "schedule", "corpus", "dev", "defence", "config",
        "space"))
    (answer_or_line if sound else expect_line)(lambda: KINDS[kind][1](root))


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, card in FIELDS.items()
                                             for field in card.__dataclass_fields__ if field != "folder"])
def test_a_field_that_is_missing_is_one_line(root, kind, field):
    edit(root, kind, lambda values: values.pop(field))
    expect_line(lambda: KINDS[kind][1](root))


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "../../../../../dev/zero", "a/b", "../../..", "",
                         "x" * 5_000, "\0"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_card_lists_no_files_elsewhere(root, kind, name):
    edit(root, kind, lambda values: values["files"].update({name: "0" * 64}))
    expect_line(lambda: KINDS[kind][1](root))


# --- Sizes ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("changes", [
    *({key: value} for key in ("length", "width", "kernels", "sizes") for value in (0, -1, HUGE, 10**6,
    "8", None, 2.5, [], {}, True)),
    {"sizes": [HUGE]}, {"sizes": [1] * 10_000}, {"sizes": ["2", "3"]}, {"sizes": [2, 3, 4]}, {"width": 9},
    {"kernels": 5},
    {"masks": {"hidden": HUGE}}, {"masks": {}}, {"masks": 7}, {"masks": {"nosuch": 1}}, {"groups": HUGE},
    {"groups": "x"},
    {"reconstruction": True}, {"dropout": 7}, {"dropout": "x"}, {"dropout": -1}, {"nosuch": 1}, {"length": 10**40}],
    ids=str)
@pytest.mark.parametrize("kind", ["word model"])
def test_sizes_of_a_word_model_are_compared_with_its_file(root, kind, changes):
    edit(root, kind, lambda values: values["config"]["network"].update(changes))
    refused(root, kind)


@pytest.mark.parametrize("changes", [
    {"length": 0}, {"length": HUGE}, {"length": 513}, {"length": 2}, {"length": "x"}, {"masks": {"hidden": HUGE}},
    {"masks": 7},
    {"groups": HUGE}, {"reconstruction": True}, {"dropout": 7}, {"dropout": "x"}, {"nosuch": 1}], ids=str)
@pytest.mark.parametrize("kind", ["transformer"])
def test_sizes_of_a_transformer_are_compared_with_its_file(root, kind, changes):
    edit(root, kind, lambda values: values["config"]["network"].update(changes))
    refused(root, kind)


@pytest.mark.parametrize("changes", [
    {"labels": []}, {"labels": ["a"]}, {"labels": ["a", "b", "c"]}, {"labels": ["a"] * 10_000}, {"labels": "ab c"},
    {"architecture": "lstm"},
    {"architecture": "nosuch"}, {"architecture": "minilm"}, {"architecture": ""}, {"parent": "0" * 64}, {"config": {}},
    {"config": {"network": 7}}, {"config": {"network": {}}}, {"dev_accuracy": 5}, {"dev_accuracy": -1}, {"id": "a\nb"},
    {"id": "x" * 5_000}], ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("kind", ["word model"])
def test_a_card_that_does_not_fit_its_files_is_one_line(root, kind, changes):
    edit(root, kind, lambda values: values.update(changes))
    check = answer_or_line if "parent" in changes else expect_line
    check(lambda: classify(root))


@pytest.mark.parametrize("changes", [
    {"shape": [HUGE]}, {"shape": [1, HUGE, HUGE]}, {"shape": []}, {"shape": [0, 8, 8]}, {"shape": [-1, 8, 8]},
    {"shape": [1, 8.5, 8]},
    {"shape": "188"}, {"shape": [1] * 10_000}, {"settings": {}}, {"settings": {"hidden": HUGE}},
    {"settings": {"hidden": "x"}},
    {"settings": {"hidden": 0}}, {"settings": {"hidden": -1}}, {"labels": ["0"] * 11}, {"labels": []}, {"levels": 0},
    {"levels": HUGE},
    {"kind": "sound"}, {"kind": "text"}, {"networks": [{}]}, {"networks": [{"method": "dssn"}]}, {"networks": [7]},
    {"networks": [{"method": "dssn", "scale": "x"}]}, {"networks": [{"method": "nosuch", "scale": 1.0}]},
    {"networks": [{"method": "dssn", "scale": 1.0}] * 10_000}, {"networks": [{"method": ["a"], "scale": 1.0}]}],
    ids=lambda v: str(v)[:50])
@pytest.mark.parametrize("kind", ["base classifiers"])
def test_sizes_of_base_classifiers_are_compared_with_their_file(root, kind, changes):
    edit(root, kind, lambda values: values.update(changes))
    refused(root, kind)


@pytest.mark.parametrize("changes", [
    {"length": HUGE}, {"length": "x"}, {"length": 0}, {"length": -5}, {"lora_scale": "x"}, {"lora_scale": None},
    {"lora_scale": []},
    {"start": 7}, {"start": "/etc"}, {"start": "../.."}], ids=str)
@pytest.mark.parametrize("kind", ["encoder", "masked"])
def test_settings_of_low_rank_weights_are_checked(root, kind, changes):
    if kind == "masked" and "start" in changes:
        return
    edit(root, kind, lambda values: values["config"].update(changes))
    refused(root, kind)


# --- Weights whose hash is right -----------------------------------------------------------------

@pytest.mark.parametrize("kind", ["word model", "encoder", "base classifiers", "masked"])
@pytest.mark.parametrize("damage", ["empty", "half", "2^63", "a pickle", "deep", "eight bits", "a list",
                         "large shape", "zeros"])
def test_damaged_weights_are_one_line_even_with_the_right_hash(root, kind, damage):
    path = root / KINDS[kind][0] / "model.safetensors"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    sign(root, kind)
    refused(root, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_weight_is_nan_or_infinite(root, kind, number):
    poison(root / KINDS[kind][0] / "model.safetensors", number)
    sign(root, kind)
    expect_line(lambda: KINDS[kind][1](root), "NaN or infinite")


def test_no_word_vector_is_nan(root):
    poison(root / "sst2/cnn/embedding.safetensors", float("nan"))
    sign(root, "word model")
    refused(root, "word model", "NaN or infinite")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (0,), (3, 3, 3)])
def test_a_weight_of_another_shape_is_never_spread_over_a_whole_one(root, kind, shape):
    change_weights(root / KINDS[kind][0] / "model.safetensors",
                   lambda weights: weights.update({sorted(weights)[-1]: torch.ones(shape)}))
    sign(root, kind)
    expect_line(lambda: KINDS[kind][1](root))


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_that_is_missing_is_never_drawn(root, kind):
    change_weights(root / KINDS[kind][0] / "model.safetensors", lambda weights: weights.pop(sorted(
        name for name in weights if "lora_A" not in name)[0]))
    sign(root, kind)
    expect_line(lambda: KINDS[kind][1](root))


def test_low_rank_weights_are_not_multiplied_to_something_large(root):
    name = "encoder.layer.0.attention.self.query"

    def change(weights: dict[str, torch.Tensor]) -> None:
        weights |= {f"{name}.lora_A": torch.ones(1, 200_000), f"{name}.lora_B": torch.ones(200_000, 1)}

    change_weights(root / "encoders/simcse/model.safetensors", change)
    sign(root, "encoder")
    refused(root, "encoder", "another shape")


@pytest.mark.parametrize("words", ["", "w1", "\n" * 50_000, "w1\n" * 18, "x" * 1_000_000])
def test_a_vocabulary_that_does_not_fit_the_table_is_one_line(root, words):
    (root / "sst2/cnn/vocabulary.txt").write_text(words)
    sign(root, "word model")
    check = answer_or_line if words.count("\n") == 17 else expect_line
    check(lambda: classify(root))


def test_a_damaged_checkpoint_does_not_hide_the_others(root):
    (root / "sst2/cnn/base/card.json").write_bytes(b"[" * 100_000)
    assert [card.id for card in cards.cards() if card.folder.is_relative_to(root)] == ["sst2/minilm/base"]


def test_networks_on_no_device_draw_nothing():
    before = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).digest()
    with on_no_device():
        network, _ = build("lstm", {"length": 12, "width": HUGE, "hidden": 10**4}, ("a", "b"), WORDS)
    assert all(weight.is_meta for weight in network.parameters())
    assert hashlib.sha256(torch.get_rng_state().numpy().tobytes()).digest() == before
