"""Results and attributions as HTML, so that a notebook draws them by itself: no scripts, no ids, everything escaped."""

import html
import math
from typing import TYPE_CHECKING

from robust_core import highlight

if TYPE_CHECKING:
    from robust_core.types import AttackResult, Attribution

# Notebooks say by a mark of their own that they are dark; `light-dark` then takes the dark colours.
_STYLE = """
[data-jp-theme-light="false"] .rx-notebook, .vscode-dark .rx-notebook, [theme="dark"] .rx-notebook
  { color-scheme: dark; }
.rx-notebook { max-width: 60em; } .rx-notebook p { margin: 0.2em 0; } .rx-notebook .rx-strip { font-size: 1.1em; }
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
    text = highlight.make_inline_changes(result.example.text, result.perturbed, label=said)
    return _frame(f"<p><b>{html.escape(said)}</b> · {answer}</p>{text}<p>{' · '.join(took)}</p>"
                  + "".join(f"<p>{html.escape(note)}</p>" for note in result.notes))


def draw_attribution(attribution: "Attribution") -> str:
    """Return a text with its words coloured by their importance as HTML, and the words that count most with scores."""
    target = f"class {attribution.target}"
    pairs = sorted(zip(attribution.spans, attribution.scores, strict=True), key=lambda pair: -abs(pair[1]))
    most = ", ".join(f"{html.escape(attribution.text[span.start:span.end])} {score:+.3f}"
                     for span, score in pairs[:_MOST_NAMED])
    said = f"What speaks for {target}: {attribution.method['name']}"
    text = highlight.highlight_words(attribution.text, attribution, target=target, label=said)
    gap = "" if math.isnan(attribution.gap) else f" · the scores miss the change of the output by {attribution.gap:.2g}"
    return _frame(f"<p><b>{html.escape(said)}</b></p>{text}<p>{most or 'The text has no words.'}{gap}</p>"
                  "<p>Solid line: speaks for the class; broken: against it. The stronger the colour, the more.</p>")


def _frame(content: str) -> str:
    return f'<div class="rx-notebook"><style>{highlight.make_style()}{_STYLE}</style>{content}</div>'


def _name_outcome(result: "AttackResult") -> str:
    if result.status == "succeeded" and result.perturbed_label == result.reference_label:
        # Input reduction wants a shorter text of the same class.
        return "reduced"
    return "nothing to swap" if result.status == "failed" and not result.tried else _WORDS[result.status]
