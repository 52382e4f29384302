"""Changes that must not matter to a classifier, and a negation, which must: the kinds of CheckList.

Written from the paper, with word lists in the place of its models of language: what stands in no list stays. Each kind
gives the changed texts of one text, fewer than asked for or none where it has nothing to change.

Source: Ribeiro et al. 2020, Beyond Accuracy: Behavioral Testing of NLP Models with CheckList
(https://arxiv.org/abs/2005.04118), invariance and directional expectation tests.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

from robust_core.suite.names import NAMES, PLACES, group_by_word
from robust_core.text import Draft, Edit

# Shorter words have no two letters inside them that may change places.
_SHORTEST = 4
_MOST_DIGITS = 9
_YEARS = range(1900, 2100)
# "2" and "4" stand for words (to, for), as CheckList has it.
_NO_NUMBERS = ("2", "4")
_WRITTEN_OUT = {"can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not"} | {
    f"{verb}n't": f"{verb} not" for verb in
    "is are was were do does did has have had could would should must might need".split()} | {
    f"{who}'re": f"{who} are" for who in ("we", "you", "they", "who")} | {
    f"{who}'ve": f"{who} have" for who in ("i", "we", "you", "they")} | {
    f"{who}'ll": f"{who} will" for who in ("i", "we", "you", "they", "he", "she", "it")} | {"i'm": "i am"} | {
    f"{who}'s": f"{who} is" for who in ("it", "that", "there", "he", "she", "what", "who")}
# "it's been" is "it has been".
_HAS = ("been", "had", "got", "become", "gone", "done", "made")
_CONTRACTED = {both: short for short, both in _WRITTEN_OUT.items() if short != "cannot"}
_NEGATABLE = ("is", "are", "was", "were", "am", "can", "could", "will", "would", "should", "must", "may", "might")
_NEGATIONS = ("not", "no", "never", "nothing", "nobody", "none", "nor", "neither", "without", "hardly", "cannot")
# "is not only" and "is not all" negate nothing, or something else.
_NO_NEGATION_BEFORE = ("only", "just", "always", "all", "every", "everything", "everyone")
_SIGNS = ".!?…"


def _list_typos(draft: Draft, rng: random.Random) -> Iterator[str]:
    """Two neighbouring letters inside one word change places."""
    del rng
    for at, word in enumerate(draft.words):
        if len(word) < _SHORTEST or not word.isalpha():
            continue
        for i in range(1, len(word) - 2):
            if word[i] != word[i + 1]:
                wrong = word[:i] + word[i + 1] + word[i] + word[i + 2:]
                yield draft.apply(Edit(at, at + 1, (wrong,))).text


def _list_punctuation(draft: Draft, rng: random.Random) -> Iterator[str]:
    """The sign at the end goes, or a full stop stands there."""
    del rng
    bare = draft.text.rstrip().rstrip(_SIGNS).rstrip()
    if bare and draft.gaps[-1].strip(_SIGNS + " ") == "":
        yield bare
        yield f"{bare}."


def _list_contractions(draft: Draft, rng: random.Random) -> Iterator[str]:
    """Contractions are written out, words contracted: each alone, then all together."""
    del rng
    edits = [*_find_contractions(draft.words), *_find_contractible(draft)]
    for edit in edits:
        yield draft.apply(edit).text
    for part in (edits, [edit for edit in edits if len(edit.new) == 2], [edit for edit in edits if len(edit.new) == 1]):
        yield _apply_all(draft, part)


def _find_contractions(words: Sequence[str]) -> Iterator[Edit]:
    for at, word in enumerate(words):
        both = _WRITTEN_OUT.get(word.lower())
        following = words[at + 1].lower() if at + 1 < len(words) else ""
        if both is not None and not (word.lower().endswith("'s") and (not following or following in _HAS)):
            first, second = (both.upper() if word.isupper() else both).split()
            yield Edit(at, at + 1, (_capital_like(first, word), second))


def _find_contractible(draft: Draft) -> Iterator[Edit]:
    words, taken = draft.words, -1
    for at in range(len(words) - 1):
        short = _CONTRACTED.get(f"{words[at]} {words[at + 1]}".lower())
        # "what it is" at the end of a sentence has no short form.
        last = at + 2 == len(words) or any(sign in draft.gaps[at + 2] for sign in ".!?,;:)")
        stays = last and not words[at + 1].lower() == "not"
        if short is not None and at > taken and not stays and draft.gaps[at + 1] == " ":
            taken = at + 1
            yield Edit(at, at + 2, (_capital_like(short, words[at]),))


def _capital_like(word: str, like: str) -> str:
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _list_numbers(draft: Draft, rng: random.Random) -> Iterator[str]:
    """A whole number gives way to one of its size, up to a fifth more or less; all of its places alike."""
    numbers = dict.fromkeys(word for word in draft.words if word.isascii() and word.isdecimal()
                            and len(word) <= _MOST_DIGITS and word[0] != "0" and word not in _NO_NUMBERS
                            and int(word) not in _YEARS)
    for number in numbers:
        value = int(number)
        spread = max(1, value // 5)
        others = [n for n in range(max(1, value - spread), value + spread + 1) if n != value] if spread < 50 else [
            value + sign * rng.randint(1, spread) for sign in (-1, 1, -1, 1)]
        for other in others:
            yield _replace_word(draft, (number,), (str(other),))


def _list_names(draft: Draft, rng: random.Random) -> Iterator[str]:
    """A first name gives way to another one that is as usual for women or men; all of its places alike."""
    yield from _list_members(draft, rng, _GROUPS["names"])


def _list_places(draft: Draft, rng: random.Random) -> Iterator[str]:
    """A city gives way to a city, a country to a country; all of its places alike."""
    yield from _list_members(draft, rng, _GROUPS["places"])


_GROUPS = {"names": group_by_word(NAMES), "places": group_by_word(PLACES)}
_MOST_OTHERS = 8


def _list_members(draft: Draft, rng: random.Random, groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    lower = [word.lower() for word in draft.words]
    found = dict.fromkeys(tuple(draft.words[at: at + size]) for size in (2, 1) for at in range(len(lower) - size + 1)
                          if " ".join(lower[at: at + size]) in groups and set(draft.gaps[at + 1: at + size]) <= {" "})
    for words in found:
        name = " ".join(words).lower()
        others = [other for other in groups[name] if other.lower() != name]
        for other in rng.sample(others, min(_MOST_OTHERS, len(others))):
            yield _replace_word(draft, words, tuple(other.lower().split() if words[0].islower() else
                                                    other.upper().split() if words[0].isupper() else other.split()))


def _replace_word(draft: Draft, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    edits, at = [], 0
    while at <= len(draft.words) - len(old):
        same = draft.words[at: at + len(old)] == old
        edits += [Edit(at, at + len(old), new)] * same
        at += len(old) if same else 1
    return _apply_all(draft, edits)


def _apply_all(draft: Draft, edits: Sequence[Edit]) -> str:
    for edit in sorted(edits, reverse=True):
        draft = draft.apply(edit)
    return draft.text


def negate(text: str) -> str:
    """Return a text with "not" behind its first auxiliary.

    The text itself where it has no auxiliary, is a question, or is negated already.
    """
    draft = Draft.of(text)
    lower = [word.lower() for word in draft.words]
    if "?" in draft.gaps[-1] or any(word in _NEGATIONS or word.endswith("n't") for word in lower):
        return text
    for at, word in enumerate(lower[:-1]):
        if word in _NEGATABLE and lower[at + 1] not in _NO_NEGATION_BEFORE and draft.gaps[at + 1] == " ":
            new = (draft.words[at], "NOT" if draft.words[at].isupper() and len(word) > 1 else "not")
            return draft.apply(Edit(at, at + 1, new)).text
    return text


KINDS: Mapping[str, Callable[[Draft, random.Random], Iterator[str]]] = {
    "typos": _list_typos, "punctuation": _list_punctuation, "contractions": _list_contractions,
    "numbers": _list_numbers, "names": _list_names, "places": _list_places}


def change(kind: str, text: str, most: int, seed: str) -> list[str]:
    """Return different changed texts of one kind, in a random order.

    Args:
        kind: One of `KINDS`.
        text: The text.
        most: How many at most.
        seed: Seed of what is drawn; the same gives the same texts.
    """
    rng = random.Random(f"{seed}-{kind}-{text}")
    found = list(dict.fromkeys(other for other in KINDS[kind](Draft.of(text), rng) if other != text))
    return found if len(found) <= most else rng.sample(found, most)
