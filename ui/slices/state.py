"""The slice of this session: taken from what was picked, read from the address, its texts loaded."""

from collections.abc import Iterable

import streamlit as st

from robust_core import datasets, slices
from robust_core.datasets import LabelledTexts
from robust_core.errors import RobustError
from robust_core.slices import Slice
from ui.session import selection
from ui.shared import catalogue, loaded

# Where the session keeps it, as the word that the address has, and the parameter of the address.
KEY = "slice"


def find_word() -> str:
    """Return the slice as the address has it; empty where there is none."""
    return st.session_state.get(KEY, "")


def find_slice() -> Slice | None:
    """Return the slice; None where there is none."""
    word = find_word()
    return slices.read_slice(word) if word else None


def open_slice(word: str) -> None:
    """Take over what an address asks for.

    Raises:
        BadInput: It is no slice.
    """
    st.session_state[KEY] = slices.write_slice(slices.read_slice(word))


def take_slice(source: str, split: str, places: Iterable[int | None], name: str = "") -> None:
    """Make picked texts the slice; a message says why where they cannot be one. Nothing picked changes nothing.

    Args:
        source: Name of a data set, or id of a stored run.
        split: Its split, or `slices.RUN`.
        places: Places of the texts; None for what is no text.
        name: What the slice is called.
    """
    found = [place for place in places if place is not None]
    if not found:
        return
    try:
        st.session_state[KEY] = slices.write_slice(slices.make_slice(source, split, found, name))
    except RobustError as error:
        selection.notify(str(error))


def take_results(run: str, uids: Iterable[str], name: str = "") -> None:
    """Make texts of a stored run the slice: those of their data set where it is here, so that all its runs have them.

    Args:
        run: Id of the run.
        uids: Ids of the examples.
        name: What the slice is called.
    """
    found = list(uids)
    parents = {uid.rpartition("/")[0] for uid in found}
    dataset, _, split = parents.pop().rpartition("/") if len(parents) == 1 else ("", "", "")
    try:
        datasets.find(dataset, split)
    except RobustError:
        dataset, split = run, slices.RUN
    take_slice(dataset, split, map(slices.find_place, found), name)


def rename_slice(name: str) -> None:
    """Give the slice another name."""
    if (chosen := find_slice()) is not None:
        st.session_state[KEY] = slices.write_slice(chosen._replace(name=slices.clean_name(name)))


def clear_slice() -> None:
    """Forget the slice."""
    st.session_state.pop(KEY, None)


def find_dataset(chosen: Slice) -> str:
    """Return the name of the data set that a slice's texts are of; empty where that is not known here."""
    try:
        return slices.find_dataset(chosen, loaded.open_store())
    except RobustError:
        return ""


def describe_slice(chosen: Slice) -> str:
    """Return in words how many texts a slice has, of which data set: `12 texts of SST-2`."""
    count = len(chosen.places)
    dataset = find_dataset(chosen)
    of = catalogue.name_dataset(dataset) if dataset else f"run {chosen.source}"
    return f"{count} {'text' if count == 1 else 'texts'} of {of}"


def has_labels(chosen: Slice, labels: tuple[str, ...]) -> bool:
    """Return whether a slice's texts are here and have a model's labels."""
    known = {**datasets.DATASETS, **datasets.list_own()}
    data = known.get(find_dataset(chosen))
    return data is not None and datasets.same_labels(labels, data.labels)


def read_texts(name: str) -> str | LabelledTexts:
    """Return what `evaluate` measures on: a slice's texts, or the data set's own name; may be asked by a job.

    Args:
        name: Name of a data set, or a slice as the address has it.

    Raises:
        BadInput: The slice's texts are not here.
        MissingResource: Its data set is not here.
        UnknownName: There is no such data set.
    """
    return slices.load_slice(slices.read_slice(name), loaded.open_store()) if slices.is_slice(name) else name


def name_texts(name: str) -> str:
    """Return what a picker shows for a data set, or for a slice."""
    if not slices.is_slice(name):
        return datasets.describe(name).title
    chosen = slices.read_slice(name)
    return f"Slice: {chosen.name or describe_slice(chosen)}"
