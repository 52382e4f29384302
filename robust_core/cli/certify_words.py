"""Certificates in words, of one text or of a data set: what `certify --words` does."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from robust_core import datasets
from robust_core.cli.options import keep_stdout, read_typed_text
from robust_core.cli.output import Columns, format_number, format_percent, name_column, show_rows
from robust_core.evaluation.evaluate import check_labels
from robust_core.models import loading
from robust_core.resources.swap_sets import SwapSet, read_swap_set

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

CAREFUL = "careful"
_DEFAULT = "{}/additive/close"
_MANY = 10**300


def show_word_certificates(text: str | None, dataset: str | None, models: Sequence[str], swaps: str, split: str,
                           n: int | None, seed: int, data_dir: str | None, as_json: bool) -> None:
    """Certify a text, or measure certified accuracy on a data set, and print it."""
    from robust_core.certify.word_swaps import measure_certified_accuracy

    with keep_stdout():
        found = [loading.load(name, "cpu") for name in dict.fromkeys(models or [_DEFAULT.format(dataset or "sst2")])]
        swap_set = read_swap_set(swaps)
        if text is not None:
            typed = read_typed_text(text)
            rows = [_certify_text(model, typed, swap_set) for model in found]
        else:
            for model in found:
                check_labels(model, datasets.describe(str(dataset)))
            examples = datasets.choose(datasets.load(str(dataset), split, data_dir), n, seed=seed)
            rows = [{"dataset": dataset, "split": split, **measure_certified_accuracy(model, examples, swap_set)}
                    for model in found]
    show_rows(rows, as_json, _OF_TEXT if text is not None else _OF_DATA)


def _certify_text(model: "TextClassifier", text: str, swap_set: SwapSet) -> dict[str, Any]:
    from robust_core.certify.typos import prove_typos
    from robust_core.certify.word_swaps import WordCertifier

    found, slip = WordCertifier(model, swap_set).certify(text), prove_typos(model, text)
    return {
        "model": model.id, "prediction": model.labels[found.prediction], "swap_set": swap_set.name,
        "swap_set_sha256": swap_set.sha256, "certified": found.certified,
        # A number of swaps that no text has room for: any.
        "swaps_proven": None if found.certified else found.swaps_proven, "texts": found.texts,
        "margin": found.margin, "worst_margin": found.worst_margin, "worst_text": found.worst_text,
        # Of any one word, one letter wrong: every such text was tried.
        "typos_proven": slip.proven, "typos": slip.typos, "worst_typo": slip.worst_text,
        "words": [word._asdict() for word in found.words]}


def _describe_proof(row: dict[str, Any]) -> str:
    return "any number" if row["certified"] else str(row["swaps_proven"])


def _write_count(row: dict[str, Any]) -> str:
    # Of a long text there are more than a float can say.
    return f"{row['texts']:.3g}" if row["texts"] < _MANY else f"{Decimal(row['texts']):.1e}"


_OF_TEXT: Columns = {
    "Model": name_column("model"), "Prediction": name_column("prediction"), "Swaps": name_column("swap_set"),
    "Proved for": _describe_proof, "Texts": _write_count, "Lead": format_number("margin"),
    "Lowest lead": format_number("worst_margin"), "Worst text": name_column("worst_text"),
    "One typo": lambda row: "proved" if row["typos_proven"] else f"not proved: {row['worst_typo']}",
}

_OF_DATA: Columns = {
    "Model": name_column("model"), "Data": name_column("dataset"), "Split": name_column("split"),
    "Swaps": name_column("swap_set"), "Texts": name_column("n"), "Accuracy %": format_percent("accuracy"),
    "Certified %": format_percent("certified_accuracy"),
    "By swaps %": lambda row: ", ".join(f"{k}: {100 * p:.1f}" for k, p in row["certified_by_swaps"].items()),
}
