"""The encoders that others are made from, by name."""

from pathlib import Path
from typing import NamedTuple

from robust_core.errors import BadInput, Incompatible, list_names, shorten
from robust_core.files import short_name
from robust_core.models import fingerprints, hub
from robust_core.models.library_check import check_encoder
from robust_core.models.library_models import is_of_body
from robust_core.models.networks.bert import Bert
from robust_core.models.networks.encoder_body import Body, HuggingFaceBody
from robust_core.models.tokens import Subwords, read_subwords
from robust_core.resources import minilm_folder


class BaseEncoder(NamedTuple):
    """An encoder that another is made from.

    Attributes:
        body: Its network, no weight of it frozen, in eval mode.
        tokens: Its tokenizer.
        sha256: Hash of its weights.
    """

    body: Body
    tokens: Subwords
    sha256: str


def load_base_encoder(name: str, length: int) -> BaseEncoder:
    """Load an encoder that reads pieces and whose vectors are means of its last hidden states.

    Args:
        name: Folder or Hugging Face id of an encoder; the packaged one if empty.
        length: Longest input in pieces.

    Raises:
        BadInput: The folder holds no encoder, or some of its weights are missing.
        Incompatible: It does not say how wide its hidden states are, or a text's change beside a longer one.
        MissingResource: It cannot be reached.
    """
    if not name:
        folder = minilm_folder()
        return BaseEncoder(Bert.from_folder(folder), read_subwords(folder, length), fingerprints.hash_encoder())
    found = hub.open_model(name, "AutoModel", "encoder", length)
    # A pooler is no part of what is read, and many files leave it out.
    missing = [part for part in found.missing if is_of_body(found.model, part)]
    if missing:
        raise BadInput(f"The encoder {shorten(name)} has no weights for {list_names(sorted(missing), 80)}.")
    if not hasattr(found.model.config, "hidden_size"):
        raise Incompatible(f"{name} does not say how wide its hidden states are.")
    if getattr(found.model, "pooler", None) is not None:
        found.model.pooler = None
    body = HuggingFaceBody(found.model.float().eval())
    check_encoder(body, found.tokens, short_name(Path(name)))
    return BaseEncoder(body, found.tokens, fingerprints.hash_weights(body))
