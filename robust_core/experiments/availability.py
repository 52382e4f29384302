"""What an experiment needs and has: models trained or left out, data sets here or left out."""

import threading
from collections.abc import Generator, Iterator, Sequence

from robust_core import datasets, trainings
from robust_core.claims.command import make_command
from robust_core.errors import MissingResource, RobustError
from robust_core.events import Event
from robust_core.experiments.base import Experiment, Options, Subject, make_missing, name_untrained
from robust_core.experiments.presence import split_by_presence
from robust_core.models.cards import cards
from robust_core.paths import own_checkpoints


def train_missing(experiment: Experiment, options: Options, stop: threading.Event) -> Iterator[Event]:
    """Train what is not here, if that is asked for; else say in one line what is missing.

    Yields:
        "training" events whose data are those of `trainings.run`; "missing" events.
    """
    here = {card.id for card in cards()}
    missing = [wanted for wanted in map(trainings.parse_spec, experiment.plan(options)) if wanted.id not in here]
    names = [word for name in options.models for word in ("--model", name)]
    command = make_command("reproduce", experiment.name, *names, seeds=options.seeds, train=True)
    if missing and not options.train:
        yield name_untrained([wanted.id for wanted in missing], command)
        return
    for wanted in missing:
        try:
            for event in trainings.run_training(wanted, own_checkpoints(), device=options.device,
                                                data_dir=options.data_dir, resume=True):
                yield Event("training", "", wanted.id, event)
                if stop.is_set():
                    return
        except RobustError as error:
            yield make_missing(f"{wanted.id} is left out. {error}")


def find_available(experiment: Experiment, subjects: Sequence[Subject], options: Options, stop: threading.Event
              ) -> Generator[Event, None, dict[str, list[Subject]]]:
    """Train what is not here, if that is asked for; return the models whose trainings are all here, by data set.

    Yields:
        Those of `train_missing`; "missing" events about data sets that are left out.
    """
    yield from train_missing(experiment, options, stop)
    whole = {subject.id for subject in subjects if not split_by_presence(subject.id, options.seeds)[1]}
    found: dict[str, list[Subject]] = {}
    for subject in subjects:
        # Without its base a model could not be compared.
        if {subject.id, subject.base} <= whole:
            found.setdefault(str(subject.training["dataset"]), []).append(subject)
    for dataset in list(found):
        try:
            datasets.find(dataset, "test", options.data_dir)
        except MissingResource as error:
            del found[dataset]
            yield make_missing(f"{dataset} is left out. {error}")
    return found
