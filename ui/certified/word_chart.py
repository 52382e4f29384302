"""What each word adds to the lead of the answer: the least, now, and the most, as a bar a word."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ui.widgets import charts
from ui.widgets.markdown import escape_plotly

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from robust_core.certify.word_swaps import WordBounds

MOST_WORDS = 60
EXPLANATION = (
    "A bar a word, from the least to the most that it can add to the lead in this place; the diamond is what it adds "
    "now. Where a bar reaches far to the left of its diamond, a swap is dangerous. Full colour: the words that the "
    "slider swaps, those whose worst swap costs most. A bar also holds what swaps of other words can do to the word, "
    "such as a negation before it.")
# Orange and blue-violet of `charts`, seen through by the page.
_PALE_AGAINST, _PALE_FOR = "rgba(217, 102, 10, 0.4)", "rgba(126, 92, 214, 0.4)"
# Pixels for each word, and for the axis and the legend.
_ROW, _REST = 22, 110
_LONGEST = 20


def make_word_bars(words: Sequence["WordBounds"], chosen: Collection[int], label: str) -> "Figure":
    """Draw a bar for each word from the least to the most that it can add to the lead, and a mark for now.

    Args:
        words: What is known of each word.
        chosen: Positions of the words to fill.
        label: Name of the class whose lead it is.
    """
    longest = sorted(range(len(words)), key=lambda i: words[i].lowest - words[i].highest)[:MOST_WORDS]
    places = {i: row for row, i in enumerate(sorted(longest))}
    rest = [i for i in places if i not in chosen]
    filled = [i for i in places if i in chosen]
    traces = [
        _make_bars(words, places, rest, "may lower the lead", {"color": _PALE_AGAINST}),
        _make_bars(words, places, filled, "swapped", {"color": charts.AGAINST}),
        _make_bars(words, places, list(places), "may raise it", {"color": _PALE_FOR}, upper=True),
        {"type": "scatter", "mode": "markers", "name": "now", "x": [words[i].now for i in places],
         "y": list(places.values()), "cliponaxis": False,
         "customdata": [_describe(words[i]) for i in places], "hovertemplate": "%{customdata}<extra></extra>",
         "marker": {"symbol": "diamond", "size": 9, "color": "#ffffff", "line": {"color": charts.FOR, "width": 2}}}]
    zero = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
            "line": {"width": 1.5, "color": charts.GUIDE}}
    return charts.make_curve_figure([trace for trace in traces if trace["y"]], {
        "barmode": "overlay", "height": _REST + _ROW * len(places), "shapes": [zero],
        "margin": {"l": 4, "r": 12, "t": 6, "b": 4}, "hovermode": "closest",
        "xaxis": {"title": {"text": f"added to the lead of {escape_plotly(label)}", "standoff": 8}, "automargin": True,
                  "zeroline": False},
        "yaxis": {"range": [len(places) - 0.4, -0.6], "tickvals": list(places.values()), "automargin": True,
                  "ticktext": [escape_plotly(_shorten(words[i].word)) for i in places], "showgrid": False,
                  "zeroline": False},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}})


def _make_bars(words: Sequence["WordBounds"], places: dict[int, int], shown: Sequence[int], name: str,
               look: dict[str, Any], *, upper: bool = False) -> dict[str, Any]:
    """Return the bars of some words, from the least to now, or from now to the most."""
    ends = [(words[i].now, words[i].highest) if upper else (words[i].lowest, words[i].now) for i in shown]
    return {"type": "bar", "orientation": "h", "name": name, "marker": look, "width": 0.66,
            "y": [places[i] for i in shown], "base": [low for low, _ in ends], "x": [high - low for low, high in ends],
            "customdata": [_describe(words[i]) for i in shown], "hovertemplate": "%{customdata}<extra></extra>"}


def _describe(word: "WordBounds") -> str:
    worst = f"worst swap: {escape_plotly(_shorten(word.worst))}" if word.worst != word.word else "no swap lowers it"
    swaps = f"{word.swaps:,} swap{'' if word.swaps == 1 else 's'}" if word.swaps else "no swaps"
    return (f"{escape_plotly(_shorten(word.word))}, {swaps}<br>{worst}<br>least {word.lowest:+.2f}, now "
            f"{word.now:+.2f}, most {word.highest:+.2f}")


def _shorten(word: str) -> str:
    return word if len(word) <= _LONGEST else word[:_LONGEST - 1] + "…"
