"""Low-rank weights (Hu et al. 2022): added before a training, merged after it."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from robust_core.errors import BadInput, list_names
from robust_core.models.networks.base import Network


def merge_state(network: nn.Module, state: Mapping[str, torch.Tensor], config: Mapping[str, Any],
                needed: Collection[str] = ()) -> None:
    """Add low-rank weights to a network: W += scale * B A; every other tensor of `state` replaces its namesake.

    Args:
        network: The network.
        state: Tensors by name.
        config: Its `lora_scale`.
        needed: Names that `state` must hold, since the network's own tensors are only drawn.

    Raises:
        KeyError: The network has no tensor of that name, or a part of a low-rank weight is missing.
        RuntimeError: A tensor is of another shape, or one that is needed is missing.
    """
    own = network.state_dict()
    lacking = sorted(set(needed) - set(state))
    if lacking:
        raise RuntimeError(f"it has no weights for {list_names(lacking, 80)}")
    with torch.no_grad():
        for name, value in state.items():
            if name.endswith(".lora_B"):
                continue
            if name.endswith(".lora_A"):
                layer = name.removesuffix(".lora_A")
                weight, other = own[f"{layer}.weight"], state[f"{layer}.lora_B"]
                # Before the product is made: its size is that of the outer axes, whatever the files' own.
                if (*other.shape[:1], *value.shape[1:]) != weight.shape or other.shape[1:] != value.shape[:1]:
                    raise RuntimeError(f"{layer} has low-rank weights of another shape")
                weight += config["lora_scale"] * other @ value
            elif own[name].shape != value.shape:
                raise RuntimeError(f"{name} is {tuple(value.shape)}, not {tuple(own[name].shape)}")
            else:
                own[name].copy_(value)


def add_low_rank(network: Network, rank: int, targets: str) -> None:
    """Freeze the encoder and add low-rank weights with scale 2; all beside the encoder is trained.

    Args:
        network: A network with an encoder.
        rank: Rank of the added weights.
        targets: Which linear layers of the encoder get them, "attention" or "all".

    Raises:
        BadInput: The encoder has no such layers.
    """
    from peft import LoraConfig, inject_adapter_in_model

    body = network.backbone
    linear = [name for name, module in body.named_modules() if isinstance(module, nn.Linear)]
    # The attention's output projection belongs to it; what follows it in a layer does not.
    chosen = [name for name in linear if targets == "all" or "att" in name.lower()]
    if not chosen:
        raise BadInput("The encoder has no linear layers of that kind; set rank=0 to train all its weights.")
    body.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=chosen), body)
    for name, weight in network.named_parameters():
        if "lora_" in name or name in network.fresh:
            weight.requires_grad_(True)


def merge_copy(network: Network) -> Network:
    """Return a copy of a network, its low-rank weights added to the layers they belong to."""
    if not any("lora_" in name for name, _ in network.named_parameters()):
        return copy.deepcopy(network)
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = copy.deepcopy(network)
    for name, layer in list(found.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()  # type: ignore[operator]
            owner, _, last = name.rpartition(".")
            setattr(found.get_submodule(owner) if owner else found, last, layer.get_base_layer())
    return found
