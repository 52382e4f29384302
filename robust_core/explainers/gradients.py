"""Explainers that look inside: gradients of the class probability with respect to the word embeddings."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer, allow_gap
from robust_core.protocols import Classifier, StraightLine, WhiteBox, need_white_box
from robust_core.registry import param
from robust_core.types import Attribution, Encoded

if TYPE_CHECKING:
    import torch

_CHUNK = 32


@EXPLAINERS.register("ig", title="Integrated gradients", source="https://arxiv.org/abs/1703.01365")
@dataclasses.dataclass(frozen=True)
class IntegratedGradients(Explainer):
    """Gradients of the class probability, summed along the way from pads to the text.

    The baseline has the pad's embedding at every word and keeps special tokens and punctuation marks; the scores of
    a word's pieces are added. The gap between the sum of the scores and the change in probability is shown: where it
    exceeds max(1 % of the change, 0.002), the steps are doubled, up to `max_steps`.

    Differs: the FLAT paper does not name its baseline; the pad row meets the gap on far more texts than zeros do.
    """

    white_box = True
    alone = True

    steps: int = param(50, "Gauss-Legendre steps to begin with", low=2, high=400)
    max_steps: int = param(400, "Most steps", low=2, high=1600)

    def attribute(self, model: Classifier, texts: list[str], targets: list[int]) -> list[Attribution]:
        """Explain texts by integrated gradients of the softmax probability; classes of a text share forward passes."""
        model = need_white_box(model, self.title.lower())
        results: dict[tuple[str, int], Attribution] = {}
        open_, steps = list(dict.fromkeys(zip(texts, targets, strict=True))), self.steps
        while open_:
            classes: dict[str, tuple[int, ...]] = {}
            for text, target in open_:
                classes[text] = (*classes.get(text, ()), target)
            for asked in dict.fromkeys(classes.values()):
                order = sorted((text for text, of in classes.items() if of == asked), key=len)
                for start in range(0, len(order), _CHUNK):
                    for found in self._attribute(model, order[start: start + _CHUNK], asked, steps):
                        results[found.text, found.target] = found
            steps *= 2
            open_ = [pair for pair in open_ if steps <= self.max_steps
                     and results[pair].gap > allow_gap(results[pair].total)]
        return [results[pair] for pair in zip(texts, targets, strict=True)]

    def _attribute(self, model: WhiteBox, texts: list[str], classes: Sequence[int], steps: int
                   ) -> Iterator[Attribution]:
        """Explain different texts, each towards the same classes."""
        encoded = model.embed(texts)
        if isinstance(model, StraightLine) and model.straight:
            tokens, totals = _integrate_along(model, encoded, classes, steps)
        elif len(classes) == 1:
            tokens, totals = _attribute_by_captum(model, encoded, classes, steps)
        else:
            tokens, totals = _integrate_at_once(model, encoded, classes, steps)
        gaps = (tokens.sum(-1) - totals).abs()
        for k, target in enumerate(classes):
            for i, text in enumerate(texts):
                yield self.attribution(text, encoded.spans[i], sum_by_word(encoded, tokens[k, i], i), target,
                                       gap=float(gaps[k, i]), steps=steps, total=float(totals[k, i]))


@EXPLAINERS.register("ixg", title="Input x gradient", source="https://arxiv.org/abs/1605.01713")
@dataclasses.dataclass(frozen=True)
class InputXGradient(Explainer):
    """The gradient of the class probability at the text itself, times the embedding.

    One backward pass, and only a first guess: it tells what an infinitely small change of a word would do. Where the
    model is sure of itself the gradient all but vanishes.
    """

    white_box = True
    alone = True

    def attribute(self, model: Classifier, texts: list[str], targets: list[int]) -> list[Attribution]:
        """Explain texts by input x gradient of the softmax probability."""
        import torch
        from captum.attr import InputXGradient as Captum

        model = need_white_box(model, self.title.lower())
        results: dict[int, Attribution] = {}
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _CHUNK):
            chosen = order[start: start + _CHUNK]
            encoded = model.embed([texts[i] for i in chosen])
            wanted = torch.tensor([targets[i] for i in chosen], device=encoded.embeddings.device)
            rows = encoded.embeddings.detach().requires_grad_()
            with torch.enable_grad():
                scores = Captum(_predict(model)).attribute(rows, target=wanted, additional_forward_args=(encoded.mask,))
            tokens = scores.sum(-1).detach().cpu()
            for place, i in enumerate(chosen):
                results[i] = self.attribution(
                    texts[i], encoded.spans[place], sum_by_word(encoded, tokens[place], place), targets[i]
                )
        return [results[i] for i in range(len(texts))]


def _attribute_by_captum(model: WhiteBox, encoded: Encoded, classes: Sequence[int], steps: int
               ) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the (k, n, t) score of each token, and the (k, n) change in probability they should add up to."""
    import torch
    from captum.attr import IntegratedGradients as Captum

    tokens, totals = [], []
    for target in classes:
        with torch.enable_grad():
            scores, delta = Captum(_predict(model)).attribute(
                encoded.embeddings, baselines=make_baseline(encoded), target=target,
                additional_forward_args=(encoded.mask,), n_steps=steps, method="gausslegendre",
                return_convergence_delta=True, internal_batch_size=max(len(encoded.mask), _make_rows(model, encoded)))
        tokens.append(scores.sum(-1).detach().cpu())
        totals.append(tokens[-1].sum(-1) - delta.cpu())
    return torch.stack(tokens), torch.stack(totals)


