"""Command line: `python -m robust_core COMMAND`."""

from robust_core.cli.program import run_program

if __name__ == "__main__":
    run_program()
