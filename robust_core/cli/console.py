"""The console command `robustness-explorer`: the app without more words, else a command of `python -m robust_core`."""

import sys

from robust_core.cli.program import app, silence_libraries


def main() -> None:
    """Start the app, or run the command that is named."""
    silence_libraries()
    app(args=sys.argv[1:] or ["serve"], prog_name="robustness-explorer")
