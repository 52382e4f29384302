"""The one next step that a page suggests at its end: another page, one click away, with its state set."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from robust_core.errors import UnknownName
from robust_core.paths import ROOT
from ui.widgets.markdown import escape_markdown

_FOLDER = "pages"


def suggest(page: str, label: str, *, key: str, prepare: Callable[..., None] | None = None,
            args: tuple[Any, ...] = (), about: str = "") -> None:
    """Draw a button that opens another page.

    Args:
        page: Title of the page.
        label: What is to be done there; a text of any kind.
        key: Key of the button.
        prepare: Called at the click, before the page opens, so that it finds its state set.
        args: What `prepare` is called with.
        about: What the page shows, for whoever points at the button.

    Raises:
        UnknownName: There is no such page.
    """
    if st.button(escape_markdown(label), key=key, icon=":material/arrow_forward:", on_click=prepare, args=args,
                 help=escape_markdown(about) if about else None):
        st.switch_page(find_page(page))


def find_page(title: str) -> str:
    """Return the path of a page's file, from the app's folder, by the page's title: numbers change.

    Raises:
        UnknownName: There is no such page.
    """
    names = {path.stem.partition("_")[2].replace("_", " "): path.name for path in (ROOT / _FOLDER).glob("*_*.py")}
    if title not in names:
        raise UnknownName("page", title, sorted(names))
    return f"{_FOLDER}/{names[title]}"


def choose(state: Mapping[str, object]) -> None:
    """Set keys of the session; for `prepare`."""
    for name, value in state.items():
        st.session_state[name] = value
