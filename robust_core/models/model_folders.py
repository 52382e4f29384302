"""The gate before every model folder: what its files say is read first, and code that lies in it never runs.

Libraries trust a folder on one's own disk: sentence-transformers imports whatever class `modules.json` names, a Python
file of the folder included; transformers follows an adapter's settings to another folder, and allocates whatever sizes
it finds. So everything is read here, with bounds, before a library opens the folder.
"""

import os
from pathlib import Path, PurePosixPath
from typing import Any

from robust_core.errors import BadInput, quote
from robust_core.files import read_json, short_name
from robust_core.models.config_files import check_config
from robust_core.models.tokenizer_files import check_tokenizer
from robust_core.models.weight_files import INDEX, read_header, read_headers

# The modules of an encoder that hold no code of their own; `models` is where older releases had them.
_KINDS = {"Transformer": "base.modules.transformer", "Dense": "base.modules.dense",
          "Pooling": "sentence_transformer.modules.pooling", "Normalize": "sentence_transformer.modules.normalize"}
_MODULES = {f"sentence_transformers.{place}.{kind}": kind for kind, home in _KINDS.items()
            for place in ("models", f"models.{kind}", home, home.rpartition(".")[0])}
_ACTIVATIONS = {*(f"torch.nn.modules.activation.{name}" for name in ("Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")),
                "torch.nn.modules.linear.Identity"}
_MOST_MODULES, _MOST_FILES, _MOST_DESCRIPTION = 16, 2_000, 1_000_000
# How sentence-transformers names the file with the settings of a Transformer module, and those that open nothing else.
_TRANSFORMERS = tuple(f"sentence_{kind}_config.json" for kind in (
    "bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"))
