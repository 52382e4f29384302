"""The blind reading that comes with the program: its texts, where they come from, and its reader's verdicts."""

import csv
from pathlib import Path

from robust_core.attacks.presets import CAREFUL
from robust_core.claims.files import Claim, read_claims
from robust_core.datasets import describe
from robust_core.errors import BadInput, MissingResource
from robust_core.judging.items import ORIGINALS, UNCLEAR, Counts, Group, Source, make_id, make_item, make_source
from robust_core.judging.records import Judged
from robust_core.paths import READING, RESULTS

READER, TITLE = "Shipped reading", "SST-2 test sentences"
# Data set and split of its texts.
READ_FROM = ("sst2", "test")
ORIGINAL = "original"  # instead of a preset
# English is graded from 1 to 5 there; this and more is passable.
PASSABLE = 4
_GRADES = tuple("12345")
_HOW = ("python -m bench.reading make writes texts.tsv and key.tsv, a reader verdicts.tsv with the columns number, "
        "says and english.")
# Where `results/` says how often an attack succeeds on the whole test split, by preset.
_CLAIMS = {CAREFUL: "presets-sst2-{}-{}-careful.json", "paper": "flat-table2-{}-{}.json"}


def read_rows(path: Path, how: str) -> list[dict[str, str]]:
    """Return each row of a tab-separated file by the names of its columns.

    Args:
        path: The file.
        how: What writes it, for the message.

    Raises:
        BadInput: It is not there.
    """
    if not path.is_file():
        raise BadInput(f"{path.name} is not here: {how}")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def read_reading(folder: Path = READING) -> tuple[Source, list[Judged]]:
    """Return a blind reading's texts, and its reader's judgements.

    Args:
        folder: Folder of texts.tsv, key.tsv and verdicts.tsv.

    Raises:
        MissingResource: The program came without it.
        BadInput: Verdicts are missing or not as they should be.
    """
    if not folder.is_dir():
        raise MissingResource("the shipped blind reading", "It is in bench/reading/ of the project's repository.")
    labels = describe(READ_FROM[0]).labels
    texts = {row["number"]: row["text"] for row in read_rows(folder / "texts.tsv", _HOW)}
    items = {row["number"]: make_item(texts[row["number"]], row["original"], row["label"], row["preset"] != ORIGINAL,
                                      _read_group(row))
             for row in read_rows(folder / "key.tsv", _HOW)}
    verdicts = {row["number"]: row for row in read_rows(folder / "verdicts.tsv", _HOW)}
    wrong = next((number for number in items if number not in verdicts), "") or next(
        (number for number, row in verdicts.items() if row["says"] not in (*labels, UNCLEAR)
         or row["english"] not in _GRADES), "")
    if wrong:
        raise BadInput(f"Text {wrong} has no verdict, or one that is none of {', '.join(labels)}, {UNCLEAR} and 1 to "
                       "5.")
    counts = {group: found for item in items.values() if item.adversarial and (group := item.group)
              and (found := _count_successes(group))}
    source = make_source(make_id("reading", *(item.id for item in items.values())), TITLE, labels, items.values(),
                         counts)
    return source, [Judged(READER, row["says"], int(row["english"]) >= PASSABLE, "", source.id,
                           counts.get(item.group, Counts()), item)
                    for number, item in items.items() for row in [verdicts[number]]]


def _read_group(row: dict[str, str]) -> Group:
    return ORIGINALS if row["preset"] == ORIGINAL else Group(row["model"], row["attack"], row["preset"])


def _count_successes(group: Group) -> Counts | None:
    """Return how often an attack succeeds by the claims of the project; None where they do not say."""
    name = _CLAIMS.get(group.preset, "").format(group.model.replace("/", "-"), group.attack)
    path = RESULTS / name
    claims: list[Claim] = read_claims([path], skip_damaged=True) if name and path.is_file() else []
    for row in (row for claim in claims for row in claim["details"].get("rows", ())):
        if row.get("model") == group.model and row.get("attack") == group.attack:
            return Counts(sum(int(row[name]) for name in ("succeeded", "failed", "exhausted")), int(row["succeeded"]))
    return None
