"""The papers' own figures about models like ours: never mixed with ours, which rest on other vectors and encoders."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.comparison import CLEAN
from robust_core.experiments.flat import table2, table3, table4, table8

_FLAT, _CARL_RAR = "FLAT paper", "CARL and RAR paper"


class PaperFigure(NamedTuple):
    """What a paper states of a model; it gives no errors.

    Attributes:
        paper: Its short name.
        source: Address of the paper.
        table: The tables it stands in.
        dataset: Name of the data set.
        model: Architecture, as the paper calls it.
        defence: Name of the defence and, for those that learn from attacks, of the attack.
        attack: Name of the attack; empty for a model without attacks.
        clean: Accuracy, from 0 to 1; NaN where it gives none.
        attacked: Accuracy under attack, from 0 to 1; NaN without.
        stability: By explainer, Kendall's tau and top-5 intersection.
    """

    paper: str
    source: str
    table: str
    dataset: str
    model: str
    defence: str
    attack: str
    clean: float
    attacked: float
    stability: Mapping[str, tuple[float, float]]


def read_papers() -> list[PaperFigure]:
    """Return the papers' figures on models like those of the leaderboard."""
    return [*_read_flat(), *_read_other_attacks(), *_read_carl_rar()]


def _read_flat() -> Iterator[PaperFigure]:
    source = EXPERIMENTS["flat/table2"].source
    explained = {"ig": table3.list_paper_figures(table3.PAPER), "lime": table3.list_paper_figures(table8.PAPER)}
    for subject in table2.FlatTable2().subjects():
        dataset, architecture, name = subject.id.split("/")
        against = name.partition("-")[2]
        for attack, value in subject.paper.items():
            # Of a model that has learnt from one attack the paper's Tables 2 and 3 give that attack.
            if attack != CLEAN and against in ("", attack):
                pairs = {how: pair for how, read in explained.items() if (pair := read(subject.id, attack)) is not None}
                yield PaperFigure(_FLAT, source, "Tables 2, 3, 8", dataset, table2.STANDS[architecture], name, attack,
                                  subject.paper[CLEAN] / 100, value / 100, pairs)


def _read_other_attacks() -> Iterator[PaperFigure]:
    source = EXPERIMENTS["flat/table4"].source
    for (model, defence), values in table4.PAPER.items():
        name = defence if defence == "base" else f"{defence}-textfooler"
        for attack, value in zip(table4.TITLES, values, strict=True):
            # TextFooler, and PWWS on a base model, stand in Table 3 already, for the models of that table.
            if model not in table2.STANDS.values() or attack != "textfooler" and (attack, defence) != ("pwws", "base"):
                yield PaperFigure(_FLAT, source, "Table 4", "sst2", model, name, attack, math.nan, value / 100, {})


def _read_carl_rar() -> Iterator[PaperFigure]:
    experiment = EXPERIMENTS["carl-rar/table2"]
    for subject in experiment().subjects():
        dataset, _, name = subject.id.split("/")
        if CLEAN in subject.paper:
            yield PaperFigure(_CARL_RAR, experiment.source, "Table 2", dataset, "ALBERT", name, "",
                              subject.paper[CLEAN] / 100, math.nan, {})
