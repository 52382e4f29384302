"""A search of ours against TextAttack's: python -m bench.against --attack gene [--n 100] [--budget 2000] [--json].

Both get the same sentences, victim, substitutes, stop words and budget of queries, and the same limit on changed words.
What differs is the search, so the paired difference in success says whether ours finds as much; queries say at what
cost. Sentences that the victim gets wrong are left out.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from bench.program import describe_ground, name_data, run_program
from robust_core import datasets, encoders
from robust_core.attacks import ATTACKS
from robust_core.attacks.textattack import parts, recipes
from robust_core.claims.files import write_claim
from robust_core.models import loading
from robust_core.registry import to_record
from robust_core.text import Draft
from robust_core.types import AttackResult, Example

SEARCHES = ("gene", "iga", "pso", "clare", "pwws", "bae", "textfooler", "bad-characters", "a2t", "hotflip",
            "faster-alzantot")


def theirs(attack: Any, model: Any, encoder: Any, results: list[AttackResult],  # noqa: ANN401
           seed: int) -> list[tuple[bool, int]]:
    """Return for each result of ours whether TextAttack flips the same sentence, and its queries."""
    import torch

    search = recipes.build_recipe(to_record(attack), parts.wrap_victim(model.predict_proba, model),
                                  parts.make_alike(encoder.encode))
    search.goal_function.query_budget = attack.max_queries or float("inf")
    found = []
    for k, result in enumerate(results):
        random.seed(1000 * seed + k)
        np.random.seed(1000 * seed + k)  # noqa: NPY002 (TextAttack uses the global generator)
        torch.manual_seed(1000 * seed + k)
        last = search.attack(result.example.text, result.reference_label).perturbed_result
        flipped = int(model.predict_proba([last.attacked_text.text])[0].argmax()) != result.reference_label
        found.append((flipped, int(last.num_queries)))
    return found


def compare(name: str, model: Any, examples: list[Example], budget: int, seed: int) -> dict[str, Any]:  # noqa: ANN401
    """Return both success rates, their paired difference with its standard error, and the mean queries."""
    attack, encoder = ATTACKS[name](max_queries=budget), encoders.load_default()
    results = [e.result for e in attack.run([model], examples, seed=seed, encoder=encoder) if e.result]
    results = [result for result in results if result.status != "skipped"]
    other = theirs(attack, model, encoder, results, seed)
    ours = np.array([result.status == "succeeded" for result in results], dtype=float)
    gap = ours - np.array([flipped for flipped, _ in other], dtype=float)
    return {"attack": name, "victim": model.id, "n": len(gap), "budget": budget, "ours": float(ours.mean()),
            "theirs": float((ours - gap).mean()), "difference": float(gap.mean()),
            "difference_se": float(gap.std(ddof=1) / np.sqrt(len(gap))),
            "queries": float(np.mean([result.queries for result in results])),
            "queries_theirs": float(np.mean([queries for _, queries in other])),
            "forward_passes": float(np.mean([result.forward_passes for result in results]))}


def main() -> None:
    """Print a row for each attack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attack", action="append", choices=SEARCHES)
    parser.add_argument("--victim", default="sst2/cnn/base")
    parser.add_argument("--data", default="sst2")
    parser.add_argument("--data-dir")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--most-words", type=int, default=0, help="leave longer sentences out; 0 sets no limit")
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="seed of both searches; sentences stay the same")
    parser.add_argument("--out", help="folder of the claims, a file for each attack")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    pool = [e for e in datasets.load(args.data, "test", args.data_dir)
            if not args.most_words or len(Draft.of(e.text).words) <= args.most_words]
    random.Random(0).shuffle(pool)
    parts.prepare()
    model = loading.load(args.victim)
    rows = []
    for name in args.attack or SEARCHES:
        rows.append(compare(name, model, pool[: args.n], args.budget, args.seed))
        if not args.json:
            print("{attack} on {victim}, {n} sentences, budget {budget}: success {ours:.3f} against {theirs:.3f}, "
                  "paired difference {difference:+.3f} ± {difference_se:.3f}; queries {queries:.0f} against "
                  "{queries_theirs:.0f}, forward passes {forward_passes:.0f}".format(**rows[-1]), flush=True)
    if args.json:
        print(json.dumps({"results": rows}))
    if args.out:
        for row in rows:
            claim(row, args)


def claim(row: dict[str, Any], args: argparse.Namespace) -> None:
    """Write a row as a claim: a file for each attack."""
    words = f" --most-words {args.most_words}" if args.most_words else ""
    more = words + (f" --seed {args.seed}" if args.seed else "")
    write_claim(Path(args.out) / f"against-{row['attack']}.json",
                claim=f"{row['attack']} flips as many texts as TextAttack's search at one budget of queries",
                command=f"python -m bench.against --attack {row['attack']} --n {args.n} --budget {args.budget}{more}"
                        + name_data(args),
                rests_on=describe_ground([row["victim"]], [(args.data, "test")], [row["attack"]], args.data_dir),
                run="", n=row["n"], seeds=[args.seed], metric="success_difference", value=row["difference"],
                value_se=row["difference_se"], thresholds=to_record(ATTACKS[row["attack"]](max_queries=args.budget)),
                details=row)


if __name__ == "__main__":
    run_program(main)
