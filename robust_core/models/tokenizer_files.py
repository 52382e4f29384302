"""The gate before a tokenizer that came with a model: it is run once in a process of its own, under limits."""

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

from robust_core.errors import BadInput, quote, shorten
from robust_core.files import read_json, short_name
from robust_core.models import tokenizer_probe

# The largest in use have 256,000 pieces and 33 MB.
_MOST_BYTES, _MOST_DESCRIPTION = 64_000_000, 16_000_000
# Wall time, for a machine that has other things to do; the limit on processor time is the one that counts.
_LONGEST = 60
_DESCRIPTIONS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
# What the library would take from elsewhere than tokenizer.json.
_CODE = ("auto_map", "trust_remote_code", "from_slow", "gguf_file", "tokenizer_file", "tokenizer_object")
# SHA-256 of the tokenizers that have been run once: a process looks at each but once.
_USABLE: set[bytes] = set()


def check_tokenizer(folder: Path) -> None:
    """Look at the tokenizer of a model folder before a library opens it.

    Raises:
        BadInput: There is no tokenizer.json; it cannot be read, does not end, or takes too much memory; it makes texts
            far longer; or a file beside it asks for code or for another file.
    """
    name = short_name(folder)
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise BadInput(f"{name} has no tokenizer.json; save it with a fast tokenizer.")
    if path.stat().st_size > _MOST_BYTES:
        raise BadInput(f"{name}: tokenizer.json is longer than {_MOST_BYTES:,} bytes.")
    for file in _DESCRIPTIONS:
        if (folder / file).exists():
            _check_description(folder, file)
    try:
        data = path.read_bytes()
    except OSError:
        raise BadInput(f"{name}: tokenizer.json cannot be read.") from None
    digest = hashlib.sha256(data).digest()
    if digest in _USABLE:
        return
    try:
        _run_probe(data)
        _USABLE.add(digest)
    except ValueError as error:
        raise BadInput(f"{name}: the tokenizer cannot be used: {shorten(str(error), 120)}.") from None


def _check_description(folder: Path, file: str) -> None:
    try:
        values = read_json(folder / file, _MOST_DESCRIPTION)
        if not isinstance(values, dict):
            raise ValueError
    except (BadInput, ValueError):
        raise BadInput(f"{short_name(folder)}: {file} cannot be read as a JSON object.") from None
    asked = next((key for key in _CODE if values.get(key)), None)
    if asked is None and values.get("fast_tokenizer_files", ["tokenizer.json"]) != ["tokenizer.json"]:
        asked = "fast_tokenizer_files"
    if asked:
        raise BadInput(f"{short_name(folder)}: {file} asks for code or files beside tokenizer.json ({asked}), which "
                       "are never opened.")
    if not isinstance(values.get("tokenizer_class", ""), str | None):
        raise BadInput(f"{short_name(folder)}: the tokenizer_class in {file} is {quote(values['tokenizer_class'])}, "
                       "which is no name.")


def _run_probe(data: bytes) -> None:
    """Run a tokenizer once; raise ValueError, in words, where it cannot be used."""
    try:
        child = subprocess.run([sys.executable, "-I", tokenizer_probe.__file__], input=data, capture_output=True,
                               timeout=_LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError("it does not come to an end") from None
    if child.returncode in (-signal.SIGPROF, -signal.SIGKILL):
        raise ValueError("it does not come to an end")
    try:
        problem = json.loads(child.stdout)["problem"]
    except ValueError:
        raise ValueError("it takes too much memory, or ends the process that reads it") from None
    if problem:
        raise ValueError(problem)
