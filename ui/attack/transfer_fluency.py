"""Transfer and fluency of what an attack found: does a text fool the other models too, and how fluent is it?"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from ui.session.outcome import Outcome, Pair
from ui.shared import catalogue, loaded


class TransferFluency(NamedTuple):
    """Transfer and fluency of one changed text, as far as they are known.

    Attributes:
        fools: For each other model whether the text changes what it says; None while it has not said so.
        perplexity: Pseudo-perplexity of the original and of the changed text, None until both are known.
        trouble: Why there is no pseudo-perplexity.
    """

    fools: Mapping[str, bool | None]
    perplexity: tuple[float, float] | None = None
    trouble: str = ""

    @property
    def waiting(self) -> bool:
        """Whether something is still being worked out."""
        return None in self.fools.values() or (self.perplexity is None and not self.trouble)


def ask_all(outcome: Outcome) -> dict[Pair, TransferFluency]:
    """Return what is known of every changed text and begin to work out the rest; empty while an attack is running."""
    donors = [] if outcome.running else outcome.donors()
    labels = {model: catalogue.find_labels(model) for model in outcome.models} if donors else {}
    return {pair: _ask_one(outcome, pair, [m for m in outcome.models
                                           if m != pair.model and labels[m] == labels[pair.model]])
            for pair in donors}


def is_flipped(outcome: Outcome, pair: Pair) -> bool:
    """Return whether an attack has changed a prediction."""
    result = outcome.results[pair]
    return result.status == "succeeded" and result.perturbed_label != result.reference_label


def _ask_one(outcome: Outcome, pair: Pair, others: Sequence[str]) -> TransferFluency:
    device, text = outcome.asked.device, outcome.results[pair].perturbed
    judged = {m: _ask_fooled(outcome, m, text) for m in others} if is_flipped(outcome, pair) else {}
    fools = {m: fooled for m, fooled in judged.items() if not isinstance(fooled, str)}
    before, trouble = loaded.ask_perplexity(device, outcome.text)
    after, also = loaded.ask_perplexity(device, text)
    both = None if before is None or after is None else (before, after)
    return TransferFluency(fools, both, trouble or also)


def _ask_fooled(outcome: Outcome, model: str, text: str) -> bool | Literal["error"] | None:
    """Return whether a model that was right about the original is wrong about a text; "error" where nobody can say.

    Without a true label a model is right about the original whatever it says.
    """
    device = outcome.asked.device
    (before, wrong), (after, wrong_too) = (loaded.judge(model, device, each) for each in (outcome.text, text))
    if wrong or wrong_too:
        return "error"
    if before is None or after is None:
        return None
    first, last = (proba.index(max(proba)) for proba in (before, after))
    label = catalogue.find_label(model, outcome.asked.label)
    return "error" if label not in (None, first) else last != first
