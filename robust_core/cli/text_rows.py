"""What the commands on one text print of a model: its probabilities, an attack, an explanation."""

from collections.abc import Sequence

from robust_core.attacks.base import Attack
from robust_core.attacks.presets import name_preset
from robust_core.cli.output import Row
from robust_core.cli.typed_pairs import describe_pair, list_parts_of_words
from robust_core.evaluation.meaning_changes import list_doubts
from robust_core.evaluation.outcomes import name_outcome
from robust_core.metrics import consistency
from robust_core.protocols import Classifier
from robust_core.text import Draft, align
from robust_core.types import AttackResult, Attribution


def list_probabilities(classifier: Classifier, proba: Sequence[float]) -> dict[str, float]:
    """Return the probability of each class by its name."""
    return {label: float(p) for label, p in zip(classifier.labels, proba, strict=True)}


def make_attack_row(classifier: Classifier, method: Attack, result: AttackResult) -> Row:
    """Return what an attack did to a text of a model, without the figures on reading and fluency."""
    given = {f"swap_set{of}": result.attack[f"swaps{of}"] for of in ("", "_sha256") if "swaps" in result.attack}
    return given | {
        "model": classifier.id,
        "attack": method.name,
        "preset": name_preset(result.attack) or None,
        "status": result.status,
        "outcome": name_outcome(result),
        "original": result.example.text,
        "perturbed": result.perturbed,
        "reference_label": classifier.labels[result.reference_label],
        "perturbed_label": classifier.labels[result.perturbed_label],
        "before": list_probabilities(classifier, result.before),
        "after": list_probabilities(classifier, result.after),
        "queries": result.queries,
        "forward_passes": result.forward_passes,
        "similarity": result.similarity,
        "seconds": result.seconds,
        "swaps": [list(swap) for swap in result.swaps],
        "notes": list(result.notes),
        "doubts": list_doubts(result),
    } | describe_pair(result)


def make_explain_row(classifier: Classifier, found: Sequence[Attribution]) -> Row:
    """Return the explanation of a text, and how it compares with that of a second one, where there are two."""
    def words(a: Attribution) -> Row:
        return {"words": [a.text[start:end] for start, end in a.spans], "scores": list(a.scores)}

    first = found[0]
    row = {"model": classifier.id, "method": first.method["name"], "target": classifier.labels[first.target],
           **words(first), **list_parts_of_words(first.text, first.spans), "gap": first.gap, "against": None,
           "kendall_tau": None, "top_k": None, "top_k_random": None}
    if len(found) > 1:
        pairs = align(Draft.of(first.text).words, Draft.of(found[1].text).words)
        values = consistency(first, found[1], pairs)
        row |= {"against": words(found[1]), "kendall_tau": values["kendall_tau"], "top_k": values["top_k"],
                "top_k_random": values["top_k_random"]}
    return row
