"""What it takes to measure an entry again here: its data, its models, the tables it was measured with."""

from pathlib import Path

from robust_core import datasets
from robust_core.claims.files import Claim, read_claims
from robust_core.errors import MissingResource, RobustError, list_names
from robust_core.experiments.again import list_trained
from robust_core.experiments.draw import DIFFERS, EQUAL, WITHIN, Outcome
from robust_core.experiments.presence import shipped
from robust_core.experiments.superseded import list_superseded
from robust_core.files import check_name
from robust_core.paths import RESULTS


def read_source(file: str, folder: Path = RESULTS) -> Claim:
    """Return the claim of a file in results/.

    Raises:
        BadInput: It is gone or damaged, or the name leads elsewhere.
    """
    return read_claims([folder / check_name(file, "file of a claim")])[0]


def list_obstacles(claim: Claim) -> list[str]:
    """Return, a line each, what is missing here to measure a claim again; empty where nothing is.

    It is measured in an empty store, so what counts as here are the models that come with the project.
    """
    missing = []
    absent = [model for model in list_trained(claim) if model not in shipped()]
    if absent:
        missing.append(f"Its trainings {list_names(absent)} do not come with the project: the command trains them "
                       "first, which takes long. Run it on the command line.")
    for name in claim.get("rests_on", {}):
        kind, _, what = name.partition(" ")
        if kind == "data":
            dataset, _, split = what.partition("/")
            try:
                datasets.find(dataset, split)
            except MissingResource as error:
                missing.append(str(error))
            except RobustError as error:
                missing.append(f"The data {what} cannot be read: {error}")
    return missing


def list_cautions(claim: Claim) -> list[str]:
    """Return, a line each, why measuring a claim again may give another figure although nothing went wrong."""
    return [f"It was measured with {was}; now the packed one is used, so another figure is no fault."
            for was in list_superseded(claim)]


def describe_outcome(outcome: Outcome, stored_error: float) -> str:
    """Say in one line whether a figure that was measured again agrees with the stored one.

    Args:
        outcome: What measuring it again gave.
        stored_error: Standard error of the stored figure, as a share.
    """
    now, stored = f"{100 * outcome.again:.1f} %", f"{100 * outcome.stored:.1f} ± {100 * stored_error:.1f} %"
    if outcome.verdict == EQUAL:
        return f"Agrees to the last digit: {now} again, in {outcome.seconds:.0f} s."
    if outcome.verdict == WITHIN:
        return f"Agrees within its error: {now} now, {stored} stored, in {outcome.seconds:.0f} s."
    if outcome.verdict == DIFFERS:
        return f"Differs by more than its error: {now} now, {stored} stored, in {outcome.seconds:.0f} s."
    return f"It could not be measured again: {outcome.note or outcome.verdict}."
