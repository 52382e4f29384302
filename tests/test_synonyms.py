"""Our own defence: copies of the texts with random neighbours, and FLAT where there are none."""

import numpy as np
import pytest
import torch
from test_defences import epochs, learn, setup_of
from test_models import tiny_data

from robust_core.attacks.textfooler import cased_substitutes
from robust_core.defences import DEFENCES
from robust_core.defences.synonyms import shuffled_words
from robust_core.text import Draft

SHORT = {"rounds": 0, "clean_epochs": 2}
TEXT = "An exceedingly clever movie, and a good story!"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(tiny_data(tmp_path_factory.mktemp("data")))


def drained(making):
    """What a generator returns."""
    try:
        while True:
            next(making)
    except StopIteration as done:
        return done.value


def test_every_new_word_is_a_neighbour_of_the_old_one():
    rng = np.random.default_rng(0)
    for _ in range(30):
        old, new = Draft.of(TEXT), Draft.of(shuffled_words(TEXT, rng, 0.7, 10, 0.6))
        assert old.gaps == new.gaps
        for before, after in zip(old.words, new.words, strict=True):
            assert after == before or after in cased_substitutes(before, 10, 0.6)


def test_the_share_of_words_is_that_asked_for():
    rng, movable = np.random.default_rng(1), [w for w in Draft.of(TEXT).words if cased_substitutes(w, 50, 0.5)]
    changed = [sum(a != b for a, b in zip(Draft.of(TEXT).words, Draft.of(shuffled_words(TEXT, rng, 0.3, 50, 0.5)).words,
                                          strict=True)) for _ in range(400)]
    assert np.mean(changed) == pytest.approx(0.3 * len(movable), abs=0.25)
    assert shuffled_words(TEXT, rng, 0.0, 50, 0.5) == TEXT


def test_copies_are_drawn_anew_each_epoch_and_again_the_same(data):
    defence = DEFENCES["synonyms"](**SHORT, share=0.9)
    setup = setup_of(data, defence)
    first, again, later = (drained(defence.course(setup).rows(epoch))[len(setup.rows):] for epoch in (1, 1, 2))
    assert first == again and first != later
    assert all(row.original is setup.rows[row.index] and row.label == row.original.label and row.ids != row.original.ids
               for row in first)


def test_without_copies_it_is_flat(data):
    plain = epochs(learn(data, DEFENCES["flat"](**SHORT)))
    none = epochs(learn(data, DEFENCES["synonyms"](**SHORT, share=0.0)))
    assert [e["terms"] for e in plain] == [e["terms"] for e in none]


def test_the_importance_gap_sees_the_copies(data):
    terms = epochs(learn(data, DEFENCES["synonyms"](**SHORT, share=0.9)))[0]["terms"]
    assert terms["importance_gap"] > 0


def test_a_transformer_s_masks_see_words_in_their_own_unit(data):
    masks = setup_of(data, DEFENCES["flat"](), architecture="minilm").network.masks
    table = setup_of(data, DEFENCES["flat"](), architecture="minilm").network.embedding.weight
    assert masks.config.unit == pytest.approx(table.square().mean().sqrt().item())
    with torch.no_grad():
        seen = table[1000:1200]
        assert masks.odds(seen).std() > 5 * masks.odds(seen * masks.config.unit).std()
    assert setup_of(data, DEFENCES["flat"]()).network.masks.config.unit == 1.0
