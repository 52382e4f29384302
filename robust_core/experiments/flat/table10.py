"""FLAT, Table 10: the control whose masks are shared by groups of similar words, CNN on AG News under TextFooler."""

import threading
from collections.abc import Iterator, Sequence

from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Claim, Experiment, Options, Subject
from robust_core.experiments.budgets import plan_training
from robust_core.experiments.comparison import CLEAN, compare_models, write_comparison_table
from robust_core.store import ResultStore

# (clean accuracy, accuracy under attack), percent, by number of groups.
PAPER = {10: (91.13, 1.20), 20: (90.97, 1.92), 30: (91.13, 1.40), 40: (91.13, 1.46), 50: (91.09, 1.38)}


@EXPERIMENTS.register("flat/table10", title="FLAT, Table 10", source="https://arxiv.org/abs/2203.12709")
class FlatTable10(Experiment):
    """Words of a group share one learnt factor: does that alone protect against attacks? The paper says it does not.

    Differs: groups are made from the packaged neighbours; the models learn from a fixed draw of AG News.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return base and one model a number of groups."""
        base = Subject(plan_training("ag_news", "cnn"), ("textfooler",), {CLEAN: 91.32, "textfooler": 8.74})
        return [base, *(Subject(plan_training("ag_news", "cnn", "flat", preset="group-masks", groups=groups),
                                ("textfooler",), {CLEAN: clean, "textfooler": attacked})
                        for groups, (clean, attacked) in PAPER.items())]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Measure the models."""
        yield from compare_models(self, self.subjects(), options, store, stop)

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a number of groups."""
        return write_comparison_table(self, found, "FLAT paper", {})
