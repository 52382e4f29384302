"""What is looked at before a stranger's classifier is used: what it answers, what it can read, and whether that helps.

A model that opens may still be of no use: a head that was never trained, labels without names, texts that it reads
half. Each check is one plain line, with what to do about it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robust_core import classifiers, metrics
from robust_core.datasets import same_labels
from robust_core.errors import BadInput, list_names, quote
from robust_core.models.tokens import Subwords
from robust_core.text import find_words
from robust_core.types import Example

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

FINE, LOOK = "fine", "look"
# Five texts of different kinds, which everybody's model is asked.
# Classes by which a model of pairs of texts is known.
_OF_PAIRS = {"entailment", "contradiction", "not_entailment", "duplicate", "not_duplicate"}
PROBES = ("A clever, moving film with a wonderful cast.",
          "Dull, badly acted and far too long.",
          "The service was friendly, but the food came cold.",
          "Shares fell three percent after the company reported a loss.",
          "What is the capital of France?")
ROWS = 20
# A probability above this is saturated; that many of the texts are nearly all of them.
SATURATED, NEARLY_ALL = 0.999, 0.9
# How near to equal shares the highest probability is where a model is undecided.
_UNDECIDED = 0.02
_UNKNOWN_WORDS, _MANY_PIECES = 0.05, 4.0


class Check(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: What, in a few words.
        verdict: FINE or LOOK.
        line: What was found.
        advice: What to do about it; empty where it is fine.
    """

    name: str
    verdict: str
    line: str
    advice: str = ""


class Preflight(NamedTuple):
    """What was found out about a model.

    Attributes:
        architecture: The library's name of its kind, such as distilbert.
        labels: Its labels as its files name them, by index.
        parameters: Numbers in the network.
        length: Longest input, in tokens.
        texts: The texts that it was asked: PROBES, then those of `examples`.
        proba: (texts, classes) float32 probabilities.
        examples: Rows of a data set, with labels; none where none were given.
        checks: What was looked at, whatever the classes are called.
    """

    architecture: str
    labels: tuple[str, ...]
    parameters: int
    length: int
    texts: tuple[str, ...]
    proba: np.ndarray
    examples: tuple[Example, ...]
    checks: tuple[Check, ...]


def run_preflight(model: "TextClassifier", examples: Sequence[Example] = ()) -> Preflight:
    """Ask a classifier PROBES and rows of a data set, and look at its answers.

    Args:
        model: The classifier.
        examples: The rows.

    Raises:
        BadInput: It cannot read one of the texts, or its answers are no probabilities.
    """
    texts = (*PROBES, *(example.text for example in examples))
    proba = model.predict_proba(texts)
    if proba.shape != (len(texts), len(model.labels)) or not np.isfinite(proba).all():
        raise BadInput(f"{model.id} answers with {quote(proba.shape)} numbers that are no probabilities of its "
                       f"{len(model.labels)} classes.")
    checks = [_check_saturation(proba), _check_reading(model, texts)]
    if isinstance(model.tokens, Subwords):
        checks.append(_check_words(model.tokens, texts))
    checks.append(_check_doors(model))
    inner = getattr(getattr(model.net, "model", None), "config", None)
    return Preflight(str(getattr(inner, "model_type", "") or type(model.net).__name__), model.labels,
                     sum(weight.numel() for weight in model.net.parameters()), model.length, texts, proba,
                     tuple(examples), tuple(checks))


def check_answers(found: Preflight, labels: Sequence[str]) -> Check:
    """Look at whether a model tells texts apart.

    Args:
        found: What it answered.
        labels: What its classes are called.
    """
    name, proba, (n, classes) = "Answers", found.proba, found.proba.shape
    answers = {*proba.argmax(1).tolist()}
    if len(answers) == 1:
        return Check(name, LOOK, f"It always answers {quote(labels[min(answers)])}, on all {n} texts.",
                     "Its head may never have been trained, or was not saved with it. If it was, try texts of the kind "
                     "that it learnt from.")
    if float(proba.max(1).max()) < 1 / classes + _UNDECIDED:
        return Check(name, LOOK, f"It is undecided: no text gets more than {100 * proba.max():.1f} % for any class.",
                     "That is how an untrained head answers; check that the trained weights were saved.")
    return Check(name, FINE, f"It tells texts apart: {len(answers)} of {classes} classes among {n} texts.")


def _check_saturation(proba: np.ndarray) -> Check:
    name, n = "Probabilities", len(proba)
    count = int((proba.max(1) > SATURATED).sum())
    if count >= NEARLY_ALL * n:
        return Check(name, LOOK, f"They are saturated: above {SATURATED} on {count} of {n} texts.",
                     "Attacks and explanations follow small changes of a probability, and see few here. Divide the "
                     "scores by a temperature fitted on held-out texts, or read its confidence with care.")
    return Check(name, FINE, f"Above {SATURATED} on {count} of {n} texts.")


