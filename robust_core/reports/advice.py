"""What to do next, in two or three plain sentences that follow from a run's figures."""

import math

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import CAREFUL
from robust_core.reports.figures import RunFigures

# A share whose error is larger than this says little; what one usually wants to know it to.
_VAGUE, _WANTED = 0.04, 0.02
# From where on an attack counts as strong, and up to where as weak; and what a person would call another explanation.
_STRONG, _WEAK, _ALIKE = 0.5, 0.2, 0.6
_MOST = 3


def write_advice(figures: RunFigures) -> list[str]:
    """Return two or three sentences: what the figures leave open first, then what they say about the model."""
    row = figures.row
    if not row["n"]:
        return ["Nothing has come to an end yet: run the command below, which goes on where this stopped."]
    lines = [*_ask_for_more(figures), *_judge_model(figures), *_judge_explanations(figures)]
    return lines[:_MOST]


def _ask_for_more(figures: RunFigures) -> list[str]:
    row, lines = figures.row, []
    if row["stopped"]:
        lines.append(f"{row['stopped']:,} texts were stopped before their end: run the command below again, which goes "
                     "on with them.")
    error, p = row["accuracy_under_attack_se"], row["accuracy_under_attack"]
    if error > _VAGUE:
        wanted = math.ceil(max(p * (1 - p), 0.05) / _WANTED**2 / 50) * 50
        lines.append(f"With {row['n']:,} texts the accuracy under attack is known to ± {100 * error:.1f} points only; "
                     f"about {wanted:,} texts would bring that to ± {100 * _WANTED:.0f}.")
    return lines


def _judge_model(figures: RunFigures) -> list[str]:
    row, lines = figures.row, list[str]()
    if is_reduction(figures):
        return lines
    success, proof = row["attack_success_rate"], figures.certificate
    doubtful = max(row["antonym_successes"], row["number_successes"])
    if doubtful > 0.05:
        lines.append(f"{100 * doubtful:.0f} % of the flips put an antonym or another number into the text, which is no "
                     "error of the model: read some below, or let people judge them on the page Judge, before you "
                     "quote the success.")
    if proof is not None and proof["certified_accuracy"] > 0:
        lines.append(f"For {100 * proof['certified_accuracy']:.1f} % of the texts it is proved that no swaps of the "
                     f"set {proof['swap_set']} flip the answer: other attacks with these swaps need not be tried on "
                     "them, attacks with other swaps do.")
    if success >= _STRONG:
        lines.append(f"The attack flips {100 * success:.0f} % of the texts that the model gets right: train it with a "
                     "defence (FLAT, or an additive model with a proof, on the page Train) and compare both here.")
    elif success <= _WEAK:
        harder = "under the preset paper, and with other attacks," if figures.preset == CAREFUL else "by other attacks"
        lines.append(f"The attack flips only {100 * success:.0f} % of the texts that the model gets right. That is no "
                     f"proof: see whether it also holds {harder} before you call it robust.")
    elif not math.isnan(success):
        lines.append(f"The attack flips {100 * success:.0f} % of the texts that the model gets right: compare it on "
                     "the same texts with a model trained with a defence, which says more than either figure alone.")
    return lines


def is_reduction(figures: RunFigures) -> bool:
    """Return whether the attack wanted shorter texts of the same class rather than another class."""
    name = str(figures.run.method["name"])
    return name in ATTACKS and ATTACKS[name].goal == "reduce"


def _judge_explanations(figures: RunFigures) -> list[str]:
    if not figures.explanations:
        return ["Whether the model's reasons change along with the text was not measured: add --explain ig to the "
                "command below."]
    one = figures.explanations[0]
    tau, n = one.changed["kendall_tau"], one.changed["compared"]
    if math.isnan(tau):
        return []
    if tau < _ALIKE:
        return [f"In the {n:,} changed texts the order of the important words changes much (τ {tau:.2f}): do not quote "
                "the explanation of a single text as the model's reason."]
    return [f"In the {n:,} changed texts the important words mostly stay in their order (τ {tau:.2f}): what fails is "
            "the answer rather than the reasons."]
