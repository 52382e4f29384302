"""What is judged: adversarial texts and originals, drawn and mixed by a seed."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from robust_core.errors import BadInput, list_names

# What a judge may say of a text beside the labels.
UNCLEAR = "unclear"
# Longer texts are not judged, and of more texts the rest is left out.
MOST_CHARACTERS, MOST_ITEMS = 20_000, 20_000


class Group(NamedTuple):
    """Where adversarial texts come from; the originals have none of the three.

    Attributes:
        model: Id of the attacked classifier.
        attack: Name of the attack.
        preset: Preset of its parameters, empty where it has other values.
    """

    model: str = ""
    attack: str = ""
    preset: str = ""


ORIGINALS = Group()
# An attack of which nothing is known.
UNNAMED = "unnamed attack"


class Counts(NamedTuple):
    """How often an attack succeeded.

    Attributes:
        attempted: Texts that were attacked, those aside that the model got wrong before; 0 where that is not known.
        succeeded: Flips among them.
    """

    attempted: int = 0
    succeeded: int = 0


class Item(NamedTuple):
    """A text to judge.

    Attributes:
        id: Twelve hexadecimal digits; the same text from the same place has the same.
        text: What the judge reads.
        original: The text that it was made from; the text itself for an original.
        label: Name of the original's true label.
        adversarial: Whether an attack made it.
        group: Where it comes from.
    """

    id: str
    text: str
    original: str
    label: str
    adversarial: bool
    group: Group


def make_group(model: str, attack: str, preset: str) -> Group:
    """Return where adversarial texts come from; never what originals have."""
    return Group(model, attack or (UNNAMED if not (model or preset) else ""), preset)


def make_item(text: str, original: str, label: str, adversarial: bool, group: Group = ORIGINALS) -> Item:
    """Return an item with its id; what no page can be sent is replaced."""
    text, original, label = (each.encode(errors="replace").decode() for each in (text, original, label))
    return Item(make_id(text, original, label, adversarial, *group), text, original, label, adversarial, group)


def make_id(*parts: object) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of some plain values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Source:
    """Texts that can be judged together.

    Args:
        id: Twelve hexadecimal digits; judgements are kept under it.
        title: What it is called, without a word of models and attacks.
        labels: Names of the labels to choose from.
        items: The texts.
        counts: How often each attack succeeded.
        left_out: Texts that were left out because they are too long, too many or without a label.
    """

    id: str
    title: str
    labels: tuple[str, ...]
    items: tuple[Item, ...]
    counts: Mapping[Group, Counts] = dataclasses.field(default_factory=dict)
    left_out: int = 0

    def count_flips(self) -> int:
        """Return how many adversarial texts there are."""
        return sum(item.adversarial for item in self.items)


def make_source(source_id: str, title: str, labels: Sequence[str], items: Iterable[Item],
                counts: Mapping[Group, Counts] | None = None, left_out: int = 0) -> Source:
    """Return a source with each text once, without those that are too long or too many."""
    found: dict[str, Item] = {}
    for item in items:
        if max(len(item.text), len(item.original)) > MOST_CHARACTERS or len(found) >= MOST_ITEMS:
            left_out += item.id not in found
        else:
            found[item.id] = item
    return Source(source_id, title, tuple(labels), tuple(found.values()), counts or {}, left_out)


def choose_items(source: Source, flips: int, originals: int, seed: int) -> list[Item]:
    """Draw adversarial texts, evenly from where they come from, and originals as a control, and mix them.

    Each text is of another original, as far as there are enough: whoever has read a sentence reads its next version
    with other eyes. What is drawn and its order rest on the seed and the texts alone, so that all judges read the same.

    Args:
        source: The texts.
        flips: How many adversarial ones.
        originals: How many originals.
        seed: Seed of the draw and of the order.
    """
    groups: dict[tuple[bool, Group], list[Item]] = {}
    for item in sorted(source.items, key=lambda item: _rank(seed, item)):
        groups.setdefault((item.adversarial, item.group), []).append(item)
    known: set[str] = set()
    drawn = _draw_evenly([groups[key] for key in sorted(groups) if key[0]], flips, known)
    drawn += _draw_evenly([groups[key] for key in sorted(groups) if not key[0]], originals, known)
    return sorted(drawn, key=lambda item: _rank(f"order {seed}", item))


def _rank(seed: object, item: Item) -> bytes:
    return hashlib.sha256(f"{seed} {item.id}".encode()).digest()


def _draw_evenly(groups: Sequence[Sequence[Item]], n: int, known: set[str]) -> list[Item]:
    """Take items from the groups in turn, those of originals that are not known yet first; `known` grows."""
    drawn: list[Item] = []
    left = [list(group) for group in groups]
    while len(drawn) < n and any(left):
        for group in left:
            if group and len(drawn) < n:
                at = next((i for i, item in enumerate(group) if item.original not in known), 0)
                drawn.append(group.pop(at))
                known.add(drawn[-1].original)
    return drawn

def check_same_labels(labels: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the labels that all have.

    Raises:
        BadInput: They differ.
    """
    several = list(dict.fromkeys(labels))
    if len(several) > 1:
        raise BadInput(f"These texts have different labels ({list_names(several[0])}, and {list_names(several[1])}): "
                       "judge those of one data set at a time.")
    return several[0] if several else ()
