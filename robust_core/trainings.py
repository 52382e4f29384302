"""Trainings as plain values, one by one or from a plan; what is there already is not trained again."""

import contextlib
import dataclasses
import json
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from robust_core import datasets, files, metrics, paths
from robust_core.claims.command import make_command
from robust_core.claims.files import read_claims, write_claim
from robust_core.defences import DEFENCES
from robust_core.environment import process_rank
from robust_core.errors import BadInput, MissingResource, RobustError, UnknownName, list_names, quote
from robust_core.files import check_name, check_target, join_inside, read_json
from robust_core.models import cards
from robust_core.paths import training_states
from robust_core.registry import from_record, parameters, to_record
from robust_core.resources.swap_sets import FILE
from robust_core.train.defence import Defence
from robust_core.train.lock import STATE, hold_training, is_training
from robust_core.train.recipe import FILES, SMALL, Recipe, make_recipe
from robust_core.types import MOST_SEED

_KEYS = ("dataset", "architecture", "defence", "attack", "preset", "seed", "name", "set")
_MOST_TRAININGS = 10_000
# What the state of a training belongs to, so that it can be listed and go on.
_FILE = "order.json"


@dataclasses.dataclass(frozen=True)
class TrainingSpec:
    """One training: what is trained, how, and the name of what comes out.

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
        from robust_core.train.training import name_model

        return name_model(self.defence, self.dataset, self.architecture, self.seed, self.name)

    @property
    def state(self) -> Path:
        """Folder of the state that a killed training goes on from."""
        return training_states() / check_name(self.id.replace("/", "-"), "training")

    @property
    def words(self) -> list[str]:
        """Options of `python -m robust_core train` that ask for the same training, but for its name."""
        words = ["--dataset", self.dataset, "--architecture", self.architecture, "--defence", self.defence.name,
                 "--seed", str(self.seed)]
        for name, value in (to_record(self.defence) | dict(self.recipe)).items():
            words += ["--set", f"{name}={value}"] if name != "name" else []
        return words

    @property
    def values(self) -> dict[str, Any]:
        """Plain values from which `parse_spec` makes the same training."""
        settings = to_record(self.defence) | dict(self.recipe)
        settings.pop("name")
        return {"dataset": self.dataset, "architecture": self.architecture, "defence": self.defence.name,
                "seed": self.seed, "name": self.name, "set": settings}


def parse_spec(values: Mapping[str, Any], data_dir: str | None = None) -> TrainingSpec:
    """Read a training from plain values.

    Args:
        values: dataset and architecture; perhaps defence, attack, preset, seed and name; and "set", a dictionary of
            parameters of the defence or parts of the recipe.
        data_dir: Folder of the data sets, whose size decides on some of the defence's parameters.

    Raises:
        UnknownName: There is no such defence, preset, attack or data set.
        BadInput: A value is unknown, or not allowed, or the model's name cannot be one of a folder.
    """
    from robust_core.train.start import check_architecture

    unknown = [name for name in values if name not in _KEYS]
    if unknown or not isinstance(values.get("set", {}), Mapping):
        raise BadInput(f"A training has {', '.join(_KEYS)}; {list_names(unknown or ['set'])} does not fit.")
    texts = {name: values.get(name) or "" for name in ("dataset", "architecture", "attack", "preset", "name")}
    seed, settings = values.get("seed", 0), dict(values.get("set", {}))
    if not all(isinstance(text, str) for text in texts.values()) or type(seed) is not int:
        raise BadInput("The seed of a training is a whole number, everything else but set is a text.")
    if not 0 <= seed <= MOST_SEED:
        raise BadInput(f"A seed is a whole number between 0 and {MOST_SEED}.")
    if not texts["dataset"] or not texts["architecture"]:
        raise BadInput("A training needs a data set and an architecture.")
    if texts["name"]:
        check_name(texts["name"], "model's name")
    check_architecture(texts["architecture"])
    cls = DEFENCES[str(values.get("defence") or "base")]
    if texts["attack"]:
        settings["attack"] = texts["attack"]
    settings |= _settle_swaps(cls, settings)
    known, parts = {p.name for p in parameters(cls)}, {p.name for p in parameters(Recipe)}
    for name in settings:
        if name not in known | parts:
            raise BadInput(f"{cls.title} has no parameter {quote(name)}, nor has the recipe. "
                           f"Known: {list_names(sorted(known | parts))}.")
    record = {name: value for name, value in settings.items() if name in known}
    given = suggest_parameters(cls, texts["dataset"], texts["preset"], data_dir)
    defence = from_record(DEFENCES, {"name": cls.name} | given | record)
    recipe = {name: value for name, value in settings.items() if name not in known}
    if "epochs" in recipe and defence.fit(Recipe()) != Recipe():
        raise BadInput(f"{cls.title} decides on its epochs itself: set clean_epochs, rounds and round_epochs.")
    make_recipe(texts["architecture"], texts["dataset"], **recipe)
    spec = TrainingSpec(texts["dataset"], texts["architecture"], defence, recipe, seed, texts["name"])
    # What becomes of the names together must be a path too: no part of it outside, and not too long.
    join_inside(spec.state, spec.id, "model's name")
    return spec


def check_takes_swaps(cls: type[Defence]) -> None:
    """Raise BadInput unless a defence learns against swaps; the line names those that do."""
    if not cls.takes_swaps:
        taking = [f"--defence {name}" for name in DEFENCES if DEFENCES[name].takes_swaps]
        raise BadInput(f"{cls.title} learns against no swaps: a swap set or a file of swaps is for "
                       f"{list_names(taking)}.")


def _settle_swaps(cls: type[Defence], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file of swaps in the recipe settles: that the defence takes its swaps from there."""
    if not settings.get("swap_file"):
        if cls.takes_swaps and settings.get("swaps") == FILE:
            raise BadInput(f"swaps={FILE} needs a file: name it by --swaps.")
        return {}
    check_takes_swaps(cls)
    if settings.get("swaps", FILE) != FILE:
        raise BadInput(f"Swaps come either from the file or from the set {quote(settings['swaps'])}; leave one out.")
    return {"swaps": FILE}


