"""The space that texts are put into before smoothing: a few quantised directions of a sentence embedding."""

import dataclasses

import numpy as np

from robust_core.certify.quantised import quantise
from robust_core.errors import BadInput, quote

LEVELS = 255


@dataclasses.dataclass(frozen=True)
class Space:
    """A few orthonormal directions of a sentence embedding, and the range in which they are quantised.

    Args:
        mean: (e,) float32 embedding in the middle of the range.
        axes: (d, e) float32 orthonormal rows.
        half: Half the range of each coordinate; what lies beyond is clipped.
        levels: Quantisation steps of the range.
    """

    mean: np.ndarray
    axes: np.ndarray
    half: float
    levels: int = LEVELS

    @property
    def step(self) -> float:
        """Length of one quantisation step in units of the embedding."""
        return 2 * self.half / self.levels

    def vectors(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (n, d) int32 values 0..levels of (n, e) embeddings.

        Raises:
            BadInput: An embedding is not finite or has another length.
        """
        embeddings = np.asarray(embeddings, dtype=np.float32)
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.mean):
            raise BadInput(f"Embeddings must have the shape (n, {len(self.mean)}), not {embeddings.shape}.")
        coordinates = ((embeddings - self.mean) @ self.axes.T).astype(np.float64)
        return quantise(np.clip(coordinates, -self.half, self.half), -self.half, self.half, self.levels)


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
    n, size = embeddings.shape
    if kind not in ("pca", "supervised"):
        raise BadInput(f"The projection must be pca or supervised, not {quote(kind)}.")
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
