"""Files of one's own on the Train page: texts without labels with the teacher that labels them, and swaps."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from robust_core import datasets, kept_files
from robust_core.resources.swap_sets import FILE
from robust_core.train.defence import Defence
from ui.shared import catalogue, people
from ui.widgets.markdown import note

# Parts of the recipe that stand here, and have no field among the others.
FIELDS = ("unlabelled", "teacher", "swap_file")


def choose_unlabelled(dataset: str) -> dict[str, str] | None:
    """Draw the choice of texts without labels and of their teacher.

    Args:
        dataset: Name of the data set that is trained on; the teacher has its classes.

    Returns:
        Parts of the recipe, none where no file is chosen; None where a file has no teacher (a line says so).

    Raises:
        BadInput: An uploaded file cannot be used.
    """
    with st.expander("Texts without labels", icon=":material/school:"):
        path = _choose_file("unlabelled", "Texts without labels", kept_files.TEXTS, kept_files.keep_texts,
                            "One text in each line, UTF-8. A model that is here labels them, and the new one learns "
                            "from them as well; texts of dev and test are left out. They stay on this machine.")
        if path is None:
            return {}
        wanted = datasets.describe(dataset).labels
        cards = [card for card in catalogue.read_cards().values() if datasets.same_labels(card.labels, wanted)]
        names = [card.id for card in sorted(cards, key=lambda card: (card.dataset != dataset, -card.dev_accuracy))]
        if not names:
            st.warning("No model that is here has the classes of this data set. Train one without these texts first.",
                       icon=":material/warning:")
            return None
        if st.session_state.get("train.teacher") not in names:
            st.session_state["train.teacher"] = names[0]
        teacher = st.selectbox("Teacher", names, key="train.teacher", persist_state="session",
                               format_func=catalogue.name_option, help="The model whose answers label the texts.")
        note("The teacher reads all of them before the training begins.")
        return {"unlabelled": str(path), "teacher": teacher}


def choose_swaps(defence: Defence) -> dict[str, str] | None:
    """Draw the choice of a file of swaps where the defence asks for one.

    Returns:
        Parts of the recipe; None where the file is still to be given (a line says so).

    Raises:
        BadInput: An uploaded file cannot be used.
    """
    if not defence.takes_swaps or getattr(defence, "swaps", "") != FILE:
        return {}
    path = _choose_file("swaps", "File of swaps", kept_files.SWAPS, kept_files.keep_swaps,
                        "A JSON object from each word to the list of words that may stand in its place.")
    if path is None:
        note(f"{defence.title} with swaps = file needs a file of swaps.")
        return None
    return {"swap_file": str(path)}


def _choose_file(what: str, label: str, kind: str, keep: Callable[[str, bytes], Path], about: str) -> Path | None:
    """Draw a picker of the kept files of a kind, where there are some, and an uploader; return the chosen file.

    Raises:
        BadInput: An uploaded file cannot be used, or there are too many already.
    """
    kept, key = kept_files.list_kept(kind), f"train.{what}"
    if kept:
        if st.session_state.get(key) not in kept:
            st.session_state[key] = ""
        chosen = st.selectbox(label, ["", *kept], key=key, persist_state="session", help=about,
                              format_func=lambda name: name or "none, or a new file")
        if chosen:
            return kept[chosen]
    file = st.file_uploader(f"{label}: a new file", [kind[1:]], key=f"{key}.file", help=about,
                            max_upload_size=people.MOST_UPLOAD)
    if file is None:
        return None
    content = file.getvalue()
    if not kept_files.find_place(file.name, kind, content).is_file():
        people.check_uploads()
    return keep(file.name, content)
