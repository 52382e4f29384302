"""Models of the `transformers` library, from a folder, its cache or a hub: safetensors and fast tokenizers only."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from robust_core.errors import BadInput, MissingResource, UnknownName

if TYPE_CHECKING:
    import torch

    from robust_core.models.classifier import TextClassifier
    from robust_core.models.tokens import Subwords

_ELSEWHERE = "It is neither a checkpoint nor a Hugging Face model that can be reached from here; give a folder."


class Opened(NamedTuple):
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


def opened(name: str, auto: str, what: str, length: int, otherwise: str = "Give a folder that holds it.",
           **sizes: int) -> Opened:
    """Open a model; code that comes with it is never run.

    Args:
        name: Folder or Hugging Face id.
        auto: Name of the library's class, such as AutoModelForMaskedLM.
        what: What it is, for messages: "model", "encoder", …
        length: Longest input in pieces; a model with fewer places has its own.
        otherwise: What to do where it cannot be reached.
        sizes: Changes of its configuration.

    Raises:
        BadInput: The folder holds no such model, or it has no fast tokenizer.
        MissingResource: It is not in the cache and no hub can be reached.
    """
    folder = Path(name)
    if not folder.is_dir() and not reachable(name):
        raise MissingResource(f"The {what} {name}", otherwise)
    import transformers
    from transformers.utils import logging

    from robust_core.models.loading import short_name
    from robust_core.models.tokens import Subwords

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False, **sizes)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False, use_fast=True)
        model, found = getattr(transformers, auto).from_pretrained(
            name, config=config, trust_remote_code=False, use_safetensors=True, output_loading_info=True)
    except (OSError, ValueError, KeyError) as error:
        if folder.is_dir():
            article = "an" if what[0] in "aeiou" else "a"
            raise BadInput(f"{short_name(folder)} cannot be read as {article} {what} with safetensors weights: "
                           f"{str(error).splitlines()[0]}") from None
        raise MissingResource(f"The {what} {name}", otherwise) from None
    finally:
        logging.set_verbosity(verbosity)
    if not tokenizer.is_fast:
        raise BadInput(f"{name} has no fast tokenizer (tokenizer.json).")
    longest = min(length, int(getattr(config, "max_position_embeddings", length)) - 2)
    tokens = Subwords(tokenizer.backend_tokenizer, longest, int(tokenizer.pad_token_id or 0), tokenizer.unk_token_id)
    return Opened(model, tokens, tokenizer, frozenset(found["missing_keys"]))


def classifier(model_id: str, device: "torch.device", known: list[str] | None = None,
               labels: tuple[str, ...] | None = None, length: int = 128) -> "TextClassifier":
    """Open a sequence classifier, or with `labels` an encoder on which a head for them is to be learnt.

    Args:
        model_id: Folder or Hugging Face id.
        device: Where it runs.
        known: Names of the models that are here; a name without a slash must be one of them.
        labels: Label names of the head to learn.
        length: Longest input in pieces.

    Raises:
        UnknownName: It is neither one of `known` nor on a hub.
        BadInput: The folder holds no classifier.
        MissingResource: No hub can be reached.
    """
    from robust_core.models.classifier import TextClassifier
    from robust_core.models.networks.transformer import HuggingFaceClassifier

    try:
        found = opened(model_id, "AutoModelForSequenceClassification", "model" if labels else "classifier", length,
                       _ELSEWHERE, **({} if labels is None else {"num_labels": len(labels)}))
    except MissingResource:
        if known is not None and "/" not in model_id:
            raise UnknownName("model", model_id, known) from None
        raise
    if labels is None and found.missing:
        from robust_core.models.loading import short_name

        raise BadInput(f"{short_name(Path(model_id))} is no classifier: it has no weights for "
                       f"{', '.join(sorted(found.missing)[:3])}.")
    config = found.model.config
    given = config.id2label or {}
    names = labels or tuple(str(given.get(i, f"label_{i}")).lower() for i in range(config.num_labels))
    network = HuggingFaceClassifier(found.model)
    network.fresh = frozenset(f"model.{name}" for name in found.missing)
    return TextClassifier(model_id, names, network, found.tokens, device)


def reachable(model_id: str) -> bool:
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
