"""Build `neighbours.npz`: features -> a learnt map -> counter-fitting -> the nearest words of each word."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robust_core.resources._tables import pack_words
from robust_core.resources.build.nearest import find_nearest
from robust_core.resources.build.space import make_features, read_vocabulary
from robust_core.resources.build.words import Pairs, find_affix_opposites, read_antonyms, read_synonyms, read_wordnet

if TYPE_CHECKING:
    import torch

DIMENSIONS = 300
# Scores are stored in a byte, from this one up to 1.
LOWEST = 0.2


def build_neighbours(data: Path, wordnet: Path, out: Path) -> Path:
    """Write the table of neighbours.

    Args:
        data: Folder of public texts and lists.
        wordnet: Folder of WordNet 3.0's own files.
        out: Folder to write `neighbours.npz` to: words (bytes), count (words,) uint8, and one entry a pair in
            neighbour (row of a word, uint16) and cosine (uint8, 0..255 for lowest..1).
    """
    net = read_wordnet(wordnet)
    vocabulary = read_vocabulary(data, net)
    antonyms = read_antonyms(data, net) | find_affix_opposites(vocabulary.words, net)
    synonyms = read_synonyms(data, net, set(vocabulary.words)) - antonyms
    space = fit_vectors(make_features(data, vocabulary), vocabulary.words, synonyms, antonyms)
    rows = find_nearest(space, vocabulary, antonyms)
    flat = [pair for row in rows for pair in row]
    used = sorted({i for i, _ in flat} | {i for i, row in enumerate(rows) if row})  # words without any pair go
    new = {old: i for i, old in enumerate(used)}
    out.mkdir(parents=True, exist_ok=True)
    path = out / "neighbours.npz"
    np.savez_compressed(path, words=pack_words([vocabulary.words[i] for i in used]),
                        count=np.array([len(rows[i]) for i in used], dtype=np.uint8),
                        neighbour=np.array([new[i] for i, _ in flat], dtype=np.uint16),
                        lowest=np.float32(LOWEST), cosine=np.array(
                            [round((max(c, LOWEST) - LOWEST) * 255 / (1 - LOWEST)) for _, c in flat], dtype=np.uint8))
    return path


def fit_vectors(given: np.ndarray, words: list[str], synonyms: Pairs, antonyms: Pairs) -> np.ndarray:
    """Return the final space (words, 300), rows of unit length, from features and pairs."""
    import torch

    number = {word: i for i, word in enumerate(words)}

    def rows(pairs: Pairs) -> torch.Tensor:
        return torch.tensor([[number[a], number[b]] for a, b in sorted(pairs) if a in number and b in number])

    attract, repel = rows(synonyms), rows(antonyms)
    return counter_fit(learn_map(torch.from_numpy(given), attract, repel), attract, repel).numpy()


def learn_map(given: "torch.Tensor", attract: "torch.Tensor", repel: "torch.Tensor", *, epochs: int = 10,
              batch: int = 1024, temperature: float = 0.07, dropout: float = 0.2, seed: int = 0) -> "torch.Tensor":
    """Learn a linear map under which a synonym is nearer than other words and than antonyms (InfoNCE).

    Counter-fitting moves only words that stand in a list; the map carries what the lists teach to all others.

    Args:
        given: Features (words, d).
        attract: Synonym pairs (s, 2).
        repel: Antonym pairs (a, 2).
        epochs: Passes over the synonym pairs.
        batch: Pairs a step; the other pairs' words are the negatives.
        temperature: Divides the cosines.
        dropout: Share of features hidden.
        seed: Seed of order, direction and dropout.

    Returns:
        Rows of unit length (words, 300).
    """
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    _, directions = torch.linalg.eigh(given.T @ given)
    weight = directions.flip(1)[:, :DIMENSIONS].clone().requires_grad_()  # start: principal components
    friends, enemies = _list_partners(attract), _list_partners(repel)
    optimiser = torch.optim.Adam([weight], lr=1e-3)
    steps = epochs * -(-len(attract) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.01 - step / steps)
    for _ in range(epochs):
        for chosen in torch.randperm(len(attract)).split(batch):
            pairs = attract[chosen]
            turned = torch.rand(len(pairs)) < 0.5
            pairs[turned] = pairs[turned].flip(1)
            asked = pairs[:, 0].tolist()
            others = sorted({enemy for word in asked for enemy in enemies.get(word, ())})
            keys = torch.cat([pairs[:, 1], torch.tensor(others, dtype=torch.long)])
            left = F.normalize(F.dropout(given[pairs[:, 0]], dropout) @ weight, dim=1)
            right = F.normalize(F.dropout(given[keys], dropout) @ weight, dim=1)
            scores = (left @ right.T / temperature).masked_fill(_list_other_friends(asked, keys, friends), -1e4)
            loss = F.cross_entropy(scores, torch.arange(len(pairs)))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return F.normalize((given @ weight).detach(), dim=1)


def _list_other_friends(asked: list[int], keys: "torch.Tensor", friends: dict[int, set[int]]) -> "torch.Tensor":
    """Mark keys that are synonyms of the asked word too, or the word itself: they are no negatives."""
    import torch

    columns: dict[int, list[int]] = {}
    for column, key in enumerate(keys.tolist()):
        columns.setdefault(key, []).append(column)
    mask = torch.zeros(len(asked), len(keys), dtype=torch.bool)
    for row, word in enumerate(asked):
        for friend in friends[word] | {word}:
            mask[row, columns.get(friend, [])] = True
        mask[row, row] = False
    return mask


def _list_partners(pairs: "torch.Tensor") -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for a, b in pairs.tolist():
        found.setdefault(a, set()).add(b)
        found.setdefault(b, set()).add(a)
    return found


def counter_fit(space: "torch.Tensor", attract: "torch.Tensor", repel: "torch.Tensor", *, epochs: int = 15,
                rate: float = 0.1, apart: float = 1.0, close: float = 0.2, kept: float = 0.6) -> "torch.Tensor":
    """Counter-fit vectors (Mrkšić et al. 2016, https://arxiv.org/abs/1603.00892, equations 1 to 3).

    All three hinge losses are on the distance 1 - cosine; a word's gradient is the mean over its active pairs.

    Args:
        space: Unit rows (words, 300).
        attract: Synonym pairs: distance at most `close`.
        repel: Antonym pairs: distance at least `apart`.
        epochs: Full passes.
        rate: Step length.
        apart: Margin of antonyms.
        close: Margin of synonyms. The paper has 0, which leaves half the words with 50 neighbours above 0.5.
        kept: Pairs whose cosine is at least this at the start shall not drift apart (10 nearest of a moved word).

    Returns:
        New unit rows (words, 300).
    """
    import torch
    from torch.nn import functional as F

    moved = torch.cat([attract, repel]).unique()
    preserved, before = _find_near_pairs(space, moved, kept)
    for _ in range(epochs):
        step, active = torch.zeros_like(space), torch.zeros(len(space))
        for pairs, sign, limit in ((repel, 1.0, 1.0 - apart), (attract, -1.0, 1.0 - close), (preserved, -1.0, before)):
            a, b = space[pairs[:, 0]], space[pairs[:, 1]]
            cosine = (a * b).sum(1)
            wrong = sign * (cosine - limit) > 0
            pairs, a, b, cosine = pairs[wrong], a[wrong], b[wrong], cosine[wrong, None]
            step.index_add_(0, pairs[:, 0], sign * (b - cosine * a))
            step.index_add_(0, pairs[:, 1], sign * (a - cosine * b))
            active += pairs.ravel().bincount(minlength=len(space))
        space = F.normalize(space - rate * step / active.clamp(min=1)[:, None], dim=1)
    return space


def _find_near_pairs(space: "torch.Tensor", rows: "torch.Tensor", least: float,
                     k: int = 10) -> "tuple[torch.Tensor, torch.Tensor]":
    import torch

    pairs, cosines = [], []
    for some in rows.split(1024):
        scores = space[some] @ space.T
        scores[torch.arange(len(some)), some] = -2.0
        values, columns = scores.topk(k, dim=1)
        keep = values >= least
        pairs.append(torch.stack([some[:, None].expand_as(columns)[keep], columns[keep]], dim=1))
        cosines.append(values[keep])
    return torch.cat(pairs), torch.cat(cosines)
