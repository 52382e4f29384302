"""Unicode normalisation: hidden characters, look-alikes, signs that reorder and combining marks, back to plain text."""

import dataclasses
import functools
import unicodedata
from collections.abc import Callable
from typing import ClassVar

from confusable_homoglyphs.confusables import confusables_data

from robust_core.guards import GUARDS
from robust_core.guards.base import CleanTexts, FittedGuard, Guard
from robust_core.hidden_characters import LOOK_ALIKES, draw, needs_drawing
from robust_core.protocols import Classifier
from robust_core.registry import param

# Letters that attacks are known to use beyond those of one glyph (DeepWordBug, TextBugger and Bad Characters, as
# TextAttack has them).
_MORE = {"a": "\u0251", "b": "\u042c", "c": "\u03f2", "g": "\u0261", "h": "\u0570", "i": "\u0131", "n": "\u0578",
         "q": "\u051b", "r": "\u2c85", "u": "\u057d", "v": "\u0475", "w": "\u051d", "x": "\u00d7", "z": "\u1d22",
         "-": "\u02d7"}
_PLAIN = {like: plain for table in (LOOK_ALIKES, _MORE) for plain, like in table.items()}
# Drawn as nothing or as a blank, though Unicode calls them letters or marks.
_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Joiners, tags and variation selectors belong to emoji and to other scripts.
_JOINS = frozenset("\u200c\u200d") | {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0020, 0xE0080))}
# Each step may uncover work for another; texts settle after one or two rounds.
_ROUNDS = 8


@GUARDS.register("unicode", title="Unicode normalisation", source="https://www.unicode.org/reports/tr39/")
@dataclasses.dataclass(frozen=True)
class UnicodeGuard(Guard):
    """Map hidden characters, look-alikes, signs of order, compatibility letters and combining marks to plain text.

    A text is read as it is drawn (`hidden_characters.draw`): backspaces done, signs of order obeyed, characters that
    nothing is drawn for left out. Look-alikes of UTS #39 (and full-width or mathematical letters, ligatures) become
    ASCII in words that have no other letters of a foreign script, unless most of the text is foreign: a Russian text
    stays as it is. Marks on Latin letters are taken off. It never flags. Against Bad Characters (Boucher et al. 2021).
    """

    reads_texts: ClassVar[bool] = False

    accents: bool = param(True, "Take marks off Latin letters (naïve becomes naive)")

    def fit(self, model: Classifier, texts: CleanTexts) -> FittedGuard:
        """Return the guard; it looks at no text."""
        del model, texts
        return FittedGuard(clean=self._clean)

    def _clean(self, text: str) -> str:
        if text.isascii() and text.isprintable():
            return text
        for _ in range(_ROUNDS):
            cleaned = self._clean_once(text)
            if cleaned == text:
                break
            text = cleaned
        return text

    def _clean_once(self, text: str) -> str:
        # Attacks ask thousands of times: each step is left out where no character needs it.
        if needs_drawing(text):
            text = draw(text)
        text = _drop_joins(text).translate(_COMPATIBLE)
        if not text.isascii():
            text = _take_off_marks(_map_look_alikes(text), self.accents)
        return text


class _Table(dict[int, str]):
    """What each character becomes, worked out when it is first met.

    Args:
        become: From a character to what stands in its place.
    """

    def __init__(self, become: Callable[[str], str]) -> None:
        super().__init__()
        self._become = become

    def __missing__(self, code: int) -> str:
        self[code] = self._become(chr(code))
        return self[code]


def _read_compatible(character: str) -> str:
    """Return the ASCII that a full-width, mathematical or joined letter stands for, nothing for what is not drawn."""
    if character.isspace() or character in _JOINS:
        return character
    if character in _EMPTY or unicodedata.category(character) in ("Cc", "Cf"):
        return ""
    plain = unicodedata.normalize("NFKC", character)
    single = len(plain) == 1 and unicodedata.category(character) != "No"
    return plain if plain.isascii() and plain.isprintable() and (single or character.isalpha()) else character


def _list_confusables() -> dict[str, str]:
    """Return the ASCII letter of each other letter that Unicode's list of confusables (UTS #39) has for one."""
    found: dict[str, str] = {}
    for like, others in confusables_data.items():
        plain = next((one for other in others if len(one := other["c"]) == 1 and one.isascii() and one.isalpha()), "")
        if plain and len(like) == 1 and like.isalpha() and not like.isascii():
            # The list takes a capital I for a small l.
            found[like] = "I" if plain == "l" and like.isupper() else plain
    return found


_COMPATIBLE, _NEAR = _Table(_read_compatible), str.maketrans(_PLAIN)
_LOOKS_LIKE = str.maketrans(_list_confusables() | _PLAIN)


def _drop_joins(text: str) -> str:
    """Return a text without the joiners and variation selectors that follow a Latin letter, a sign or a blank."""
    if text.isascii() or _JOINS.isdisjoint(text):
        return text
    parts: list[str] = []
    for c in text:
        if c not in _JOINS or (parts and not parts[-1].isascii() and not _is_latin(parts[-1])):
            parts.append(c)
    return "".join(parts)


def _map_look_alikes(text: str) -> str:
    mapped = text.translate(_LOOKS_LIKE)
    if mapped == text:
        return text
    words = list(zip(text.split(" "), mapped.split(" "), strict=True))
    foreign = sum(_is_foreign(c) for old, new in words if any(map(_is_foreign, new)) for c in old)
    return text if 2 * foreign > sum(map(str.isalpha, text)) else " ".join(_map_word(*word) for word in words)


def _map_word(old: str, new: str) -> str:
    """Return a word as it is read: mapped, unless foreign letters would stay, or it is a letter, such as an alpha."""
    if sum(map(str.isalpha, old)) == 1:
        return old.translate(_NEAR)
    return old if any(map(_is_foreign, new)) else new


def _is_foreign(character: str) -> bool:
    return character.isalpha() and not _is_latin(character)


def _take_off_marks(text: str, accents: bool) -> str:
    """Take combining marks off Latin letters: all of them, or those that make no letter of their own."""
    base, parts = "", list[str]()
    for c in unicodedata.normalize("NFD" if accents else "NFC", text):
        if not c.isascii() and unicodedata.category(c) in ("Mn", "Me") and c not in _JOINS:
            if base and (base.isascii() or _is_latin(base)):
                continue
        else:
            base = c
        parts.append(c)
    return unicodedata.normalize("NFC", "".join(parts))


@functools.lru_cache(maxsize=1 << 12)
def _is_latin(character: str) -> bool:
    return character.isalpha() and (character.isascii() or unicodedata.name(character, "").startswith("LATIN "))
