"""CARL and RAR, Table 2: clean accuracy of base, FreeLB, CARL and RAR; beside it accuracy under TextFooler."""

import threading
from collections.abc import Iterator, Sequence

from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Claim, Experiment, Options, Subject
from robust_core.experiments.budgets import plan_training
from robust_core.experiments.comparison import CLEAN, compare_models, write_comparison_table
from robust_core.store import ResultStore

# Clean accuracy, percent; the paper has no TREC and attacks no words.
PAPER = {"sst2": {"base": 92.16, "freelb": 93.23, "carl": 93.77, "rar": 93.73},
         "ag_news": {"base": 89.90, "freelb": 90.85, "carl": 92.05, "rar": 91.75}}


@EXPERIMENTS.register("carl-rar/table2", title="CARL and RAR, Table 2",
                      source="https://aclanthology.org/2021.findings-acl.142")
class CarlRarTable2(Experiment):
    """Clean accuracy of base, FreeLB, CARL and RAR, and their accuracy under TextFooler.

    Differs: MiniLM stands in for ALBERT. The paper's SST-2 column is accuracy on dev, the mean of three seeds, of
    models trained on 67,349 phrases, its AG News column that on 2,000 test texts of models trained on 60,000; ours is
    on the whole test sets, one seed, of models trained on 6,920 sentences and on 8,000 texts. TREC is added, Yahoo
    Answers and Yelp are left out.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return the four models of each data set."""
        return [Subject(plan_training(dataset, "minilm", defence), ("textfooler",),
                        {CLEAN: PAPER[dataset][defence]} if dataset in PAPER else {})
                for dataset in ("sst2", "ag_news", "trec") for defence in ("base", "freelb", "carl", "rar")]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Measure the models."""
        yield from compare_models(self, self.subjects(), options, store, stop)

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model."""
        return write_comparison_table(self, found, "CARL and RAR paper", {"minilm": "ALBERT"})
