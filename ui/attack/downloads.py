"""Downloads of an outcome: JSON, CSV and one self-contained HTML page."""

import html
import json
import types
from collections.abc import Mapping, Sequence
from typing import Any

from robust_core import __version__, highlight
from robust_core.evaluation import fluency
from robust_core.evaluation.meaning_changes import list_doubts
from robust_core.explainers import EXPLAINERS
from robust_core.records import to_finite
from robust_core.registry import Registry
from robust_core.types import AttackResult
from ui.attack import cards, overview
from ui.attack.transfer_fluency import TransferFluency
from ui.comparison import verdicts
from ui.comparison.row import Row
from ui.session.choices import Limits
from ui.session.outcome import Outcome, Pair
from ui.widgets.phrases import name_class
from ui.widgets.spreadsheet import write_csv

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fdfcfa, #15141b); color: light-dark(#1d1b26, #ece9f4); }}
h1, h2 {{ font-family: Georgia, serif; }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }}
.cards > div {{ border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 0.5rem;
  padding: 0.8rem; }}
{style}</style></head><body>
<h1>{title}</h1><p>{lead}</p><blockquote>{text}</blockquote>
{overview}<div class="cards">{cards}</div>{transfer}<p class="rx-small">{fluency}</p>
<h2>Why?</h2>{legend}{table}<p class="rx-small">{rule}</p>
</body></html>
"""


def to_json(view: Mapping[str, Any], names: Mapping[str, Sequence[str]] = types.MappingProxyType({}),
            results: Mapping[Pair, AttackResult] = types.MappingProxyType({})) -> str:
    """Return everything about an outcome as a JSON document; figures that do not exist are null.

    Args:
        view: What a permalink holds.
        names: Class names of each model, which its labels and probabilities are numbered by.
        results: The outcome's results, whose doubts are written beside them.
    """
    classes = {model: list(own) for model, own in names.items()}
    doubts = [[*pair, list_doubts(result)] for pair, result in results.items()]
    document = dict(view) | {"classes": classes, "doubts": doubts, "code_version": __version__}
    return json.dumps(to_finite(document), indent=1, ensure_ascii=False) + "\n"


def to_csv(outcome: Outcome, rows: Sequence[Row], names: Mapping[str, Sequence[str]], limits: Limits,
           after: Mapping[Pair, TransferFluency] = types.MappingProxyType({})) -> str:
    """Return a table with a line for each model under each attack; `names` holds the class names of each model."""
    table = {row.pair: row for row in rows}
    lines = []
    for pair in outcome.pairs:
        row = table.get(pair) or table.get(Pair(pair.model, ""))
        lines.append([*pair, outcome.asked.seed, cards.WORDS[cards.find_status(outcome, pair)],
                      *_write_result(outcome, pair, names[pair.model]), *_write_comparison(row, limits),
                      *_write_transfer_fluency(after.get(pair)), outcome.errors.get(pair, "")])
    return write_csv(["model", "attack", "seed", "status", "original", "perturbed", "reference_label",
                      "perturbed_label", "probability_before", "probability_after", "queries", "forward_passes",
                      "similarity", "seconds", "swaps", "remarks", "compared_text", "prediction_kept",
                      "kendall_tau", "top5", "interpretation_kept", "explanation", "tau_at_least", "top5_at_least",
                      "perplexity_before", "perplexity_after", "also_fools", "error"], lines)


def _write_result(outcome: Outcome, pair: Pair, names: Sequence[str]) -> list[Any]:
    """Return both texts, what the attack came to, and what a reader should know of it."""
    result = outcome.results.get(pair)
    if result is None:
        return [outcome.text, *[""] * 11]
    label = result.reference_label
    swaps = " ".join(f"{s.old or '+'}>{s.new or '-'}" for s in result.swaps)
    return [outcome.text, result.perturbed, name_class(names, label), name_class(names, result.perturbed_label),
            f"{result.before[label]:.6f}", f"{result.after[label]:.6f}", result.queries, result.forward_passes,
            f"{result.similarity:.4f}", f"{result.seconds:.3f}", swaps,
            " ".join((*result.notes, *list_doubts(result)))]


def _write_comparison(row: Row | None, limits: Limits) -> list[Any]:
    """Return the text compared, both verdicts, and what the second one rests on."""
    if row is None or row.agreement is None:
        return [row.other if row else "", *[""] * 7]
    return [row.other, row.kept, f"{row.agreement['kendall_tau']:.4f}", f"{row.agreement['top_k'][5]:.2f}",
            row.interpretation(limits), row.explained.method["name"] if row.explained else "", *limits]


def _write_transfer_fluency(found: TransferFluency | None) -> list[str]:
    """Return pseudo-perplexities and the models that are fooled as well."""
    if found is None:
        return ["", "", ""]
    figures = [f"{value:.2f}" for value in found.perplexity] if found.perplexity else ["", ""]
    return [*figures, " ".join(model for model, fooled in found.fools.items() if fooled)]


def to_html(outcome: Outcome, rows: Sequence[Row], titles: Mapping[Pair, str], names: Mapping[str, Sequence[str]],
            limits: Limits, attacks: Registry, heading: str = "Model",
            after: Mapping[Pair, TransferFluency] = types.MappingProxyType({})) -> str:
    """Return one page that needs nothing from outside; everything typed is escaped."""
    settings = [f"{attacks[record['name']].title}: {', '.join(f'{k} {v}' for k, v in record.items() if k != 'name')}"
                for record in outcome.asked.attacks]
    models = [titles[Pair(model, "")] for model in outcome.models]

    def remarks(pair: Pair) -> list[str]:
        return overview.list_remarks(after.get(pair), titles)

    title = f"{', '.join(attacks[name].title for name in outcome.attacks)} on {', '.join(models)}"
    return _PAGE.format(
        title=html.escape(title),
        lead=html.escape(f"Seed {outcome.asked.seed}. {'; '.join(settings)}. Code version {__version__}."),
        text=html.escape(outcome.text),
        style=highlight.make_style() + cards.STYLE + overview.STYLE,
        overview=(overview.make_attack_table(outcome, titles, names)
                  if len(outcome.pairs) > 1 else ""),
        cards="".join(
            cards.make_place(p, cards.make_card(outcome, p, titles[p], names[p.model], remarks(p)))
            for p in outcome.pairs),
        transfer=overview.make_transfer_table(outcome, after, titles),
        fluency=html.escape(fluency.MEANING) if any(found.perplexity for found in after.values()) else "",
        legend=highlight.make_legend(),
        table=verdicts.make_verdict_table(rows, titles, names, limits, heading),
        rule=html.escape(" ".join([*_list_explainers(rows), verdicts.describe_rule(limits)])),
    )


def _list_explainers(rows: Sequence[Row]) -> list[str]:
    """Say which explanation the colours come from."""
    records = [row.explained.method for row in rows if row.explained is not None]
    return list(dict.fromkeys(
        f"Explanation: {EXPLAINERS[name].title if name in EXPLAINERS else name}"
        + "".join(f", {key} {value}" for key, value in record.items() if key != "name") + "."
        for record in records for name in [record["name"]]))
