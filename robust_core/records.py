"""Results, examples and whatever else is stored, as plain data and as JSON."""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from robust_core.types import AttackResult, Example, Step, Swap


def to_plain_values(value: Any) -> Any:  # noqa: ANN401 (any plain value)
    """Return plain data with Python's own numbers in place of numpy's, for JSON that another process reads."""
    return _to_plain(value)


def to_finite(value: Any) -> Any:  # noqa: ANN401 (any plain value)
    """Return plain data with None in place of every NaN and infinite number, as strict JSON needs it."""
    return _to_plain(value, strict=True)


def _to_plain(value: Any, strict: bool = False) -> Any:  # noqa: ANN401
    """Return data made of dict, list and Python's own single values."""
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item, strict) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_plain(item, strict) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return None if strict and isinstance(value, float) and not math.isfinite(value) else value


def write_canonical(record: Mapping[str, Any]) -> str:
    """Return JSON that is the same for equal records."""
    return json.dumps(_to_plain(record), sort_keys=True, separators=(",", ":"))


def write_compact(record: Mapping[str, Any]) -> str:
    """Return JSON for a file or a database."""
    # ASCII only, so that half a surrogate pair in a text is stored like any other character.
    return json.dumps(_to_plain(record), ensure_ascii=True, separators=(",", ":"))


def to_result_record(result: AttackResult) -> dict[str, Any]:
    """Return a result as plain data, for `read_result`."""
    record = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    if record.pop("tried") is False:  # came later: records from before have none, and mean True
        record["tried"] = False
    return record | {"example": to_example_record(result.example), "attack": dict(result.attack)}


def to_example_record(example: Example) -> dict[str, Any]:
    """Return an example as plain data, for `Example(**record)`; a single text has no word about parts."""
    record = dataclasses.asdict(example)
    return record if example.parts else {name: record[name] for name in ("text", "label", "uid")}


def read_result(record: Mapping[str, Any]) -> AttackResult:
    """Rebuild a result from `to_result_record`'s data, also after a way through JSON."""
    values = dict(record) | {
        "example": Example(**record["example"]),
        "before": tuple(record["before"]),
        "after": tuple(record["after"]),
        "swaps": tuple(Swap(*swap) for swap in record["swaps"]),
        "curve": tuple((queries, proba) for queries, proba in record["curve"]),
        "notes": tuple(record["notes"]),
        "steps": tuple(Step(*step) for step in record.get("steps", ())),
    }
    return AttackResult(**values)
