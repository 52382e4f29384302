"""Measured figures as small JSON files, each with the command that gives it again."""
