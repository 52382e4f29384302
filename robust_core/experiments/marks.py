"""Warnings beside the figures that they concern: a letter in the table, and a line below it."""

from robust_core.claims.files import Claim
from robust_core.claims.warnings import describe_warning, list_warnings


class Marks:
    """The marks of one table: each kind of warning gets a letter, in the order in which they come up."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}
        self._lines: dict[str, list[str]] = {}

    def mark(self, claim: Claim) -> str:
        """Return the letters to stand behind a claim's figure; empty where nothing is to be warned of."""
        letters = []
        for kind, finding in list_warnings(claim):
            letter = self._letters.setdefault(kind, chr(ord("a") + len(self._letters)))
            self._lines.setdefault(kind, []).append(finding)
            letters.append(letter)
        return f" <sup>{','.join(sorted(letters))}</sup>" if letters else ""

    def lines(self) -> list[str]:
        """Return a line for each letter that was given."""
        return [f"<sup>{letter}</sup> {describe_warning(kind, self._lines[kind])}"
                for kind, letter in self._letters.items()]
