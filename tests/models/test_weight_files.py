"""Headers of weights say what lies in the file, and a network is compared with them before it is made."""

import json

import pytest
import torch
from helpers.weights import pack, poison
from safetensors.torch import save_file

from robust_core.errors import BadInput
from robust_core.models.card_files import check_count, check_file_names, check_types
from robust_core.models.lora import merge_state
from robust_core.models.networks.shapes import on_no_device
from robust_core.models.weight_files import Weight, find_misfits, load_weights, read_header, read_headers

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16),
           "position_ids": torch.arange(3)}


@pytest.fixture
def path(tmp_path):
    save_file(WEIGHTS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "model.safetensors"


def test_a_header_says_what_is_in_the_file(path):
    assert read_header(path) == {"a.weight": Weight("F32", (2, 3)), "b": Weight("F16", (4,)),
                                 "position_ids": Weight("I64", (3,))}
    assert read_headers(path.parent) == read_header(path)
    loaded = load_weights(path)
    assert loaded.keys() == WEIGHTS.keys() and all(torch.equal(loaded[name], WEIGHTS[name]) for name in WEIGHTS)


def test_numbers_of_eight_bits_are_named_as_what_they_are(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(pack(
        {"a.weight": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)))
    with pytest.raises(BadInput, match="quantised weights .*'a.weight' is I8"):
        read_header(tmp_path / "model.safetensors")


def test_the_largest_finite_numbers_are_numbers(path):
    poison(path, 3e38)
    with pytest.raises(BadInput, match="NaN or infinite"):
        # In fp16 the same number is infinite.
        load_weights(path)
    save_file({"a": torch.full((1_000,), 3e38)}, path)
    assert load_weights(path)["a"].shape == (1_000,)


def test_what_does_not_fit_a_network_is_told():
    network = torch.nn.Linear(3, 2)
    whole = {"weight": Weight("F32", (2, 3)), "bias": Weight("F32", (2,))}
    assert list(find_misfits(network, whole)) == []
    other = {"weight": Weight("F32", (3, 2)), "more": Weight("F32", (1,))}
    assert list(find_misfits(network, other)) == [
        "'bias' is missing", "'more' belongs to no part of it", "'weight' is 3 × 2, not 2 × 3"]


def test_a_network_on_no_device_takes_no_memory():
    with on_no_device():
        network = torch.nn.Sequential(torch.nn.Embedding(10**9, 10**4), torch.nn.LSTM(10**4, 10**5))
    assert sum(weight.numel() for weight in network.parameters()) > 10**13


def test_low_rank_weights_are_added_and_others_take_the_place_of_their_namesakes():
    network = torch.nn.Linear(3, 2)
    before = network.weight.detach().clone()
    state = {"lora": 0, ".lora_A": torch.ones(1, 3), ".lora_B": torch.ones(2, 1)}
    inner = torch.nn.Sequential(network)
    merge_state(inner, {"0.lora_A": state[".lora_A"], "0.lora_B": state[".lora_B"], "0.bias": torch.ones(2)},
                {"lora_scale": 2.0}, ["0.bias"])
    assert torch.allclose(network.weight, before + 2) and torch.equal(network.bias, torch.ones(2))


@pytest.mark.parametrize(("state", "problem"), [
    ({}, "no weights for 0.bias"), ({"0.bias": torch.ones(1)}, "0.bias is"), ({"0.bias": torch.ones(())}, "0.bias is"),
    ({"0.bias": torch.ones(2), "0.lora_A": torch.ones(1, 9), "0.lora_B": torch.ones(2, 1)}, "another shape"),
    ({"0.bias": torch.ones(2), "0.lora_A": torch.ones(2, 3), "0.lora_B": torch.ones(2, 1)}, "another shape")])
def test_weights_that_do_not_fit_are_never_spread(state, problem):
    with pytest.raises(RuntimeError, match=problem):
        merge_state(torch.nn.Sequential(torch.nn.Linear(3, 2)), state, {"lora_scale": 2.0}, ["0.bias"])


@pytest.mark.parametrize(("value", "kind", "fits"), [
    ("x", str, True), ("x" * 3_000, str, False), (1, str, False), (1, int, True), (True, int, False), (2**70,
    int, False),
    (1, float, True), (float("nan"), float, False), (float("inf"), float, False), (True, float, False),
    (("a", "b"), tuple[str, ...], True), (("a", 1), tuple[str, ...], False), ({"a": "b"}, dict, True)])
def test_values_of_a_card_have_their_types(value, kind, fits):
    if fits:
        check_types({"x": value}, {"x": kind})
    else:
        with pytest.raises(ValueError, match="another type"):
            check_types({"x": value}, {"x": kind})


@pytest.mark.parametrize("name", ["model.safetensors", "../vocabulary.txt"])
def test_files_of_a_card_lie_beside_it_or_above(name):
    check_file_names([name])
    with pytest.raises(ValueError, match="elsewhere"):
        check_file_names([f"../{name}" if name.startswith("..") else f"x/{name}"])


def test_counts_are_whole_numbers_in_a_range():
    check_count(3, 3)
    for wrong in (2, 3.0, "3", None, True, 10**9):
        with pytest.raises(ValueError, match="no number"):
            check_count(wrong, 3)


def test_an_index_says_where_the_weights_lie(path):
    path.rename(path.with_name("one.safetensors"))
    (path.parent / "model.safetensors.index.json").write_text(json.dumps(
        {"weight_map": dict.fromkeys(WEIGHTS, "one.safetensors")}))
    assert read_headers(path.parent) == read_header(path.with_name("one.safetensors"))
