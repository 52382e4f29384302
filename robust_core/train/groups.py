"""Groups of similar words, by their vectors in the counter-fitted space: FLAT's control (Table 10)."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from robust_core.models.networks.word_masks import GroupedEmbedding
from robust_core.models.tokens import WordVocabulary
from robust_core.resources import neighbours, word_vectors
from robust_core.train.setup import Setup


def add_groups(setup: Setup, groups: int) -> None:
    """Let the words of each of some groups share one factor, which is learnt, 1 at the start.

    Differs: the paper clusters the published counter-fitted vectors; here it is the graph of packaged neighbours,
    which come from counter-fitted vectors too, embedded by the vectors of each word and of its neighbours.
    """
    assert isinstance(setup.tokens, WordVocabulary), "groups are for word models"
    table = setup.network.embedding
    embedding = GroupedEmbedding(table.num_embeddings, table.embedding_dim, groups)
    embedding.weight = nn.Parameter(table.weight.detach(), requires_grad=table.weight.requires_grad)
    found = find_clusters(setup.tokens.words, groups, setup.seed)
    embedding.get_buffer("group")[2:] = torch.from_numpy(found.astype(np.int16))
    setup.network.embedding = embedding


def find_clusters(words: tuple[str, ...], groups: int, seed: int) -> np.ndarray:
    """Return the (words,) group of each word: k-means of the mean of its vector and its neighbours' vectors."""
    from sklearn.cluster import KMeans

    close = [[other for other, cosine in neighbours(word)[:10]] for word in words]
    every = tuple(dict.fromkeys([*words, *(other for others in close for other in others)]))
    place = {word: i for i, word in enumerate(every)}
    vectors = word_vectors(every, 200)
    mean = np.stack([vectors[[place[word], *(place[o] for o in others)]].mean(0)
                     for word, others in zip(words, close, strict=True)])
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-9)
    # Sums in one order, whatever the number of threads: a word between two groups would change sides.
    with threadpool_limits(1):
        return KMeans(min(groups, len(words)), random_state=seed).fit_predict(mean)
