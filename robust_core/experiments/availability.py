"""What an experiment needs and has: models trained or left out, data sets here or left out."""

import threading
from collections.abc import Generator, Iterator, Sequence

from robust_core import datasets, trainings
from robust_core.claims.command import make_command
from robust_core.errors import MissingResource, RobustError
from robust_core.experiments.base import Experiment, Options, Subject, make_note, split_by_presence
from robust_core.models.cards import cards
from robust_core.paths import own_checkpoints
from robust_core.types import Event


def train_missing(experiment: Experiment, options: Options, stop: threading.Event) -> Iterator[Event]:
    """Train what is not here, if that is asked for; else say in one line what is missing.

    Yields:
        "training" events whose data are those of `trainings.run`; "note" events.
    """
    here = {card.id for card in cards()}
    missing = [wanted for wanted in map(trainings.parse_spec, experiment.plan(options)) if wanted.id not in here]
    if missing and not options.train:
        names = [word for name in options.models for word in ("--model", name)]
        command = make_command("reproduce", experiment.name, *names, seeds=options.seeds)
        yield make_note(f"Not here and left out: {', '.join(wanted.id for wanted in missing)}; "
                        f"train with {command} --train.")
        return
    for wanted in missing:
        try:
            for event in trainings.run_training(wanted, own_checkpoints(), device=options.device,
                                                data_dir=options.data_dir, resume=True):
                yield Event("training", "", wanted.id, event)
                if stop.is_set():
                    return
        except RobustError as error:
            yield make_note(f"{wanted.id} is left out. {error}")


def find_available(experiment: Experiment, subjects: Sequence[Subject], options: Options, stop: threading.Event
              ) -> Generator[Event, None, dict[str, list[Subject]]]:
    """Train what is not here, if that is asked for; return the models that are here, by data set that is here.

    Yields:
        Those of `prepared`; "note" events about data sets that are left out.

    Raises:
        MissingResource: None of the data sets is here, or none of the models.
    """
    yield from train_missing(experiment, options, stop)
    found: dict[str, list[Subject]] = {}
    for subject in subjects:
        if split_by_presence(subject.id, options.seeds)[0]:
            found.setdefault(str(subject.training["dataset"]), []).append(subject)
    if not found:
        raise MissingResource(f"Every model of {experiment.title}",
                              f"Train them with python -m robust_core reproduce {experiment.name} --train.")
    for dataset in list(found):
        try:
            datasets.find(dataset, "test", options.data_dir)
        except MissingResource as error:
            del found[dataset]
            yield make_note(f"{dataset} is left out. {error}")
            if not found:
                raise
    return found
