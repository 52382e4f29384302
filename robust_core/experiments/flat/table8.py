"""FLAT, Table 8: the same question as Table 3, with LIME in the place of integrated gradients."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Claim, Options, Subject
from robust_core.experiments.consistency import (
    Consistency,
    Question,
    measure_consistency,
    write_consistency_table,
)
from robust_core.experiments.flat.table2 import STANDS, FlatTable2
from robust_core.experiments.flat.table3 import list_paper_figures
from robust_core.store import ResultStore

# The paper draws 1,000 pairs; MiniLM gets fewer.
TEXTS: Mapping[tuple[str, str], int | None] = {
    ("sst2", "cnn"): 1_000, ("sst2", "lstm"): 1_000, ("sst2", "minilm"): 150,
    ("trec", "cnn"): None, ("trec", "lstm"): None, ("trec", "minilm"): 150,
    ("ag_news", "cnn"): 500, ("ag_news", "lstm"): 500, ("ag_news", "minilm"): 100}
QUESTION = Question("lime", ("textfooler",), TEXTS)

# (Kendall's tau, top-5 intersection) on flat_table2.DATA.
PAPER: Mapping[tuple[str, str, str], tuple[tuple[float, float], ...]] = {
    ("lstm", "base", "textfooler"): ((.33, .65), (.27, .41), (.20, .83)),
    ("lstm", "adversarial", "textfooler"): ((.36, .67), (.25, .39), (.36, .83)),
    ("lstm", "flat", "textfooler"): ((.39, .69), (.41, .52), (.45, .87)),
    ("cnn", "base", "textfooler"): ((.33, .67), (.25, .37), (.27, .83)),
    ("cnn", "adversarial", "textfooler"): ((.35, .68), (.25, .38), (.32, .84)),
    ("cnn", "flat", "textfooler"): ((.39, .69), (.26, .40), (.40, .87)),
    ("minilm", "base", "textfooler"): ((.14, .55), (.07, .23), (.08, .79)),
    ("minilm", "adversarial", "textfooler"): ((.13, .54), (.07, .23), (.10, .79)),
    ("minilm", "flat", "textfooler"): ((.21, .60), (.11, .25), (.12, .81)),
}


@EXPERIMENTS.register("flat/table8", title="FLAT, Table 8", source="https://arxiv.org/abs/2203.12709")
class FlatTable8(Consistency):
    """Kendall's tau and top-5 intersection of LIME under TextFooler, base against defences, on a fixed draw of texts.

    Differs: as `flat/table3`, the training budget of FLAT and adversarial training included; a removed word becomes the
    mask or unknown id. LIME draws the same words for both versions of a text, so that its own chance does not count as
    unsteadiness.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return the models of Table 2 that are measured under TextFooler."""
        return [subject for subject in FlatTable2().subjects() if "textfooler" in subject.attacks]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack and explain."""
        yield from measure_consistency(self, QUESTION, options, store, stop)

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model."""
        return write_consistency_table(self, found, STANDS, list_paper_figures(PAPER))
