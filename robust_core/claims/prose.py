"""Figures in sentences: what a page says of a measurement is written from its claim, like the tables.

A marker in the Markdown holds the place: `<!-- figure FILE PATH SPEC -->82.2 ± 0.9<!-- /figure -->`. FILE is the
name of a claim's file without its ending, or several with `+` between, whose figures are added up. PATH leads into the
claim: `value`, `details.rows.0.queries`, `details.rows.task=cr.value` for the row of that task, `details.rows.*.same`
for the sum over all rows. SPEC is a format of Python's: `.2f`, `,.0f`, or `.1%` for percent without the sign. A `±`
behind it adds the standard error, which stands in the claim under the same path with `_se`.
"""

import math
import re
from collections.abc import Mapping, Sequence
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
    return {f"{name}.json" for match in _FIGURE.finditer(text) for name in match["file"].split("+")}


def _write(match: re.Match[str], claims: Mapping[str, Claim]) -> str:
    names = match["file"].split("+")
    for name in names:
        if f"{name}.json" not in claims:
            raise BadInput(f"A page names the claim {quote(name)}, which is not there.")
    written = _format(sum(_read(claims[f"{name}.json"], match["path"], name) for name in names), match["spec"])
    if match["error"]:
        error = _read(claims[f"{names[0]}.json"], f"{match['path']}_se", names[0])
        written += f" ± {_format(error, match['spec'].lstrip('+'))}"
    return written


def _read(claim: Claim, path: str, name: str) -> float:
    try:
        found = _follow(claim, path.split("."))
    except (KeyError, IndexError, ValueError, TypeError, StopIteration):
        raise BadInput(f"The claim {quote(name)} has no {quote(path)}.") from None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise BadInput(f"{quote(path)} of the claim {quote(name)} is no number.")
    return found


def _follow(found: Any, steps: Sequence[str]) -> Any:  # noqa: ANN401 (plain data)
    for at, step in enumerate(steps):
        if step == "*":
            return sum(_follow(item, steps[at + 1:]) for item in found)
        key, _, wanted = step.partition("=")
        if wanted:
            found = next(item for item in found if item[key] == wanted)
        else:
            found = found[int(step)] if isinstance(found, list) else found[step]
    return found


def _format(value: float, spec: str) -> str:
    if not math.isfinite(value):
        return "–"
    return format(100 * value, f"{spec[:-1]}f") if spec.endswith("%") else format(value, spec)
