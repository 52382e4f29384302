"""The gate before a model's `config.json`: sizes that its weights can have, labels, and no code.

Whoever writes sizes decides how much is allocated, and for how long layers are built. So each is compared with the
weights that the files hold, by the header of `weight_files`, before a library makes a network of it.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from robust_core.errors import BadInput, quote
from robust_core.models.weight_files import Weight

# Parts of names that say a number is a size of the network; any other number allocates nothing.
_SIZES = ("size", "dim", "hidden", "layer", "head", "position", "embed", "inner", "width", "kernel", "group",
          "_len", "length", "span", "bucket", "expert", "rank", "channel", "vocab", "window", "factor")
_COUNTS = ("num_", "n_", "d_")
# These need no weights: places that are computed, and limits.
_FREE = ("position", "len", "length", "span", "bucket", "window", "n_ctx", "chunk", "beam", "return_seq", "ngram")
# Below this a size does no harm: settings of parts that are not in use keep the library's defaults.
_SMALL = 2**16
_MOST_FREE, _MOST_LAYERS, MOST_LABELS, _LONGEST_LABEL, _MOST_DEPTH = 2**24, 256, 1_000, 100, 8
_POSITIVE = ("hidden_size", "d_model", "dim", "n_embd", "vocab_size", "num_hidden_layers", "num_layers", "n_layers",
             "n_layer", "num_attention_heads", "n_heads", "n_head")
# The deepest published text models have 126 layers.
_LAYERS = ("layers", "n_layer", "num_layer", "num_hidden_groups", "num_blocks", "n_blocks", "num_stages")
_CODE = {"auto_map": "code of its own", "trust_remote_code": "code of its own",
         "quantization_config": "quantised weights", "compression_config": "quantised weights",
         "transformers_weights": "another file of weights", "backbone": "another model",
         "use_timm_backbone": "another model", "use_pretrained_backbone": "another model"}
_ATTENTION = (None, True, False, "eager", "sdpa")


def check_config(config: Mapping[str, Any], header: Mapping[str, Weight], name: str) -> None:
    """Look at the settings of a model before a library builds it.

    Args:
        config: What `config.json` holds.
        header: The weights that its files hold.
        name: Name of the folder, for messages.

    Raises:
        BadInput: A size is none, or larger than the weights allow; the labels do not fit; or it asks for code, for
            quantised weights or for a file that lies elsewhere.
    """
    largest = max(itertools.chain([1], *(weight.shape for weight in header.values() if math.prod(weight.shape))))
    for key, value in _walk(config, name):
        if key in _CODE and value:
            raise BadInput(f"{name}: config.json asks for {_CODE[key]} ({key}), which is never opened.")
        if key.startswith(("_attn_implementation", "attn_implementation")) and value not in _ATTENTION:
            raise BadInput(f"{name}: config.json asks for the attention {quote(value, 40)}; eager and sdpa are known.")
        if key.lower().startswith(_COUNTS) or any(part in key.lower() for part in _SIZES):
            _check_size(key.lower(), value, largest, len(header), name)
    _check_labels(config, name)


def _walk(config: Mapping[str, Any], name: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield all settings, those of parts included; a list yields what it holds under its own name."""
    if depth > _MOST_DEPTH:
        raise BadInput(f"{name}: config.json is nested more than {_MOST_DEPTH} deep.")
    for key, value in config.items():
        if isinstance(value, list):
            for part in value:
                yield from _walk({key: part}, name, depth + 1)
        elif isinstance(value, Mapping) and key not in ("id2label", "label2id"):
            yield from _walk(value, name, depth + 1)
        yield key, value


def _check_size(key: str, value: object, largest: int, tensors: int, name: str) -> None:
    """Refuse a size that no network of these weights has; `largest` is the longest axis of a weight."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    most = _MOST_FREE if any(part in key for part in _FREE) else max(largest, _SMALL)
    if any(part in key for part in _LAYERS) and key != "max_window_layers":
        most = min(_MOST_LAYERS, tensors)
    if key in _POSITIVE and value < 1:
        raise BadInput(f"{name}: {quote(key, 40)} in config.json is {quote(value, 30)}; it must be 1 or more.")
    if value > most:
        raise BadInput(f"{name}: {quote(key, 40)} in config.json is {quote(value, 30)}; by its weights it is at most "
                       f"{most:,}.")


def _check_labels(config: Mapping[str, Any], name: str) -> None:
    labels, count = config.get("id2label"), config.get("num_labels")
    if count is not None and (type(count) is not int or not 1 <= count <= MOST_LABELS):
        raise BadInput(f"{name}: config.json gives {quote(count, 30)} labels; 1 to {MOST_LABELS:,} are possible.")
    if labels is None:
        return
    if not isinstance(labels, Mapping) or not 1 <= len(labels) <= MOST_LABELS:
        raise BadInput(f"{name}: id2label in config.json must name 1 to {MOST_LABELS:,} labels.")
    if set(labels) != {str(i) for i in range(len(labels))} or count not in (None, len(labels)):
        raise BadInput(f"{name}: id2label in config.json must name the labels 0, 1, …, as many as there are.")
    if not all(isinstance(text, str) and text.strip() and len(text) <= _LONGEST_LABEL for text in labels.values()):
        raise BadInput(f"{name}: the label names in config.json must be texts of 1 to {_LONGEST_LABEL} characters.")
    if len({text.strip().lower() for text in labels.values()}) < len(labels):
        raise BadInput(f"{name}: two labels in config.json have the same name; rename one.")
