"""Figures in sentences: what a page says of a measurement is written from its claim, like the tables.

A marker in the Markdown holds the place: `<!-- figure FILE PATH SPEC -->82.2 ± 0.9<!-- /figure -->`. FILE is the
name of a claim's file without its ending, PATH leads into the claim (`value`, `details.rows.0.queries`), and SPEC is a
format of Python's: `.2f`, `,.0f`, or `.1%` for percent without the sign. A `±` behind it adds the standard error, which
stands in the claim under the same path with `_se`.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from robust_core.claims.files import Claim
from robust_core.errors import BadInput, quote

_FIGURE = re.compile(r"(?P<head><!-- figure (?P<file>\S+) (?P<path>\S+) (?P<spec>[-+,.0-9]*[df%])(?P<error>±?) -->)"
                     r".*?<!-- /figure -->", re.DOTALL)


def fill_figures(text: str, claims: Mapping[str, Claim]) -> str:
    """Write every figure of a page anew.

    Args:
        text: The page.
        claims: The claims, by the names of their files.

    Raises:
        BadInput: A marker names no claim, or nothing in it.
    """
    return _FIGURE.sub(lambda match: f"{match['head']}{_write(match, claims)}<!-- /figure -->", text)


def list_named(text: str) -> set[str]:
    """Return the names of the files of all claims that figures of a page name."""
    return {f"{match['file']}.json" for match in _FIGURE.finditer(text)}


def _write(match: re.Match[str], claims: Mapping[str, Claim]) -> str:
    claim = claims.get(f"{match['file']}.json")
    if claim is None:
        raise BadInput(f"A page names the claim {quote(match['file'])}, which is not there.")
    value = _read(claim, match["path"], match)
    written = _format(value, match["spec"])
    if match["error"]:
        written += f" ± {_format(_read(claim, match['path'] + '_se', match), match['spec'].lstrip('+'))}"
    return written


def _read(claim: Claim, path: str, match: re.Match[str]) -> float:
    found: Any = claim
    for step in path.split("."):
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise BadInput(f"The claim {quote(match['file'])} has no {quote(path)}.") from None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadInput(f"{quote(path)} of the claim {quote(match['file'])} is no number.")
    return found


def _format(value: float, spec: str) -> str:
    if not math.isfinite(value):
        return "–"
    return format(100 * value, f"{spec[:-1]}f") if spec.endswith("%") else format(value, spec)
