"""Parts of a page that draw themselves again while something runs."""

from collections.abc import Callable

import streamlit as st

_EVERY = 0.2


def make_fragment(draw: Callable[[], bool], running: bool) -> None:
    """Run `draw` again and again while it returns True; the page is run once more when that ends."""
    drawn = [False]

    def step() -> None:
        # The first time is a part of the page's own run, which ends by itself.
        if not draw() and running and drawn[0]:
            st.rerun()
        drawn[0] = True

    st.fragment(step, run_every=_EVERY if running else None)()
