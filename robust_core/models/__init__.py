"""Classifiers: word models, transformers of any kind, and how they are stored."""
