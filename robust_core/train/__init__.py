"""The one training loop and its parts."""

from robust_core.models.lora import add_low_rank
from robust_core.train.batches import accuracy_of, hide_words, make_batch, rate, shuffled
from robust_core.train.loop import model_id, train
from robust_core.train.recipe import SMALL, Recipe, recipe_for
from robust_core.train.saving import Trained, save
from robust_core.train.setup import Batch, Pair, Randomness, Row, Setup, Stream
from robust_core.train.start import learn_vocabulary

__all__ = ["SMALL", "Batch", "Pair", "Randomness", "Recipe", "Row", "Setup", "Stream", "Trained", "accuracy_of",
           "add_low_rank", "hide_words", "learn_vocabulary", "make_batch", "model_id", "rate", "recipe_for", "save",
           "shuffled", "train"]
