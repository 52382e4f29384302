"""The worst examples of a run: both texts with the importance of their words, and what became of the answer."""

import html
from collections.abc import Sequence

from robust_core import highlight
from robust_core.evaluation.fluency import compare_perplexities
from robust_core.evaluation.meaning_changes import list_doubts
from robust_core.reports.figures import RunFigures
from robust_core.reports.tables import name_explainer
from robust_core.types import AttackResult

_MOST = 6


def make_examples(figures: RunFigures) -> str:
    """Return the worst examples as HTML; where nothing was flipped those that came closest."""
    chosen, title, why = choose_examples(figures.results)
    if not chosen:
        return ""
    explained = [r for r in chosen if figures.find_attributions(r)]
    about = ("" if not figures.explanations else
             "The importance of their words was not kept when this run was explained; evaluate keeps it now."
             if not explained else
             f"Colours: importance for the reference label ({name_explainer(figures.explanations[0].method)}).")
    legend = highlight.make_legend("the strongest word of the pair") if explained else ""
    return (f"<h3>{html.escape(title)}</h3><p>{html.escape(f'{why} {about}'.strip())}</p>{legend}"
            + "".join(_make_example(figures, r) for r in chosen))


def choose_examples(results: Sequence[AttackResult]) -> tuple[list[AttackResult], str, str]:
    """Return the worst results, what they are called, and how they were chosen.

    Args:
        results: Results that came to an end.
    """
    flips = [r for r in results if r.status == "succeeded"]
    if flips:
        flips.sort(key=lambda r: (len(r.swaps), r.after[r.reference_label], r.example.uid))
        return flips[:_MOST], "Worst examples", (
            "The flips with the fewest words swapped; of those with as many, the ones the model is surest of.")
    held = [r for r in results if r.status in ("failed", "exhausted") and r.perturbed != r.example.text]
    held.sort(key=lambda r: (r.after[r.reference_label], r.example.uid))
    return held[:_MOST], "Closest to flipping", (
        "Nothing was flipped. In these the model is least sure of its answer after the attack.")


def _make_example(figures: RunFigures, result: AttackResult) -> str:
    before, after = figures.find_attributions(result) or (None, None)
    marked, marked_other = highlight.mark_changes(result.example.text, result.perturbed)
    scale, target = highlight.find_strongest([before, after]), _name_class(figures, result.reference_label)
    texts = "".join(
        highlight.make_small(f"{name}: {says}") + highlight.highlight_words(
            text, attribution, strongest=scale, marks=marks, target=target,
            label=f"{name} text{f', importance for {target}' if attribution else ''}")
        for name, text, attribution, marks, says in (
            ("Original", result.example.text, before, marked, _describe_answer(figures, result.before)),
            ("Adversarial", result.perturbed, after, marked_other, _describe_answer(figures, result.after))))
    return f'<div class="example">{texts}{"".join(map(highlight.make_small, _list_facts(figures, result)))}</div>'


def _list_facts(figures: RunFigures, result: AttackResult) -> list[str]:
    swaps = ", ".join(f"{s.old or 'nothing'} → {s.new or 'nothing'}" for s in result.swaps)
    facts = [f"{len(result.swaps)} swapped: {swaps}"] if swaps else []
    facts.append(f"{result.queries:,} queries")
    if result.similarity == result.similarity:
        facts.append(f"similarity {result.similarity:.2f}")
    if compared := figures.find_comparison(result):
        tau, top = compared["kendall_tau"], compared["top_k"]["5"]
        facts.append(f"τ {'undefined' if tau != tau else f'{tau:.2f}'}, top-5 kept "
                     f"{'undefined' if top != top else f'{100 * top:.0f} %'}")
    if result.example.uid in figures.fluency:
        facts.append(compare_perplexities(*figures.fluency[result.example.uid]))
    return ["; ".join(filter(None, facts)) + ".", *list_doubts(result)]


def _name_class(figures: RunFigures, index: int) -> str:
    return figures.labels[index] if index < len(figures.labels) else f"class {index + 1}"


def _describe_answer(figures: RunFigures, proba: Sequence[float]) -> str:
    best = max(range(len(proba)), key=proba.__getitem__)
    return f"{_name_class(figures, best)}, {100 * proba[best]:.1f} %"
