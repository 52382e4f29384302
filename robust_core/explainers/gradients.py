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
        """Explain texts by integrated gradients of the softmax probability."""
        results: dict[int, Attribution] = {}
        open_, steps = list(range(len(texts))), self.steps
        while open_:
            order = sorted(open_, key=lambda i: len(texts[i]))
            again = []
            for start in range(0, len(order), _CHUNK):
                chosen = order[start: start + _CHUNK]
                found = self._attribute(model, [texts[i] for i in chosen], [targets[i] for i in chosen], steps)
                for i, attribution in zip(chosen, found, strict=True):
                    results[i] = attribution
                    if attribution.gap > allowed_gap(attribution.total) and steps * 2 <= self.max_steps:
                        again.append(i)
            open_, steps = again, steps * 2
        return [results[i] for i in range(len(texts))]

    def _attribute(self, model: Any, texts: list[str], targets: list[int], steps: int) -> list[Attribution]:  # noqa: ANN401
        encoded = model.embed(texts)
        way = _along if getattr(model, "straight", False) else _by_captum
        tokens, totals = way(model, encoded, targets, steps)
        gaps = (tokens.sum(-1) - totals).abs().tolist()
        return [self.attribution(text, encoded.spans[i], of_words(encoded, tokens, i), targets[i], gap=gaps[i],
                                 steps=steps, total=float(totals[i])) for i, text in enumerate(texts)]


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
                results[i] = self.attribution(texts[i], encoded.spans[place], of_words(encoded, tokens, place),
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


def _along(model: Any, encoded: Encoded, targets: list[int], steps: int) -> "tuple[torch.Tensor, torch.Tensor]":  # noqa: ANN401
    """Return what `_by_captum` does, of a model that knows its scores along a straight line.

    The score of a token is the derivative with respect to its own way from the baseline, summed over the steps: the
    same sum as over its coordinates.
    """
    import torch

    start, device = baseline_of(encoded), encoded.embeddings.device
    nodes, weights = (torch.from_numpy(values / 2).to(device, torch.float32)
                      for values in np.polynomial.legendre.leggauss(steps))
    tokens, totals = torch.zeros(encoded.mask.shape), torch.zeros(len(targets))
    for i, target in enumerate(targets):
        real = encoded.mask[i]
        ends = start[i][real], encoded.embeddings[i][real]
        reached = (nodes + 0.5).unsqueeze(1).repeat(1, len(ends[0])).requires_grad_()
        with torch.enable_grad():
            proba = model.along(*ends, reached).softmax(-1)[:, target]
            slopes, = torch.autograd.grad(weights @ proba, reached)
        tokens[i, real.cpu()] = slopes.sum(0).cpu()
        with torch.no_grad():
            first, last = model.along(*ends, reached.new_tensor([[0.0], [1.0]]).expand(2, len(ends[0]))).softmax(-1)
        totals[i] = (last - first)[target]
    return tokens, totals


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
    """Return the score of each word of text i: the sum of its pieces' (n, t) scores."""
    import torch

    words = torch.zeros(len(encoded.spans[i]), dtype=tokens.dtype)
    owner = encoded.owner[i].cpu()
    inside = (owner >= 0) & (owner < len(words))
    return words.index_add_(0, owner[inside], tokens[i][inside]).tolist()


def _rows(model: WhiteBox, encoded: Encoded) -> int:
    """Return how many rows one forward and backward pass may hold."""
    return max(1, getattr(model, "budget", 4096) // (3 * max(encoded.mask.shape[1], 1)))
