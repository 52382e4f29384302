"""Limits on what attacks do to a model and its explanations, and on what is proved of it."""

import dataclasses
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.presets import choose_preset, name_preset, read_preset
from robust_core.classifiers import find_device, prepare_texts
from robust_core.errors import BadInput, Incompatible, quote
from robust_core.evaluation import provenance
from robust_core.evaluation.explanation_consistency import compare_explanations, read_by_uid
from robust_core.evaluation.predictions import KeptAnswers
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer
from robust_core.metrics import list_held
from robust_core.protocols import need_white_box
from robust_core.registry import from_record, param, to_record
from robust_core.resources.swap_sets import read_swap_set
from robust_core.suite.checks import NOTHING, Check, describe_answer
from robust_core.suite.subject import Outcome, Subject
from robust_core.types import AttackResult, Example

KENDALL, TOP = "kendall_tau", "top_5"
CHANGED = "changed"


def make_attack(name: str, preset: str, max_queries: int, settings: Mapping[str, Any]) -> Attack:
    """Make an attack from what a suite says of it.

    Args:
        name: Its name.
        preset: careful or paper; empty for careful where the attack has it.
        max_queries: Most queries a text; 0 sets no limit.
        settings: Values of its parameters.

    Raises:
        RobustError: There is no such attack, preset or parameter, or the attack does not want another class.
    """
    cls = ATTACKS[name]
    if cls.goal != "flip":
        raise BadInput(f"{cls.title} does not look for another class; a suite has no limit for it.")
    if "time_limit" in settings:
        raise BadInput("A time limit makes results depend on the machine; limit the queries, by max_queries.")
    values = dict(read_preset(cls, preset or choose_preset(cls))) | {"max_queries": max_queries} | dict(settings)
    return from_record(ATTACKS, {"name": name} | values)


def attack_texts(subject: Subject, attack: Attack, examples: Sequence[Example], stop: threading.Event
                 ) -> tuple[str, dict[str, AttackResult | None]]:
    """Attack texts that have no stored result yet; the run is that of `evaluate` on the same file.

    Args:
        subject: Who is attacked.
        attack: The attack.
        examples: The texts.
        stop: Ends every search within a second.

    Returns:
        (id of the run, result of each text that came to an end by its uid; None where the search broke).

    Raises:
        BadInput: Every search broke.
    """
    model, texts, store = subject.model, subject.texts, subject.store
    about = provenance.describe_model(model)
    run = store.open_run(provenance.describe_run(
        attack, provenance.describe_attack(attack), (model.id, about[f"model {model.id}"]), find_device(model),
        (texts.about.name, texts.split, subject.sha256), subject.seed))
    found: dict[str, AttackResult | None] = {
        r.example.uid: r for r in store.each(run, [e.uid for e in examples]) if r.status != "stopped"}
    missing, broken = [e for e in examples if e.uid not in found], ""
    for event in attack.run([model], missing, seed=subject.seed, stop=stop) if missing and not stop.is_set() else ():
        if event.result is not None:
            store.append(run, event.result)
            if event.result.status != "stopped":
                found[event.uid] = event.result
        elif event.kind == "error":
            found[event.uid], broken = None, str(event.data["message"])
    if broken and not any(found.values()):
        raise BadInput(broken)
    return run, found


def _list_ended(examples: Sequence[Example], found: Mapping[str, AttackResult | None]) -> list[Example]:
    """Return the first texts whose attack came to an end: none is left out between."""
    return list(itertools.takewhile(lambda e: e.uid in found, examples))


@dataclasses.dataclass(frozen=True)
class _Attacked(Check):
    """A limit on what an attack leaves."""

    tables: ClassVar[tuple[str, ...]] = ("set",)
    # Searches that begin together end together: more of them keep each other busier, but say nothing for longer.
    step: ClassVar[int] = 16
    weight: ClassVar[int] = 5

    attack: str = param("textfooler", "Name of the attack")
    preset: str = param("", "careful or paper; careful by default where the attack has it")
    max_queries: int = param(0, "Most queries a text; 0 sets no limit", low=0, high=10_000_000)
    set: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.make()

    def make(self) -> Attack:
        """Return the attack."""
        return make_attack(self.attack, self.preset, self.max_queries, self.set)

    @property
    def under(self) -> str:
        """The attack in words."""
        attack = self.make()
        said = [name_preset(to_record(attack)) or "own settings"] + [f"{self.max_queries} queries"] * (
            self.max_queries > 0)
        return f"{self.attack} ({', '.join(said)})"


