"""Search for a change of class near an input, inside and outside its certified radius."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robust_core import metrics
from robust_core.certify.smoothers import Dssn
from robust_core.types import Certificate

if TYPE_CHECKING:
    from robust_core.certify.base_classifiers import SmoothedModel
    from robust_core.certify.inputs import Split
from robust_core.certify.certified_accuracy import Row, count_steps


class FlipSearch(NamedTuple):
    """Outcome of a search for a flip.

    Attributes:
        flipped: Whether an input of another class was found.
        spent: Largest L1 distance gone, in quantisation steps; the range may not allow all that was asked for.
    """

    flipped: bool
    spent: int


def search_flip(counts: Callable[[np.ndarray], np.ndarray], vector: np.ndarray, levels: int, budget: int, *,
                seed: int = 0, draws: int = 4) -> FlipSearch:
    """Look for a quantised input of another class at most `budget` steps away in L1.

    Every coordinate is moved in both directions as far as budget and range allow; then the budget is spent in the order
    of how much each move narrowed the lead, and a few times with random shares among the best moves.

    Args:
        counts: A quantised input to its votes (classes,).
        vector: The input, whole numbers 0..levels.
        levels: Largest value of a coordinate.
        budget: Steps.
        seed: Seed of the random shares.
        draws: How often random shares are tried.
    """
    base = counts(vector)
    top, spent = int(base.argmax()), 0
    flat = vector.reshape(-1)
    moves: list[tuple[int, int, int]] = []

    def lead(moved: np.ndarray) -> int:
        nonlocal spent
        votes = counts(moved.reshape(vector.shape))
        spent = max(spent, int(np.abs(moved - flat).sum()))
        # Below zero means another class; ties go to the lower one.
        return -1 if int(votes.argmax()) != top else int(votes[top] - np.delete(votes, top).max())

    for i in range(len(flat) if budget > 0 else 0):
        for direction in (-1, 1):
            room = int(flat[i] if direction < 0 else levels - flat[i])
            if not room:
                continue
            moved = flat.copy()
            moved[i] += direction * min(room, budget)
            left = lead(moved)
            if left < 0:
                return FlipSearch(True, spent)
            moves.append((left, i, direction))
    moves.sort()
    rng = np.random.default_rng(seed)
    for draw in range(draws + 1 if moves else 0):
        moved, rest, used = flat.copy(), budget, set()
        order = moves if not draw else [moves[k] for k in rng.permutation(min(len(moves), 8))]
        for _, i, direction in order:
            if i in used or not rest:
                continue
            room = min(rest, int(moved[i] if direction < 0 else levels - moved[i]))
            step = room if not draw else int(rng.integers(0, room + 1))
            moved[i] += direction * step
            rest, used = rest - step, used | {i}
        if lead(moved) < 0:
            return FlipSearch(True, spent)
    return FlipSearch(False, spent)


def search_data_set(model: "SmoothedModel", data: "Split", method: Dssn, found: Sequence[Certificate],
                    outside: Sequence[float] = (2.0,)) -> Row:
    """Search for flips just inside and outside each input's radius.

    Returns:
        inside and inside_flips (inputs searched with all their steps, and how many flipped: none can), and for one step
        more and for multiples of the radius the share of inputs that flipped, with its standard error.
    """
    judge = model.judge(method.name, method.scale)

    def counts(vector: np.ndarray) -> np.ndarray:
        return method.counts(judge, vector, model.levels, len(model.labels))

    radii = [count_steps(c.radius, model.levels) for c in found]
    flips = {"inside": 0, "one_step_outside": 0, **{f"{factor:g}": 0 for factor in outside}}
    for vector, k in zip(data.vectors, radii, strict=True):
        budgets = {"inside": k, "one_step_outside": k + 1,
                   **{f"{factor:g}": int(np.ceil(factor * (k + 1))) for factor in outside}}
        gone = False
        for name, budget in budgets.items():
            # What flips within a budget flips within a larger one.
            gone = gone or search_flip(counts, vector, model.levels, budget).flipped
            flips[name] += gone
    n = len(radii)
    shares = {name: metrics.estimate_proportion(hits, n) for name, hits in flips.items()}
    return {"inside": n, "inside_flips": flips["inside"],
            "outside": {name: value for name, (value, _) in shares.items() if name != "inside"},
            "outside_se": {name: value for name, (_, value) in shares.items() if name != "inside"}}
