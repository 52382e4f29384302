"""scikit-learn classifiers of texts in skops files: what skops does not know to be safe is never opened; no pickle."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

from robust_core import environment
from robust_core.errors import BadInput, MissingResource, first_sentence, list_names, quote
from robust_core.files import read_bytes
from robust_core.victims.fields import check_labels


def open_pipeline(path: Path) -> Any:  # noqa: ANN401 (whatever scikit-learn has)
    """Open a pipeline that takes texts and gives probabilities.

    Raises:
        BadInput: The file is damaged, too large, holds types that may do anything, or is no classifier of texts.
        MissingResource: skops or scikit-learn is not installed.
    """
    most = 1_000_000 * environment.read_limit("model_mb")
    data = read_bytes(path, most)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
    except (zipfile.BadZipFile, ValueError, OSError):
        raise BadInput(f"{path.name} is no skops file; skops.io.dump(pipeline, {path.name!r}) writes one.") from None
    if size > most:
        raise BadInput(f"{path.name} is too large: it unpacks to {size / 1e6:,.0f} MB; {most / 1e6:,.0f} MB are the "
                       "most (ROBUST_MODEL_MB).")
    try:
        from skops import io as skops
    except ImportError:
        raise MissingResource("The package skops", "pip install skops scikit-learn") from None
    try:
        with warnings.catch_warnings():
            # A file of another version of scikit-learn is opened as well as it can be.
            warnings.simplefilter("ignore")
            strange = skops.get_untrusted_types(data=data)
            model = None if strange else skops.loads(data)
    except Exception as error:  # noqa: BLE001 (a damaged file fails anywhere inside skops)
        raise BadInput(f"{path.name} cannot be opened: {type(error).__name__}: {first_sentence(error)}.") from None
    if strange:
        raise BadInput(f"{path.name} is not opened: it holds {list_names(strange, 100)}, which may run code. Save "
                       "a pipeline of scikit-learn's own parts.")
    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        raise BadInput(f"{path.name} holds {quote(type(model).__name__)}, which gives no probabilities of classes; a "
                       "linear SVM gives them inside CalibratedClassifierCV.")
    return model


def read_classes(model: Any, name: str) -> tuple[str, ...]:  # noqa: ANN401 (likewise)
    """Return the classes that a pipeline names; numbers become label_0, label_1 and so on."""
    return check_labels([each if isinstance(each, str) else f"label_{each}" for each in model.classes_.tolist()], name)
