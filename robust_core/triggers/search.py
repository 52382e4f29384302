"""The search for a trigger: beam search over words that the gradient expects most of, checked by real predictions."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from robust_core.attacks.engine.word_gradients import embed_words
from robust_core.classifiers import prepare_texts
from robust_core.errors import BadInput, quote
from robust_core.protocols import WhiteBox
from robust_core.registry import check_parameters, param
from robust_core.triggers.objective import (
    FRONT,
    PLACES,
    Effect,
    Goal,
    Phrase,
    choose_open,
    measure_effects,
    measure_slopes,
)
from robust_core.types import MOST_SEED, Example

MOST_WORDS = 5
_START = "the"
# Rounds without a better phrase that end a search whose rounds look at other texts each.
_PATIENCE = 3
_WORDS_AT_ONCE = 1000


@dataclasses.dataclass(frozen=True)
class TriggerSearch:
    """How a trigger is searched.

    As in Wallace et al. 2019 (https://arxiv.org/abs/1908.07125): from "the the the" on, the words give way one after
    the other to those that the gradient, summed over texts, expects most of; each candidate is judged by real
    predictions, the best are kept as a beam, and rounds go on until none is better or all texts are reached. Differs:
    candidates are whole words; the phrase that reaches most texts wins, and the mean loss only decides between equal
    ones.
    """

    length: int = param(3, "Words of the trigger (paper: 3)", low=1, high=MOST_WORDS)
    beam: int = param(3, "Phrases kept from one word to the next", low=1, high=100)
    candidates: int = param(20, "Words tried at each place, those that the gradient expects most of; 0: all", low=0,
                            high=1_000_000)
    batch: int = param(100, "Texts that a round looks at, drawn anew each time; 0: all", low=0, high=1_000_000)
    rounds: int = param(10, "Most rounds over all places", low=1, high=1000)
    place: str = param(FRONT, "Where the trigger stands", choices=PLACES)
    seed: int = param(0, "Seeds the texts of each round", low=0, high=MOST_SEED)

    def __post_init__(self) -> None:
        check_parameters(self)


class Found(NamedTuple):
    """A trigger.

    Attributes:
        phrase: Its words.
        effect: What it does to the texts that were searched on.
        texts: How many these are.
        rounds: Rounds that were made.
        judged: Texts that were judged on the way.
        stopped: Whether the search was ended early.
    """

    phrase: Phrase
    effect: Effect
    texts: int
    rounds: int
    judged: int
    stopped: bool


class Round(NamedTuple):
    """How far a search is: the round and place (from 1), and the best phrase on the round's texts.

    Attributes:
        round: The round.
        place: Place of the word that was chosen last.
        phrase: The best phrase so far.
        share: Share of the round's texts that it reaches, 0..1.
    """

    round: int
    place: int
    phrase: Phrase
    share: float


def find_trigger(model: WhiteBox, examples: Sequence[Example], words: Sequence[str], settings: TriggerSearch,
                 target: int | None = None, stop: threading.Event | None = None,
                 notify: Callable[[Round], None] = lambda _: None) -> Found:
    """Search for the phrase that misleads a model on most texts.

    Args:
        model: The model.
        examples: Labelled texts; those that it classifies wrongly, or that are of the target class, are left out.
        words: What the phrase may be made of, such as `vocabulary.list_words` gives.
        settings: How it is searched.
        target: Class to reach; None where any but the right one will do.
        stop: Ends the search when set, with the best phrase so far.
        notify: Is told each time a word was chosen.

    Raises:
        BadInput: There is nothing to search on, or there are no words.
        Incompatible: The model takes no word embeddings.
    """
    if not words:
        raise BadInput("A trigger needs words that it may be made of.")
    goal = Goal(target, settings.place)
    chosen = choose_open(model, examples, goal)
    if not chosen:
        reached = "" if target is None else f" and is not {quote(model.labels[target])} already"
        raise BadInput(f"There is no text among {len(examples):,} that {model.id} classifies correctly{reached}.")
    return _Search(model, chosen, words, settings, goal, stop or threading.Event(), notify).run()


class _Search:
    """One search: its texts, the embeddings of its words, and the best phrase so far."""

    def __init__(self, model: WhiteBox, examples: Sequence[Example], words: Sequence[str], settings: TriggerSearch,
                 goal: Goal, stop: threading.Event, notify: Callable[[Round], None]) -> None:
        self._model, self._examples, self._words, self._settings = model, examples, list(words), settings
        self._goal, self._stop, self._notify = goal, stop, notify
        self._rng, self._judged, self._rounds = np.random.default_rng(settings.seed), 0, 0
        self._ranks = bool(settings.candidates) and settings.candidates < len(words)
        self._table = self._embed() if self._ranks else np.zeros((len(words), 0))

    def run(self) -> Found:
        """Make rounds until none finds a better phrase."""
        settings = self._settings
        every = not settings.batch or settings.batch >= len(self._examples)
        best = (_START,) * settings.length if _START in self._words else tuple(
            self._words[i] for i in self._rng.integers(len(self._words), size=settings.length))
        effect, = self._measure([best], self._examples, None)
        stale = 0
        while (self._rounds < settings.rounds and stale < (1 if every else _PATIENCE) and not self._stop.is_set()
               and effect.reached < len(self._examples)):
            self._rounds += 1
            some = self._examples if every else [self._examples[i] for i in sorted(
                self._rng.choice(len(self._examples), settings.batch, replace=False))]
            beam = self._improve([best], some)
            # What an interrupted round has found is worth one look at all texts; nothing more is tried then.
            beam = beam[:1] if self._stop.is_set() else beam
            found = self._measure(beam, self._examples, None)
            leader = min(range(len(beam)), key=lambda k: _rank(found[k], beam[k]))
            stale += 1
            if found[leader] > effect:
                best, effect, stale = beam[leader], found[leader], 0
        return Found(best, effect, len(self._examples), self._rounds, self._judged, self._stop.is_set())

    def _improve(self, beam: list[Phrase], examples: Sequence[Example]) -> list[Phrase]:
        """Return the beam after each place has been tried once."""
        for place in range(self._settings.length):
            options = list(dict.fromkeys(option for phrase in beam for option in self._list_options(
                phrase, place, examples)))
            found = self._measure(options, examples, self._stop)
            order = sorted(range(len(found)), key=lambda k: _rank(found[k], options[k]))
            beam = [options[k] for k in order[: self._settings.beam]] or beam
            if found:
                self._notify(Round(self._rounds, place + 1, beam[0], found[order[0]].reached / len(examples)))
            if self._stop.is_set():
                break
        return beam

    def _list_options(self, phrase: Phrase, place: int, examples: Sequence[Example]) -> list[Phrase]:
        """Return a phrase, and it with each of the likeliest words at a place, as far as the model reads all words."""
        picked: Sequence[str] = self._words
        if self._ranks:
            slope = measure_slopes(self._model, phrase, examples, self._goal)[place]
            order = np.argsort(-(self._table @ slope), kind="stable")[: self._settings.candidates]
            picked = [self._words[k] for k in order]
        options = [(*phrase[:place], word, *phrase[place + 1:]) for word in picked]
        # Two words may be one to the model: "gon na" is cleaned to "gonna".
        plain = [" ".join(option) for option in options]
        return [phrase, *(option for option, text, read in zip(
            options, plain, prepare_texts(self._model, plain), strict=True) if text == read)]

    def _measure(self, phrases: Sequence[Phrase], examples: Sequence[Example], stop: threading.Event | None
                 ) -> list[Effect]:
        found = measure_effects(self._model, phrases, examples, self._goal, stop)
        self._judged += len(found) * len(examples)
        return found

    def _embed(self) -> np.ndarray:
        """Return the (words, d) float32 embeddings of all words."""
        parts = [self._words[start: start + _WORDS_AT_ONCE] for start in range(0, len(self._words), _WORDS_AT_ONCE)]
        return np.concatenate([np.stack([*embed_words(self._model, part).values()]).astype(np.float32)
                               for part in parts])


def _rank(effect: Effect, phrase: Phrase) -> tuple[int, float, Phrase]:
    """Return what is lowest of the best phrase; of equal ones the first in the alphabet."""
    return -effect.reached, -effect.gain, phrase
