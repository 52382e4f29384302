"""Warnings as footnotes: a mark beside a figure, one short line a kind of warning below the table, the advice apart.

A warning is what `evaluation.checks` and `certify.checks` write: a sentence that says what was found, then advice.
Findings that differ in their numbers alone are of one kind and share a mark; its line has the range.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_NUMBER = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?")
_SHARE = re.compile(r"[0-9.]+(?: to [0-9.]+)? %")


class Footnote(NamedTuple):
    """What a mark stands for.

    Attributes:
        mark: The mark, such as `†1`.
        finding: What was found, over all figures that have the mark: one sentence.
        advice: What follows from it, and what to do; empty where nothing is known.
    """

    mark: str
    finding: str
    advice: str

    @property
    def line(self) -> str:
        """The mark and the finding."""
        return f"{self.mark}: {self.finding}"


class Footnotes:
    """The footnotes of one table, numbered as its figures are written.

    A table calls `mark` for each figure, in the order of its cells, then writes `lines` below.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[list[str], str]] = {}

    def mark(self, warnings: Iterable[str], *, share: bool = False) -> str:
        """Return the marks of a figure's warnings, such as `†1 †2`; empty without warnings.

        Args:
            warnings: The warnings about the figure: of one row, or of all rows that it was pooled from
                (`read_warnings`).
            share: Whether a mark is followed by this figure's own share, such as `†1 (32 %)`, where the finding begins
                with one.
        """
        mine: dict[str, list[str]] = {}
        for warning in warnings:
            finding, advice = split_warning(warning)
            kind = _NUMBER.sub("#", finding)
            self._kinds.setdefault(kind, ([], advice))[0].append(finding)
            mine.setdefault(kind, []).append(finding)
        return " ".join(f"†{number} {_find_share(mine[kind]) if share else ''}".rstrip()
                        for number, kind in enumerate(self._kinds, 1) if kind in mine)

    def notes(self) -> list[Footnote]:
        """Return a footnote for each kind of warning so far, in the order of their numbers."""
        return [Footnote(f"†{number}", merge_findings(findings), advice)
                for number, (findings, advice) in enumerate(self._kinds.values(), 1)]

    def lines(self) -> list[str]:
        """Return the footnotes as lines without advice, to stand below a table."""
        return [note.line for note in self.notes()]


def split_warning(warning: str) -> tuple[str, str]:
    """Return the finding of a warning, its first sentence, and the advice, which may be empty."""
    finding, end, advice = warning.partition(". ")
    return f"{finding}." if end else finding, advice


def read_warnings(details: Mapping[str, Any]) -> list[str]:
    """Return the warnings in a claim's details or in a row: its own and those of its rows, each once."""
    rows = [details, *details.get("rows", ())]
    return list(dict.fromkeys(warning for row in rows if isinstance(row, Mapping)
                              for warning in row.get("warnings") or () if isinstance(warning, str)))


def write_mark(notes: Footnotes, claim: Mapping[str, Any]) -> str:
    """Return the marks of a claim's figure with a space before them, as they stand in a table of Markdown."""
    marks = notes.mark(read_warnings(claim["details"]))
    return f" {marks}" if marks else ""


def merge_findings(findings: Sequence[str]) -> str:
    """Return findings of one kind as one sentence: where their numbers differ it has the least and the greatest."""
    ranges = iter([_write_range(numbers) for numbers in zip(*map(_NUMBER.findall, findings), strict=True)])
    return _NUMBER.sub(lambda _: next(ranges), findings[0])


def _write_range(numbers: Sequence[str]) -> str:
    least, *_, greatest = sorted([*numbers, *numbers], key=lambda number: float(number.replace(",", "")))
    return least if least == greatest else f"{least} to {greatest}"


def _find_share(findings: Sequence[str]) -> str:
    share = _SHARE.match(merge_findings(findings))
    return f"({share[0]})" if share else ""
