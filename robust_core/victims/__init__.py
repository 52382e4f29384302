"""Classifiers that are not ours to open: behind HTTP, a prompted language model, a Python function, a skops file."""
