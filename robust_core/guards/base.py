"""What all guards share: fitting to clean texts, what they do to a text, thresholds at a rate of false alarms."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from robust_core.errors import BadInput
from robust_core.protocols import Classifier
from robust_core.registry import Method, check_parameters

# Of fewer texts the quantile of a rate of false alarms says nothing.
FEWEST_TEXTS = 20


@dataclasses.dataclass(frozen=True)
class CleanTexts:
    """Texts that nobody attacked.

    Args:
        train: Texts that say which words there are, and how often.
        dev: Texts that thresholds are chosen on; none of those that are measured later.
    """

    train: Sequence[str] = ()
    dev: Sequence[str] = ()


def _keep(text: str) -> str:
    return text


@dataclasses.dataclass(frozen=True)
class FittedGuard:
    """A guard in front of one model.

    Args:
        clean: From a text to the one that is read in its place; doing so twice changes nothing more.
        flag: Whether a text is taken for adversarial, each judged alone; None where the guard never flags.
        thresholds: What was chosen on clean texts, by name.
    """

    clean: Callable[[str], str] = _keep
    flag: Callable[[str], bool] | None = None
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Guard(Method, abc.ABC):
    """A guard in front of a classifier; a member writes `fit`.

    Attributes:
        uses: What from outside it looks into, by the names of `resources.fingerprints.NAMES`.
        reads_texts: Whether it is fitted to clean texts.
    """

    uses: ClassVar[tuple[str, ...]] = ()
    reads_texts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_parameters(self)

    @abc.abstractmethod
    def fit(self, model: Classifier, texts: CleanTexts) -> FittedGuard:
        """Return the guard as it stands in front of a model, its thresholds chosen on clean texts.

        Raises:
            BadInput: It needs more clean texts.
            MissingResource: A table or model that it looks into is not here.
        """
        raise NotImplementedError

    def list_uses(self) -> tuple[str, ...]:
        """Return what it looks into with its present parameters, by the names of `uses`."""
        return self.uses


def choose_threshold(scores: Sequence[float], false_alarms: float, guard: Guard) -> float:
    """Return the lowest score of clean texts that at most a share of them exceeds: what is above it is flagged.

    Args:
        scores: (n,) scores; NaN counts as one that is never flagged.
        false_alarms: The share, 0..1.
        guard: Whose threshold it is, for the message.

    Raises:
        BadInput: There are too few scores.
    """
    if len(scores) < FEWEST_TEXTS:
        raise BadInput(f"{guard.title} chooses its threshold on clean texts of dev: {FEWEST_TEXTS} are needed, "
                       f"{len(scores)} are here.")
    ordered = np.sort(np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=-np.inf))
    return float(ordered[len(ordered) - 1 - int(false_alarms * len(ordered) + 1e-9)]) if false_alarms < 1 else -np.inf
