"""Experiments of this project, beside those of the papers."""
