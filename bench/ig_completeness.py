"""How often integrated gradients add up: python -m bench.ig_completeness [--n N] [--out results/ig-completeness.json].

For every text of a split and the class predicted for it, the gap between the sum of the attributions and the change of
the class probability from baseline to text must be at most max(1 % of the change, 0.002).
"""

import argparse
import collections
import shlex
import time

from bench.program import describe_ground, run_program
from robust_core import datasets
from robust_core.claims.command import DATA
from robust_core.claims.files import write_claim
from robust_core.evaluation.evaluate import choose
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import allow_gap
from robust_core.metrics import estimate_proportion
from robust_core.models import loading
from robust_core.registry import to_record


def main() -> None:
    """Measure each model and print one line for it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append")
    parser.add_argument("--dataset", default="sst2")
    parser.add_argument("--split", default="test")
    parser.add_argument("--n", type=int)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", help="folder for one claim a model")
    args = parser.parse_args()
    models = args.model or [f"sst2/{architecture}/base" for architecture in ("cnn", "lstm", "minilm")]
    examples = choose(datasets.load(args.dataset, args.split, args.data_dir), args.n, 0)
    explainer = EXPLAINERS["ig"]()
    for model_id in models:
        model = loading.load(model_id)
        started, found = time.perf_counter(), []
        for start in range(0, len(examples), 64):
            texts = [e.text for e in examples[start: start + 64]]
            targets = model.predict_proba(texts).argmax(1).tolist()
            found += explainer.explain(model, texts, targets)
        kept = sum(a.gap <= allow_gap(a.total) for a in found)
        share, error = estimate_proportion(kept, len(found))
        steps = collections.Counter(a.steps for a in found)
        at_default = estimate_proportion(sum(n for s, n in steps.items() if s == explainer.steps), len(found))[0]
        seconds = time.perf_counter() - started
        print(f"{model_id}: {100 * share:.1f} % of {len(found)} texts within the gap; {100 * at_default:.1f} % with "
              f"{explainer.steps} steps; steps used {dict(sorted(steps.items()))}; {seconds / len(found):.3f} s a text")
        if args.out:
            command = ["python", "-m", "bench.ig_completeness", "--model", model_id, "--dataset", args.dataset]
            command += ["--n", str(args.n)] if args.n else []
            command += ["--data-dir", DATA]
            name = f"ig-completeness-{model_id.replace('/', '-')}.json"
            write_claim(f"{args.out}/{name}", claim=f"Integrated gradients of {model_id} add up on {args.dataset}",
                        command=shlex.join(command), run="", n=len(found), seeds=[0], metric="completeness",
                        value=share, value_se=error, thresholds=to_record(explainer),
                        rests_on=describe_ground([model_id], [(args.dataset, args.split)], (), args.data_dir),
                        details={"model": model_id, "dataset": args.dataset, "split": args.split,
                                 "explain": "ig", "n": len(found), "completeness": share,
                                 "within_gap_at_first_steps": at_default,
                                 "steps": {str(k): v for k, v in sorted(steps.items())}})


if __name__ == "__main__":
    run_program(main)
