"""What all explainers share: cleaning, empty texts, refusals, and one explanation for both of two classes."""

import abc
import contextlib
import dataclasses
from collections.abc import Sequence

from robust_core.classifiers import find_device, prepare_texts
from robust_core.errors import Incompatible
from robust_core.parts import has_parts
from robust_core.protocols import Classifier, HasNetwork, is_white_box
from robust_core.reading import check_reads_pairs
from robust_core.registry import Method, check_parameters, to_record
from robust_core.types import Attribution, Span


@dataclasses.dataclass(frozen=True)
class Explainer(Method, abc.ABC):
    """A way to give each word of a text a score; a member writes `attribute`.

    Attributes:
        signed: Whether a negative score speaks against the class.
        white_box: Whether it needs gradients; otherwise it only asks for probabilities.
        opposed: Whether of two classes one's scores are the other's with the sign turned, as they are for whatever is
            linear in the class probabilities.
        alone: Whether a text's scores are the same whatever other texts are explained along with it.
    """

    signed = True
    white_box = False
    opposed = True
    alone = False

    def __post_init__(self) -> None:
        check_parameters(self)

    @abc.abstractmethod
    def attribute(self, model: Classifier, texts: list[str], targets: list[int]) -> list[Attribution]:
        """Explain cleaned texts that are not empty, each towards its target class; see `explain`."""
        raise NotImplementedError

    def explain(self, model: Classifier, texts: Sequence[str], targets: Sequence[int], *, parts: Sequence[str] = ()
                ) -> list[Attribution]:
        """Explain texts, each towards its target class; words of both parts of a pair get scores.

        Args:
            model: The classifier.
            texts: (n,) texts, single ones or pairs (`Example.text`).
            targets: (n,) class indices.
            parts: Names of the parts of pairs, for whoever draws the explanations.

        Returns:
            (n,) attributions; words past the model's length have no score.

        Raises:
            Incompatible: The explainer needs gradients and the model shows none, or reads no pairs where there is one.
        """
        self.check_model(model)
        if any(map(has_parts, texts)):
            check_reads_pairs(model)
        cleaned = prepare_texts(model, texts)
        full = [i for i, text in enumerate(cleaned) if text]
        with self._lend_threads(model):
            found = self.attribute(model, [cleaned[i] for i in full], [targets[i] for i in full])
        results = [Attribution("", (), (), target, to_record(self), 0.0, 0, 0.0) for target in targets]
        for i, attribution in zip(full, found, strict=True):
            results[i] = attribution
        if parts:
            results = [dataclasses.replace(one, parts=tuple(parts)) if has_parts(one.text) else one for one in results]
        return results

    def check_model(self, model: Classifier) -> None:
        """Refuse a model that shows no gradients where they are needed, before it is asked anything.

        Raises:
            Incompatible: It shows none.
        """
        if self.white_box and not is_white_box(model):
            raise Incompatible(f"{model.id} shows no gradients; {self.title.lower()} needs a white box. Those that "
                               "leave words out (loo, lime, shapley) only ask.")

    def _lend_threads(self, model: Classifier) -> contextlib.AbstractContextManager[None]:
        """Return a context for gradients; where only probabilities are asked for, the model sees to its threads."""
        if not self.white_box:
            return contextlib.nullcontext()
        from robust_core.models.threads import lend_threads

        return lend_threads(find_device(model), model.net if isinstance(model, HasNetwork) else None)

    def explain_classes(self, model: Classifier, texts: Sequence[str]) -> list[list[Attribution]]:
        """Explain texts towards every class.

        Returns:
            (classes, n) attributions. With two classes one explanation serves both, where that is exact.
        """
        n, classes = len(texts), len(model.labels)
        if classes == 2 and self.opposed:
            second = self.explain(model, texts, [1] * n)
            return [[find_opposite(a) for a in second], second]
        found = self.explain(model, [*texts] * classes, [c for c in range(classes) for _ in texts])
        return [found[c * n: (c + 1) * n] for c in range(classes)]

    def attribution(self, text: str, spans: Sequence[Span], scores: Sequence[float], target: int,
                    **values: float) -> Attribution:
        """Return an attribution by this explainer, which promises no sum unless `values` say so."""
        return Attribution(text, tuple(spans), tuple(map(float, scores)), target, to_record(self),
                           **{"gap": float("nan"), **values})  # type: ignore[arg-type]


def find_opposite(attribution: Attribution) -> Attribution:
    """Return the attribution of the other one of two classes."""
    return dataclasses.replace(attribution, scores=tuple(-score for score in attribution.scores),
                               target=1 - attribution.target, total=-attribution.total)


def allow_gap(total: float) -> float:
    """Return the completeness gap that is tolerated: 1 % of the change in probability, at least 0.002."""
    return max(0.01 * abs(total), 0.002)
