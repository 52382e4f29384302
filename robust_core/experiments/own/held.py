"""Which cells of our table are measured already, whichever experiment's claims hold them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from robust_core.claims.files import Claim
from robust_core.experiments.base import Options
from robust_core.experiments.cells import Cell, count_examples, make_attack
from robust_core.experiments.flat.table3 import TEXTS
from robust_core.experiments.superseded import list_superseded
from robust_core.registry import to_record

DATASET, SPLIT, EXPLAINER = "sst2", "test", "ig"
ACCURACY, TRANSFER, TAU, PROVED = (
    "accuracy_under_attack", "transfer_success_rate", "kendall_tau", "certified_accuracy")
FIGURES = (ACCURACY, TRANSFER, TAU)
# The model that the flips of all others are shown to.
TARGET = "sst2/cnn/base"
# A cell without its number of texts, and a figure of it.
Place = tuple[str, str, str, str]
Held = Mapping[Place, Claim]


def find_held(claims: Iterable[Claim], cells: Sequence[Cell]) -> Held:
    """Return the claims that hold figures of cells: those with the same model, test set and parameters of the attack.

    Where several do, one whose tables are those of today comes first, then the one with most trainings and texts.

    Args:
        claims: Claims of any experiment.
        cells: The cells.
    """
    wanted: dict[tuple[str, str], list[tuple[Cell, Mapping[str, object]]]] = {}
    for cell in cells:
        wanted.setdefault((cell.model, cell.attack), []).append((cell, _describe(cell)))
    found: dict[Place, Claim] = {}
    for claim in claims:
        head = _read_head(claim)
        if claim["metric"] not in FIGURES or head is None:
            continue
        for cell, record in wanted.get(head, ()):
            place = make_place(cell, claim["metric"])
            if dict(claim["thresholds"]) == record and (place not in found or _rank(claim) > _rank(found[place])):
                found[place] = claim
    return found


def make_place(cell: Cell, figure: str) -> Place:
    """Return what a figure of a cell is known by."""
    return cell.model, cell.attack, cell.preset, figure


def list_figures(cell: Cell, cores: Collection[str]) -> list[str]:
    """Return what a cell states: a model with a core shows no gradients, and a model's flips are its own."""
    return [figure for figure, has in ((ACCURACY, True), (TRANSFER, cell.model != TARGET),
                                       (TAU, cell.model not in cores)) if has]


def count_explained(cell: Cell, options: Options) -> int | None:
    """Return how many texts of a cell are explained: as many as in FLAT's Table 3, at most those attacked."""
    counts = [n for n in (TEXTS.get((DATASET, cell.model.split("/")[1])), count_examples(cell, options))
              if n is not None]
    return min(counts, default=None)


def find_proved(claims: Iterable[Claim]) -> dict[str, Claim]:
    """Return the claims of certified accuracy on our test set, by model."""
    return {claim["details"]["model"]: claim for claim in claims if claim["metric"] == PROVED
            and (claim["details"].get("dataset"), claim["details"].get("split")) == (DATASET, SPLIT)}


def find_clean(claims: Iterable[Claim]) -> dict[str, Claim]:
    """Return for each model the claim whose rows say its accuracy on most of our test texts, before any attack."""
    found: dict[str, Claim] = {}
    for claim in claims:
        head = _read_head(claim) if claim["metric"] in ("accuracy", *FIGURES[::2]) else None
        # Rows about explanations may say nothing of accuracy.
        if head is None or "accuracy" not in read_rows(claim)[0]:
            continue
        if _count_texts(claim) > (_count_texts(found[head[0]]) if head[0] in found else (0, 0)):
            found[head[0]] = claim
    return found


def make_filter(experiment: str) -> Callable[[Claim], bool]:
    """Return what tells the claims of an experiment from those of all others."""
    return lambda claim: claim["details"].get("experiment") == experiment


def read_rows(claim: Claim) -> list[Mapping]:
    """Return the rows of a claim, one a training and, of explanations, a choice of texts."""
    return claim["details"].get("rows") or [claim["details"]]


def _read_head(claim: Claim) -> tuple[str, str] | None:
    """Return model and attack of a claim about our test set; None of any other."""
    first = read_rows(claim)[0]
    if not isinstance(first, Mapping) or (first.get("dataset"), first.get("split")) != (DATASET, SPLIT):
        return None
    if claim["metric"] == TAU and first.get("explain") != EXPLAINER:
        return None
    model = claim["details"].get("model", first.get("model"))
    attack = claim["details"].get("attack", first.get("attack"))
    return (str(model), str(attack or "")) if model else None


def _describe(cell: Cell) -> Mapping[str, object]:
    return to_record(make_attack(cell))


def _rank(claim: Claim) -> tuple[bool, int, int]:
    return not list_superseded(claim), len(claim["seeds"]), claim["n"]


def _count_texts(claim: Claim) -> tuple[int, int]:
    return int(read_rows(claim)[0].get("n", 0)), len(claim["seeds"])
