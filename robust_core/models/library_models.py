"""What is checked of a model of the `transformers` library while it is opened: its kind, its size, its weights."""

import contextlib
import logging
import math
import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from robust_core.errors import BadInput, list_names, quote
from robust_core.files import short_name
from robust_core.models.weight_files import check_finite, read_headers

# A network may have as many weights again as its files hold, and some more, for a head that is still to be learnt.
_MOST_AGAIN, _MOST_MORE = 2, 8_000_000
_QUIET = threading.RLock()


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep from the screen what the libraries tell programmers while a model is opened; one thread at a time.

    Of `transformers` that holds for ever: its models also speak while they are asked.
    """
    from transformers.utils import logging as library

    others = logging.getLogger("sentence_transformers")
    with _QUIET:
        level, bars = others.level, library.is_progress_bar_enabled()
        library.set_verbosity_error()
        library.disable_progress_bar()
        others.setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module=r"transformers\.")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            others.setLevel(level)
            if bars:
                library.enable_progress_bar()


def check_fit(folder: Path, auto: str, config: Any) -> None:  # noqa: ANN401 (the library's configurations)
    """Compare the network that a configuration describes with the weights on disk, before anything is allocated.

    Args:
        folder: Where the configuration and the weights lie.
        auto: Name of the library's class, such as AutoModelForMaskedLM.
        config: The configuration.

    Raises:
        BadInput: It describes no network, none for texts, or one far larger than its files.
    """
    import transformers
    from transformers.models.auto import modeling_auto as known

    from robust_core.models.networks.shapes import on_no_device

    name = short_name(folder)
    texts = {kind for table in ("MASKED_LM", "SEQUENCE_CLASSIFICATION", "TEXT_ENCODING")
             for kind in getattr(known, f"MODEL_FOR_{table}_MAPPING_NAMES")}
    if config.model_type not in texts:
        raise BadInput(f"{name}: no kind of text model is called {quote(config.model_type, 40)}, as config.json says.")
    with on_no_device():
        network = getattr(transformers, auto).from_config(config)
    wanted = sum(weight.numel() for weight in network.parameters())
    there = sum(math.prod(weight.shape) for weight in read_headers(folder).values())
    if wanted > _MOST_AGAIN * there + _MOST_MORE:
        raise BadInput(f"{name}: config.json describes a network of {wanted:,} weights; its files hold {there:,}.")


def check_opened(folder: Path, model: Any, found: Mapping[str, Any], tokenizer: Any,  # noqa: ANN401
                 new_head: bool = False) -> frozenset[str]:
    """Look at a model that has been opened.

    Args:
        folder: Where it lies.
        model: The model.
        found: What the library says of its weights.
        tokenizer: Its tokenizer.
        new_head: Whether its head is still to be learnt, so that one of another size does no harm.

    Returns:
        Names of the weights that were drawn anew, since the files do not hold them in that size.

    Raises:
        BadInput: Weights have another size, or are NaN or infinite; or the tokenizer knows more pieces
            than the model.
    """
    name = short_name(folder)
    misfits = [key if isinstance(key, str) else key[0] for key in found["mismatched_keys"]]
    wrong = [key for key in misfits if not new_head or is_of_body(model, key)]
    if wrong:
        raise BadInput(f"{name}: the weights do not fit the sizes in config.json: {list_names(wrong, 80)}.")
    check_all_used(name, model, found["unexpected_keys"])
    check_finite(model.state_dict().items(), name)
    most = max(tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False).values(), default=0)
    rows = count_rows(model)
    if rows is not None and most >= rows:
        raise BadInput(f"{name}: the tokenizer's ids go up to {most:,}, the model knows those below {rows:,}.")
    return frozenset([*found["missing_keys"], *misfits])


def check_all_used(name: str, model: Any, unexpected: Iterable[str]) -> None:  # noqa: ANN401 (a model of the library)
    """Refuse files that hold more layers than the configuration says: what is left of the model is another one.

    Heads and poolers that are not read do no harm.

    Raises:
        BadInput: A weight is left over whose name differs from one in use by a number only.
    """
    used = {re.sub(r"\d+", "#", key) for key in model.state_dict()}
    left = sorted(key for key in unexpected if re.search(r"\d", key) and re.sub(r"\d+", "#", key) in used)
    if left:
        raise BadInput(f"{name}: config.json leaves out layers that the weights hold: {list_names(left, 80)}.")


def is_of_body(model: Any, weight: str) -> bool:  # noqa: ANN401 (a model of the library)
    """Return whether a weight belongs to what a model reads with, not to its head or to a pooler."""
    body = model.base_model
    return ".pooler." not in f".{weight}" and (body is model or weight.startswith(f"{model.base_model_prefix}."))


def count_rows(model: Any) -> int | None:  # noqa: ANN401 (a model of the library)
    """Return how many ids a model has a row for; None of a model without such a table."""
    try:
        return len(model.get_input_embeddings().weight)
    except (AttributeError, NotImplementedError, TypeError):
        return None
