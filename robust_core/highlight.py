"""Texts with their words highlighted by importance, as HTML, always escaped: for the app's pages and for notebooks."""

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from robust_core.hidden_characters import list_parts
from robust_core.parts import SHOWN, has_parts, split_parts
from robust_core.text import Draft, align_texts, find_words

if TYPE_CHECKING:
    from robust_core.types import Attribution

# Orange and blue-violet stay apart with every common colour blindness. A word's background is one of them over the
# page's own, at most this opaque, so that the page's text colour keeps a contrast of at least 4.5 to it.
FOR, AGAINST = (93, 58, 155), (230, 97, 0)
FOR_DARK, AGAINST_DARK = (126, 92, 214), (204, 92, 10)
MOST_OPAQUE = 0.5

_STYLE = """
:root { --rx-for: light-dark(FOR_LIGHT, FOR_NIGHT); --rx-against: light-dark(AGAINST_LIGHT, AGAINST_NIGHT);
  --rx-tip: light-dark(#1d1b26, #ece9f4); --rx-tip-text: light-dark(#fdfcfa, #15141b); }
.rx-strip { line-height: 2.05; overflow-wrap: normal; word-break: keep-all; margin: 0; }
.rx-strip .w { padding: 0.1em 0.14em 0.22em; margin: 0 -0.05em; border-radius: 0.25em;
  white-space: nowrap; position: relative; }
.rx-strip .w.long { white-space: normal; overflow-wrap: anywhere; }
.rx-strip .for { background: linear-gradient(var(--rx-for), var(--rx-for)) 0 100% / var(--bar) 3px no-repeat,
  color-mix(in srgb, var(--rx-for) var(--a), transparent); }
.rx-strip .against { background: repeating-linear-gradient(90deg, var(--rx-against) 0 4px, transparent 4px 6px)
  0 100% / var(--bar) 3px no-repeat, color-mix(in srgb, var(--rx-against) var(--a), transparent); }
.rx-strip .swapped { outline: 2px solid currentColor; outline-offset: -2px; font-weight: 600; margin: 0 0.03em; }
.rx-strip .gone { outline-style: dashed; }
.rx-strip .trying { outline: 2px dashed var(--rx-against); outline-offset: -1px; }
.rx-strip .unread { opacity: 0.66; text-decoration: underline dotted; }
.rx-strip del { opacity: 0.72; text-decoration-thickness: 2px; }
.rx-strip ins { text-decoration: none; font-weight: 700; border-bottom: 3px solid light-dark(#c25400, #ffab66);
  background: color-mix(in srgb, #d9660a 14%, transparent); border-radius: 0.2em; padding: 0 0.15em; }
.rx-strip ins.code { font-family: monospace; font-size: 0.8em; font-weight: 400; margin: 0 0.1em; }
.rx-strip .swapped:focus { outline-width: 3px; }
.rx-strip .swapped:hover::before, .rx-strip .swapped:focus::before { content: attr(data-tip); position: absolute;
  left: 0; bottom: 100%; z-index: 9; padding: 0.1em 0.5em; border-radius: 0.3em; font-size: 0.82em; font-weight: 400;
  line-height: 1.5; white-space: nowrap; background: var(--rx-tip); color: var(--rx-tip-text); pointer-events: none; }
.rx-table td:last-child .swapped::before { left: auto; right: 0; }
@media (max-width: 760px) {
  .rx-strip { position: relative; } .rx-strip .w { position: static; }
  .rx-table td:last-child .swapped::before { left: 0; right: auto; }
}
.rx-strip .part { font-size: 0.8em; opacity: 0.8; margin-right: 0.3em; }
.rx-legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; font-size: 0.86rem; align-items: baseline; }
.rx-legend .rx-strip { line-height: 1.6; }
"""


def make_style() -> str:
    """Return the style sheet of highlighted words; `light-dark` follows the colour scheme of the page."""
    sheet = _STYLE
    for name, colour in {"FOR_LIGHT": FOR, "FOR_NIGHT": FOR_DARK, "AGAINST_LIGHT": AGAINST,
                         "AGAINST_NIGHT": AGAINST_DARK}.items():
        sheet = sheet.replace(name, f"rgb{colour}".replace(" ", ""))
    return sheet


