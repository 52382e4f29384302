"""Models of the `transformers` library, from a folder, its cache or a hub: safetensors and fast tokenizers only."""

from pathlib import Path
from typing import TYPE_CHECKING

from robust_core.errors import BadInput, MissingResource, UnknownName, list_names
from robust_core.models.hub import open_model
from robust_core.models.library_models import is_of_body
from robust_core.paths import short_name

if TYPE_CHECKING:
    import torch

    from robust_core.models.classifier import TextClassifier

_ELSEWHERE = "It is neither a checkpoint nor a Hugging Face model that can be reached from here; give a folder."


def open_classifier(model_id: str, device: "torch.device", known: list[str] | None = None,
                    labels: tuple[str, ...] | None = None, length: int = 128) -> "TextClassifier":
    """Open a sequence classifier, or with `labels` an encoder on which a head for them is to be learnt.

    Args:
        model_id: Folder or Hugging Face id.
        device: Where it runs.
        known: Names of the models that are here; a name without a slash must be one of them.
        labels: Label names of the head to learn.
        length: Longest input in pieces.

    Raises:
        UnknownName: It is neither one of `known` nor on a hub.
        BadInput: The folder holds no classifier.
        MissingResource: No hub can be reached.
    """
    from robust_core.models.classifier import TextClassifier
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
    config = found.model.config
    given = config.id2label or {}
    names = labels or tuple(str(given.get(i, f"label_{i}")).lower() for i in range(config.num_labels))
    network = HuggingFaceClassifier(found.model)
    network.fresh = frozenset(f"model.{name}" for name in found.missing)
    return TextClassifier(model_id, names, network, found.tokens, device)
