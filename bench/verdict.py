"""Where the verdict "interpretation kept" begins: python -m bench.verdict [--n N] [--out FILE.json].

TextFooler attacks dev sentences of SST-2 on the base models; integrated gradients towards the gold label explain the
original and the perturbed text; the medians of Kendall's tau and top-5 intersection over all changed pairs are the
limits that the app starts with. The standard error of the median is a bootstrap's over texts, since the models share
them.
"""

import argparse
import math
import statistics
from typing import Any

import numpy as np

from bench.program import describe_ground, name_data, run_program
from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.claims.files import write_claim
from robust_core.evaluation.evaluate import choose
from robust_core.explainers import EXPLAINERS
from robust_core.metrics import consistency
from robust_core.models import loading
from robust_core.registry import to_record
from robust_core.text import Draft, align

DRAWS = 2_000


def pairs(model: Any, examples: list[Any]) -> list[dict[str, Any]]:  # noqa: ANN401 (a white box)
    """Return the consistency of each changed pair of one model, with the uid of its text."""
    attack, explainer = ATTACKS["textfooler"](), EXPLAINERS["ig"]()
    results = [e.result for e in attack.run([model], examples) if e.result is not None]
    changed = [r for r in results if r.swaps]
    targets = [r.reference_label for r in changed]
    before = explainer.explain(model, [r.example.text for r in changed], targets)
    after = explainer.explain(model, [r.perturbed for r in changed], targets)
    return [{"uid": r.example.uid} | consistency(a, b, align(Draft.of(a.text).words, Draft.of(b.text).words))
            for r, a, b in zip(changed, before, after, strict=True)]


def main() -> None:
    """Measure the three base models and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    examples = list(choose(datasets.load("sst2", "dev", args.data_dir), args.n, 0))
    everything: list[dict[str, Any]] = []
    rows = {}
    for architecture in ("cnn", "lstm", "minilm"):
        found = pairs(loading.load(f"sst2/{architecture}/base"), examples)
        everything += found
        rows[architecture] = medians(found)
        print(f"{architecture}: {rows[architecture]}")
    rows["all"] = medians(everything)
    print(f"all: {rows['all']}")
    if args.out:
        middle, error = estimate_median(everything)
        write_claim(args.out, claim="Median consistency of integrated gradients under TextFooler, base models, dev",
                    command=f"python -m bench.verdict --n {args.n}{name_data(args)}", run="", n=len(everything),
                    seeds=[0], rests_on=describe_ground(
                        [f"sst2/{name}/base" for name in rows if name != "all"], [("sst2", "dev")], ["textfooler"],
                        args.data_dir),
                    metric="kendall_tau_median", value=middle, value_se=error,
                    thresholds=to_record(ATTACKS["textfooler"]()), details=rows)


def estimate_median(found: list[dict[str, Any]]) -> tuple[float, float]:
    """Return the median of tau over all pairs, and its standard error over texts drawn anew.

    Source: the bootstrap for clusters (Efron and Tibshirani 1993, An Introduction to the Bootstrap), a text a cluster.
    """
    by_text: dict[str, list[float]] = {}
    for pair in found:
        if math.isfinite(pair["kendall_tau"]):
            by_text.setdefault(pair["uid"], []).append(pair["kendall_tau"])
    texts, rng = list(by_text.values()), np.random.default_rng(0)
    drawn = [statistics.median(tau for i in rng.integers(len(texts), size=len(texts)) for tau in texts[i])
             for _ in range(DRAWS)]
    return statistics.median(tau for taus in texts for tau in taus), statistics.stdev(drawn)


def medians(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return the number of pairs and the medians of tau and top-5."""
    tau = [v["kendall_tau"] for v in found if math.isfinite(v["kendall_tau"])]
    return {"pairs": len(found), "kendall_tau": round(statistics.median(tau), 3),
            "top_5": round(statistics.median(v["top_k"][5] for v in found), 3)}


if __name__ == "__main__":
    run_program(main)
