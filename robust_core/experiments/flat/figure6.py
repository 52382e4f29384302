"""FLAT, Figure 6: top-k intersection of integrated gradients under TextFooler, for k from 1 to 10."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence

from robust_core.claims.markdown import format_decimal, format_table
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import Claim, Options, Subject
from robust_core.experiments.consistency import Consistency, format_figure, measure_consistency
from robust_core.experiments.flat import table3
from robust_core.experiments.flat.table2 import FlatTable2
from robust_core.store import ResultStore

QUESTION = dataclasses.replace(table3.QUESTION, attacks=("textfooler",), headline="top_5")
KS = range(1, 11)
PAIRS = {"all": "all", "changed": "changed only"}


@EXPERIMENTS.register("flat/figure6", title="FLAT, Figure 6", source="https://arxiv.org/abs/2203.12709")
class FlatFigure6(Consistency):
    """Top-k intersection of integrated gradients under TextFooler against k, beside a random order of the words.

    It shares its computations, and what differs, with `flat/table3`. The paper draws curves and prints no figures for
    them.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return the models of Table 2 that are measured under TextFooler."""
        return [subject for subject in FlatTable2().subjects() if "textfooler" in subject.attacks]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack and explain."""
        yield from measure_consistency(self, QUESTION, options, store, stop)

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model and kind of pairs, and for each kind what random orders give."""
        claims = {claim["details"]["model"]: claim for claim in self.mine(found)}
        if not claims:
            return ""
        head = ["Model", "Pairs", *(f"k = {k}" for k in KS), "n", "Again"]
        lines: list[list[str]] = []
        models = [subject.id for subject in self.subjects() if subject.id in claims]
        for dataset in dict.fromkeys(model.split("/")[0] for model in models):
            mine = [model for model in models if model.startswith(dataset + "/")]
            for pairs in PAIRS:
                lines += [[*_write_line(f"`{model}`", claims[model], pairs, False),
                           describe_again([self.file(claims[model])], [claims[model]])] for model in mine]
                lines.append([*_write_line(f"*random order, {dataset}*", claims[mine[0]], pairs, True), ""])
        return format_table(head, lines) + (
            "\nShare of the k first words that both versions of a text have, ± standard error, over all texts (an "
            "unchanged one counts as 1) and over the changed ones. Random orders: on the texts of the line above them "
            f"that stands first. {AGAIN}\n\n{self.described}\n\n{write_commands(list(claims.values()))}\n")


def _write_line(name: str, claim: Claim, pairs: str, random: bool) -> list[str]:
    rows = claim["details"]["rows"]
    compared = next(row["compared"] for row in rows if row["pairs"] == pairs)
    shares = [format_figure(rows, pairs, f"top_{k}", random)[:2] for k in KS]
    return [name, PAIRS[pairs], *(format_decimal(value, None if random else error) for value, error in shares),
            f"{compared:,}"]
