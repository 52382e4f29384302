"""What is known to be wrong with how the models of a table were trained, below the table."""

from collections.abc import Iterable, Iterator, Sequence

from robust_core.claims.files import Claim
from robust_core.experiments.again import list_trained
from robust_core.experiments.superseded import write_superseded
from robust_core.models.known_faults import list_known_faults

# Models that a line names one by one; of more it gives the number.
_FEW = 3


def write_faults(claims: Sequence[Claim], others: Iterable[str] = ()) -> Iterator[str]:
    """Return a line for each known fault of the models that some claims rest on, and for each table that is older.

    Args:
        claims: The claims.
        others: Further names that `list_known_faults` knows, such as `smoothed/sst2`.
    """
    found: dict[str, list[str]] = {}
    for model in dict.fromkeys([name for claim in claims for name in list_trained(claim)] + list(others)):
        for fault in list_known_faults(model):
            found.setdefault(fault, []).append(model)
    for fault, models in found.items():
        named = ", ".join(f"`{name}`" for name in models) if len(models) <= _FEW else f"{len(models)} models"
        yield f"Known fault of {named}: {fault}"
    yield from write_superseded(claims)
