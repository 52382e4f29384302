"""What is judged and by whom: the shipped reading, stored runs or a file; how many texts, in which order."""

import hashlib
import json
import platform
from typing import NamedTuple

import streamlit as st

from robust_core.errors import RobustError
from robust_core.judging.items import Item, Source, choose_items, make_id
from robust_core.judging.kept import read_kept
from robust_core.judging.records import LONGEST_NAME, Judged, keep_latest, read_name
from robust_core.judging.shipped import read_reading
from robust_core.judging.sources import StoredRun, list_runs, read_attacked, read_runs, to_rows
from robust_core.paths import runs_folder
from robust_core.slices import Slice
from robust_core.table_files import KINDS
from ui.shared import catalogue, loaded, people
from ui.slices import state as slices
from ui.slices.line import JUDGE_ONLY
from ui.widgets.markdown import escape_markdown, note, warn

SHIPPED, RUNS, FILE = "The shipped reading", "Stored runs", "A file of yours"
_WITHOUT_FILE = "With the default texts, this page shows the shipped reading."
FLIPS, ORIGINALS, MOST = 20, 8, 500
_LEFT = "judge.left"


class Task(NamedTuple):
    """What a person judges.

    Attributes:
        source: The texts to draw from.
        items: The texts drawn, in the order in which they are read.
        judge: The judge's name.
        shipped: Judgements that came with the texts.
    """

    source: Source
    items: list[Item]
    judge: str
    shipped: list[Judged]

    def read_own(self) -> dict[str, Judged]:
        """Return the judge's last judgement on each text, by the text's id; what cannot be read is one line each."""
        judged, troubles = read_kept(self.source.id, self.judge)
        for line in troubles:
            warn(line)
        return {each.item.id: each for each in keep_latest(judged)}


def choose_task() -> Task | None:
    """Draw the controls; return what is judged, None where something is still to be given (a line says what)."""
    usual = {"from": SHIPPED, "name": _make_name(), "flips": FLIPS, "originals": ORIGINALS, "seed": 0}
    for key, value in usual.items():
        st.session_state.setdefault(f"judge.{key}", value)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.selectbox("Texts", [SHIPPED, RUNS, FILE], key="judge.from", persist_state="session", width=300,
                             help="The shipped reading: 200 flips of SST-2 sentences and 40 originals. Stored runs: "
                                  "what evaluate, or the Saliency page, has attacked.")
        name = st.text_input("Your name", key="judge.name", persist_state="session", max_chars=LONGEST_NAME, width=220,
                             on_change=_leave_field,
                             help="Judgements are kept under it on this machine. The same name goes on where it was.")
    if st.session_state.pop(_LEFT, False):
        # Else the keys would go on typing into the name. A constant script, made new by the name's own hash alone.
        st.html(f"<script>/* {make_id(name)} */document.activeElement?.blur()</script>", unsafe_allow_javascript=True)
    shipped: list[Judged] = []
    try:
        judge = read_name(name)
        if place == SHIPPED:
            source, shipped = _read_shipped()
        else:
            source = _choose_runs() if place == RUNS else _choose_file()
    except RobustError as error:
        warn(error)
        return None
    if source is None:
        return None
    return Task(source, _draw_items(source), judge, shipped)


def _leave_field() -> None:
    st.session_state[_LEFT] = True


def _make_name() -> str:
    """Return a name for whoever types none: another one for each person and machine, as classes put files together."""
    who = people.find_person() or f"{platform.node()} {runs_folder().absolute()}"
    return f"Judge {hashlib.sha256(who.encode(errors='replace')).hexdigest()[:4]}"


@st.cache_resource(show_spinner=False)
def _read_shipped() -> tuple[Source, list[Judged]]:
    return read_reading()


