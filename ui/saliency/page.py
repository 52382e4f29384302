"""The Saliency page's parts: which two texts, which class, and the figures below the grid."""

import html
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from robust_core import highlight
from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.registry import to_record
from ui.comparison import rows, verdicts
from ui.comparison.row import Row
from ui.saliency import grid, stored_results
from ui.session import next_step, selection
from ui.session.choices import Choices
from ui.session.outcome import Outcome, Pair, name_pairs
from ui.shared import catalogue, colours
from ui.slices import picking
from ui.widgets import charts, phrases, refresh
from ui.widgets.markdown import escape_plotly, note, warn
from ui.widgets.spreadsheet import write_csv

LAST, PAIR, STORED = "Last attack", "Two texts", "Stored results"
AS_PREDICTED = ""


def ask_texts(present: Outcome | None) -> Callable[[], list[Row]] | None:
    """Ask which texts to compare and for which class.

    Args:
        present: The attack of this session, if there is one.

    Returns:
        A function that gives a line for each model, as complete as it can be when it is called; None without texts.
    """
    ready = present is not None and bool(present.results) and not present.running
    choices = [LAST, PAIR, STORED] if ready else [PAIR, STORED]
    if st.session_state.get("saliency.source") not in choices:
        st.session_state["saliency.source"] = choices[0]
    source = st.segmented_control("Texts", choices, key="saliency.source", required=True, persist_state="session")
    chosen = selection.read_selection()
    if source == LAST and present is not None:
        _choose_own(present)
        target = _choose_target(present.models)
        return lambda: rows.make_rows(present, target)
    if source == STORED:
        example = stored_results.pick_example()
        if example is None:
            return None
        models = list(dict.fromkeys([example.model, *chosen.models]))
        texts = (example.result.example.text, example.result.perturbed)
        reference = catalogue.find_label_name(example.model, example.result.reference_label)
    else:
        models, reference = list(chosen.models), None
        texts = _read_typed()
        if texts is None:
            return None
    target, explainer = _choose_target(models), to_record(chosen.explainer)
    return lambda: [rows.make_row(Pair(model, ""), *texts, chosen.device, explainer,
                                  catalogue.find_label(model, reference), catalogue.find_label(model, target))
                    for model in models]


def _choose_own(present: Outcome) -> None:
    """Let a person choose between one adversarial text for all models and each one's own."""
    if present.donors():
        key = rows.make_source_key(present)
        st.session_state.setdefault(key, rows.choose_source(present))
        names = {rows.SHARED: "One text for all", rows.OWN: "Each one's own"}
        st.segmented_control("Adversarial text", list(names), key=key, required=True, persist_state="session",
                             format_func=names.__getitem__)


def _read_typed() -> tuple[str, str] | None:
    st.session_state.setdefault("saliency.first", st.session_state.get("text", selection.DEFAULT_TEXT))
    same = st.session_state["saliency.first"] == selection.DEFAULT_TEXT
    st.session_state.setdefault("saliency.second", selection.OTHER_TEXT if same else st.session_state["saliency.first"])
    left, right = st.columns(2)
    with left:
        first = st.text_area("Original", key="saliency.first", height="content", persist_state="session")
    with right:
        second = st.text_area("Adversarial", key="saliency.second", height="content", persist_state="session")
    try:
        return check_typed(first), check_typed(second)
    except RobustError as error:
        warn(error)
        return None


def _choose_target(models: Sequence[str]) -> str | None:
    classes = catalogue.list_classes(models)
    if st.session_state.get("saliency.class") not in (AS_PREDICTED, *classes):
        st.session_state["saliency.class"] = AS_PREDICTED
    picked = st.selectbox(
        "Class explained", [AS_PREDICTED, *classes], key="saliency.class", persist_state="session", width=260,
        format_func=lambda name: classes.get(name, "the reference label"),
        help="The reference label is the true label where one was given, or else what the model says of the original. "
             "On a model without the class chosen it is explained, too. The explanation itself is chosen in the "
             "sidebar.")
    return None if picked == AS_PREDICTED else picked


def name_rows(lines: Sequence[Row]) -> dict[Pair, str]:
    """Name the lines; what all have in common is left out."""
    attacks = {line.pair.attack for line in lines} - {""}
    if not attacks:
        return {line.pair: catalogue.name_model(line.pair.model) for line in lines}
    pairs = [line.pair for line in lines]
    asked = Choices("", tuple(dict.fromkeys(p.model for p in pairs)), tuple({"name": a} for a in sorted(attacks)))
    return name_pairs(Outcome("", asked, {}, {}))


