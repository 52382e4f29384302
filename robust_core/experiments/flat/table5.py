"""FLAT, Table 5: what the two regularisers do, on LSTM, SST-2 and TextFooler."""

import threading
from collections.abc import Iterator, Sequence

from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Claim, Experiment, Options, Subject
from robust_core.experiments.budgets import plan_training
from robust_core.experiments.comparison import CLEAN, compare_models, write_comparison_table
from robust_core.protocols import Classifier, HasNetwork, WeighsWords
from robust_core.store import ResultStore
from robust_core.text import Draft
from robust_core.types import Example

# (name, what is set, clean accuracy, accuracy under attack), the figures in percent.
PAPER: tuple[tuple[str, dict[str, float], float, float], ...] = (
    ("", {"beta": 0.1, "gamma": 0.001}, 84.79, 17.76),
    ("flat-textfooler-gamma0", {"beta": 0.1, "gamma": 0.0}, 83.96, 9.99),
    ("flat-textfooler-beta0", {"beta": 0.0, "gamma": 0.001}, 84.34, 8.18),
    ("flat-textfooler-beta0-gamma0", {"beta": 0.0, "gamma": 0.0}, 84.40, 8.35))


@EXPERIMENTS.register("flat/table5", title="FLAT, Table 5", source="https://arxiv.org/abs/2203.12709")
class FlatTable5(Experiment):
    """FLAT without its regularisers: the weight of the masks' entropy (beta) and of the importance gap (gamma) at zero.

    Differs: half of the training texts are attacked in two rounds, in the paper all in three to five; one training
    each.

    The mean importance phi of the test set's words stands beside it: the paper says that all masks are close to 1
    where beta is 0.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return base and the four settings."""
        base = Subject(plan_training("sst2", "lstm"), ("textfooler",), {CLEAN: 84.40, "textfooler": 5.05})
        return [base, *(Subject(
            plan_training("sst2", "lstm", "flat", attack="textfooler", **({"name": name} if name else {}), **weights),
            ("textfooler",), {CLEAN: clean, "textfooler": attacked}) for name, weights, clean, attacked in PAPER)]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Measure the models and their masks."""
        yield from compare_models(self, self.subjects(), options, store, stop, measure_mean_importance)

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a setting."""
        return write_comparison_table(self, found, "FLAT paper", {}, {"phi": "Mean phi"})


def measure_mean_importance(model: Classifier, examples: Sequence[Example]) -> dict[str, float]:
    """Return phi, the mean importance of the words of texts, every occurrence counted; nothing without word masks."""
    if not (isinstance(model, WeighsWords) and isinstance(model, HasNetwork)) or model.net is None or (
            model.net.masks is None):
        return {}
    words = [word for example in examples for word in Draft.of(example.text).words]
    known = dict.fromkeys(words)
    phi = dict(zip(known, map(float, model.word_importance(list(known))), strict=True))
    return {"phi": sum(phi[word] for word in words) / len(words)}
