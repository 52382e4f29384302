"""What all attacks share: parameters, how a result is made, the door `run`."""

import abc
import dataclasses
import hashlib
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from robust_core.attacks.engine.near_ties import settle_rounded
from robust_core.attacks.engine.requests import Candidate, Judge, Request, Search, Similarity, Target, is_reached
from robust_core.attacks.engine.scheduler import Scheduler
from robust_core.attacks.engine.search_state import SearchStopped
from robust_core.attacks.goals import AIMS, MINIMISE, UNTARGETED, find_locked
from robust_core.classifiers import describe_scores, find_label, list_flagged, prepare_texts
from robust_core.errors import BadInput, list_names, quote
from robust_core.events import Event
from robust_core.hidden_characters import describe_hidden
from robust_core.models import hub
from robust_core.protocols import Classifier, Encoder, MaskedLanguageModel, is_token_classifier
from robust_core.reading import check_reads, describe_reading, find_reach
from robust_core.registry import Method, check_parameters, param, to_record
from robust_core.resources import fingerprints
from robust_core.text import Draft, align, diff, find_words
from robust_core.types import AttackResult, Example, Precision

if TYPE_CHECKING:
    from robust_core.attacks.engine.search_state import SearchState


# Seconds that an attack on a typed text gets on each model unless another limit is given: somebody waits for it.
TYPED_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Attack(Method, abc.ABC):
    """A word-substitution attack; a member writes `search` and nothing else.

    A search whose budget ran out is "exhausted"; accuracies under attack count it as held (`metrics.summary`), so a
    figure under a budget is no lower than one without.

    Args:
        lock: Words that stay wherever they stand.
        target: Name of the class to reach; empty where any other will do.

    Attributes:
        goal: What "succeeded" means: "flip" (another class is predicted) or "reduce" (a shorter text keeps the class).
        swaps_only: Whether it does nothing but put one word in the place of one other, so that the words of a text and
            of its perturbed one correspond by position.
        white_box: Whether it needs gradients; a victim that shows none gets an "error" event that says so.
        labels_only: Whether it reads of the victim's answers no more than which class is the likeliest.
        uses: What from outside its search looks into, by the names of `resources.fingerprints.NAMES`, whatever its
            parameters are; a changed table is thereby another run.
        masked: Masked language model that it asks where no parameter names one.
        EXTENDED: Fields that are no parameters, but part of a record.
        PRESETS: Named values of its parameters; what a preset does not name keeps its default, the recipe's value.
        not_careful: Why there is no preset `careful`, where there is none.
    """

    goal: ClassVar[str] = "flip"
    swaps_only: ClassVar[bool] = False
    white_box: ClassVar[bool] = False
    labels_only: ClassVar[bool] = False
    uses: ClassVar[tuple[str, ...]] = ()
    masked: ClassVar[str] = fingerprints.PACKAGED
    EXTENDED: ClassVar[tuple[str, ...]] = ("lock", "target")
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}}
    not_careful: ClassVar[str] = "it writes what no stored set of swaps holds"

    max_queries: int = param(0, "Most texts submitted per example; 0 sets no limit", low=0, high=10_000_000)
    time_limit: float = param(0.0, "Most seconds per example; 0 sets no limit", low=0.0, high=86_400.0)
    aim: str = param(UNTARGETED, "What is looked for: any other class, or the lowest probability of the present one, "
                     "flip or not", choices=AIMS, later=True)
    lock_names: bool = param(False, "Leave words alone that are written like names", later=True)
    lock_numbers: bool = param(False, "Leave numbers alone", later=True)
    lock: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    target: str = dataclasses.field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.lock, str) or not all(isinstance(word, str) for word in (*self.lock, self.target)):
            raise BadInput("Locked words and the target are texts.")
        object.__setattr__(self, "lock", tuple(dict.fromkeys(word.lower() for word in self.lock)))
        check_parameters(self)
        if self.target and self.aim != UNTARGETED:
            raise BadInput("An attack either looks for a class or for the lowest probability: leave the aim out.")

    def extend_record(self) -> dict[str, Any]:
        """Return the words that are locked, and the class to reach."""
        return ({"lock": list(self.lock)} if self.lock else {}) | ({"target": self.target} if self.target else {})

    @abc.abstractmethod
    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Look for an adversarial text: yield requests, receive answers, return the best candidate."""
        raise NotImplementedError

    @final
    def run(
        self,
        victims: Sequence[Classifier],
        examples: Iterable[Example],
        *,
        seed: int = 0,
        stop: threading.Event | None = None,
        width: int = 32,
        encoder: Encoder | None = None,
        precision: Precision = "exact",
        masked: MaskedLanguageModel | None = None,
        similarity: bool = True,
    ) -> Iterator[Event]:
        """Attack every example on every victim.

        Args:
            victims: Classifiers to attack; ids must differ.
            examples: Cleaned examples; a label of None stands for the victim's own prediction.
            seed: Seeds each search together with its example's uid.
            stop: Ends every running search within a second when set, each with its best text so far; pairs that had
                not begun yield nothing.
            width: Searches that run side by side.
            encoder: Sentence encoder; None takes the packaged one.
            precision: "exact" runs in fp32; "screened" looks in bf16 first, where that is faster, and again in fp32
                wherever that could change a choice.
            masked: Masked language model; None takes the one that the attack names.
            similarity: Whether results tell how similar both texts are; NaN otherwise, which saves two encodings.

        Yields:
            Events; the last of each (example, victim) is a "result" or an "error".

        Raises:
            BadInput: Two victims have the same id, or an example's label is none of a victim's classes.
            Incompatible: An example is a pair of texts and a victim reads single texts.
        """
        if len({victim.id for victim in victims}) < len(victims):
            raise BadInput("Two victims have the same id, so that their results could not be told apart.")
        scheduler = Scheduler(self, victims, seed=seed, stop=stop, width=width, encoder=encoder, precision=precision,
                              masked=masked or self._masked_name, similarity=similarity)
        yield from scheduler.run(_check_each(examples, victims))

    def rests_on(self) -> dict[str, str]:
        """Return the fingerprint of everything from outside that its search looks into, by name.

        Raises:
            MissingResource: Some of it is not here.
        """
        name, packaged = self._masked_name, self._masked_name == fingerprints.PACKAGED
        uses = self.list_uses()
        found = fingerprints.describe(use for use in uses if packaged or use != fingerprints.MASKED)
        if fingerprints.MASKED in uses and not packaged:
            folder = hub.find_folder(name, "masked language model")
            found[f"masked-model {name}"] = fingerprints.fingerprint_folder(folder)
        return found

    def list_uses(self) -> tuple[str, ...]:
        """Return what its search looks into with its present parameters, by the names of `uses`."""
        return self.uses + ("parts-of-speech",) * (self.lock_numbers and "parts-of-speech" not in self.uses)

    def list_remarks(self, victim: Classifier) -> tuple[str, ...]:
        """Return what a reader of a result on a victim should know; nothing unless an attack says so."""
        del victim
        return ()

    @property
    def _masked_name(self) -> str:
        return to_record(self).get("masked_model", self.masked)

    def attempt(self, example: Example, victim: Classifier, tally: "SearchState", seed: int, *, compared: bool = True
                ) -> Generator[Request, Any, AttackResult]:
        """Judge, search, judge again: the frame around `search` that no attack can change."""
        frame, text = example.frame, example.changeable
        draft = dataclasses.replace(Draft.of(text), beside=len(find_words(frame.before + frame.after)))
        before = yield Judge(text)
        predicted = int(before.argmax())
        reference = predicted if example.label is None else example.label
        tally.begin(reference, before)
        tally.wanted, tally.goes_on = self._find_wanted(victim, predicted), self.aim == MINIMISE
        reach, beyond = find_reach(victim, frame, text)
        unread = describe_reading(victim, example.text)
        flagged = bool(list_flagged(victim, [example.text])[0])
        best, outcome = Candidate(draft), "failed"
        if predicted != reference or flagged:
            outcome = "skipped"
        elif tally.ending:
            outcome = "stopped"
        else:
            locked = find_locked(draft, self.lock, self.lock_names, self.lock_numbers) | beyond
            target = Target(example, draft, reference, before, reach, locked, tally.wanted, tally.goes_on)
            tally.searching = True
            try:
                best = yield from self.search(target, make_generator(seed, example.uid))
            except SearchStopped:
                best, outcome = tally.best or best, "stopped"
            tally.searching = False
        changed, perturbed = best.text != text, frame.put(best.text)
        after = (yield Judge(best.text)) if changed else before
        if outcome == "failed" and self._reached(
                text, best.text, bool(is_reached(after[None], reference, tally.wanted)[0])):
            outcome = "succeeded"
        elif outcome == "failed" and tally.over:
            outcome = "exhausted"
        similarity = 1.0
        if changed:
            similarity = (yield from _ask_similarity(text, best.text)) if compared else float("nan")
        notes = ("A guard flags the text before any change.",) * flagged
        notes += (f"The model {unread}; the rest is left alone.",) if unread else ()
        coarse = describe_scores(victim)
        if tally.labels_only and tally.steps and not (coarse or self.labels_only or self.white_box):
            coarse = (f"The model answers with 0 and 1 alone: a ranking of words by probabilities, as in {self.title}, "
                      "has no information there; the attack hard-label needs labels alone.")
        notes += ((coarse,) if coarse else ()) + self.list_remarks(victim)
        if outcome == "succeeded":
            notes += yield from _note_unknown_words(self, victim, example, best, reference)
        if changed:
            notes += tuple(describe_hidden(text, best.text, prepare_texts(victim, [best.text])[0]))
        tally.point(float(after[reference]))
        return AttackResult(
            example=example, victim=victim.id, attack=to_record(self), perturbed=perturbed,
            reference_label=reference, perturbed_label=int(after.argmax()), before=tuple(map(float, before)),
            after=tuple(map(float, after)), queries=tally.queries, forward_passes=tally.forward_passes,
            eligible=tally.eligible, similarity=similarity, seconds=tally.seconds(), status=outcome,
            swaps=diff(example.text, perturbed), curve=tuple(tally.curve), notes=notes,
            steps=tuple(step._replace(text=frame.put(step.text)) if step.text else step for step in tally.steps),
            tried=tally.tried)

    def _find_wanted(self, victim: Classifier, predicted: int) -> int | None:
        """Return the class to reach; None where any other will do."""
        if not self.target:
            return None
        wanted = find_label(victim, self.target)
        if wanted == predicted:
            raise BadInput(f"{victim.id} says {quote(self.target)} already: choose another target.")
        return wanted

    def pair_words(self, before: Sequence[str], after: Sequence[str]) -> list[tuple[int | None, int | None]]:
        """Pair the words of a text with those of one that this attack made of it.

        Where only swaps are possible, words correspond by position; else by `text.align`, with None on the side that
        lacks a word.

        Args:
            before: Words of the text.
            after: Words of what the attack made of it.
        """
        if self.swaps_only and len(before) == len(after):
            return [(i, i) for i in range(len(before))]
        return align(before, after)

    def _reached(self, text: str, perturbed: str, flipped: bool) -> bool:
        return flipped if self.goal == "flip" else not flipped and len(perturbed) < len(text)


def check_label(example: Example, victim: Classifier) -> None:
    """Raise BadInput when an example's label is none of a victim's classes."""
    if example.label is not None and not 0 <= example.label < len(victim.labels):
        where = f" of example {quote(example.uid)}" if example.uid else ""
        raise BadInput(f"The label {example.label}{where} is none of the {len(victim.labels)} classes of {victim.id} "
                       f"({list_names(victim.labels)}).")


def _check_each(examples: Iterable[Example], victims: Sequence[Classifier]) -> Iterator[Example]:
    for example in examples:
        for victim in victims:
            check_label(example, victim)
            check_reads(victim, example)
        yield example


def make_generator(seed: int, uid: str) -> np.random.Generator:
    """Return the random generator of one example: the same in any order, batch or process."""
    digest = hashlib.sha256(f"{seed}-{uid}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _ask_similarity(original: str, perturbed: str) -> Generator[Request, Any, float]:
    figures = yield Similarity([(original, perturbed)], precise=True)
    return (yield from settle_rounded(figures, 0, 4))


def _note_unknown_words(attack: Attack, victim: Classifier, example: Example, best: Candidate, reference: int
                        ) -> Generator[Request, Any, tuple[str, ...]]:
    """Say so when a word model flips only because new words are unknown to it; texts of one length only."""
    before, after = Draft.of(example.changeable).words, best.draft.words
    if not is_token_classifier(victim) or len(before) != len(after):
        return ()
    odd = {j: before[i] for i, j in attack.pair_words(before, after)
           if i is not None and j is not None and before[i] != after[j] and victim.unknown(after[j])
           and not victim.unknown(before[i])}
    if not odd:
        return ()
    known = dataclasses.replace(best.draft, words=tuple(odd.get(j, word) for j, word in enumerate(after)))
    proba = yield Judge(known.text)
    if int(proba.argmax()) != reference:
        return ()
    words = ", ".join(after[j] for j in odd)
    return (f"Flips only because the model does not know: {words}.",)