def show_grid(make: Callable[[], list[Row]]) -> list[Row]:
    """Draw the grid, which fills itself while explanations are being made; return its lines when it is complete."""
    chosen, now = selection.read_selection(), make()
    named = name_rows(now)

    def draw() -> bool:
        lines = make()
        st.html(grid.make_grid(lines, named, _name_classes(lines), chosen.limits))
        return not rows.is_complete(lines)

    st.html(highlight.make_legend())
    st.caption(f"Explanation: {chosen.explainer.title}, chosen in the sidebar. Change: how much more or less each word "
               "of the adversarial text speaks for the class than the word it replaced in the original.")
    refresh.make_fragment(draw, not rows.is_complete(now))
    st.caption(verdicts.describe_rule(chosen.limits))
    return now if rows.is_complete(now) else []


def _name_classes(lines: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    return {line.pair.model: catalogue.find_labels(line.pair.model) for line in lines}


def draw_figures(lines: Sequence[Row]) -> None:
    """Draw the top-k curves and the importance of each word in one text against the other, for each set of classes."""
    named, done = name_rows(lines), [line for line in lines if line.agreement is not None]
    groups = verdicts.group_rows(done, _name_classes(done))
    for number, (classes, members) in enumerate(groups.items()):
        if len(groups) > 1:
            note(phrases.list_classes(classes))
        _draw_group(members, named, str(number or ""))
    if done:
        st.download_button("CSV", to_csv(done), "saliency.csv", "text/csv", on_click="ignore",
                           icon=":material/download:")


def _draw_group(done: Sequence[Row], named: Mapping[Pair, str], key: str) -> None:
    left, right = st.columns(2)
    with left:
        st.subheader("Most important words kept")
        curves = {named[line.pair]: line.agreement["top_k"] for line in done if line.agreement}
        looks = colours.list_looks([line.pair.model for line in done if line.agreement])
        chance = {line.agreement["words"]: line.agreement["top_k_random"] for line in done if line.agreement}
        st.plotly_chart(charts.make_top_k(curves, chance, looks), config=charts.CONFIG, key=f"saliency.topk{key}",
                        alt="Share of the k most important words that stay, against k, beside chance")
    with right:
        st.subheader("Each word in both texts")
        words = [(named[pair], old, new, before, after) for pair, old, new, before, after in grid.pair_words(done)]
        looks = colours.list_looks([pair.model for pair in dict.fromkeys(point[0] for point in grid.pair_words(done))])
        picking.draw_pickable(charts.make_word_scatter(words, looks), f"saliency.words{key}",
                              lambda picked: next_step.choose({f"saliency.picked{key}": picked}),
                              "Importance of each word in the adversarial text against that in the original")
    _draw_picked(f"saliency.picked{key}", {point[0] for point in words})


def _draw_picked(key: str, series: set[str]) -> None:
    """List the words picked in the figure, and lead to what they count over a whole data set."""
    picked = [point for point in st.session_state.get(key, []) if point[1] in {escape_plotly(name) for name in series}]
    if not picked:
        st.caption(f"Words that you pick in the figure have their scores listed. {picking.HOW}")
        return
    st.dataframe([{"Model": html.unescape(model), "Word": html.unescape(word), "Original": before, "Adversarial": after}
                  for word, model, before, after in picked], hide_index=True, column_config=dict.fromkeys(
                      ("Original", "Adversarial"), st.column_config.NumberColumn(format="%+.3f")))
    words = sorted({part.lower() for point in picked for part in html.unescape(point[0]).split(" → ")})
    if st.button("See these words over a whole data set", key=f"{key}.words", icon=":material/arrow_forward:",
                 on_click=next_step.choose, args=({"words.picked": words},)):
        st.switch_page(next_step.find_page("Word importance"))


def to_csv(lines: Sequence[Row]) -> str:
    """Return a line for each word that both texts have: model, attack, class, words, scores."""
    cells: list[list[object]] = []
    for line in lines:
        label = phrases.name_class(catalogue.find_labels(line.pair.model), line.target)
        method = line.explained.method["name"] if line.explained else ""
        cells += [[*pair, label, method, first, second, round(a, 6), round(b, 6)]
                  for pair, first, second, a, b in grid.pair_words([line])]
    return write_csv(["model", "attack", "class", "explanation", "word", "other_word", "score", "other_score"], cells)
