"""Explainers that look inside: gradients of the class probability with respect to the word embeddings."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer, allowed_gap
from robust_core.registry import param
from robust_core.types import Attribution, Encoded, WhiteBox

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

    def attribute(self, model: Any, texts: list[str], targets: list[int]) -> list[Attribution]:  # noqa: ANN401
        """Explain texts by integrated gradients of the softmax probability; classes of a text share forward passes."""
        results: dict[tuple[str, int], Attribution] = {}
        open_, steps = list(dict.fromkeys(zip(texts, targets, strict=True))), self.steps
        while open_:
            asked: dict[str, list[int]] = {}
            for text, target in open_:
                asked.setdefault(text, []).append(target)
            order = sorted(asked, key=len)
            for start in range(0, len(order), _CHUNK):
                chosen = order[start: start + _CHUNK]
                found = self._attribute(model, chosen, [asked[text] for text in chosen], steps)
                results |= {(a.text, a.target): a for of in found for a in of}
            steps *= 2
            open_ = [pair for pair in open_ if steps <= self.max_steps
                     and results[pair].gap > allowed_gap(results[pair].total)]
        return [results[pair] for pair in zip(texts, targets, strict=True)]

    def _attribute(self, model: Any, texts: list[str], targets: list[list[int]], steps: int  # noqa: ANN401
                   ) -> list[list[Attribution]]:
        """Explain different texts, each towards different classes."""
        encoded = model.embed(texts)
        if getattr(model, "straight", False):
            tokens, totals = _along(model, encoded, targets, steps)
        elif max(map(len, targets)) == 1:
            flat, ends = _by_captum(model, encoded, [of for of, in targets], steps)
            tokens, totals = [[row] for row in flat], [[total] for total in ends.tolist()]
        else:
            tokens, totals = _at_once(model, encoded, targets, steps)
        return [[self.attribution(text, encoded.spans[i], of_words(encoded, tokens[i][k], i), target,
                                  gap=abs(float(tokens[i][k].sum()) - totals[i][k]), steps=steps, total=totals[i][k])
                 for k, target in enumerate(targets[i])] for i, text in enumerate(texts)]


@EXPLAINERS.register("ixg", title="Input x gradient", source="https://arxiv.org/abs/1605.01713")
@dataclasses.dataclass(frozen=True)
class InputXGradient(Explainer):
    """The gradient of the class probability at the text itself, times the embedding.

    One backward pass, and only a first guess: it tells what an infinitely small change of a word would do. Where the
    model is sure of itself the gradient all but vanishes.
    """

    white_box = True
    alone = True

    def attribute(self, model: Any, texts: list[str], targets: list[int]) -> list[Attribution]:  # noqa: ANN401
        """Explain texts by input x gradient of the softmax probability."""
        import torch
        from captum.attr import InputXGradient as Captum

        results: dict[int, Attribution] = {}
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _CHUNK):
            chosen = order[start: start + _CHUNK]
            encoded = model.embed([texts[i] for i in chosen])
            wanted = torch.tensor([targets[i] for i in chosen], device=encoded.embeddings.device)
            rows = encoded.embeddings.detach().requires_grad_()
            with torch.enable_grad():
                scores = Captum(_proba(model)).attribute(rows, target=wanted, additional_forward_args=(encoded.mask,))
            tokens = scores.sum(-1).detach().cpu()
            for place, i in enumerate(chosen):
                results[i] = self.attribution(texts[i], encoded.spans[place], of_words(encoded, tokens[place], place),
                                              targets[i])
        return [results[i] for i in range(len(texts))]


def _by_captum(model: WhiteBox, encoded: Encoded, targets: list[int], steps: int
               ) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return the (n, t) score of each token, and the (n,) change in probability they should add up to."""
    import torch
    from captum.attr import IntegratedGradients as Captum

    wanted = torch.tensor(targets, device=encoded.embeddings.device)
    with torch.enable_grad():
        scores, delta = Captum(_proba(model)).attribute(
            encoded.embeddings, baselines=baseline_of(encoded), target=wanted,
            additional_forward_args=(encoded.mask,), n_steps=steps, method="gausslegendre",
            return_convergence_delta=True, internal_batch_size=max(len(targets), _rows(model, encoded)))
    tokens = scores.sum(-1).detach().cpu()
    return tokens, tokens.sum(-1) - delta.cpu()


