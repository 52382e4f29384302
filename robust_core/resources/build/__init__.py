"""Builders of the packed tables: `python -m robust_core.resources.build NAME`."""
