"""The app from the command line."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from robust_core.cli.program import INTERRUPTED, app
from robust_core.environment import child_environment
from robust_core.errors import MissingResource
from robust_core.paths import ROOT


@app.command()
def serve(options: Annotated[list[str] | None, typer.Argument(
              help="Options of Streamlit behind two dashes, such as -- --server.port 8502.")] = None) -> None:
    """Start the app on this machine and say its address; Ctrl-C ends it."""
    if importlib.util.find_spec("streamlit") is None:
        raise MissingResource("The package streamlit, which draws the app,", "Install it: pip install streamlit")
    if not (ROOT / "app.py").is_file():
        raise MissingResource("The app's file app.py", "Install the wheel, or work in a copy of the whole source.")
    raise typer.Exit(run_streamlit(options or ()))


def run_streamlit(options: Sequence[str]) -> int:
    """Run the app until it ends, and return its exit code."""
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), *options]
    try:
        return subprocess.run(command, env=child_environment(), check=False).returncode
    except KeyboardInterrupt:
        return INTERRUPTED
