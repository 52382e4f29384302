"""Word vectors without a download: the packaged encoder reads bare words, 200 principal components are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robust_core.errors import BadInput
from robust_core.resources._tables import load_arrays
from robust_core.resources.encoder import minilm_folder

if TYPE_CHECKING:
    from transformers import BertModel


def word_vectors(words: Sequence[str], dim: int = 200) -> "np.ndarray":
    """Return initial word vectors for the CNN and the LSTM.

    A row is the encoder's unit-length sentence vector of the bare word, centred on the mean of the
    vocabulary of the train texts, projected on its leading principal components and scaled by one common factor,
    with which rows over that vocabulary have a mean length of 3 at `dim=200`.
    The components are ordered by variance, so a smaller `dim` is a prefix of a larger one.

    Args:
        words: n words, any case (the encoder lower-cases); an empty sequence is fine.
        dim: Number of components kept, 1 to 200.

    Returns:
        Array (n, dim), float32.

    Raises:
        BadInput: If `dim` is out of range.
        MissingResource: If the encoder or the table of components is absent.
    """
    table = load_arrays("word_projection.npz", "vectors")
    components = table["components"].astype(np.float32)  # (200, 384)
    if not 1 <= dim <= len(components):
        raise BadInput(f"dim must be between 1 and {len(components)}, not {dim}")
    rows = encode_words(words) - table["mean"].astype(np.float32)  # (n, 384)
    return (rows @ components[:dim].T) * np.float32(table["scale"])


def encode_words(words: Sequence[str], batch: int = 256) -> "np.ndarray":
    """Return the encoder's sentence vectors of bare words or short phrases, rows of unit length.

    Args:
        words: n texts of at most some ten words.
        batch: Texts encoded at once; sorted by length first, so that hardly any padding is computed.

    Returns:
        Array (n, 384), float32: mean over all pieces including `[CLS]` and `[SEP]`, as the model was trained.

    Raises:
        MissingResource: If the encoder is absent.
    """
    import torch
    from tokenizers import Tokenizer

    folder = minilm_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()  # the packaged tokenizer pads and cuts to a fixed length
    tokenizer.enable_truncation(64)
    tokenizer.encode_special_tokens = True  # "[SEP]" given as a word is plain text
    model = _load_bare_encoder(folder)
    pieces = [encoding.ids for encoding in tokenizer.encode_batch(list(words))]
    order = sorted(range(len(pieces)), key=lambda i: len(pieces[i]))
    out = np.zeros((len(pieces), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = order[start:start + batch]
            longest = len(pieces[chosen[-1]])
            ids = torch.tensor([pieces[i] + [0] * (longest - len(pieces[i])) for i in chosen])  # (b, t)
            mask = torch.tensor([[1] * len(pieces[i]) + [0] * (longest - len(pieces[i])) for i in chosen])
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state  # (b, t, 384)
            weight = mask[..., None].to(hidden.dtype)
            mean = (hidden * weight).sum(1) / weight.sum(1)
            out[chosen] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return out


def _load_bare_encoder(folder: Path) -> "BertModel":
    """Return the encoder without its pooler, in fp32 whatever precision it is stored in, in eval mode."""
    from safetensors.torch import load_file
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
    weights = load_file(folder / "model.safetensors")
    skipped = ("pooler.", "embeddings.position_ids")  # position_ids: a buffer that old exports carry
    model.load_state_dict({name: w.float() for name, w in weights.items() if not name.startswith(skipped)})
    return model.eval()
