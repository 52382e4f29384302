"""Training of base classifiers under a smoother's noise, and the space that texts are put into.

Any array of quantised inputs will do:

    method = SMOOTHERS["dssn"](scale=2.0)
    network = fit(method, vectors, labels, classes=10, levels=16)
    certificates = list(method.certify(judge(network), others, levels=16, classes=10))

with `judge` from `robust_core.certify.base_classifiers`, and `quantise` from `robust_core.certify.quantised` for values of any range.
"""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robust_core import __version__, datasets
from robust_core.certify import images
from robust_core.certify.quantised import check_quantised
from robust_core.certify.smoothers import SMOOTHERS, Smoother
from robust_core.errors import BadInput
from robust_core.registry import check_parameters, param

if TYPE_CHECKING:
    from torch import nn

    from robust_core.certify.base_classifiers import Space

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# A larger set is not encoded whole: 8,000 short texts take about two minutes on one core.
MOST_TEXTS = {"train": 8000, "dev": 2000}


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


@dataclasses.dataclass(frozen=True)
class Split:
    """Quantised inputs with their classes.

    Args:
        vectors: (n, *shape) int32 values 0..levels.
        labels: (n,) int64.
        uids: Names of the inputs.
        texts: The texts they come from; empty for images.
    """

    vectors: np.ndarray
    labels: np.ndarray
    uids: tuple[str, ...]
    texts: tuple[str, ...] = ()


