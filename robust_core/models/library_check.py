"""Whether a model of the `transformers` library can be run, and how it must be asked: tried out when it is opened."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from robust_core.errors import BadInput, Incompatible, RobustError, first_sentence
from robust_core.models.batching import pad_rows
from robust_core.models.networks.encoder_body import LibraryObject
from robust_core.models.networks.library_reader import PADDED, TOLERANCE, Layout, LibraryReader

if TYPE_CHECKING:
    from robust_core.models.networks.encoder_body import HuggingFaceBody
    from robust_core.models.networks.transformer import HuggingFaceClassifier
    from robust_core.models.tokens import Subwords

# Pieces of the lines that are tried, special tokens left out; some are of one length.
_PIECES = (3, 6, 6, 11, 11)


def choose_reading(network: "HuggingFaceClassifier", tokens: "Subwords", layout: Layout, name: str) -> None:
    """Let a network answer as the library answers each text alone.

    It runs without pads if these may change an answer, one text at a time if other texts do, and takes no
    word-embedding rows if they give another answer than the ids they stand for.

    Args:
        network: The network, in eval mode, no weight of it to be learnt.
        tokens: Its tokenizer.
        layout: How that lays out a text.
        name: The model's name, for messages.

    Raises:
        BadInput: It cannot be run, or answers with NaN or infinite numbers.
        Incompatible: It cannot be asked with a text alone, or its answers differ from time to time.
    """
    if "lsh" in getattr(network.model.config, "attn_layers", ()):
        # Reformer fixes its number of buckets at the first text it ever reads.
        raise Incompatible(f"{name} hashes its words: what it answers depends on the texts that it read before.")
    reader = LibraryReader(network.model, layout)
    rows, device = _make_rows(tokens), network.model.device
    ids, mask = pad_rows(rows, tokens.pad_id, device)
    with torch.no_grad():
        truth, again = (_ask_each(lambda row: reader.read(*pad_rows([row], 0, device)), rows, name) for _ in range(2))
        if not torch.allclose(truth, again, TOLERANCE, TOLERANCE):
            raise Incompatible(f"{name} answers the same text differently each time, so nothing can be said of it.")
        padded = network.model.config.model_type in PADDED and layout.is_plain
        if not padded or not _agree(lambda: network.read(ids, mask), truth):
            network.reader = reader
            reader.alone = not _agree(lambda: network.read(ids, mask), truth)
    network.takes_rows = _agree(lambda: _score_and_derive(network, ids, mask), truth)


def check_encoder(body: "HuggingFaceBody", tokens: "Subwords", name: str) -> None:
    """Refuse an encoder whose hidden states of a text are others beside a longer text.

    Raises:
        BadInput: It cannot be run, or answers with NaN or infinite numbers.
        Incompatible: They are, or it takes no word-embedding rows.
    """
    rows, device = _make_rows(tokens), body.model.device

    def read_together() -> torch.Tensor:
        ids, mask = pad_rows(rows, tokens.pad_id, device)
        return body(body.table(ids), mask)[mask]

    _need_agreement(read_together, lambda row: body.model(input_ids=torch.tensor([row], device=device)
                                                          ).last_hidden_state[0], rows, name)


def check_masked_model(network: LibraryObject, tokens: "Subwords", mask_id: int, name: str) -> None:
    """Refuse a masked language model whose guess is another beside a longer text.

    Args:
        network: Takes (n, t) ids, the (n, t) mask of real ones and that of blanks; gives (blanks, vocabulary) scores.
        tokens: Its tokenizer.
        mask_id: Id of a blank.
        name: The model's name, for messages.

    Raises:
        BadInput: It cannot be run, or answers with NaN or infinite numbers.
        Incompatible: It is.
    """
    at = len(tokens.prefix)
    rows = [[*row[:at], mask_id, *row[at + 1:]] for row in _make_rows(tokens)]
    device = next(network.parameters()).device

    def read_together() -> torch.Tensor:
        ids, mask = pad_rows(rows, tokens.pad_id, device)
        return network(ids, mask, ids == mask_id)

    def read_alone(row: list[int]) -> torch.Tensor:
        ids = torch.tensor([row], device=device)
        return network(ids, torch.ones_like(ids, dtype=torch.bool), ids == mask_id)

    _need_agreement(read_together, read_alone, rows, name)


def _need_agreement(together: Callable[[], torch.Tensor], alone: Callable[[list[int]], torch.Tensor],
                    rows: list[list[int]], name: str) -> None:
    with torch.no_grad():
        if not _agree(together, _ask_each(alone, rows, name)):
            raise Incompatible(f"{name} cannot be used here: its architecture reads a text differently beside a longer "
                               "one, or takes no word-embedding rows. Use an encoder such as BERT or RoBERTa.")


def _ask_each(ask: Callable[[list[int]], torch.Tensor], rows: list[list[int]], name: str) -> torch.Tensor:
    """Return what a model answers to each line alone: what cannot be run is found out here, when it is opened."""
    try:
        found = torch.cat([ask(row) for row in rows])
    except RobustError:
        raise
    except Exception as error:  # noqa: BLE001 (each of some hundred architectures has its own ways to fail)
        raise BadInput(f"{name} cannot be run: {first_sentence(error)}.") from None
    if not found.isfinite().all():
        raise BadInput(f"{name} cannot be run: its answers are NaN or infinite.")
    return found


def _agree(ask: Callable[[], torch.Tensor], truth: torch.Tensor) -> bool:
    try:
        found = ask()
    except Exception:  # noqa: BLE001 (see above)
        return False
    return found.shape == truth.shape and torch.allclose(found, truth, TOLERANCE, TOLERANCE)


def _score_and_derive(network: "HuggingFaceClassifier", ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the scores of the rows of ids, which fails where they have no derivative."""
    with torch.enable_grad():
        rows = network.embedding(ids).detach().requires_grad_()
        scores = network(rows, mask)
        slope, = torch.autograd.grad(scores.sum(), rows)
    if not torch.isfinite(slope).all():
        raise Incompatible("The scores have no derivative.")
    return scores.detach()


def _make_rows(tokens: "Subwords") -> list[list[int]]:
    """Return lines of pieces from all over the vocabulary."""
    avoid = {*tokens.special, *tokens.prefix, *tokens.suffix, tokens.pad_id}
    known = [i for i in range(tokens.size) if i not in avoid] or [tokens.pad_id]
    longest = max(1, tokens.length - len(tokens.prefix) - len(tokens.suffix))
    return [[*tokens.prefix,
             *(known[7919 * (number + 1) * (place + 1) % len(known)] for place in range(min(pieces, longest))),
             *tokens.suffix] for number, pieces in enumerate(_PIECES)]
