"""Attacks and explanations over whole data sets, and what is computed from their results."""