@dataclasses.dataclass(frozen=True)
class AccuracyUnderAttack(_Attacked):
    """The share of texts that the model gets right before and after an attack, as `evaluate` counts it."""

    section = "attack"

    @property
    def name(self) -> str:
        """What it is called."""
        return f"accuracy under {self.under}"

    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Attack texts."""
        _, found = attack_texts(subject, self.make(), examples, stop)
        held = list_held([r for r in found.values() if r is not None])
        outcomes: list[Outcome | None] = []
        for e in _list_ended(examples, found):
            result = found[e.uid]
            outcomes.append(NOTHING if result is None else Outcome(e.uid, float(held[e.uid]), (
                f"{describe_answer(subject, e.text, result.before)}, not {subject.name_label(e.label or 0)}"
                if result.status == "skipped" else
                f"{describe_answer(subject, e.text, result.before)} → "
                f"{describe_answer(subject, result.perturbed, result.after)}")))
        return outcomes


@dataclasses.dataclass(frozen=True)
class Consistency(_Attacked):
    """How alike the explanations of a text and of what an attack made of it are, over all classes.

    Of pairs "changed", only texts that the attack changed count; of "all", an unchanged one is like itself. A text
    whose figure is not defined, such as one of a single word, does not count.
    """

    section = "consistency"
    # An explanation takes as long as many predictions, and time is looked at between the steps.
    step: ClassVar[int] = 8

    explainer: str = param("ig", "Name of the explainer")
    measured: str = param(KENDALL, "kendall_tau of the words' scores (-1 to 1), or top_5: the share of the five "
                                   "highest words that stays", choices=(KENDALL, TOP))
    pairs: str = param(CHANGED, "Texts that count", choices=(CHANGED, "all"))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.make_explainer()

    @property
    def low(self) -> float:
        """Kendall's tau may be -1."""
        return -1.0 if self.measured == KENDALL else 0.0

    @property
    def name(self) -> str:
        """What it is called."""
        figure = "Kendall's tau" if self.measured == KENDALL else "top 5"
        return f"{figure} of {self.explainer} under {self.under}" + (", all texts" if self.pairs != CHANGED else "")

    def make_explainer(self) -> Explainer:
        """Return the explainer."""
        return from_record(EXPLAINERS, {"name": self.explainer})

    def find_obstacle(self, subject: Subject) -> str:
        """A model without gradients has no explanations that need them."""
        explainer = self.make_explainer()
        try:
            if explainer.white_box:
                need_white_box(subject.model, explainer.title)
        except Incompatible as error:
            return str(error)
        return ""

    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Attack texts, explain both of each pair and compare."""
        run, found = attack_texts(subject, self.make(), examples, stop)
        ended = _list_ended(examples, found)
        results = [result for e in ended if (result := found[e.uid]) is not None]
        explainer = self.make_explainer()
        for _ in compare_explanations(subject.model, explainer, results, "", stop, subject.store, run):
            pass
        known = subject.store.compared(run, to_record(explainer), [e.uid for e in ended])
        values = read_by_uid(subject.store, run, to_record(explainer), [e.uid for e in ended])[self.pairs][
            self.measured]
        outcomes: list[Outcome | None] = []
        for e in ended:
            result = found[e.uid]
            if result is not None and result.perturbed != e.text and e.uid not in known:
                break
            outcomes.append(NOTHING if e.uid not in values or result is None else Outcome(
                e.uid, values[e.uid], f"{values[e.uid]:.2f}: {quote(e.text)} → {quote(result.perturbed)}"))
        return outcomes


@dataclasses.dataclass(frozen=True)
class CertifiedShare(Check):
    """The share of texts that the model gets right and of which it is proved that no swaps of a set flip it."""

    section = "certified"

    swaps: str = param("careful", "Swap set: careful, close, wide or a JSON file")

    @property
    def name(self) -> str:
        """What it is called."""
        return f"certified share ({self.swaps} swaps)"

    def find_obstacle(self, subject: Subject) -> str:
        """Most models have no certificate in words."""
        from robust_core.certify.word_swaps import has_certificate

        read_swap_set(self.swaps)
        return "" if has_certificate(subject.model) else (
            f"{subject.model.id} has no certificate in words: only additive models and models with an additive core "
            "have one.")

    def measure(self, subject: Subject, examples: Sequence[Example], stop: threading.Event) -> list[Outcome | None]:
        """Certify texts."""
        from robust_core.certify.word_swaps import WordCertifier

        swap_set, model = read_swap_set(self.swaps), subject.model
        kept = KeptAnswers(model, subject.store, {"name": "word-certificates", "swaps": swap_set.sha256})

        def certify(texts: list[str]) -> Iterator[dict[str, Any]]:
            for found in WordCertifier(model, swap_set).certify_all(prepare_texts(model, texts)):
                yield {"prediction": found.prediction, "certified": bool(found.certified), "worst": found.worst_text}

        records = kept.ask([e.text for e in examples], lambda texts: list(certify(texts)), lambda: not stop.is_set())
        return [Outcome(e.uid, float(record["certified"] and record["prediction"] == e.label),
                        f"{quote(e.text)}: predicted {subject.name_label(record['prediction'])}, "
                        + (f"not {subject.name_label(e.label or 0)}" if record["prediction"] != e.label else
                           f"not proved against {quote(record['worst'])}"))
                for e, record in zip(examples, records, strict=False)]
