"""Certificates on texts and data sets: certified accuracy, the search for a flip, and what attacks moved."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core import metrics
from robust_core.certify import SMOOTHERS, checks, inputs, training
from robust_core.certify.smoothers import Dssn, Smoother
from robust_core.certify.theorem import count_evaluations, round_scale
from robust_core.claims.derivation import pool_figures, read_share
from robust_core.errors import BadInput
from robust_core.paths import own_checkpoints
from robust_core.types import AttackResult, Certificate

if TYPE_CHECKING:
    from robust_core.certify.base_classifiers import SmoothedModel
    from robust_core.certify.inputs import Prepared, Split

RADII = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)

Row = dict[str, Any]


def make_smoother(method: str, scale: float, levels: int, **settings: float) -> Smoother:
    """Make a method; a randomised one gets as many votes as DSSN goes through, unless `samples` says otherwise.

    Raises:
        UnknownName: There is no such method.
        BadInput: Lambda or a parameter is out of range.
    """
    cls = SMOOTHERS[method]
    if not cls.deterministic:
        settings.setdefault("samples", count_evaluations(cls(scale=scale).scale, levels))
    return cls(scale=scale, **settings)


def certify_texts(model: "SmoothedModel", texts: Sequence[str], method: str, scales: Sequence[float] = (), *,
                  seed: int = 0, **settings: float) -> list[Row]:
    """Certify texts at several Lambdas.

    Args:
        model: A model for texts.
        texts: The texts.
        method: Name in SMOOTHERS.
        scales: Lambdas; all that the model knows by default.
        seed: Seed of a randomised method.
        settings: Other parameters of the method.

    Returns:
        A row for each text and Lambda: text, prediction, radius (inputs scaled to 0..1), radius_steps (in steps of the
        quantised vector), radius_embedding (in units of the embedding), norm, scale, effective_scale, levels,
        evaluations, alpha, votes by label, method, model, warnings (`checks`), seconds.

    Raises:
        BadInput: The model has no network for a Lambda, or reads no texts.
    """
    vectors = np.concatenate([model.vectors([text]) for text in texts])
    assert model.space is not None
    rows = []
    for scale in scales or model.scales(method):
        chosen = make_smoother(method, scale, model.levels, **settings)
        judge = model.judge(method, scale)
        for text, vector in zip(texts, vectors, strict=True):
            started = time.perf_counter()
            found = next(chosen.certify(judge, vector[None], model.levels, len(model.labels), seed=seed))
            rows.append({"text": text, **make_row(found, chosen, model),
                         "radius_embedding": found.radius * model.levels * model.space.step,
                         "seconds": time.perf_counter() - started})
    return rows


def make_row(found: Certificate, method: Smoother, model: "SmoothedModel") -> Row:
    """Return a certificate as plain data, with the method and the model it belongs to."""
    scale = round_scale(method.scale, model.levels) if method.deterministic else method.scale
    return {"model": model.id, "method": method.name,
            "prediction": None if found.prediction is None else model.labels[found.prediction],
            "radius": found.radius, "radius_steps": count_steps(found.radius, model.levels), "norm": found.norm,
            "scale": method.scale, "effective_scale": scale, "levels": model.levels, "evaluations": found.evaluations,
            "alpha": found.alpha, "votes": dict(zip(model.labels, found.votes, strict=True)),
            "warnings": checks.list_warnings(method.scale, found.evaluations, found.alpha)}


def count_steps(radius: float, levels: int) -> int:
    """Return a radius in whole quantisation steps: the largest number that it covers."""
    # A multiple of 1 / levels comes back as itself; anything else is rounded down.
    return int(np.floor(radius * levels + 1e-6))


def measure_certified_accuracy(model: "SmoothedModel", data: "Split", method: Smoother, *, seed: int = 0,
                               radii: Sequence[float] = RADII) -> tuple[Row, list[Certificate]]:
    """Certify a data set.

    Args:
        model: The base classifiers.
        data: Quantised inputs with their classes.
        method: How to smooth; the model needs a network for it.
        seed: Seed of a randomised method.
        radii: Radii to report.

    Returns:
        (row, certificates). The row: dataset, method, scale, effective_scale, levels, evaluations, alpha, n,
        clean_accuracy (of the smoothed classifier; abstaining counts as wrong), certified_accuracy {radius: share of
        inputs whose class is right and stays at least that far}, each with its standard error, median_radius (of the
        inputs whose class is right), largest_class (its share of the inputs: what one answer to everything gets),
        seconds an input, seed (of the model), and warnings (`checks`).
    """
    judge = model.judge(method.name, method.scale)
    started = time.perf_counter()
    found = list(method.certify(judge, data.vectors, model.levels, len(model.labels), seed=seed))
    seconds = time.perf_counter() - started
    n = len(found)
    right = np.array([c.prediction == label for c, label in zip(found, data.labels, strict=True)])
    reach = np.array([c.radius for c in found])
    # Radii are multiples of 1 / levels: a millionth keeps `at least 0.2` from failing in the last digit.
    kept = {f"{r:g}": metrics.estimate_proportion(int((right & (reach >= r - 1e-6)).sum()), n) for r in radii}
    accuracy, error = metrics.estimate_proportion(int(right.sum()), n)
    scale = round_scale(method.scale, model.levels) if method.deterministic else method.scale
    return {"dataset": model.card.dataset, "method": method.name, "scale": method.scale, "effective_scale": scale,
            "levels": model.levels, "evaluations": found[0].evaluations, "alpha": found[0].alpha, "n": n,
            "clean_accuracy": accuracy, "clean_accuracy_se": error,
            "certified_accuracy": {r: value for r, (value, _) in kept.items()},
            "certified_accuracy_se": {r: value for r, (_, value) in kept.items()},
            "median_radius": float(np.median(reach[right])) if right.any() else 0.0,
            "largest_class": float(np.bincount(data.labels).max() / n),
            "seconds": seconds / n, "seed": model.card.seed,
            "warnings": checks.list_warnings(method.scale, found[0].evaluations, found[0].alpha)}, found


def compare_moves(model: "SmoothedModel", results: Sequence[AttackResult], method: Dssn) -> Row:
    """Compare how far attacks moved the quantised vector with the certified radius of the original.

    Args:
        model: A model for texts.
        results: Results of attacks on any classifier; those that changed nothing are left out.
        method: DSSN at a Lambda that the model knows.

    Returns:
        changed (texts), inside (moved no further than the radius), inside_share with its standard error,
        inside_flipped (of those, other class in the smoothed classifier: none can be), held (same class, inside or
        not), median_moved and median_radius (inputs scaled to 0..1), texts (by uid, whether it is inside).

    Raises:
        BadInput: No attack changed a text.
    """
    changed = [r for r in results if r.perturbed != r.example.text]
    if not changed:
        raise BadInput("No attack changed a text.")
    before, after = (model.vectors([getter(r) for r in changed])
                     for getter in (lambda r: r.example.text, lambda r: r.perturbed))
    judge, classes = model.judge(method.name, method.scale), len(model.labels)
    first = list(method.certify(judge, before, model.levels, classes))
    second = list(method.certify(judge, after, model.levels, classes))
    distance = np.abs(before - after).sum(1)
    inside = np.array([d <= count_steps(c.radius, model.levels) for d, c in zip(distance, first, strict=True)])
    same = np.array([a.prediction == b.prediction for a, b in zip(first, second, strict=True)])
    share, error = metrics.estimate_proportion(int(inside.sum()), len(changed))
    return {"changed": len(changed), "inside": int(inside.sum()), "inside_share": share, "inside_share_se": error,
            "inside_flipped": int((inside & ~same).sum()), "held": int(same.sum()),
            "median_moved": float(np.median(distance)) / model.levels,
            "median_radius": float(np.median([c.radius for c in first])),
            "texts": {r.example.uid: bool(kept) for r, kept in zip(changed, inside, strict=True)}}


def choose_best_scales(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield for each method and radius the best certified accuracy over Lambda: the mean over seeds, and its spread.

    Args:
        rows: Rows of `certified_accuracy` of one data set, of any methods, Lambdas and seeds.

    Yields:
        {dataset, method, radius, value, value_se (standard error, which counts inputs and seeds), scale,
        clean_accuracy, evaluations and seconds (an input), seeds, n}, by method and rising radius. Of Lambdas that are
        equally good the first is taken.
    """
    groups: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["scale"]), []).append(row)
    radii = list(rows[0]["certified_accuracy"]) if rows else []
    for method in dict.fromkeys(method for method, _ in groups):
        for radius in radii:
            choices = []
            for (name, scale), group in groups.items():
                if name == method:
                    shares = [read_share({"n": row["n"], "share": row["certified_accuracy"][radius]}, "share")
                              for row in group]
                    value, error, _ = pool_figures(shares)
                    choices.append((value, error, scale, group))
            value, error, scale, group = max(choices, key=lambda c: c[0])
            yield {"dataset": rows[0]["dataset"], "method": method, "radius": float(radius), "value": value,
                   "value_se": error, "scale": scale,
                   **{name: float(np.mean([row[name] for row in group])) for name in ("clean_accuracy", "seconds")},
                   "evaluations": group[0]["evaluations"], "seeds": sorted(row["seed"] for row in group),
                   "n": group[0]["n"]}


