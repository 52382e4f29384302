"""Highlighted words on pages: `robust_core.highlight` draws them; here are the legend and plain lines."""

import html

from robust_core.highlight import (
    AGAINST,
    AGAINST_DARK,
    FOR,
    FOR_DARK,
    MOST_OPAQUE,
    find_strongest,
    highlight_words,
    make_inline_changes,
    mark_changes,
)
from robust_core.highlight import make_style as make_style_of_words

__all__ = ["AGAINST", "AGAINST_DARK", "FOR", "FOR_DARK", "MOST_OPAQUE", "find_strongest", "highlight_words",
           "make_inline_changes", "make_legend", "make_line", "make_small", "make_style", "mark_changes"]

_LEGEND = """
.rx-legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; font-size: 0.86rem; align-items: baseline; }
.rx-legend .rx-strip { line-height: 1.6; }
"""


def make_style() -> str:
    """Return the style sheet of highlighted words and of their legend."""
    return make_style_of_words() + _LEGEND


def make_legend(strength: str = "the strongest word of the row") -> str:
    """Explain the colours, bars and outlines."""
    full = f' style="--a:{MOST_OPAQUE:.0%};--bar:100%"'

    def sample(kind: str, meaning: str, look: str = "") -> str:
        return f'<span class="rx-strip"><span class="w {kind}"{look}>word</span> {html.escape(meaning)}</span>'

    return ('<div class="rx-legend" role="note" aria-label="How to read the colours">'
            + sample("for", "speaks for the class shown", full) + sample("against", "speaks against it", full)
            + sample("swapped", "was changed (hover or focus it)")
            + sample("unread", "beyond the longest text that the model reads")
            + f"<span>Colour and bar: strength compared with {html.escape(strength)}.</span></div>")


def make_line(text: str) -> str:
    """Return a line of plain text, escaped, as HTML."""
    return f'<p class="rx-line">{html.escape(text)}</p>'


def make_small(text: str) -> str:
    """Return a small remark, escaped, as HTML."""
    return f'<p class="rx-small">{html.escape(text)}</p>'
