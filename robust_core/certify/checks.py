"""Signs that a certificate's figure says less than it seems to: votes too few to certify anything."""

import math


def count_least_votes(alpha: float) -> int:
    """Return how many votes it takes at least to certify anything, were all of them for one class.

    With n votes of n the lower bound is (alpha / 2)^(1 / n) (`theorem.bound_proportion`), which must not be below 1/2.

    Args:
        alpha: Probability with which the statement may be false, in (0, 1).
    """
    return math.ceil(math.log2(2 / alpha))


def list_warnings(scale: float, votes: int, alpha: float | None) -> list[str]:
    """Return what is doubtful about a certificate or a certified accuracy: the finding, then advice.

    Args:
        scale: Lambda.
        votes: Votes an input.
        alpha: Probability with which the statement may be false; None for a deterministic method.
    """
    if alpha is None or votes >= count_least_votes(alpha):
        return []
    return [f"At Λ {scale:g}, {votes:,} votes cannot certify anything: {count_least_votes(alpha):,} that all agree are "
            "the least. The method abstains on every input, which says nothing about its noise. Give it more votes "
            "(samples)."]
