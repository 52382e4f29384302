"""What the store holds of a run, and what is worked out from it: every figure of a report."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from robust_core import datasets, metrics, slices
from robust_core.attacks.presets import CAREFUL, name_preset, write_options
from robust_core.claims.command import make_command
from robust_core.errors import RobustError
from robust_core.evaluation import checks, fluency, meaning_changes, provenance
from robust_core.evaluation.explanation_consistency import (
    Explained,
    list_stored,
    read_scores,
    summarise_comparisons,
)
from robust_core.history.entries import find_preset, find_run
from robust_core.leaderboard.entries import SWAPS
from robust_core.models.cards import Card, cards
from robust_core.protocols import Classifier
from robust_core.resources.swap_sets import read_swap_set
from robust_core.runs import Run, fingerprint_card
from robust_core.store import ResultStore
from robust_core.types import AttackResult, Attribution

Load = Callable[[str], Classifier]
# What a comparison of explanations holds at least.
_NEEDED = {"kendall_tau", "top_k", "top_k_random", "reference", "marks"}


class Explanations(NamedTuple):
    """How alike the explanations of both texts are, by one explainer.

    Attributes:
        method: Record of the explainer.
        all: Columns of `summarise_comparisons` over all texts.
        changed: The same over the texts that the attack changed.
        records: What the store holds of each changed text, by uid.
    """

    method: Mapping[str, Any]
    all: Mapping[str, Any]
    changed: Mapping[str, Any]
    records: Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class RunFigures:
    """A stored run with its figures.

    Args:
        id: Id of the run.
        run: What it depends on.
        started: When it began, in UTC.
        model: Id of the model.
        labels: Names of the classes; empty where they are not known here.
        results: Its results that came to an end.
        row: Columns of `metrics.summary` and `meaning_changes.summarise`, with those of `fluency.summarise_pairs`
            where fluency was measured.
        warnings: What `checks` find, the finding and the advice in each.
        explanations: One for each explainer.
        fluency: Pseudo-perplexity of the original and the adversarial text, by uid, as far as it was measured.
        certificate: Columns of `measure_certified_accuracy`; None where the model has none, or was not looked at.
        remark: Why there is no certificate although the model may have one; or nothing.
        command: Command that gives the run again.
    """

    id: str
    run: Run
    started: str
    model: str
    labels: tuple[str, ...]
    results: tuple[AttackResult, ...]
    row: Mapping[str, Any]
    warnings: tuple[str, ...]
    explanations: tuple[Explanations, ...]
    fluency: Mapping[str, tuple[float, float]]
    certificate: Mapping[str, Any] | None
    remark: str
    command: str

    @property
    def preset(self) -> str:
        """Preset of the attack; empty where its values are of none."""
        return find_preset(self.run.method)

    def find_attributions(self, result: AttackResult) -> tuple[Attribution, Attribution] | None:
        """Return the stored attributions of both texts of a result, by the first explainer that has them."""
        return next((found for one in self.explanations if result.example.uid in one.records
                     and (found := read_scores(result, one.records[result.example.uid], one.method))), None)

    def find_comparison(self, result: AttackResult) -> Mapping[str, Any] | None:
        """Return how alike both texts' explanations are towards the reference label, by the first explainer."""
        return next((one.records[result.example.uid]["reference"] for one in self.explanations
                     if result.example.uid in one.records), None)


def read_figures(store: ResultStore, run_id: str, load: Load | None = None) -> RunFigures:
    """Return a stored run with its figures.

    Args:
        store: The store.
        run_id: Id of the run.
        load: Gives a classifier by its id, for the certificate of a model that has one; None leaves that out.

    Raises:
        UnknownRun: It is not stored here.
        MissingResource: A table that the figures need is not here.
    """
    run = find_run(store, run_id)
    # Without the course of each search, which is most of a result.
    everything = [dataclasses.replace(r, steps=(), curve=()) for r in store.each(run_id)]
    results = [r for r in everything if r.status != "stopped"]
    model = next(iter(run.models), "")
    row = metrics.summary(everything) | meaning_changes.summarise(results)
    readers = [str(method["reader"]) for which, method, _ in store.explained()
               if which == run_id and method["name"] == fluency.METHOD]
    perplexities = fluency.read_stored(store, run_id, readers[0]) if readers else {}
    measured = [perplexities[r.example.uid] for r in results
                if r.status == "succeeded" and r.example.uid in perplexities]
    if measured:
        row |= fluency.summarise_pairs(measured)
    explained = [of for of in list_stored(store) if of.run_id == run_id]
    warnings = checks.find_incomplete(everything, len(everything), []) + checks.list_warnings(everything)
    explanations = tuple(_summarise(store, of, results) for of in explained)
    for one in explanations:
        warnings += [line for line in one.all["warnings"] if line not in warnings]
    if not provenance.is_current(run):
        warnings.append("What this run rests on (engine, tables, encoder or parameters) is not what lies here today. "
                        "Measure it again before you put it beside newer figures.")
    card = next((card for card in cards() if card.id == model), None)
    same = card is not None and fingerprint_card(card) == run.models[model]
    if card is not None and not same:
        warnings.append(f"The model {model} was trained anew since. These figures are of the older one.")
    certificate, remark = _certify(card, same, results, run, load)
    return RunFigures(
        run_id, run, store.started().get(run_id, ""), model, _find_labels(card, run), tuple(results), row,
        tuple(warnings), explanations, perplexities, certificate, remark,
        make_again(run, len(everything), [str(of.method["name"]) for of in explained], bool(measured)))