def suggest_parameters(
    cls: type[Defence], dataset: str, preset: str = "", data_dir: str | None = None
) -> dict[str, Any]:
    """Return the parameters of a defence that differ from its defaults: chosen for a data set, or for small ones.

    Args:
        cls: The defence.
        dataset: Name of the data set.
        preset: Named parameters, which the size of the data set does not change.
        data_dir: Folder of the data sets.

    Raises:
        UnknownName: There is no such preset or data set.
    """
    if preset and preset not in cls.PRESETS:
        raise UnknownName("preset", preset, list(cls.PRESETS))
    given = cls.BY_DATASET.get(dataset, {}) | cls.PRESETS.get(preset, {})
    return given if preset or not cls.FOR_SMALL or measure_size(dataset, data_dir) >= SMALL else cls.FOR_SMALL | given


def measure_size(dataset: str, data_dir: str | None = None) -> float:
    """Return the number of training texts of a data set, infinity where it is not here.

    Raises:
        UnknownName: There is no such data set.
    """
    try:
        return datasets.count_rows(dataset, "train", data_dir)
    except MissingResource:
        return float("inf")


def read_plan(path: Path, data_dir: str | None = None) -> list[TrainingSpec]:
    """Read a plan: a JSON list of trainings.

    Raises:
        BadInput: The file cannot be read, a training does not fit, or two have the same id.
    """
    entries = read_json(path)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BadInput(f"The plan {quote(path.name)} is no list of trainings.")
    if len(entries) > _MOST_TRAININGS:
        raise BadInput(f"The plan {quote(path.name)} has {len(entries):,} trainings; {_MOST_TRAININGS:,} are the most.")
    specs = [parse_spec(entry, data_dir) for entry in entries]
    ids = Counter(spec.id for spec in specs)
    if ids.total() > len(ids):
        twice = ids.most_common(1)[0][0]
        raise BadInput(f"The plan has {twice} more than once; give one of them a name of its own.")
    return specs


def is_done(spec: TrainingSpec, root: Path) -> dict[str, Any] | None:
    """Return the row of a training that is there already: a checkpoint or a claim in results/; None if there is none.

    Raises:
        BadInput: It is there with other parameters.
    """
    found = [(card.defence, card.recipe, _make_row(card)) for folder in (root, *paths.checkpoint_folders())
             if (card := _find_card(join_inside(folder, spec.id))) is not None]
    found += [(claim["thresholds"]["defence"], claim["thresholds"].get("recipe", {}), claim["details"])
              for claim in read_claims()
              if claim.get("metric") == "dev_accuracy" and claim["details"].get("model") == spec.id]
    for record, recipe, row in found:
        if compare_settings(spec, record, recipe):
            raise BadInput(f"{spec.id} is there with other parameters; give this training a name, or another --out.")
        return row
    return None


