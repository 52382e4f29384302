"""The nearest words of each word: ranked by cosine and by what their own neighbours say, the same both ways."""

import numpy as np
import scipy.sparse as sparse

from robust_core.resources.build.space import Vocabulary
from robust_core.resources.build.words import Pairs

MOST, LEAST = 50, 8
LEAST_COSINE = 0.5
# Neighbours of a neighbour are candidates where both steps are at least this near.
STEP = 0.75
# What one step in common is worth beside the cosine.
SHARED = 0.2


def find_nearest(space: np.ndarray, vocabulary: Vocabulary, antonyms: Pairs) -> list[list[tuple[int, float]]]:
    """Return for each word (row, score) of its nearest words by falling score.

    At most `MOST` words with a score of at least `LEAST_COSINE`, and the `LEAST` nearest whatever their score. A score
    is the cosine, raised where both words are close to the same third ones: ties that the lists did not teach. Scores
    are the same both ways. Antonyms go, rare words are no targets, and names neither have neighbours nor are any.

    Args:
        space: Unit rows (words, d).
        vocabulary: The words.
        antonyms: Opposites, each pair in alphabetical order.
    """
    scores = score_pairs(space, vocabulary, antonyms)
    ends, columns = np.asarray(scores.indptr, dtype=np.int64), np.asarray(scores.indices, dtype=np.int64)
    cosines = np.asarray(scores.data, dtype=np.float64)
    target = np.array([word in vocabulary.targets for word in vocabulary.words])
    found: list[list[tuple[int, float]]] = []
    for row in range(len(vocabulary.words)):
        span = slice(ends[row], ends[row + 1])
        others, values = columns[span], cosines[span]
        allowed = target[others]
        others, values = others[allowed], values[allowed]
        order = np.lexsort((others, -values))[:MOST]
        found.append([(int(others[k]), float(min(values[k], 1.0))) for place, k in enumerate(order)
                      if values[k] >= LEAST_COSINE or place < LEAST])
    return found


def score_pairs(space: np.ndarray, vocabulary: Vocabulary, antonyms: Pairs) -> sparse.csr_matrix:
    """Return the symmetric (words, words) scores of all pairs that may be neighbours."""
    near = _list_nearest(space, vocabulary)
    strong = near.copy()
    strong.data[strong.data < STEP] = 0
    strong.eliminate_zeros()
    shared = (strong @ strong).tocsr()
    shared.setdiag(0)
    # Of words with many close neighbours some are shared by chance: their number is seen against both counts.
    degree = np.maximum(np.asarray((strong > 0).sum(1)).ravel(), 1)
    weight = sparse.diags(1 / np.sqrt(degree))
    shared = (weight @ shared @ weight).tocoo()
    rows, columns = shared.row, shared.col
    cosine = np.einsum("ij,ij->i", space[rows], space[columns]) if len(rows) < 1 << 20 else np.concatenate(
        [np.einsum("ij,ij->i", space[rows[k:k + 65536]], space[columns[k:k + 65536]])
         for k in range(0, len(rows), 65536)])
    raised = sparse.coo_matrix((cosine + SHARED * np.minimum(shared.data, 1.0), (rows, columns)), near.shape).tocsr()
    scores = near.maximum(raised)
    number = {word: i for i, word in enumerate(vocabulary.words)}
    opposite = [(number[a], number[b]) for a, b in antonyms if a in number and b in number]
    if opposite:
        a, b = np.array(opposite).T
        mask = sparse.coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), near.shape).tocsr()
        scores = scores - scores.multiply(mask > 0)
    scores = scores.tocsr()
    scores.eliminate_zeros()
    return scores


def _list_nearest(space: np.ndarray, vocabulary: Vocabulary) -> sparse.csr_matrix:
    """Return the cosines of each word's nearest words, made symmetric; names are left out."""
    import torch

    vectors, words = torch.from_numpy(space), vocabulary.words
    name = torch.tensor([word in vocabulary.names for word in words])
    target = torch.tensor([word in vocabulary.targets for word in words])
    k = min(MOST + 10, len(words) - 1)
    rows, columns, values = [], [], []
    for some in torch.arange(len(words)).split(1024):
        cosines = vectors[some] @ vectors.T
        cosines[torch.arange(len(some)), some] = -2.0
        cosines.masked_fill_(~target[None] | name[None] | name[some, None], -2.0)
        best, where = cosines.topk(k, dim=1)
        rows.append(some[:, None].expand_as(where).reshape(-1))
        columns.append(where.reshape(-1))
        values.append(best.reshape(-1))
    row, column, value = (torch.cat(parts).numpy() for parts in (rows, columns, values))
    kept = value > 0
    near = sparse.coo_matrix((value[kept], (row[kept], column[kept])), (len(words), len(words))).tocsr()
    return sparse.csr_matrix(near.maximum(near.T))
