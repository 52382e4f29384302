"""FLAT, Table 3: are explanations by integrated gradients as stable as predictions under TextFooler and PWWS?"""

import threading
from collections.abc import Iterator, Mapping, Sequence

from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Claim, Options, Subject
from robust_core.experiments.consistency import (
    Consistency,
    PaperFigures,
    Question,
    measure_consistency,
    write_consistency_table,
)
from robust_core.experiments.flat.table2 import DATA, STANDS, FlatTable2
from robust_core.store import ResultStore

# Gradients of MiniLM cost most: fewer texts, the same for all models.
TEXTS: Mapping[tuple[str, str], int | None] = {
    ("sst2", "cnn"): None, ("sst2", "lstm"): None, ("sst2", "minilm"): 400,
    ("trec", "cnn"): None, ("trec", "lstm"): None, ("trec", "minilm"): 150,
    ("ag_news", "cnn"): 500, ("ag_news", "lstm"): 500, ("ag_news", "minilm"): 100}
QUESTION = Question("ig", ("textfooler", "pwws"), TEXTS)

# (Kendall's tau, top-5 intersection) on DATA, by (architecture, defence, attack).
PAPER: Mapping[tuple[str, str, str], tuple[tuple[float, float], ...]] = {
    ("lstm", "base", "textfooler"): ((.46, .68), (.76, .81), (.62, .89)),
    ("lstm", "adversarial", "textfooler"): ((.49, .68), (.76, .82), (.51, .87)),
    ("lstm", "flat", "textfooler"): ((.58, .75), (.82, .86), (.68, .90)),
    ("cnn", "base", "textfooler"): ((.46, .69), (.55, .62), (.68, .91)),
    ("cnn", "adversarial", "textfooler"): ((.52, .72), (.55, .62), (.71, .92)),
    ("cnn", "flat", "textfooler"): ((.70, .82), (.61, .67), (.87, .96)),
    ("minilm", "base", "textfooler"): ((.35, .56), (.39, .48), (.44, .87)),
    ("minilm", "adversarial", "textfooler"): ((.33, .56), (.25, .40), (.52, .89)),
    ("minilm", "flat", "textfooler"): ((.44, .64), (.45, .53), (.58, .90)),
    ("lstm", "base", "pwws"): ((.51, .71), (.82, .86), (.66, .90)),
    ("lstm", "adversarial", "pwws"): ((.57, .74), (.84, .88), (.61, .88)),
    ("lstm", "flat", "pwws"): ((.60, .75), (.85, .89), (.79, .94)),
    ("cnn", "base", "pwws"): ((.53, .72), (.57, .64), (.71, .91)),
    ("cnn", "adversarial", "pwws"): ((.57, .73), (.56, .63), (.76, .92)),
    ("cnn", "flat", "pwws"): ((.58, .74), (.91, .93), (.77, .93)),
    ("minilm", "base", "pwws"): ((.37, .57), (.28, .40), (.52, .87)),
    ("minilm", "adversarial", "pwws"): ((.37, .58), (.29, .40), (.45, .86)),
    ("minilm", "flat", "pwws"): ((.44, .64), (.30, .42), (.64, .90)),
}


@EXPERIMENTS.register("flat/table3", title="FLAT, Table 3", source="https://arxiv.org/abs/2203.12709")
class FlatTable3(Consistency):
    """Kendall's tau and top-5 intersection of integrated gradients under TextFooler and PWWS, base against defences.

    Differs: the models' training, as in `flat/table2` (half of the texts attacked in two rounds, the paper: all in
    three to five); MiniLM stands in for BERT and is explained on fewer texts; IMDB is left out; baseline and steps of
    integrated gradients are our own, since the paper names neither. Differences to base are paired over originals.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return the models of Table 2."""
        return FlatTable2().subjects()

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack and explain."""
        yield from measure_consistency(self, QUESTION, options, store, stop)

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model and attack."""
        return write_consistency_table(self, found, STANDS, list_paper_figures(PAPER))


def list_paper_figures(paper: Mapping[tuple[str, str, str], tuple[tuple[float, float], ...]]) -> PaperFigures:
    """Return a function from a model's id and an attack to the paper's (tau, intersection), if it has them."""
    def of(model: str, attack: str) -> tuple[float, float] | None:
        dataset, architecture, name = model.split("/")
        defence, _, against = name.partition("-")
        # The paper attacks a defended model with the attack that it has learnt from.
        found = paper.get((architecture, defence, attack)) if against in ("", attack) else None
        return None if found is None else found[DATA.index(dataset)]

    return of