def _check_reading(model: "TextClassifier", texts: Sequence[str]) -> Check:
    name, prepared = "Length", classifiers.prepare_texts(model, texts)
    shares = [classifiers.count_readable_words(model, text) / max(1, len(find_words(text))) for text in prepared]
    cut = [share for share in shares if share < 1]
    if not cut:
        return Check(name, FINE, f"It reads {model.length:,} pieces, which all {len(texts)} texts fit.")
    return Check(name, LOOK, f"It reads {model.length:,} pieces: {len(cut)} of {len(texts)} texts "
                             f"{'is' if len(cut) == 1 else 'are'} cut, and "
                             f"{100 * np.mean(cut):.0f} % of their words are read.",
                 "What lies beyond is neither attacked nor explained. Use shorter texts, or save the model with a "
                 "longer model_max_length if it has the places.")


def _check_words(tokens: Subwords, texts: Sequence[str]) -> Check:
    name = "Words"
    unknown = [lost for text in texts for lost in tokens.find_unknown(text)]
    share = sum(unknown) / max(1, len(unknown))
    pieces = sum(len(tokens.unit_ids(text[start:end])) for text in texts for start, end in find_words(text))
    each = pieces / max(1, len(unknown))
    if share > _UNKNOWN_WORDS:
        return Check(name, LOOK, f"{100 * share:.0f} % of the words are unknown to its tokenizer.",
                     "All unknown words look alike to it. Check that the tokenizer is the one that it was trained "
                     "with, and that the texts are in its language.")
    if each > _MANY_PIECES:
        return Check(name, LOOK, f"Words fall into {each:.1f} pieces on average.",
                     "That is many for English: check that the tokenizer is the one that it was trained with.")
    return Check(name, FINE, f"{100 * share:.1f} % of the words are unknown to its tokenizer; {each:.1f} pieces each.")


def _check_doors(model: "TextClassifier") -> Check:
    name = "Gradients"
    if not model.net.takes_rows:
        return Check(name, LOOK, "It takes no word embeddings, so it shows no gradients.",
                     "Attacks work. Of the explainers, choose one that leaves words out (leave-one-out, LIME).")
    return Check(name, FINE, "It shows gradients: every explainer works.")


def check_names(labels: Sequence[str]) -> Check:
    """Look at the names of the classes."""
    name = "Classes"
    if all(label.lower().startswith("label_") for label in labels):
        return Check(name, LOOK, f"They have no names: {list_names(labels)}.",
                     "Name them below. Data sets and true labels find a model's classes by their names.")
    if _OF_PAIRS & {label.casefold() for label in labels}:
        return Check(name, LOOK, f"{len(labels)}: {list_names(labels)}. Such classes are those of pairs of texts.",
                     "The app reads single texts. Pairs are measured on the command line: evaluate --pair.")
    return Check(name, FINE, f"{len(labels)}: {list_names(labels)}.")


def check_accuracy(found: Preflight, labels: Sequence[str], about: Sequence[str]) -> Check:
    """Compare the answers on the rows with their labels.

    Args:
        found: What the model answered.
        labels: What its classes are called.
        about: Labels of the data set, by index.

    Returns:
        Accuracy with its standard error; a warning where it is no better than chance or other names fit better.
    """
    name = "Accuracy"
    if not found.examples:
        return Check(name, LOOK, "Not measured.", "Choose texts with labels.")
    if not same_labels(labels, about) and {*map(str.casefold, labels)} == {*map(str.casefold, about)}:
        return Check(name, LOOK, f"Not measured: the texts have the same classes in the order {list_names(about)}.",
                     "Save the model with its classes in that order, or choose texts of yours: they take the model's.")
    if not same_labels(labels, about):
        return Check(name, LOOK, f"Not measured: the texts have the classes {list_names(about)}.",
                     "Give the model's classes these names, or choose texts with its own.")
    truth = np.asarray([example.label for example in found.examples])
    answers = found.proba[len(PROBES):].argmax(1)
    right, n, classes = int((answers == truth).sum()), len(truth), len(labels)
    share, error = metrics.estimate_proportion(right, n)
    line = f"{100 * share:.0f} ± {100 * error:.0f} % right: {right} of {n} texts."
    spread = math.sqrt((classes - 1) / n) / classes
    if share < 1 / classes - spread:
        return Check(name, LOOK, line, "That is worse than guessing: are the names of the classes in the right order?")
    if share < 1 / classes + spread:
        return Check(name, LOOK, line, "That is no better than guessing. Is it the kind of text that it learnt from?")
    return Check(name, FINE, line)
