"""Text from outside in Markdown, figures, tables and reports: what is shown is the text, and nothing else."""

import csv
import html.parser
import io
import json

import pytest
from helpers.markdown import HOSTILE, draw
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from robust_core.attacks import ATTACKS
from robust_core.types import AttackResult, Example
from ui.attack import downloads
from ui.comparison.row import Row
from ui.session.choices import Choices, Limits
from ui.session.outcome import Outcome, Pair
from ui.widgets import charts
from ui.widgets.markdown import escape_markdown, escape_plotly, format_code


@pytest.fixture(autouse=True)
def private_folders(tmp_path):
    """Hypothesis keeps what it needs in the test's own folder."""
    set_hypothesis_home_dir(tmp_path)


NAMES = [f"{i}" for i in range(len(HOSTILE))]


def see(text: str) -> str:
    """A text as a browser shows it: white space counts once; what no page can hold has a sign of its own."""
    kept = "".join("\ufffd" if ord(c) < 32 and c not in "\t\n\r" or "\ud800" <= c <= "\udfff" else c for c in text)
    return " ".join(kept.split())


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_markdown_shows_the_text_and_nothing_else(text):
    for before, after in (("", ""), ("Unknown model ", ". Known: a."), *([("**", "**")] if text.strip() else [])):
        seen, more = draw(before + escape_markdown(text) + after)
        if before != "**":
            assert see(seen) == see(before + text.rstrip("\n") + after)
        assert set(more) <= {"strong_open", "strong_close"}, more


# What the helper takes for a span is left out.
@pytest.mark.parametrize("text", [text for text in HOSTILE if ":color[&" not in text])
def test_code_shows_the_text_and_nothing_else(text):
    seen, more = draw(f"The model {format_code(text)} is here.")
    assert see(seen) == see(f"The model {text} is here.")
    assert set(more) <= {"code_inline"}, more


@settings(max_examples=300, deadline=None, database=None)
@example("\n #")
@example("a\n =")
@example("|.\n:-")
@example("a\n  1. b\n\t- c")
@given(st.text(st.sampled_from("ab1 \n\t:@.-<>~=`*_[]()!#|&;{}$\\/+wWhtps'\"é"), max_size=40))
def test_any_mixture_of_signs_is_text(text):
    seen, more = draw(escape_markdown(text))
    assert see(seen) == see(text) and not more


class Reader(html.parser.HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text, self.addresses = "", []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("href", "src", "srcset", "action")]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_figures_hold_no_markup(text):
    shown = escape_plotly(text)
    reader = Reader()
    reader.feed(shown)
    reader.close()
    assert not reader.tags and "%{" not in shown and see(reader.text) == see(text)


@pytest.mark.parametrize("text", [t for t in HOSTILE if "<" in t])
def test_every_figure_makes_its_names_plain(text):
    for figure in (charts.make_curve([(1, 0.9), (2, 0.4)], text, queries=3), charts.make_boxes({text: [0.1, 0.2]}, "τ"),
                   charts.make_top_k({text: {1: 0.5}}, {}), charts.make_word_scatter([(text, text, "b", 0.1, 0.2)]),
                   charts.make_cloud([(text, 1.0, 2.0)], "x", "y", marked={text})):
        found = json.dumps(figure.to_dict(), default=str, ensure_ascii=False)
        found = found.replace("<br>", "").replace("<extra></extra>", "")
        assert json.dumps(text, ensure_ascii=False)[1:-1] not in found


def make_outcome(text: str) -> Outcome:
    result = AttackResult(
        example=Example(text, None, "typed"), victim=text, attack={"name": "textfooler"}, perturbed=text + " x",
        reference_label=1, perturbed_label=0, before=(0.1, 0.9), after=(0.8, 0.2), queries=1, forward_passes=1,
        eligible=1, similarity=0.9, seconds=0.1, status="succeeded", swaps=(), curve=((0, 0.9),), notes=(text,))
    asked = Choices(text, (text, "b"), ({"name": "textfooler", "old": text},), seed=1)
    return Outcome("id", asked, {Pair(text, "textfooler"): result}, {Pair("b", "textfooler"): text})


@pytest.mark.parametrize("text", [t for t in HOSTILE if t.strip() and "\ud800" not in t and len(t) < 1000])
def test_reports_and_tables_hold_text_alone(text):
    outcome, names = make_outcome(text), {text: (text, text + "2"), "b": ("x", text)}
    row = Row(Pair(text, ""), text, text + " x", 1, (0.1, 0.9), (0.8, 0.2), error=text)
    titles = {pair: text for pair in (*outcome.pairs, Pair(text, ""), Pair("b", ""))}
    made = downloads.to_html(outcome, [row], titles, names, Limits(0.4, 0.6), ATTACKS)
    reader = Reader()
    reader.feed(made)
    assert not reader.tags & {"script", "img", "iframe", "object", "form", "base", "embed", "svg"}
    assert all(address.startswith("#") for address in reader.addresses)
    lines = list(csv.DictReader(io.StringIO(downloads.to_csv(outcome, [row], names, Limits(0.4, 0.6)))))
    assert len(lines) == 2 and not any(str(cell).startswith(tuple("=+-@\t\r")) and len(str(cell)) > 1
                                       and not str(cell)[1:].replace(".", "").isdigit()
                                       for line in lines for cell in line.values())
    assert json.loads(downloads.to_json({"text": text}, names))["classes"][text] == [text, text + "2"]
