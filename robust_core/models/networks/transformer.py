"""Transformer classifiers: an encoder that reads word-embedding rows, and a linear head."""


import torch
from torch import nn

from robust_core.errors import Incompatible
from robust_core.models.networks.base import Network, Reading
from robust_core.models.networks.bert import mean_pool
from robust_core.models.networks.encoder_body import Body, LibraryObject, find_embedding_layer, run_gated
from robust_core.models.networks.library_reader import LibraryReader
from robust_core.models.networks.mlm_head import MaskedHead
from robust_core.models.networks.word_masks import MaskConfig


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
        reader: Runs it without pads; None for encoders such as BERT, whose answers no pad changes.
        middle: Ids between the parts of a pair, behind which a second segment begins; empty where there is only one.
    """

    reader: LibraryReader | None = None
    middle: tuple[int, ...] = ()

    def __init__(self, model: LibraryObject) -> None:
        super().__init__()
        self.model = model

    @property
    def screens(self) -> bool:  # type: ignore[override]
        """Whether bf16 makes it faster where the processor has it."""
        return self.reader is None

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """The table of word-embedding rows."""
        return self.model.get_input_embeddings()

    @property
    def backbone(self) -> nn.Module:
        """The encoder without the classification head."""
        return self.model.base_model

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) vector that stands for a text.

        The pooled vector of BERT and ALBERT, the last hidden state of the first token of other encoders, and what the
        last linear layer reads in all other architectures.
        """
        return self.reading(embeddings, mask).representation

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores, the vector that stands for a text and, of encoders such as BERT, the last hidden states."""
        if self.reader is not None:
            return self.reader.reading(embeddings, mask)
        body, head = self.backbone, getattr(self.model, "classifier", None)
        segments = self._find_segments(embeddings, mask)
        if getattr(body, "pooler", None) is None or not isinstance(head, nn.Linear):
            output = self._run(self.model, embeddings, mask, output_hidden_states=True, **segments)
            states = output.hidden_states[-1]
            return Reading(output.logits, states[:, 0], states)
        output = self._run(body, embeddings, mask, **segments)
        return Reading(head(self.model.dropout(output.pooler_output)), output.pooler_output, output.last_hidden_state)

    def add_masks(self, config: MaskConfig, keep: float = 0.5) -> None:
        """Give it untrained word masks.

        Raises:
            Incompatible: It is no encoder such as BERT.
        """
        self._need_encoder("Word masks need")
        super().add_masks(config, keep)

    def add_reconstruction(self) -> None:
        """Add an untrained head that reads pieces back, shaped as the library's own for masked pieces.

        Raises:
            Incompatible: It is no encoder such as BERT.
        """
        self._need_encoder("RAR needs")
        config = self.model.config
        rows, inner = self.embedding.weight.shape
        approximate = "tanh" if getattr(config, "hidden_act", "gelu") == "gelu_new" else "none"
        self.reconstruction = MaskedHead(config.hidden_size, rows, getattr(config, "layer_norm_eps", 1e-12), inner,
                                         approximate)

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        if self.reader is not None:
            return self.reader.score(embeddings, mask)
        return self._run(self.model, embeddings, mask, **self._find_segments(embeddings, mask)).logits

    def _find_segments(self, rows: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the segments of (n, t, d) rows as an argument of the model, where one of them holds a pair.

        A pair is known by the rows of its middle sign, which no word has and no explanation moves. Of single texts the
        model is told nothing, as ever.
        """
        if not self.middle or rows.shape[1] <= len(self.middle):
            return {}
        table = self.embedding.weight
        found = torch.ones(rows.shape[0], rows.shape[1] - len(self.middle) + 1, dtype=torch.bool, device=rows.device)
        for k, sign in enumerate(self.middle):
            found &= (rows[:, k: k + found.shape[1]] == table[sign]).all(-1)
        behind = torch.zeros_like(mask)
        behind[:, len(self.middle):] = found[:, :-1].cumsum(1) > 0
        behind &= mask
        return {"token_type_ids": behind.long()} if behind.any() else {}

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t) token ids, as the library gives them for each text alone."""
        return super().read(ids, mask) if self.reader is None else self.reader.read(ids, mask)

    def seen(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return what the masks are made from, (n, t, d)."""
        by_word = self.masks is None or self.masks.config.source == "word"
        return embeddings if by_word else find_embedding_layer(self.backbone)(inputs_embeds=embeddings)

    def _need_encoder(self, what: str) -> None:
        if self.reader is not None:
            raise Incompatible(f"{what} an encoder such as BERT or RoBERTa, not {self.model.config.model_type}.")

    def _run(self, model: LibraryObject, embeddings: torch.Tensor, mask: torch.Tensor,
             **options: "bool | torch.Tensor") -> LibraryObject:
        gate = None if self.masks is None else self.masks.gate
        return run_gated(model, self.backbone, embeddings, mask, gate, **options)
