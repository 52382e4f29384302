"""The frame around every page: the address, the sidebar with the shared pickers, and the sign of a running attack."""

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from robust_core import highlight
from robust_core.attacks import ATTACKS
from robust_core.errors import RobustError, list_names, quote
from robust_core.explainers import EXPLAINERS
from robust_core.registry import to_record
from ui.attack import cards, overview, permalink, story
from ui.own import dialogs as own
from ui.session import attack, presets, selection
from ui.session.selection import PAGE_LINK
from ui.shared import catalogue, loaded
from ui.slices import state as slices
from ui.widgets import dataset_job, forms, refresh
from ui.widgets.markdown import warn

if TYPE_CHECKING:
    from streamlit.navigation.page import StreamlitPage

LONGEST_LINK = 600
_GONE = "is not here any more: the program was started anew, or it ended over an hour ago."
# Work that an address names: its parameter, where the session keeps it, and what to say where it is gone.
_JOBS = (("job", "job", f"The attack of this address {_GONE} Press Attack to run it again."),
         ("work", dataset_job.KEY, f"The work on a data set of this address {_GONE} What it had stored is kept: start "
                                   "it again to go on."))


class PageFile(NamedTuple):
    """A page as its file describes it: first docstring line `Title: subtitle`, lines `Icon: name` and `Sidebar: parts`.

    The parts of the sidebar that a page uses: models, attacks, explanation, thresholds, seed; none without such a line.
    """

    path: Path
    title: str
    subtitle: str
    icon: str
    controls: tuple[str, ...] = ()


_DOCSTRING = re.compile(r'\s*"""(.*?)"""', re.DOTALL)


def list_pages(folder: Path) -> list[PageFile]:
    """Return the pages of a folder, in the order of the numbers in their names."""
    found = []
    for path in sorted(folder.glob("*.py"), key=_read_place):
        # Not by `ast`: with several threads CPython 3.11 now and then fails there ("recursion depth mismatch").
        head = _DOCSTRING.match(path.read_text(encoding="utf-8"))
        lines = inspect.cleandoc(head[1] if head else path.stem).splitlines()
        name, _, subtitle = lines[0].partition(": ")
        icon, controls = _read_line(lines, "Icon") or "article", _read_line(lines, "Sidebar")
        found.append(PageFile(path, name, subtitle, f":material/{icon}:", tuple(filter(None, controls.split(", ")))))
    return found


def _read_place(path: Path) -> tuple[int, str]:
    """Return the number in the name of a page's file, and the name: 10 comes after 9."""
    number = path.stem.partition("_")[0]
    return (int(number) if number.isascii() and number.isdecimal() else 0, path.stem)


def _read_line(lines: list[str], name: str) -> str:
    """Return what stands behind `name: ` in a docstring."""
    return next((line.partition(": ")[2].strip() for line in lines if line.startswith(f"{name}: ")), "")


# What Streamlit's own style lacks: the links of the sidebar show no focus; captions are too pale, and so is white on
# what the dark theme fills with its colour, which must itself be light enough to be read as text.
_MORE = """
[data-testid="stSidebarNavLink"]:focus-visible { outline: 2px solid currentColor; outline-offset: -2px; }
.stApp [data-testid="stCaptionContainer"] { opacity: 0.75; } [data-testid="stCaptionContainer"] code { color: inherit; }
[data-testid="stBaseButton-primary"]:not(:disabled), [data-testid="stMultiSelect"] [data-tag]
  { color: light-dark(#ffffff, #15141b); }
[data-testid="stBaseButton-primary"]:is(:hover, :active):not(:disabled) { background: light-dark(#4f2f8b, #bda6f2); }
"""


def apply_style() -> None:
    """Put the style sheet of highlighted words and cards into the page."""
    st.html(f"<style>{highlight.make_style()}{cards.STYLE}{overview.STYLE}{story.STYLE}{_MORE}</style>")


def open_session() -> None:
    """Take over what the address of a new session asks for; a message says what is not there."""
    if st.session_state.get("opened"):
        return
    st.session_state["opened"] = True
    query = st.query_params.to_dict()
    try:
        if "view" in query:
            permalink.restore(query["view"])
            st.session_state["view"] = query["view"]
            return
        _read_query(query)
    except RobustError as error:
        selection.notify(str(error))


def _read_query(query: dict[str, str]) -> None:
    if "text" in query:
        st.session_state["text"] = query["text"]
    for name, key, lost in _JOBS:
        if loaded.get_jobs().get(query.get(name, "")):
            st.session_state[key] = query[name]
        elif query.get(name):
            selection.notify(lost)
    if query.get(slices.KEY):
        slices.open_slice(query[slices.KEY])
    if "models" in query:
        known = catalogue.read_cards()
        wanted = [m for m in dict.fromkeys(query["models"].split(",")) if m]
        st.session_state["models"] = [m for m in wanted if m in known]
        unknown = [m for m in wanted if m not in known]
        if unknown:
            selection.notify(f"Unknown model {quote(unknown[0])}. Known: {list_names(known)}.")
    if "attack" in query:
        asked = forms.several_from_link(ATTACKS, query["attack"], presets.LIMITS)
        forms.preset_several(ATTACKS, presets.KEY, asked)
        # A page whose sidebar has no attacks keeps them as well.
        st.session_state["chosen.attacks"] = asked


