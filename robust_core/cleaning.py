"""Cleaning: any text in the one form that our models, attacks and explanations see, and what may be typed."""

import html
import re
import unicodedata
from collections.abc import Callable

from robust_core.errors import BadInput, quote
from robust_core.text import find_words

MAX_WORDS = 400
MAX_CHARACTERS = 20_000
# The longest words that people write; scripts without blanks between words rarely have longer runs.
MAX_WORD_CHARACTERS = 200

_TAG = re.compile(r"</?(?:br|b|i|u|p|em|strong|font|a|hr|small|sup|sub)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# As AG News has them, its ampersands lost.
_BARE_ENTITY = re.compile(r"(?<![&\w])\s?(#\d{1,5};|(?:lt|gt|amp|quot);)")
_QUOTES = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "\u00b4": "'", "`": "'",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"',
})
_NESTED = str.maketrans("<>;", "   ")
_BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_BRACKET = re.compile(r"(?<!\S)-[lr][rsc]b-(?!\S)", re.IGNORECASE)
_CLITIC = re.compile(r"(?<=\w) (n't|'(?:s|re|ve|ll|d|m))(?!\w)", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?<=s) '(?=\s|$)", re.IGNORECASE)
_FUSED = re.compile(r"\b(gon|wan|got) (na|ta)\b", re.IGNORECASE)
# Penn tokens stand between blanks: `:(`, `;-)` and `... word` are left as they are.
_BEFORE = re.compile(r" ([,;:%)\]}]|[!?]+|\.+)(?=[\"']?(?: |$))")
_AFTER = re.compile(r"(?<!\S)([\"']?[(\[{]) ")
# In rows of data sets any blank before such a sign is one that a tokenizer left.
_ANY_BEFORE = re.compile(r"\s+([,;:!?%)\]}]|\.+(?!\w))")
_ANY_AFTER = re.compile(r"([(\[{])\s+")
_OPENING = re.compile(r"``\s*")
_CLOSING = re.compile(r"(?<=\S)\s+''(?=[\s,.;:!?)]|$)")
_DOLLAR = re.compile(r"(?<!\S)([$#])\s+(?=\d)")
# Words with single blanks between, and perhaps commas: what no rule but two would touch.
_PLAIN = re.compile(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*(?:,? [A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*)*[.!?]?")
# Control characters and halves of a pair that no encoding can write.
_BROKEN = ("Cc", "Cs")
# Zero-width characters and signs that reorder what is read; joiners and tags, which emoji and many scripts are
# written with, stay.
_INVISIBLE = dict.fromkeys([0xAD, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF])


def clean(text: str) -> str:
    """Bring a text into the form that our models, attacks and explanations see.

    Penn Treebank tokens become ordinary writing (`wo n't` -> `won't`, `-lrb-` -> `(`, ` ,` -> `,`), curly quotes become
    straight, tags and complete character references (`<br />`, `&amp;`) are resolved, control and invisible characters
    go, and blanks are single. All else stays: emoticons, emoji, joiners. Cleaning a cleaned text changes nothing.
    """
    if _is_plain(text):
        return text
    return _settle(text, _clean_once)


def clean_row(text: str) -> str:
    """Clean a text of a public data set: as `clean`, and what only such files have.

    Any blank before closing and after opening punctuation goes, so do backslashes; references without an ampersand
    (`#39;`) are resolved, and whatever is no character by the Unicode tables of this Python is left out. Cleaned rows
    are texts that `clean` does not change.
    """
    if _is_plain(text):
        return text
    return clean(_settle(text, _clean_row_once))


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and not (_CLITIC.search(text) or _FUSED.search(text))


def _settle(text: str, clean_once: Callable[[str], str]) -> str:
    # Each rule may uncover work for another one; texts settle after one or two rounds. Mark-up nested deeper than
    # anyone writes it, which would unfold for ever, loses its signs.
    for turn in range(16):
        cleaned = clean_once(text)
        if cleaned == text:
            break
        text = cleaned if turn < 8 else cleaned.translate(_NESTED)
    return text


def _clean_once(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    if not (text.isascii() and text.isprintable()):
        text = "".join(c for c in text.translate(_INVISIBLE) if c.isspace() or unicodedata.category(c) not in _BROKEN)
    text = _REFERENCE.sub(lambda m: html.unescape(m[0]), text) if "&" in text else text
    text = _join_tokens(_TAG.sub(" ", text))
    text = _BEFORE.sub(r"\1", text)
    text = _AFTER.sub(r"\1", text)
    return _DOLLAR.sub(r"\1", text)


def _clean_row_once(text: str) -> str:
    text = unicodedata.normalize("NFC", text)
    if not (text.isascii() and text.isprintable()):
        text = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in (*_BROKEN, "Cf", "Co", "Cn"))
    text = _BARE_ENTITY.sub(lambda m: html.unescape("&" + m[1]), text)
    text = html.unescape(text) if "&" in text and ";" in text else text
    text = _join_tokens(_TAG.sub(" ", text).replace("\\", " "))
    text = _ANY_BEFORE.sub(r"\1", text)
    text = _ANY_AFTER.sub(r"\1", text)
    return _DOLLAR.sub(r"\1", text)


def _join_tokens(text: str) -> str:
    """Undo Penn Treebank tokens but for the blanks around punctuation; make quotes straight and blanks single."""
    text = _OPENING.sub('"', text)
    text = _CLOSING.sub('"', text).replace("''", '"').translate(_QUOTES)
    text = " ".join(text.split())
    text = _BRACKET.sub(lambda m: _BRACKETS[m[0].lower()], text)
    text = _CLITIC.sub(r"\1", text)
    text = _POSSESSIVE.sub("'", text)
    return _FUSED.sub(r"\1\2", text)


def check_typed(text: str, max_words: int = MAX_WORDS) -> str:
    """Clean a text that a person typed, or say in one line why it cannot be used.

    Raises:
        BadInput: Nothing to read, or longer than the limits.
    """
    if len(text) > MAX_CHARACTERS * 5:
        raise BadInput(f"The text is too long: {len(text):,} characters; {max_words} words are the limit.")
    cleaned = clean(text)
    spans = find_words(cleaned)
    if not cleaned:
        raise BadInput("The text is empty: type a sentence.")
    if not spans:
        raise BadInput("The text has no words: type a sentence.")
    if len(spans) > max_words:
        raise BadInput(f"The text is too long: {len(spans):,} words; {max_words} are the limit.")
    if len(cleaned) > MAX_CHARACTERS:
        raise BadInput(f"The text is too long: {len(cleaned):,} characters; {MAX_CHARACTERS:,} are the limit.")
    longest = max(spans, key=lambda span: span.end - span.start)
    if longest.end - longest.start > MAX_WORD_CHARACTERS:
        raise BadInput(f"The word {quote(cleaned[slice(*longest)], 30)} has {longest.end - longest.start:,} "
                       f"characters; {MAX_WORD_CHARACTERS} are the limit.")
    return cleaned
