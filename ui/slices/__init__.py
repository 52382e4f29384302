"""Slices: texts picked in a figure or a table, kept in the address, on which attack, explanation and Judge run."""
