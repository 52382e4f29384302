"""Command line: `python -m robust_core COMMAND`."""

from robust_core.cli.program import app

if __name__ == "__main__":
    app()
