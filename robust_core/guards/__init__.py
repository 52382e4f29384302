"""Guards in front of a model: they map a text back to a plain one, or flag it as adversarial."""

from robust_core.guards.base import Guard
from robust_core.registry import Registry

GUARDS = Registry[Guard]("guard", tuple(f"robust_core.guards.{name}" for name in (
    "hidden_text", "misspelt_words", "perplexity", "word_frequency")))
