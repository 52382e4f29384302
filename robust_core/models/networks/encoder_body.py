"""Encoders that read word-embedding rows: the packaged one, and any of the `transformers` library."""

from typing import Any, NamedTuple

import torch
from torch import nn

from robust_core.errors import BadInput, Incompatible
from robust_core.models import huggingface, loading
from robust_core.models.networks.bert import Bert, Gate
from robust_core.models.tokens import Subwords
from robust_core.resources import minilm_folder


def embedding_layer(body: nn.Module) -> nn.Module:
    """Return the embedding layer of an encoder of the `transformers` library.

    Raises:
        Incompatible: It has none of its own.
    """
    layer = getattr(body, "embeddings", None)
    if not isinstance(layer, nn.Module):
        raise Incompatible("This needs an encoder with an embedding layer of its own, such as BERT's.")
    return layer


def gated(model: Any, body: nn.Module, rows: torch.Tensor, mask: torch.Tensor,  # noqa: ANN401 (the library's)
          gate: Gate | None, **options: bool) -> Any:  # noqa: ANN401
    """Run a model of the `transformers` library on word-embedding rows.

    Args:
        model: The model.
        body: Its encoder, or the model itself.
        rows: (n, t, d) word-embedding rows.
        mask: (n, t) bool, True at real tokens.
        gate: Changes the output of the embedding layer; the tokens that may be attended to stay those of `mask`.
        options: Further arguments of the model.
    """
    if gate is None:
        return model(inputs_embeds=rows, attention_mask=mask.long(), **options)
    # The library offers no other door behind its embedding layer; the hook lives as long as this call.
    hook = embedding_layer(body).register_forward_hook(lambda layer, inputs, hidden: gate(rows, hidden, mask)[0])
    try:
        return model(inputs_embeds=rows, attention_mask=mask.long(), **options)
    finally:
        hook.remove()


class HuggingFaceBody(nn.Module):
    """Any encoder of the `transformers` library, with the doors of `bert.Bert`.

    Args:
        model: A model made by AutoModel.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (the library's classes share no narrower type)
        super().__init__()
        self.model = model

    @property
    def table(self) -> nn.Embedding:
        """The table of word-embedding rows."""
        return self.model.get_input_embeddings()

    @property
    def width(self) -> int:
        """Coordinates of a hidden state."""
        return int(self.model.config.hidden_size)

    @property
    def epsilon(self) -> float:
        """Added to variances where layers are normed."""
        return float(getattr(self.model.config, "layer_norm_eps", 1e-12))

    def embedded(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the output of the embedding layer, (n, t, d), of word-embedding rows."""
        return embedding_layer(self.model)(inputs_embeds=rows)

    def forward(self, rows: torch.Tensor, mask: torch.Tensor, gate: Gate | None = None) -> torch.Tensor:
        """Return the (n, t, d) last hidden states; see `bert.Bert`."""
        return gated(self.model, self.model, rows, mask, gate).last_hidden_state


Body = Bert | HuggingFaceBody


class Parent(NamedTuple):
    """An encoder that another is made from.

    Attributes:
        body: Its network, no weight of it frozen, in eval mode.
        tokens: Its tokenizer.
        sha256: Hash of its weights.
    """

    body: Body
    tokens: Subwords
    sha256: str


def parent(name: str, length: int) -> Parent:
    """Load an encoder that reads pieces and whose vectors are means of its last hidden states.

    Args:
        name: Folder or Hugging Face id of an encoder; the packaged one if empty.
        length: Longest input in pieces.

    Raises:
        BadInput: The folder holds no encoder, or some of its weights are missing.
        Incompatible: It does not say how wide its hidden states are.
        MissingResource: It cannot be reached.
    """
    if not name:
        folder = minilm_folder()
        return Parent(Bert.from_folder(folder), loading.subwords(folder, length), loading.encoder_hash())
    found = huggingface.opened(name, "AutoModel", "encoder", length)
    # A pooler is no part of what is read, and many files leave it out.
    missing = [part for part in found.missing if not part.startswith("pooler.")]
    if missing:
        raise BadInput(f"The encoder {name} has no weights for {', '.join(sorted(missing)[:3])}.")
    if not hasattr(found.model.config, "hidden_size"):
        raise Incompatible(f"{name} does not say how wide its hidden states are.")
    if getattr(found.model, "pooler", None) is not None:
        found.model.pooler = None
    body = HuggingFaceBody(found.model.float().eval())
    return Parent(body, found.tokens, loading.weights_hash(body))
