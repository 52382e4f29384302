"""Running the command line, and reading what it prints."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from robust_core.cli.program import app


def invoke(*arguments: str, stdin: str | bytes = b"") -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(a) for a in arguments], input=stdin, catch_exceptions=False)


def rows(result: Result, code: int = 0) -> list[dict[str, Any]]:
    """Return the rows of a JSON answer: one strict document and nothing else."""
    assert result.exit_code == code, result.stderr
    document = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert list(document) == ["results"]
    return document["results"]


def refused(result: Result, *parts: str) -> None:
    """Assert one plain line on stderr, nothing on stdout, exit code 2."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr
