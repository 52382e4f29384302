"""What models read of a text, single or a pair of two parts, and which models read pairs."""

from typing import Protocol, runtime_checkable

from robust_core.classifiers import count_readable_words
from robust_core.errors import Incompatible
from robust_core.parts import Frame, has_parts
from robust_core.protocols import Classifier
from robust_core.text import find_words
from robust_core.types import Example


@runtime_checkable
class ReadsPairs(Protocol):
    """A classifier that may read pairs of texts (`robust_core.parts`)."""

    def explain_no_pairs(self) -> str:
        """Return why it reads no pairs; empty where it does."""
        ...

    def find_unread(self, text: str) -> frozenset[int]:
        """Return which words of a pair it does not read to their end."""
        ...


def check_reads(model: Classifier, example: Example) -> None:
    """Raise Incompatible where an example is a pair of texts and a classifier reads single texts."""
    if example.parts:
        check_reads_pairs(model)


def check_reads_pairs(model: Classifier) -> None:
    """Raise Incompatible where a classifier reads no pairs of texts."""
    why = model.explain_no_pairs() if isinstance(model, ReadsPairs) else "it was made for single texts"
    if why:
        raise Incompatible(f"{model.id} reads single texts, no pairs: {why}. Pairs need a classifier from a Hugging "
                           "Face folder whose encoder is such as BERT or RoBERTa.")


def find_unread(model: Classifier, text: str) -> frozenset[int]:
    """Return which words of a text a classifier does not read: those past its end, of a pair past the end of a part."""
    if has_parts(text) and isinstance(model, ReadsPairs):
        return model.find_unread(text)
    return frozenset(range(count_readable_words(model, text), len(find_words(text))))


def find_reach(model: Classifier, frame: Frame, text: str) -> tuple[int, frozenset[int]]:
    """Return how far into a text a classifier reads.

    Args:
        model: The classifier.
        frame: What stands around the text, where it is a part of a pair.
        text: The cleaned text.

    Returns:
        (words up to the last one that is read, words before that one that are not: of a pair, the end of its first
        part)
    """
    whole = frame.put(text)
    if not has_parts(whole):
        return count_readable_words(model, text), frozenset()
    first, words = len(find_words(frame.before)), len(find_words(text))
    unread = {i - first for i in find_unread(model, whole)}
    reach = max((i + 1 for i in range(words) if i not in unread), default=0)
    return reach, frozenset(i for i in unread if 0 <= i < reach)


def describe_reading(model: Classifier, text: str) -> str:
    """Say how much of a cleaned text a classifier reads; empty if it reads all."""
    words, read = len(find_words(text)), count_readable_words(model, text)
    if has_parts(text):
        read = words - len(find_unread(model, text))
    return "" if read >= words else f"reads {read:,} of {words:,} words"
