"""Semantic textual similarity: how well cosines of sentence vectors follow what people say."""

import contextlib
import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robust_core import datasets
from robust_core.cleaning import clean_row
from robust_core.errors import BadInput, MissingResource
from robust_core.evaluation import provenance
from robust_core.protocols import Encoder

# Where the pairs of each task lie; of a set with a column `split` only test rows count.
TASKS = {"sts12": "sts/sts12", "sts13": "sts/sts13", "sts14": "sts/sts14", "sts15": "sts/sts15", "sts16": "sts/sts16",
         "stsb": "sts/stsb_test", "sickr": "sts/sickr_test"}
TITLES = {"sts12": "STS12", "sts13": "STS13", "sts14": "STS14", "sts15": "STS15", "sts16": "STS16", "stsb": "STS-B",
          "sickr": "SICK-R"}
DEV = "sts/stsb_dev"
# Fewest pairs that Spearman's correlation has an error for.
_FEWEST = 4
_OTHERS = ("sts/stsb_train", "sts/sickr_train", "sts/sickr_dev")


class Pairs(NamedTuple):
    """Pairs of sentences, and how alike people find them."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    scores: np.ndarray

    @property
    def sha256(self) -> str:
        """A SHA-256 over the pairs and their scores, as they were read."""
        digest = hashlib.sha256()
        for first, second, score in zip(self.first, self.second, self.scores.tolist(), strict=True):
            digest.update(f"{score!r}\t{first}\t{second}\n".encode())
        return digest.hexdigest()


def read_pairs(table: str, data_dir: str | Path | None = None) -> Pairs:
    """Read the pairs of a table, all its subsets together (SentEval's setting "all").

    Raises:
        MissingResource: The table is not here.
        BadInput: It holds no pairs, or a score that is no number.
    """
    rows = [row for row in datasets.read_table(table, ("split", "sentence1", "sentence2", "score"), data_dir)
            if row.get("split", "test") == "test"]
    try:
        found = [(clean_row(row["sentence1"]), clean_row(row["sentence2"]), float(row["score"])) for row in rows]
        if not all(math.isfinite(score) for *_, score in found):
            raise ValueError("a score is no number")
    except (KeyError, ValueError):
        raise BadInput(f"{table} needs the columns sentence1, sentence2 and score, a number.") from None
    if len(found) < 3:
        raise BadInput(f"{table} holds too few pairs.")
    first, second, scores = zip(*found, strict=True)
    return Pairs(first, second, np.array(scores))


def read_dev_pairs(data_dir: str | Path | None = None) -> tuple[Pairs, int]:
    """Read the pairs of STS-B dev that encoders are selected on, and count those left out.

    STS-B was put together from STS12 to STS17: most of its dev pairs stand, with their scores, in the tasks that are
    measured on. Those are left out here rather than there, so that figures of the tasks compare with published ones: of
    1,500 pairs 369 are left, on which the difference of two encoders has a standard error of 0.002 to 0.004 (0.001 to
    0.002 on all), enough to choose among a training's few looks.

    Raises:
        MissingResource: STS-B dev is not here.
        BadInput: A table holds no pairs, or too few are left.
    """
    dev = read_pairs(DEV, data_dir)
    measured: set[frozenset[str]] = set()
    for table in TASKS.values():
        with contextlib.suppress(MissingResource):
            given = read_pairs(table, data_dir)
            measured |= set(map(_make_key, given.first, given.second))
    kept = [i for i, key in enumerate(map(_make_key, dev.first, dev.second)) if key not in measured]
    if len(kept) < _FEWEST:
        raise BadInput(f"Only {len(kept)} pairs of {DEV} stand in no task that encoders are measured on; {_FEWEST} are "
                       "the least to select on.")
    return Pairs(tuple(dev.first[i] for i in kept), tuple(dev.second[i] for i in kept), dev.scores[kept]), (
        len(dev.scores) - len(kept))


def _make_key(first: str, second: str) -> frozenset[str]:
    """Return what pairs are compared by: both sentences in any order, their case folded."""
    return frozenset((first.casefold(), second.casefold()))


def list_sentences(data_dir: str | Path | None = None) -> set[str]:
    """Return the sentences of all tables that are here: nothing may be learnt from them."""
    texts: set[str] = set()
    for table in (*TASKS.values(), DEV, *_OTHERS):
        try:
            for row in datasets.read_table(table, ("sentence1", "sentence2"), data_dir):
                texts |= {clean_row(row.get("sentence1", "")), clean_row(row.get("sentence2", ""))}
        except MissingResource:
            continue
    return texts


def spearman(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return Spearman's rank correlation and its standard error; NaN where one side is constant.

    Source: Bonett and Wright 2000, Psychometrika 65(1): the variance of the Fisher transform is
    (1 + rho^2 / 2) / (n - 3), brought back by the delta method.
    """
    from scipy.stats import spearmanr

    if len(a) < 4 or not np.ptp(a) or not np.ptp(b):
        return math.nan, math.nan
    rho = float(np.asarray(spearmanr(a, b))[0])
    return rho, (1 - rho * rho) * math.sqrt((1 + rho * rho / 2) / (len(a) - 3))


def correlate(encoder: Encoder, given: Pairs) -> tuple[float, float]:
    """Return Spearman's correlation of an encoder's cosines with people's scores, and its standard error."""
    return spearman(measure_cosines(encoder, given), given.scores)


def measure_cosines(encoder: Encoder, given: Pairs) -> list[float]:
    """Return the cosine of each pair of sentences."""
    texts = list(dict.fromkeys([*given.first, *given.second]))
    place = {text: i for i, text in enumerate(texts)}
    vectors = encoder.encode(texts)
    return [float(vectors[place[a]] @ vectors[place[b]]) for a, b in zip(given.first, given.second, strict=True)]


def compare_correlations(mine: Sequence[float], theirs: Sequence[float], scores: Sequence[float], draws: int = 500
                         ) -> tuple[float, float]:
    """Return by how much one encoder's correlation is above another's on the same pairs, and its standard error.

    Args:
        mine: (n,) cosines of one encoder.
        theirs: (n,) cosines of the other, of the same pairs.
        scores: (n,) what people say.
        draws: Samples of n pairs with replacement, the same for both encoders, ranked anew each time.

    Source: paired bootstrap, Efron and Tibshirani 1993, An Introduction to the Bootstrap, 6.
    """
    from scipy.stats import rankdata

    every, rng = np.array([mine, theirs, scores], dtype=np.float64), np.random.default_rng(0)

    def compare(rows: np.ndarray) -> float:
        ranks = rankdata(rows, axis=1)
        ranks -= ranks.mean(1, keepdims=True)
        lengths = np.linalg.norm(ranks, axis=1, keepdims=True)
        # Where all values of one side are equal there is no correlation.
        ranks = np.divide(ranks, lengths, out=np.full_like(ranks, np.nan), where=lengths > 0)
        return float((ranks[0] - ranks[1]) @ ranks[2])

    drawn = [compare(every[:, rng.integers(0, every.shape[1], every.shape[1])]) for _ in range(draws)]
    return compare(every), float(np.nanstd(drawn, ddof=1)) if np.isfinite(drawn).sum() > 1 else math.nan


def evaluate_similarity(
    encoder: Encoder, tasks: Sequence[str], data_dir: str | Path | None = None
) -> Iterator[dict[str, Any]]:
    """Measure an encoder on tasks.

    Yields:
        A row a task: encoder, task, metric, value, value_se, n, rests_on (`evaluation.provenance`), and each: the
        cosines and people's scores, pair by pair.
    """
    about = provenance.describe_engine() | provenance.describe_encoder(encoder)
    for task in tasks:
        given = read_pairs(TASKS[task], data_dir)
        cosines = measure_cosines(encoder, given)
        value, error = spearman(cosines, given.scores)
        yield {"encoder": encoder.id, "task": task, "metric": "spearman", "value": value, "value_se": error,
               "n": len(given.scores), "rests_on": about | {f"data {TASKS[task]}": given.sha256},
               "each": {"cosines": cosines, "scores": given.scores.tolist()}}
