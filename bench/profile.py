"""Where an attack's time goes: python -m bench.profile [--model ID] [--n N] [--precision exact|screened].

Attacks dev sentences under Python's profiler and adds up own time by what it was spent on. The profiler slows Python
down and leaves matrix kernels alone, so shares of Python are upper bounds.
"""

import argparse
import cProfile
import pstats
from collections import Counter

from bench.program import run_program
from robust_core import datasets, encoders
from robust_core.attacks import ATTACKS
from robust_core.models import loading

# The first group that matches the place of a function takes its time.
GROUPS = {
    "matrix kernels (torch)": ("torch", "_linear_pointwise", "scaled_dot_product"),
    "tokens and batches": ("tokens.py", "batching.py", "token_splice.py", "tokenizers", "encoders.py"),
    "forward pass, Python around the kernels": ("models/networks", "classifier.py", "screening.py", "device.py"),
    "words, windows, cleaning": ("/text.py", "/re/", "re.Pattern", "re.Match", "unicodedata"),
    "tables: neighbours, part of speech": ("resources",),
    "search and choice": ("greedy.py", "near_ties.py", "constraints.py", "textfooler.py", "attacks/base.py",
                          "requests.py"),
    "scheduler": ("scheduler.py", "search_state.py", "server.py"),
}


def group(place: tuple[str, int, str]) -> str:
    """Return the group that a function of the profile belongs to."""
    name = f"{place[0]} {place[2]}"
    return next((title for title, parts in GROUPS.items() if any(part in name for part in parts)), "rest of Python")


def main() -> None:
    """Profile one run and print the shares."""
    parser = argparse.ArgumentParser(description="Where an attack's time goes.")
    parser.add_argument("--model", default="sst2/cnn/base")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--precision", default="exact", choices=("exact", "screened"))
    options = parser.parse_args()
    examples = datasets.load("sst2", "dev")
    model, encoder = loading.load(options.model, "cpu"), encoders.load_default("cpu")
    attack = ATTACKS["textfooler"]()
    list(attack.run([model], examples[-20:], encoder=encoder, precision=options.precision))
    profile = cProfile.Profile()
    profile.enable()
    list(attack.run([model], examples[: options.n], encoder=encoder, precision=options.precision))
    profile.disable()
    seconds: Counter[str] = Counter()
    for place, (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        seconds[group(place)] += own
    total = sum(seconds.values())
    print(f"{options.model}, {options.precision}, {options.n} texts: {1000 * total / options.n:.1f} ms an attack")
    for title, spent in seconds.most_common():
        print(f"  {spent / total:6.1%}  {1000 * spent / options.n:6.2f} ms  {title}")


if __name__ == "__main__":
    run_program(main)