def highlight_words(
    text: str,
    attribution: "Attribution | None" = None,
    *,
    strongest: float = 0.0,
    marks: Mapping[int, str] | None = None,
    readable: int | None = None,
    trying: str = "",
    label: str = "",
    target: str = "",
    sides: tuple[str, str] = ("for", "against"),
    parts: Sequence[str] = (),
) -> str:
    """Return a text as HTML, a span for each word.

    Args:
        text: The text; it is escaped.
        attribution: Signed score of each word, or None for no colours.
        strongest: Absolute score that gets the full colour; 0 takes the strongest of this text.
        marks: What to say about swapped words, by position: "was clever".
        readable: Words that the model reads; those past it are greyed. None means all.
        trying: Word that an attack is trying to replace, marked where it stands first.
        label: What the text is, for screen readers.
        target: Name of the class that scores speak for.
        sides: What a positive and a negative score mean.
        parts: Names of the parts of a pair, written before each.
    """
    marks = marks or {}
    scores = dict(zip(attribution.spans, attribution.scores, strict=True)) if attribution else {}
    strongest = strongest or max((abs(s) for s in scores.values()), default=0.0)
    pieces, last, tried = [_name_first(parts)], 0, not trying
    for i, span in enumerate(find_words(text)):
        word = text[span.start:span.end]
        here = not tried and word.lower() == trying.lower()
        tried = tried or here
        unread = readable is not None and i >= readable
        pieces += [_write_gap(text[last:span.start], parts),
                   _make_word(word, scores.get(span), strongest, marks.get(i), unread, here, target, sides)]
        last = span.end
    pieces.append(_write_gap(text[last:], parts))
    name = f' role="group" aria-label="{html.escape(label)}"' if label else ""
    return f'<p class="rx-strip" dir="auto"{name}>{"".join(pieces)}</p>'


def _name_first(parts: Sequence[str]) -> str:
    return f'<b class="part">{html.escape(parts[0])}</b>' if parts else ""


def _write_gap(gap: str, parts: Sequence[str]) -> str:
    """Return what stands between two words as HTML, the boundary of a pair as a new line or, without names, a sign."""
    if not has_parts(gap):
        return html.escape(gap)
    mark = f'<br><b class="part">{html.escape(parts[-1])}</b>' if parts else SHOWN
    return mark.join(map(html.escape, split_parts(gap)))


def highlight_hidden(text: str, original: str, label: str = "") -> str:
    """Return a text as HTML with the code points of its hidden characters (`hidden_characters.list_parts`).

    Args:
        text: The text; it is escaped.
        original: The text without hidden characters.
        label: What the text is, for screen readers.
    """
    body = "".join(f'<ins class="code">{html.escape(part)}</ins>' if hidden else _write_gap(part, ())
                   for part, hidden in list_parts(text, original))
    name = f' role="group" aria-label="{html.escape(label)}"' if label else ""
    return f'<p class="rx-strip" dir="ltr"{name}>{body}</p>'


def _make_word(word: str, score: float | None, strongest: float, mark: str | None, unread: bool, trying: bool,
               target: str, sides: tuple[str, str]) -> str:
    classes, says, look = ["w"], [], ""
    if len(word) > 24:
        classes.append("long")
    if score is not None and strongest > 0:
        strength = min(abs(score) / strongest, 1.0)
        classes.append("against" if score < 0 else "for")
        look = f' style="--a:{strength * MOST_OPAQUE:.1%};--bar:{strength:.0%}"'
        says.append(f"{score:+.3f} {sides[score < 0]} {target}".rstrip())
    if mark:
        classes.append("swapped")
        if mark.endswith(" deleted"):
            classes.append("gone")
        says.insert(0, mark)
    if trying:
        classes.append("trying")
        says.append("being tried")
    if unread:
        classes.append("unread")
        says.append("not read by this model")
    if not says:
        return f'<span class="w{" long" if len(word) > 24 else ""}">{html.escape(word)}</span>'
    tip = html.escape("; ".join(says))
    focus = f' tabindex="0" data-tip="{tip}"' if mark else f' title="{tip}"'
    # An image with a name is read as that name by every screen reader, whereas a bare span's name is often ignored.
    return (f'<span class="{" ".join(classes)}"{look} role="img" aria-label="{html.escape(word)}: {tip}"{focus}>'
            f"{html.escape(word)}</span>")


