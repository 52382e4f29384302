"""Does any single typo flip an additive model's answer? All of them are tried, so the answer is a proof.

A typo is one letter a to z added to a word or put in the place of one of its characters, one character left out, or two
neighbours exchanged, where one word is left; capitals do not count. Most typos of a word are read alike, as an unknown
word or as a known one, so one text for each reading is enough.
"""

import dataclasses
import functools
import string
from collections.abc import Iterator

import numpy as np
import torch

from robust_core.certify.word_swaps import LEAST_LEAD, need_core
from robust_core.models.batching import pad_rows, split_batches
from robust_core.models.tokens import WholeWords
from robust_core.protocols import Classifier
from robust_core.text import Draft, find_words, match_case

_BUDGET = 65_536


@dataclasses.dataclass(frozen=True)
class TypoProof:
    """What one typo can do to a text.

    Attributes:
        proven: Whether no typo of any one word that the model reads flips its answer.
        lowest_lead: The least lead over the strongest rival, in scores before softmax, that is left with one typo at
            most; of a model with a certified core what is certain of it.
        worst_text: The text with the typo that leaves the least; the text itself where none takes anything.
        typos: How many typos there are.
    """

    proven: bool
    lowest_lead: float
    worst_text: str
    typos: int


def prove_typos(model: Classifier, text: str) -> TypoProof:
    """Try every typo of one word of a cleaned text.

    Args:
        model: An additive model, or one with an additive core.
        text: The text.

    Raises:
        Incompatible: The model is none whose words can be added up.
    """
    net, tokens, slack = need_core(model)
    draft = Draft.of(text)
    words = draft.words[: tokens.length]
    ids = tuple(tokens.unit_ids(word)[0] for word in words)
    rows, made, typos = [ids], [text], 0
    for at, word in enumerate(words):
        count, readings = _list_readings(tokens, word.lower())
        typos += count
        for read, typo in readings:
            if read != ids[at]:
                rows.append((*ids[:at], read, *ids[at + 1:]))
                made.append(Draft((*draft.words[:at], match_case(typo, word), *draft.words[at + 1:]), draft.gaps).text)
    scores = np.zeros((len(rows), net.classes))
    device = net.bias.device
    with torch.inference_mode():
        for batch in split_batches(rows, _BUDGET):
            scores[batch] = net.read(*pad_rows([rows[i] for i in batch], 0, device)).double().cpu().numpy()
    label = int(model.predict_proba([text])[0].argmax())
    leads = scores[:, label] - np.delete(scores, label, 1).max(1, initial=-np.inf) - slack
    worst = int(leads.argmin())
    return TypoProof(bool(leads[worst] > LEAST_LEAD), float(leads[worst]), made[worst], typos)


def list_typos(word: str) -> Iterator[str]:
    """Yield every typo of a lower-case word, each once."""
    letters = string.ascii_lowercase
    parts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    found = dict.fromkeys(
        [a + b[1:] for a, b in parts if b] + [a + b[1] + b[0] + b[2:] for a, b in parts if len(b) > 1]
        + [a + letter + b[1:] for a, b in parts if b for letter in letters]
        + [a + letter + b for a, b in parts for letter in letters])
    return (typo for typo in found if typo != word and len(find_words(typo)) == 1)


@functools.lru_cache(maxsize=2_000)
def _list_readings(tokens: WholeWords, word: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """Return how many typos a word has, and each id that they are read as with one typo."""
    read: dict[int, str] = {}
    count = 0
    for typo in list_typos(word):
        count += 1
        start, end = find_words(typo)[0]
        read.setdefault(tokens.find_id(typo[start:end]), typo)
    return count, tuple(read.items())
