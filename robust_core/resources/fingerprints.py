"""Fingerprints of everything from outside that an outcome may rest on: tables, lists of words, models.

A fingerprint is the SHA-256 of the packaged file, or of the names and sums of several, as they lie on the disk now;
each file is read once a process, and again after it has changed.
"""

import hashlib
import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path

from robust_core.errors import MissingResource, UnknownName
from robust_core.file_hashes import sha256_once
from robust_core.resources._tables import table_path
from robust_core.resources.encoder import NEEDED, minilm_folder
from robust_core.resources.masked_model import masked_model_folder
from robust_core.resources.sentiment_lexicon import find_lexicon
from robust_core.resources.stopwords import stop_words

# The file of each table, and the sub-command that builds it.
TABLES = {"neighbours": ("neighbours.npz", "neighbours"), "parts-of-speech": ("pos.npz", "pos"),
          "wordnet": ("wordnet.npz", "wordnet"), "antonyms": ("antonyms.txt.gz", "antonyms"),
          "vectors": ("word_projection.npz", "vectors"), "close-swaps": ("swaps.npz", "swaps")}
ENCODER, MASKED, STOP_WORDS, SENTIMENT, TEXTATTACK, SWAPS = (
    "sentence-encoder", "masked-model", "stop-words", "sentiment", "textattack", "close-swaps")
NAMES = (*TABLES, STOP_WORDS, SENTIMENT, ENCODER, MASKED, TEXTATTACK)
# The name of the packaged masked language model and encoder.
PACKAGED = "minilm"
# What a name is called among the things that a row rests on; all others are tables.
_TITLES = {ENCODER: f"encoder {PACKAGED}", MASKED: f"masked-model {PACKAGED}", TEXTATTACK: "package textattack"}
# Of a model from a hub: what is fetched, and so all that can decide what it answers.
_OF_MODELS = (".json", ".safetensors", ".txt", ".model")


def describe(names: Iterable[str]) -> dict[str, str]:
    """Return the fingerprint of each thing, by what a row calls it, such as `table neighbours` or `encoder minilm`.

    Raises:
        UnknownName: A name is none of `NAMES`.
        MissingResource: One of them is not here.
    """
    return {name_title(name): fingerprint_table(name) for name in names}


def name_title(name: str) -> str:
    """Return what a row calls a thing, such as `table neighbours` or `encoder minilm`."""
    return _TITLES.get(name, f"table {name}")


def fingerprint_table(name: str) -> str:
    """Return the SHA-256 of what a name stands for; of TextAttack, which is a package, the version.

    Raises:
        UnknownName: The name is none of `NAMES`.
        MissingResource: It is not here.
    """
    if name in TABLES:
        return sha256_once(table_path(*TABLES[name]))
    if name == STOP_WORDS:
        return hashlib.sha256("\n".join(sorted(stop_words())).encode()).hexdigest()
    if name == SENTIMENT:
        return sha256_once(find_lexicon())
    if name == ENCODER:
        return fingerprint_encoder()
    if name == MASKED:
        return fingerprint_masked_model()
    if name == TEXTATTACK:
        return _read_version(name)
    raise UnknownName("table", name, list(NAMES))


def fingerprint_encoder() -> str:
    """Return the SHA-256 of the packaged sentence encoder, or of what ROBUST_ENCODER puts in its place.

    Weights, configuration and tokenizer count: they decide what it answers.

    Raises:
        MissingResource: It is not here.
        BadInput: A file differs from what is on record.
    """
    folder = minilm_folder()
    return hash_sums({file: sha256_once(folder / file) for file in NEEDED})


def fingerprint_masked_model() -> str:
    """Return the SHA-256 of the packaged masked language model: its card, its weights and the encoder below them.

    Raises:
        MissingResource: It, or the encoder, is not here.
        BadInput: A file of the encoder differs from what is on record.
    """
    folder = masked_model_folder()
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise MissingResource("The packaged masked language model's model.safetensors", "Restore checkpoints/masked.")
    return hash_sums({"card.json": sha256_once(folder / "card.json"), "model.safetensors": sha256_once(weights),
                      "encoder": fingerprint_encoder()})


def fingerprint_folder(folder: Path) -> str:
    """Return the SHA-256 of a model of a library: of the name and the sum of each file that may decide its answers."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in _OF_MODELS and path.is_file())
    return hash_sums({path.relative_to(folder).as_posix(): sha256_once(path) for path in files})


def hash_sums(sums: Mapping[str, str]) -> str:
    """Return one SHA-256 of several, in the order of their names."""
    return hashlib.sha256("".join(f"{name}\t{sums[name]}\n" for name in sorted(sums)).encode()).hexdigest()


def _read_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise MissingResource("TextAttack", "Install it: pip install textattack==0.3.11") from None
