"""Training of base classifiers under a smoother's noise, and the space that texts are put into.

Any array of quantised inputs will do:

    method = SMOOTHERS["dssn"](scale=2.0)
    network = fit_network(method, vectors, labels, classes=10, levels=16)
    certificates = list(method.certify(make_judge(network), others, levels=16, classes=10))

with `make_judge` from `robust_core.certify.networks`, and `quantise` from `robust_core.certify.quantised` for values
of any range.
"""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core import __version__, datasets, paths
from robust_core.certify import SMOOTHERS, images
from robust_core.certify.inputs import Prepared, prepare_splits
from robust_core.certify.quantised import check_quantised
from robust_core.certify.smoothers import Smoother
from robust_core.certify.space import LEVELS
from robust_core.errors import BadInput
from robust_core.models import fingerprints
from robust_core.registry import check_parameters, param

if TYPE_CHECKING:
    import torch
    from torch import nn

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to train a base classifier."""

    epochs: int = param(12, "Passes over the training inputs", low=1, high=1000)
    batch_size: int = param(256, "Inputs per step", low=1, high=4096)
    learning_rate: float = param(5e-3, "Largest step of the optimiser, falling along a cosine", low=0.0,
                                 high=1.0)
    weight_decay: float = param(1e-3, "Decoupled weight decay", low=0.0, high=10.0)
    hidden: int = param(64, "Hidden units of a vector's network, or first channels of an image's", low=1, high=4096)
    stability: float = param(0.0, "Weight of the divergence between the answers to two blurs of one input (the "
                                  "stabilised variant takes 6)", low=0.0, high=100.0)

    def __post_init__(self) -> None:
        check_parameters(self)


def fit_network(smoother: Smoother, vectors: np.ndarray, labels: np.ndarray, classes: int, levels: int = 255,
                settings: Settings | None = None, *, seed: int = 0) -> "nn.Module":
    """Train a base classifier on one random blur of each input and epoch; any array of quantised inputs will do.

    Args:
        smoother: Member of SMOOTHERS; DSSN's fixed template is the one it is certified with.
        vectors: (n, *shape) whole numbers 0..levels: vectors (n, d) get an MLP, images (n, c, h, w) a CNN.
        labels: (n,) class indices.
        classes: Number of classes.
        levels: Largest value of a coordinate.
        settings: How to train.
        seed: Seeds initialisation, order and noise; torch's own random numbers are left as they were.

    Returns:
        The network, in eval mode, its weights rounded to fp16 as they are stored.
        `robust_core.certify.networks.make_judge` makes it the base classifier that `Smoother.certify` asks.

    Raises:
        BadInput: Inputs are not quantised as said, or labels do not fit.

    Source: Levine and Feizi 2021 (noise, then the network); stability after Li et al. 2019, arXiv:1809.03113, with the
        released code's form: cross-entropy of one blur + weight x KL of the answers to two.
    """
    import torch

    from robust_core.certify.networks import build_network
    from robust_core.models.optimiser import Optimiser

    settings, vectors = settings or Settings(), check_quantised(vectors, levels)
    labels = np.asarray(labels)
    if len(labels) != len(vectors) or not len(labels) or labels.min() < 0 or labels.max() >= classes:
        raise BadInput(f"Each of the {len(vectors)} inputs needs a class from 0 to {classes - 1}.")
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = build_network(vectors.shape[1:], classes, settings.hidden)
        optimiser = Optimiser([network.parameters()], settings.learning_rate, weight_decay=settings.weight_decay)
        steps = -(-len(vectors) // settings.batch_size) * settings.epochs
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser.adamw, steps)
        network.train()
        for _ in range(settings.epochs):
            order = rng.permutation(len(vectors))
            for start in range(0, len(order), settings.batch_size):
                chosen = order[start: start + settings.batch_size]
                optimiser.zero_grad()
                loss = _blur_loss(network, smoother, vectors[chosen], labels[chosen], levels, settings.stability, rng)
                loss.backward()
                optimiser.step()
                schedule.step()
    return network.half().float().eval().requires_grad_(False)


def _blur_loss(network: "nn.Module", smoother: Smoother, vectors: np.ndarray, labels: np.ndarray, levels: int,
               stability: float, rng: np.random.Generator) -> "torch.Tensor":
    """Return the cross-entropy on one blur of each input, plus the weighted divergence from a second one."""
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    scores = network(torch.from_numpy(smoother.noisy(vectors, levels, rng)))
    loss = cross_entropy(scores, torch.from_numpy(labels))
    if not stability:
        return loss
    other = network(torch.from_numpy(smoother.noisy(vectors, levels, rng)))
    return loss + stability * kl_div(log_softmax(other, -1), log_softmax(scores, -1), reduction="batchmean",
                                     log_target=True)


def train_base_classifiers(
    dataset: str,
    methods: Sequence[str] = ("dssn", "ssn", "uniform"),
    scales: Sequence[float] = SCALES,
    *,
    settings: Settings | None = None,
    dimensions: int = 8,
    projection: str = "supervised",
    covered: float = 0.99,
    seed: int = 0,
    data_dir: str | Path | None = None,
    ready: "Prepared | None" = None,
) -> Iterator[dict[str, Any]]:
    """Train a base classifier for each method and Lambda on one data set.

    Args:
        dataset: Name of a text or an image set.
        methods: Names in SMOOTHERS.
        scales: Lambdas.
        settings: How to train.
        dimensions: Coordinates that texts are put into.
        projection: Kind of projection of texts, as in `learn_space`.
        covered: Share of training coordinates inside the range, as in `learn_space`.
        seed: Seed of the trainings; the space does not depend on it.
        data_dir: Folder of the data sets.
        ready: What `prepare` returned for these data, where several trainings share it.

    Yields:
        {"kind": "network", method, scale, dev_accuracy, seconds} after each network, and at last {"kind": "trained",
        "model": SmoothedModel}, whose card is not saved yet. Accuracy on dev is that of the base classifier on one
        blur of each input.

    Raises:
        UnknownName, MissingResource, BadInput: As `read` and `fit`.
    """
    from robust_core.certify import base_classifiers
    from robust_core.certify.networks import make_judge

    smoothers = [SMOOTHERS[method](scale=float(scale)) for method in methods for scale in scales]
    settings = settings or recommend_settings(dataset)
    space, splits, data = ready or prepare_splits(dataset, dimensions, projection, covered, data_dir)
    about = images.IMAGES[dataset] if dataset in images.IMAGES else datasets.describe(dataset)
    levels = about.levels if isinstance(about, images.ImageSet) else LEVELS
    networks, entries = {}, []
    for smoother in smoothers:
        started = time.perf_counter()
        network = fit_network(
            smoother, splits["train"].vectors, splits["train"].labels, len(about.labels), levels, settings, seed=seed
        )
        blurred = smoother.noisy(splits["dev"].vectors, levels, np.random.default_rng(seed))
        accuracy = float((make_judge(network)(blurred) == splits["dev"].labels).mean())
        networks[smoother.name, float(smoother.scale)] = network
        entries.append({"method": smoother.name, "scale": float(smoother.scale), "dev_accuracy": round(accuracy, 4)})
        yield {"kind": "network", **entries[-1], "seconds": time.perf_counter() - started}
    described = {} if space is None else {"projection": projection, "dimensions": dimensions, "covered": covered,
                                          "half": space.half}
    card = base_classifiers.SmoothedCard(
        id=name_model(dataset, seed, settings.stability), kind="image" if space is None else "text", dataset=dataset,
        labels=about.labels,
        shape=splits["train"].vectors.shape[1:], levels=levels, seed=seed, networks=entries,
        settings=dataclasses.asdict(settings), space=described, data=data, files={}, bytes=0,
        parent="" if space is None else fingerprints.hash_encoder(), version=__version__, folder=paths.CHECKPOINTS)
    yield {"kind": "trained", "model": base_classifiers.SmoothedModel(card, networks, space)}


def recommend_settings(dataset: str) -> Settings:
    """Return the settings chosen on dev for a data set."""
    if dataset == "digits":
        return Settings(epochs=40, batch_size=64, learning_rate=3e-3, hidden=128)
    return Settings(epochs=40, batch_size=64, learning_rate=1e-3, hidden=32) if dataset in images.IMAGES else Settings()


def name_model(dataset: str, seed: int = 0, stability: float = 0.0) -> str:
    """Return the name of stored base classifiers: the data set, whether they are stabilised, the seed if not 0."""
    return dataset + "-stable" * bool(stability) + f"@{seed}" * bool(seed)
