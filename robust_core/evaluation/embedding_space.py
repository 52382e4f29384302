"""What the Embeddings page shows, as plain numbers: the path of an attack, a map of vectors, the curve of k-PGD."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from robust_core.attacks.embeddings import PGD
from robust_core.protocols import ReadsBack, WhiteBox
from robust_core.text import Draft, Edit, align
from robust_core.types import AttackResult


def attack_path(original: str, perturbed: str, result: AttackResult | None = None) -> list[str]:
    """Return the texts from the original to the perturbed one, both included.

    Args:
        original: The first text.
        perturbed: The last text.
        result: The attack between them: its accepted texts, in their order. Without one, or where it kept none, the
            differing words are swapped from left to right.
    """
    steps = [step.text for step in result.steps if step.text] if result is not None else []
    if not steps:
        steps = _change_word_by_word(original, perturbed)
    return list(dict.fromkeys([original, *steps, perturbed])) if original != perturbed else [original]


def _change_word_by_word(original: str, perturbed: str) -> list[str]:
    first, last = Draft.of(original), Draft.of(perturbed)
    pairs = align(first.words, last.words)
    if any(i is None or j is None for i, j in pairs):
        return []
    texts, draft = [], first
    for i, j in pairs:
        if i is not None and j is not None and first.words[i] != last.words[j]:
            draft = draft.apply(Edit(i, i + 1, (last.words[j],)))
            texts.append(draft.text)
    return texts


def compute_cosines(vectors: np.ndarray) -> np.ndarray:
    """Return the (n, n) cosines of (n, d) rows of any length; a row of zeros has cosine 0 to all."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(norms, 1e-12)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def compute_representations(model: WhiteBox, texts: Sequence[str]) -> np.ndarray:
    """Return the (n, d) vectors that a classifier's last layer reads."""
    import torch

    encoded = model.embed(list(texts))
    with torch.no_grad():
        return model.representation(encoded.embeddings, encoded.mask).float().cpu().numpy()


MAPS = {"pca": "PCA", "umap": "UMAP"}


def list_maps() -> list[str]:
    """Return the ways to draw a map that are installed, of MAPS; UMAP comes with the package umap-learn."""
    return [name for name in MAPS if name != "umap" or importlib.util.find_spec("umap") is not None]


def project(corpus: np.ndarray, points: np.ndarray, how: str = "pca") -> tuple[np.ndarray, np.ndarray, float | None]:
    """Lay vectors out on a map of a corpus.

    Args:
        corpus: (n, d) rows, which alone decide on the map.
        points: (m, d) rows to be found on it.
        how: pca (principal components), or umap (McInnes et al. 2018, cosine distance, its own defaults otherwise).

    Returns:
        The (n, 2) places of the corpus, the (m, 2) places of the points, and the share of the corpus' variance that is
        seen, None for umap.
    """
    if how == "pca":
        from sklearn.decomposition import PCA

        # Each axis points to where its largest coordinate is positive, so a map does not flip from run to run.
        with np.errstate(invalid="ignore"):  # texts that are all alike have no variance to share
            plane = PCA(2, svd_solver="full").fit(corpus)
        whole = float(corpus.var(0, ddof=1).sum())
        share = float(plane.explained_variance_.sum()) / whole if whole else 0.0
        return plane.transform(corpus), plane.transform(points), share
    import umap

    reducer = umap.UMAP(metric="cosine", random_state=0, n_jobs=1).fit(corpus)
    return np.asarray(reducer.embedding_), np.asarray(reducer.transform(points)), None


def find_nearest(corpus: np.ndarray, vector: np.ndarray, k: int) -> list[int]:
    """Return the k rows of (n, d) unit rows that are closest to a vector, closest first."""
    return np.argsort(-(corpus @ vector), kind="stable")[:k].tolist()


def attack_embeddings(model: WhiteBox, text: str, radii: Sequence[float], steps: int = 10) -> list[dict[str, Any]]:
    """Attack the embeddings of one text at several radii.

    Args:
        model: A white box; one trained with RAR also says what it reads.
        text: The text; the class to leave is the model's own prediction.
        radii: In mean token-embedding norms.
        steps: Steps of k-PGD.

    Returns:
        A row a radius: radius, proba (of each class), cosine, distance, and read, which is None for other models.
    """
    import torch

    from robust_core.perturb import climb

    encoded = model.embed([text])
    rows, mask = encoded.embeddings, encoded.mask
    with torch.no_grad():
        clean = model.representation(rows, mask).float()
        label = model.logits(rows, mask).argmax(-1)
    found = []
    for radius in radii:
        ascent, count = PGD(radius=radius, steps=steps).ascent(model.unit)
        delta = climb(lambda d: torch.nn.functional.cross_entropy(model.logits(rows + d, mask).float(), label),
                      torch.zeros_like(rows), mask, ascent, count) if radius else torch.zeros_like(rows)
        with torch.no_grad():
            moved = model.representation(rows + delta, mask).float()
            proba = model.logits(rows + delta, mask).float().softmax(-1)[0].tolist()
        read = model.read_back(rows + delta, mask)[0] if isinstance(model, ReadsBack) and model.reads_back else None
        found.append({"radius": radius, "proba": proba, "distance": float((moved - clean).norm()),
                      "cosine": float(torch.nn.functional.cosine_similarity(clean, moved)[0].clamp(-1.0, 1.0)),
                      "read": read})
    return found