def write_link() -> None:
    """Write the present choices into the address, so that a reload brings them back."""
    now = selection.read_selection()
    shown = permalink.name_shown()
    if st.session_state.get("view") and st.session_state.setdefault("view_of", shown) == shown:
        wanted = {"view": st.session_state["view"]}
    else:
        for key in ("view", "view_of"):
            st.session_state.pop(key, None)
        wanted = {}
        if now.text != selection.DEFAULT_TEXT and len(now.text) <= LONGEST_LINK:
            wanted["text"] = now.text
        if list(now.models) != selection.list_default_models():
            wanted["models"] = ",".join(now.models)
        attacks = ",".join(map(presets.write_link, now.attacks))
        if attacks and attacks != ",".join(map(presets.write_link, selection.make_default_attacks())):
            wanted["attack"] = attacks
        if st.session_state.get("job"):
            wanted["job"] = st.session_state["job"]
        if dataset_job.is_running():
            wanted["work"] = st.session_state[dataset_job.KEY]
    if slices.find_word():
        wanted[slices.KEY] = slices.find_word()
    # What the page at hand adds, such as the place in a lesson.
    wanted |= st.session_state.pop(PAGE_LINK, {})
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def show_message() -> None:
    """Show the message that was left, as long as the choices are those that it is about."""
    message, about = st.session_state.get("said", ("", ""))
    if message and about in ("", permalink.name_shown()):
        st.session_state["said"] = [message, permalink.name_shown()]
        warn(message)
    else:
        st.session_state.pop("said", None)


def draw_sidebar(controls: Sequence[str]) -> None:
    """Draw those of the shared pickers that a page uses; what the others hold is kept.

    Args:
        controls: Some of models, attacks, explanation, thresholds, seed.
    """
    names = catalogue.list_options()
    with st.sidebar:
        st.session_state.setdefault("models", selection.list_default_models())
        if any(model not in names for model in st.session_state["models"]):
            # One that was removed, perhaps on another page of the same person.
            st.session_state["models"] = [model for model in st.session_state["models"] if model in names]
        if "models" in controls:
            st.multiselect("Models", list(names), key="models", format_func=names.__getitem__, persist_state="session",
                           help="The classifiers to try; the Models page says what each was trained on, and how.")
            own.draw_button()
        if not names:
            st.warning("No trained models are here. Train one: python -m robust_core train --dataset sst2 "
                       "--architecture cnn --defence base")
        if "attacks" in controls:
            _draw_attacks()
        if "explanation" in controls:
            explainer = forms.draw_form(EXPLAINERS, "explainer", "Explanation")
            if explainer is not None:
                st.session_state["chosen.explainer"] = to_record(explainer)
        if "thresholds" in controls:
            with st.expander("Thresholds and seed", icon=":material/rule:"):
                _draw_thresholds()
                _draw_seed()
        elif "seed" in controls:
            _draw_seed()
        found = loaded.list_devices()
        if controls and len(found) > 1:
            st.session_state.setdefault("device", selection.find_default_device())
            st.selectbox("Device", ["auto", *found], key="device", persist_state="session")


def _draw_attacks() -> None:
    presets.draw_preset()
    attacks = forms.draw_several(
        ATTACKS, presets.KEY, "Attacks", "They run one after the other; every attack on every model gets a card.",
        presets.list_defaults,
    )
    presets.explain_missing(attacks)
    st.session_state["chosen.attacks"] = [to_record(method) for method in attacks]


def _draw_thresholds() -> None:
    _draw_number("tau_at_least", "Interpretation: lowest τ", selection.TAU_AT_LEAST, -1.0, 1.0,
                 "Kendall's τ compares the order of the words' importances in both texts: 1 is the same order, 0 no "
                 "relation, -1 the reverse.")
    _draw_number("top5_at_least", "Interpretation: lowest top-5 overlap", selection.TOP5_AT_LEAST, 0.0, 1.0,
                 "Share of the five most important words of the original that are among the five of the other text.")


def _draw_seed() -> None:
    st.session_state.setdefault("seed", 0)
    st.number_input("Seed", 0, 2**31 - 1, key="seed", step=1, persist_state="session",
                    help="The same seed gives the same attack, the same draw of texts and the same training.")


def _draw_number(key: str, label: str, default: float, low: float, high: float, help_: str) -> None:
    st.session_state.setdefault(key, default)
    st.number_input(label, low, high, step=0.05, key=key, help=help_, persist_state="session")


def watch_attack(attack_page: "StreamlitPage", here: bool) -> None:
    """Show on other pages that an attack is running, which also keeps it alive."""
    found = attack.find_job()
    if here or found is None or found.over:
        return

    def draw() -> bool:
        now = attack.find_outcome()
        if now is None or not now.running:
            return False
        st.caption(cards.describe_queue(now.queue) if now.queue else f"Attack running: {now.queries:,} queries")
        st.page_link(attack_page, label="Watch it", icon=":material/bolt:")
        return True

    with st.sidebar:
        refresh.make_fragment(draw, True, found.id, every=1.0)
