"""Reports of stored runs: report."""

from pathlib import Path
from typing import Annotated

import typer

from robust_core.cli.options import Device
from robust_core.cli.program import app
from robust_core.errors import BadInput, quote
from robust_core.files import check_path, check_target_file, write_file
from robust_core.models import loading
from robust_core.reports.making import make_runs_report
from robust_core.store import ResultStore


@app.command()
def report(runs: Annotated[list[str], typer.Argument(help="Ids of stored runs, as evaluate prints them.")],
           out: Annotated[str, typer.Option("--out", help="File to write, such as report.html.")],
           device: Device = "auto") -> None:
    """Write what is stored of runs, with examples, warnings and what to do next, as one HTML file.

    The file needs nothing from outside: no network, no script. Of a model that has a certificate in words the texts are
    certified; nothing else is measured again. Two runs on the same texts are compared as well.
    """
    target = check_path(out, "file of the report")
    if target.suffix.lower() not in (".html", ".htm"):
        raise BadInput(f"--out names an HTML file, such as report.html, not {quote(out)}.")
    check_target_file(target)
    page = make_runs_report(ResultStore(), runs, lambda name: loading.load(name, device))
    Path(target.parent).mkdir(parents=True, exist_ok=True)
    write_file(target, page.encode(errors="replace"))
    typer.echo(f"{target}: {len(dict.fromkeys(runs))} run{'s' * (len(dict.fromkeys(runs)) > 1)}.")
