"""Calls and money: prices, ceilings that hold exactly, and what was spent.

Money is counted in whole billionths of a thousandth (1e-12) of a currency, so that sums are exact.
"""

import dataclasses
import threading
from decimal import Decimal

from robust_core.errors import BadInput
from robust_core.victims.answers import Answers

UNIT = 10**12


@dataclasses.dataclass(frozen=True)
class Price:
    """What a victim costs.

    Args:
        call: Units a request, whether it is answered or not.
        tokens_in: Units a thousand tokens that are sent.
        tokens_out: Units a thousand tokens that come back.
        currency: What the units are of.
    """

    call: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    currency: str = "USD"

    @property
    def known(self) -> bool:
        """Whether anything costs."""
        return bool(self.call or self.tokens_in or self.tokens_out)

    @property
    def by_tokens(self) -> bool:
        """Whether tokens cost."""
        return bool(self.tokens_in or self.tokens_out)

    def compute_cost(self, tokens_in: int, tokens_out: int) -> int:
        """Return what one call costs, in units, rounded up."""
        return self.call - (-(self.tokens_in * tokens_in + self.tokens_out * tokens_out) // 1000)

    def describe(self) -> str:
        """Say it in words; empty where nothing costs."""
        parts = [f"{format_money(self.call, self.currency)} a call"] if self.call else []
        same = self.tokens_in == self.tokens_out
        if self.by_tokens and same:
            parts += [f"{format_money(self.tokens_in, self.currency)} per 1,000 tokens"]
        elif self.by_tokens:
            parts += [f"{format_money(self.tokens_in, self.currency)} in and "
                      f"{format_money(self.tokens_out, self.currency)} out per 1,000 tokens"]
        return ", ".join(parts)


def to_units(amount: float | Decimal) -> int:
    """Return an amount of a currency in whole units."""
    return round(Decimal(str(amount)) * UNIT)


def format_money(units: int, currency: str) -> str:
    """Return an amount as people write it: at least two digits after the point, and no more than it needs."""
    whole, _, rest = f"{Decimal(units) / UNIT:,.12f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')} {currency}"


class Spending:
    """Counts calls and their cost, and lets none through that a ceiling forbids; threads may share it.

    A call is paid for before it is sent, at the most that it may cost, and settled when its answer says what it did.

    Args:
        max_calls: Most requests that are sent, those that fail or are sent again included; None: no ceiling.
        max_cost: Most units that they cost; None: no ceiling.
        stop: Set when a ceiling is reached, so that whoever asks ends; results so far are kept.
    """

    def __init__(self, max_calls: int | None = None, max_cost: int | None = None,
                 stop: threading.Event | None = None) -> None:
        self.max_calls, self.max_cost = max_calls, max_cost
        self.stop = stop or threading.Event()
        self.calls = self.cost = 0
        self.reached = ""
        self._open = 0
        self._changed = threading.Condition()

    def begin(self, most: int, currency: str = "USD") -> None:
        """Enter a call that costs at most so many units.

        Raises:
            BadInput: A ceiling forbids it; it is not counted.
        """
        with self._changed:
            # What is in the air may turn out cheaper than the most it may cost.
            while self._open and not self._is_full() and self._is_dear(most):
                self._changed.wait()
            if self._is_full():
                self._refuse(f"{self.max_calls:,} calls", "--max-calls")
            if self._is_dear(most):
                self._refuse(f"{format_money(self.max_cost or 0, currency)} (spent: "
                             f"{format_money(self.cost, currency)}; the next call may cost "
                             f"{format_money(most, currency)})", "--max-cost")
            self.calls, self.cost, self._open = self.calls + 1, self.cost + most, self._open + 1

    def settle(self, most: int, actual: int) -> None:
        """Enter what a call did cost in the place of the most that it might have."""
        with self._changed:
            self.cost, self._open = self.cost + actual - most, self._open - 1
            self._changed.notify_all()

    def _is_full(self) -> bool:
        return self.max_calls is not None and self.calls >= self.max_calls

    def _is_dear(self, most: int) -> bool:
        return self.max_cost is not None and self.cost + most > self.max_cost

    def _refuse(self, ceiling: str, option: str) -> None:
        self.reached = (f"The ceiling of {ceiling} is reached. All answers so far are kept: the same command with a "
                        f"higher {option} goes on and asks nothing twice.")
        self.stop.set()
        raise BadInput(self.reached)


@dataclasses.dataclass(frozen=True)
class Meter:
    """The spending on one victim.

    Args:
        victim: Its fingerprint.
        price: What it costs.
        spending: Ceilings and counts of the whole command.
        answers: Where what was spent is written down.
    """

    victim: str
    price: Price
    spending: Spending
    answers: Answers

    def begin(self, tokens_in: int = 0, tokens_out: int = 0) -> int:
        """Enter a call of at most so many tokens and return its most cost; raises what `Spending.begin` raises."""
        most = self.price.compute_cost(tokens_in, tokens_out)
        self.spending.begin(most, self.price.currency)
        self.answers.spend(self.victim, 1, most)
        return most

    def settle(self, most: int, tokens: tuple[int, int] | None) -> None:
        """Enter the tokens (in, out) that a call took; None where nothing says so, and it counts at its most."""
        actual = most if tokens is None else self.price.compute_cost(*tokens)
        self.spending.settle(most, actual)
        if actual != most:
            self.answers.spend(self.victim, 0, actual - most)
