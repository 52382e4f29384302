"""DSSN: certified accuracy against L1 radius, best over Lambda, beside randomised splitting and uniform noise."""

import dataclasses
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core import datasets
from robust_core.certify import certified_accuracy, images, training
from robust_core.claims.derivation import Figure
from robust_core.claims.markdown import format_percent, format_table
from robust_core.errors import BadInput, RobustError
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import ERRORS, Claim, Experiment, Options, choose_known, make_missing
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import describe_data, describe_smoothed, describe_tables
from robust_core.store import ResultStore

METHODS = {"dssn": "DSSN", "ssn": "SSN", "uniform": "Uniform noise"}
SEEDS = (0, 1, 2)
SHOWN = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0)


@dataclasses.dataclass(frozen=True)
class Subject:
    """Base classifiers to certify.

    Args:
        dataset: Name of a text or an image set.
        title: Shown in the table.
        radius: The claim's headline radius.
        n: Test inputs to draw; None for all.
        seeds: Seeds of the trainings.
        scales: Lambdas; empty for all that are stored.
        stability: Weight of the stability term in training.
        samples: Votes of the randomised methods; None for as many as DSSN counts.
    """

    dataset: str
    title: str
    radius: float
    n: int | None = None
    seeds: tuple[int, ...] = SEEDS
    scales: tuple[float, ...] = ()
    stability: float = 0.0
    samples: int | None = None


# The stability weight and the 100,000 votes are the paper's; these votes cost, so they are counted on fewer inputs.
SUBJECTS: Mapping[str, Subject] = {
    "digits": Subject("digits", "Digits", 1.0),
    "digits-stable": Subject("digits", "Digits, stabilised", 1.0, stability=6.0),
    "digits-votes": Subject("digits", "Digits, 100,000 random votes", 1.0, n=100, seeds=(0,),
                            scales=(0.25, 0.5, 1.0, 2.0, 4.0), samples=100_000),
    "sst2": Subject("sst2", "SST-2", 0.1),
    "sst2-votes": Subject("sst2", "SST-2, 100,000 random votes", 0.1, n=200, seeds=(0,),
                          scales=(0.25, 0.5, 1.0, 2.0, 4.0), samples=100_000),
    "sst2-stable": Subject("sst2", "SST-2, stabilised", 0.1, stability=6.0),
    "ag_news": Subject("ag_news", "AG News", 0.1, n=2_000),
    "ag_news-stable": Subject("ag_news", "AG News, stabilised", 0.1, n=2_000, stability=6.0),
}
# Best over Lambda on CIFAR-10, percent: (radius, (DSSN, SSN, uniform noise)) without and with the stability term.
PAPER: Mapping[bool, Mapping[float, tuple[float, float, float]]] = {
    False: {0.5: (72.25, 70.83, 70.54), 1.0: (63.07, 59.11, 58.43), 2.0: (51.33, 45.84, 43.16),
            4.0: (33.64, 28.76, 17.12)},
    True: {0.5: (71.23, 70.85, 71.09), 1.0: (61.04, 60.28, 60.36), 2.0: (49.39, 48.21, 47.08),
           4.0: (36.46, 34.63, 27.12)}}


@EXPERIMENTS.register("dssn/certified-accuracy", title="DSSN, certified accuracy",
                      source="https://arxiv.org/abs/2103.10834")
