"""Settings are written down before a look at test: a claim names the entry of docs/freeze.md that it follows."""

import re
from pathlib import Path

from robust_core.errors import BadInput, list_names, quote
from robust_core.paths import RESULTS, ROOT

PAGE = ROOT / "docs" / "freeze.md"


def list_freezes(page: Path = PAGE) -> list[str]:
    """Return the headings of the entries, the newest last."""
    if not page.is_file():
        return []
    return re.findall(r"^## (\d{4}-\d\d-\d\d.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def find_freeze(word: str, target: Path | None = None, page: Path = PAGE) -> str:
    """Return the heading that a word names: its date, or more of it.

    Args:
        word: What somebody gave; empty for none.
        target: Where claims go; those of the project need an entry.
        page: The page of entries.

    Raises:
        BadInput: No entry is named where one is needed, or there is no such entry, or more than one.
    """
    if not word:
        if target is not None and target.resolve().is_relative_to(RESULTS.resolve()):
            raise BadInput("Claims in results/ name the entry of docs/freeze.md under which their settings stand: add "
                           "--freeze with its date.")
        return ""
    found = [heading for heading in list_freezes(page) if heading.startswith(word)]
    if len(found) != 1:
        raise BadInput(f"docs/freeze.md has {len(found) or 'no'} entries {quote(word)}; there are "
                       f"{list_names(list_freezes(page))}.")
    return found[0]
