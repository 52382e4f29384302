"""The console command `robustness-explorer`: the app without more words, else a command of `python -m robust_core`."""

import sys

from robust_core.cli.program import run_program


def main() -> None:
    """Start the app, or run the command that is named."""
    run_program(sys.argv[1:] or ["serve"], "robustness-explorer")
