"""Transformer classifiers: an encoder that reads word-embedding rows, and a linear head."""

from typing import Any

import torch
from torch import nn

from robust_core.models.bert import Bert, mean_pool
from robust_core.models.network import Network


class EncoderClassifier(Network):
    """A sentence encoder with mean pooling and a linear head: the architecture `minilm`.

    Args:
        body: The encoder.
        classes: Number of labels.
        dropout: Share of the sentence vector dropped in training.
    """

    screens = True

    def __init__(self, body: Bert, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(body.config["hidden_size"], classes)

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """The table of word-embedding rows."""
        return self.body.embeddings.word_embeddings

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) mean of the last hidden states over real tokens."""
        return mean_pool(self.body(embeddings, mask), mask)

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        return self.head(self.dropout(self.represent(embeddings, mask)))


class HuggingFaceClassifier(Network):
    """Any sequence classifier of the `transformers` library, fed with word-embedding rows.

    Args:
        model: A model made by AutoModelForSequenceClassification.
    """

    screens = True

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (the library's classes share no narrower type)
        super().__init__()
        self.model = model

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """The table of word-embedding rows."""
        return self.model.get_input_embeddings()

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) last hidden state of the first token."""
        output = self.model(inputs_embeds=embeddings, attention_mask=mask.long(), output_hidden_states=True)
        return output.hidden_states[-1][:, 0]

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        return self.model(inputs_embeds=embeddings, attention_mask=mask.long()).logits
