"""Texts to learn from and to select on: none of them stands in a split that is kept for later."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from robust_core import datasets
from robust_core.cleaning import clean_row
from robust_core.errors import BadInput, MissingResource
from robust_core.types import Example

# The splits that no text of a split may stand in while something learns from it, or is selected on it.
LATER = {"train": ("dev", "test"), "dev": ("test",)}


class TrainingTexts(NamedTuple):
    """The texts that a training reads.

    Attributes:
        splits: Texts of train and of dev.
        data: What a card says of each of the two: n; sha256; dropped_overlap, how many of the texts were left out
            because they stand in a later split as well; compared_with, the later splits that were here; drawn_from, how
            many texts there are, where only some were drawn. Cards without dropped_overlap are older than the
            comparison: their texts were taken as they are.
        drawn: SHA-256 of the training texts before any was left out: what older models learnt from.
    """

    splits: dict[str, list[Example]]
    data: dict[str, dict[str, Any]]
    drawn: str


def load_training_texts(name: str, data_dir: str | Path | None = None, most: Mapping[str, int] | None = None
                        ) -> TrainingTexts:
    """Read train and dev without the texts that stand in a later split as well, whatever their case.

    `datasets.load` keeps them: what is measured on is the file as it is. Where there is no test split, none can be
    compared with it, and `data` says so. Texts are drawn first, so that all others stay the same.

    Args:
        name: Name of the data set.
        data_dir: Folder of the data sets.
        most: Texts to draw of a split, the same for every seed; 0 or no entry takes all.

    Raises:
        UnknownName, MissingResource, BadInput: As `datasets.load` for train and dev; no text is left of one of them.
    """
    whole = {split: datasets.load(name, split, data_dir) for split in LATER}
    keys = {"dev": list_keys(whole["dev"])}
    with contextlib.suppress(MissingResource):
        keys["test"] = _read_keys(name, "test", data_dir)
    drawn = {split: datasets.choose(found, (most or {}).get(split) or None, seed=0) for split, found in whole.items()}
    splits, data = {}, {}
    for split, chosen in drawn.items():
        compared = [other for other in LATER[split] if other in keys]
        kept = splits[split] = drop_texts(chosen, set().union(*(keys[other] for other in compared)))
        if not kept:
            raise BadInput(f"Every {split} text of {name} stands in {' or '.join(compared)} as well: none is left to "
                           "learn from.")
        data[split] = {"n": len(kept), "sha256": datasets.hash_examples(kept),
                       "dropped_overlap": len(chosen) - len(kept), "compared_with": compared}
        if len(chosen) < len(whole[split]):
            data[split]["drawn_from"] = len(whole[split])
    return TrainingTexts(splits, data, datasets.hash_examples(drawn["train"]))


def list_keys(examples: Sequence[Example]) -> set[str]:
    """Return what texts are compared by: the text, its case folded."""
    return {example.text.casefold() for example in examples}


def drop_texts(examples: Sequence[Example], keys: Collection[str]) -> list[Example]:
    """Return the examples whose text is none of those that `list_keys` returned."""
    return [example for example in examples if example.text.casefold() not in keys]


def describe_overlap(data: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in one line what was left out of the texts of a training, empty where all were compared and none was.

    Args:
        data: As of `TrainingTexts`.
    """
    parts = [f"texts left out of {split} because they stand in {' or '.join(found['compared_with'])} as well: "
             f"{found['dropped_overlap']:,}" for split, found in data.items() if found.get("dropped_overlap")]
    missing = any("test" not in found.get("compared_with", ()) for found in data.values())
    return "; ".join(parts + ["no test split is here to compare the texts with"] * missing)


def _read_keys(name: str, split: str, data_dir: str | Path | None) -> set[str]:
    """Return the cleaned texts of a split, their case folded; its labels may be unknown."""
    return {clean_row(text).casefold() for text in datasets.read_texts(name, split, data_dir)}