def _at_once(model: WhiteBox, encoded: Encoded, targets: list[list[int]], steps: int
             ) -> "tuple[list[list[torch.Tensor]], list[list[float]]]":
    """Return what `_by_captum` does of each text and class: one forward pass serves all classes, which Captum's do not.

    Returns:
        For text i and the k-th of its classes, tokens[i][k] (t,) and totals[i][k].
    """
    import torch

    start, whole = baseline_of(encoded), encoded.embeddings - baseline_of(encoded)
    nodes, weights = _nodes(steps, whole.device)
    classes = sorted({target for of in targets for target in of})
    tokens = {target: torch.zeros(encoded.mask.shape) for target in classes}
    size = max(1, _rows(model, encoded) // len(targets))
    for first in range(0, steps, size):
        at, weight = nodes[first: first + size, None, None, None], weights[first: first + size]
        rows = (start + at * whole).flatten(0, 1).requires_grad_()
        with torch.enable_grad():
            proba = model.logits(rows, encoded.mask.repeat(len(at), 1)).softmax(-1)
            for target in classes:
                slope, = torch.autograd.grad(weight.repeat_interleave(len(targets)) @ proba[:, target], rows,
                                             retain_graph=target != classes[-1])
                tokens[target] += (slope.view(len(at), *whole.shape) * whole).sum((0, 3)).cpu()
    with torch.no_grad():
        before, after = (model.logits(rows, encoded.mask).softmax(-1) for rows in (start, encoded.embeddings))
    change = (after - before).tolist()
    return ([[tokens[target][i] for target in of] for i, of in enumerate(targets)],
            [[change[i][target] for target in of] for i, of in enumerate(targets)])


def _along(model: Any, encoded: Encoded, targets: list[list[int]], steps: int  # noqa: ANN401
           ) -> "tuple[list[list[torch.Tensor]], list[list[float]]]":
    """Return what `_at_once` does, of a model that knows its scores along a straight line.

    The score of a token is the derivative with respect to its own way from the baseline, summed over the steps: the
    same sum as over its coordinates.
    """
    import torch

    start, tokens, totals = baseline_of(encoded), [], []
    nodes, weights = _nodes(steps, start.device)
    for i, of in enumerate(targets):
        real = encoded.mask[i]
        ends = start[i][real], encoded.embeddings[i][real]
        reached = nodes.unsqueeze(1).repeat(1, len(ends[0])).requires_grad_()
        with torch.enable_grad():
            proba = model.along(*ends, reached).softmax(-1)
            slopes = [torch.autograd.grad(weights @ proba[:, target], reached, retain_graph=target != of[-1])[0]
                      for target in of]
        tokens.append([torch.zeros(len(real)).masked_scatter(real.cpu(), slope.sum(0).cpu()) for slope in slopes])
        with torch.no_grad():
            first, last = model.along(*ends, reached.new_tensor([[0.0], [1.0]]).expand(2, len(ends[0]))).softmax(-1)
        totals.append([float((last - first)[target]) for target in of])
    return tokens, totals


def _nodes(steps: int, device: Any) -> "tuple[torch.Tensor, torch.Tensor]":  # noqa: ANN401 (a torch device)
    """Return the places between 0 and 1 where Gauss-Legendre looks, and their weights."""
    import torch

    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (torch.from_numpy(nodes / 2 + 0.5).to(device, torch.float32),
            torch.from_numpy(weights / 2).to(device, torch.float32))


def _proba(model: WhiteBox) -> "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]":
    def proba(embeddings: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        return model.logits(embeddings, mask).softmax(-1)

    return proba


def baseline_of(encoded: Encoded) -> "torch.Tensor":
    """Return the (n, t, d) reference input: the pad's row at every word, all else as it is."""
    import torch

    words = (encoded.owner >= 0).to(encoded.embeddings.device).unsqueeze(-1)
    return torch.where(words, encoded.pad, encoded.embeddings)


def of_words(encoded: Encoded, tokens: "torch.Tensor", i: int) -> list[float]:
    """Return the score of each word of text i: the sum of its pieces' (t,) scores."""
    import torch

    words = torch.zeros(len(encoded.spans[i]), dtype=tokens.dtype)
    owner = encoded.owner[i].cpu()
    inside = (owner >= 0) & (owner < len(words))
    return words.index_add_(0, owner[inside], tokens[inside]).tolist()


def _rows(model: WhiteBox, encoded: Encoded) -> int:
    """Return how many rows one forward and backward pass may hold."""
    return max(1, getattr(model, "budget", 4096) // (3 * max(encoded.mask.shape[1], 1)))
