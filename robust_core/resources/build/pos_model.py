"""Learn the votes of the part-of-speech tagger from silver tags (see `pos.py` for the form of the model)."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from robust_core.resources.pos import EDGE, OFFSETS, ROUNDS, TAGS, make_features

if TYPE_CHECKING:
    import torch

OWN_WORDS = 24_000   # words with votes for their own tag
NEAR_WORDS = 4_000   # words with votes for the tags around them
FEATURES = 5_000
RARE = 0.04          # share of tokens shown without their word, so that endings learn to stand alone
Tagged = list[list[tuple[str, str]]]


@dataclass
class Corpus:
    """Sentences as numbers: types are distinct written words, with two edge types around each sentence."""

    types: list[str]
    token: "torch.Tensor"   # (tokens + edges,) type of each place
    tag: "torch.Tensor"     # (tokens + edges,) index into TAGS, EDGE at the edges
    places: "torch.Tensor"  # (tokens,) positions that are words


def make_corpus(sentences: Tagged) -> Corpus:
    """Number the words and tags of sentences, two edges on either side of each."""
    import torch

    types = ["", *sorted({word for sentence in sentences for word, _ in sentence})]
    number, tag_number = {word: i for i, word in enumerate(types)}, {name: i for i, name in enumerate(TAGS)}
    token, tag = [0, 0], [EDGE, EDGE]
    for sentence in sentences:
        token += [number[word] for word, _ in sentence] + [0, 0]
        tag += [tag_number[name] for _, name in sentence] + [EDGE, EDGE]
    tags = torch.tensor(tag)
    return Corpus(types, torch.tensor(token), tags, torch.nonzero(tags != EDGE).ravel())


def learn_model(corpus: Corpus, epochs: int = 4, batch: int = 4096, seed: int = 0) -> dict[str, np.ndarray | list[str]]:
    """Fit the votes by cross-entropy of all rounds.

    Args:
        corpus: Silver sentences.
        epochs: Passes over all words.
        batch: Words a step.
        seed: Seed of initial values and order.

    Returns:
        Arrays in fp32 as `pos.py` reads them, and the lists words (by falling frequency) and features.
    """
    import torch
    from torch.nn import functional as F

    generator = torch.Generator().manual_seed(seed)
    words, names, columns = _make_design(corpus)  # (2 types, most features of a type)
    width = len(OFFSETS) * len(TAGS)
    rows = len(words) + len(names) + 1  # the last row pads and stays zero
    weight = torch.zeros(rows, width, requires_grad=True)
    context = [torch.zeros(len(TAGS) + 1, len(TAGS) + 1, len(TAGS), requires_grad=True) for _ in range(3)]
    near = torch.ones(rows, width)
    near[NEAR_WORDS:len(words), len(TAGS):] = 0  # rarer words vote for themselves only
    near[-1] = 0
    optimiser = torch.optim.Adam([weight, *context], lr=0.1)
    steps = epochs * -(-len(corpus.places) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0 - step / (steps + 1))
    types, guess = len(corpus.types), corpus.tag.clone()
    for _ in range(epochs):
        for chosen in corpus.places[torch.randperm(len(corpus.places), generator=generator)].split(batch):
            hidden = torch.rand(len(chosen), generator=generator) < RARE
            voters = torch.stack([corpus.token[chosen - d] + types * (hidden & (d == 0)) for d in OFFSETS])  # (5, b)
            distinct, where = voters.unique(return_inverse=True)
            votes = F.embedding(columns[distinct], weight * near).sum(1).view(-1, len(OFFSETS), len(TAGS))
            scores = sum((votes[where[k], k] for k in range(len(OFFSETS))), start=torch.zeros(()))  # (b, 12)
            truth, loss = corpus.tag[chosen], F.cross_entropy(scores, corpus.tag[chosen])
            for _ in range(ROUNDS):
                loss = loss + F.cross_entropy(scores + _read_around(context, guess, chosen), truth)
            loss = loss + 1e-7 * (weight ** 2).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            with torch.no_grad():  # the guesses that later steps see around their words
                guess[chosen] = (scores + _read_around(context, guess, chosen)).argmax(1)
    final = (weight * near).detach().view(-1, len(OFFSETS), len(TAGS)).numpy()
    before, after, between = (part.detach().numpy() for part in context)
    return {"words": words, "features": names, "own": final[:len(words), 0], "near": final[:NEAR_WORDS, 1:],
            "votes": final[len(words):-1], "before": before, "after": after, "between": between}


def _read_around(context: "list[torch.Tensor]", guess: "torch.Tensor", at: "torch.Tensor") -> "torch.Tensor":
    before, after, between = context
    left, right = guess[at - 1], guess[at + 1]
    return before[guess[at - 2], left] + after[right, guess[at + 2]] + between[left, right]


def _make_design(corpus: Corpus) -> "tuple[list[str], list[str], torch.Tensor]":
    """Return words, features, and the rows of each type (2 types, widest); the second half lacks the words."""
    import torch

    seen = Counter(corpus.types[i].lower() for i in corpus.token[corpus.places].tolist())
    words = [word for word, n in sorted(seen.items(), key=lambda item: (-item[1], item[0]))[:OWN_WORDS] if n >= 3]
    named = [["shape:edge"] if not word else make_features(word) for word in corpus.types]
    frequency = Counter(name for row in named for name in row)
    frequency["shape:edge"] = len(corpus.types)
    names = sorted(sorted(frequency, key=lambda name: (-frequency[name], name))[:FEATURES])
    column = {name: len(words) + i for i, name in enumerate(names)}
    row_of = {word: i for i, word in enumerate(words)}
    padding, sets = len(words) + len(names), []
    for word, own in zip(corpus.types, named, strict=True):
        shared = [column[name] for name in own if name in column]
        alone = [row_of[word.lower()]] if word.lower() in row_of else []
        sets.append((shared + alone, shared))
    ordered = [pair[0] for pair in sets] + [pair[1] for pair in sets]
    widest = max(map(len, ordered))
    return words, names, torch.tensor([one + [padding] * (widest - len(one)) for one in ordered])
