"""README and docs/: every table and every figure in a sentence that stems from a claim is written from `results/`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from robust_core.claims.files import Claim, read_named_claims
from robust_core.claims.prose import fill_figures, list_named
from robust_core.errors import BadInput, list_names, quote
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.measurement_tables import TABLES
from robust_core.paths import PAGES, RESULTS

_BLOCK = re.compile(r"(<!-- table:(?P<name>[\w/-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def render_page(text: str, claims: Mapping[str, Claim]) -> str:
    """Fill every block `<!-- table:NAME -->` and every figure of a page; names are those of TABLES and the experiments.

    Raises:
        BadInput: A block names no table, or a figure no claim.
    """
    found = list(claims.values())
    text = _BLOCK.sub(lambda match: match[1] + _render_table(match["name"], found) + match[3], text)
    return fill_figures(text, claims)


def _render_table(name: str, found: list[Claim]) -> str:
    if name not in EXPERIMENTS and name not in TABLES:
        raise BadInput(f"There is no table {quote(name)}; known are {list_names([*TABLES, *EXPERIMENTS])}.")
    try:
        return EXPERIMENTS[name]().table(found) if name in EXPERIMENTS else TABLES[name](found)
    except (KeyError, TypeError, IndexError, StopIteration, AttributeError) as error:
        raise BadInput(f"The table {name} cannot be written from results/ ({type(error).__name__}: {error}).") from None


def write_pages(pages: Sequence[Path] = PAGES, folder: Path = RESULTS) -> list[Path]:
    """Bring the tables and figures of some pages up to date; return the pages that changed."""
    changed = _render_changed(pages, read_named_claims(folder))
    for page, text in changed.items():
        page.write_text(text, encoding="utf-8")
    return list(changed)


def find_stale(pages: Sequence[Path] = PAGES, folder: Path = RESULTS) -> list[Path]:
    """Return the pages whose tables or figures differ from a folder of claims."""
    return list(_render_changed(pages, read_named_claims(folder)))


def _render_changed(pages: Sequence[Path], claims: Mapping[str, Claim]) -> dict[Path, str]:
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    return {page: new for page, text in texts.items() if (new := render_page(text, claims)) != text}


def find_unshown(claims: Mapping[str, Claim], pages: Sequence[Path] = PAGES) -> list[str]:
    """Return the files of claims that no table and no sentence of some pages shows."""
    texts = [page.read_text(encoding="utf-8") for page in pages]
    named = {name for text in texts for name in list_named(text)}
    tables = list(dict.fromkeys(match["name"] for text in texts for match in _BLOCK.finditer(text)))
    return [file for file, claim in claims.items() if file not in named and not any(
        _is_shown(file, claims, name) for name in tables
        if name not in EXPERIMENTS or name == claim["details"].get("experiment"))]


def _is_shown(file: str, claims: Mapping[str, Claim], table: str) -> bool:
    """Say whether a claim makes a difference to a table: by itself, or beside all the others."""
    if _render_table(table, [claims[file]]) != _render_table(table, []):
        return True
    # A table of several columns may show a claim only in the line of another one.
    rest = [claim for other, claim in claims.items() if other != file]
    return table not in EXPERIMENTS and _render_table(table, [*rest, claims[file]]) != _render_table(table, rest)
