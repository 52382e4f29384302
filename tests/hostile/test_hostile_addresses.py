"""Crafted addresses of the app: whatever a link asks for is opened, or refused in one plain line; never more."""

import json
import math
from pathlib import Path

import pytest
from helpers.hostile import answer_or_line, check_line, expect_line
from helpers.markdown import HOSTILE, draw, list_markdown
from helpers.pages import MODELS, doubles, settle  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core.attacks import ATTACKS
from robust_core.errors import UnknownName
from robust_core.paths import ROOT
from robust_core.store import ResultStore
from ui.widgets import forms
from ui.widgets.markdown import escape_markdown

MARK = "http://evil.example/"
# Texts that an address can hold, and that are no names of anything.
TEXTS = [text for text in HOSTILE if "\ud800" not in text and text.strip()][::8]


@pytest.fixture(autouse=True)
def private_folders(tmp_path, monkeypatch):
    """Matplotlib keeps what it needs in the test's own folder."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))


def opened(query: dict[str, str], more: str = "") -> AppTest:
    """Run the part of the app that reads the address and writes it again; `more` follows it."""
    # The working folder is the test's own.
    Path("address.py").write_text("from ui import frame\nframe.open_session()\nframe.show_message()\n"
                                  f"frame.write_link()\n{more}\n")
    at = AppTest.from_file(str(Path("address.py").absolute()), default_timeout=20)
    at.query_params.update(query)
    at.run()
    assert not at.exception, at.exception
    return at


def check(at: AppTest) -> list[str]:
    """Return the lines shown; each is one plain line with nothing in it but text."""
    lines = []
    for warning in at.warning:
        seen, more = draw(warning.value)
        assert not more, more
        lines.append(check_line(seen))
    return lines


@pytest.mark.parametrize("text", TEXTS)
def test_unknown_models_are_one_line(text):
    at = opened({"models": text})
    lines = check(at)
    assert lines and lines[0].startswith("Unknown model") or not text.strip(",")
    assert at.session_state["models"] == []


def refuse() -> None:
    """Commas alone ask for nothing."""
    raise UnknownName("attack", "", [])


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text and text.strip()])
def test_unknown_attacks_are_one_line(text):
    line = expect_line(lambda: forms.several_from_link(ATTACKS, text) or refuse())
    assert line.startswith("Unknown attack") and not draw(escape_markdown(line))[1]


@pytest.mark.parametrize("value", [
    "textfooler;", "textfooler;;", "textfooler;x", "textfooler;=1", "textfooler;max_candidates",
    "textfooler;max_candidates=", "textfooler;max_candidates=1e9", "textfooler;max_candidates=-1",
    "textfooler;max_candidates=" + "9" * 5000, "textfooler;min_word_similarity=nan",
    "textfooler;min_word_similarity=inf", "textfooler;min_word_similarity=1e400",
    "textfooler;min_word_similarity=[x](http://evil.example/)",
    f"textfooler;[x]({MARK})=1", "textfooler;name=pwws", "textfooler;__class__=1", "textfooler;skip_short=perhaps",
    "textfooler;skip_short=True;skip_short=False", "textfooler;time_limit=-1", "textfooler;time_limit=nan",
    "textfooler;max_queries=99999999999999999999", "textfooler,textfooler,textfooler", "," * 2000,
    ",".join(["textfooler"] * 500), "bae;masked_model=../../etc/passwd", f"bae;masked_model={MARK}",
    "pso;max_queries=0x10", "textfooler;max_candidates=%00", "textfooler;max_candidates=５",
])
def test_attacks_with_odd_settings_open_or_are_one_line(value):
    found = answer_or_line(lambda: forms.several_from_link(ATTACKS, value))
    if isinstance(found, str):
        assert not draw(escape_markdown(found))[1]
    else:
        assert all(record["name"] in ATTACKS for record in found)


@pytest.mark.parametrize("token", [
    "x", "../x", "../../../../etc/passwd", "/etc/passwd", "a" * 5000, "\x00", "..", ".", "~", f"[x]({MARK})", "a/b",
    "%2e%2e", "a b", "view", "null", "0", "-1", "ＡＢＣ", "‮x", "CON", "*", "?", "a\nb", "'; DROP TABLE views; --",
])
def test_unknown_views_are_one_line(token):
    assert len(check(opened({"view": token}))) == 1


def view(**changes) -> dict:
    return json.loads((ROOT / "tests" / "made_before" / "permalink.json").read_text(encoding="utf-8")) | changes


BENT = [
    {"outcome": None}, {"outcome": []}, {"outcome": {}}, {"attributions": None}, {"attributions": [{}]},
    {"attributions": [1]}, {"probabilities": [{}]}, {"probabilities": "x"}, {"perplexities": []},
    {"perplexities": {"a": "x"}}, {"models": None}, {"models": 5}, {"models": [f"[x]({MARK})"]}, {"models": [["a"]]},
    {"text": None}, {"text": 5}, {"text": ["a"]}, {"label": "x"}, {"label": 10**30}, {"label": -5}, {"label": [1]},
    {"seed": "x"}, {"seed": -1}, {"seed": 10**30}, {"seed": None}, {"tau_at_least": "x"}, {"tau_at_least": 1e9},
    {"tau_at_least": None}, {"top5_at_least": -3}, {"top5_at_least": [1]}, {"attacks": None}, {"attacks": [{}]},
    {"attacks": [{"name": f"[x]({MARK})"}]}, {"explainer": None}, {"explainer": {"name": "none"}}, {"source": 5},
    {"source": f"[x]({MARK})"}, {"found_on": 5}, {"found_on": ["a"]}, {"found_on": ["a", "b"]}, {"adversarial": 5},
    {"adversarial": f"[x]({MARK})"}, {"adversarial": "a" * 100_000}, {"replay": 5}, {"replay": {}},
    {"replay": {"pair": ["a", "b"], "step": 1}}, {"replay": {"pair": ["a"], "step": "x"}},
]


@pytest.mark.parametrize("changes", BENT, ids=[json.dumps(c)[:40] for c in BENT])
def test_a_bent_view_is_one_line_or_opens(changes, own_runs):
    token = ResultStore(own_runs).put(view(**changes))
    # What opens is what a page can draw: the sidebar draws most of what a view holds.
    lines = check(opened({"view": token}, "frame.draw_sidebar((\"models\", \"attacks\"))"))
    assert not any("went wrong" in line for line in lines), changes


@pytest.mark.parametrize("query", [
    {"models": f"![x]({MARK}a.png),{MODELS[0]}"},
    {"text": f"[log in]({MARK}) ![x]({MARK})"},
    {"text": "x" * 50_000}, {"text": "\x00\x1b"}, {"job": f"[x]({MARK})"},
    {"view": f"![x]({MARK}a.png)"}, {MARK: "1", "[x](y)": "2"},
    {"models": ",".join(MODELS), "text": "<script>alert(1)</script>", "attack": "planted", "job": "x"},
])
def test_the_whole_page_shows_a_crafted_address_as_text(query):
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    at.query_params.update(query)
    settle(at)
    check(at)
    for text in list_markdown(at):
        assert MARK not in text, text
    assert math.isfinite(at.number_input(key="seed").value)
