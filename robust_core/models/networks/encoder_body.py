"""Encoders that read word-embedding rows: the packaged one, and any of the `transformers` library."""

from typing import Any

import torch
from torch import nn

from robust_core.errors import Incompatible
from robust_core.models.networks.bert import Bert, Gate

# A model of the `transformers` library or what it returns: their classes share no type that says what is used here.
LibraryObject = Any


def find_embedding_layer(body: nn.Module) -> nn.Module:
    """Return the embedding layer of an encoder of the `transformers` library.

    Raises:
        Incompatible: It has none of its own.
    """
    layer = getattr(body, "embeddings", None)
    if not isinstance(layer, nn.Module):
        raise Incompatible("This needs an encoder with an embedding layer of its own, such as BERT's.")
    return layer


def run_gated(model: LibraryObject, body: nn.Module, rows: torch.Tensor, mask: torch.Tensor, gate: Gate | None,
              **options: "bool | torch.Tensor") -> LibraryObject:
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
    hook = find_embedding_layer(body).register_forward_hook(lambda layer, inputs, hidden: gate(rows, hidden, mask)[0])
    try:
        return model(inputs_embeds=rows, attention_mask=mask.long(), **options)
    finally:
        hook.remove()


class HuggingFaceBody(nn.Module):
    """Any encoder of the `transformers` library, with the doors of `bert.Bert`.

    Args:
        model: A model made by AutoModel.
    """

    def __init__(self, model: LibraryObject) -> None:
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
        return find_embedding_layer(self.model)(inputs_embeds=rows)

    def forward(self, rows: torch.Tensor, mask: torch.Tensor, gate: Gate | None = None) -> torch.Tensor:
        """Return the (n, t, d) last hidden states; see `bert.Bert`."""
        return run_gated(self.model, self.model, rows, mask, gate).last_hidden_state


Body = Bert | HuggingFaceBody
