"""Entries as rows for other programs: JSONL, and Parquet."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core.evaluation.explanation_consistency import list_stored, read_pairs
from robust_core.history.entries import EVALUATION, JUDGED, TRAINING, TYPED, Entry, list_own_cards
from robust_core.judging.kept import ENDING, read_files
from robust_core.judging.records import to_record
from robust_core.paths import own_judgements
from robust_core.records import read_result, to_finite
from robust_core.store import ResultStore
from robust_core.types import AttackResult


def list_rows(entries: Sequence[Entry], store: ResultStore, links: ResultStore | None = None
              ) -> Iterator[dict[str, Any]]:
    """Yield a row for each text of each entry: plain values alone, so that every table can hold them.

    Args:
        entries: What to export.
        store: The person's store.
        links: The store of the views behind links; the person's own by default.

    Raises:
        BadInput: Something of it is gone meanwhile.
    """
    for entry in entries:
        head = {"kind": entry.kind, "entry": entry.id, "when": entry.when.isoformat(timespec="seconds")}
        if entry.kind == EVALUATION:
            compared = _read_compared(entry.id, store)
            for result in store.each(entry.id):
                yield head | _write_result(result) | compared.get(result.example.uid, {})
        elif entry.kind == TYPED:
            for record in (links or store).get(entry.id)["outcome"]["results"]:
                similarity = float("nan") if record["similarity"] is None else record["similarity"]
                yield head | _write_result(read_result({**record, "similarity": similarity}))
        elif entry.kind == JUDGED:
            source, _, name = entry.id.partition("/")
            for judged in read_files([own_judgements() / source / f"{name}{ENDING}"])[0]:
                record = to_record(judged)
                yield head | {"judged_at": record.pop("when"), "judged_kind": record.pop("kind"), **record}
        elif entry.kind == TRAINING:
            card = next((card for card in list_own_cards() if card.id == entry.id), None)
            yield head | ({} if card is None else {
                "model": card.id, "dataset": card.dataset, "seed": card.seed, "dev_accuracy": card.dev_accuracy,
                "epochs": card.epochs, "seconds": card.seconds, "model_parameters": card.parameters,
                "defence": json.dumps(to_finite(card.defence)), "recipe": json.dumps(to_finite(card.recipe))})
        else:
            yield head | {"model": entry.id, "dataset": entry.dataset}


def _read_compared(run: str, store: ResultStore) -> dict[str, dict[str, float]]:
    """Return how alike the explanations of each changed text are, by uid, with a column for each explainer."""
    found: dict[str, dict[str, float]] = {}
    for of in (of for of in list_stored(store) if of.run_id == run):
        name = of.method["name"]
        for result, values in read_pairs(store, of):
            found.setdefault(result.example.uid, {}).update(
                {f"{name}_kendall_tau": values["kendall_tau"], f"{name}_top_5": values["top_k"]["5"]})
    return found


def _write_result(result: AttackResult) -> dict[str, Any]:
    label = result.reference_label
    return {
        "uid": result.example.uid, "model": result.victim, "attack": str(result.attack["name"]),
        "status": result.status, "true_label": result.example.label, "reference_label": label,
        "perturbed_label": result.perturbed_label, "original": result.example.text, "perturbed": result.perturbed,
        "probability_before": result.before[label], "probability_after": result.after[label],
        "queries": result.queries, "forward_passes": result.forward_passes, "similarity": result.similarity,
        "seconds": result.seconds, "swaps": " ".join(f"{s.old or '+'}>{s.new or '-'}" for s in result.swaps),
        "parameters": json.dumps(to_finite(result.attack))}


def to_jsonl(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a line of strict JSON for each row; figures that do not exist are null."""
    return "".join(json.dumps(to_finite(row)) + "\n" for row in rows).encode()


def to_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the rows as a Parquet file with a column for each name that any of them has."""
    import pyarrow
    from pyarrow import parquet

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [_make_writable(row.get(name)) for row in rows] for name in names}
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _make_writable(value: Any) -> Any:  # noqa: ANN401 (any plain value)
    """Return a value as Parquet can hold it: text without halves of surrogate pairs."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
