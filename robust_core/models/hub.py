"""Models of the `transformers` library, from a folder, its cache or a hub: safetensors and fast tokenizers only."""

import socket
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from robust_core.errors import BadInput, MissingResource, RobustError, first_sentence
from robust_core.files import short_name
from robust_core.models.library_models import check_fit, check_opened, count_rows, quiet_libraries
from robust_core.models.model_folders import check_model_folder
from robust_core.models.tokens import Subwords


class OpenModel(NamedTuple):
    """What the library found under a name.

    Attributes:
        model: The model.
        tokens: Its tokenizer, cutting at the longest input.
        tokenizer: The library's tokenizer itself.
        missing: Names of weights that the files do not hold, drawn anew.
    """

    model: Any
    tokens: "Subwords"
    tokenizer: Any
    missing: frozenset[str]


# Where neither the model nor its tokenizer knows an end: some 3,000 words, far more than anybody may type.
_MOST_PIECES = 4_096
# What the library's configurations call it.
_PLACES = ("max_position_embeddings", "max_encoder_position_embeddings", "max_decoder_position_embeddings",
           "max_seq_len")


def open_model(name: str, auto: str, what: str, length: int | None = None,
               otherwise: str = "Give a folder that holds it.", **sizes: int) -> OpenModel:
    """Open a model; code that comes with it is never run, and it is not asked anything yet (`library_check`).

    Args:
        name: Folder or Hugging Face id.
        auto: Name of the library's class, such as AutoModelForMaskedLM.
        what: What it is, for messages: "model", "encoder", …
        length: Longest input in pieces; a model with fewer places has its own, and None takes that.
        otherwise: What to do where it cannot be reached.
        sizes: Changes of its configuration.

    Raises:
        BadInput: The folder holds no such model, or it has no fast tokenizer.
        MissingResource: It is not in the cache and no hub can be reached.
    """
    folder = find_folder(name, what, otherwise)
    home = check_model_folder(folder)
    import transformers

    part = "description"
    try:
        with quiet_libraries():
            config = transformers.AutoConfig.from_pretrained(home, trust_remote_code=False, **sizes)
            check_fit(home, auto, config)
            part = "tokenizer"
            tokenizer = transformers.AutoTokenizer.from_pretrained(home, trust_remote_code=False, use_fast=True)
            part = "weights"
            model, found = getattr(transformers, auto).from_pretrained(
                home, config=config, trust_remote_code=False, use_safetensors=True, output_loading_info=True,
                ignore_mismatched_sizes=True)
    except RobustError:
        raise
    except Exception as error:  # noqa: BLE001 (each of some hundred architectures has its own ways to fail)
        article = "an" if what[0] in "aeiou" else "a"
        raise BadInput(f"{short_name(folder)} cannot be read as {article} {what} with safetensors weights: its {part}: "
                       f"{first_sentence(error)}.") from None
    if not tokenizer.is_fast:
        raise BadInput(f"{short_name(folder)} has no fast tokenizer (tokenizer.json).")
    missing = check_opened(folder, model, found, tokenizer, new_head=bool(sizes))
    # Without a pad the library looks at the last place, one text at a time; no id is -1, so that it does so for many.
    if getattr(config, "pad_token_id", None) is None:
        model.config.pad_token_id = -1
    tokens = Subwords(tokenizer.backend_tokenizer, _find_length(model, tokenizer, length),
                      int(tokenizer.pad_token_id or 0), tokenizer.unk_token_id, count_rows(model))
    tokens.check_room(short_name(folder))
    return OpenModel(model, tokens, tokenizer, missing)


def find_folder(name: str, what: str, otherwise: str = "Give a folder that holds it.") -> Path:
    """Return the folder of a model: the one that is named, or the hub's, fetched without any code or pickle.

    Raises:
        MissingResource: It is not in the cache and no hub can be reached.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        if not is_reachable(name):
            raise OSError
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]))
    except (OSError, ValueError):
        raise MissingResource(f"The {what} {name}", otherwise) from None


def _find_length(model: Any, tokenizer: Any, most: int | None) -> int:  # noqa: ANN401 (types of the library)
    """Return the longest input in pieces: what is asked for, as far as the model has places and its tokenizer goes."""
    given = (getattr(model.config, name, None) for name in _PLACES)
    places = min((n for n in given if isinstance(n, int) and n > 0), default=_MOST_PIECES)
    # RoBERTa and its kin count from the place behind their pad's.
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    pad = getattr(table, "padding_idx", None)
    said = tokenizer.model_max_length
    longest = int(said) if isinstance(said, int | float) and said >= 1 else _MOST_PIECES
    return min(places - (0 if pad is None else pad + 1), longest, most or _MOST_PIECES)


def is_reachable(model_id: str) -> bool:
    """Return whether a model lies in the library's cache or its hub can be reached; asked before a slow import."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        if isinstance(try_to_load_from_cache(model_id, "config.json"), str):
            return True
    except HFValidationError:
        return False
    if constants.HF_HUB_OFFLINE:
        return False
    hub = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((hub.hostname or "", hub.port or 443), timeout=3).close()
    except OSError:
        return False
    return True
