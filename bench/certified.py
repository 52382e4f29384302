"""Certified L1 radii, put to the test: python -m bench.certified WHAT --dataset D [--out results].

search: an L1 search for flips just inside and just outside the certified radius of every test input.
attacks: how far word substitution attacks moved the quantised vector, against the certified radius.
speed: seconds to certify a typed review at five Lambdas, encoder included.

Certified accuracy itself: python -m robust_core reproduce dssn/certified-accuracy.
"""

import argparse
import shlex
import statistics
import time
from pathlib import Path
from typing import Any

from bench.program import count_by_text, derive_counts, describe_ground, list_counts, run_program
from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.certify import SMOOTHERS, certified_accuracy, flip_search, inputs
from robust_core.claims.command import DATA
from robust_core.claims.files import write_claim
from robust_core.evaluation.evaluate import choose, evaluate
from robust_core.models import loading
from robust_core.store import ResultStore

LAMBDAS = (0.25, 0.5, 1.0, 2.0, 4.0)


def search(args: argparse.Namespace) -> dict[str, Any]:
    """Search for flips around every input and return the claim."""
    model = certified_accuracy.load_or_train(args.dataset, 0, args.data_dir)
    data = inputs.read_split(args.dataset, "test", model.space, args.data_dir, n=args.n)
    rows = []
    for scale in args.scale or (0.5,):
        method = SMOOTHERS["dssn"](scale=scale)
        _, found = certified_accuracy.measure_certified_accuracy(model, data, method)
        rows.append({"scale": scale, **flip_search.search_data_set(model, data, method, found)})
        print(rows[-1], flush=True)
    first = rows[0]
    outside = first["outside"]["one_step_outside"]
    return {"claim": f"An L1 search on {args.dataset}/test flips {sum(r['inside_flips'] for r in rows)} inputs inside "
                     "the certified radius; share that it flips one step outside",
            "metric": "flipped_outside", "n": first["inside"], "seeds": [0], "value": outside,
            "value_se": first["outside_se"]["one_step_outside"], "thresholds": {},
            "details": {"dataset": args.dataset, "split": "test", "rows": rows}}


def attacks(args: argparse.Namespace) -> dict[str, Any]:
    """Attack classifiers (stored results are used again), compare with the radii, and return the claim."""
    model, store, rows = certified_accuracy.load_or_train(args.dataset, 0, args.data_dir), ResultStore(), []
    victims = [loading.load(f"{args.dataset}/{architecture}/base") for architecture in args.victim]
    wanted = {e.uid for e in choose(datasets.load(args.dataset, "test", args.data_dir), args.n, 0)}
    methods = [ATTACKS[name]() for name in args.attack]
    for event in evaluate(victims, args.dataset, "test", methods, n=args.n, data_dir=args.data_dir, store=store):
        if event.kind != "row":
            continue
        results = [r for r in store.each(event.data["run"]) if r.example.uid in wanted]
        for scale in args.scale or LAMBDAS[:3]:
            rows.append(
                {
                    "victim": event.victim,
                    "attack": event.data["attack"],
                    "run": event.data["run"],
                    "scale": scale,
                    **certified_accuracy.compare_moves(model, results, SMOOTHERS["dssn"](scale=scale)),
                }
            )
            print({name: value for name, value in rows[-1].items() if name != "texts"}, flush=True)
    chosen = [r for r in rows if r["scale"] == rows[0]["scale"]]
    # Texts that several classifiers or attacks share are no independent trials: a text is a cluster.
    texts = count_by_text(r["texts"] for r in chosen)
    for row in rows:
        del row["texts"]
    details = {"dataset": args.dataset, "split": "test", "rows": rows, "texts": list_counts(texts)}
    share, error, changed = derive_counts("inside_radius", details)
    return {"claim": f"Share of attacked {args.dataset} texts that moved no further than the certified radius; flipped "
                     f"inside: {sum(r['inside_flipped'] for r in rows)}",
            "metric": "inside_radius", "n": changed, "seeds": [0], "value": share,
            "value_se": error, "thresholds": {"scale": rows[0]["scale"]},
            "details": details, "rests_on": describe_ground([victim.id for victim in victims], [(args.dataset, "test")],
                                                             args.attack, args.data_dir)}


def speed(args: argparse.Namespace) -> dict[str, Any]:
    """Time a typed review at five Lambdas and return the claim."""
    model = certified_accuracy.load_or_train(args.dataset, 0, args.data_dir)
    texts = [e.text for e in choose(datasets.load("reviews", "test"), args.n or 20, 0)]
    certified_accuracy.certify_texts(model, ["warm"], "dssn", LAMBDAS)
    seconds = []
    for text in texts:
        started = time.perf_counter()
        certified_accuracy.certify_texts(model, [text], "dssn", LAMBDAS)
        seconds.append(time.perf_counter() - started)
    middle, slowest = statistics.median(seconds), max(seconds)
    print(f"median {middle:.3f} s, slowest {slowest:.3f} s of {len(texts)} reviews")
    return {"claim": "Seconds to certify a typed review at five Lambdas", "metric": "seconds", "n": len(texts),
            "seeds": [0], "value": middle, "value_se": statistics.stdev(seconds) / len(seconds) ** 0.5,
            "thresholds": {"scales": LAMBDAS}, "details": {"dataset": args.dataset, "slowest": slowest}}


def main() -> None:
    """Measure one thing, print it and export it as a claim."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("search", "attacks", "speed"))
    parser.add_argument("--dataset", default="sst2")
    parser.add_argument("--scale", type=float, action="append", default=[])
    parser.add_argument("--victim", action="append", choices=("cnn", "lstm", "minilm"), help="attacks: what to attack")
    parser.add_argument("--attack", action="append", choices=list(ATTACKS), help="attacks: by which attack")
    parser.add_argument("--n", type=int)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", help="folder for the claim")
    args = parser.parse_args()
    given = [word for name in ("scale", "victim", "attack") for value in getattr(args, name) or ()
             for word in (f"--{name}", f"{value:g}" if name == "scale" else str(value))]
    given += ["--n", str(args.n)] if args.n else []
    name = "-".join(["certified", args.what, args.dataset, *(args.attack or ()), *(args.victim or ())])
    args.victim = args.victim or ["cnn", "minilm"]
    args.attack = args.attack or ["textfooler", "pwws"]
    claim = globals()[args.what](args)
    if args.out:
        command = ["python", "-m", "bench.certified", args.what, "--dataset", args.dataset, *given, "--data-dir", DATA]
        write_claim(Path(args.out) / f"{name}.json", command=shlex.join(command), run="", **claim)


if __name__ == "__main__":
    run_program(main)