def run_experiment(
    dataset: str,
    seeds: Sequence[int] = (0, 1, 2),
    *,
    scales: Sequence[float] = (),
    n: int | None = None,
    data_dir: str | None = None,
    stability: float = 0.0,
    samples: int | None = None,
) -> Iterator[Row]:
    """Measure certified accuracy of every method and Lambda on a test split, with the same networks' sizes and budget.

    Seed 0 is the stored model; others are taken from the folder of own trainings, or trained and put there.

    Args:
        dataset: Name of a text or an image set.
        seeds: Seeds of the trainings.
        scales: Lambdas; all that are stored by default.
        n: Test inputs to draw; all by default.
        data_dir: Folder of the data sets.
        stability: Weight of the stability term in training.
        samples: Votes of the randomised methods; as many as DSSN counts by default.

    Yields:
        Rows of `certified_accuracy`, as they come.
    """
    data, ready = None, functools.cache(lambda: inputs.prepare_splits(dataset, data_dir=data_dir))
    for seed in seeds:
        model = load_or_train(dataset, seed, data_dir, stability, ready)
        data = data or inputs.read_split(dataset, "test", model.space, data_dir, n=n)
        for method, cls in SMOOTHERS.items():
            settings = {} if samples is None or cls.deterministic else {"samples": samples}
            for scale in scales or model.scales(method):
                yield measure_certified_accuracy(
                    model, data, make_smoother(method, scale, model.levels, **settings), seed=seed
                )[0]


def load_or_train(dataset: str, seed: int, data_dir: str | None = None, stability: float = 0.0,
                  ready: "Callable[[], Prepared] | None" = None) -> "SmoothedModel":
    """Load a stored model, or train it and store it in the folder of own trainings.

    Args:
        dataset: Name of a text or an image set.
        seed: Seed of the training.
        data_dir: Folder of the data sets.
        stability: Weight of the stability term in training.
        ready: Returns what `training.prepare` does for these data, where several trainings share it.
    """
    from robust_core.certify import base_classifiers

    name = training.name_model(dataset, seed, stability)
    if name not in {card.id for card in base_classifiers.cards()}:
        settings = dataclasses.replace(training.recommend_settings(dataset), stability=stability)
        *_, last = training.train_base_classifiers(
            dataset,
            scales=training.SCALES,
            seed=seed,
            data_dir=data_dir,
            settings=settings,
            ready=ready() if ready else None,
        )
        base_classifiers.save(last["model"], own_checkpoints())
    return base_classifiers.load(name)
