"""Explainers that only ask: what does the classifier say when words are taken out of the text?"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core.classifiers import count_readable_words
from robust_core.errors import MissingResource
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer
from robust_core.protocols import Classifier, is_token_classifier
from robust_core.registry import param
from robust_core.text import Draft, Edit
from robust_core.types import Attribution

if TYPE_CHECKING:
    import torch
    from captum.attr import ShapleyValueSampling


class OcclusionQuery:
    """A text of which words can be taken away; the same words are never taken away twice.

    A removed word becomes the tokenizer's mask or unknown id, one for each of its pieces. Of a model that shows no
    tokens the words are deleted.

    Args:
        model: The classifier.
        text: A cleaned text.
        low: Run in bf16 where that is faster.
        shared: What other texts have asked this model in the same precision, by token ids; added to. Where the words
            in which two texts differ are gone, both ask the same.

    Attributes:
        words: How many words the model reads.
    """

    def __init__(self, model: Classifier, text: str, low: bool = False,
                 shared: dict[bytes, np.ndarray] | None = None) -> None:
        self._model, self._draft = model, Draft.of(text)
        self._fast = model if is_token_classifier(model) else None
        self._shared = {} if shared is None else shared
        self._screened = low and self._fast is not None and self._fast.screens
        self._known: dict[bytes, np.ndarray] = {}
        self.spans = self._draft.spans[: count_readable_words(model, text)]
        self.words = len(self.spans)

    def __call__(self, keep: np.ndarray) -> np.ndarray:
        """Return (m, classes) float64 probabilities of the text with only the words kept by the (m, words) bool rows.

        Columns past what the model reads are ignored.
        """
        keep = np.asarray(keep, dtype=bool)[:, : self.words]
        keys = [row.tobytes() for row in np.packbits(keep, axis=1)]
        first = {key: i for i, key in reversed(list(enumerate(keys))) if key not in self._known}
        if first:
            self._known |= dict(zip(first, self._ask(keep[list(first.values())]), strict=True))
        return np.stack([self._known[key] for key in keys]).astype(np.float64)

    def _ask(self, keep: np.ndarray) -> np.ndarray:
        if self._fast is None:
            return self._model.predict_proba([self._without(row) for row in keep])
        rows = self._fast.blanked(self._draft.text, keep)
        keys = [np.asarray(row, dtype=np.int64).tobytes() for row in rows]
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._shared}
        if new:
            options = {"screened": True} if self._screened else {}
            self._shared |= dict(zip(new, self._fast.proba_from_ids(list(new.values()), **options), strict=True))
        return np.stack([self._shared[key] for key in keys])

    def _without(self, keep: np.ndarray) -> str:
        draft = self._draft
        for i in np.flatnonzero(~keep)[::-1].tolist():
            draft = draft.apply(Edit(i, i + 1, ()))
        return draft.text


def _make_queries(model: Classifier, texts: list[str], low: bool) -> dict[str, OcclusionQuery]:
    """Return each distinct text once, so that a text explained towards several classes is asked about once.

    They share their answers: a perturbed text without its swapped words is the original without them.
    """
    shared: dict[bytes, np.ndarray] = {}
    return {text: OcclusionQuery(model, text, low, shared) for text in texts}


@EXPLAINERS.register("lime", title="LIME", source="https://arxiv.org/abs/1602.04938")
@dataclasses.dataclass(frozen=True)
class Lime(Explainer):
    """The weights of a linear model that imitates the classifier on texts with words taken away.

    Each sample lacks a random number of random words, and counts the more the fewer it lacks. The same words are taken
    away for all models and for all texts of as many words, so that models and pairs of texts are not compared on
    different luck. R² says how well the linear model imitates the classifier.

    Differs: lime writes the string UNKWORDZ for a removed word, which falls into pieces; here the word's pieces become
    the tokenizer's mask or unknown id. All words are kept as features (the paper of FLAT needs an order of all).
    """

    samples: int = param(500, "Texts with words taken away", low=50, high=20_000)
    kernel_width: float = param(25.0, "Width of the kernel, in hundredths of cosine distance", low=1.0, high=1000.0)
    seed: int = param(0, "Seed of the words taken away", low=0, high=2**31 - 1)

    def attribute(self, model: Classifier, texts: list[str], targets: list[int]) -> list[Attribution]:
        """Explain texts by a weighted ridge regression on 500 variants."""
        asked = _make_queries(model, texts, low=True)
        return [self._attribute(asked[text], text, target) for text, target in zip(texts, targets, strict=True)]

    def _attribute(self, asked: OcclusionQuery, text: str, target: int) -> Attribution:
        if not asked.words:
            return self.attribution(text, (), (), target)
        # Drawn for all words of the text, of which a model may read fewer.
        masks = draw_lime_masks(len(Draft.of(text).words), self.samples, self.seed)[:, : asked.words]
        proba = asked(masks)
        distances = 100 * (1 - np.sqrt(masks.mean(axis=1)))
        _, weights, fit, _ = _make_lime()(
            functools.partial(_weigh_samples, self.kernel_width)
        ).explain_instance_with_data(
            masks.astype(np.float64), proba, distances, target, asked.words, feature_selection="none"
        )
        scores = np.zeros(asked.words)
        for word, weight in weights:
            scores[word] = weight
        return self.attribution(text, asked.spans, scores.tolist(), target, fit=float(fit))


def _weigh_samples(width: float, distances: np.ndarray) -> np.ndarray:
    return np.sqrt(np.exp(-(distances**2) / width**2))


def _make_lime() -> Callable[..., Any]:
    try:
        from lime.lime_base import LimeBase
    except ImportError:
        raise MissingResource("the package lime", "pip install lime") from None
    return LimeBase


@functools.lru_cache(maxsize=256)
def draw_lime_masks(words: int, samples: int, seed: int) -> np.ndarray:
    """Return (samples, words) bool rows of words to keep; the first keeps all.

    Source: `LimeTextExplainer` of the package lime: a uniform number of words from 1 to all is taken away, drawn
    without replacement, from NumPy's legacy generator; a test compares the two.
    """
    random = np.random.RandomState(seed)  # noqa: NPY002 (what lime draws from)
    masks = np.ones((samples, words), dtype=bool)
    for row, size in enumerate(random.randint(1, words + 1, samples - 1), start=1):
        masks[row, random.choice(range(words), size, replace=False)] = False
    masks.setflags(write=False)
    return masks


@EXPLAINERS.register("loo", title="Leave one out", source="https://arxiv.org/abs/1612.08220")
@dataclasses.dataclass(frozen=True)
class LeaveOneOut(Explainer):
    """How far the class probability falls when a word is taken away alone.

    As many questions as words. What two words say together is missed: take one away and the other still says it.
    """

    def attribute(self, model: Classifier, texts: list[str], targets: list[int]) -> list[Attribution]:
        """Explain texts by taking away each word in turn."""
        from captum.attr import FeatureAblation as Captum

        asked = _make_queries(model, texts, low=False)
        results = []
        for text, target in zip(texts, targets, strict=True):
            words = asked[text].words
            scores = _make_captum(Captum, asked[text], target, perturbations_per_eval=max(words, 1)) if words else []
            results.append(self.attribution(text, asked[text].spans, scores, target))
        return results


@EXPLAINERS.register("shapley", title="Shapley values", source="https://arxiv.org/abs/1705.07874")
@dataclasses.dataclass(frozen=True)
class Shapley(Explainer):
    """What each word adds to the class probability when words are put in one by one, over random orders.

    The scores add up exactly to the change from the text without words to the whole text. The orders are the same for
    all models and for all texts of as many words.
    """

    orders: int = param(25, "Random orders", low=1, high=2000)
    seed: int = param(0, "Seed of the orders", low=0, high=2**31 - 1)

    def attribute(self, model: Classifier, texts: list[str], targets: list[int]) -> list[Attribution]:
        """Explain texts by sampled Shapley values."""
        from captum.attr import ShapleyValueSampling as Captum

        asked = _make_queries(model, texts, low=True)
        results = []
        for text, target in zip(texts, targets, strict=True):
            words = asked[text].words
            if not words:
                results.append(self.attribution(text, (), (), target))
                continue
            scores = _make_captum(self._drawing(Captum, len(Draft.of(text).words)), asked[text], target,
                                  n_samples=self.orders, perturbations_per_eval=words)
            empty, whole = asked[text](np.array([[False] * words, [True] * words]))[:, target]
            total = float(whole - empty)
            results.append(self.attribution(text, asked[text].spans, scores, target, total=total,
                                            gap=abs(float(np.sum(scores)) - total)))
        return results

    def _drawing(self, captum: "type[ShapleyValueSampling]", words: int) -> "Callable[..., ShapleyValueSampling]":
        """Let Captum draw from a generator of our own: the process-wide one belongs to every thread."""
        def orders(num_features: int, num_samples: int) -> Iterator[list[int]]:
            random = np.random.default_rng(self.seed)
            for _ in range(num_samples):
                yield [i for i in random.permutation(words).tolist() if i < num_features]

        def make(forward: Callable[..., "torch.Tensor"]) -> "ShapleyValueSampling":
            method = captum(forward)
            method.permutation_generator = orders
            return method

        return make


def _make_captum(method: Callable[..., Any], asked: OcclusionQuery, target: int, **options: int) -> list[float]:
    """Run one of Captum's perturbation methods on "which words are there", (1, words) ones against zeros."""
    import torch

    def forward(there: "torch.Tensor") -> "torch.Tensor":
        return torch.from_numpy(asked(there.numpy() > 0.5)[:, target])

    ones = torch.ones(1, asked.words, dtype=torch.float64)
    found = method(forward).attribute(ones, baselines=torch.zeros_like(ones), **options)
    return found[0].tolist()
