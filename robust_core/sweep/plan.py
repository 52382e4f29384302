"""Plans of sweeps: a JSON document of models, attacks, presets, data, explainers and seeds, each with each other."""

import dataclasses
import fnmatch
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.presets import PAPER, read_preset
from robust_core.errors import BadInput, UnknownName, list_names, quote
from robust_core.evaluation.guarded_names import split_guards
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer
from robust_core.files import read_json
from robust_core.models.cards import cards
from robust_core.registry import from_record
from robust_core.types import MOST_SEED, PRECISIONS, Precision

_LISTS = ("models", "attacks", "presets", "data", "explainers", "seeds")
_KEYS = (*_LISTS, "max_queries", "precision")
_OF_DATA = ("dataset", "split", "n")
_MOST_COMBINATIONS = 100_000


class Texts(NamedTuple):
    """Texts of a data set.

    Attributes:
        dataset: Its name.
        split: train, dev or test.
        n: Examples to draw; None for all.
    """

    dataset: str
    split: str
    n: int | None


@dataclasses.dataclass(frozen=True)
class Combination:
    """One line of a sweep: an attack on a model, on the same texts as all others with this seed.

    Args:
        model: Id of the model.
        attack: The attack with its parameters.
        preset: Whose values it has.
        texts: What is attacked.
        explainers: Explainers whose attributions of both texts are compared.
        seed: Seed of the draw and of the attack.
        precision: As in `Attack.run`.
    """

    model: str
    attack: Attack
    preset: str
    texts: Texts
    explainers: tuple[Explainer, ...]
    seed: int
    precision: Precision


def read_plan(path: Path) -> list[Combination]:
    """Read a plan: one JSON object, or a list of them; what stands in two of them is done once.

    Returns:
        Combinations, those of one model beside each other.

    Raises:
        BadInput: The file cannot be read, or something in it does not fit; the message says what.
        UnknownName: There is no such attack, preset or explainer, or no model fits a pattern.
    """
    parts = read_json(path)
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise BadInput(f"The plan {quote(path.name)} is no JSON object with models, attacks and data, nor a list of "
                       "such.")
    found: dict[tuple[str, Attack, Texts, int, Precision], Combination] = {}
    for part in parts:
        for one in _read_part(part):
            key = one.model, one.attack, one.texts, one.seed, one.precision
            known = found.get(key, one)
            found[key] = dataclasses.replace(
                known, explainers=tuple(dict.fromkeys([*known.explainers, *one.explainers])))
            if len(found) > _MOST_COMBINATIONS:
                raise BadInput(f"The plan {quote(path.name)} has more than {_MOST_COMBINATIONS:,} combinations of "
                               "model, attack and data; split it.")
    models = list(dict.fromkeys(one.model for one in found.values()))
    return sorted(found.values(), key=lambda one: models.index(one.model))


def _read_part(part: Mapping[str, Any]) -> list[Combination]:
    if unknown := [name for name in part if name not in _KEYS]:
        raise BadInput(f"A sweep has {', '.join(_KEYS)}; {list_names(unknown)} is none of them.")
    lists = {name: part.get(name, []) for name in _LISTS}
    for name, values in lists.items():
        if not isinstance(values, list):
            raise BadInput(f"{name} of a sweep is a list, not {quote(values)}.")
        if name in ("models", "attacks", "data") and not values:
            raise BadInput(f"A sweep needs {name}; this plan names none.")
    names = [name for key in ("models", "attacks", "presets", "explainers") for name in lists[key]]
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise BadInput(f"Models, attacks, presets and explainers of a sweep are names, not {quote(wrong[0])}.")
    limit, precision = part.get("max_queries"), part.get("precision", "exact")
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, list(PRECISIONS))
    attacks = _make_attacks(lists["attacks"], lists["presets"] or [PAPER], {} if limit is None else {
        "max_queries": limit})
    explainers = tuple(from_record(EXPLAINERS, {"name": name}) for name in dict.fromkeys(lists["explainers"]))
    return [Combination(model, attack, preset, texts, explainers, seed, precision)
            for texts, seed, model, (preset, attack) in itertools.product(
                _read_texts(lists["data"]), _read_seeds(lists["seeds"] or [0]), _find_models(lists["models"]), attacks)]


def _find_models(names: Sequence[str]) -> list[str]:
    """Return ids of models; a name with * or ? stands for all checkpoints that it fits."""
    known, found = [card.id for card in cards()] if any(_is_pattern(name) for name in names) else [], {}
    for name in names:
        if split_guards(name)[1]:
            raise BadInput(f"A sweep takes no model with guards, since workers have no texts to fit them to: "
                           f"{quote(name)}. evaluate measures guarded models, in one process.")
        fitting = [model for model in known if fnmatch.fnmatchcase(model, name)] if _is_pattern(name) else [name]
        if not fitting:
            raise UnknownName("model", name, known)
        found |= dict.fromkeys(fitting)
    return list(found)


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


def _make_attacks(names: Sequence[str], presets: Sequence[str], limits: Mapping[str, Any]) -> list[tuple[str, Attack]]:
    """Return each attack with those of the presets that it has; one that has none of them is refused."""
    made = []
    for name in dict.fromkeys(names):
        cls = ATTACKS[name]
        having = [preset for preset in dict.fromkeys(presets) if preset in cls.PRESETS]
        for preset in having or presets[:1]:
            values = {**read_preset(cls, preset), **limits}
            made.append((preset, from_record(ATTACKS, {"name": name} | values)))
        for preset in presets:
            if preset not in having:
                _check_preset(preset)
    return made


def _check_preset(preset: str) -> None:
    known = sorted({name for cls in ATTACKS.values() for name in cls.PRESETS})
    if preset not in known:
        raise UnknownName("preset", preset, known)


def _read_texts(data: Sequence[Any]) -> list[Texts]:
    found = []
    for given in data:
        values = {"dataset": given} if isinstance(given, str) else given
        if not isinstance(values, dict) or not set(values) <= {*_OF_DATA}:
            raise BadInput(f"Data of a sweep are a name, or an object with {', '.join(_OF_DATA)}, not {quote(given)}.")
        dataset, split, n = values.get("dataset"), values.get("split", "test"), values.get("n")
        if not isinstance(dataset, str) or not isinstance(split, str):
            raise BadInput("dataset and split of a sweep are names.")
        if n is not None and (type(n) is not int or n < 1):
            raise BadInput(f"n of a sweep is a whole number from 1, not {quote(n)}.")
        found.append(Texts(dataset, split, n))
    return list(dict.fromkeys(found))


def _read_seeds(seeds: Sequence[Any]) -> list[int]:
    for seed in seeds:
        if type(seed) is not int or not 0 <= seed <= MOST_SEED:
            raise BadInput(f"A seed is a whole number between 0 and {MOST_SEED}, not {quote(seed)}.")
    return list(dict.fromkeys(seeds))
