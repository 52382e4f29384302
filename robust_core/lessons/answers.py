"""What a learner answered, step by step: checked against the lesson, written in a link and read again."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.lessons.reader import Lesson
from robust_core.lessons.steps import Attack, ByHand, Choose, Judge, Reasons, Step, Type
from robust_core.text import Draft

LONGEST_LINK, MOST_TYPED, MOST_SWAPS = 4000, 400, 30
YES, NO, OPEN = "y", "n", "-"
_LONGEST_GUESS, _MOST_GUESSES = 60, 8
_VERDICTS = re.compile(f"[{YES}{NO}{OPEN}]{{0,20}}")
# Keys of a link, each for a field of an answer.
_KEYS = {"g": "guess", "d": "done", "o": "option", "t": "typed", "s": "swaps", "v": "verdicts"}


@dataclasses.dataclass(frozen=True)
class Answer:
    """A learner's answer to one step.

    Attributes:
        guess: What was predicted: words, ids of models, a number or yes and no; empty before.
        done: Whether the run was asked for, or the answer shown.
        option: Place of the option chosen, -1 before.
        typed: Text typed.
        swaps: Words put in by hand: place in the text, new word; in their order.
        verdicts: Of each text judged: y (means the same), n, or - while it is open.
    """

    guess: tuple[str, ...] = ()
    done: bool = False
    option: int = -1
    typed: str = ""
    swaps: tuple[tuple[int, str], ...] = ()
    verdicts: str = ""


EMPTY = Answer()


def write_answers(answers: Mapping[int, Answer]) -> str:
    """Write answers, by number of the step from 1, for a link; nothing where they are too long for one."""
    found = {str(number): {short: _to_plain(getattr(answer, name)) for short, name in _KEYS.items()
                           if getattr(answer, name) != getattr(EMPTY, name)}
             for number, answer in sorted(answers.items()) if answer != EMPTY}
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else ""
    return text if len(text) <= LONGEST_LINK else ""


def _to_plain(value: Any) -> Any:  # noqa: ANN401 (a field's value)
    return int(value) if isinstance(value, bool) else value


def read_answers(lesson: Lesson, text: str) -> tuple[dict[int, Answer], bool]:
    """Read what `write_answers` wrote.

    Args:
        lesson: The lesson that they are answers to.
        text: From a link: anything at all.

    Returns:
        The answers that fit, by number of the step, and whether any did not.
    """
    if not text:
        return {}, False
    try:
        found = json.loads(text) if len(text) <= LONGEST_LINK else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return {}, True
    answers = {}
    for name, plain in found.items():
        number = int(name) if name.isascii() and name.isdecimal() and len(name) <= 3 else 0
        answer = _read_answer(lesson.steps[number - 1], plain) if 1 <= number <= len(lesson.steps) else None
        if answer is not None and str(number) == name:
            answers[number] = answer
    return answers, len(answers) < len(found)


def _read_answer(step: Step, plain: Any) -> Answer | None:  # noqa: ANN401 (anything that JSON can hold)
    """Return an answer that fits the step, else None."""
    if not isinstance(plain, dict) or not set(plain) <= set(_KEYS):
        return None
    given = {_KEYS[short]: value for short, value in plain.items()}
    done = given.pop("done", 0)
    checks = {"guess": _read_guess, "option": _read_option, "typed": _read_typed, "swaps": _read_swaps,
              "verdicts": _read_verdicts}
    values = {name: checks[name](step, value) for name, value in given.items()}
    if done not in (0, 1) or None in values.values():
        return None
    return Answer(done=bool(done), **values)


def _read_guess(step: Step, value: Any) -> tuple[str, ...] | None:  # noqa: ANN401
    guess = getattr(step, "guess", None)
    if guess is None or not isinstance(value, list) or len(value) > _MOST_GUESSES or not all(
            isinstance(each, str) and 0 < len(each) <= _LONGEST_GUESS for each in value):
        return None
    known = list_guesses(step)
    return tuple(value) if known is None or set(value) <= set(known) else None


def list_guesses(step: Step, text: str = "") -> list[str] | None:
    """Return what may be predicted in a step; None where that rests on a text typed by the learner.

    Args:
        step: A step with a guess.
        text: The text typed, where the step attacks one.
    """
    guess = getattr(step, "guess", None)
    if guess is None:
        return []
    if guess.ask == "word":
        review = text or ("" if getattr(step, "typed", False) else getattr(step, "review", ""))
        return list(dict.fromkeys(word.lower() for word in Draft.of(review).words)) if review else None
    if guess.ask in ("models", "changed", "steadiest") and isinstance(step, Attack | Reasons):
        return [*step.models, "none"] if guess.ask != "steadiest" else list(step.models)
    if guess.ask == "swaps":
        return ["1", "2", "3", "more", "none"]
    if guess.ask == "kept" and isinstance(step, Judge):
        return [str(count) for count in range(2 * step.each + 1)]
    return ["yes", "no"]


def _read_option(step: Step, value: Any) -> int | None:  # noqa: ANN401
    fits = isinstance(step, Choose) and type(value) is int and 0 <= value < len(step.options)
    return value if fits else None


def _read_typed(step: Step, value: Any) -> str | None:  # noqa: ANN401
    if not isinstance(step, Type) or not isinstance(value, str) or len(value) > MOST_TYPED:
        return None
    try:
        return check_typed(value)
    except RobustError:
        return None


def _read_swaps(step: Step, value: Any) -> tuple[tuple[int, str], ...] | None:  # noqa: ANN401
    if not isinstance(step, ByHand) or not isinstance(value, list) or len(value) > MOST_SWAPS:
        return None
    words, found = len(Draft.of(step.review).words), []
    for each in value:
        if not (isinstance(each, list) and len(each) == 2 and type(each[0]) is int and 0 <= each[0] < words):
            return None
        word = read_word(each[1])
        if word is None:
            return None
        found.append((each[0], word))
    return tuple(found)


def read_word(value: Any) -> str | None:  # noqa: ANN401
    """Return a text as the one word that may stand in the place of another, None where it is none."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_GUESS:
        return None
    try:
        word = check_typed(value)
    except RobustError:
        return None
    return word if Draft.of(word).words == (word,) else None


def _read_verdicts(step: Step, value: Any) -> str | None:  # noqa: ANN401
    fits = isinstance(step, Judge) and isinstance(value, str) and _VERDICTS.fullmatch(value) and \
        len(value) <= 2 * step.each
    return value if fits else None