class DssnCertifiedAccuracy(Experiment):
    """Certified accuracy of DSSN, SSN and uniform noise against L1 radius: the same networks, the best Lambda at each.

    Differs: the inputs are digits of 8 by 8 pixels and sentence embeddings of 8 coordinates, not CIFAR-10 and ImageNet,
    and randomised methods get DSSN's number of votes, except where the paper's 100,000 are named. --model takes a
    subject's name. Networks that had to be trained are kept; certificates are computed again.
    """

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Certify each test set."""
        if options.attacks:
            raise BadInput("This experiment attacks nothing: leave --attack out.")
        for name in choose_known(list(SUBJECTS), options.models, "model"):
            subject, rows = SUBJECTS[name], []
            seeds = tuple(range(options.seeds)) if options.seeds > 1 else subject.seeds
            n = subject.n if options.n is None else min(options.n, subject.n or options.n)
            part = f"certificates of {subject.title}"
            total = len(seeds) * len(METHODS) * len(subject.scales or training.SCALES)
            try:
                for row in certified_accuracy.run_experiment(subject.dataset, seeds, scales=subject.scales, n=n,
                                                             data_dir=options.data_dir, stability=subject.stability,
                                                             samples=subject.samples):
                    rows.append(row)
                    yield Event("progress", "", name, {"part": part, "done": len(rows), "total": total})
                    if stop.is_set():
                        return
            except RobustError as error:
                yield make_missing(f"{name} is left out. {error}")
                continue
            yield Event("claim", "", name, self._claim(name, subject, rows, seeds, options))

    def _claim(self, name: str, subject: Subject, rows: list[dict[str, Any]], seeds: Sequence[int], options: Options
               ) -> Claim:
        # Certificates have no precision to choose.
        options = dataclasses.replace(options, precision="exact")
        return self.make_claim(
            options, ("--model", name), metric="certified_accuracy",
            statement=f"Certified accuracy of DSSN at L1 radius {subject.radius:g}, {subject.title} test, best over "
                      "Lambda",
            models=[f"{name}@{seed}" if seed else name for seed in seeds],
            thresholds={"radius": subject.radius, "alpha": 0.001, "samples": subject.samples,
                        "stability": subject.stability},
            rests_on=_describe(subject, seeds, options),
            details={"model": name, "title": subject.title, "dataset": subject.dataset, "split": "test",
                     "radius": subject.radius, "best": list(certified_accuracy.choose_best_scales(rows)), "rows": rows})

    def command(self, options: Options, *words: str, models: Sequence[str] = ()) -> str:
        """Return the command that certifies a test set again; networks that are not here are trained by themselves."""
        return super().command(options, *words)

    def derive(self, metric: str, details: Mapping[str, Any]) -> Figure:
        """Return DSSN's certified accuracy at the claim's radius, with the best Lambda there."""
        best = next(b for b in certified_accuracy.choose_best_scales(details["rows"])
                    if b["method"] == "dssn" and b["radius"] == details["radius"])
        return Figure(best["value"], best["value_se"], best["n"])

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a test set and radius; Lambda, votes and milliseconds an input stand below each figure."""
        claims = {claim["details"]["model"]: claim for claim in self.mine(found)}
        if not claims:
            return ""
        lines = []
        for name in SUBJECTS:
            if name in claims:
                again = describe_again([self.file(claims[name])], [claims[name]])
                lines += [[*line, again] for line in _write_lines(claims[name], SUBJECTS[name])]
        head = ["Test set", "Radius", *METHODS.values(), "*paper on CIFAR-10: DSSN / SSN / uniform*", "Largest class %",
                "n", "Seeds", "Again"]
        return format_table(head, lines) + "".join(f"\n{text}\n" for text in (
            "Percent of the test inputs whose answer is right and certified at that L1 radius (coordinates from 0 to "
            "1), at the best Λ of each radius and method on the same inputs, as in the paper. "
            f"{ERRORS} Below: Λ, votes an input, milliseconds an input on one core that other work shared.",
            "The share of the largest class is what a classifier with one answer for everything certifies at any "
            "radius: figures near it say nothing about the inputs.",
            "The three methods train networks of one size on the same inputs; SSN and uniform noise draw as many votes "
            "as DSSN counts, unless 100,000 are named, and their statements hold with probability 99.9 %. Texts are "
            "sentence embeddings in 8 coordinates: a radius there is no number of words. With so few votes SSN and "
            "uniform noise can certify little whatever the inputs, since their confidence bound grows with the votes: "
            "the lines with 100,000 votes are the ones to compare.",
            *write_faults([], [f"smoothed/{SUBJECTS[name].dataset}" for name in claims]),
            f"{self.described} {AGAIN}", write_commands(list(claims.values()))))


def _describe(subject: Subject, seeds: Sequence[int], options: Options) -> dict[str, str]:
    """Return the hashes of the networks, of the test inputs and, for texts, of the encoder."""
    networks = describe_smoothed(training.name_model(subject.dataset, seed, subject.stability) for seed in seeds)
    if subject.dataset in images.IMAGES:
        return networks | describe_tables()
    examples = datasets.load(subject.dataset, "test", options.data_dir)
    return networks | describe_data(subject.dataset, "test", examples) | describe_tables("sentence-encoder")


def _write_lines(claim: Claim, subject: Subject) -> Iterator[list[str]]:
    best = {(row["method"], row["radius"]): row
            for row in certified_accuracy.choose_best_scales(claim["details"]["rows"])}
    largest = claim["details"]["rows"][0]["largest_class"]
    for radius in SHOWN:
        cells = [best[method, radius] for method in METHODS]
        # From the radius on at which no method beats one answer for everything, there is nothing to see.
        if all(row["value"] <= largest + 0.005 for row in cells) and radius > 2 * subject.radius:
            break
        theirs = PAPER[subject.stability > 0].get(radius)
        yield [subject.title, f"{radius:g}", *(_write_cell(row) for row in cells),
               "–" if theirs is None else "*" + " / ".join(f"{figure:.2f}" for figure in theirs) + "*",
               format_percent(largest, None), f"{claim['n']:,}", ", ".join(map(str, claim["seeds"]))]


def _write_cell(row: Mapping[str, Any]) -> str:
    return (f"{format_percent(row['value'], row['value_se'])}<br>Λ {row['scale']:g}, {row['evaluations']:,} votes, "
            f"{1000 * row['seconds']:.1f} ms")