def _choose_runs() -> Source | None:
    """Draw the choice of stored runs; return their texts."""
    store = loaded.open_store()
    runs = {run.id: run for run in list_runs(store)}
    if not runs:
        st.info("No run with flips is stored yet. Choose the shipped reading, or attack a data set: on the Saliency "
                "page under “Attack and explain a data set”, or with this command.")
        st.code("python -m robust_core evaluate --dataset reviews --model sst2/cnn/base --attack textfooler --n 100",
                language="bash", wrap_lines=True)
        return None
    kept = [run for run in st.session_state.get("judge.runs", ()) if run in runs]
    st.session_state["judge.runs"] = kept or [next(iter(runs))]
    chosen = st.multiselect("Runs", list(runs), key="judge.runs", persist_state="session",
                            format_func=lambda run: runs[run].title if run in runs else "",
                            help="Runs are named without attack and model. Several runs are mixed.")
    if not chosen:
        note("Choose at least one run.")
        return None
    return _read_runs(str(store.folder), tuple(runs[run] for run in chosen), _choose_slice())


def _choose_slice() -> Slice | None:
    """Let a person judge the slice's texts alone, where there is one."""
    chosen = slices.find_slice()
    if chosen is None:
        return None
    st.session_state.setdefault(JUDGE_ONLY, False)
    only = st.toggle(f"Only the slice: {escape_markdown(slices.describe_slice(chosen))}", key=JUDGE_ONLY,
                     persist_state="session")
    # Its name is nothing that the texts depend on.
    return chosen._replace(name="") if only else None


@st.cache_resource(show_spinner="Reading the runs …", max_entries=8)
def _read_runs(folder: str, runs: tuple[StoredRun, ...], part: Slice | None) -> Source:
    cards = catalogue.read_cards()
    return read_runs(loaded.open_store(), [run.id for run in runs],
                     lambda model: cards[model].labels if model in cards else (), part)


def _choose_file() -> Source | None:
    file = st.file_uploader("File of attacked texts", KINDS, key="judge.file", max_upload_size=people.MOST_UPLOAD,
                            help="CSV of the Attack page, what `attack --json` prints, or any table with the columns "
                                 "perturbed, original and reference_label; model, attack, preset and status if you "
                                 "have them.")
    if file is None:
        note(f"Nothing is uploaded yet. {_WITHOUT_FILE}")
        return None
    return _read_file(file.name, file.getvalue())


@st.cache_resource(show_spinner="Reading the file …", max_entries=8)
def _read_file(name: str, content: bytes) -> Source:
    return read_attacked(name, content)


def _draw_items(source: Source) -> list[Item]:
    """Draw how many texts are judged, and in which order; return them."""
    flips, originals = source.count_flips(), len(source.items) - source.count_flips()
    with st.expander("How many texts, in which order", icon=":material/shuffle:"):
        with st.container(horizontal=True):
            n = st.number_input("Adversarial texts", 1, MOST, key="judge.flips", persist_state="session", width=200,
                                help="Drawn at random, as many from each attack and model.")
            control = st.number_input("Originals", 0, MOST, key="judge.originals", persist_state="session", width=200,
                                      help="Unchanged texts among them, as a control: what you say of these shows how "
                                           "you read texts that no attack has touched.")
            seed = st.number_input("Seed of the order", 0, 2**31 - 1, key="judge.seed", persist_state="session",
                                   width=200, help="The same seed gives all judges the same texts in the same order.")
        note(f"{source.title}: {flips:,} adversarial texts and {originals:,} originals to draw from."
             + (f" {source.left_out:,} were left out: too long, too many, or without a label."
                if source.left_out else ""))
        st.download_button("Download these texts", lambda: "".join(json.dumps(row) + "\n" for row in to_rows(source)),
                           "texts.jsonl", "application/jsonl", icon=":material/download:", key="judge.texts",
                           help="For a class: everybody who chooses this file and the same seed judges the same texts. "
                                "It says where they come from, so judges should not open it.")
    return choose_items(source, int(n), int(control), int(seed))
