"""The examples of the Attack page, attacked again on the shipped models."""

import pytest

from bench import gallery
from robust_core.types import Example
from ui.session.selection import DEFAULT_TEXT


@pytest.mark.thorough
def test_what_examples_say_is_what_attacks_find():
    stored = gallery.read_rows()
    now = gallery.sort_texts([Example(row.text, row.label, str(i)) for i, row in enumerate(stored)])
    assert now == stored
    # On most of them the plain model falls, and ours does not.
    assert sum(row.kind in ("proved", "holds", "flat") for row in now) >= 24
    assert next(row for row in now if row.text == DEFAULT_TEXT).kind in ("proved", "holds", "flat")
