"""A training from its settings to a finished model: data, network, the loop, and the card."""

import dataclasses
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from robust_core import __version__, datasets, paths
from robust_core.models import cards
from robust_core.models.device import has_fast_bf16, pick_device
from robust_core.models.tokens import Subwords, WordVocabulary
from robust_core.registry import to_record
from robust_core.splits import TrainingTexts, describe_overlap, load_training_texts
from robust_core.train import unlabelled
from robust_core.train.loop import Loop
from robust_core.train.parallel import ProcessGroup
from robust_core.train.recipe import FILES, Recipe
from robust_core.train.saving import Trained, forget_state, hash_settings, read_state
from robust_core.train.setup import Randomness, Row, Setup
from robust_core.train.start import Start, check_architecture, describe_network, start_network
from robust_core.types import Example

if TYPE_CHECKING:
    from robust_core.train.defence import Defence, Objective


class _Prepared(NamedTuple):
    """A training that may begin: its setup and objective, rows of dev, and the network before a defence changed it."""

    setup: Setup
    objective: "Objective"
    dev: list[Row]
    begun: Start


def train(defence: "Defence", dataset: str, architecture: str, recipe: Recipe, *, seed: int = 0, device: str = "auto",
          data_dir: str | None = None, variant: str = "", folder: Path | None = None, resume: bool = False,
          save_every: int = 500, root: Path | None = None) -> Generator[dict[str, Any], None, None]:
    """Train a classifier and select its best epoch on the dev split.

    Texts of train that stand in dev or test as well are left out, and those of dev that stand in test.

    Started by `accelerate launch` with several processes, each takes a part of every batch.

    Args:
        defence: Member of DEFENCES.
        dataset: Name of the data set.
        architecture: cnn, lstm, minilm, or a Hugging Face id or folder.
        recipe: How long and how fast; the defence may decide on a part of it.
        seed: Seeds initialisation, order, dropout and masks; the caller's random numbers are neither used nor moved.
        device: auto, cpu, cuda, mps.
        data_dir: Folder of the data sets.
        variant: Last part of the model's id, without the seed; empty takes the defence's own.
        folder: Where the state is saved after each epoch, every `save_every` steps, and when whoever iterates closes
            the training; None saves none. It is removed when the training is over and has come to its end.
        resume: Go on from the state in `folder`, if there is one; the weights at the end are the same bit for bit.
        save_every: Steps between two saved states.
        root: Folder of checkpoints in which the base model is looked for first.

    Yields:
        {"kind": "overlap", message, data} first, where texts were left out or could not be compared with a test split;
        {"kind": "step", epoch, step, steps, terms, loss, rate, seconds, eta} at least each half second;
        what the defence says of itself, such as {"kind": "attack", round, done, total, …};
        {"kind": "epoch", epoch, epochs, loss, terms, rows, counts, dev_accuracy, seconds, eta} after each epoch, those
        before a resume as well; at last {"kind": "trained", "trained": Trained}.

    Raises:
        UnknownName: There is no such architecture or data set.
        MissingResource: The data are not here.
        BadInput: The loss is not finite, the state in `folder` belongs to another training, or no text is left to
            learn from.
    """
    check_architecture(architecture)
    recipe = defence.fit(recipe)
    texts = load_training_texts(dataset, data_dir, {"train": recipe.rows})
    if told := describe_overlap(texts.data):
        yield {"kind": "overlap", "message": told, "data": texts.data}
    taught = None
    if recipe.unlabelled:
        taught = yield from unlabelled.label_texts(recipe.unlabelled, recipe.teacher, dataset, data_dir, device)
        texts.data["unlabelled"] = taught.data
    setup, objective, dev, begun = _prepare(defence, dataset, architecture, recipe, texts, seed, device, root, taught)
    if begun.swaps is not None:
        texts.data["swaps"] = {"file": begun.swaps.name, "sha256": begun.swaps.sha256}
    who = hash_settings(defence=to_record(defence), recipe=dataclasses.asdict(recipe), seed=seed, dataset=dataset,
                        architecture=architecture,
                        data="".join(texts.data[name]["sha256"] for name in ("train", "unlabelled", "swaps")
                                     if name in texts.data),
                        parts=setup.processes.parts, config=describe_network(begun))
    loop = Loop(setup, objective, dev, who, folder, save_every)
    if folder is not None and resume:
        loop.load(read_state(folder))
    yield from loop.run()
    setup.network.finish()
    card = cards.Card(
        id=name_model(defence, dataset, architecture, seed, variant), dataset=dataset, architecture=architecture,
        defence=to_record(defence), seed=seed, labels=setup.labels,
        config=describe_network(begun) | objective.notes(),
        # Of files the names alone, wherever they lay.
        recipe=dataclasses.asdict(recipe) | {name: Path(getattr(recipe, name)).name for name in FILES},
        dev_accuracy=loop.best_accuracy, epochs=loop.best_epoch, seconds=round(loop.seconds(), 1),
        device=setup.device.type, parameters=sum(p.numel() for p in setup.network.parameters()), bytes=0, files={},
        data=texts.data, parent=begun.parent, version=__version__, folder=paths.CHECKPOINTS,
        known_faults=begun.known_faults)
    kept = {name: objective.modules[name].eval() for name in objective.kept}
    yield {"kind": "trained", "trained": Trained(setup.network.eval(), setup.tokens, card, kept)}
    if folder is not None and not setup.processes.part:
        forget_state(folder)


def _prepare(defence: "Defence", dataset: str, architecture: str, recipe: Recipe, texts: TrainingTexts,
             seed: int, device: str, root: Path | None, taught: unlabelled.Taught | None = None) -> _Prepared:
    """Build the network and what is minimised; everything random is drawn from the training's own numbers."""
    processes, device = ProcessGroup.join(device)
    where, labels = pick_device(device), datasets.describe(dataset).labels
    random = Randomness(seed, where, processes.part)
    with random.first:
        begun = start_network(defence, dataset, architecture, recipe, labels, texts, seed, root)
        network = begun.network.to(where)
        examples = [*texts.splits["train"], *(taught.examples if taught else ())]
        rows = {"train": _make_rows(examples, begun.tokens), "dev": _make_rows(texts.splits["dev"], begun.tokens)}
        mixed = recipe.mixed and architecture not in cards.WORD_MODELS and has_fast_bf16(where)
        setup = Setup(network, begun.tokens, recipe, where, dataset, architecture, labels,
                      examples, rows["train"], random, seed, mixed, processes, len(texts.splits["train"]),
                      None if taught is None else taught.proba.to(where), begun.swaps)
        defence.prepare(setup)
        objective = defence.objective(setup)
        for module in (network, *objective.modules.values()):
            module.to(where)
    return _Prepared(setup, objective, rows["dev"], begun)


def _make_rows(examples: list[Example], tokens: Subwords | WordVocabulary) -> list[Row]:
    coded = [tokens.encode(example.text) for example in examples]
    return [Row(c.ids, int(example.label or 0), i, c.owner)
            for i, (c, example) in enumerate(zip(coded, examples, strict=True))]


def name_model(defence: "Defence", dataset: str, architecture: str, seed: int = 0, variant: str = "") -> str:
    """Return the id of a trained model, such as sst2/cnn/flat-textfooler@1."""
    return f"{dataset}/{cards.name_folder(architecture)}/{variant or defence.variant}" + f"@{seed}" * bool(seed)
