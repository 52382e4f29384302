"""Swaps that change what a text says: a word for its antonym, a number for another number.

A flip that rests on such a swap is no error of the classifier: the text means something else. Similarity under a
sentence encoder hardly sees them, which is why word-substitution attacks are known for them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from robust_core import metrics
from robust_core.hidden_characters import is_drawn_alike
from robust_core.resources.english import is_english
from robust_core.resources.meaning import describe_change, is_antonym, is_other_number
from robust_core.text import Draft, find_words
from robust_core.types import AttackResult, Swap


def is_number_swap(swap: Swap) -> bool:
    """Return whether a number gives way to another number; `two` for `2` is none."""
    return is_other_number(swap.old, swap.new)


def is_antonym_swap(swap: Swap) -> bool:
    """Return whether a word gives way to one that is listed as its antonym."""
    return is_antonym(swap.old, swap.new)


def describe_swap(swap: Swap) -> str:
    """Return in a few words why a swap may change what the text says (`resources.meaning.describe_change`)."""
    return describe_change(swap.old, swap.new)


def list_doubts(result: AttackResult) -> list[str]:
    """Return what a reader should know before believing in a flip, a line each.

    Whether the text is English at all, for which alone the packaged tables have words (where it held, the name of the
    outcome says so); which swaps may have changed the meaning (`describe_swap`); and whether the attack's threshold on
    the similarity of sentences was left out, as TextAttack does where a text is shorter than the window it compares.
    """
    lines = []
    if result.status == "succeeded" and not is_english(Draft.of(result.example.text).words):
        lines.append("Not English: most of these words are in no table here, so nobody has judged what the swaps mean.")
    swaps = () if is_drawn_alike(result.example.text, result.perturbed) else result.swaps
    doubtful = [f"{swap.old or 'nothing'} → {swap.new or 'nothing'} ({why})"
                for swap in swaps if (why := describe_swap(swap))]
    if doubtful:
        lines.append(f"May have changed the meaning: {'; '.join(doubtful)}.")
    if result.swaps and skips_threshold(result):
        lines.append(f"The similarity threshold {result.attack['min_text_similarity']:g} was not applied: as in "
                     f"TextAttack, texts of fewer than {result.attack['window']} words are not compared (skip short).")
    return lines


def skips_threshold(result: AttackResult) -> bool:
    """Return whether an attack left its threshold on similarity out: the text is shorter than the window it compares.

    So TextAttack does, and an attack of ours with `skip_short`.
    """
    attack = result.attack
    return bool(attack.get("skip_short")) and len(find_words(result.example.text)) < attack.get("window", 0)


# What from outside `summarise` looks into, by the names of `resources.fingerprints`.
SUMMARY_USES = ("antonyms",)
KINDS: dict[str, Callable[[Swap], bool]] = {"antonym": is_antonym_swap, "number": is_number_swap}


def summarise(results: Sequence[AttackResult]) -> dict[str, float]:
    """Return how often the successes of one attack on one victim rest on swaps of each kind.

    Returns:
        For antonym and number: `*_swaps`, their share of all swaps in successes, and `*_successes`, the share of
        successes with at least one; each with its standard error `*_se`. Whether the flip would hold without that
        swap is not asked, so `*_successes` is an upper bound. The error of `*_swaps` knows that the swaps of a text
        come together. NaN without successes.
    """
    succeeded = [r for r in results if r.status == "succeeded"]
    wholes = [len(r.swaps) for r in succeeded]
    row: dict[str, Any] = {}
    for kind, test in KINDS.items():
        counts = [sum(map(test, r.swaps)) for r in succeeded]
        columns = {f"{kind}_swaps": metrics.estimate_ratio(counts, wholes),
                   f"{kind}_successes": metrics.estimate_proportion(sum(c > 0 for c in counts), len(counts))}
        for name, (value, error) in columns.items():
            row[name], row[f"{name}_se"] = value, error
    return row
