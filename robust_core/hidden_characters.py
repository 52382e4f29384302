"""What a reader sees of a text, and what a program reads: look-alikes, invisible, deleting and reordering characters.

Source: Boucher et al. 2021, Bad Characters: Imperceptible NLP Attacks (https://arxiv.org/abs/2106.09898). Look-alikes
are the pairs of one glyph of Unicode's `intentional.txt` (UTS #39, 16.0.0) that begin with an ASCII character.
"""

import itertools
import unicodedata

LOOK_ALIKES = {
    "!": "\u01c3", "A": "\u0391", "B": "\u0392", "C": "\u0421", "E": "\u0395", "H": "\u0397", "I": "\u0399",
    "J": "\u0408", "K": "\u039a", "M": "\u039c", "N": "\u039d", "O": "\u039f", "P": "\u03a1", "S": "\u0405",
    "T": "\u03a4", "X": "\u03a7", "Y": "\u03a5", "Z": "\u0396", "a": "\u0430", "c": "\u0441", "d": "\u0501",
    "e": "\u0435", "h": "\u04bb", "i": "\u0456", "j": "\u03f3", "o": "\u03bf", "p": "\u0440", "s": "\u0455",
    "x": "\u0445", "y": "\u0443",
}
# The zero-width space, non-joiner and joiner, which nothing is drawn for between Latin letters.
INVISIBLE = ("\u200b", "\u200c", "\u200d")
BACKSPACE = "\b"
_PDF, _LRO, _RLO, _LRI, _PDI = "\u202c", "\u202d", "\u202e", "\u2066", "\u2069"
_OPENING, _CLOSING = {_LRO: _PDF, _RLO: _PDF, _LRI: _PDI}, (_PDF, _PDI)
_SIGNS = frozenset((BACKSPACE, *_OPENING, *_CLOSING))
_DRAWN_AS = {like: plain for plain, like in LOOK_ALIKES.items()}


def write_reordered(first: str, second: str) -> str:
    """Return two characters in the other order, with signs that make a program draw them in this one."""
    return (f"{_LRO}{_LRI}{_RLO}{_LRI}{second}{_PDI}{_LRI}{first}{_PDI}{_PDF}{_PDI}{_PDF}")


def render(text: str) -> str:
    """Return a text as it is drawn: backspaces done, signs of order obeyed, nothing invisible, look-alikes as ASCII.

    Only the signs that `write_reordered` uses are obeyed. Look-alikes of a text that is written in Greek or Cyrillic
    become ASCII too: the result is for comparing, not for reading on.
    """
    return "".join(_DRAWN_AS.get(character, character) for character in draw(text) if character not in INVISIBLE)


def draw(text: str) -> str:
    """Return the characters of a text in the order in which they are drawn: backspaces done, signs of order obeyed."""
    kept: list[str] = []
    # Where the characters stand that somebody would see deleted: not those that nothing is drawn for.
    seen: list[int] = []
    for character in text:
        if character == BACKSPACE:
            if seen:
                kept[seen.pop()] = ""
            continue
        if character not in INVISIBLE:
            seen.append(len(kept))
        kept.append(character)
    return "".join(_arrange([character for character in kept if character]))


def needs_drawing(text: str) -> bool:
    """Return whether `draw` may change a text."""
    return not _SIGNS.isdisjoint(text)


def _arrange(characters: list[str]) -> list[str]:
    """Return characters as they are drawn, without the signs of order; what no sign closes ends with the text."""
    # A level is a sign that closes it, whether its parts are drawn backwards, and its parts. No recursion: somebody may
    # open thousands of them.
    levels: list[tuple[str, bool, list[list[str]]]] = [("", False, [])]
    for sign in characters:
        if sign == levels[-1][0]:
            _close(levels)
        elif sign in _OPENING:
            levels.append((_OPENING[sign], sign == _RLO, []))
        elif sign not in _CLOSING:
            levels[-1][2].append([sign])
    while len(levels) > 1:
        _close(levels)
    return list(itertools.chain.from_iterable(levels[0][2]))


def _close(levels: list[tuple[str, bool, list[list[str]]]]) -> None:
    _, backwards, parts = levels.pop()
    levels[-1][2].append(list(itertools.chain.from_iterable(parts[::-1] if backwards else parts)))


def spell(text: str, original: str = "") -> str:
    """Return a text with the code points of characters that look like others or like none: `f⟨U+0456⟩lm`.

    Args:
        text: The text.
        original: Characters of this one are written as they are.
    """
    return "".join(f"\u27e8{part}\u27e9" if hidden else part for part, hidden in list_parts(text, original))


def list_parts(text: str, original: str = "") -> list[tuple[str, bool]]:
    """Return the stretches of a text and whether each is hidden; of a hidden one the code points: `U+0456`.

    Args:
        text: The text.
        original: Characters of this one are not hidden.
    """
    known = set(original)
    runs = itertools.groupby(text, lambda c: c not in known and is_hidden(c))
    return [(" ".join(map(_write_code, run)) if hidden else "".join(run), hidden) for hidden, run in runs]


def _write_code(character: str) -> str:
    return f"U+{ord(character):04X}"


def is_hidden(character: str) -> bool:
    """Return whether a character cannot be seen, or looks like an ASCII one."""
    return character in _DRAWN_AS or (unicodedata.category(character) in ("Cc", "Cf") and not character.isspace())


def is_drawn_alike(original: str, perturbed: str) -> bool:
    """Return whether two different texts look the same."""
    return original != perturbed and render(original) == render(perturbed)


def describe_hidden(original: str, perturbed: str, read: str = "") -> list[str]:
    """Say what is hidden in a text, in lines for people; none where nothing is.

    Args:
        original: The text before.
        perturbed: The text with hidden characters.
        read: What the model reads of it, where that is cleaned first.
    """
    new = dict.fromkeys(c for c in perturbed if c not in original and is_hidden(c))
    if not new:
        return []
    lines = []
    if is_drawn_alike(original, perturbed):
        lines.append(f"Seen: {original}")
    lines.append(f"Written: {spell(perturbed, original)}")
    if read and read != perturbed:
        lines.append(f"Read by the model, which cleans its texts: {spell(read, original)}")
    lines.append("Hidden: " + "; ".join(f"{_write_code(c)} {_name_character(c)}" for c in new) + ".")
    return lines


def _name_character(character: str) -> str:
    return "backspace" if character == BACKSPACE else unicodedata.name(character, "control character").lower()
