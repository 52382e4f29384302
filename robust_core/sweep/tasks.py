"""What is to be computed: one attack on one model and some texts, stored in one run, with comparisons of explainers."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from robust_core import datasets
from robust_core.attacks.base import Attack
from robust_core.classifiers import find_device
from robust_core.errors import BadInput
from robust_core.evaluation import provenance
from robust_core.evaluation.evaluate import check_labels
from robust_core.explainers.base import Explainer
from robust_core.models import loading
from robust_core.models.cards import cards
from robust_core.models.device import pick_device
from robust_core.protocols import Classifier
from robust_core.runs import Run, fingerprint_card, fingerprint_model
from robust_core.store import ResultStore
from robust_core.sweep.plan import Combination
from robust_core.types import Example, Precision


@dataclasses.dataclass(frozen=True)
class Victim:
    """A model that need not be loaded.

    Args:
        name: What `load` finds it by.
        id: Its id.
        labels: Names of its classes.
        fingerprint: As `runs.fingerprint_model` has it.
        device: Where it runs.
    """

    name: str
    id: str
    labels: tuple[str, ...]
    fingerprint: str
    device: str

    @classmethod
    def of(cls, name: str, model: Classifier) -> "Victim":
        """Describe a model that is loaded."""
        return cls(name, model.id, tuple(model.labels), fingerprint_model(model), find_device(model))


@dataclasses.dataclass(frozen=True)
class Task:
    """An attack on one model and some texts.

    Args:
        victim: The model.
        attack: The attack.
        run: Where its results are stored; says all that they depend on.
        examples: The texts.
        explainers: Explainers that compare each text with what became of it.
    """

    victim: Victim
    attack: Attack
    run: Run
    examples: tuple[Example, ...]
    explainers: tuple[Explainer, ...] = ()


def find_victims(names: Sequence[str], device: str) -> dict[str, Victim]:
    """Describe models by name: a checkpoint is known by its card, every other model is loaded for a moment.

    Raises:
        UnknownName: There is no such checkpoint.
        BadInput: Two names mean the same model.
        MissingResource: Weights are not here.
    """
    known = {card.id: card for card in cards()}
    found: dict[str, Victim] = {}
    for name in dict.fromkeys(names):
        card = known.get(name)
        victim = Victim.of(name, loading.load(name, device)) if card is None else Victim(
            name, name, tuple(card.labels), fingerprint_card(card), str(pick_device(device)))
        if other := next((v for v in found.values() if v.id == victim.id), None):
            raise BadInput(f"{other.name} and {name} are the same model.")
        found[name] = victim
    return found


def make_task(victim: Victim, attack: Attack, texts: tuple[str, str, str], examples: Sequence[Example], seed: int,
              precision: Precision = "exact", explainers: Sequence[Explainer] = ()) -> Task:
    """Make a task.

    Args:
        victim: The model.
        attack: The attack.
        texts: Name of the data set, split, and SHA-256 of the whole split.
        examples: What of it is attacked.
        seed: Seed of the attack.
        precision: As in `Attack.run`.
        explainers: Explainers that compare both texts.

    Raises:
        BadInput: The attack has a time limit, or swaps that somebody gave.
        MissingResource: Something that the attack looks into is not here.
    """
    if attack.time_limit:
        raise BadInput("A time limit makes results depend on the machine: workers take none. Limit the queries "
                       "instead, by max_queries.")
    if "swaps" in attack.extend_record():
        raise BadInput("A swap set that somebody gives stays in this process: leave the workers out, or the swaps.")
    run = provenance.describe_run(attack, provenance.describe_attack(attack), (victim.id, victim.fingerprint),
                                  victim.device, texts, seed, precision)
    return Task(victim, attack, run, tuple(examples), tuple(explainers))


def plan_tasks(plan: Sequence[Combination], device: str, data_dir: str | Path | None) -> list[Task]:
    """Return the task of each combination of a plan, in their order.

    Raises:
        Incompatible: A model has other labels than a data set.
        RobustError: As of `find_victims` and `make_task`, or the data are not here.
    """
    victims = find_victims([one.model for one in plan], device)

    @functools.cache
    def load(dataset: str, split: str) -> tuple[list[Example], tuple[str, str, str]]:
        examples = datasets.load(dataset, split, data_dir)
        return examples, (dataset, split, datasets.hash_examples(examples))

    tasks = []
    for one in plan:
        victim, about = victims[one.model], datasets.describe(one.texts.dataset)
        check_labels(victim, about)
        examples, texts = load(one.texts.dataset, one.texts.split)
        tasks.append(make_task(victim, one.attack, texts, datasets.choose(examples, one.texts.n, one.seed), one.seed,
                               one.precision, one.explainers))
    return tasks


def plan_evaluation(models: Mapping[str, Classifier], texts: str | datasets.LabelledTexts, split: str,
                    attacks: Sequence[Attack], *, n: int | None = None, seed: int = 0,
                    data_dir: str | Path | None = None, precision: Precision = "exact",
                    explain: Sequence[Explainer] = ()) -> list[Task]:
    """Return the tasks that an evaluation consists of.

    Args:
        models: Loaded models by the names that `load` finds them by.
        texts: Name of the data set, or the texts themselves.
        split: train, dev or test; texts have their own.
        attacks: Attacks.
        n: Examples to draw; all by default.
        seed: Seed of the draw and of the attacks.
        data_dir: Folder of data sets.
        precision: As in `Attack.run`.
        explain: Explainers.

    Raises:
        RobustError: As of `evaluate` and `make_task`.
    """
    about, split, everything = texts if isinstance(texts, datasets.LabelledTexts) else (
        datasets.describe(texts), split, datasets.load(texts, split, data_dir))
    for model in models.values():
        check_labels(model, about)
    examples, of = datasets.choose(everything, n, seed), (about.name, split, datasets.hash_examples(everything))
    return [make_task(Victim.of(name, model), attack, of, examples, seed, precision, explain)
            for name, model in models.items() for attack in attacks]


def count_stored(task: Task, store: ResultStore) -> int:
    """Return how many of a task's texts have a result."""
    done = store.done(task.run.id)
    return sum((example.uid, task.victim.id) in done for example in task.examples)
