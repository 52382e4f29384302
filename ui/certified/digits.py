"""A digit to draw or pick, and how far its pixels may move."""

import base64
import io

import numpy as np
import streamlit as st
from PIL import Image, ImageOps, UnidentifiedImageError

from robust_core.certify import SMOOTHERS, images
from robust_core.certify.theorem import count_evaluations, split_inputs
from robust_core.errors import BadInput, RobustError
from ui.certified.text import load_model, make_vote_bars, read_cards
from ui.shared import people
from ui.widgets import charts
from ui.widgets.markdown import escape_markdown, warn

_GRID = (4, 10)
_SPLITS = 6


@st.cache_data(show_spinner=False)
def _load_test_digits() -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = images.load("digits", "test")
    return pixels[: _GRID[0] * _GRID[1], 0], labels[: _GRID[0] * _GRID[1]]


def draw_digit() -> None:
    """Let a person pick, change or upload a digit, and show its certificate and some of its splits."""
    found = read_cards("image")
    card = next((c for c in found if c.id == "digits"), None)
    if card is None:
        st.info("The digits' base classifiers are missing: `python -m robust_core train-smoothed --dataset digits`")
        return
    picked, levels = _pick_digit(card.levels), card.levels
    loaded = load_model(card)
    scale = st.select_slider("Λ", loaded.scales("dssn"), value=1.0, key="certified.digit_scale",
                             help="Half the width of a cell; a pixel reaches from 0 to 1")
    method = SMOOTHERS["dssn"](scale=scale)
    vector = picked[None, None].astype(np.int32)
    result = next(method.certify(loaded.judge("dssn", scale), vector, levels, len(loaded.labels)))
    rows = {"scale": scale, "evaluations": result.evaluations,
            "votes": dict(zip(loaded.labels, result.votes, strict=True))}
    st.markdown(f"**A {escape_markdown(loaded.labels[result.prediction or 0])}, certain within {result.radius:.3f}** "
                f"({round(result.radius * levels)} of {levels:,} grey steps, spread over the pixels in any way).")
    count = count_evaluations(scale, levels)
    offsets = np.linspace(0, count - 1, min(_SPLITS, count)).astype(int)
    blurred = split_inputs(vector.reshape(1, -1), offsets, scale, levels).reshape(-1, 8, 8)
    answers = loaded.judge("dssn", scale)(blurred[:, None])
    named = [f"split {j + 1}: {loaded.labels[a]}" for j, a in zip(offsets, answers, strict=True)]
    st.image([_enlarge(picked / levels), *(_enlarge(b) for b in blurred)], width=88,
             caption=["the digit", *map(escape_markdown, named)])
    st.plotly_chart(make_vote_bars([rows]), config=charts.CONFIG, key="certified.digit_votes")
    st.caption(f"{len(offsets)} of the {count:,} splits. Each pixel's range of values is cut at a place of its own, "
               "moved on by the number of the split; the network sees the middle of the piece in which the value lies. "
               "Where the cut falls outside the range, it sees plain grey.")


def _pick_digit(levels: int) -> np.ndarray:
    """Return the (8, 8) digit picked in the grid, uploaded or edited."""
    pixels, labels = _load_test_digits()
    rows, columns = _GRID
    table = [{str(c): _make_url(pixels[r * columns + c] / levels) for c in range(columns)} for r in range(rows)]
    names = [str(c) for c in range(columns)]
    st.caption("Pick one of these test digits:")
    event = st.dataframe(table, hide_index=True, on_select="rerun", selection_mode="single-cell", row_height=44,
                         key="certified.grid", column_order=names, column_config={
                             c: st.column_config.ImageColumn(" " * (int(c) + 1), width=44) for c in names})
    cells = event["selection"].get("cells", [])
    index = int(cells[0][0]) * columns + int(cells[0][1]) if cells else 0
    with st.expander("Draw or upload your own", icon=":material/edit:"):
        file = st.file_uploader("A picture of one digit", ["png", "jpg", "jpeg"], key="certified.upload",
                                max_upload_size=people.MOST_UPLOAD)
        start = pixels[index]
        if file is not None:
            try:
                start = read_picture(file.getvalue(), levels)
            except RobustError as error:
                warn(error)
        st.caption(f"Grey values 0 (paper) to {levels:,} (ink); change any of them.")
        source = f"{index}.{file.file_id if file is not None else ''}"
        edited = st.data_editor({str(c + 1): start[:, c].tolist() for c in range(8)}, hide_index=True,
                                key=f"certified.edit.{source}", num_rows="fixed", column_config={
                                    str(c + 1): st.column_config.NumberColumn(min_value=0, max_value=levels, step=1,
                                                                              width=48) for c in range(8)})
    drawn = np.array([edited[str(c + 1)] for c in range(8)], dtype=np.float64).T
    if drawn.shape != (8, 8) or not np.isfinite(drawn).all():
        return start
    return np.clip(np.rint(drawn), 0, levels).astype(np.int32)


def read_picture(data: bytes, levels: int) -> np.ndarray:
    """Return an uploaded picture as an (8, 8) digit, ink high; a bright background is taken for paper.

    Raises:
        BadInput: It is no picture, or too large a one.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > 20_000_000:
                raise BadInput("This picture is too large: 20 million pixels are the limit.")
            grey = picture.convert("L")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise BadInput("This file is no PNG or JPEG picture that can be read.") from None
    values = np.asarray(grey, dtype=np.float64)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if np.median(border) > 127:
        grey = ImageOps.invert(grey)
    small = np.asarray(ImageOps.pad(grey, (8, 8), Image.Resampling.BOX), dtype=np.float64)
    return np.rint(small * levels / max(small.max(), 1.0)).astype(np.int32)


def _enlarge(values: np.ndarray) -> np.ndarray:
    """Return (88, 88) grey values 0..255, ink dark, of (8, 8) values 0..1."""
    return np.kron(255 - np.rint(255 * values).astype(np.uint8), np.ones((11, 11), dtype=np.uint8))


def _make_url(values: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(_enlarge(values)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
