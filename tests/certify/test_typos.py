"""Typos: the proof that no single one flips an answer, against every text that it speaks about."""

import numpy as np
import pytest
from helpers.cli import invoke, rows
from helpers.models import draw_additive, word_model
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.certify.typos import list_typos, prove_typos
from robust_core.errors import Incompatible
from robust_core.models.bounded import bound_correction
from robust_core.models.networks.cnn_lstm import WordCNN
from robust_core.models.typos import read_typos
from robust_core.text import Draft

WORDS = ("good", "food", "bad", "bat", "but", "not", "nut", "fine", "film", "a")


def write_texts(text: str) -> list[str]:
    """Return a text with each typo of each of its words, capitals left as they are."""
    draft = Draft.of(text)
    return [Draft((*draft.words[:at], typo, *draft.words[at + 1:]), draft.gaps).text
            for at, word in enumerate(draft.words) for typo in list_typos(word)]


def test_typos_of_a_word():
    assert {"ab", "b", "a"} & set(list_typos("ab")) == {"b", "a"}
    found = list(list_typos("ab"))
    assert len(found) == len(set(found)) and {"ba", "aab", "acb", "abz", "zb", "az"} <= set(found)
    # Two deletions, an exchange, 2 x 25 replacements, 3 x 26 additions of which "aab" and "abb" come twice.
    assert len(found) == 2 + 1 + 50 + 78 - 2
    assert "" not in set(list_typos("a")) and all(len(Draft.of(typo).words) == 1 for typo in list_typos("n't"))


@given(st.integers(0, 10_000), st.lists(st.sampled_from((*WORDS, "goood", "zzz")), max_size=4), st.booleans(),
       st.sampled_from(["sentiment", "topic"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_is_proved_holds_for_every_text(seed, words, mends, states, with_core):
    model = draw_additive(seed, WORDS, 2, states)
    if with_core:
        correction = word_model(WordCNN, seed)
        model.labels = correction.labels
        model = bound_correction("drawn/core", model, correction, 0.3)
    model = read_typos("drawn", model) if mends else model
    text = " ".join(words)
    found, made = prove_typos(model, text), [text, *write_texts(text)]
    proba = model.predict_proba(made).astype(np.float64)
    assert found.typos == len(made) - 1 and found.worst_text in made
    label = proba[0].argmax()
    leads = np.log(proba[:, label]) - np.log(proba[:, 1 - label])
    assert leads.min() >= found.lowest_lead - 1e-3
    assert not found.proven or (proba.argmax(1) == label).all()
    if not with_core:
        assert leads.min() == pytest.approx(found.lowest_lead, abs=1e-3), "every text was tried, and no other"
        assert leads[made.index(found.worst_text)] == pytest.approx(found.lowest_lead, abs=1e-3)


def test_a_network_has_no_such_proof():
    with pytest.raises(Incompatible, match="no certificate in words"):
        prove_typos(word_model(WordCNN), "a good film")


def test_the_command_line_says_what_a_typo_can_do():
    row, = rows(invoke("certify", "A wonderful, wonderful, delightful and moving film, funny and charming throughout.",
                       "--words", "--json"))
    assert row["typos_proven"] is True and row["typos"] > 1000
    text = "Not even the lovely island scenery can save this soggy romance."
    row, = rows(invoke("certify", text, "--words", "--json"))
    assert row["typos_proven"] is False and row["worst_typo"] != text
    assert "not proved: " in invoke("certify", text, "--words").stdout
