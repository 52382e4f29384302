"""Trainings as plain values, one by one or from a plan; what is there already is not trained again."""

import dataclasses
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robust_core.defences import DEFENCES
from robust_core.defences.base import Defence
from robust_core.errors import BadInput, UnknownName
from robust_core.registry import from_record, parameters, to_record
from robust_core.store import export_claim, runs_folder

_KEYS = ("dataset", "architecture", "defence", "attack", "preset", "seed", "name", "set")


@dataclasses.dataclass(frozen=True)
class Order:
    """One training that somebody wants.

    Args:
        dataset: Name of the data set.
        architecture: cnn, lstm, minilm, or a Hugging Face id or folder.
        defence: The defence with its parameters.
        recipe: Changes of the architecture's recipe.
        seed: Seed of the training.
        name: Last part of the model's id, empty for the defence's own.
    """

    dataset: str
    architecture: str
    defence: Defence
    recipe: Mapping[str, Any]
    seed: int = 0
    name: str = ""

    @property
    def id(self) -> str:
        """Id of the model that comes out."""
        from robust_core.train import model_id

        return model_id(self.defence, self.dataset, self.architecture, self.seed, self.name)

    @property
    def state(self) -> Path:
        """Folder of the state that a killed training goes on from."""
        return runs_folder() / "training" / self.id.replace("/", "-")


def order(values: Mapping[str, Any]) -> Order:
    """Read a training from plain values.

    Args:
        values: dataset and architecture; defence, attack, preset, seed and name, if wanted; and "set", a dictionary of
            parameters of the defence or parts of the recipe.

    Raises:
        UnknownName: There is no such defence, preset, attack or data set.
        BadInput: A value is unknown, or not allowed.
    """
    from robust_core.train import Recipe, recipe_for
    from robust_core.train.network import check_architecture

    unknown = [name for name in values if name not in _KEYS]
    if unknown or not isinstance(values.get("set", {}), Mapping):
        raise BadInput(f"A training has {', '.join(_KEYS)}; {', '.join(unknown) or 'set'} does not fit.")
    texts = {name: values.get(name) or "" for name in ("dataset", "architecture", "attack", "preset", "name")}
    seed, settings = values.get("seed", 0), dict(values.get("set", {}))
    if not all(isinstance(text, str) for text in texts.values()) or type(seed) is not int or seed < 0:
        raise BadInput("The seed of a training is a whole number, everything else but set is a text.")
    if not texts["dataset"] or not texts["architecture"]:
        raise BadInput("A training needs a data set and an architecture.")
    check_architecture(texts["architecture"])
    cls = DEFENCES[str(values.get("defence") or "base")]
    if texts["attack"]:
        settings["attack"] = texts["attack"]
    known, parts = {p.name for p in parameters(cls)}, {p.name for p in parameters(Recipe)}
    for name in settings:
        if name not in known | parts:
            raise BadInput(f"{cls.title} has no parameter {name!r}, nor has the recipe. "
                           f"Known: {', '.join(sorted(known | parts))}.")
    record = {name: value for name, value in settings.items() if name in known}
    given = cls.BY_DATASET.get(texts["dataset"], {}) | _preset(cls, texts["preset"])
    defence = from_record(DEFENCES, {"name": cls.name} | given | record)
    recipe = {name: value for name, value in settings.items() if name not in known}
    if "epochs" in recipe and defence.fit(Recipe()) != Recipe():
        raise BadInput(f"{cls.title} decides on its epochs itself: set clean_epochs, rounds and round_epochs.")
    recipe_for(texts["architecture"], texts["dataset"], **recipe)
    return Order(texts["dataset"], texts["architecture"], defence, recipe, seed, texts["name"])


def _preset(cls: type[Defence], name: str) -> dict[str, Any]:
    if not name:
        return {}
    if name not in cls.PRESETS:
        raise UnknownName("preset", name, list(cls.PRESETS))
    return cls.PRESETS[name]


