"""YAML as plain nodes, each with the line it stands in: bounded, without tags, references or repeated keys."""

from pathlib import Path
from typing import NamedTuple, NoReturn

import yaml

from robust_core.errors import BadInput, list_names, quote, shorten
from robust_core.files import check_path, explain_failures

MOST_BYTES, _MOST_NODES, _DEEPEST = 100_000, 5_000, 12
_HINT = "Check how far the line is indented, and put a text with : # ? or brackets in quotation marks."
_PLAIN = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float",
          "tag:yaml.org,2002:null", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:timestamp")


class Spot(NamedTuple):
    """A place in a lesson's file.

    Attributes:
        file: Name of the file.
        line: Line, from 1.
    """

    file: str
    line: int

    def refuse(self, why: str) -> NoReturn:
        """Raise BadInput with file, line and a sentence."""
        raise BadInput(f"{self.file}, line {self.line}: {why}")


class Node(NamedTuple):
    """A value of a file: a text as it was written, a list, or keys with values.

    Attributes:
        spot: Where it stands.
        value: A text, a list of nodes, or nodes by key.
        keys: Where each key stands.
    """

    spot: Spot
    value: "str | list[Node] | dict[str, Node]"
    keys: dict[str, Spot]

    def need_text(self, what: str) -> str:
        """Return the text of a scalar; raises BadInput where it is none."""
        if not isinstance(self.value, str):
            self.spot.refuse(f"{what} must be a text.")
        return self.value

    def need_list(self, what: str) -> "list[Node]":
        """Return the members of a list; raises BadInput where it is none."""
        if not isinstance(self.value, list):
            self.spot.refuse(f"{what} must be a list: one line with \"- \" for each member.")
        return self.value

    def need_keys(self, what: str) -> "dict[str, Node]":
        """Return the values by key; raises BadInput where there are no keys."""
        if not isinstance(self.value, dict):
            self.spot.refuse(f"{what} must have keys, such as \"title: …\".")
        return self.value


def read_nodes(path: str | Path) -> Node:
    """Read a file.

    Raises:
        BadInput: It cannot be read, is too large, or is no plain YAML; the message names file and line.
    """
    path = check_path(path, "lesson")
    with explain_failures(path.name), path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    start = Spot(shorten(path.name, 60), 1)
    if len(data) > MOST_BYTES:
        start.refuse(f"the file is too large; {MOST_BYTES:,} bytes are the most.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        Spot(start.file, 1 + data[: error.start].count(b"\n")).refuse("this is no UTF-8 text.")
    return parse_nodes(text, start.file)


def parse_nodes(text: str, file: str) -> Node:
    """Read a text of YAML; raises what `read_nodes` raises."""
    start = Spot(file, 1)
    try:
        _check_events(text, file)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        Spot(file, mark.line + 1 if mark else 1).refuse(
            f"this is no YAML: {shorten(error.problem or 'broken', 100)}. {_HINT}")
    except yaml.YAMLError as error:
        start.refuse(f"this is no YAML: {shorten(str(error), 100)}.")
    if root is None:
        start.refuse("the file is empty; a lesson begins with \"title: …\".")
    return _convert(root, file)


def _check_events(text: str, file: str) -> None:
    """Refuse references, which can make a short file endless, and what is too deep, before anything is built."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        spot = Spot(file, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            spot.refuse("references (& and *) are not used in lessons; put such a text in quotation marks.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or number > _MOST_NODES:
            spot.refuse("the file has more parts, or deeper ones, than a lesson needs.")


def _convert(node: yaml.Node, file: str) -> Node:
    spot = Spot(file, node.start_mark.line + 1)
    if node.tag not in _PLAIN:
        spot.refuse(f"{quote(node.tag)} cannot be used here; put a text with such signs in quotation marks.")
    if isinstance(node, yaml.ScalarNode):
        # As it was written: that YAML takes "no" for false and "1:30" for 90 surprises whoever writes a lesson.
        return Node(spot, node.value, {})
    if isinstance(node, yaml.SequenceNode):
        return Node(spot, [_convert(each, file) for each in node.value], {})
    assert isinstance(node, yaml.MappingNode)
    values: dict[str, Node] = {}
    keys: dict[str, Spot] = {}
    for key, value in node.value:
        where = Spot(file, key.start_mark.line + 1)
        if not isinstance(key, yaml.ScalarNode):
            where.refuse("a key must be one word.")
        if key.value in values:
            where.refuse(f"{quote(key.value)} stands here twice; it stood in line {keys[key.value].line} before.")
        values[key.value], keys[key.value] = _convert(value, file), where
    return Node(spot, values, keys)


def refuse_key(where: Spot, key: str, what: str, known: list[str]) -> NoReturn:
    """Say that a key is none of a part's."""
    where.refuse(f"{quote(key, 40)} is no key of {what}. Known: {list_names(known)}.")
