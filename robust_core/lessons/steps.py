"""The kinds of steps of a lesson: frozen values whose fields are the keys of the file, each with a line of help."""

import dataclasses
from typing import Any

from robust_core.lessons.fields import (
    key,
    read_additive,
    read_attack,
    read_choice,
    read_flag,
    read_flat,
    read_line,
    read_lines,
    read_model,
    read_models,
    read_number,
    read_paragraphs,
    read_part,
    read_parts,
    read_preset,
    read_review,
)
from robust_core.resources.swap_sets import NAMES as SWAP_SETS

_TITLE = "heading of the step, one line"
_TEXT = "what stands below the heading"
_AFTERWARDS = "what to notice, shown beside the result"
_REVIEW = "the text that the models read, at most 60 words"
_PRESET = "careful (close synonyms) or paper (the attack's own values)"


@dataclasses.dataclass(frozen=True)
class Option:
    """An answer to choose."""

    text: str = key(read_line(200), "the answer, one line")
    why: str = key(read_line(400), "why it is right, or not, one or two sentences")
    right: bool = key(read_flag, "yes for a right answer", False)


def _make_guess(*asks: str) -> type:
    """Return the part of a step that asks for a prediction first."""
    return dataclasses.make_dataclass("Guess", [
        ("ask", str, key(read_choice(*asks), f"what is predicted: {', '.join(asks)}")),
        ("question", str, key(read_line(200), "the question, one line"))], frozen=True)


GUESSES = {"attack": ("word", "models", "swaps", "flips"), "reasons": ("changed", "steadiest"), "masks": ("word",),
           "certificate": ("proved",), "distance": ("inside",), "judge": ("kept",)}
_GUESS = "the prediction that comes before the run: \"ask\" and \"question\""


def _guess(kind: str) -> Any:  # noqa: ANN401 (stands in for a value)
    return key(read_part(_make_guess(*GUESSES[kind]), f"the guess of a step of the kind {kind}"), _GUESS, None)


@dataclasses.dataclass(frozen=True)
class Step:
    """What all steps have."""

    title: str = key(read_line(100), _TITLE)
    text: str = key(read_paragraphs, _TEXT, "")


@dataclasses.dataclass(frozen=True)
class Read(Step):
    """Something to read."""


@dataclasses.dataclass(frozen=True)
class Choose(Step):
    """A question with fixed answers, each with its reason."""

    question: str = key(read_line(300), "the question, one line", "Which is right?")
    options: tuple[Option, ...] = key(read_parts(Option, "an option", 2, 6), "two to six answers", ())


@dataclasses.dataclass(frozen=True)
class Type(Step):
    """A text box whose text the models answer at once."""

    review: str = key(read_review, f"what stands in the box at first; {_REVIEW}", "A clever film.")
    models: tuple[str, ...] = key(read_models(1, 4), "ids of one to four models", ())
    flip: str = key(read_model, "id of a model that shall change its answer; without it any change will do", "")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class Attack(Step):
    """An attack on one text, live, with a prediction before it."""

    review: str = key(read_review, _REVIEW, "")
    models: tuple[str, ...] = key(read_models(1, 4), "ids of one to four models", ())
    typed: bool = key(read_flag, "yes: attack what was typed in the last step of the kind type", False)
    attack: str = key(read_attack, "name of an attack", "textfooler")
    preset: str = key(read_preset, _PRESET, "careful")
    guess: Any = _guess("attack")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class Reasons(Step):
    """An attack on one model, and what its text does to the answers and the reasons of several."""

    review: str = key(read_review, _REVIEW, "")
    models: tuple[str, ...] = key(read_models(2, 5), "ids of two to five models; the first is attacked", ())
    attack: str = key(read_attack, "name of an attack", "textfooler")
    preset: str = key(read_preset, _PRESET, "careful")
    guess: Any = _guess("reasons")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class Masks(Step):
    """How much of each word of a text a model with learnt masks (FLAT) lets through."""

    review: str = key(read_review, _REVIEW, "")
    model: str = key(read_flat, "id of a model trained with FLAT", "")
    guess: Any = _guess("masks")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class Certificate(Step):
    """What is proved of a text under swaps of words."""

    review: str = key(read_review, _REVIEW, "")
    model: str = key(read_additive, "id of an additive model", "sst2/additive/close")
    swaps: str = key(read_choice(*SWAP_SETS), f"the set of swaps: {', '.join(SWAP_SETS)}", "careful")
    guess: Any = _guess("certificate")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class Distance(Step):
    """How far swapped words move a text's vector, beside the distance for which a smoothed model is proved (L1)."""

    review: str = key(read_review, _REVIEW, "")
    other: str = key(read_review, "the same text with words swapped", "")
    guess: Any = _guess("distance")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class ByHand(Step):
    """A game: flip a model by swapping words oneself, in as few swaps as possible and with the meaning kept."""

    review: str = key(read_review, _REVIEW, "")
    model: str = key(read_model, "id of the model to beat", "")
    attack: str = key(read_attack, "name of the attack to compare with", "textfooler")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class Judge(Step):
    """Flipped texts of both presets, mixed and unmarked: does each still mean the same?"""

    model: str = key(read_model, "id of the attacked model", "")
    attack: str = key(read_attack, "name of an attack", "textfooler")
    texts: int = key(read_number(10, 200), "how many of the shipped reviews are attacked", 60)
    words: int = key(read_number(5, 60), "most words of a review", 25)
    each: int = key(read_number(1, 10), "how many flipped texts of each preset are judged", 5)
    seed: int = key(read_number(0, 999_999), "decides which are shown, and in which order", 0)
    guess: Any = _guess("judge")
    afterwards: str = key(read_paragraphs, _AFTERWARDS, "")


@dataclasses.dataclass(frozen=True)
class Summary(Step):
    """What to take away; the last step."""

    points: tuple[str, ...] = key(read_lines(1, 8), "one to eight sentences", ())


KINDS: dict[str, type[Step]] = {
    "read": Read, "choose": Choose, "type": Type, "attack": Attack, "reasons": Reasons, "masks": Masks,
    "certificate": Certificate, "distance": Distance, "by_hand": ByHand, "judge": Judge, "summary": Summary}
# Keys that a kind cannot do without, although a field after one with a default needs a default as well.
NEEDED = {"read": ("text",), "choose": ("question", "options"), "type": ("models",), "attack": ("models",),
          "reasons": ("review", "models"), "masks": ("review", "model"), "certificate": ("review",),
          "distance": ("review", "other"), "by_hand": ("review", "model"), "judge": ("model",), "summary": ("points",)}


def name_kind(step: Step) -> str:
    """Return the word for a step's kind, as files have it."""
    return next(name for name, cls in KINDS.items() if type(step) is cls)


def is_run(step: Step) -> bool:
    """Return whether a step runs something on a model."""
    return isinstance(step, Attack | Reasons | Masks | Certificate | Distance | ByHand | Judge)
