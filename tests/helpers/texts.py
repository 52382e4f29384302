"""Texts for property tests, and slow twins of what is done with them."""

import math

from hypothesis import strategies as st

PENN = ("``", "''", "'", "`", "-lrb-", "-RRB-", "-lsb-", "wo", "n't", "'s", "'S", "s", "gon", "na", "wan", "ta", "$",
        "#", "3", "39;", "#39;", "#35;", "35;", "&amp;", "amp;", "&#39;", "lt;", "&lt;", "quot;", "<br", "/>", "<b",
        "<br />", ">", ".", ",", "...", ". .", "!", "(", ")", "[", "]", "\\", "\u2019", "\u201c", "e", "\u0301",
        "\u200b", "\x00", "&", ";", "\t", "\u00a0", "dogs", "it", "\u1e9b", "%", "\U0001f600", "\u0627", "\u4e2d",
        "don't", "-", "*", "@")
penn_text = st.lists(st.tuples(st.sampled_from(PENN), st.sampled_from(("", " ", " "))), max_size=30).map(
    lambda parts: "".join(token + blank for token, blank in parts))
any_text = st.one_of(st.text(max_size=60), penn_text)
word = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9'\-]{0,4}[a-zA-Z0-9])?", fullmatch=True)


def slow_window(words: list[str], index: int, size: int) -> tuple[int, int]:
    """The first and last word of TextAttack's window: half of it before the word, shifted inwards at the ends."""
    half = (size - 1) / 2
    if index - half < 0:
        return 0, min(size - 1, len(words) - 1)
    if index + half >= len(words):
        return max(0, len(words) - size), len(words) - 1
    return index - math.ceil(half), index + math.floor(half)
