"""The one training loop: epochs, optimiser, schedule, clipping, selection on dev, exact resume, events."""

import dataclasses
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from robust_core import __version__, datasets, paths
from robust_core.errors import BadInput
from robust_core.models import cards
from robust_core.models.device import has_fast_bf16, pick_device
from robust_core.registry import to_record
from robust_core.train.batches import compute_rate, hide_words, make_batch, measure_accuracy, shuffle
from robust_core.train.parallel import ProcessGroup
from robust_core.train.recipe import Recipe
from robust_core.train.saving import Trained, forget_state, hash_settings, read_state, write_state
from robust_core.train.setup import Randomness, Row, Setup
from robust_core.train.start import check_architecture, describe_network, start_network
from robust_core.types import Example

if TYPE_CHECKING:
    from robust_core.train.defence import Defence, Objective

# Seconds between two "step" events, and between two saved states while the rows of an epoch are made.
_EVERY, _SAVE_ROWS = 0.4, 20.0


def train(defence: "Defence", dataset: str, architecture: str, recipe: Recipe, *, seed: int = 0, device: str = "auto",
          data_dir: str | None = None, variant: str = "", folder: Path | None = None, resume: bool = False,
          save_every: int = 500, root: Path | None = None) -> Generator[dict[str, Any], None, None]:
    """Train a classifier and select its best epoch on the dev split.

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
        {"kind": "step", epoch, step, steps, terms, loss, rate, seconds, eta} at least each half second;
        what the defence says of itself, such as {"kind": "attack", round, done, total, …};
        {"kind": "epoch", epoch, epochs, loss, terms, rows, counts, dev_accuracy, seconds, eta} after each epoch, those
        before a resume as well; at last {"kind": "trained", "trained": Trained}.

    Raises:
        UnknownName: There is no such architecture or data set.
        MissingResource: The data are not here.
        BadInput: The loss is not finite, or the state in `folder` belongs to another training.
    """
    check_architecture(architecture)
    recipe = defence.fit(recipe)
    splits = {split: datasets.load(dataset, split, data_dir) for split in ("train", "dev")}
    total = len(splits["train"])
    splits["train"] = list(datasets.choose(splits["train"], recipe.rows or None, seed=0))
    together, device = ProcessGroup.join(device)
    where = pick_device(device)
    random = Randomness(seed, where, together.part)
    with random.first:
        begun = start_network(
            defence, dataset, architecture, recipe, datasets.describe(dataset).labels, splits["train"], seed, root
        )
        network, tokens = begun.network.to(where), begun.tokens
        coded = {name: [tokens.encode(example.text) for example in split] for name, split in splits.items()}
        rows = {name: [Row(c.ids, int(example.label or 0), i, c.owner) for i, (c, example)
                       in enumerate(zip(coded[name], splits[name], strict=True))] for name in splits}
        setup = Setup(network, tokens, recipe, where, dataset, architecture, datasets.describe(dataset).labels,
                      splits["train"], rows["train"], random, seed,
                      recipe.mixed and architecture not in cards.WORD_MODELS and has_fast_bf16(where), together)
        defence.prepare(setup)
        objective = defence.objective(setup)
        for module in (network, *objective.modules.values()):
            module.to(where)
    who = hash_settings(defence=to_record(defence), recipe=dataclasses.asdict(recipe), seed=seed, dataset=dataset,
                        architecture=architecture, data=datasets.hash_examples(splits["train"]), parts=together.parts,
                        config=describe_network(begun))
    loop = Loop(setup, objective, rows["dev"], who, folder, save_every)
    if folder is not None and resume:
        loop.load(read_state(folder))
    yield from loop.run()
    card = cards.Card(
        id=name_model(defence, dataset, architecture, seed, variant),
        dataset=dataset,
        architecture=architecture,
        defence=to_record(defence),
        seed=seed,
        labels=setup.labels,
        config=describe_network(begun) | objective.notes(),
        recipe=dataclasses.asdict(recipe),
        dev_accuracy=loop.best_accuracy,
        epochs=loop.best_epoch,
        seconds=round(loop.seconds(), 1),
        device=where.type,
        parameters=sum(p.numel() for p in network.parameters()),
        bytes=0,
        files={},
        data=_describe_data(splits, total),
        parent=begun.parent,
        version=__version__,
        folder=paths.CHECKPOINTS,
    )
    kept = {name: objective.modules[name].eval() for name in objective.kept}
    yield {"kind": "trained", "trained": Trained(network.eval(), tokens, card, kept)}
    if folder is not None and not together.part:
        forget_state(folder)


def _describe_data(splits: Mapping[str, list[Example]], total: int) -> dict[str, Any]:
    """Return the card's word on the data: rows and fingerprint of each split, and how many rows there were to draw."""
    data: dict[str, Any] = {name: {"n": len(split), "sha256": datasets.hash_examples(split)}
                            for name, split in splits.items()}
    if len(splits["train"]) < total:
        data["train"]["drawn_from"] = total
    return data


