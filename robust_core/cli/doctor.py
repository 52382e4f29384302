"""What is here: models and doctor."""

import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer

from robust_core import datasets, paths, resources
from robust_core.cli.options import Device, Json, keep_stdout
from robust_core.cli.output import describe_faults, format_percent, name_column, show_rows
from robust_core.cli.program import app
from robust_core.environment import has_package
from robust_core.errors import BadInput, RobustError
from robust_core.evaluation import smoke
from robust_core.models.card_files import HOW_TO_GET, list_outside
from robust_core.models.cards import Card, cards, check_files, read_card
from robust_core.models.device import pick_device
from robust_core.resources import minilm_folder
from robust_core.store import ResultStore

PYTHON = (3, 11)

NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "captum", "typer", "rich",
          "streamlit", "plotly", "pandas")

OPTIONAL = ("textattack", "lime", "sentence_transformers", "peft", "datasets", "lemminflect")


@app.command()
def models(as_json: Json = False) -> None:
    """List the models that are here, and what is known to be wrong with how one was trained."""
    rows = [{"model": c.id, "dataset": c.dataset, "architecture": c.architecture, "defence": c.defence_name,
             "seed": c.seed, "labels": list(c.labels), "dev_accuracy": None if c.is_imported else c.dev_accuracy,
             "parameters": c.parameters, "bytes": c.bytes, "known_faults": list(c.known_faults)} for c in cards()]
    show_rows(rows, as_json, {"Model": name_column("model"), "Accuracy on dev": format_percent("dev_accuracy"),
                              "Parameters": lambda r: f"{r['parameters']:,}",
                              "Size": lambda r: f"{r['bytes'] / 2**20:.1f} MiB",
                              "Labels": lambda r: ", ".join(r["labels"])},
              describe_faults({row["model"]: row["known_faults"] for row in rows}))


@app.command()
def doctor(device: Device = "auto",
           quick: Annotated[bool, typer.Option("--quick", help="Leave out the smoke attack of ten seconds.")] = False,
           as_json: Json = False) -> None:
    """Check that everything needed is here and attacks work; exit code 1 when something is not right."""
    with keep_stdout():
        rows, healthy = [], True
        for name, needed, check in _list_checks(device, quick):
            try:
                ok, detail = True, check()
            except RobustError as error:
                ok, detail = not needed, str(error) if needed else f"not needed: {error}"
            rows.append({"check": name, "ok": ok, "detail": detail})
            healthy &= ok
    show_rows(rows, as_json, {"Check": name_column("check"), "": lambda r: "ok" if r["ok"] else "NOT OK",
                              "Detail": name_column("detail")})
    raise typer.Exit(0 if healthy else 1)


def _list_checks(device: str, quick: bool) -> Iterator[tuple[str, bool, Callable[[], str]]]:
    from robust_core.certify import base_classifiers

    yield "python", True, _check_python
    yield "packages", True, lambda: _check_packages(NEEDED)
    yield "optional packages", False, lambda: _check_packages(OPTIONAL)
    yield "encoder", True, _check_encoder
    yield "tables", True, _check_tables
    shipped = cards()
    yield "checkpoints", True, lambda: _count_checkpoints(len(shipped))
    for card in shipped:
        yield f"checkpoint {card.id}", True, lambda card=card: _check_checkpoint(card)
    for card in base_classifiers.cards():
        yield f"smoothed {card.id}", True, lambda card=card: base_classifiers.check_files(card) or "files as recorded"
    yield "runs folder", True, _check_runs
    yield "data", False, lambda: f"SST-2 found in {datasets.find('sst2', 'test').parent}"
    yield "device", True, lambda: str(pick_device(device))
    deadline = time.monotonic() + smoke.SECONDS
    for known in [] if quick else smoke.list_known(shipped):
        yield f"attack on {known.model}", True, lambda known=known: smoke.check_attack(known, device, deadline)


def _check_python() -> str:
    if sys.version_info < PYTHON:
        raise BadInput(f"Python {platform.python_version()} is too old; {PYTHON[0]}.{PYTHON[1]} is needed.")
    return platform.python_version()


def _check_packages(names: Sequence[str]) -> str:
    missing = [name for name in names if not has_package(name)]
    if missing:
        raise BadInput(f"{', '.join(missing)} missing: pip install -r requirements.txt")
    return f"{len(names)} found"


def _check_encoder() -> str:
    return f"{minilm_folder().name}: files as recorded"


def _check_tables() -> str:
    if not (resources.neighbours("good") and resources.tag(["good"]) and resources.stop_words()):
        raise BadInput("A table is empty; restore robust_core/resources/tables.")
    return "neighbours, parts of speech, stop words"


def _count_checkpoints(count: int) -> str:
    for root in paths.checkpoint_folders():
        for path in sorted(root.glob("*/*/*/card.json")):
            read_card(path.parent)
    if not count:
        raise BadInput("There are no checkpoints; restore the folder checkpoints.")
    more = list_outside()
    return f"{count} found" + (f"; {len(more)} more are no part of the wheel. {HOW_TO_GET}" if more else "")


def _check_checkpoint(card: Card) -> str:
    check_files(card)
    return f"{len(card.files)} files as recorded"


def _check_runs() -> str:
    store = ResultStore()
    found = len(store.runs())
    store.close()
    return f"{store.folder} can be written, {found} runs"
