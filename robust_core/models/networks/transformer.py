"""Transformer classifiers: an encoder that reads word-embedding rows, and a linear head."""


import torch
from torch import nn

from robust_core.models.networks.base import Network, Reading
from robust_core.models.networks.bert import mean_pool
from robust_core.models.networks.encoder_body import Body, LibraryObject, find_embedding_layer, run_gated
from robust_core.models.networks.mlm_head import MaskedHead


class EncoderClassifier(Network):
    """A sentence encoder with mean pooling and a linear head: the architecture `minilm`.

    Args:
        body: The encoder.
        classes: Number of labels.
        dropout: Share of the sentence vector dropped in training.
    """

    screens = True

    def __init__(self, body: Body, classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(body.width, classes)

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """The table of word-embedding rows."""
        return self.body.table

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) mean of the last hidden states over real tokens."""
        return mean_pool(self._states(embeddings, mask), mask)

    def _states(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.body(embeddings, mask, None if self.masks is None else self.masks.gate)

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        return self.body

    def seen(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return what the masks are made from, (n, t, d)."""
        by_word = self.masks is None or self.masks.config.source == "word"
        return embeddings if by_word else self.body.embedded(embeddings)

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores, the mean of the last hidden states, and these."""
        states = self._states(embeddings, mask)
        mean = mean_pool(states, mask)
        return Reading(self.head(self.dropout(mean)), mean, states)

    def add_reconstruction(self) -> None:
        """Add an untrained head that reads pieces back, shaped as BERT's head for masked pieces."""
        self.reconstruction = MaskedHead(self.body.width, self.embedding.num_embeddings, self.body.epsilon)

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        return self.head(self.dropout(self.represent(embeddings, mask)))


class HuggingFaceClassifier(Network):
    """Any sequence classifier of the `transformers` library, fed with word-embedding rows.

    Args:
        model: A model made by AutoModelForSequenceClassification.

    Attributes:
        fresh: Names of weights that were drawn, since the model had none: the head, and often the pooler.
    """

    screens = True

    def __init__(self, model: LibraryObject) -> None:
        super().__init__()
        self.model = model

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """The table of word-embedding rows."""
        return self.model.get_input_embeddings()

    @property
    def backbone(self) -> nn.Module:
        """The encoder without the classification head."""
        return self.model.base_model

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) pooled vector of BERT and ALBERT; elsewhere the last hidden state of the first token."""
        return self.reading(embeddings, mask).representation

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores, the vector they are read from and the last hidden states."""
        body, head = self.backbone, getattr(self.model, "classifier", None)
        if getattr(body, "pooler", None) is None or not isinstance(head, nn.Linear):
            output = self._run(self.model, embeddings, mask, output_hidden_states=True)
            states = output.hidden_states[-1]
            return Reading(output.logits, states[:, 0], states)
        output = self._run(body, embeddings, mask)
        return Reading(head(self.model.dropout(output.pooler_output)), output.pooler_output, output.last_hidden_state)

    def add_reconstruction(self) -> None:
        """Add an untrained head that reads pieces back, shaped as the library's own for masked pieces."""
        config = self.model.config
        rows, inner = self.embedding.weight.shape
        approximate = "tanh" if getattr(config, "hidden_act", "gelu") == "gelu_new" else "none"
        self.reconstruction = MaskedHead(config.hidden_size, rows, getattr(config, "layer_norm_eps", 1e-12), inner,
                                         approximate)

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        return self._run(self.model, embeddings, mask).logits

    def seen(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return what the masks are made from, (n, t, d)."""
        by_word = self.masks is None or self.masks.config.source == "word"
        return embeddings if by_word else find_embedding_layer(self.backbone)(inputs_embeds=embeddings)

    def _run(self, model: LibraryObject, embeddings: torch.Tensor, mask: torch.Tensor, **options: bool
             ) -> LibraryObject:
        gate = None if self.masks is None else self.masks.gate
        return run_gated(model, self.backbone, embeddings, mask, gate, **options)
