"""Victims on the command line: their ceilings, and what is said before any of them is asked."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from robust_core.errors import BadInput, list_names
from robust_core.guards.guarded_model import GuardedModel
from robust_core.protocols import Classifier
from robust_core.victims.opening import open_victim
from robust_core.victims.spending import Spending, format_money, to_units
from robust_core.victims.victim import Victim

MaxCalls = Annotated[int | None, typer.Option(
    "--max-calls", min=0, max=10**12, help="Most calls to models behind an address or a function, all together.")]

MaxCost = Annotated[float | None, typer.Option(
    "--max-cost", min=0.0, max=1e6, help="Most that these calls may cost, in the currency of the victim file.")]


class VictimLimits:
    """Ceilings of one command, over all of its victims, and what it says of them.

    Args:
        max_calls: Most calls.
        max_cost: Most money.
        stop: Set when a ceiling is reached.
    """

    def __init__(self, max_calls: int | None = None, max_cost: float | None = None,
                 stop: threading.Event | None = None) -> None:
        self.spending = Spending(max_calls, None if max_cost is None else to_units(max_cost), stop)
        self._currency = ""

    def open(self, name: str) -> Victim:
        """Open a victim under these ceilings."""
        return open_victim(name, self.spending)

    def tell(self, victims: Sequence[Victim]) -> None:
        """Say on stderr what is about to be asked, what it costs, and where it ends.

        Raises:
            BadInput: A ceiling is given that nothing could reach.
        """
        limits, asked = self.spending, [victim for victim in victims if victim.answers is not None]
        if not asked and (limits.max_calls is not None or limits.max_cost is not None):
            raise BadInput("--max-calls and --max-cost are about models behind an address or a function; none of these "
                           "is.")
        currencies = sorted({victim.price.currency for victim in asked if victim.price.known})
        if limits.max_cost is not None and not currencies:
            raise BadInput('--max-cost needs a price: write "price" into the victim file (docs/own-endpoint.md).')
        if limits.max_cost is not None and len(currencies) > 1:
            raise BadInput(f"--max-cost cannot add up {list_names(currencies)}; take one victim at a time.")
        self._currency = currencies[0] if currencies else ""
        for line in (line for victim in asked for line in victim.about):
            typer.echo(line, err=True)
        if asked:
            typer.echo(self._describe_ceilings(), err=True)

    def _describe_ceilings(self) -> str:
        limits = self.spending
        parts = [f"{limits.max_calls:,} calls"] if limits.max_calls is not None else []
        parts += [format_money(limits.max_cost, self._currency)] if limits.max_cost is not None else []
        return f"Ceiling of this command: {' and '.join(parts)}." if parts else (
            "This command has no ceiling: --max-calls and --max-cost set one.")

    def tell_reached(self) -> None:
        """Say on stderr that a ceiling ended the command, if one did."""
        if self.spending.reached:
            typer.echo(self.spending.reached, err=True)

    def finish(self) -> None:
        """Say on stderr what was spent."""
        limits = self.spending
        if limits.calls:
            cost = f", {format_money(limits.cost, self._currency)}" if self._currency else ""
            were = "call was" if limits.calls == 1 else "calls were"
            typer.echo(f"{limits.calls:,} {were} made{cost}.", err=True)


def check_workers(victims: Sequence[Classifier], workers: int) -> None:
    """Refuse several processes where a victim is asked elsewhere, each with ceilings of its own, and behind guards.

    Raises:
        BadInput: There are several, and such a victim.
    """
    if workers <= 1:
        return
    if any(isinstance(victim, GuardedModel) for victim in victims):
        raise BadInput("--workers is for models without guards: leave the workers out, or the guards.")
    if any(isinstance(victim, Victim) for victim in victims):
        raise BadInput("--workers is for models that run here; one process asks a victim elsewhere, so that ceilings "
                       'hold. A victim file says in "parallel" how many calls are made at a time.')


@contextlib.contextmanager
def limit_victims(max_calls: int | None, max_cost: float | None, stop: threading.Event | None = None
                  ) -> Iterator[VictimLimits]:
    """Give the ceilings of a command; at its end, whatever the end is, it says what was spent."""
    limits = VictimLimits(max_calls, max_cost, stop)
    try:
        yield limits
    finally:
        limits.finish()
