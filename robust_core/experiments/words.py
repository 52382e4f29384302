"""Certificates in words: how much of accuracy no swaps of a set can take away."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence

from robust_core import datasets
from robust_core.claims.markdown import format_percent, format_table
from robust_core.errors import BadInput
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import ERRORS, Claim, Experiment, Options, choose_known
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import describe_data, describe_models, describe_tables
from robust_core.models import cards, loading
from robust_core.resources import swap_sets
from robust_core.store import ResultStore


@EXPERIMENTS.register("own/certified-words", title="Certified accuracy in words",
                      source="https://arxiv.org/abs/1909.00986")
class CertifiedWords(Experiment):
    """Share of test texts that a model classifies correctly and that provably no swaps of a set can flip.

    The bound adds up the worst case of each word, over its swaps and over the states that swaps of other words may
    bring it into (`certify.word_swaps`). Only additive models and models with an additive core have one.
    """

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Certify the test set of each model that has them under each named swap set."""
        from robust_core.certify.word_swaps import measure_certified_accuracy

        if options.attacks:
            raise BadInput("This experiment attacks nothing: leave --attack out.")
        known = {card.id: card for card in cards.cards() if card.is_certified and card.seed == 0}
        # Certificates have no precision to choose.
        options = dataclasses.replace(options, precision="exact")
        for name in choose_known(list(known), options.models, "model"):
            model, dataset = loading.load(name, "cpu"), known[name].dataset
            examples = datasets.load(dataset, "test", options.data_dir)
            chosen = datasets.choose(examples, options.n, seed=0)
            rows = []
            for done, swaps in enumerate(swap_sets.NAMES):
                yield Event("progress", "", name, {"part": f"certificates of {name}", "done": done,
                                                   "total": len(swap_sets.NAMES)})
                if stop.is_set():
                    return
                rows.append(measure_certified_accuracy(model, chosen, swap_sets.read_swap_set(swaps)))
            yield Event("claim", "", name, self.make_claim(
                options, ("--model", name), metric="certified_accuracy",
                statement=f"certified accuracy of {name} on {dataset}/test, no swaps of {rows[0]['swap_set']}",
                models=[name], thresholds={"swap_set": rows[0]["swap_set"]},
                rests_on=describe_models([name]) | describe_data(dataset, "test", examples) | describe_tables(
                    "close-swaps", "neighbours", "wordnet", "stop-words"),
                details={"model": name, "dataset": dataset, "split": "test", "rows": rows[:1], "more": rows[1:]}))

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model and swap set: accuracy, and what is proved of it, by the number of swaps."""
        claims = sorted(self.mine(found), key=lambda claim: claim["details"]["model"])
        if not claims:
            return ""
        counts = list(claims[0]["details"]["rows"][0]["certified_by_swaps"])
        lines = []
        for claim in claims:
            details = claim["details"]
            lines += [[f"`{details['model']}`", row["swap_set"],
                       *(format_percent(row["certified_by_swaps"][k], row["certified_by_swaps_se"][k]) for k in counts),
                       format_percent(row["certified_accuracy"], row["certified_accuracy_se"]),
                       format_percent(row["accuracy"], row["accuracy_se"]), f"{row['n']:,}",
                       describe_again([self.file(claim)], [claim])] for row in (*details["rows"], *details["more"])]
        head = ["Model", "Swap set", *(f"{k} swap{'s' * (k != '1')} %" for k in counts), "Any swaps %", "Clean %", "n",
                "Again"]
        return format_table(head, lines) + "".join(f"\n{note}\n" for note in (
            self.described, "careful: the stored close swaps; close: neighbours with a cosine of at least 0.7; wide: "
            f"all neighbours and all WordNet synonyms. {ERRORS} {AGAIN}", *write_faults(claims),
            write_commands(claims)))
