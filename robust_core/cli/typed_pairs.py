"""Two texts typed on the command line that are classified together."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from robust_core.cli.options import TypedText, read_typed
from robust_core.cli.output import Row, format_scores
from robust_core.errors import BadInput
from robust_core.parts import SHOWN, has_parts, join_parts, split_parts, write_plain
from robust_core.protocols import Classifier
from robust_core.reading import check_reads_pairs, find_unread
from robust_core.text import find_words
from robust_core.types import AttackResult, Example

NAMES = ("first", "second")

Second = Annotated[str | None, typer.Option(
    "--second", help="Second text of a pair, such as the hypothesis; TEXT is then the first.")]

Change = Annotated[list[str] | None, typer.Option(
    "--change", help="Text of a pair that the attack may change: first or second, which is the default; repeatable.")]


def read_typed_pair(text: str, second: str | None, change: Sequence[str] | None = None) -> TypedText:
    """Return what was typed: a text, or two as one (`robust_core.parts`).

    Raises:
        BadInput: One of them cannot be used, or `change` names none of them; the message says why.
    """
    if second is None:
        if change:
            raise BadInput("--change is about a pair of texts: give the second one with --second.")
        return read_typed(text)
    strange = [name for name in change or () if name not in NAMES]
    if strange:
        raise BadInput(f"--change takes {' or '.join(NAMES)}, the texts of the pair.")
    first = read_typed(text)
    try:
        other = read_typed(second)
    except BadInput as error:
        raise BadInput(f"A part of the pair is missing or cannot be used. {error}") from None
    return TypedText(*(join_parts([write_plain(one), write_plain(two)]) for one, two in zip(first, other, strict=True)))


def make_example(text: str, label: int | None, change: Sequence[str] | None) -> Example:
    """Return the example that was typed.

    Args:
        text: What a model gets of `read_typed_pair`.
        label: Place of the true class.
        change: Texts of a pair that the attack may change.
    """
    if not has_parts(text):
        return Example(text, label, "typed")
    return Example.of_parts(dict(zip(NAMES, split_parts(text), strict=True)), label, "typed", tuple(change or ()))


def check_pairs(classifiers: Sequence[Classifier], typed: TypedText) -> None:
    """Raise Incompatible where a pair was typed and a model reads single texts."""
    if has_parts(typed.cleaned):
        for classifier in classifiers:
            check_reads_pairs(classifier)


def count_words(classifier: Classifier, text: str) -> Row:
    """Return how many words a text has, and how many of them a model reads."""
    words = len(find_words(text))
    return {"words_in_text": words, "words_read": words - len(find_unread(classifier, text))}


def describe_pair(result: AttackResult) -> Row:
    """Return the columns of an attacked pair: both parts before and after by name; nothing of a single text.

    In `original` and `perturbed` a line break stands between the parts.
    """
    example = result.example
    if not example.parts:
        return {}
    return {"original": "\n".join(split_parts(example.text)), "perturbed": "\n".join(split_parts(result.perturbed)),
            "parts": list(example.parts), "attackable": list(example.attackable), "original_parts": example.texts,
            "perturbed_parts": dict(zip(example.parts, split_parts(result.perturbed), strict=True))}


def show_perturbed(row: Row) -> str:
    """Return the perturbed text of a row as people read it."""
    return SHOWN.join(row["perturbed_parts"].values()) if "perturbed_parts" in row else row["perturbed"]


def list_parts_of_words(text: str, spans: Sequence[Any]) -> Row:
    """Return of each explained word which text of a pair it stands in; nothing of a single text."""
    if not has_parts(text):
        return {}
    end = len(split_parts(text)[0])
    return {"part_of_words": [NAMES[span[0] >= end] for span in spans]}


def show_scores(row: Row) -> str:
    """Return the explained words of a row with their scores, those of each text of a pair behind its name."""
    if "part_of_words" not in row:
        return format_scores(row["words"], row["scores"])
    both = [(name, [i for i, part in enumerate(row["part_of_words"]) if part == name]) for name in NAMES]
    return SHOWN.join(f"{name}: " + format_scores([row["words"][i] for i in at], [row["scores"][i] for i in at])
                      for name, at in both)