def fit(smoother: Smoother, vectors: np.ndarray, labels: np.ndarray, classes: int, levels: int = 255,
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
        The network, in eval mode, its weights rounded to fp16 as they are stored. `robust_core.certify.base_classifiers.judge`
        makes it the base classifier that `Smoother.certify` asks.

    Raises:
        BadInput: Inputs are not quantised as said, or labels do not fit.

    Source: Levine and Feizi 2021 (noise, then the network); stability after Li et al. 2019, arXiv:1809.03113, with the
        released code's form: cross-entropy of one blur + weight x KL of the answers to two.
    """
    import torch
    from torch.nn.functional import cross_entropy, kl_div, log_softmax

    from robust_core.certify.base_classifiers import build

    settings, vectors = settings or Settings(), check_quantised(vectors, levels)
    labels = np.asarray(labels)
    if len(labels) != len(vectors) or not len(labels) or labels.min() < 0 or labels.max() >= classes:
        raise BadInput(f"Each of the {len(vectors)} inputs needs a class from 0 to {classes - 1}.")
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = build(vectors.shape[1:], classes, settings.hidden)
        optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate,
                                      weight_decay=settings.weight_decay)
        steps = -(-len(vectors) // settings.batch_size) * settings.epochs
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        network.train()
        for _ in range(settings.epochs):
            order = rng.permutation(len(vectors))
            for start in range(0, len(order), settings.batch_size):
                chosen = order[start: start + settings.batch_size]
                scores = network(torch.from_numpy(smoother.noisy(vectors[chosen], levels, rng)))
                loss = cross_entropy(scores, torch.from_numpy(labels[chosen]))
                if settings.stability:
                    other = network(torch.from_numpy(smoother.noisy(vectors[chosen], levels, rng)))
                    loss = loss + settings.stability * kl_div(log_softmax(other, -1), log_softmax(scores, -1),
                                                              reduction="batchmean", log_target=True)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    return network.half().float().eval().requires_grad_(False)


def learn_space(embeddings: np.ndarray, labels: np.ndarray, dimensions: int, kind: str = "supervised",
                covered: float = 0.99) -> "Space":
    """Choose directions of the embedding, and the range in which they are quantised, from training texts.

    Args:
        embeddings: (n, e) embeddings of training texts.
        labels: (n,) their classes.
        dimensions: Directions to keep, at most e.
        kind: "pca", the directions of largest variance; or "supervised", which begins with those that tell the classes
            apart (ridge regression on the classes) and goes on with the largest variance of what is left.
        covered: Share of all training coordinates that lie inside the range.

    Raises:
        BadInput: There is no such kind, or too many dimensions are asked for.
    """
    from robust_core.certify.base_classifiers import Space

    n, size = embeddings.shape
    if kind not in ("pca", "supervised"):
        raise BadInput(f"The projection must be pca or supervised, not {kind!r}.")
    if not 1 <= dimensions <= min(n, size):
        raise BadInput(f"Between 1 and {min(n, size)} dimensions are possible, not {dimensions}.")
    mean = embeddings.mean(0, dtype=np.float64)
    centred = embeddings - mean
    covariance = centred.T @ centred / n
    first = np.zeros((size, 0))
    if kind == "supervised":
        wanted = np.eye(int(labels.max()) + 1)[labels]
        ridge = covariance + 0.1 * np.trace(covariance) / size * np.eye(size)
        weights = np.linalg.solve(ridge, centred.T @ (wanted - wanted.mean(0)) / n)
        # The classes' shares add up to one, so their directions span one dimension less.
        first = np.linalg.svd(weights, full_matrices=False)[0][:, : min(dimensions, wanted.shape[1] - 1)]
    apart = np.eye(size) - first @ first.T
    rest = np.linalg.eigh(apart @ covariance @ apart)[1][:, ::-1][:, : dimensions - first.shape[1]]
    axes = np.ascontiguousarray(np.linalg.qr(np.concatenate([first, rest], axis=1))[0].T)
    half = float(np.quantile(np.abs(centred @ axes.T), covered))
    return Space(mean.astype(np.float32), axes.astype(np.float32), half)


def read(dataset: str, split: str, space: "Space | None" = None, data_dir: str | Path | None = None, *,
         n: int | None = None, seed: int = 0) -> Split:
    """Read a split of texts or images as quantised inputs.

    Args:
        dataset: Name of a text or an image set.
        split: train, dev or test.
        space: Where texts are put; needed for texts alone.
        data_dir: Folder of the data sets.
        n: Inputs to draw; all by default.
        seed: Seed of the draw.

    Raises:
        UnknownName, MissingResource, BadInput: As the data sets' own `load`; n is below 1.
    """
    if n is not None and n < 1:
        raise BadInput(f"The number of inputs must be at least 1, not {n}.")
    if dataset in images.IMAGES:
        pixels, labels = images.load(dataset, split, data_dir)
        chosen = drawn(len(labels), n, seed)
        return Split(pixels[chosen], labels[chosen], tuple(f"{dataset}/{split}/{i}" for i in chosen))
    from robust_core import encoders

    examples = datasets.load(dataset, split, data_dir)
    examples = [examples[i] for i in drawn(len(examples), n, seed)]
    texts = tuple(e.text for e in examples)
    if space is None:
        raise BadInput(f"{dataset} holds texts: give the space that they are put into.")
    return Split(space.vectors(encoders.default().encode(texts)), np.array([e.label for e in examples]),
                 tuple(e.uid for e in examples), texts)


def drawn(count: int, n: int | None, seed: int) -> list[int]:
    """Return the positions of n of `count` inputs in rising order; all of them when n is None or too large."""
    if n is None:
        return list(range(count))
    return sorted(np.random.default_rng(seed).permutation(count)[:n].tolist())


def train(dataset: str, methods: Sequence[str] = ("dssn", "ssn", "uniform"), scales: Sequence[float] = SCALES, *,
          settings: Settings | None = None, dimensions: int = 8, projection: str = "supervised", covered: float = 0.99,
          seed: int = 0, data_dir: str | Path | None = None, ready: "Prepared | None" = None
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
    from robust_core.models import loading

    smoothers = [SMOOTHERS[method](scale=float(scale)) for method in methods for scale in scales]
    settings = settings or recommended(dataset)
    space, splits, data = ready or prepare(dataset, dimensions, projection, covered, data_dir)
    about = images.IMAGES[dataset] if dataset in images.IMAGES else datasets.describe(dataset)
    levels = about.levels if isinstance(about, images.ImageSet) else base_classifiers.LEVELS
    networks, entries = {}, []
    for smoother in smoothers:
        started = time.perf_counter()
        network = fit(smoother, splits["train"].vectors, splits["train"].labels, len(about.labels), levels, settings,
                      seed=seed)
        blurred = smoother.noisy(splits["dev"].vectors, levels, np.random.default_rng(seed))
        accuracy = float((base_classifiers.judge(network)(blurred) == splits["dev"].labels).mean())
        networks[smoother.name, float(smoother.scale)] = network
        entries.append({"method": smoother.name, "scale": float(smoother.scale), "dev_accuracy": round(accuracy, 4)})
        yield {"kind": "network", **entries[-1], "seconds": time.perf_counter() - started}
    described = {} if space is None else {"projection": projection, "dimensions": dimensions, "covered": covered,
                                          "half": space.half}
    card = base_classifiers.SmoothedCard(
        id=model_id(dataset, seed, settings.stability), kind="image" if space is None else "text", dataset=dataset,
        labels=about.labels,
        shape=splits["train"].vectors.shape[1:], levels=levels, seed=seed, networks=entries,
        settings=dataclasses.asdict(settings), space=described, data=data, files={}, bytes=0,
        parent="" if space is None else loading.encoder_hash(), version=__version__, folder=loading.SHIPPED)
    yield {"kind": "trained", "model": base_classifiers.SmoothedModel(card, networks, space)}


def recommended(dataset: str) -> Settings:
    """Return the settings chosen on dev for a data set."""
    if dataset == "digits":
        return Settings(epochs=40, batch_size=64, learning_rate=3e-3, hidden=128)
    return Settings(epochs=40, batch_size=64, learning_rate=1e-3, hidden=32) if dataset in images.IMAGES else Settings()


def model_id(dataset: str, seed: int = 0, stability: float = 0.0) -> str:
    """Return the name of stored base classifiers: the data set, whether they are stabilised, the seed if not 0."""
    return dataset + "-stable" * bool(stability) + f"@{seed}" * bool(seed)


class Prepared(NamedTuple):
    """Data that base classifiers are trained on.

    Attributes:
        space: Where texts are put; None for images.
        splits: Quantised inputs, train and dev.
        data: What a card says of them.
    """

    space: "Space | None"
    splits: dict[str, Split]
    data: dict[str, Any]


def prepare(dataset: str, dimensions: int = 8, projection: str = "supervised", covered: float = 0.99,
            data_dir: str | Path | None = None) -> Prepared:
    """Read the splits to train on and learn the space that texts are put into; arguments as of `train`."""
    if dataset in images.IMAGES:
        splits = {split: read(dataset, split, None, data_dir) for split in ("train", "dev")}
        return Prepared(None, splits, {name: {"n": len(s.labels), "sha256": images.fingerprint(s.vectors, s.labels)}
                                       for name, s in splits.items()})
    from robust_core import encoders

    found, data = {}, {}
    for split in ("train", "dev"):
        everything = datasets.load(dataset, split, data_dir)
        examples = [everything[i] for i in drawn(len(everything), MOST_TEXTS[split], 0)]
        found[split] = (encoders.default().encode([e.text for e in examples]), examples)
        data[split] = {"n": len(examples), "sha256": datasets.fingerprint(examples)}
        if len(examples) < len(everything):
            data[split]["note"] = f"a fixed draw of the {len(everything)} texts"
    labels = {split: np.array([e.label for e in examples]) for split, (_, examples) in found.items()}
    space = learn_space(found["train"][0], labels["train"], dimensions, projection, covered)
    return Prepared(space, {split: Split(space.vectors(embeddings), labels[split], tuple(e.uid for e in examples),
                                         tuple(e.text for e in examples))
                            for split, (embeddings, examples) in found.items()}, data)
