"""Words that are clicked on the Attack page stay, and a class that is chosen is looked for."""

import streamlit as st

from robust_core import ATTACKS
from robust_core.registry import from_record
from ui.session import locks


def test_what_is_clicked_goes_into_the_records_of_that_text(monkeypatch):
    state = {locks._make_key("lock", "a good film"): ["good"], locks._make_key("target", "a good film"): "Negative"}
    monkeypatch.setattr(st, "session_state", state)
    attacks = [ATTACKS["pwws"](), ATTACKS["bad-characters"]()]
    for record, attack in zip(locks.make_records(attacks, "a good film"), attacks, strict=True):
        again = from_record(ATTACKS, record)
        assert (again.name, again.lock, again.target) == (attack.name, ("good",), "Negative")
    assert all("lock" not in record for record in locks.make_records(attacks, "another film"))
