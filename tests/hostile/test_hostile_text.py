"""Typed text: cleaned and split in linear time, refused in one line or attacked within its time."""

import time

import pytest
from helpers.doubles import BagOfWords, WordEncoder
from helpers.hostile import answer_or_line, run_command
from helpers.texts import PENN
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import TYPED_SECONDS
from robust_core.cleaning import MAX_CHARACTERS, MAX_WORD_CHARACTERS, check_typed, clean, clean_row
from robust_core.errors import BadInput
from robust_core.explainers import EXPLAINERS
from robust_core.text import Draft, diff, find_words, split_word
from robust_core.types import Example

UNITS = ("a", " ", "-", "_", "'", "*", "@", "?!", "...", "( ", " )", " ,", "<b", "<br ", "&", "&amp;", "&#", "#39;",
         "amp;", "`` ", " ''", " n't", "-lrb- ", "gon na ", "$ ", "\\", "\u4e2d", "\u3002", "\u0301", "\u200d",
         "\u202e", "\U0001f600", "\U000e0041", "\ufeff", "\t", "\u2028", "\ud800",
         "\x00", "\u0130", "\u1e9b\u0323", "Ab1-",
         "don't ", "x.y ")
READERS = {
    "clean": clean, "clean_row": clean_row, "find_words": find_words, "split_word": split_word,
    "Draft": lambda text: Draft.of(text).text, "check_typed": lambda text: answer_or_line(lambda: check_typed(text))}
# Seconds for 20,000 characters; a rule that looks back over what it has read would take minutes.
MOST_SECONDS = 1.5


def measure(read, text: str) -> float:
    began = time.process_time()
    read(text)
    return time.process_time() - began


@pytest.mark.parametrize("unit", UNITS, ids=[repr(unit) for unit in UNITS])
def test_long_runs_are_read_in_linear_time(unit):
    text = unit * (MAX_CHARACTERS // len(unit))
    for name, read in READERS.items():
        assert measure(read, text) < MOST_SECONDS, name
        assert measure(read, f"word {text} word") < MOST_SECONDS, name


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(UNITS + PENN), min_size=1, max_size=4), st.sampled_from(sorted(READERS)))
def test_any_run_of_a_few_signs_is_read_in_linear_time(units, reader):
    text = "".join(units)
    assert measure(READERS[reader], text * (MAX_CHARACTERS // len(text))) < MOST_SECONDS


TYPED = ["", " ", "\x00", "\u202e", "?!", "\ud800", "a\ud800b", "\U0001f468\u200d\U0001f469", "{{7*7}}", "${jndi:ldap://x}",
         "<script>alert(1)</script>", "![x](http://127.0.0.1:9/x.png)", "[log in](http://example.org)", ":red[good]",
         "$\\frac{1}{2}$", "`rm -rf`", "'; DROP TABLE runs; --", "%s%n%x", "../../etc/passwd", "-1e999", "NaN", "null",
         "<SPLIT>", "[MASK] [SEP] [CLS] [UNK] [PAD]", "<mask> <s> </s>", "\u0130stanbul", "\u1e9e \ufb01ne",
         "I\u0307 \u0131",
         "=cmd|' /C calc'!A0", "\t\r\n", "a" * MAX_WORD_CHARACTERS, "a" * (MAX_WORD_CHARACTERS + 1), "good " * 401,
         "\u4e2d" * 19_000, "-" * 19_000, "good" + "_" * 19_000, "good " + "?" * 19_000 + " film", "1" * 15_000,
         "\u200d" * 300 + " good", "good\u0301" * 60, "\ufdfa " * 30, "n't 's 'll", "good\xa0film", "good\u2028film"]


@pytest.mark.parametrize("text", TYPED, ids=[f"{i}" for i in range(len(TYPED))])
@pytest.mark.parametrize("name", ["textfooler", "pwws", "gene"])
def test_any_typed_text_is_attacked_or_refused_in_one_line(text, name):
    cleaned = answer_or_line(lambda: check_typed(text))
    try:
        assert check_typed(text) == cleaned == clean(cleaned)
    except BadInput:
        return
    found = [event for event in ATTACKS[name](max_queries=200, time_limit=2.0).run(
        [BagOfWords()], [Example(cleaned, None, "typed")], encoder=WordEncoder()) if event.kind in ("result", "error")]
    assert [event.kind for event in found] == ["result"]
    assert found[0].result.example.text == cleaned
    assert diff(cleaned, found[0].result.perturbed) == found[0].result.swaps


@pytest.mark.parametrize("text", TYPED, ids=[f"{i}" for i in range(len(TYPED))])
def test_any_typed_text_is_explained_or_refused_in_one_line(text):
    cleaned = answer_or_line(lambda: check_typed(text))
    if not find_words(cleaned) or cleaned.startswith("The "):
        return
    found = EXPLAINERS["loo"]().explain(BagOfWords(), [cleaned], [1])[0]
    read = Draft.of(cleaned).words[: BagOfWords().length]
    assert [cleaned[start:end] for start, end in found.spans] == list(read) and len(found.scores) == len(read)


@pytest.mark.parametrize("text", [text for text in TYPED if "\ud800" not in text][:20])
def test_the_command_line_classifies_any_text_or_refuses_in_one_line(text):
    code, out, _ = run_command("predict", "--model", "sst2/cnn/base", "--json", "--", text)
    assert code == 2 or '"label"' in out


def test_the_limit_of_typed_text_is_shown_and_can_be_changed():
    assert TYPED_SECONDS == 60
    code, out, _ = run_command("attack", "--help")
    assert code == 0 and "60 unless" in " ".join(out.split())
