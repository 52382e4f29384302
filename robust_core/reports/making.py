"""A report from the ids of stored runs, for the command line and the app alike."""

from collections.abc import Sequence

from robust_core.errors import BadInput
from robust_core.history.comparison import compare_runs
from robust_core.reports.figures import Load, read_figures
from robust_core.reports.page import make_report
from robust_core.store import ResultStore

MOST_RUNS = 20


def make_runs_report(store: ResultStore, run_ids: Sequence[str], load: Load | None = None) -> str:
    """Return the report of stored runs as one HTML page; the first two are compared where they share texts.

    Args:
        store: The store.
        run_ids: Ids of the runs; one that is named twice counts once.
        load: Gives a classifier by its id, for the certificate of a model that has one; None leaves that out.

    Raises:
        UnknownRun: One is not stored here.
        BadInput: There are none, or too many.
        MissingResource: A table that the figures need is not here.
    """
    chosen = list(dict.fromkeys(run_ids))
    if not 0 < len(chosen) <= MOST_RUNS:
        raise BadInput(f"A report has 1 to {MOST_RUNS} runs, not {len(chosen)}.")
    figures = [read_figures(store, run, load) for run in chosen]
    comparison = None
    if len(chosen) > 1:
        try:
            comparison = compare_runs(store, *chosen[:2])
        except BadInput:
            # Runs on other texts stand beside each other, each for itself.
            comparison = None
    return make_report(figures, comparison)
