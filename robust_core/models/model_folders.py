"""The gate before every model folder: what its files name is read first, and code that lies in it never runs.

Libraries trust a folder on one's own disk: sentence-transformers imports whatever class `modules.json` names, a Python
file of the folder included. So the names are compared with a short list before a library opens the folder.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from robust_core.errors import BadInput
from robust_core.paths import short_name

# The modules of an encoder that hold no code of their own; `models` is where older releases had them.
_KINDS = {"Transformer": "base.modules.transformer", "Dense": "base.modules.dense",
          "Pooling": "sentence_transformer.modules.pooling", "Normalize": "sentence_transformer.modules.normalize"}
_MODULES = {f"sentence_transformers.{place}.{kind}": kind for kind, home in _KINDS.items()
            for place in ("models", f"models.{kind}", home, home.rpartition(".")[0])}
_ACTIVATIONS = {*(f"torch.nn.modules.activation.{name}" for name in ("Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")),
                "torch.nn.modules.linear.Identity"}
_MOST_BYTES, _MOST_MODULES, _MOST_FILES = 1_000_000, 16, 2_000
_SHOWN = 80


def check_model_folder(folder: Path) -> None:
    """Look at a folder before a library opens it as a classifier, an encoder or a masked language model.

    Raises:
        BadInput: A file of it leads out of it, a description in it cannot be read, or it names code to be run.
    """
    root = folder.resolve()
    # In the library's cache the files of a snapshot are links into the same repository's folder.
    inside = root.parents[1] if root.parent.name == "snapshots" else root
    for number, path in enumerate(folder.rglob("*")):
        if number >= _MOST_FILES:
            raise BadInput(f"{short_name(folder)} holds more than {_MOST_FILES:,} files; give the folder of one model.")
        if not path.resolve().is_relative_to(inside):
            raise BadInput(f"{short_name(folder)}: {_cut(path.name)} leads out of the folder; copy the file into it.")
    if (folder / "config.json").exists():
        _read_description(folder, "config.json", dict)
    if (folder / "modules.json").exists():
        _check_modules(folder, _read_description(folder, "modules.json", list))


def _check_modules(folder: Path, modules: list[Any]) -> None:
    if not 1 <= len(modules) <= _MOST_MODULES:
        raise BadInput(f"{short_name(folder)}: modules.json lists {len(modules):,} modules; 1 to {_MOST_MODULES} are "
                       "possible.")
    for module in modules:
        if not isinstance(module, dict) or not all(isinstance(module.get(key), str) for key in ("type", "path")):
            raise BadInput(f"{short_name(folder)}: modules.json must give each module a type and a path.")
        kind = _MODULES.get(module["type"])
        if kind is None:
            raise BadInput(f"{short_name(folder)} asks for the module {_cut(module['type'])}; only "
                           f"{', '.join(_KINDS)} of sentence-transformers are opened, since others would run code.")
        place = PurePosixPath(module["path"])
        if place.is_absolute() or ".." in place.parts or "\\" in module["path"] or ":" in module["path"]:
            raise BadInput(f"{short_name(folder)}: the module path {_cut(module['path'])} leads out of the folder.")
        if kind == "Dense":
            _check_dense(folder, module["path"])


def _check_dense(folder: Path, path: str) -> None:
    """Refuse a dense layer whose weights are a pickle, or whose activation is another function than the usual ones."""
    if not (folder / path / "model.safetensors").is_file():
        raise BadInput(f"{short_name(folder)}: {_cut(path)} has no weights as safetensors.")
    activation = _read_description(folder, f"{path}/config.json", dict).get("activation_function", "")
    if activation and activation not in _ACTIVATIONS:
        raise BadInput(f"{short_name(folder)}: {_cut(path)} asks for the activation {_cut(str(activation))}, which is "
                       "none of the usual ones.")


def _read_description(folder: Path, name: str, kind: type) -> Any:  # noqa: ANN401 (JSON of that kind)
    """Read a JSON file of bounded size whose outermost value is of a kind, list or dict."""
    problem = f"{short_name(folder)}: {_cut(name)} cannot be read as a model's description"
    path = folder / name
    try:
        if not path.is_file():
            raise BadInput(f"{problem}: there is no such file.")
        if path.stat().st_size > _MOST_BYTES:
            raise BadInput(f"{problem}: it is longer than {_MOST_BYTES:,} bytes.")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise BadInput(f"{problem}.") from None
    if not isinstance(found, kind):
        raise BadInput(f"{problem}: it holds no JSON {'list' if kind is list else 'object'}.")
    return found


def _cut(text: str) -> str:
    """Shorten what a file says, so that a message stays one line."""
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN - 1]}…"
