"""A run that comes with the app, so that pages about stored runs show something before a person has stored any.

`python -m bench.example_run` makes it: the sample reviews, attacked and explained. Each line of the file is a record:
a run, a result, or a comparison of a result's two explanations. It is kept apart from the person's own store.
"""

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import streamlit as st

from robust_core.records import read_result, to_result_record
from robust_core.runs import Run, fingerprint_card
from robust_core.store import ResultStore
from ui.shared import catalogue

FILE = Path(__file__).with_name("example_run.jsonl")
DATASET = "reviews"
ABOUT = "This is an example that comes with the app: sample reviews, attacked and explained."


def write_records(store: ResultStore) -> Iterator[str]:
    """Yield a line for everything that a store has of runs, results and comparisons."""
    explained = store.explained()
    # The newest run comes first in a store: the oldest is written first, so that the order comes again.
    for run_id, run in reversed(store.runs().items()):
        yield json.dumps({"run": run.record})
        for result in store.each(run_id):
            yield json.dumps({"result": to_result_record(result), "of": run_id})
        for of, method, _ in explained:
            if of == run_id:
                for uid, record in store.comparisons(run_id, method).items():
                    yield json.dumps({"comparison": record, "of": run_id, "method": method, "uid": uid})


def read_records(lines: Iterable[str], store: ResultStore) -> None:
    """Put what `write_records` gave into a store."""
    for line in lines:
        record: dict[str, Any] = json.loads(line)
        if "run" in record:
            store.open_run(Run(**record["run"]))
        elif "result" in record:
            store.append(record["of"], read_result(record["result"]))
        else:
            store.compare(record["of"], record["method"], record["uid"], record["comparison"])


@st.cache_resource(show_spinner=False)
def open_example() -> ResultStore:
    """Return a store of the example run alone, in a folder that goes with the process."""
    folder = tempfile.mkdtemp(prefix="robustness-example-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = ResultStore(folder)
    with FILE.open(encoding="utf-8") as file:
        read_records(file, store)
    return store


def is_here(run: Run) -> bool:
    """Return whether the models of a run are here, as they were when it was made."""
    known = catalogue.read_cards()
    return all(model in known and fingerprint_card(known[model]) == sha256 for model, sha256 in run.models.items())
