"""Saliency: which words speak for a class. Every explainer answers with one signed score a word."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from robust_core.errors import Incompatible
from robust_core.registry import Registry, check_parameters, param, to_record
from robust_core.text import clean
from robust_core.types import Attribution, Encoded, WhiteBox

if TYPE_CHECKING:
    import torch

EXPLAINERS = Registry("explainer", ())


@dataclasses.dataclass(frozen=True)
class Explainer:
    """A way to give each word of a text a score; a member writes `explain`."""

    signed = True
    white_box = True

    def __post_init__(self) -> None:
        check_parameters(self)

    def explain(self, model: WhiteBox, texts: Sequence[str], targets: Sequence[int]) -> list[Attribution]:
        """Explain texts, each towards its target class.

        Args:
            model: The classifier.
            texts: (n,) texts.
            targets: (n,) class indices.

        Returns:
            (n,) attributions; words past the model's length have no score.
        """
        raise NotImplementedError


@EXPLAINERS.register("ig", title="Integrated gradients", source="https://arxiv.org/abs/1703.01365")
@dataclasses.dataclass(frozen=True)
class IntegratedGradients(Explainer):
    """Gradients of the class probability, summed along the way from pads to the text.

    The baseline has the pad's embedding at every word and keeps special tokens and punctuation marks; the scores of
    a word's pieces are added. The gap between the sum of the scores and the change in probability is shown: where it
    exceeds max(1 % of the change, 0.002), the steps are doubled, up to `max_steps`.

    Differs: the FLAT paper does not name its baseline; the pad row meets the gap on far more texts than zeros do.
    """

    steps: int = param(50, "Gauss-Legendre steps to begin with", low=2, high=400)
    max_steps: int = param(400, "Most steps", low=2, high=1600)

    def explain(self, model: WhiteBox, texts: Sequence[str], targets: Sequence[int]) -> list[Attribution]:
        """Explain texts by integrated gradients of the softmax probability."""
        if not hasattr(model, "embed"):
            raise Incompatible(f"{model.id} shows no gradients; integrated gradients needs a white box.")
        cleaned = [clean(text) for text in texts]
        results: list[Attribution | None] = [None] * len(cleaned)
        open_ = [i for i, text in enumerate(cleaned) if text]
        for i in set(range(len(cleaned))) - set(open_):
            results[i] = Attribution("", (), (), targets[i], to_record(self), 0.0, 0, 0.0)
        steps = self.steps
        while open_:
            order = sorted(open_, key=lambda i: len(cleaned[i]))
            again = []
            for start in range(0, len(order), 32):
                chosen = order[start: start + 32]
                found = self._explain(model, [cleaned[i] for i in chosen], [targets[i] for i in chosen], steps)
                for i, attribution in zip(chosen, found, strict=True):
                    results[i] = attribution
                    if attribution.gap > allowed_gap(attribution.total) and steps * 2 <= self.max_steps:
                        again.append(i)
            open_, steps = again, steps * 2
        return [r for r in results if r is not None]

    def _explain(self, model: WhiteBox, texts: list[str], targets: list[int], steps: int) -> list[Attribution]:
        import torch
        from captum.attr import IntegratedGradients as Captum

        encoded = model.embed(texts)
        baseline = baseline_of(encoded)
        mask, wanted = encoded.mask, torch.tensor(targets, device=encoded.embeddings.device)

        def proba(embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return model.logits(embeddings, mask).softmax(-1)

        with torch.enable_grad():
            scores, delta = Captum(proba).attribute(
                encoded.embeddings, baselines=baseline, target=wanted, additional_forward_args=(mask,),
                n_steps=steps, method="gausslegendre", return_convergence_delta=True,
                internal_batch_size=max(len(texts), _rows(model, mask.shape[1])))
        tokens = scores.sum(-1).detach().cpu()
        results = []
        for i, text in enumerate(texts):
            words = torch.zeros(len(encoded.spans[i]), dtype=tokens.dtype)
            owner = encoded.owner[i]
            inside = (owner >= 0) & (owner < len(words))
            words.index_add_(0, owner[inside], tokens[i][inside])
            gap, added = abs(float(delta[i])), float(tokens[i].sum())
            results.append(Attribution(text, tuple(encoded.spans[i]), tuple(words.tolist()), targets[i],
                                       to_record(self), gap, steps, added - float(delta[i])))
        return results


def allowed_gap(total: float) -> float:
    """Return the completeness gap that is tolerated: 1 % of the change in probability, at least 0.002."""
    return max(0.01 * abs(total), 0.002)


def baseline_of(encoded: Encoded) -> "torch.Tensor":
    """Return the (n, t, d) reference input: the pad's row at every word, all else as it is."""
    import torch

    words = (encoded.owner >= 0).to(encoded.embeddings.device).unsqueeze(-1)
    return torch.where(words, encoded.pad, encoded.embeddings)


def _rows(model: WhiteBox, width: int) -> int:
    """Return how many rows of `width` tokens one forward and backward pass may hold."""
    return max(1, getattr(model, "budget", 4096) // (3 * max(width, 1)))
