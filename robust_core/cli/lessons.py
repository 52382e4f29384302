"""Lessons: a list, and a check of files."""

from typing import Annotated

import typer

from robust_core.cli.options import Json
from robust_core.cli.output import name_column, show_rows
from robust_core.cli.program import app
from robust_core.errors import BadInput
from robust_core.lessons.reader import find_files, read_lesson


@app.command()
def lessons(
    files: Annotated[list[str] | None, typer.Argument(help="Files to check; without any, all lessons of the app.")
                     ] = None,
    as_json: Json = False,
) -> None:
    """List the lessons of the app, or check files of lessons before anybody sees them.

    A file that cannot be used is one line: file, line, and what is expected. Exit code 1 when there is one.
    """
    rows, healthy = [], True
    for path in files or map(str, find_files()):
        try:
            found = read_lesson(path)
            rows.append({"lesson": found.id, "ok": True, "title": found.head.title, "minutes": found.head.minutes,
                         "steps": len(found.steps), "detail": found.head.title})
        except BadInput as error:
            healthy = False
            rows.append({"lesson": path, "ok": False, "detail": str(error)})
    show_rows(rows, as_json, {"Lesson": name_column("lesson"), "": lambda r: "ok" if r["ok"] else "NOT OK",
                              "Steps": lambda r: str(r.get("steps", "")),
                              "Title, or what is wrong": name_column("detail")})
    raise typer.Exit(0 if healthy else 1)
