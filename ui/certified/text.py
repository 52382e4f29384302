"""The Certified page's parts: certificates of a text and of a digit, what attacks moved, and the stored figures."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from robust_core.certify import images
from robust_core.certify.smoothers import SMOOTHERS, evaluations, split
from robust_core.errors import BadInput, RobustError
from ui.session import attack
from ui.shared import loaded as state
from ui.widgets import charts

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from robust_core.certify.base_classifiers import SmoothedCard, SmoothedModel

RESULTS = Path(__file__).parents[2] / "results"
TITLES = {"sst2": "SST-2", "ag_news": "AG News", "digits": "Digits", "cifar10": "CIFAR-10"}
# Up to 4: with wider cells a text's few coordinates say nothing any more.
LAMBDAS = (0.25, 0.5, 1.0, 2.0, 4.0)
_GRID = (4, 10)
_SPLITS = 6
_COLOURS = (charts.AGAINST, charts.FOR, "#2b8a8a", "#b0447a", "#5b7f2e", "#8a6a3a", "#3f6fb5", "#a05a2c", "#6b6b7a",
            "#c28a1d")
_DASHES = {"dssn": "solid", "ssn": "dash", "uniform": "dot"}


def cards(kind: str) -> list["SmoothedCard"]:
    """Return the stored base classifiers for texts or images, seed 0 only."""
    from robust_core.certify import base_classifiers

    return [card for card in base_classifiers.cards() if card.kind == kind and not card.seed]


def model(card: "SmoothedCard") -> "SmoothedModel":
    """Return loaded base classifiers; a file that changed is read again."""
    return _model(card.id, json.dumps(dict(card.files), sort_keys=True))


@st.cache_resource(show_spinner=False, max_entries=8)
def _model(name: str, stamp: str) -> "SmoothedModel":
    from robust_core.certify import base_classifiers

    return base_classifiers.load(name)


@st.cache_data(show_spinner="Certifying …", max_entries=500)
def _certified(name: str, stamp: str, text: str, method: str) -> list[dict[str, Any]]:
    from robust_core.certify.certified_accuracy import certify_texts

    loaded = _model(name, stamp)
    return certify_texts(loaded, [text], method, [s for s in LAMBDAS if s in loaded.scales(method)])


def certificates(card: "SmoothedCard", text: str, method: str) -> list[dict[str, Any]]:
    """Return the rows of `certified.certify_texts` of a text at each Lambda."""
    return _certified(card.id, json.dumps(dict(card.files), sort_keys=True), text, method)


def text_part(card: "SmoothedCard", text: str, method: str, scale: float) -> None:
    """Show a text's certificate at the chosen Lambda, and the votes at each."""
    rows = certificates(card, text, method)
    row = next(row for row in rows if row["scale"] == scale)
    if row["prediction"] is None:
        st.markdown(f"**No certificate:** at Λ = {scale:g} the votes are too even.")
    else:
        sure = "" if row["alpha"] is None else f", with probability {100 * (1 - row['alpha']):.1f} %"
        st.markdown(f"**{_name(row['prediction'])} is certain within {row['radius']:.3f}** at Λ = {scale:g}{sure}: no "
                    "quantised vector at that L1 distance or nearer gets another answer.")
    known = {entry["scale"]: entry["dev_accuracy"] for entry in card.networks if entry["method"] == method}
    st.plotly_chart(vote_bars(rows), config=charts.CONFIG, key="certified.votes")
    table = [{"Λ": row["scale"], "Answer": _name(row["prediction"]), "Radius": row["radius"],
              "Steps": row["radius_steps"], "In the embedding": row["radius_embedding"],
              "Votes counted": row["evaluations"], "Base, dev": 100 * known[row["scale"]],
              "ms": 1000 * row["seconds"]} for row in rows]
    st.dataframe(table, hide_index=True, column_config={
        "Λ": _number("%g", "Lambda: half the width of a cell, where every coordinate reaches from 0 to 1"),
        "Radius": _number("%.3f", "L1 distance up to which the answer cannot change, coordinates from 0 to 1"),
        "Steps": _number("%d", f"The same in quantisation steps, {card.levels} from one end to the other"),
        "In the embedding": _number("%.4f", "The same in units of the sentence embedding, whose length is 1"),
        "Votes counted": _number("localized", "Blurred copies of the vector that the base classifier judged"),
        "Base, dev": _number("%.1f %%", "Share of dev texts that the base classifier gets right from one blurred copy"),
        "ms": _number("%.1f", "Milliseconds on this machine")})
    st.caption("Wider cells allow larger radii and leave less of the text: where the base classifier is hardly better "
               "than chance, a large radius says only that it gives the same answer to everything.")