def name_model(defence: "Defence", dataset: str, architecture: str, seed: int = 0, variant: str = "") -> str:
    """Return the id of a trained model, such as sst2/cnn/flat-textfooler@1."""
    return f"{dataset}/{cards.name_folder(architecture)}/{variant or defence.variant}" + f"@{seed}" * bool(seed)


class Loop:
    """A training under way.

    Args:
        setup: The training.
        objective: Its defence's side.
        dev: Rows that the epoch is selected on.
        who: What the saved state must agree with.
        folder: Where the state is saved; None saves none.
        save_every: Steps between two saved states.

    Attributes:
        best_accuracy: Accuracy on dev of the weights kept so far.
        best_epoch: Epoch they come from, 0 before the first that counts.
    """

    def __init__(self, setup: Setup, objective: "Objective", dev: Sequence[Row], who: dict[str, Any],
                 folder: Path | None, save_every: int) -> None:
        self._setup, self._objective, self._dev, self._who = setup, objective, dev, who
        self._folder, self._save_every = folder, save_every
        masks = [] if setup.network.masks is None else list(setup.network.masks.parameters())
        own = {id(p) for p in masks}
        # Masks and further modules are clipped by themselves, so that they do not change the network's own steps.
        groups = [[p for p in setup.network.parameters() if id(p) not in own], masks,
                  *(list(module.parameters()) for module in objective.modules.values())]
        self._groups = [[p for p in group if p.requires_grad] for group in groups]
        self._groups = [group for group in self._groups if group]
        self._optimiser = torch.optim.AdamW([p for group in self._groups for p in group],
                                            lr=setup.recipe.learning_rate, weight_decay=setup.recipe.weight_decay)
        self._learnt = {f"network.{name}" for name, p in setup.network.named_parameters() if p.requires_grad} | {
            f"network.{name}" for name, _ in setup.network.named_buffers()} & set(self._weights(every=True))
        self._epoch, self._step, self._taken, self._first_steps = 1, 0, 0, 0
        self._over = False
        self._sums: dict[str, torch.Tensor] = {}
        self._weight = 0.0
        self._order: Any = setup.random.order.bit_generator.state
        self._history: list[dict[str, Any]] = []
        self.best_accuracy, self.best_epoch = -1.0, 0
        self._best: dict[str, torch.Tensor] = {}
        self._before, self._began, self._shown = 0.0, time.perf_counter(), -math.inf

    def seconds(self) -> float:
        """Return the time spent on the training, that before a resume included."""
        return self._before + time.perf_counter() - self._began

    def run(self) -> Iterator[dict[str, Any]]:
        """Train to the end and leave the best weights in the network."""
        yield from self._history
        try:
            while not self._over:
                yield from self._run_epoch()
                self._save()
                yield self._history[-1]
        except GeneratorExit:
            # Events come between two steps, or two attacked texts: what is there then is whole.
            if self._setup.together.parts == 1:
                self._save()
            raise
        if self._best:
            self._load_weights(self._best)

    def _run_epoch(self) -> Iterator[dict[str, Any]]:
        setup = self._setup
        setup.network.train()
        rows = yield from self._rows()
        self._order = setup.random.order.bit_generator.state
        batches = list(shuffle([row.ids for row in rows], setup.recipe.batch_size, setup.random.order))
        self._first_steps = self._first_steps or len(batches)
        for chosen in batches[self._step:]:
            terms = self._take_step([rows[i] for i in chosen], len(batches))
            if time.perf_counter() - self._shown > _EVERY:
                yield self._step_event(terms, len(batches))
            if self._step % self._save_every == 0 and self._step < len(batches):
                self._save()
        sums = {name: float(value) for name, value in self._sums.items()}
        terms = setup.together.mean(sums, self._weight)
        if not all(math.isfinite(value) for value in terms.values()):
            raise BadInput(f"The loss is not a number after epoch {self._epoch}: lower the learning rate.")
        accuracy = measure_accuracy(setup.network, self._dev, setup.tokens, setup.device)
        self._finish_epoch(terms, accuracy, len(rows))

    def _rows(self) -> "Iterator[dict[str, Any]]":
        """Ask the objective for the rows of the epoch; what it has of them is saved now and then."""
        making, saved = self._objective.rows(self._epoch), time.perf_counter()
        while True:
            try:
                event = next(making)
            except StopIteration as done:
                return done.value
            if time.perf_counter() - saved > _SAVE_ROWS and self._setup.together.parts == 1:
                self._save()
                saved = time.perf_counter()
            yield event | {"epoch": self._epoch, "seconds": self.seconds()}

    def _take_step(self, rows: Sequence[Row], steps: int) -> dict[str, torch.Tensor]:
        """Train on one batch."""
        setup, recipe = self._setup, self._setup.recipe
        for group in self._optimiser.param_groups:
            group["lr"] = recipe.learning_rate * self._rate(steps)
        self._optimiser.zero_grad()
        mine = setup.together.share(rows)
        terms: dict[str, torch.Tensor] = {}
        if mine:
            with setup.random.dropout:
                batch = make_batch(mine, setup.tokens, setup.device)
                if recipe.word_dropout and setup.word_model:
                    batch = hide_words(batch, recipe.word_dropout)
                terms = self._objective.gradients(batch)
            for name, value in terms.items():
                value = value.detach().float() * len(mine)
                self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._weight += len(mine)
        setup.together.average((p for group in self._groups for p in group), len(mine) / len(rows))
        if recipe.clip:
            for group in self._groups:
                torch.nn.utils.clip_grad_norm_(group, recipe.clip)
        self._optimiser.step()
        self._step += 1
        self._taken += 1
        return terms

    def _rate(self, steps: int) -> float:
        """Return the share of the learning rate, from the share of the training that is done.

        An epoch's part of the schedule is the same however many rows it has, so the rate ends where it should when the
        rows grow.
        """
        recipe = self._setup.recipe
        if not self._objective.grows:
            return compute_rate(self._taken, self._first_steps * recipe.epochs, recipe)
        return compute_rate((self._epoch - 1) * steps + self._step, recipe.epochs * steps, recipe)

    def _step_event(self, terms: dict[str, torch.Tensor], steps: int) -> dict[str, Any]:
        self._shown = time.perf_counter()
        figures = {name: float(value) for name, value in terms.items()}
        done = self._epoch - 1 + self._step / steps
        seconds = self.seconds()
        return {"kind": "step", "epoch": self._epoch, "epochs": self._setup.recipe.epochs, "step": self._step,
                "steps": steps, "terms": figures, "loss": figures.get("loss", math.nan),
                "rate": self._optimiser.param_groups[0]["lr"], "seconds": seconds,
                "eta": seconds / done * (self._setup.recipe.epochs - done)}

    def _finish_epoch(self, terms: dict[str, float], accuracy: float, rows: int) -> None:
        counts, epochs = self._objective.counts(self._epoch), self._setup.recipe.epochs
        if counts and accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch = accuracy, self._epoch
            self._best = {name: value.detach().clone() for name, value in self._weights().items()}
        seconds = self.seconds()
        self._history.append({
            "kind": "epoch", "epoch": self._epoch, "epochs": epochs, "loss": terms.get("loss", math.nan),
            "terms": terms, "rows": rows, "counts": counts, "dev_accuracy": accuracy, "seconds": seconds,
            "eta": seconds / self._epoch * (epochs - self._epoch)})
        patience = self._setup.recipe.patience
        late = bool(patience and self.best_epoch and self._epoch - self.best_epoch >= patience)
        self._over = self._epoch >= epochs or late
        if self._over and not self.best_epoch:
            self.best_accuracy, self.best_epoch = accuracy, self._epoch
        self._epoch, self._step, self._sums, self._weight = self._epoch + 1, 0, {}, 0.0
        self._order = self._setup.random.order.bit_generator.state

    def _weights(self, every: bool = False) -> dict[str, torch.Tensor]:
        """Return the tensors that are trained, by name; with `every` the frozen ones as well."""
        modules: dict[str, nn.Module] = {"network": self._setup.network} | {
            f"modules.{name}": module for name, module in self._objective.modules.items()}
        found = {f"{prefix}.{name}": value for prefix, module in modules.items()
                 for name, value in module.state_dict().items()}
        return {name: value for name, value in found.items()
                if every or name in self._learnt or name.startswith("modules.")}

    def _load_weights(self, weights: dict[str, torch.Tensor]) -> None:
        own = self._weights(every=True)
        with torch.no_grad():
            for name, value in weights.items():
                own[name].copy_(value)

    def _save(self) -> None:
        if self._folder is None:
            return
        parts = self._setup.together.gather(self._setup.random.state() | {"order": self._order} | {
            "sums": {name: value.cpu() for name, value in self._sums.items()}, "weight": self._weight})
        if self._setup.together.part:
            return
        optimiser = self._optimiser.state_dict()["state"]
        write_state(self._folder, {
            "who": self._who, "weights": self._weights(), "best": self._best, "parts": parts,
            "optimiser": {str(i): state for i, state in optimiser.items()}, "course": self._objective.state(),
            "loop": [self._epoch, self._step, self._taken, self._first_steps, self._over, self.best_accuracy,
                     self.best_epoch, self.seconds()], "history": self._history})

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state; None is the beginning.

        Raises:
            BadInput: It is the state of another training.
        """
        if state is None:
            return
        if state["who"] != self._who:
            other = [name for name in self._who if state["who"].get(name) != self._who[name]]
            raise BadInput(f"The saved training differs in {', '.join(other)}; to begin anew, train without --resume, "
                           f"or delete {self._folder}.")
        self._load_weights(state["weights"])
        device = self._setup.device
        self._best = {name: value.to(device) for name, value in state["best"].items()}
        own = self._optimiser.state_dict()
        own["state"] = {int(i): values for i, values in state["optimiser"].items()}
        self._optimiser.load_state_dict(own)
        mine = state["parts"][self._setup.together.part]
        self._setup.random.load(mine)
        self._sums = {name: value.to(device) for name, value in mine["sums"].items()}
        self._weight, self._order = mine["weight"], mine["order"]
        (self._epoch, self._step, self._taken, self._first_steps, self._over, self.best_accuracy, self.best_epoch,
         self._before) = state["loop"]
        self._history = state["history"]
        self._objective.load(state["course"])
