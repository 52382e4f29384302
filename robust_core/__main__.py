"""Command line: `python -m robust_core COMMAND`."""

from robust_core.cli.program import app, silence_libraries

if __name__ == "__main__":
    silence_libraries()
    app()
