"""The evaluator doubts itself: signs that a figure does not mean what it seems to mean.

A check is a function of results and attributions that returns one line when something is doubtful, or None. The first
line of its docstring says what is looked for; the rest is the advice shown with the line.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import NamedTuple

from robust_core.evaluation import meaning_changes as meaning
from robust_core.explainers.base import allow_gap
from robust_core.types import AttackResult, Attribution

Check = Callable[[Sequence[AttackResult], Sequence[Attribution]], str | None]

CHECKS: list[Check] = []


class Flag(NamedTuple):
    """A doubt about an evaluation: the check that raised it, what it found, and what to do."""

    check: str
    finding: str
    advice: str


def raise_flags(results: Sequence[AttackResult], attributions: Sequence[Attribution] = ()) -> list[Flag]:
    """Run every check on the results of one attack on one victim, and on attributions made for them."""
    raised = []
    for check in CHECKS:
        finding = check(results, attributions)
        if finding is not None:
            advice = inspect.cleandoc(check.__doc__ or "").partition("\n\n")[2]
            raised.append(Flag(check.__name__, finding, " ".join(advice.split())))
    return raised


def list_warnings(results: Sequence[AttackResult], attributions: Sequence[Attribution] = ()) -> list[str]:
    """Return what `raise_flags` finds as lines: the finding, then the advice (`claims.footnotes` takes them apart)."""
    return [f"{flag.finding} {flag.advice}" for flag in raise_flags(results, attributions)]


def find_incomplete(results: Sequence[AttackResult], chosen: int, errors: Sequence[str]) -> list[str]:
    """Return a line where examples broke, and one where not all of those chosen came to an end.

    Args:
        results: What there is.
        chosen: Examples that were to be attacked.
        errors: Messages of the searches that broke.
    """
    ended = sum(r.status != "stopped" for r in results)
    warnings = [f"{len(errors)} examples have no result. {errors[-1]}"] if errors else []
    if ended < chosen:
        warnings.append(f"Only {ended} of {chosen} examples came to an end. Those that end first are not like the "
                        "others: these figures estimate nothing yet.")
    return warnings


def _register(check: Check) -> Check:
    CHECKS.append(check)
    return check


def _list_attempted(results: Sequence[AttackResult]) -> list[AttackResult]:
    return [r for r in results if r.status not in ("skipped", "stopped")]


def _format_percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %"


@_register
def better_under_attack(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """Accuracy on the perturbed texts is above that on the originals.

    An attack cannot help the classifier. Look for labels in another order than the model's, or for perturbed texts
    that were not judged again.
    """
    ended = [(r, r.example.label) for r in results if r.status != "stopped" and r.example.label is not None]
    before = sum(r.before[label] == max(r.before) for r, label in ended)
    after = sum(r.perturbed_label == label for r, label in ended)
    if after > before:
        return f"{after} of {len(ended)} texts are classified correctly under attack, {before} without."
    return None


@_register
def seldom_swaps(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """More than 95 % of the attacked texts are as they were.

    The figure then measures candidates and constraints rather than the classifier. Loosen a constraint, or check that
    there are candidates for these words.
    """
    tried = _list_attempted(results)
    unchanged = sum(not r.swaps for r in tried)
    if len(tried) >= 5 and unchanged > 0.95 * len(tried):
        return f"No word was changed in {unchanged} of {len(tried)} attacked texts."
    return None


@_register
def texts_cut_short(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """Many texts are longer than the model reads.

    Their ends were neither read nor attacked. Take a model that reads further, or report these texts apart.
    """
    cut = [r for r in results if any(note.startswith("The model reads ") for note in r.notes)]
    if len(cut) > 0.05 * len(results):
        return f"{_format_percent(len(cut), len(results))} of the texts are longer than the model reads."
    return None


@_register
def unknown_words_flip(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """Many flips rest on words that the model does not know.

    Such a flip shows a small vocabulary rather than a wrong use of words. Prefer candidates that the model knows, or
    report these flips apart.
    """
    flipped = [r for r in results if r.status == "succeeded"]
    unknown = [r for r in flipped if any("does not know" in note for note in r.notes)]
    if len(flipped) >= 5 and len(unknown) > 0.2 * len(flipped):
        return f"{_format_percent(len(unknown), len(flipped))} of the flips bring in words unknown to the model."
    return None


@_register
def meaning_changes(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """More than 5 % of the successes, and at least two, swap a word for its antonym or a number for another one.

    Such a text says something else, and calling it an error of the model makes the model look worse than it is. Beyond
    5 % this can move the accuracy under attack further than its 95 % interval over 1,000 examples (3 points either
    way). Leave antonyms and numbers out of the candidates, or report these successes apart.
    """
    succeeded = [r for r in results if r.status == "succeeded"]
    changed = {kind: {i for i, r in enumerate(succeeded) if any(map(test, r.swaps))}
               for kind, test in meaning.KINDS.items()}
    together = len(set().union(*changed.values()))
    if together >= 2 and together > 0.05 * len(succeeded):
        kinds = ", ".join(f"{kind} {len(found)}" for kind, found in changed.items())
        share = _format_percent(together, len(succeeded))
        return f"{share} of the successes rest on swaps that change the meaning ({kinds})."
    return None


@_register
def short_texts_uncompared(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """More than 5 % of the successes, and at least two, are less similar than the attack's threshold allows.

    Texts shorter than the window are not compared, as in TextAttack. These successes pass only because of that: set
    skip_short=False, or report them apart.
    """
    # The window holds all words of such a text: but for signs at its ends, this similarity is what was not compared.
    succeeded = [r for r in results if r.status == "succeeded"]
    below = sum(meaning.skips_threshold(r) and r.similarity < r.attack["min_text_similarity"] for r in succeeded)
    if below >= 2 and below > 0.05 * len(succeeded):
        return (f"{_format_percent(below, len(succeeded))} of the successes are below the similarity threshold: short "
                "texts are not compared.")
    return None


@_register
def budget_runs_out(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """More than one attack in ten ended because its budget was spent or its time was over.

    The accuracy under attack is then an upper bound. Raise the limit on queries or time.
    """
    tried = [r for r in results if r.status != "skipped"]
    cut = sum(r.status in ("exhausted", "stopped") for r in tried)
    if cut > 0.1 * len(tried):
        return f"{_format_percent(cut, len(tried))} of the attacks were cut short."
    return None


@_register
def attributions_incomplete(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """Attributions do not add up to the difference of outputs that they explain.

    The gap may be max(1 % of the difference, 0.002) for 95 % of the texts. Use more integration steps.
    """
    promised = [a for a in attributions if a.gap == a.gap and a.total == a.total]
    wide = sum(a.gap > allow_gap(a.total) for a in promised)
    if wide > 0.05 * len(promised):
        return f"{_format_percent(wide, len(promised))} of the attributions leave too wide a completeness gap."
    return None


@_register
def local_models_fit_badly(results: Sequence[AttackResult], attributions: Sequence[Attribution]) -> str | None:
    """The linear models behind explanations by sampling imitate the classifier badly.

    R² below 0.5 on more than a quarter of the texts: the scores then say little about the classifier. Use more samples,
    or another explainer.
    """
    fitted = [a for a in attributions if a.fit == a.fit]
    bad = sum(a.fit < 0.5 for a in fitted)
    if bad > 0.25 * len(fitted):
        return f"{_format_percent(bad, len(fitted))} of the local linear models have an R² below 0.5."
    return None
