"""Encoders of sentence-transformers: opened behind the gate, and asked once before anybody relies on them."""

from pathlib import Path
from typing import Any

import numpy as np

from robust_core.errors import BadInput, RobustError, first_sentence, list_names
from robust_core.files import short_name
from robust_core.models.library_models import check_all_used, check_fit, is_of_body, quiet_libraries
from robust_core.models.model_folders import check_model_folder
from robust_core.models.weight_files import check_finite

# More words than any encoder has places; the texts that it is asked with once.
_TRIED = ["a good film", "", "good " * 2_000]


def open_sentence_transformer(folder: Path, device: str) -> Any:  # noqa: ANN401 (a SentenceTransformer)
    """Open a folder as an encoder.

    Raises:
        BadInput: It is broken, asks for code, or gives no vectors; or some of its weights are missing.
    """
    home = check_model_folder(folder)
    name = short_name(folder)
    import transformers
    from sentence_transformers import SentenceTransformer

    try:
        with quiet_libraries():
            config = transformers.AutoConfig.from_pretrained(home, trust_remote_code=False)
            check_fit(home, "AutoModel", config)
            _check_weights(home, config)
            model = SentenceTransformer(str(folder), device=device, trust_remote_code=False, local_files_only=True,
                                        model_kwargs={"use_safetensors": True})
            check_finite(model.state_dict().items(), name)
            _try(model, getattr(config, "max_position_embeddings", None))
    except RobustError:
        raise
    except Exception as error:  # noqa: BLE001 (each architecture and module has its own ways to fail)
        raise BadInput(f"{name} cannot be read as an encoder: {first_sentence(error)}.") from None
    return model


def _check_weights(home: Path, config: Any) -> None:  # noqa: ANN401 (a configuration of the library)
    """Refuse an encoder some of whose weights are missing or of another size: the library would draw them."""
    import torch
    import transformers

    # On no device: the library compares names and sizes, and reads no weight.
    with torch.random.fork_rng(devices=[]):
        model, found = transformers.AutoModel.from_pretrained(
            home, config=config, trust_remote_code=False, use_safetensors=True, output_loading_info=True,
            ignore_mismatched_sizes=True, device_map="meta")
    check_all_used(short_name(home), model, found["unexpected_keys"])
    misfits = [key if isinstance(key, str) else key[0] for key in found["mismatched_keys"]]
    # A pooler is not read. Of models with two halves only the first is, and files may hold no more.
    lacking = sorted(key for key in [*found["missing_keys"], *misfits]
                     if is_of_body(model, key) and not key.startswith("decoder."))
    if lacking:
        raise BadInput(f"{short_name(home)} has no weights that fit config.json for {list_names(lacking, 80)}.")


def _try(model: Any, places: object) -> None:  # noqa: ANN401 (a SentenceTransformer)
    """Ask an encoder once; one that counts its places from behind the pad's reads some pieces fewer than it says."""
    if isinstance(places, int) and (model.max_seq_length is None or model.max_seq_length > places):
        model.max_seq_length = places
    try:
        vectors = _encode(model)
    except (IndexError, RuntimeError):
        if not isinstance(places, int) or model.max_seq_length != places or places < 8:
            raise
        model.max_seq_length = places - 2
        vectors = _encode(model)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise BadInput("it answers with NaN or infinite numbers, or with no vector a text.")


def _encode(model: Any) -> np.ndarray:  # noqa: ANN401 (a SentenceTransformer)
    return np.asarray(model.encode(_TRIED, normalize_embeddings=True, show_progress_bar=False))
