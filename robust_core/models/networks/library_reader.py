"""Classifiers of the `transformers` library, read as the library itself reads one text.

Few architectures give a text the same answer beside a pad: some read the last token, some mix neighbours or the whole
line, some count positions from the other end. So texts run in batches of one length, without any pad, and by their
token ids; word-embedding rows are put in where the library looks the ids up.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from robust_core.errors import Incompatible, RobustError, shorten
from robust_core.models.networks.base import Reading
from robust_core.models.networks.encoder_body import LibraryObject

# Encoders whose answers no pad changes and that take rows in place of ids; the conformance test holds each to it.
PADDED = frozenset({"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie",
                    "megatron-bert", "mpnet", "rembert", "roberta", "roberta-prelayernorm", "xlm-roberta"})
# What rounding may change in a score, absolutely and in proportion.
TOLERANCE = 1e-4


class Layout(NamedTuple):
    """How a tokenizer lays out a text.

    Attributes:
        prefix: Ids before the pieces.
        suffix: Ids behind them.
        types: Segment of each id of the prefix, of a piece, and of each id of the suffix; None where the tokenizer
            gives no segments.
        special: Ids that no piece of a text has.
    """

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    types: tuple[tuple[int, ...], int, tuple[int, ...]] | None
    special: frozenset[int]

    @property
    def is_plain(self) -> bool:
        """Whether everything lies in the first segment, which is what models assume by themselves."""
        return self.types is None or not any((*self.types[0], self.types[1], *self.types[2]))

    def fill(self, pieces: Sequence[int], length: int) -> list[int]:
        """Return `length` ids: prefix, the first of some pieces, suffix; pieces alone where there is no room."""
        inner = length - len(self.prefix) - len(self.suffix)
        return list(pieces[:length]) if inner < 0 else [*self.prefix, *pieces[:inner], *self.suffix]

    def segments(self, length: int) -> list[int]:
        """Return the segment of each id of a line of some length."""
        prefix, piece, suffix = self.types or ((), 0, ())
        inner = length - len(prefix) - len(suffix)
        return [piece] * length if inner < 0 else [*prefix, *[piece] * inner, *suffix]


class LibraryReader:
    """Runs a sequence classifier on lines of one length at a time, by ids or by word-embedding rows.

    Args:
        model: A model made by AutoModelForSequenceClassification.
        layout: How its tokenizer lays out a text.

    Attributes:
        alone: Whether each text is a batch of its own.
    """

    def __init__(self, model: LibraryObject, layout: Layout) -> None:
        self.alone = False
        self._model, self._layout = model, layout
        takes = inspect.signature(model.forward).parameters
        self._takes_mask = "attention_mask" in takes
        self._takes_types = layout.types is not None and "token_type_ids" in takes

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t) ids, of which the (n, t) bool mask says the real ones."""
        return self._by_length(mask, lambda chosen, length: self._run(ids[chosen, :length]).logits)

    def score(self, rows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t, d) rows, differentiable in them."""
        return self._by_length(mask, lambda chosen, length: self._run_rows(rows[chosen, :length])[1].logits)

    def reading(self, rows: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return the scores of (n, t, d) rows and the (n, d) vectors that the last linear layer reads.

        Raises:
            Incompatible: The scores do not come from a linear layer.
        """
        width = self._model.config.num_labels
        both = self._by_length(mask, lambda chosen, length: torch.cat(self._run_head(rows[chosen, :length]), -1))
        return Reading(both[:, :width], both[:, width:])

    def _by_length(self, mask: torch.Tensor, run: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
        order, found = [], []
        for chosen, length in self._groups(mask.sum(1).tolist()):
            order += chosen
            try:
                found.append(run(torch.tensor(chosen, device=mask.device), length))
            except (torch.OutOfMemoryError, RobustError):
                raise
            except Exception as error:  # noqa: BLE001 (each of some hundred architectures has its own ways to fail)
                why = shorten(str(error).strip() or type(error).__name__, 120)
                raise Incompatible(f"This model ({self._model.config.model_type}) cannot read a text of {length:,} "
                                   f"pieces: {why}") from None
        return torch.cat(found)[torch.tensor(order, device=mask.device).argsort()]

    def _groups(self, lengths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
        for length in sorted(set(lengths)):
            chosen = [i for i, other in enumerate(lengths) if other == length]
            yield from (([i], length) for i in chosen) if self.alone else [(chosen, length)]

    def _run(self, ids: torch.Tensor) -> LibraryObject:
        given: dict[str, torch.Tensor] = {"input_ids": ids}
        if self._takes_mask:
            given["attention_mask"] = torch.ones_like(ids)
        if self._takes_types:
            segments = torch.tensor(self._layout.segments(ids.shape[1]), device=ids.device)
            given["token_type_ids"] = segments.expand_as(ids).contiguous()
        sparse = getattr(self._model.base_model, "set_attention_type", None)
        if sparse is not None:
            # BigBird forgets its sparse attention for good once it has seen a short text.
            sparse(self._model.config.attention_type)
        return self._model(**given)

    def _run_rows(self, rows: torch.Tensor) -> tuple[torch.Tensor, LibraryObject]:
        """Run (n, t, d) rows; return the (n, t) ids that stood for them, and the answer."""
        table = self._model.get_input_embeddings().weight
        avoid = {*self._layout.special, *self._layout.prefix, *self._layout.suffix, self._model.config.pad_token_id,
                 *self._layout.segments(rows.shape[1])}
        # An id a place, so that the place is known wherever and in whatever order the library looks ids up.
        pieces = [i for i in range(min(len(table), rows.shape[1] + len(avoid))) if i not in avoid]
        line = self._layout.fill(pieces, rows.shape[1])
        if len(line) < rows.shape[1]:
            raise Incompatible(f"The vocabulary is too small for gradients of a text of {rows.shape[1]:,} pieces.")
        ids = torch.tensor(line, device=rows.device).expand(len(rows), -1).contiguous()
        place = torch.full((len(table),), -1, device=rows.device)
        place[ids[0]] = torch.arange(len(line), device=rows.device)

        def put_in(_: nn.Module, inputs: tuple[torch.Tensor, ...], found: torch.Tensor) -> torch.Tensor:
            asked = inputs[0]
            at = place[asked]
            number = torch.arange(len(rows), device=rows.device)
            # XLNet looks up (t, n); all lines are the same, which tells the two directions apart.
            across = len(asked) == len(rows) and bool((asked == asked[:1]).all())
            return torch.where((at >= 0).unsqueeze(-1), rows[number[:, None] if across else number[None], at], found)

        layers = [m for m in self._model.modules() if isinstance(m, nn.Embedding) and m.weight is table]
        hooks = [layer.register_forward_hook(put_in) for layer in layers]
        try:
            return ids, self._run(ids)
        finally:
            for hook in hooks:
                hook.remove()

    def _run_head(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scores of (n, t, d) rows, and what the last linear layer made them from."""
        config, seen = self._model.config, []
        linear = [m for m in self._model.modules() if isinstance(m, nn.Linear) and m.out_features == config.num_labels]
        hooks = [layer.register_forward_pre_hook(lambda layer, inputs: seen.append((layer, inputs[0])))
                 for layer in linear[-1:]]
        try:
            ids, answer = self._run_rows(rows)
        finally:
            for hook in hooks:
                hook.remove()
        if seen:
            layer, vectors = seen[-1]
            if vectors.dim() == 3:
                # Scores of every place, of which the library takes the last one that is no pad.
                last = int((ids[0] != config.pad_token_id).nonzero().max()) if config.pad_token_id is not None else -1
                vectors = vectors[:, last]
            if vectors.shape[:-1] == answer.logits.shape[:1] and torch.allclose(
                    layer(vectors), answer.logits, TOLERANCE, TOLERANCE):
                return answer.logits, vectors
        raise Incompatible("This architecture does not show the vector that its last layer reads.")
