"""What to train, as the Train page asks for it: data, architecture, defence, recipe, device."""

import dataclasses
import os
import re
from collections.abc import Callable
from typing import Any

import streamlit as st

from robust_core import datasets, owners, trainings, uploads
from robust_core.defences import DEFENCES
from robust_core.errors import BadInput, RobustError, list_names
from robust_core.models import cards
from robust_core.registry import to_record
from robust_core.train.defence import Defence
from robust_core.train.recipe import Recipe, make_recipe
from ui.own import table_form
from ui.own.table_form import Columns
from ui.session import selection
from ui.shared import catalogue, loaded, people
from ui.train import own_files
from ui.widgets import dataset_job, forms
from ui.widgets.markdown import note, warn

SAMPLE, KNOWN, OWN = "Sample reviews", "A known data set", "Your own file"
ELSE = "Hugging Face"
PLAIN = "Suggested"
# Of a model on the Hugging Face hub, in characters.
_LONGEST_ID = 96
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class TrainingForm:
    """A training as it is asked for.

    Args:
        spec: The training.
        device: Device to train on.
        data_dir: Folder of the data sets, None for the usual ones.
    """

    spec: trainings.TrainingSpec
    device: str
    data_dir: str | None


def choose_data() -> tuple[str, str | None]:
    """Draw the choice of a data set; return its name, empty where there is none yet, and the folder it lies in."""
    st.session_state.setdefault("train.data", SAMPLE)
    kind = st.segmented_control("Data", [SAMPLE, KNOWN, OWN], key="train.data", persist_state="session", required=True)
    if kind == OWN:
        return _choose_own(), None
    if kind != KNOWN:
        return _describe_data("reviews", None), None
    left, right = st.columns(2)
    with left:
        names = [name for name in datasets.DATASETS if name != "reviews"]
        name = st.selectbox("Data set", names, format_func=catalogue.name_dataset, key="train.known",
                            persist_state="session")
    folder = ""
    if owners.may_name_folders():
        with right:
            folder = st.text_input(
                "Folder", key="train.folder", persist_state="session", placeholder="the usual places",
                help="A folder with a folder for each data set, which holds train.tsv, dev.tsv and test.tsv (or "
                     ".tsv.gz) with the columns text and label. Left empty: ROBUST_DATA, or else the folder data."
            ).strip()
    return _describe_data(name, folder or None), folder or None


def _describe_data(name: str, folder: str | None) -> str:
    """Say how large a data set is; return its name, or nothing where it is not here (a line says why)."""
    try:
        sizes = [datasets.count_rows(name, split, folder) for split in ("train", "dev")]
    except RobustError as error:
        warn(error)
        return ""
    what = datasets.describe(name)
    note(f"{sizes[0]:,} texts to train on, {sizes[1]:,} (dev) to choose the best epoch by · classes: "
         f"{list_names(what.labels)} · {what.source}")
    return name


def _choose_own() -> str:
    # Those to measure on alone have no texts to train on.
    kept = [name for name in datasets.list_own() if dataset_job.is_here(name, "train")]
    chosen = ""
    if kept:
        chosen = st.selectbox("Data set", ["", *kept], key="train.own", persist_state="session",
                              format_func=lambda name: catalogue.name_dataset(name) if name else "a new file")
    if chosen:
        return _describe_data(chosen, None)
    file = table_form.upload_file("train.file")
    if file is None:
        st.caption("For example `text,label` in the first line, then a text and its label in each. 15 % of each "
                   "class are held out as the dev split, and as many as the test split.")
        return ""
    try:
        chosen = table_form.choose_columns(*file, "train.columns")
        st.button("Use these texts", key="train.use", on_click=_add_upload, args=(chosen,), icon=":material/check:")
    except RobustError as error:
        warn(error)
    return ""


def _add_upload(chosen: Columns) -> None:
    try:
        people.check_uploads()
        st.session_state["train.own"] = uploads.add_dataset(
            chosen.name, chosen.table, chosen.text, chosen.label, chosen.names).name
    except RobustError as error:
        selection.notify(str(error))


def choose_architecture() -> str:
    """Draw the choice of an architecture; return it, or nothing where a name is still to be given."""
    names = [*cards.ARCHITECTURES, ELSE]
    kind = st.selectbox("Architecture", names, key="train.architecture", persist_state="session",
                        format_func=lambda name: cards.ARCHITECTURES.get(
                            name, "Hugging Face id or folder" if owners.may_name_folders() else "Hugging Face id"),
                        help="CNN and LSTM read words and train in seconds to minutes; MiniLM and other encoders read "
                             "word pieces and want more time, or a GPU.")
    if kind != ELSE:
        return kind
    allowed = owners.may_name_folders()
    name = st.text_input("Id or folder" if allowed else "Hugging Face id", key="train.encoder",
                         persist_state="session", placeholder="distilbert-base-uncased").strip()
    if not allowed and is_folder_name(name):
        st.warning("Folders of the machine that runs this app cannot be named here; give a Hugging Face id.")
        return ""
    return name


