"""The packaged masked language model: where it lies."""

from pathlib import Path

from robust_core.errors import MissingResource
from robust_core.paths import checkpoint_folders


def masked_model_folder() -> Path:
    """Return the folder of the packaged masked language model (card, low-rank weights on the packaged encoder).

    Raises:
        MissingResource: It is not there.
    """
    for root in checkpoint_folders():
        if (root / "masked" / "minilm" / "card.json").is_file():
            return root / "masked" / "minilm"
    raise MissingResource("The packaged masked language model",
                          "Restore checkpoints/masked, or make it: python -m robust_core.train.masked_lm --help")