def make_inline_changes(original: str, perturbed: str, *, trying: str = "", label: str = "", parts: Sequence[str] = ()
                        ) -> str:
    """Return the changed text as HTML with the old words in it: each struck, before the word in its place.

    Args:
        original: The text before.
        perturbed: The text after; both are escaped.
        trying: Word that an attack is trying to replace, marked where it stands first.
        label: What the text is, for screen readers.
        parts: Names of the parts of a pair, written before each.
    """
    a, b = Draft.of(original), Draft.of(perturbed)
    pieces, last, tried = [_name_first(parts)], 0, not trying
    for i, j in align_texts(original, perturbed):
        old = a.words[i] if i is not None else ""
        if j is None:
            # The gap before the next word of the text after follows.
            pieces.append(f" <del>{html.escape(old)}</del>")
            continue
        span, new = b.spans[j], b.words[j]
        here = not tried and new.lower() == trying.lower()
        tried = tried or here
        pieces.append(_write_gap(perturbed[last:span.start], parts))
        if old != new:
            pieces.append((f"<del>{html.escape(old)}</del> " if old else "") + f"<ins>{html.escape(new)}</ins>")
        else:
            pieces.append(_make_word(new, None, 0.0, None, False, here, "", ("", "")) if here else html.escape(new))
        last = span.end
    pieces.append(_write_gap(perturbed[last:], parts))
    # A long text scrolls in its box, by keyboard as well.
    return (f'<p class="rx-strip" dir="auto" role="group" tabindex="0" aria-label="{html.escape(label)}">'
            f"{''.join(pieces)}</p>")


def mark_changes(original: str, perturbed: str) -> tuple[dict[int, str], dict[int, str]]:
    """Say what became of each changed word of the original, and what each changed word of the other text was."""
    a, b = Draft.of(original), Draft.of(perturbed)
    there: dict[int, str] = {}
    here: dict[int, str] = {}
    for i, j in align_texts(original, perturbed):
        if j is None and i is not None:
            there[i] = f"{a.words[i]} deleted"
        elif i is None and j is not None:
            here[j] = "inserted"
        elif i is not None and j is not None and a.words[i] != b.words[j]:
            there[i], here[j] = f"became {b.words[j]}", f"was {a.words[i]}"
    return there, here


def find_strongest(attributions: "Sequence[Attribution | None]") -> float:
    """Return the largest absolute score of a row of texts, which share one scale."""
    return max((abs(s) for a in attributions if a is not None for s in a.scores), default=0.0)


def make_legend(strength: str = "the strongest word of the row") -> str:
    """Explain the colours, bars and outlines."""
    full = f' style="--a:{MOST_OPAQUE:.0%};--bar:100%"'

    def sample(kind: str, meaning: str, look: str = "") -> str:
        return f'<span class="rx-strip"><span class="w {kind}"{look}>word</span> {html.escape(meaning)}</span>'

    return ('<div class="rx-legend" role="note" aria-label="How to read the colours">'
            + sample("for", "speaks for the class shown", full) + sample("against", "speaks against it", full)
            + sample("swapped", "was changed (hover or focus it)")
            + sample("unread", "beyond the longest text that the model reads")
            + f"<span>Colour and bar: strength compared with {html.escape(strength)}.</span></div>")


def make_line(text: str) -> str:
    """Return a line of plain text, escaped, as HTML."""
    return f'<p class="rx-line">{html.escape(text)}</p>'


def make_small(text: str) -> str:
    """Return a small remark, escaped, as HTML."""
    return f'<p class="rx-small">{html.escape(text)}</p>'