def is_folder_name(name: str) -> bool:
    """Return whether a name may stand for a folder of this machine, rather than for a model on a hub."""
    try:
        here = os.path.lexists(name)
    except ValueError:
        here = True
    return bool(name) and (here or len(name) > _LONGEST_ID or ".." in name or not _HUB_ID.fullmatch(name))


def choose_defence(dataset: str, data_dir: str | None) -> Defence | None:
    """Draw the choice of a defence with its presets and fields; return it, or None where they do not fit."""
    names = list(DEFENCES)
    # FLAT shows what this page is for, and its demo takes a minute.
    st.session_state.setdefault("train.defence", "flat" if "flat" in names else names[0])
    cls = DEFENCES[st.session_state["train.defence"]]
    known = [PLAIN, *cls.PRESETS]
    if st.session_state.get("train.preset") not in known:
        st.session_state["train.preset"] = PLAIN
    left, right = st.columns(2)
    with right:
        preset = st.selectbox("Preset", known, key="train.preset", persist_state="session", disabled=len(known) == 1,
                              help="Suggested: chosen for the data set and its size. paper: the loss and its weights "
                                   "as published; how many texts are attacked, and in how many rounds, is this "
                                   "project's choice. as-released: as the authors' code has it, where that differs.")
    given = (trainings.suggest_parameters(cls, dataset, "" if preset in (None, PLAIN) else preset, data_dir)
             if dataset else {})
    _fill_widgets("defence", [cls.name, preset, given],
                  lambda: forms.preset_form(DEFENCES, "train.defence", {"name": cls.name} | given))
    with left:
        return forms.draw_form(DEFENCES, "train.defence", "Defence")


def _fill_widgets(what: str, about: object, fill: Callable[[], object]) -> None:
    """Set widgets to what is suggested, once for each thing it is suggested for."""
    if st.session_state.get(f"train.filled.{what}") != about:
        st.session_state[f"train.filled.{what}"] = about
        fill()


def choose_recipe(dataset: str, data_dir: str | None, name: str, defence: Defence) -> dict[str, Any]:
    """Draw the fields of the recipe; return those that differ from what is suggested."""
    usual = dataclasses.asdict(make_recipe(name or "minilm", dataset, trainings.measure_size(dataset, data_dir)))
    _fill_widgets("recipe", usual, lambda: st.session_state.update({f"train.recipe.{k}": v for k, v in usual.items()}))
    decided = [] if defence.fit(Recipe()) == Recipe() else ["epochs"]
    with st.expander("Training recipe", icon=":material/speed:"):
        values = forms.draw_fields(Recipe, "train.recipe", [*decided, *own_files.FIELDS])
        if decided:
            note(f"{defence.title} decides on the epochs: {defence.fit(Recipe()).epochs} with the settings above.")
    return {key: value for key, value in values.items() if value != usual[key]}


def choose_device() -> str:
    """Draw the choice of a device."""
    return st.selectbox("Device", list(dict.fromkeys(["auto", *(loaded.list_devices() or ["cpu"])])),
                        key="train.device", persist_state="session", help="auto takes a GPU where there is one.")


def read_form() -> TrainingForm | None:
    """Draw all choices; return what they ask for, or None where something is missing (a line says what)."""
    dataset, data_dir = choose_data()
    left, right = st.columns(2)
    with left:
        name = choose_architecture()
    with right:
        where = choose_device()
    defence = choose_defence(dataset, data_dir)
    if not dataset or not name or defence is None:
        return None
    changes = choose_recipe(dataset, data_dir, name, defence)
    swaps, taught = own_files.choose_swaps(defence), own_files.choose_unlabelled(dataset)
    if swaps is None or taught is None:
        return None
    try:
        spec = trainings.parse_spec({
            "dataset": dataset, "architecture": name, "defence": defence.name, "seed": selection.read_selection().seed,
            "set": {key: value for key, value in to_record(defence).items() if key != "name"} | changes | swaps
            | taught}, data_dir)
        return TrainingForm(_name_free(spec), where, data_dir)
    except RobustError as error:
        warn(error)
        return None


def _name_free(spec: trainings.TrainingSpec) -> trainings.TrainingSpec:
    """Name a training so that its model takes no other one's place."""
    taken = {*catalogue.read_cards(), *(one.order.id for one in trainings.list_unfinished()),
             *(job.label for job in loaded.list_trainings() if not job.over)}
    for i in range(1, 1000):
        named = dataclasses.replace(spec, name="" if i == 1 else f"{spec.defence.variant}-{i}")
        if named.id not in taken:
            return named
    raise BadInput(f"There are too many models called {spec.id}.")
