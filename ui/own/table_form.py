"""The choice of columns and class names of an uploaded file, with what becomes of its rows."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from robust_core import uploads
from robust_core.table_files import KINDS, read_upload
from robust_core.tables import Table
from robust_core.uploads import report_rows
from ui.shared.people import MOST_UPLOAD
from ui.widgets.markdown import escape_markdown, note

HELP = ("CSV or TSV (commas, semicolons, tabs or bars between the cells), an object a line (JSONL), a JSON array of "
        "objects, or Parquet; UTF-8. It stays on this machine.")
_MOST_NAMES = 12
_AS_IS = "As the file names them"


class Columns(NamedTuple):
    """What was chosen of a file.

    Attributes:
        name: Name of the data set.
        table: The rows.
        text: Column of the texts.
        label: Column of the labels.
        names: Names of the classes, by label.
    """

    name: str
    table: Table
    text: str
    label: str
    names: dict[str, str]


def upload_file(key: str) -> tuple[str, bytes] | None:
    """Draw an uploader of a table; return name and content of the file, None where there is none yet."""
    file = st.file_uploader("File with a text and a label in each row", KINDS, key=key, max_upload_size=MOST_UPLOAD,
                            help=HELP)
    return None if file is None else (file.name, file.getvalue())


def choose_columns(file_name: str, content: bytes, prefix: str, like: Sequence[Sequence[str]] = ()) -> Columns:
    """Draw the choice of columns and label names of an uploaded file, its first rows, and what is left out.

    Args:
        file_name: The file's name.
        content: Its bytes.
        prefix: Beginning of the widgets' keys.
        like: Classes of models and data sets that a picker offers to name those of the file after.

    Raises:
        BadInput: The file, a column or a name cannot be used.
    """
    key = f"{prefix}.{file_name}"
    table = _read_table(file_name, content, st.session_state.get(f"{key}.header"))
    if f"{key}.header" not in st.session_state:
        st.session_state[f"{key}.header"] = bool(table.header)
    if file_name.lower().endswith((".csv", ".tsv")):
        st.checkbox("The first line names the columns", key=f"{key}.header",
                    help="Without names the first line is a row like any other.")
    # With other names of columns the choice among them is another one.
    key = key if table.header else f"{key}.rows"
    text, label = table.guess()
    left, middle, right = st.columns(3)
    with left:
        text = st.selectbox("Texts", table.columns, table.columns.index(text), key=f"{key}.text")
    with middle:
        label = st.selectbox("Labels", table.columns, table.columns.index(label), key=f"{key}.label")
    with right:
        name = st.text_input("Name", uploads.make_plain_name(file_name), key=f"{key}.name",
                             help="First part of the model's id: small letters, digits and underscores.").strip()
    classes = table.classes(label)
    if merged := table.describe_merged(label):
        note(f"{merged[0].upper()}{merged[1:]}.")
    names = _name_classes(classes, f"{key}.{label}", [each for each in like if len(each) >= len(classes)])
    standing = {value: stands for stands, group in table.spellings(label).items() for value in group}
    st.dataframe([{"Text": row[text], "Label": names.get(standing.get(row[label], ""), row[label])}
                  for row in table.first(3)], hide_index=True)
    note(report_rows(table, text, label, names).describe())
    return Columns(name, table, text, label, names)


@st.cache_resource(show_spinner="Reading the file …", max_entries=4)
def _read_table(file_name: str, content: bytes, header: bool | None) -> Table:
    return read_upload(file_name, content, header)


def _name_classes(classes: Sequence[str], key: str, like: Sequence[Sequence[str]]) -> dict[str, str]:
    """Draw the names of the classes: fields, or pickers among the classes of models."""
    if len(classes) > _MOST_NAMES:
        return {value: value for value in classes}
    options = [_AS_IS, *dict.fromkeys(", ".join(names) for names in like)]
    chosen = _AS_IS
    if like:
        chosen = st.selectbox("Name the classes like those of models", options, key=f"{key}.like",
                              help="Models find a class by its name: choose theirs to measure them on these texts.")
    given = next((tuple(names) for names in like if ", ".join(names) == chosen), ())
    with st.container(horizontal=True):
        if not given:
            return {value: st.text_input(f"Name of label {escape_markdown(value)}", value, key=f"{key}.{value}",
                                         width=170) for value in classes}
        return {value: st.selectbox(f"Label {escape_markdown(value)} means", given, _guess(value, i, given),
                                    key=f"{key}.{chosen}.{value}", width=170) for i, value in enumerate(classes)}


def _guess(value: str, place: int, given: Sequence[str]) -> int:
    """Return which of some classes a label most probably means: by name, by its beginning, else by its place."""
    low = value.casefold()
    for fits in (lambda name: name == low, lambda name: len(low) > 1 and name.startswith(low)):
        if (found := next((i for i, name in enumerate(given) if fits(name.casefold())), None)) is not None:
            return found
    return min(place, len(given) - 1)
