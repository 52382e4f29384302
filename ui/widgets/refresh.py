"""Parts of a page that draw themselves again, and what a person sees when a part of a page breaks."""

import contextlib
import logging
from collections.abc import Callable, Iterator

import streamlit as st

from robust_core.errors import RobustError
from robust_core.jobs.manager import BROKEN
from ui.widgets.markdown import warn

_EVERY = 0.2
_LOG = logging.getLogger(__name__)


def make_fragment(draw: Callable[[], bool], running: bool, about: str = "", every: float = _EVERY) -> None:
    """Run `draw` again and again while it returns True; the page is run once more when that ends.

    A drawing that fails is not tried again by itself: one line says so, beside a button that tries once more.

    Args:
        draw: Draws the part; returns whether it goes on.
        running: Whether it goes on after the first time.
        about: What is drawn, such as a job's id: a failure holds for this alone.
        every: Seconds between two drawings.
    """
    key = f"failed.{draw.__module__}.{draw.__qualname__}.{about}"
    if key in st.session_state:
        warn(st.session_state[key])
        st.button("Try again", key=f"{key}.again", on_click=st.session_state.pop, args=(key, None),
                  icon=":material/refresh:")
        return
    drawn = [False]

    def step() -> None:
        # The first time is a part of the page's own run, which ends by itself.
        try:
            goes_on = draw()
        except Exception as error:  # noqa: BLE001 (whatever it is, it would be the same several times a second)
            st.session_state[key] = _describe_failure(error, draw.__qualname__)
            # Only a run of the whole page takes away the timer that calls for the next drawing.
            st.rerun()
        if not goes_on and running and drawn[0]:
            st.rerun()
        drawn[0] = True

    # Streamlit 1.67 drops what a fragment wrote in a run of the whole page when its next drawing begins before that was
    # sent. The browser then takes the fragment's old place away, moves up what follows, and draws the fragment over it.
    # In a box of its own nothing follows.
    with st.container():
        st.fragment(step, run_every=every if running else None)()


@contextlib.contextmanager
def show_failure(what: str) -> Iterator[None]:
    """Show one line and a button in the place of a part of a page that fails; what nobody foresaw goes into the log.

    Args:
        what: The part, as the log names it.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 (as above)
        warn(_describe_failure(error, what))
        st.button("Try again", key=f"failed.{what}", icon=":material/refresh:")


def _describe_failure(error: Exception, what: str) -> str:
    if isinstance(error, RobustError):
        return str(error)
    _LOG.error("Drawing %s failed", what, exc_info=error)
    return BROKEN
