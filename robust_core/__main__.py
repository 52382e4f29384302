"""Command line: `python -m robust_core COMMAND`."""

import importlib

from robust_core.cli.options import app

# Each module adds its commands to the program, in the order in which --help lists them.
for _module in ("doctor", "one_text", "evaluate", "train", "encoders", "certify"):
    importlib.import_module(f"robust_core.cli.{_module}")

if __name__ == "__main__":
    app()
