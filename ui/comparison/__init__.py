"""Comparison of original and adversarial text, model by model."""
