"""Models of the `transformers` library, from a folder, its cache or a hub: safetensors and fast tokenizers only."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_core.errors import BadInput, Incompatible, MissingResource, UnknownName, list_names, quote
from robust_core.files import short_name
from robust_core.models.hub import OpenModel, open_model
from robust_core.models.library_models import is_of_body

if TYPE_CHECKING:
    import torch

    from robust_core.models.classifier import TextClassifier
    from robust_core.models.networks.library_reader import Layout
    from robust_core.models.networks.transformer import HuggingFaceClassifier

_ELSEWHERE = "It is neither a checkpoint nor a Hugging Face model that can be reached from here; give a folder."


def open_classifier(model_id: str, device: "torch.device", known: list[str] | None = None,
                    labels: tuple[str, ...] | None = None, length: int | None = None) -> "TextClassifier":
    """Open a sequence classifier, or with `labels` an encoder on which a head for them is to be learnt.

    Args:
        model_id: Folder or Hugging Face id.
        device: Where it runs.
        known: Names of the models that are here; a name without a slash must be one of them.
        labels: Label names of the head to learn.
        length: Longest input in pieces; as long as the model itself reads by default.

    Raises:
        UnknownName: It is neither one of `known` nor on a hub.
        BadInput: The folder holds no classifier, or one that does not choose one of several classes.
        Incompatible: It cannot be read from texts alone.
        MissingResource: No hub can be reached.
    """
    from robust_core.models.classifier import TextClassifier
    from robust_core.models.library_check import choose_reading
    from robust_core.models.networks.transformer import HuggingFaceClassifier

    try:
        found = open_model(model_id, "AutoModelForSequenceClassification", "model" if labels else "classifier", length,
                           _ELSEWHERE, **({} if labels is None else {"num_labels": len(labels)}))
    except MissingResource:
        if known is not None and "/" not in model_id:
            raise UnknownName("model", model_id, known) from None
        raise
    if labels is None and found.missing:
        raise BadInput(f"{short_name(Path(model_id))} is no classifier: it has no weights for "
                       f"{list_names(sorted(found.missing), 80)}.")
    lacking = [name for name in found.missing if is_of_body(found.model, name)]
    if lacking:
        raise BadInput(f"{short_name(Path(model_id))} has no weights for {list_names(sorted(lacking), 80)}.")
    if labels is None:
        _check_kind(model_id, found.model.config)
    config = found.model.config
    given = config.id2label or {}
    names = labels or tuple(str(given.get(i, f"label_{i}")).lower() for i in range(config.num_labels))
    network = HuggingFaceClassifier(found.model)
    network.fresh = frozenset(f"model.{name}" for name in found.missing)
    classifier = TextClassifier(model_id, names, network, found.tokens, device, cleans=labels is not None)
    choose_reading(network, found.tokens, _find_layout(found), short_name(Path(model_id)))
    if labels is None and network.reader is None:
        _learn_pairs(network, found)
    if labels is not None and not network.takes_rows:
        raise Incompatible(f"{short_name(Path(model_id))} cannot be trained here: {config.model_type} takes no "
                           "word-embedding rows. Use an encoder such as BERT or RoBERTa.")
    return classifier


def _check_kind(model_id: str, config: Any) -> None:  # noqa: ANN401 (a configuration of the library)
    """Refuse models whose outputs are no probabilities of one class out of several."""
    name, kind = short_name(Path(model_id)), getattr(config, "problem_type", None)
    if config.num_labels == 1 or kind == "regression":
        raise BadInput(f"{name} gives a number (regression), not one of several classes; use a classifier with two "
                       "labels or more.")
    if kind not in (None, "single_label_classification"):
        raise BadInput(f"{name} may give a text several labels at once ({quote(kind)}); only models that choose one of "
                       "several classes can be used.")


def _learn_pairs(network: "HuggingFaceClassifier", found: OpenModel) -> None:
    """Let a classifier read pairs of texts, with segments where the library tells it segments."""
    told = "token_type_ids" in found.tokenizer.model_input_names
    told = told and "token_type_ids" in inspect.signature(found.model.forward).parameters
    found.tokens.learn_pairs(told)
    if found.tokens.pair is not None and found.tokens.pair.segments:
        network.middle = found.tokens.pair.middle


def _find_layout(found: OpenModel) -> "Layout":
    from robust_core.models.networks.library_reader import Layout

    tokens = found.tokens
    types = tokens.types if "token_type_ids" in found.tokenizer.model_input_names else None
    return Layout(tokens.prefix, tokens.suffix, types, tokens.special)
