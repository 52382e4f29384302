"""Results and attributions as HTML, so that a notebook draws them by itself: no scripts, no ids, everything escaped."""

import html
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from robust_core import highlight

if TYPE_CHECKING:
    from robust_core.types import AttackResult, Attribution

# Notebooks say by a mark of their own that they are dark; `light-dark` then takes the dark colours.
_STYLE = """
[data-jp-theme-light="false"] .rx-notebook, .vscode-dark .rx-notebook, [theme="dark"] .rx-notebook
  { color-scheme: dark; }
.rx-notebook td, .rx-notebook th { padding: 0.2em 0.6em; text-align: left; }
.rx-notebook { max-width: 60em; overflow-x: auto; }
.rx-notebook p { margin: 0.2em 0; } .rx-notebook .rx-strip { font-size: 1.1em; }
"""
_WORDS = {"succeeded": "flipped", "failed": "held", "skipped": "wrong before the attack", "stopped": "stopped",
          "exhausted": "out of budget"}
# Words that stand below an attribution, those that count most first.
_MOST_NAMED = 3


def draw_result(result: "AttackResult") -> str:
    """Return what an attack did to a text as HTML: the text with the swaps in it, and what it took.

    Args:
        result: The result; a class stands by its index, which is all that a result knows.
    """
    reference, now = result.reference_label, result.perturbed_label
    said = f"{_name_outcome(result)}: {result.attack['name']} on {result.victim}"
    before, after = result.before[reference], result.after[reference]
    answer = (f"class {reference} {100 * before:.1f} % → {100 * after:.1f} %"
              + (f"; now class {now}, {100 * result.after[now]:.1f} %" if now != reference else ""))
    swapped, cosine = len(result.swaps), result.similarity
    took = [f"{swapped} {'word' if swapped == 1 else 'words'} changed",
            f"{result.queries:,} {'query' if result.queries == 1 else 'queries'}",
            *([] if math.isnan(cosine) else [f"similarity {cosine:.2f}"]), f"{result.seconds:.1f} s"]
    text = highlight.make_inline_changes(result.example.text, result.perturbed, label=said,
                                         parts=result.example.parts)
    return _frame(f"<p><b>{html.escape(said)}</b> · {answer}</p>{text}<p>{' · '.join(took)}</p>"
                  + "".join(f"<p>{html.escape(note)}</p>" for note in result.notes))


def draw_attribution(attribution: "Attribution") -> str:
    """Return a text with its words coloured by their importance as HTML, and the words that count most with scores."""
    target = f"class {attribution.target}"
    pairs = sorted(zip(attribution.spans, attribution.scores, strict=True), key=lambda pair: -abs(pair[1]))
    most = ", ".join(f"{html.escape(attribution.text[span.start:span.end])} {score:+.3f}"
                     for span, score in pairs[:_MOST_NAMED])
    said = f"What speaks for {target}: {attribution.method['name']}"
    text = highlight.highlight_words(attribution.text, attribution, target=target, label=said,
                                     parts=attribution.parts)
    gap = "" if math.isnan(attribution.gap) else f" · the scores miss the change of the output by {attribution.gap:.2g}"
    return _frame(f"<p><b>{html.escape(said)}</b></p>{text}<p>{most or 'The text has no words.'}{gap}</p>"
                  "<p>Solid line: speaks for the class; broken: against it. The stronger the colour, the more.</p>")


def draw_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows of evaluations as an HTML table: shares in percent, each figure with its standard error.

    Args:
        rows: The data of "row" events; columns that none of them has are left out. What speaks against a figure stands
            below the table.
    """
    found = list(rows)
    if not found:
        return _frame("<p>No rows: nothing was evaluated.</p>")
    columns = {title: [cell(row) for row in found] for title, cell in _COLUMNS.items()}
    columns = {title: cells for title, cells in columns.items() if any(cells)}
    head = "".join(f"<th>{html.escape(title)}</th>" for title in columns)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
                   for cells in zip(*columns.values(), strict=True))
    warnings = dict.fromkeys(f"{row.get('model', '')}: {warning}" for row in found
                             for warning in row.get("warnings", ()))
    return _frame(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
                  + "<p>± is one standard error.</p>" + "".join(f"<p>{html.escape(line)}</p>" for line in warnings))


def _write_text(name: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda row: "" if row.get(name) is None else str(row[name])


def _write_figure(name: str, scale: float = 1.0, places: int = 1) -> Callable[[Mapping[str, Any]], str]:
    def write(row: Mapping[str, Any]) -> str:
        value, error = row.get(name), row.get(f"{name}_se")
        if not isinstance(value, int | float) or math.isnan(value):
            return ""
        text = f"{scale * value:.{places}f}"
        return text if error is None or math.isnan(error) else f"{text} ± {scale * error:.{places}f}"

    return write


def _write_data(row: Mapping[str, Any]) -> str:
    return f"{row.get('dataset', '')} {row.get('split', '')}".strip()


def _write_top_5(row: Mapping[str, Any]) -> str:
    shares = {name: row.get(name, {}).get("5") for name in ("top_k", "top_k_se")}
    return _write_figure("top_5", 100.0)({"top_5": shares["top_k"], "top_5_se": shares["top_k_se"]})


# From the title of a column to what stands in it.
_COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Model": _write_text("model"), "Texts made against": _write_text("adversarial_from"), "Data": _write_data,
    "Attack": _write_text("attack"), "Texts": _write_text("n"), "Clean %": _write_figure("accuracy", 100.0),
    "Under attack %": _write_figure("accuracy_under_attack", 100.0),
    "Success %": _write_figure("attack_success_rate", 100.0),
    "Transferred %": _write_figure("transfer_success_rate", 100.0),
    "Words swapped %": _write_figure("swap_rate", 100.0), "Queries": _write_figure("queries"),
    "Similarity": _write_figure("similarity", places=2), "Explained by": _write_text("explain"),
    "Pairs": _write_text("pairs"), "τ": _write_figure("kendall_tau", places=2), "Top-5 %": _write_top_5}


def _frame(content: str) -> str:
    return f'<div class="rx-notebook"><style>{highlight.make_style()}{_STYLE}</style>{content}</div>'


def _name_outcome(result: "AttackResult") -> str:
    if result.status == "succeeded" and result.perturbed_label == result.reference_label:
        # Input reduction wants a shorter text of the same class.
        return "reduced"
    return "nothing to swap" if result.status == "failed" and not result.tried else _WORDS[result.status]
