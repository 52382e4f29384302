"""RobustSentEmbed without each term of its loss."""

import statistics
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from robust_core.claims.derivation import average_tasks
from robust_core.claims.markdown import format_percent, format_table
from robust_core.encoder_training import specs
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import Claim, Options, choose_known
from robust_core.experiments.presence import describe_encoders, read_seed
from robust_core.experiments.rse.tables import (
    SOURCE,
    EncoderTable,
    describe_corpus,
    describe_learning,
    list_present,
    measure,
    order_encoders,
)
from robust_core.models import encoder_cards
from robust_core.store import ResultStore

# (name, title, what is switched off); the first is the whole loss, the last is all that SimCSE has.
SETTINGS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("robustsentembed", "whole loss", {}),
    ("robustsentembed-no-positive", "no adversarial positives", {"positive": False}),
    ("robustsentembed-no-regulariser", "no regulariser", {"regulariser": 0.0}),
    ("robustsentembed-no-detection", "no replaced-token detection", {"detection": 0.0}),
    ("simcse", "none of them (SimCSE)", {}))
_ELSEWHERE = ("robustsentembed", "simcse")
ATTACKS = ("textfooler", "fgsm", "pgd")


@EXPERIMENTS.register("rse/ablation", title="RobustSentEmbed, ablation", source=SOURCE)
class Ablation(EncoderTable):
    """What each term of RobustSentEmbed's loss does: STS average, and attack success on classifiers.

    Every setting learns from the sentences and by the schedule of the `robustsentembed` that is here. The whole loss
    and SimCSE are measured by `rse/sts` and `rse/attacks`, whose claims the table takes; here only if --model names
    them.
    """

    kind, metric, tasks = "sts", "spearman", {}

    def wanted(self) -> dict[str, specs.EncoderSpec | None]:
        """Return the encoders by name, each with its training."""
        card = next((card for card in encoder_cards.cards() if card.id == "robustsentembed"), None)
        given = {} if card is None else dict(card.schedule)
        sentences = None if card is None else int(card.corpus["n"])
        return {
            name: specs.parse_spec(name.partition("-")[0], "", given | off, name if "-" in name else "", 0, sentences)
            for name, _, off in SETTINGS
        }

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Measure the encoders that are here."""
        names = choose_known(
            [name for name in self.wanted() if options.models or name not in _ELSEWHERE], options.models, "encoder"
        )
        attacks = tuple(choose_known(list(ATTACKS), options.attacks, "attack"))
        found = yield from list_present(self, names, options, stop)
        for name, ids in found.items():
            measured = yield from measure(ids, ["sts", "attacks"], attacks, options, store, stop)
            if stop.is_set():
                return
            yield Event("claim", "", name, self._claim(name, ids, measured.rows, options))

    def _claim(self, name: str, ids: Sequence[str], rows: Sequence[Mapping[str, Any]], options: Options) -> Claim:
        return self.make_claim(
            options, ("--model", name), metric="spearman", statement=f"mean spearman of {name}", models=ids,
            thresholds={}, rests_on=describe_encoders(ids),
            details={"model": name, "rows": list(rows), "trained": describe_corpus(ids[0])})

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a setting."""
        mine = self.mine(found)
        if not mine:
            return ""
        seeds = {seed for claim in mine for seed in claim["seeds"]}
        mine += [claim for name in _ELSEWHERE if all(c["details"]["model"] != name for c in mine)
                 if (claim := _find_elsewhere(found, name, seeds))]
        titles = {name: title for name, title, _ in SETTINGS}
        lines = [[titles[c["details"]["model"]], format_percent(c["value"], c["value_se"]),
                  *(_read_success(c["details"]["rows"], attack) for attack in ATTACKS), describe_learning(c),
                  ", ".join(map(str, c["seeds"])), describe_again([self.file(c)], [c])]
                 for c in order_encoders(mine, list(titles))]
        head = ["Loss", "STS mean", *(f"{name} success %" for name in ATTACKS), "Sentences", "Seeds", "Again"]
        return format_table(head, lines) + f"\n{self.described} {AGAIN}\n\n{write_commands(self.mine(found))}\n"


def _find_elsewhere(found: Sequence[Claim], name: str, seeds: Collection[int]) -> Claim | None:
    """Return what the tables of similarity and of attacks state of an encoder's seeds as one claim, if they do."""
    stated = {kind: [c for c in found if c["details"].get("experiment") == kind and c["details"]["model"] == name]
              for kind in ("rse/sts", "rse/attacks")}
    rows = [row for claims in stated.values() for c in claims for row in c["details"]["rows"]
            if read_seed(row["encoder"]) in seeds]
    similar = [row for row in rows if row["metric"] == "spearman"]
    if not similar:
        return None
    claim, ids = stated["rse/sts"][0], list(dict.fromkeys(row["encoder"] for row in similar))
    value, error, _ = average_tasks(similar)
    return {**claim, "value": value, "value_se": error, "seeds": [read_seed(i) for i in ids],
            "details": claim["details"] | {"rows": rows}}


def _read_success(rows: Sequence[Mapping[str, Any]], attack: str) -> str:
    values = [row["value"] for row in rows if row.get("attack") == attack and row["value"] is not None]
    return format_percent(statistics.fmean(values), None) if values else "–"
