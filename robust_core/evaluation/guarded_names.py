"""Models with guards in front of them by name: `sst2/cnn/base+unicode+frequency`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from robust_core import datasets
from robust_core.errors import BadInput
from robust_core.files import check_path
from robust_core.guards import GUARDS
from robust_core.guards.base import CleanTexts
from robust_core.guards.guarded_model import GuardedModel, guard_model
from robust_core.models.cards import Card
from robust_core.protocols import Classifier, HasCard
from robust_core.splits import drop_texts, list_keys
from robust_core.types import Example


def read_clean_texts(dataset: str, measured: Sequence[Example], data_dir: str | Path | None = None) -> CleanTexts:
    """Return the train and dev texts of a data set that guards are fitted to, without those that are measured.

    Raises:
        UnknownName, MissingResource, BadInput: As `datasets.load` for train and dev.
    """
    keys = list_keys(measured)
    train, dev = ([e.text for e in drop_texts(datasets.load(dataset, split, data_dir), keys)]
                  for split in ("train", "dev"))
    return CleanTexts(train, dev)


def split_guards(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of a model and the guards in front of it; a name that ends in none is a model's as it is.

    Raises:
        BadInput: It can be no name of a model.
    """
    model, guards = name, list[str]()
    while "+" in model and model.rpartition("+")[2] in GUARDS and not check_path(model, "model").is_dir():
        model, _, guard = model.rpartition("+")
        guards.insert(0, guard)
    return model, tuple(guards)


def guard_by_name(model: Classifier, guards: Sequence[str], data_dir: str | Path | None = None) -> GuardedModel:
    """Put guards with default parameters in front of a model, fitted to the clean texts that the model was trained on.

    Words and counts come from the train texts of the data set on the model's card, thresholds from all of its dev
    texts. A model without a data set of its own takes those guards that can do without texts.

    Raises:
        UnknownName: There is no such guard.
        BadInput: A guard is named twice, or one needs texts and the model has no data set.
        MissingResource: The data set, a table or a model that a guard looks into is not here.
    """
    dataset = _find_dataset(model)
    needed = dataset and any(GUARDS[name].reads_texts for name in guards)
    return guard_model(model, guards, read_clean_texts(dataset, [], data_dir) if needed else CleanTexts())


def check_unseen(models: Sequence[Classifier], uids: Iterable[str]) -> None:
    """Refuse to measure a guard on texts that its thresholds were chosen on.

    Args:
        models: The models, some with guards.
        uids: Ids of the texts, `data set/split/place`, or what they begin with.

    Raises:
        BadInput: One was chosen on them.
    """
    seen = {uid.split("/")[0] for uid in uids if uid.split("/")[1:2] == ["dev"]}
    for model in models:
        if isinstance(model, GuardedModel) and (dataset := _find_dataset(model.model)) in seen and any(
                guard["thresholds"] for guard in model.describe_guards()):
            raise BadInput(f"{model.id} chose its thresholds on the dev texts of {dataset}. Measure it on test, or by "
                           "the command guard, which keeps the measured texts apart.")


def _find_dataset(model: Classifier) -> str:
    """Return the data set that a model was trained on; none of a model that somebody brought."""
    card = model.card if isinstance(model, HasCard) else None
    return card.dataset if isinstance(card, Card) and not card.is_imported else ""
