"""What a training leaves behind: the state it can go on from, and the finished checkpoint."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import nn

from robust_core.errors import BadInput
from robust_core.files import explain_failures, write_file
from robust_core.models import cards
from robust_core.models.networks.base import Network
from robust_core.models.tokens import Subwords, WordVocabulary
from robust_core.models.weight_files import read_header
from robust_core.train.lock import STATE


class Trained(NamedTuple):
    """Outcome of a training: the best epoch's network, its tokenizer, its card, and modules stored beside it."""

    network: Network
    tokens: Subwords | WordVocabulary
    card: cards.Card
    modules: dict[str, nn.Module]


def save(trained: Trained, root: Path | str) -> cards.Card:
    """Write a trained model as a checkpoint (fp16 tables and low-rank weights); returns the finished card."""
    state = trained.network.state_dict()
    more = {name: {key: value.cpu() for key, value in module.state_dict().items()}
            for name, module in trained.modules.items()}
    if isinstance(trained.tokens, WordVocabulary):
        weights = {name: value.half() if value.is_floating_point() else value
                   for name, value in state.items() if name != "embedding.weight"}
        if trained.card.architecture in cards.RETROFITTED:
            return cards.save(trained.card, _move_to_cpu(weights), {}, Path(root), more)
        shared = {"embedding.safetensors": {"weight": state["embedding.weight"].half()},
                  "vocabulary.txt": "\n".join(trained.tokens.words).encode()}
        return cards.save(trained.card, _move_to_cpu(weights), shared, Path(root), more)
    return cards.save(trained.card, _move_to_cpu(_read_encoder_weights(trained, state)), {}, Path(root), more)


def _read_encoder_weights(trained: Trained, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    fresh = trained.network.fresh
    kept = {}
    for name, value in state.items():
        if ".lora_" in name:
            kept[name.replace(".default.weight", "")] = value.half()
        elif name.startswith(("head.", "masks.")) or name in fresh:
            kept[name] = value
        elif name.startswith("reconstruction.") or not trained.card.recipe["rank"]:
            kept[name] = value.half() if value.is_floating_point() else value
    return kept


def _move_to_cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value.cpu() for name, value in state.items()}


def write_state(folder: Path, values: dict[str, Any]) -> None:
    """Write nested plain values and tensors as one safetensors file, renamed into place when it is complete.

    One file, so that weights and figures never come from different moments.

    Raises:
        BadInput: The disk is full, or may not be written; the state before it stays.
    """
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_take_tensors_out(values, "", tensors))
    with explain_failures(folder / STATE, "written"):
        folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / STATE, to_bytes(tensors, {"values": text}))


def read_state(folder: Path) -> dict[str, Any] | None:
    """Read what `write_state` wrote, tensors on the CPU; None where there is nothing.

    Raises:
        BadInput: The file is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        read_header(path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            return _put_tensors_back(json.loads(file.metadata()["values"]), tensors)
    except (BadInput, OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise BadInput(f"The state of the training in {folder.name} cannot be read: {str(error).rstrip('.')}."
                       ) from None


def forget_state(folder: Path) -> None:
    """Remove the state of a training, and what an interrupted writing left."""
    for path in [*folder.glob("*.part"), *folder.glob(f".{STATE}.*"), folder / STATE]:
        path.unlink(missing_ok=True)


def _take_tensors_out(value: object, path: str, found: dict[str, torch.Tensor]) -> object:
    if isinstance(value, torch.Tensor):
        # A copy: safetensors refuses tensors that share memory.
        found[path] = value.detach().cpu().clone().contiguous()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"items": [[key, _take_tensors_out(v, f"{path}/{key}", found)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_take_tensors_out(v, f"{path}/{i}", found) for i, v in enumerate(value)]
    return value


def _put_tensors_back(value: Any, tensors: dict[str, torch.Tensor]) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _put_tensors_back(v, tensors) for key, v in value["items"]}
    if isinstance(value, list):
        return [_put_tensors_back(v, tensors) for v in value]
    return value


def hash_settings(**parts: object) -> dict[str, Any]:
    """Return plain values that two trainings share exactly when one may go on from the other's state."""
    return json.loads(json.dumps(parts))
