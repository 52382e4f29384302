"""Sizes and weights of stored models that do not fit: one line before anything of these sizes is allocated."""

import hashlib

import pytest
import torch
from helpers.checkpoints import HUGE, KINDS, WORDS, classify, edit, refused, sign
from helpers.hostile import answer_or_line, expect_line
from helpers.weights import DAMAGES, change_weights, poison

from robust_core.models import cards
from robust_core.models.architectures import build
from robust_core.models.networks.shapes import on_no_device


@pytest.mark.parametrize("changes", [
    *({key: value} for key in ("length", "width", "kernels", "sizes") for value in (
        0, -1, HUGE, 10**6, "8", None, 2.5, [], {}, True)),
    {"sizes": [HUGE]}, {"sizes": [1] * 10_000}, {"sizes": ["2", "3"]}, {"sizes": [2, 3, 4]}, {"width": 9},
    {"kernels": 5}, {"masks": {"hidden": HUGE}}, {"masks": {}}, {"masks": 7}, {"masks": {"nosuch": 1}},
    {"groups": HUGE}, {"groups": "x"}, {"reconstruction": True}, {"dropout": 7}, {"dropout": "x"}, {"dropout": -1},
    {"nosuch": 1}, {"length": 10**40}],
    ids=str)
@pytest.mark.parametrize("kind", ["word model"])
def test_sizes_of_a_word_model_are_compared_with_its_file(root, kind, changes):
    edit(root, kind, lambda values: values["config"]["network"].update(changes))
    refused(root, kind)


@pytest.mark.parametrize("changes", [
    {"length": 0}, {"length": HUGE}, {"length": 513}, {"length": 2}, {"length": "x"}, {"masks": {"hidden": HUGE}},
    {"masks": 7}, {"groups": HUGE}, {"reconstruction": True}, {"dropout": 7}, {"dropout": "x"}, {"nosuch": 1}], ids=str)
@pytest.mark.parametrize("kind", ["transformer"])
def test_sizes_of_a_transformer_are_compared_with_its_file(root, kind, changes):
    edit(root, kind, lambda values: values["config"]["network"].update(changes))
    refused(root, kind)


@pytest.mark.parametrize("changes", [
    {"labels": []}, {"labels": ["a"]}, {"labels": ["a", "b", "c"]}, {"labels": ["a"] * 10_000}, {"labels": "ab c"},
    {"architecture": "lstm"}, {"architecture": "nosuch"}, {"architecture": "minilm"}, {"architecture": ""},
    {"parent": "0" * 64}, {"config": {}}, {"config": {"network": 7}}, {"config": {"network": {}}}, {"dev_accuracy": 5},
    {"dev_accuracy": -1}, {"id": "a\nb"}, {"id": "x" * 5_000}], ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("kind", ["word model"])
def test_a_card_that_does_not_fit_its_files_is_one_line(root, kind, changes):
    edit(root, kind, lambda values: values.update(changes))
    check = answer_or_line if "parent" in changes else expect_line
    check(lambda: classify(root))


@pytest.mark.parametrize("changes", [
    {"shape": [HUGE]}, {"shape": [1, HUGE, HUGE]}, {"shape": []}, {"shape": [0, 8, 8]}, {"shape": [-1, 8, 8]},
    {"shape": [1, 8.5, 8]}, {"shape": "188"}, {"shape": [1] * 10_000}, {"settings": {}}, {"settings": {"hidden": HUGE}},
    {"settings": {"hidden": "x"}}, {"settings": {"hidden": 0}}, {"settings": {"hidden": -1}}, {"labels": ["0"] * 11},
    {"labels": []}, {"levels": 0}, {"levels": HUGE}, {"kind": "sound"}, {"kind": "text"}, {"networks": [{}]},
    {"networks": [{"method": "dssn"}]}, {"networks": [7]}, {"networks": [{"method": "dssn", "scale": "x"}]},
    {"networks": [{"method": "nosuch", "scale": 1.0}]}, {"networks": [{"method": "dssn", "scale": 1.0}] * 10_000},
    {"networks": [{"method": ["a"], "scale": 1.0}]}],
    ids=lambda v: str(v)[:50])
@pytest.mark.parametrize("kind", ["base classifiers"])
def test_sizes_of_base_classifiers_are_compared_with_their_file(root, kind, changes):
    edit(root, kind, lambda values: values.update(changes))
    refused(root, kind)


@pytest.mark.parametrize("changes", [
    {"length": HUGE}, {"length": "x"}, {"length": 0}, {"length": -5}, {"lora_scale": "x"}, {"lora_scale": None},
    {"lora_scale": []}, {"start": 7}, {"start": "/etc"}, {"start": "../.."}], ids=str)
@pytest.mark.parametrize("kind", ["encoder", "masked"])
def test_settings_of_low_rank_weights_are_checked(root, kind, changes):
    if kind == "masked" and "start" in changes:
        return
    edit(root, kind, lambda values: values["config"].update(changes))
    refused(root, kind)


# --- Weights whose hash is right -----------------------------------------------------------------

@pytest.mark.parametrize("kind", ["word model", "encoder", "base classifiers", "masked"])
@pytest.mark.parametrize("damage", ["empty", "half", "2^63", "a pickle", "deep", "eight bits", "a list", "large shape",
                                    "zeros"])
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