_HARMLESS = {"max_seq_length", "do_lower_case", "unpad_inputs"}
_USUAL = {"transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
          "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}}


def check_model_folder(folder: Path) -> Path:
    """Look at a folder before a library opens it as a classifier, an encoder or a masked language model.

    Returns:
        Where the transformer lies: the folder itself, or one in it that `modules.json` names.

    Raises:
        BadInput: A file of it leads out of it, is damaged or cannot be read as what it is; its settings, weights and
            tokenizer do not fit together; or something in it asks for code to be run.
    """
    root = folder.resolve()
    # In the library's cache the files of a snapshot are links into the same repository's folder.
    inside = root.parents[1] if root.parent.name == "snapshots" else root
    for number, path in enumerate(folder.rglob("*")):
        if number >= _MOST_FILES:
            raise BadInput(f"{short_name(folder)} holds more than {_MOST_FILES:,} files; give the folder of one model.")
        if not Path(os.path.realpath(path)).is_relative_to(inside):
            raise BadInput(f"{short_name(folder)}: {quote(path.name)} leads out of the folder; copy the file into it.")
        if not path.is_file() and not path.is_dir():
            raise BadInput(f"{short_name(folder)}: {quote(path.name)} is neither a file nor a folder.")
    home = folder
    if (folder / "modules.json").exists():
        home = folder / _check_modules(folder, _read_description(folder, "modules.json", list))
    if (home / "adapter_config.json").exists():
        raise BadInput(f"{short_name(folder)} holds an adapter of another model; merge them and save the whole model.")
    config = _read_description(home, "config.json", dict)
    if not (home / "model.safetensors").exists() and not (home / INDEX).exists():
        raise BadInput(f"{short_name(folder)} has no safetensors weights (model.safetensors); other kinds of files are "
                       "never opened.")
    check_config(config, read_headers(home), short_name(folder))
    check_tokenizer(home)
    return home


def _check_modules(folder: Path, modules: list[Any]) -> str:
    """Look at the modules of an encoder, and return the path of its transformer, the first of them."""
    if not 1 <= len(modules) <= _MOST_MODULES:
        raise BadInput(f"{short_name(folder)}: modules.json lists {len(modules):,} modules; 1 to {_MOST_MODULES} are "
                       "possible.")
    kinds = []
    for module in modules:
        if not isinstance(module, dict) or not all(isinstance(module.get(k), str) for k in ("type", "path", "name")):
            raise BadInput(f"{short_name(folder)}: modules.json must give each module a type, a name and a path.")
        kind = _MODULES.get(module["type"])
        if kind is None:
            raise BadInput(f"{short_name(folder)} asks for the module {quote(module['type'])}; only "
                           f"{', '.join(_KINDS)} of sentence-transformers are opened, since others would run code.")
        place = PurePosixPath(module["path"])
        if place.is_absolute() or ".." in place.parts or "\\" in module["path"] or ":" in module["path"]:
            raise BadInput(f"{short_name(folder)}: the module path {quote(module['path'])} leads out of the folder.")
        kinds.append(kind)
        if kind == "Dense":
            _check_dense(folder, module["path"])
        if kind == "Pooling":
            _read_description(folder, f"{module['path']}/config.json", dict)
    if kinds[0] != "Transformer" or kinds.count("Transformer") > 1 or len({m["name"] for m in modules}) < len(modules):
        raise BadInput(f"{short_name(folder)}: modules.json must begin with its one Transformer, and name each module "
                       "once.")
    _check_transformer(folder, modules[0]["path"])
    return modules[0]["path"]


def _check_transformer(folder: Path, path: str) -> None:
    """Refuse settings of a Transformer module that open other files, other classes or code."""
    for name in _TRANSFORMERS:
        if (folder / path / name).exists():
            settings = _read_description(folder, str(PurePosixPath(path, name)), dict)
            odd = next((key for key, value in settings.items()
                        if value and key not in _HARMLESS and value != _USUAL.get(key)), None)
            if odd is not None:
                raise BadInput(f"{short_name(folder)}: {name} sets {quote(odd, 40)}, which is not opened here.")
            longest = settings.get("max_seq_length")
            if longest is not None and (type(longest) is not int or longest < 1):
                raise BadInput(f"{short_name(folder)}: max_seq_length in {name} must be a number of pieces, not "
                               f"{quote(longest, 30)}.")
    if (folder / "config_sentence_transformers.json").exists():
        settings = _read_description(folder, "config_sentence_transformers.json", dict)
        prompts, default = settings.get("prompts") or {}, settings.get("default_prompt_name")
        if not isinstance(prompts, dict) or not all(isinstance(text, str | None) for text in prompts.values()) or (
                default is not None and default not in prompts):
            raise BadInput(f"{short_name(folder)}: the prompts in config_sentence_transformers.json must be texts.")


def _check_dense(folder: Path, path: str) -> None:
    """Refuse a dense layer whose weights are a pickle, or whose activation is another function than the usual ones."""
    weights = folder / path / "model.safetensors"
    if not weights.is_file():
        raise BadInput(f"{short_name(folder)}: {quote(path)} has no weights as safetensors.")
    settings = _read_description(folder, f"{path}/config.json", dict)
    activation = settings.get("activation_function", "")
    if activation and activation not in _ACTIVATIONS:
        raise BadInput(f"{short_name(folder)}: {quote(path)} asks for the activation {quote(activation)}, which is "
                       "none of the usual ones.")
    shape = (settings.get("out_features"), settings.get("in_features"))
    if read_header(weights).get("linear.weight", (None, None))[1] != shape:
        raise BadInput(f"{short_name(folder)}: the weights of {quote(path)} do not fit the sizes in its config.json.")


def _read_description(folder: Path, name: str, kind: type) -> Any:  # noqa: ANN401 (JSON of that kind)
    """Read a JSON file of bounded size whose outermost value is of a kind, list or dict."""
    problem = f"{short_name(folder)}: {quote(name)} cannot be read as a model's description"
    try:
        found = read_json(folder / name, _MOST_DESCRIPTION)
    except BadInput as error:
        raise BadInput(f"{problem}: {error}") from None
    if not isinstance(found, kind):
        raise BadInput(f"{problem}: it holds no JSON {'list' if kind is list else 'object'}.")
    return found
