"""What a lesson's file may hold: readers of single values, and the keys of a part with what they mean."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import NAMES as PRESETS
from robust_core.cleaning import check_typed
from robust_core.errors import BadInput, UnknownName, list_names, quote
from robust_core.lessons.nodes import Node, refuse_key
from robust_core.models.cards import cards

Reader = Callable[[Node, str], Any]


def key(read: Reader, help_: str, default: Any = dataclasses.MISSING) -> Any:  # noqa: ANN401 (stands in for a value)
    """Declare a key of a part of a lesson: a field with its reader and a line for docs; without a default it is needed.

    Args:
        read: Turns the node into a value; gets what the value is called.
        help_: What it means.
        default: What it is where the file does not say.
    """
    return dataclasses.field(default=default, metadata={"read": read, "help": help_})


def read_line(most: int = 150) -> Reader:
    """Return a reader of one line of text."""
    def read(node: Node, what: str) -> str:
        text = " ".join(node.need_text(what).split())
        if not text:
            node.spot.refuse(f"{what} is empty.")
        if len(text) > most:
            node.spot.refuse(f"{what} is too long: {len(text):,} characters; {most} are the most.")
        return text

    return read


def read_paragraphs(node: Node, what: str) -> str:
    """Read a text of several paragraphs."""
    text = node.need_text(what).strip()
    if not text:
        node.spot.refuse(f"{what} is empty.")
    if len(text) > 3000:
        node.spot.refuse(f"{what} is too long: {len(text):,} characters; 3,000 are the most.")
    return text


def read_review(node: Node, what: str) -> str:
    """Read a text for the models, cleaned as typed texts are."""
    try:
        return check_typed(node.need_text(what), max_words=60)
    except BadInput as error:
        if str(error).startswith(node.spot.file):
            raise
        node.spot.refuse(f"{what}: {error}")


def read_number(low: int, high: int) -> Reader:
    """Return a reader of a whole number."""
    def read(node: Node, what: str) -> int:
        text = node.need_text(what)
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high):
            node.spot.refuse(f"{what} must be a whole number from {low} to {high}, not {quote(text, 30)}.")
        return int(text)

    return read


def read_choice(*known: str) -> Reader:
    """Return a reader of one of some words."""
    def read(node: Node, what: str) -> str:
        text = node.need_text(what)
        if text not in known:
            node.spot.refuse(f"{what} must be one of {', '.join(known)}, not {quote(text, 30)}.")
        return text

    return read


def read_flag(node: Node, what: str) -> bool:
    """Read yes or no."""
    return read_choice("yes", "no", "true", "false")(node, what) in ("yes", "true")


def read_model(node: Node, what: str) -> str:
    """Read the id of a model that is here."""
    return _read_known(node, "model", [card.id for card in cards()], what)


def read_additive(node: Node, what: str) -> str:
    """Read the id of a model whose worst case can be added up."""
    found = read_model(node, what)
    known = [card.id for card in cards() if card.architecture == "additive"]
    if found not in known:
        node.spot.refuse(f"{found} has no certificate in words. Models that have one: {list_names(known)}.")
    return found


def read_flat(node: Node, what: str) -> str:
    """Read the id of a model that was trained with FLAT."""
    found = read_model(node, what)
    known = [card.id for card in cards() if card.defence.get("name") == "flat"]
    if found not in known:
        node.spot.refuse(f"{found} has no masks. Models that have some: {list_names(known)}.")
    return found


def read_models(least: int, most: int) -> Reader:
    """Return a reader of a list of models, all different, with the same classes."""
    def read(node: Node, what: str) -> tuple[str, ...]:
        members = node.need_list(what)
        if not least <= len(members) <= most:
            node.spot.refuse(f"{what} must be {least} to {most} models, not {len(members)}.")
        found = [read_model(each, "a model") for each in members]
        for each, name in zip(members, found, strict=True):
            if found.count(name) > 1:
                each.spot.refuse(f"{name} stands in {what} twice.")
        labels = {card.id: card.labels for card in cards()}
        if len({labels[name] for name in found}) > 1:
            node.spot.refuse(f"{what} must have the same classes.")
        return tuple(found)

    return read


def read_names(node: Node, what: str) -> tuple[tuple[str, str], ...]:
    """Read names by model."""
    known = [card.id for card in cards()]
    found = []
    for model, name in node.need_keys(what).items():
        if model not in known:
            node.keys[model].refuse(str(UnknownName("model", model, known)))
        found.append((model, read_line(40)(name, f"the name of {model}")))
    return tuple(found)


def read_attack(node: Node, what: str) -> str:
    """Read the name of an attack."""
    return _read_known(node, "attack", list(ATTACKS), what)


read_preset = read_choice(*PRESETS)


def _read_known(node: Node, kind: str, known: Sequence[str], what: str) -> str:
    name = node.need_text(what)
    if name not in known:
        node.spot.refuse(str(UnknownName(kind, name, known)))
    return name


def read_lines(least: int, most: int, longest: int = 300) -> Reader:
    """Return a reader of a list of lines."""
    def read(node: Node, what: str) -> tuple[str, ...]:
        members = node.need_list(what)
        if not least <= len(members) <= most:
            node.spot.refuse(f"{what} must have {least} to {most} members, not {len(members)}.")
        return tuple(read_line(longest)(each, f"a member of {what}") for each in members)

    return read


def read_part(cls: type, called: str) -> Reader:
    """Return a reader of a part with keys of its own, such as a question."""
    return lambda node, what: build(cls, node, called)


def read_parts(cls: type, called: str, least: int, most: int) -> Reader:
    """Return a reader of a list of such parts."""
    def read(node: Node, what: str) -> tuple[Any, ...]:
        members = node.need_list(what)
        if not least <= len(members) <= most:
            node.spot.refuse(f"{what} must have {least} to {most} members, not {len(members)}.")
        return tuple(build(cls, each, called) for each in members)

    return read


def build(cls: type, node: Node, called: str, needed: Sequence[str] = ()) -> Any:  # noqa: ANN401 (an object of `cls`)
    """Build a part from a node with keys.

    Args:
        cls: A dataclass whose fields are declared with `key`.
        node: The node.
        called: What the part is called in messages: "a step of the kind attack".
        needed: Keys that it cannot do without, beside those that have no default.

    Raises:
        BadInput: A key is unknown, missing or has a wrong value; the message names file and line.
    """
    given = node.need_keys(called)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name, spot in node.keys.items():
        if name not in fields:
            refuse_key(spot, name, called, list(fields))
    for name, field in fields.items():
        if name not in given and (name in needed or field.default is dataclasses.MISSING):
            node.spot.refuse(f"{called} needs \"{name}\": {field.metadata['help']}.")
    return cls(**{name: fields[name].metadata["read"](value, f"\"{name}\" of {called}")
                  for name, value in given.items()})
