"""Work on whole data sets, begun from a page: a job with progress, time left and Stop; the rest of the app goes on."""

import threading
from collections.abc import Callable, Iterable, Iterator

import streamlit as st

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.datasets import same_labels
from robust_core.errors import RobustError
from robust_core.events import Event
from robust_core.jobs import progress
from robust_core.jobs.manager import Job
from robust_core.models.cards import Card
from robust_core.slices import is_slice
from ui.session import dialogs, selection
from ui.shared import catalogue, loaded
from ui.slices import state as slices
from ui.widgets import refresh
from ui.widgets.markdown import escape_markdown, note, warn

KEY = "corpus.job"
_SENTIMENT = ("negative", "positive")
Work = Callable[[threading.Event], Iterator[Event | str]]


def list_available(card: Card | None) -> list[str]:
    """Return the data sets that are here and have a model's labels: its own first, then the packaged reviews."""
    labels = card.labels if card else _SENTIMENT
    known = {**datasets.DATASETS, **datasets.list_own()}
    names = [name for name, data in known.items() if same_labels(labels, data.labels) and is_here(name)]
    return sorted(names, key=lambda name: (card is None or name != card.dataset, name != "reviews"))


def is_here(name: str, split: str = "test") -> bool:
    """Return whether a split of a data set is here."""
    try:
        return bool(datasets.find(name, split))
    except RobustError:
        return False


def list_alike(model: str, models: Iterable[str]) -> list[str]:
    """Return the models that the same texts can be put to: those with the same labels, or with labels not known yet."""
    cards = catalogue.read_cards()
    mine = cards.get(model)
    return [m for m in models if mine is None or m not in cards or same_labels(mine.labels, cards[m].labels)]


def draw_controls(key: str, card: Card | None, n: int) -> tuple[str, int] | None:
    """Draw the pickers of a data set and of a number of texts; return what was chosen.

    Args:
        key: Prefix of the widgets' keys.
        card: The model that must know the labels.
        n: Texts drawn at first.

    Returns:
        Name of a data set, or a slice as the address has it, and the number; None, with a line that says why,
        where no data set has the model's labels.
    """
    names = list_available(card)
    chosen, word = slices.find_slice(), slices.find_word()
    if chosen is not None and slices.has_labels(chosen, card.labels if card else _SENTIMENT):
        names.append(word)
        if is_slice(st.session_state.get(f"{key}.dataset") or ""):
            # It may have been another one when this was drawn last.
            st.session_state[f"{key}.dataset"] = word
    elif chosen is not None:
        note("The slice cannot be chosen here: its texts are not here, or their labels are not those of the models "
             "chosen.")
    if card is not None and not names:
        st.info(escape_markdown(_describe_missing(card)))
        draw_own_button(key)
        return None
    if st.session_state.get(f"{key}.dataset") not in names:
        st.session_state[f"{key}.dataset"] = names[0]
    st.session_state.setdefault(f"{key}.n", n)
    name = st.selectbox("Data set", names, key=f"{key}.dataset", persist_state="session", width=180,
                        format_func=slices.name_texts)
    draw_own_button(key)
    if chosen is not None and name == word:
        size = len(chosen.places)
        st.number_input("Texts", 1, 100_000, size, disabled=True, width=140, key=f"{key}.n.slice.{size}",
                        help="All texts of the slice.")
        return name, size
    count = st.number_input("Texts", 1, 100_000, key=f"{key}.n", step=50, persist_state="session", width=140,
                            help="Drawn from the test split with the sidebar's seed. What was stored before is used "
                                 "again, so a larger number only adds to it.")
    return name, int(count)


def draw_own_button(key: str) -> None:
    """Draw the button that opens the dialog for texts of one's own, beside the picker `<key>.dataset`."""
    st.button("Your own texts", icon=":material/upload:", key=f"{key}.own", on_click=dialogs.open_dialog,
              args=(dialogs.DATA, "", f"{key}.dataset"), help="Bring a file with texts and labels: it is then in every "
                                                              "picker of data sets.")


def _describe_missing(card: Card) -> str:
    try:
        datasets.find(card.dataset, "test")
    except RobustError as error:
        return f"{catalogue.name_model(card.id)} needs texts with its own labels. {error}"
    return f"No data set here has the labels of {catalogue.name_model(card.id)}: {', '.join(card.labels)}."


def start_job(label: str, work: Work) -> None:
    """Begin a job; a plain message says why where it cannot begin."""
    try:
        st.session_state[KEY] = loaded.submit_job("corpus", work, label)
    except RobustError as error:
        selection.notify(str(error))
        return
    loaded.get_jobs().wait(st.session_state[KEY], 0.25)


def keep_progress(events: Iterable[Event]) -> Iterator[Event | str]:
    """Yield what a page looks at of an evaluation's events: progress, and a line where examples have no result.

    Thousands of results need not stay in memory.
    """
    for event in events:
        if event.kind == "progress" and "part" in event.data:
            yield event
        elif event.kind == "row" and event.data.get("errors") and "explain" not in event.data:
            failed = event.data["warnings"][0]
            yield f"{ATTACKS[event.data['attack']].title} on {catalogue.name_model(event.victim)}: {failed}"


def find_job() -> Job | None:
    """Return this session's job on a data set, if it is still known, and say that somebody watches it."""
    job_id = st.session_state.get(KEY)
    if not job_id:
        return None
    loaded.get_jobs().touch(job_id)
    return loaded.get_jobs().get(job_id)


def is_running() -> bool:
    """Return whether this session's job goes on."""
    now = find_job()
    return now is not None and not now.over


def stop_job() -> None:
    """Ask the job to end; what it has stored stays."""
    loaded.stop_job(st.session_state.get(KEY, ""))


def draw_sign() -> None:
    """Show in the sidebar of every page that a data set is being worked on, which also keeps the job alive."""
    now = find_job()
    if now is None:
        return
    if now.over:
        for line in filter(None, (now.error, *now.values)):
            with st.sidebar:
                warn(f"{now.label}: {line}")
        return

    def draw() -> bool:
        latest = find_job()
        if latest is None or latest.over:
            return False
        done, total, line = _describe_progress(latest)
        st.progress(done / total if total else 0.0, text=escape_markdown(line))
        st.button("Stop", on_click=stop_job, key="corpus.stop", icon=":material/stop:")
        return True

    with st.sidebar:
        note(now.label)
        refresh.make_fragment(draw, True, now.id)


def _describe_progress(now: Job) -> tuple[int, int, str]:
    """Return done, total and a line: the part that is under way, its pace, the time left."""
    events = [event for event in now.latest.values() if isinstance(event, Event) and "total" in event.data]
    if not events:
        return 0, 0, "Waiting for its turn" if now.started is None else "loading …"
    # Parts come one after the other: the newest is the last that began.
    clock, paces = loaded.get_jobs().clock(), _get_paces()
    for event in events:
        paces.setdefault((now.id, event.data["part"]), progress.Pace(clock, event.data["done"]))
    part = max((e.data["part"] for e in events), key=lambda part: paces[now.id, part].began)
    event = max((e for e in events if e.data["part"] == part), key=lambda e: e.data["done"])
    done, total = int(event.data["done"]), int(event.data["total"])
    return done, total, f"{part}: {progress.describe_progress(paces[now.id, part], clock, done, total)}"


@st.cache_resource(show_spinner=False)
def _get_paces() -> dict[tuple[str, str], progress.Pace]:
    return {}
