"""How a classifier of the `transformers` library must be asked, tried out on a few lines when it is opened."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from robust_core.errors import Incompatible, shorten
from robust_core.models.batching import pad_rows
from robust_core.models.networks.library_reader import PADDED, TOLERANCE, Layout, LibraryReader

if TYPE_CHECKING:
    from robust_core.models.networks.transformer import HuggingFaceClassifier
    from robust_core.models.tokens import Subwords

# Pieces of the lines that are tried, special tokens left out; some are of one length.
_PIECES = (3, 6, 6, 11, 11)


def choose_reading(network: "HuggingFaceClassifier", tokens: "Subwords", layout: Layout, name: str) -> None:
    """Let a network answer as the library answers each text alone.

    It runs without pads if these may change an answer, one text at a time if other texts do, and takes no
    word-embedding rows if they give another answer than the ids they stand for.

    Args:
        network: The network, in eval mode.
        tokens: Its tokenizer.
        layout: How that lays out a text.
        name: The model's name, for messages.

    Raises:
        Incompatible: It cannot be asked with a text alone, or its answers differ from time to time.
    """
    device, reader = network.model.device, LibraryReader(network.model, layout)
    rows = _make_rows(tokens, layout)
    with torch.inference_mode():
        truth = _ask_alone(reader, rows, device, name)

        def agrees(ask: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> bool:
            try:
                found = ask(*pad_rows(rows, tokens.pad_id, device))
            except Exception:  # noqa: BLE001 (each of some hundred architectures has its own ways to fail)
                return False
            return torch.allclose(found, truth, TOLERANCE, TOLERANCE)

        padded = network.model.config.model_type in PADDED and layout.is_plain
        if not (padded and agrees(network.read)):
            network.reader = reader
            reader.alone = not agrees(network.read)
        network.takes_rows = agrees(lambda ids, mask: network(network.embedding(ids), mask))


def _make_rows(tokens: "Subwords", layout: Layout) -> list[list[int]]:
    """Return lines of pieces from all over the vocabulary."""
    avoid = {*tokens.special, *tokens.prefix, *tokens.suffix, tokens.pad_id}
    known = [i for i in range(tokens.size) if i not in avoid] or [tokens.pad_id]
    longest = max(1, tokens.length - len(tokens.prefix) - len(tokens.suffix))
    rows = []
    for number, pieces in enumerate(_PIECES):
        line = [known[(7919 * (number + 1) * (place + 1)) % len(known)] for place in range(min(pieces, longest))]
        rows.append(layout.fill(line, len(line) + len(tokens.prefix) + len(tokens.suffix)))
    return rows


def _ask_alone(reader: LibraryReader, rows: list[list[int]], device: torch.device, name: str) -> torch.Tensor:
    """Return the scores of each line alone, (n, classes)."""
    lines = [pad_rows([row], 0, device) for row in rows]
    try:
        first, second = (torch.cat([reader.read(*line) for line in lines]) for _ in range(2))
    except Exception as error:  # noqa: BLE001 (see above)
        why = shorten(str(error).strip().partition("\n")[0] or type(error).__name__, 120)
        raise Incompatible(f"{name} cannot be asked with a text alone: {why}") from None
    if not torch.allclose(first, second, TOLERANCE, TOLERANCE):
        raise Incompatible(f"{name} answers the same text differently each time, so nothing can be said of it.")
    return first
