"""The FLAT paper's tables of interpretations, made from stored runs: Tables 3 and 8, Figure 6."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from robust_core import metrics, stability
from robust_core.store import ResultStore


class Experiment(NamedTuple):
    """What `evaluate` must have run for a table: the attacks and explainers by name."""

    attacks: tuple[str, ...]
    explain: tuple[str, ...]


TABLE_3 = Experiment(("textfooler", "pwws"), ("ig",))
TABLE_8 = Experiment(("textfooler",), ("lime",))
FIGURE_6 = Experiment(("textfooler", "pwws"), ("ig", "lime"))


def rows(store: ResultStore, wanted: Experiment, dataset: str | None = None, split: str = "test",
         models: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the rows that `evaluate --explain` gave for these attacks and explainers, from the store alone.

    Args:
        store: The store.
        wanted: Attacks and explainers.
        dataset: Name of a data set; None takes all.
        split: train, dev or test.
        models: Ids of models; none takes all.

    Returns:
        Two rows, of all pairs of texts and of the changed ones, for each stored run, sorted by data set, attack, model
        and explainer: model, dataset, split, attack, explain, pairs, accuracy_under_attack, kendall_tau, top_k,
        top_k_random, each with its standard error, n, compared, seed, run, device, precision, parameters and warnings.
        A run with texts that still wait for their explanation says so in its warnings.
    """
    found = [row for of in stability.stored(store) if _matches(of, wanted, dataset, split, models)
             for row in _rows(store, of)]
    return sorted(found, key=lambda r: (r["dataset"], r["attack"], r["model"], r["explain"], r["run"], r["pairs"]))


def _matches(of: stability.Explained, wanted: Experiment, dataset: str | None, split: str,
             models: Sequence[str]) -> bool:
    data = of.run.data
    return (of.run.method["name"] in wanted.attacks and of.method["name"] in wanted.explain
            and dataset in (None, data.get("dataset")) and data.get("split") == split
            and (not models or of.model in models))


def _rows(store: ResultStore, of: stability.Explained) -> Iterator[dict[str, Any]]:
    results = [r for r in store.each(of.run_id) if r.status != "stopped"]
    found = store.comparisons(of.run_id, of.method)
    waiting = [r for r in results if r.example.uid not in found and r.perturbed != r.example.text]
    missing = {r.example.uid for r in waiting}
    explained = [r for r in results if r.example.uid not in missing]
    head = {"model": of.model, "dataset": of.run.data["dataset"], "split": of.run.data["split"],
            "attack": of.run.method["name"], "seed": of.run.seed, "run": of.run_id, "device": of.run.device,
            "precision": of.run.data.get("precision", "exact"), "parameters": dict(of.run.method),
            "explainer": dict(of.method)}
    for columns in stability.columns(of.method["name"], explained, found):
        if waiting:
            columns["warnings"] = [f"{len(waiting)} of {len(results)} texts still wait for their explanation: run "
                                   "evaluate again.", *columns["warnings"]]
        yield head | metrics.summary(explained) | columns


def table3(store: ResultStore, **choice: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (as `rows`)
    """Return accuracy under attack, Kendall's tau and top-5 intersection under integrated gradients; see `rows`."""
    return rows(store, TABLE_3, **choice)


def table8(store: ResultStore, **choice: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return Kendall's tau and top-5 intersection under LIME; see `rows`."""
    return rows(store, TABLE_8, **choice)


def figure6(store: ResultStore, **choice: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return top-k intersection for k from 1 to 10: a row for each k, beside what random orders give."""
    names = ("model", "dataset", "split", "attack", "explain", "pairs", "seed", "run", "compared")
    return [{name: row[name] for name in names} | {
                "k": int(k), "top_k": row["top_k"][k], "top_k_se": row["top_k_se"][k],
                "top_k_random": row["top_k_random"][k], "top_k_random_se": row["top_k_random_se"][k]}
            for row in rows(store, FIGURE_6, **choice) for k in row["top_k"]]
