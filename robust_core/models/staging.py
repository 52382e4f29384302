"""Models that people bring, on their way in: copied to a folder of the person's, where they can be opened and tried.

Only configuration, safetensors weights and tokenizer are taken, by name; everything else in a folder stays where it is.
`model_zips` unpacks a zip, `own_models` keeps what was tried.
"""

import contextlib
import dataclasses
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from robust_core import environment, owners
from robust_core.errors import BadInput, MissingResource, quote, shorten
from robust_core.files import check_path, check_target, explain_failures, short_name
from robust_core.models.hub import is_reachable
from robust_core.models.model_folders import check_model_folder
from robust_core.models.weight_files import INDEX
from robust_core.paths import staged_models

_KEPT = ("config.json", INDEX, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
         "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt")
_SAFE = ".safetensors"
# Weights that only code can read back.
_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".onnx", ".joblib")
_PIECE, _MOST_STAGED, _LONGEST_NAME = 1 << 20, 2, 40
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Staged:
    """A model that has been taken in, and is not kept yet.

    Args:
        folder: Where its files lie.
        name: A plain name for it.
        source: Where it came from, in words, such as "films.zip".
        left_out: Files that were not taken.
    """

    folder: Path
    name: str
    source: str
    left_out: tuple[str, ...] = ()


@contextlib.contextmanager
def stage(name: str) -> Iterator[Path]:
    """Make an empty folder for a model; it is taken away again where its filling fails.

    Of a person's models no more than two are staged at a time: the oldest goes.

    Args:
        name: What the model is called; the folder gets a plain form of it.

    Raises:
        BadInput: Nothing can be written.
    """
    root = staged_models()
    folder = root / secrets.token_hex(8) / make_plain_name(name)
    with explain_failures(check_target(root), "written"):
        root.mkdir(parents=True, exist_ok=True)
        kept = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
        for path in kept[:len(kept) - _MOST_STAGED + 1]:
            shutil.rmtree(path, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder.parent, ignore_errors=True)
            raise


def discard(staged: Staged) -> None:
    """Take a staged model away."""
    shutil.rmtree(staged.folder.parent, ignore_errors=True)


def make_plain_name(name: str) -> str:
    """Return a name in small letters, digits, dashes and underscores, without an ending such as .zip."""
    stem = re.sub(r"\.(zip|safetensors)\Z", "", name[-400:].lower())
    return re.sub(r"[^a-z0-9_]+", "-", stem).strip("-_")[:_LONGEST_NAME].rstrip("-_") or "model"


def stage_folder(folder_name: str, stop: threading.Event | None = None) -> Staged:
    """Copy what belongs to a model from a folder of this machine.

    Raises:
        BadInput: Folders may not be named here, there is none, it holds no model that can be used, or is too large.
    """
    if not owners.may_name_folders():
        raise BadInput("Folders of the machine that runs this app cannot be named here; upload a zip.")
    folder = check_path(folder_name, "folder")
    if not folder_name.strip() or not folder.is_dir():
        raise BadInput(f"There is no folder {quote(folder_name)} on the machine that runs this app.")
    return _stage_from(folder, folder.absolute().name, f"folder {short_name(folder)}", stop)


def stage_hub(hub_id: str, stop: threading.Event | None = None) -> Staged:
    """Fetch a model by its Hugging Face id: configuration, safetensors weights and tokenizer.

    Raises:
        BadInput: It is no id, or the model is too large or cannot be used.
        MissingResource: It is not in the cache and no hub can be reached.
    """
    if not _HUB_ID.fullmatch(hub_id) or ".." in hub_id:
        raise BadInput(f"{quote(hub_id)} is no Hugging Face id, such as textattack/bert-base-uncased-SST-2.")
    missing = MissingResource(f"The model {hub_id}", "No hub holds it that can be reached from here; upload a zip.")
    from huggingface_hub import HfApi, constants, snapshot_download

    try:
        if not is_reachable(hub_id):
            raise missing
        if not constants.HF_HUB_OFFLINE:
            # Asked before anything is fetched.
            files = HfApi().model_info(hub_id, files_metadata=True, timeout=20).siblings or []
            check_size(sum(file.size or 0 for file in files if belongs(file.rfilename)), hub_id)
        found = snapshot_download(hub_id, allow_patterns=[*_KEPT, f"*{_SAFE}"], ignore_patterns=["*/*"])
    except (OSError, ValueError):
        raise missing from None
    return _stage_from(Path(found), hub_id.rpartition("/")[2], f"Hugging Face {hub_id}", stop)


def _stage_from(folder: Path, name: str, source: str, stop: threading.Event | None) -> Staged:
    home = check_model_folder(folder)
    files = {path.name: path for path in sorted(home.iterdir()) if path.is_file()}
    chosen = {each: path for each, path in files.items() if belongs(each)}
    check_weights(chosen, files, source)
    with explain_failures(folder):
        sizes = {each: path.stat().st_size for each, path in chosen.items()}
    check_size(sum(sizes.values()), source)
    with stage(name) as staged, explain_failures(folder):
        for each, path in chosen.items():
            with path.open("rb") as inner, (staged / each).open("xb") as out:
                copy(inner, out, sizes[each], source, stop)
        return Staged(staged, staged.name, source, tuple(each for each in files if each not in chosen))


def belongs(file: str) -> bool:
    """Return whether a file of a model's folder is taken, by its name."""
    return file in _KEPT or file.endswith(_SAFE) and file == PurePosixPath(file).name and not file.startswith(".")


def check_weights(chosen: Iterable[str], names: Iterable[str], what: str) -> None:
    """Refuse a model without safetensors weights.

    Args:
        chosen: Names of the files that are taken.
        names: Names of all that lie there.
        what: What they belong to, for the message.

    Raises:
        BadInput: There are none.
    """
    if not any(each.endswith(_SAFE) for each in chosen):
        pickled = [each for each in names if each.lower().endswith(_PICKLED)]
        raise BadInput(f"{what} has no safetensors weights" + (
            f"; {shorten(pickled[0], 40)} is never opened, since reading it may run code. Save the model with "
            "save_pretrained(…, safe_serialization=True)." if pickled else " (model.safetensors)."))


def check_size(size: int, what: str) -> None:
    """Refuse a model of more bytes than ROBUST_MODEL_MB allows.

    Raises:
        BadInput: It has more.
    """
    most = environment.read_limit("model_mb")
    if size > most * 1_000_000:
        raise BadInput(f"{what} is too large: it unpacks to {size / 1e6:,.0f} MB; {most:,} MB are the most "
                       "(ROBUST_MODEL_MB).")


def copy(source: IO[bytes], out: IO[bytes], size: int, what: str, stop: threading.Event | None) -> None:
    """Copy as many bytes as were said before, or nothing.

    Raises:
        BadInput: There are more or fewer, or `stop` was set.
    """
    left = size
    while piece := source.read(_PIECE):
        left -= len(piece)
        if left < 0:
            raise BadInput(f"{what} holds more than it says; nothing was kept.")
        if stop is not None and stop.is_set():
            raise BadInput("Stopped; nothing was kept.")
        out.write(piece)
    if left:
        raise BadInput(f"{what} holds less than it says; nothing was kept.")