def plan(path: Path) -> list[Order]:
    """Read a plan: a JSON list of trainings.

    Raises:
        BadInput: The file cannot be read, a training does not fit, or two have the same id.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"The plan {path.name} cannot be read: {error}.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadInput(f"The plan {path.name} is no list of trainings.")
    orders = [order(entry) for entry in entries]
    ids = [wanted.id for wanted in orders]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise BadInput(f"The plan has {twice} more than once; give one of them a name of its own.")
    return orders


def done(wanted: Order, root: Path) -> dict[str, Any] | None:
    """Return the row of a training that is there already: a checkpoint or a claim in results/; None if there is none.

    Raises:
        BadInput: It is there with other parameters.
    """
    from robust_core.models import checkpoint
    from robust_core.reproduce import claims

    found = [(card.defence, card.recipe, _row(card)) for folder in (root, *checkpoint.roots())
             if (card := _card(folder / wanted.id)) is not None]
    found += [(claim["thresholds"]["defence"], claim["thresholds"].get("recipe", {}), claim["details"])
              for claim in claims()
              if claim.get("metric") == "dev_accuracy" and claim["details"].get("model") == wanted.id]
    for record, recipe, row in found:
        if differences(wanted, record, recipe):
            raise BadInput(f"{wanted.id} is there with other parameters; give this training a name, or another --out.")
        return row
    return None


def differences(wanted: Order, record: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Compare a training with the record of another one.

    Args:
        wanted: The training; of its recipe only what it sets counts, and the number of training texts.
        record: Record of the other's defence.
        recipe: The other's recipe.

    Returns:
        (theirs, wanted) of each parameter that differs, None where there is no such parameter.
    """
    pairs = [(dict(record), to_record(wanted.defence)),
             ({"rows": 0} | dict(recipe), {"rows": 0} | dict(wanted.recipe))]
    return {name: (theirs.get(name), mine.get(name)) for i, (theirs, mine) in enumerate(pairs)
            for name in dict.fromkeys([*mine, *(() if i else theirs)]) if theirs.get(name) != mine.get(name)}


def _card(folder: Path) -> Any:  # noqa: ANN401 (a card or None)
    from robust_core.models import checkpoint

    return checkpoint.read_card(folder) if (folder / "card.json").is_file() else None


def run(wanted: Order, root: Path, *, device: str = "auto", data_dir: str | None = None, resume: bool = False
        ) -> Iterator[dict[str, Any]]:
    """Train, store the checkpoint and hand on the events; the last is {"kind": "stored", "row": …, "card": Card}.

    Of several processes only the first stores.

    Args:
        wanted: The training.
        root: Folder of checkpoints.
        device: auto, cpu, cuda, mps.
        data_dir: Folder of the data sets.
        resume: Go on where a killed training was.
    """
    from robust_core import train

    recipe = train.recipe_for(wanted.architecture, wanted.dataset, **wanted.recipe)
    for event in train.train(wanted.defence, wanted.dataset, wanted.architecture, recipe, seed=wanted.seed,
                             device=device, data_dir=data_dir, variant=wanted.name, folder=wanted.state,
                             resume=resume):
        if event["kind"] != "trained":
            yield event
        elif first_process():
            card = train.save(event["trained"], root)
            yield {"kind": "stored", "row": _row(card), "card": card}


def first_process() -> bool:
    """Return whether this is the first, or only, process of a training."""
    return os.environ.get("RANK", "0") == "0"


def _row(card: Any) -> dict[str, Any]:  # noqa: ANN401 (a card)
    return {"model": card.id, "seed": card.seed, "dev_accuracy": card.dev_accuracy, "epochs": card.epochs,
            "seconds": card.seconds, "path": str(card.folder)}


def claim(card: Any, folder: Path) -> Path:  # noqa: ANN401 (a card)
    """Write the accuracy on dev of a finished training as a claim, so that plans skip it from now on."""
    words = ["python", "-m", "robust_core", "train", "--dataset", card.dataset, "--architecture", card.architecture,
             "--defence", card.defence_name, "--seed", str(card.seed)]
    for name, value in card.defence.items():
        words += ["--set", f"{name}={value}"] if name != "name" else []
    words += ["--rows", str(card.recipe["rows"])] if card.recipe.get("rows") else []
    n = card.data["dev"]["n"]
    row = {name: value for name, value in _row(card).items() if name != "path"}
    return export_claim(
        folder / f"train-{card.id.replace('/', '-')}.json", claim=f"accuracy of {card.id} on {card.dataset}/dev",
        command=shlex.join(words), run="", n=n, seeds=[card.seed], metric="dev_accuracy", value=card.dev_accuracy,
        value_se=(card.dev_accuracy * (1 - card.dev_accuracy) / n) ** 0.5,
        thresholds={"defence": dict(card.defence), "recipe": dict(card.recipe)}, details=row)