def _summarise(store: ResultStore, of: Explained, results: list[AttackResult]) -> Explanations:
    # Earlier versions kept less of a comparison; such ones say nothing here.
    records = {uid: record for uid, record in store.comparisons(of.run_id, of.method).items() if _NEEDED <= {*record}}
    # Changed texts that were not explained any more, since somebody stopped it, count nowhere.
    known = [r for r in results if r.example.uid in records or r.perturbed == r.example.text]
    everything, changed = summarise_comparisons(str(of.method["name"]), known, records)
    return Explanations(of.method, everything, changed, records)


def _find_labels(card: Card | None, run: Run) -> tuple[str, ...]:
    if card is not None:
        return card.labels
    try:
        return datasets.describe(str(run.data.get("dataset", ""))).labels
    except RobustError:
        return ()


def _certify(card: Card | None, same: bool, results: list[AttackResult], run: Run, load: Load | None
             ) -> tuple[Mapping[str, Any] | None, str]:
    """Return the certified accuracy on the run's texts, or why there is none although there might be."""
    if card is None or not card.is_certified or load is None:
        return None, ""
    name = str(run.method.get("swaps") or SWAPS.get(find_preset(run.method), CAREFUL))
    if not same:
        return None, "The model was trained anew since, so nothing is proved here of the one that was attacked."
    # Late: it needs torch, and few models have a certificate.
    from robust_core.certify.word_swaps import has_certificate, measure_certified_accuracy

    try:
        swaps = read_swap_set(name)
        if run.method.get("swaps_sha256", swaps.sha256) != swaps.sha256:
            return None, f"The swap set {name} is not here as it was, so nothing is proved for it."
        model = load(card.id)
        if not has_certificate(model):
            return None, ""
        return measure_certified_accuracy(model, [r.example for r in results if r.example.label is not None], swaps), ""
    except RobustError as error:
        return None, f"Nothing could be proved here: {error}"


def make_again(run: Run, n: int, explainers: list[str], with_fluency: bool) -> str:
    """Return the command that measures a run again.

    Args:
        run: The run.
        n: How many texts it has.
        explainers: Names of the explainers whose explanations were compared.
        with_fluency: Whether fluency was measured.
    """
    dataset = str(run.data.get("dataset", ""))
    # Where the file of somebody's data set lies, nothing here knows.
    source = ["--dataset", dataset] if dataset in datasets.DATASETS or dataset in datasets.list_own() else [
        "--data", "FILE"]
    if run.data.get("split") == slices.SPLIT:
        source = ["--slice", "SLICE"]
    words = [word for model in run.models for word in ("--model", model)]
    words += [*source, "--split", str(run.data.get("split", "test"))] if source[0] == "--dataset" else source
    words += ["--seed", str(run.seed), "--attack", str(run.method["name"])]
    words += write_options(run.method) if find_known(run) else []
    words += ["--swaps", str(run.method["swaps"])] if "swaps" in run.method else []
    words += ["--explain", ",".join(explainers)] if explainers else []
    words += ["--fluency"] * with_fluency
    return make_command("evaluate", *words, n=n, precision=run.data.get("precision", "exact"),
                        data=dataset in datasets.DATASETS and dataset != "reviews")


def find_known(run: Run) -> bool:
    """Return whether the attack of a run is known here, so that its parameters can be written as options."""
    try:
        name_preset(run.method)
    except RobustError:
        return False
    return True