def compare_settings(
    spec: TrainingSpec, record: Mapping[str, Any], recipe: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Compare a training with the record of another one.

    Args:
        spec: The training; of its recipe only what it sets counts, and the number of training texts.
        record: Record of the other's defence.
        recipe: The other's recipe.

    Returns:
        (theirs, ours) of each parameter that differs, None where there is no such parameter.
    """
    # A parameter that is younger than the record had its default then.
    same = record["name"] == spec.defence.name
    own = {p.name: p.default for p in parameters(type(spec.defence))}
    usual = own if same else {}
    texts = {"rows": 0, "unlabelled": "", "teacher": "", "swap_file": ""}
    # A card names the file alone, wherever it lay.
    asked = {name: Path(value).name if name in FILES else value for name, value in spec.recipe.items()}
    pairs = [(usual | dict(record), own | to_record(spec.defence)), (texts | dict(recipe), texts | asked)]
    return {name: (theirs.get(name), mine.get(name)) for i, (theirs, mine) in enumerate(pairs)
            for name in dict.fromkeys([*mine, *(() if i else theirs)]) if theirs.get(name) != mine.get(name)}


def _find_card(folder: Path) -> cards.Card | None:
    return cards.read_card(folder) if (folder / "card.json").is_file() else None


def run_training(
    spec: TrainingSpec, root: Path, *, device: str = "auto", data_dir: str | None = None, resume: bool = False
) -> Generator[dict[str, Any], None, None]:
    """Train, store the checkpoint and hand on the events; the last is {"kind": "stored", "row": …, "card": Card}.

    Of several processes only the first stores.

    Args:
        spec: The training.
        root: Folder of checkpoints.
        device: auto, cpu, cuda, mps.
        data_dir: Folder of the data sets.
        resume: Go on where a killed training was.

    Raises:
        BadInput: It is running already, perhaps in another process; a folder cannot be written to; the processes that
            share the training do not fit; or as `training.train` has it.
    """
    from robust_core.train import saving, training

    recipe = make_recipe(spec.architecture, spec.dataset, measure_size(spec.dataset, data_dir), **spec.recipe)
    events = training.train(spec.defence, spec.dataset, spec.architecture, recipe, seed=spec.seed, device=device,
                            data_dir=data_dir, variant=spec.name, folder=spec.state, resume=resume, root=root)
    check_target(root)
    # Several processes of one training share its folder: the first one holds it.
    first = is_first_process()
    if first:
        check_target(spec.state)
    with hold_training(spec.state, spec.id) if first else contextlib.nullcontext(), contextlib.closing(events):
        if first:
            asked = {"order": spec.values, "device": device, "data_dir": data_dir}
            files.write_file(spec.state / _FILE, json.dumps(asked).encode())
        try:
            for event in events:
                if event["kind"] != "trained":
                    yield event
                elif first:
                    card = saving.save(event["trained"], root)
                    yield {"kind": "stored", "row": _make_row(card), "card": card}
        except RobustError:
            if first and not (spec.state / STATE).exists():
                # It never got as far as to be worth going on with.
                (spec.state / _FILE).unlink(missing_ok=True)
            raise
        (spec.state / _FILE).unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class Unfinished:
    """A training that was stopped or killed and can go on.

    Args:
        order: What is trained.
        device: Device it was begun on.
        data_dir: Folder of the data sets, None for the usual ones.
        saved: When its state was saved, in seconds since the epoch; None where it was killed before that.
    """

    order: TrainingSpec
    device: str
    data_dir: str | None
    saved: float | None


def list_unfinished() -> list[Unfinished]:
    """Return the trainings that broke off and can go on, newest first.

    Those that a process is working on are left out, and those whose settings cannot be read.
    """
    found = []
    for path in training_states().glob(f"*/{_FILE}"):
        if not path.is_file() or is_training(path.parent):
            continue
        try:
            asked = read_json(path)
            state = path.parent / STATE
            saved, begun = state.stat().st_mtime if state.exists() else None, path.stat().st_mtime
            spec = parse_spec(asked["order"], asked["data_dir"])
            found.append((saved or begun, Unfinished(spec, asked["device"], asked["data_dir"], saved)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, RobustError):
            continue
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


def forget_training(spec: TrainingSpec) -> None:
    """Remove the saved state of a training that shall not go on.

    Raises:
        BadInput: It is running.
    """
    from robust_core.train.saving import forget_state

    with hold_training(spec.state, spec.id):
        forget_state(spec.state)
        (spec.state / _FILE).unlink(missing_ok=True)


def is_first_process() -> bool:
    """Return whether this is the first, or only, process of a training."""
    return process_rank() == 0


def _make_row(card: cards.Card) -> dict[str, Any]:
    return {"model": card.id, "seed": card.seed, "dev_accuracy": card.dev_accuracy, "epochs": card.epochs,
            "seconds": card.seconds, "path": str(card.folder)}


def write_dev_claim(card: cards.Card, folder: Path) -> Path:
    """Write the accuracy on dev of a finished training as a claim, so that plans skip it from now on."""
    drawn = {name: card.recipe[name] for name in ("rows", "teacher", *FILES) if card.recipe.get(name)}
    made = TrainingSpec(card.dataset, card.architecture, from_record(DEFENCES, dict(card.defence)), drawn, card.seed)
    n = card.data["dev"]["n"]
    accuracy, error = metrics.estimate_proportion(round(card.dev_accuracy * n), n)
    row = {name: value for name, value in _make_row(card).items() if name != "path"}
    return write_claim(
        folder / f"train-{card.id.replace('/', '-')}.json", claim=f"accuracy of {card.id} on {card.dataset}/dev",
        command=make_command("train", *made.words), run="", n=n, seeds=[card.seed], metric="dev_accuracy",
        value=accuracy, value_se=error,
        thresholds={"defence": dict(card.defence), "recipe": dict(card.recipe)}, details=row)
