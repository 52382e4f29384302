"""Training of classifiers: the one loop, its parts, and what a defence is to it."""
