"""Importance of words against frequency and substitution, gaps between synonyms, and the ranking."""

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from robust_core.errors import list_names
from robust_core.explainers import word_importance
from robust_core.slices import Slice, find_place, read_slice
from robust_core.text import Draft
from ui.session import selection
from ui.shared import catalogue, colours
from ui.slices import picking
from ui.slices import state as slices
from ui.widgets import charts
from ui.widgets.markdown import note
from ui.word_importance.measurement import Words, draw_examples

if TYPE_CHECKING:
    from pandas import DataFrame

_SHOWN = 15
# Words picked in a figure, here or on the Saliency page.
PICKED = "words.picked"


def draw_clouds(found: Words, marked: set[str], searched: set[str]) -> None:
    """Draw the three scatter plots of importance, frequency and substitution, in which words can be picked."""
    values, own = found.values, name_importance(found)
    columns = st.columns(3)
    pairs = [("Substitution against frequency", found.frequency, found.substituted, "word frequency", "substitutions"),
             ("Importance against frequency", found.frequency, values, "word frequency", own),
             ("Importance against substitution", found.substituted, values, "substitutions", own)]
    for column, (title, x, y, x_label, y_label) in zip(columns, pairs, strict=True):
        with column:
            st.markdown(f"##### {title}")
            points = [(word, float(x.get(word, 0)), float(y.get(word, 0))) for word in values]
            figure = charts.make_cloud(points, x_label, y_label, marked, searched, log_x=x_label == "word frequency")
            picking.draw_pickable(figure, f"words.{title}", pick_words, f"{title} of each word")
            c = word_importance.correlate({w: x.get(w, 0) for w in values}, {w: y.get(w, 0) for w in values})
            if math.isnan(c.r):
                st.caption(f"Pearson's r is undefined: one of the two is the same for all {c.n:,} words.")
            else:
                p = "< 0.001" if c.p < 0.001 else f"= {c.p:.3f}"
                st.caption(f"Pearson's r = {c.r:.3f}, p {p}, {c.n:,} words")


def pick_words(words: list[str]) -> None:
    """Mark the words picked in a figure in all of them."""
    st.session_state[PICKED] = [html.unescape(word) for word in words]


def draw_picked(dataset: str, n: int) -> None:
    """Say which words are picked, and offer the texts that hold one of them as a slice."""
    words = st.session_state.get(PICKED, [])
    if not words:
        st.caption("Words that you pick are marked in all three figures, and their texts can become a slice. "
                   f"{picking.HOW}")
        return
    where = find_texts(dataset, n, words)
    with st.container(horizontal=True, vertical_alignment="center"):
        note(f"Picked: {list_names(words)}.")
        if where.places:
            st.button(f"Make a slice of the {len(where.places):d} texts with them", key="words.take",
                      icon=":material/join_inner:", on_click=slices.take_slice,
                      args=(where.source, where.split, where.places, list_names(words[:3])))
        st.button("Clear", key="words.clear", on_click=pick_words, args=([],), icon=":material/close:")


def find_texts(dataset: str, n: int, words: Sequence[str]) -> Slice:
    """Return the measured texts that hold one of some words; those of a slice are part of it.

    Args:
        dataset: Name of a data set, or a slice as the address has it.
        n: How many texts were drawn.
        words: The words, in small letters.
    """
    texts = slices.read_texts(dataset)
    wanted = set(words)
    found = [find_place(example.uid) for example in draw_examples(texts, n, selection.read_selection().seed)
             if wanted & {word.lower() for word in Draft.of(example.text).words}]
    source, split = (dataset, "test") if isinstance(texts, str) else read_slice(dataset)[:2]
    return Slice(source, split, tuple(place for place in found if place is not None))


def name_importance(found: Words) -> str:
    """Name the importance of a model's words."""
    return "global importance (mask)" if found.masks else "mean |attribution|"


def draw_gaps(found: Words, other: Words | None, models: tuple[str, str]) -> None:
    """Draw how differently words and their synonyms are weighed, two models side by side."""
    names = catalogue.name_model(models[0]), catalogue.name_model(models[1])
    st.subheader("Do synonyms count alike?")
    shown = {names[0]: found} | ({names[1]: other} if other and names[1] != names[0] else {})
    if len({w.masks for w in shown.values()}) > 1:
        st.caption("One of the two has masks in 0..1, the other attributions in probability: their sizes differ.")
    tones = [colours.color_model(model) for model, _ in zip(models, shown, strict=False)]
    figure = charts.make_boxes({name: w.gaps for name, w in shown.items()}, "importance gap to synonyms", colours=tones)
    st.plotly_chart(figure, config=charts.CONFIG, key="words.gaps", alt="Importance gap between words and synonyms")
    counts = ", ".join(f"{name} {len(w.gaps):,} words" for name, w in shown.items())
    note(f"Mean absolute difference to at most 10 nearest synonyms of up to 1,000 random words ({counts}); only "
         "synonyms whose importance is known count.")


def draw_ranking(found: Words, searched: set[str]) -> None:
    """Draw the most and the least important words, and those searched for."""
    ordered = sorted(found.values, key=lambda word: -found.values[word])
    lists = [("Most important", ordered[:_SHOWN]), ("Least important", ordered[::-1][:_SHOWN])]
    if searched:
        lists.append(("Found", [word for word in ordered if word in searched]))
    for column, (title, words) in zip(st.columns(len(lists)), lists, strict=True):
        with column:
            st.markdown(f"##### {title}")
            st.dataframe(_make_listing(found, words, ordered), hide_index=True, placeholder="–",
                         column_config={
                             "Word": st.column_config.TextColumn(width=105),
                             "Importance": st.column_config.NumberColumn(format="%.4f", width=88),
                             "Rank": st.column_config.NumberColumn(width=52),
                             "Frequency": st.column_config.NumberColumn(width=80),
                             "Swapped": st.column_config.NumberColumn(width=74, help="How often attacks replaced it")})


def _make_listing(found: Words, words: list[str], ordered: list[str]) -> "DataFrame":
    import pandas as pd

    place = {word: i for i, word in enumerate(ordered, 1)}
    return pd.DataFrame([{"Word": w, "Importance": found.values[w], "Rank": place[w],
                          "Frequency": found.frequency.get(w, 0), "Swapped": found.substituted.get(w, 0)}
                         for w in words], columns=["Word", "Importance", "Rank", "Frequency", "Swapped"])