def _number(format_: str, help_: str) -> Any:  # noqa: ANN401 (Streamlit's class is not public)
    return st.column_config.NumberColumn(format=format_, help=help_)


def _name(label: str | None) -> str:
    return "abstains" if label is None else label.capitalize() if label.islower() else label


def vote_bars(rows: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw the share of votes of each class at each Lambda, the classes named in the bars where there is room."""
    labels = list(rows[0]["votes"])
    names = [f"Λ {row['scale']:g}" for row in rows]
    traces = []
    for i, label in enumerate(labels):
        shares = [100 * row["votes"][label] / max(1, row["evaluations"]) for row in rows]
        traces.append({
            "type": "bar", "orientation": "h", "name": _name(label), "y": names, "x": shares,
            "marker": {"color": _COLOURS[i % len(_COLOURS)]},
            "text": [_name(label) if share >= max(5, 2.3 * len(label)) else "" for share in shares],
            "textposition": "inside", "insidetextanchor": "middle", "textangle": 0,
            "insidetextfont": {"color": "#ffffff"}, "customdata": [row["votes"][label] for row in rows],
            "hovertemplate": f"%{{y}}<br>{_name(label)}: %{{customdata:,}} votes, %{{x:.1f}} %<extra></extra>"})
    # Many classes take a legend of several lines, which Plotly lays over a low chart.
    few = len(labels) <= 4
    return charts.figure(traces, {
        "barmode": "stack", "height": 70 + 34 * len(rows), "margin": {"l": 4, "r": 22, "t": 6, "b": 4},
        "showlegend": few,
        "xaxis": {"title": {"text": "votes (%)", "standoff": 8}, "range": [0, 100], "automargin": True, "dtick": 20},
        "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}})


def attack_part(card: "SmoothedCard", method: str, scale: float) -> None:
    """Show how far the texts of this session's last attack moved the vector, beside the radius at a Lambda."""
    outcome = attack.present()
    found = [] if outcome is None else [r for r in outcome.results.values() if r.perturbed != r.example.text]
    if not found:
        st.caption("No adversarial text yet: attack the review on the Attack page, and come back.")
        return
    loaded, lines = model(card), []
    for result in found:
        before, after = (loaded.vectors([text])[0] for text in (result.example.text, result.perturbed))
        moved = int(np.abs(before - after).sum())
        row, other = (next(r for r in certificates(card, text, method) if r["scale"] == scale)
                      for text in (result.example.text, result.perturbed))
        lines.append({"Text": result.perturbed, "From": f"{state.title(result.victim)}, {result.attack['name']}",
                      "Moved": moved / loaded.levels, "Radius": row["radius"],
                      "Inside": "inside" if moved <= row["radius_steps"] else "outside",
                      "Answer before": _name(row["prediction"]), "Answer after": _name(other["prediction"])})
    st.dataframe(lines, hide_index=True, column_config={
        "Moved": _number("%.3f", "L1 distance between the quantised vectors of the original and the adversarial text"),
        "Radius": _number("%.3f", "Certified radius of the original at the chosen Λ"),
        "Inside": st.column_config.TextColumn(help="Inside the radius the smoothed classifier cannot change its "
                                                   "answer; outside it may, or may not"),
        "Answer before": st.column_config.TextColumn(help="Of the smoothed classifier on the original"),
        "Answer after": st.column_config.TextColumn(help="Of the smoothed classifier on the adversarial text")})


@st.cache_data(show_spinner=False)
def claims(stamp: tuple[tuple[str, int], ...]) -> dict[str, dict[str, Any]]:
    """Return the stored claims on certified accuracy by model; files that cannot be read are left out."""
    found = {}
    for path, _ in stamp:
        try:
            claim = json.loads(Path(path).read_text(encoding="utf-8"))
            found[claim["details"]["model"]] = claim | {"details": dict(claim["details"])}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def curves_part() -> None:
    """Show certified accuracy against the radius, best over Lambda."""
    # Plain trainings stand before their variants.
    paths = sorted(RESULTS.glob("dssn-certified-accuracy-*.json"), key=lambda path: (path.stem.count("-"), path.stem))
    known = claims(tuple((str(path), path.stat().st_mtime_ns) for path in paths))
    if not known:
        st.caption("Nothing measured yet: `python -m robust_core reproduce dssn/certified-accuracy --out results`")
        return
    chosen = st.segmented_control("Test set", list(known), default=next(iter(known)), key="certified.data",
                                  format_func=lambda name: str(known[name]["details"]["title"]),
                                  label_visibility="collapsed")
    claim = known[chosen or next(iter(known))]
    samples = claim["thresholds"].get("samples")
    votes = f"; the randomised ones count {samples:,} votes" if samples else " and count the same number of votes"
    st.plotly_chart(curves(claim["details"]["best"]), config=charts.CONFIG, key="certified.curves")
    st.caption(f"Best over Λ at each radius, n = {claim['n']}, seeds {', '.join(map(str, claim['seeds']))}; bars show "
               f"one standard error. The three methods train networks of one size{votes}. "
               "Where a curve runs flat near chance, wide cells leave one answer for everything. "
               f"`{claim['command']}`")


def curves(best: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw certified accuracy against the radius, a line a method."""
    traces = []
    for method, colour in zip(_DASHES, (charts.FOR, charts.AGAINST, "#2b8a8a"), strict=True):
        rows = [row for row in best if row["method"] == method]
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": SMOOTHERS[method].title,
            "x": [row["radius"] for row in rows], "y": [100 * row["value"] for row in rows],
            "error_y": {"type": "data", "array": [100 * (row["value_se"] or 0) for row in rows], "thickness": 1},
            "line": {"dash": _DASHES[method], "width": 2.5, "color": colour},
            "customdata": [[row["scale"], 100 * row["clean_accuracy"]] for row in rows],
            "hovertemplate": "radius %{x:g}: %{y:.1f} %<br>Λ %{customdata[0]:g}, right without a radius "
                             "%{customdata[1]:.1f} %"})
    return charts.figure(traces, {
        "height": 320, "margin": {"l": 4, "r": 8, "t": 6, "b": 4}, "hovermode": "closest",
        "xaxis": {"title": {"text": "L1 radius (coordinates from 0 to 1)", "standoff": 4}, "automargin": True,
                  "rangemode": "tozero"},
        "yaxis": {"title": {"text": "right and certified (%)", "standoff": 12}, "range": [0, 100], "automargin": True},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"}})


@st.cache_data(show_spinner=False)
def _test_digits() -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = images.load("digits", "test")
    return pixels[: _GRID[0] * _GRID[1], 0], labels[: _GRID[0] * _GRID[1]]


def digit_part() -> None:
    """Let a person pick, change or upload a digit, and show its certificate and some of its splits."""
    found = cards("image")
    card = next((c for c in found if c.id == "digits"), None)
    if card is None:
        st.info("The digits' base classifiers are missing: `python -m robust_core train-smoothed --dataset digits`")
        return
    picked, levels = _picked(card.levels), card.levels
    loaded = model(card)
    scale = st.select_slider("Λ", loaded.scales("dssn"), value=1.0, key="certified.digit_scale",
                             help="Half the width of a cell; a pixel reaches from 0 to 1")
    method = SMOOTHERS["dssn"](scale=scale)
    vector = picked[None, None].astype(np.int32)
    result = next(method.certify(loaded.judge("dssn", scale), vector, levels, len(loaded.labels)))
    rows = {"scale": scale, "evaluations": result.evaluations,
            "votes": dict(zip(loaded.labels, result.votes, strict=True))}
    st.markdown(f"**A {loaded.labels[result.prediction or 0]}, certain within {result.radius:.3f}** "
                f"({round(result.radius * levels)} of {levels} grey steps, spread over the pixels in any way).")
    count = evaluations(scale, levels)
    offsets = np.linspace(0, count - 1, min(_SPLITS, count)).astype(int)
    blurred = split(vector.reshape(1, -1), offsets, scale, levels).reshape(-1, 8, 8)
    answers = loaded.judge("dssn", scale)(blurred[:, None])
    st.image([_enlarged(picked / levels), *(_enlarged(b) for b in blurred)], width=88, caption=[
        "the digit", *(f"split {j + 1}: {loaded.labels[a]}" for j, a in zip(offsets, answers, strict=True))])
    st.plotly_chart(vote_bars([rows]), config=charts.CONFIG, key="certified.digit_votes")
    st.caption(f"{len(offsets)} of the {count} splits. Each pixel's line is cut at a fixed place plus the split's "
               "number; the network sees the middle of the piece that holds the pixel. A cut beyond the range leaves "
               "plain grey.")


def _picked(levels: int) -> np.ndarray:
    """Return the (8, 8) digit picked in the grid, uploaded or edited."""
    pixels, labels = _test_digits()
    rows, columns = _GRID
    table = [{str(c): _url(pixels[r * columns + c] / levels) for c in range(columns)} for r in range(rows)]
    names = [str(c) for c in range(columns)]
    st.caption("Pick one of these test digits:")
    event = st.dataframe(table, hide_index=True, on_select="rerun", selection_mode="single-cell", row_height=44,
                         key="certified.grid", column_order=names, column_config={
                             c: st.column_config.ImageColumn(" " * (int(c) + 1), width=44) for c in names})
    cells = event["selection"].get("cells", [])
    index = int(cells[0][0]) * columns + int(cells[0][1]) if cells else 0
    with st.expander("Draw or upload your own", icon=":material/edit:"):
        file = st.file_uploader("A picture of one digit", ["png", "jpg", "jpeg"], key="certified.upload")
        start = pixels[index]
        if file is not None:
            try:
                start = from_picture(file.getvalue(), levels)
            except RobustError as error:
                st.warning(str(error))
        st.caption(f"Grey values 0 (paper) to {levels} (ink); change any of them.")
        source = f"{index}.{file.file_id if file is not None else ''}"
        edited = st.data_editor({str(c + 1): start[:, c].tolist() for c in range(8)}, hide_index=True,
                                key=f"certified.edit.{source}", num_rows="fixed", column_config={
                                    str(c + 1): st.column_config.NumberColumn(min_value=0, max_value=levels, step=1,
                                                                              width=48) for c in range(8)})
    drawn = np.array([edited[str(c + 1)] for c in range(8)], dtype=np.float64).T
    if drawn.shape != (8, 8) or not np.isfinite(drawn).all():
        return start
    return np.clip(np.rint(drawn), 0, levels).astype(np.int32)


def from_picture(data: bytes, levels: int) -> np.ndarray:
    """Return an uploaded picture as an (8, 8) digit, ink high; a bright background is taken for paper.

    Raises:
        BadInput: It is no picture, or too large a one.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

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


def _enlarged(values: np.ndarray) -> np.ndarray:
    """Return (88, 88) grey values 0..255, ink dark, of (8, 8) values 0..1."""
    return np.kron(255 - np.rint(255 * values).astype(np.uint8), np.ones((11, 11), dtype=np.uint8))


def _url(values: np.ndarray) -> str:
    import base64

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_enlarged(values)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