def _integrate_at_once(model: WhiteBox, encoded: Encoded, classes: Sequence[int], steps: int
             ) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return what `_attribute_by_captum` does; one forward pass serves all classes, where Captum takes one for each."""
    import torch

    start, n = make_baseline(encoded), len(encoded.mask)
    whole = encoded.embeddings - start
    nodes, weights = _place_nodes(steps, whole.device)
    tokens, size = torch.zeros(len(classes), *encoded.mask.shape), max(1, _make_rows(model, encoded) // n)
    for first in range(0, steps, size):
        at, weight = nodes[first: first + size, None, None, None], weights[first: first + size]
        rows = (start + at * whole).flatten(0, 1).requires_grad_()
        with torch.enable_grad():
            proba = model.logits(rows, encoded.mask.repeat(len(at), 1)).softmax(-1)
            for k, target in enumerate(classes):
                slope, = torch.autograd.grad(weight.repeat_interleave(n) @ proba[:, target], rows,
                                             retain_graph=k + 1 < len(classes))
                tokens[k] += (slope.view(len(at), *whole.shape) * whole).sum((0, 3)).cpu()
    with torch.no_grad():
        before, after = (model.logits(rows, encoded.mask).softmax(-1) for rows in (start, encoded.embeddings))
    return tokens, (after - before).T[list(classes)].cpu()


def _integrate_along(model: StraightLine, encoded: Encoded, classes: Sequence[int], steps: int
           ) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return what `_attribute_by_captum` does, of a model that knows its scores along a straight line.

    The score of a token is the derivative with respect to its own way from the baseline, summed over the steps: the
    same sum as over its coordinates.
    """
    import torch

    start = make_baseline(encoded)
    nodes, weights = _place_nodes(steps, start.device)
    tokens, totals = (torch.zeros(len(classes), *shape) for shape in (encoded.mask.shape, encoded.mask.shape[:1]))
    for i, real in enumerate(encoded.mask):
        ends = start[i][real], encoded.embeddings[i][real]
        reached = nodes.unsqueeze(1).repeat(1, len(ends[0])).requires_grad_()
        with torch.enable_grad():
            proba = model.along(*ends, reached).softmax(-1)
            for k, target in enumerate(classes):
                slopes, = torch.autograd.grad(weights @ proba[:, target], reached, retain_graph=k + 1 < len(classes))
                tokens[k, i, real.cpu()] = slopes.sum(0).cpu()
        with torch.no_grad():
            first, last = model.along(*ends, reached.new_tensor([[0.0], [1.0]]).expand(2, len(ends[0]))).softmax(-1)
        totals[:, i] = (last - first)[list(classes)].cpu()
    return tokens, totals


def _place_nodes(steps: int, device: "torch.device") -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the places between 0 and 1 where Gauss-Legendre looks, and their weights."""
    import torch

    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (torch.from_numpy(nodes / 2 + 0.5).to(device, torch.float32),
            torch.from_numpy(weights / 2).to(device, torch.float32))


def _predict(model: WhiteBox) -> "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]":
    def proba(embeddings: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        return model.logits(embeddings, mask).softmax(-1)

    return proba


def make_baseline(encoded: Encoded) -> "torch.Tensor":
    """Return the (n, t, d) reference input: the pad's row at every word, all else as it is."""
    import torch

    words = (encoded.owner >= 0).to(encoded.embeddings.device).unsqueeze(-1)
    return torch.where(words, encoded.pad, encoded.embeddings)


def sum_by_word(encoded: Encoded, tokens: "torch.Tensor", i: int) -> list[float]:
    """Return the score of each word of text i: the sum of its pieces' (t,) scores."""
    import torch

    words = torch.zeros(len(encoded.spans[i]), dtype=tokens.dtype)
    owner = encoded.owner[i].cpu()
    inside = (owner >= 0) & (owner < len(words))
    return words.index_add_(0, owner[inside], tokens[inside]).tolist()


def _make_rows(model: WhiteBox, encoded: Encoded) -> int:
    """Return how many rows one forward and backward pass may hold."""
    return max(1, model.budget // (3 * max(encoded.mask.shape[1], 1)))
