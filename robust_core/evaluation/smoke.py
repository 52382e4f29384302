"""A smoke attack: one sentence, one attack, a shipped model of each kind, and whether what comes of it is as known."""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput
from robust_core.evaluation.outcomes import FLIPPED, HELD, name_outcome
from robust_core.models import loading
from robust_core.models.cards import Card
from robust_core.paths import CHECKPOINTS
from robust_core.resources.swap_sets import read_swap_set
from robust_core.types import Example

# What is known was measured on this sentence; each model is far from its other answer, so that no rounding of
# another processor changes what comes out.
SENTENCE = "Not even the lovely island scenery can save this soggy romance."
SECONDS = 10.0
_ATTACK, _PRESET, _SWAPS = "textfooler", "careful", "careful"
_ADVICE = ("Install again in a new environment (pip install --require-hashes -r requirements-hashes.txt); if it stays, "
           "restore robust_core/ and checkpoints/.")
_SLOW = f"the {SECONDS:.0f} seconds were over; this machine is busy or slow, so try again"


class Known(NamedTuple):
    """What is known to come of the attack.

    Attributes:
        model: Id of the attacked model.
        outcome: flipped or held.
        proved: Whether it is proved as well that no swaps flip it.
    """

    model: str
    outcome: str
    proved: bool = False


KNOWN = (Known("sst2/cnn/base", FLIPPED), Known("sst2/lstm/base", HELD),
         Known("sst2/cnn-retrofitted/base", HELD), Known("sst2/lstm-retrofitted/base", HELD),
         Known("sst2/minilm/base", HELD),
         Known("sst2/additive/close", HELD, True), Known("sst2/cnn/core", HELD, True),
         Known("sst2/minilm/core", HELD, True))


def list_known(cards: Iterable[Card]) -> list[Known]:
    """Return what is known of the shipped models among these; of others nothing is."""
    shipped = {card.id for card in cards if card.folder.is_relative_to(CHECKPOINTS)}
    return [known for known in KNOWN if known.model in shipped]


def check_attack(known: Known, device: str, deadline: float) -> str:
    """Attack the sentence on a model and return what came of it in a few words; a slow machine is no fault.

    Args:
        known: The model, and what must come of it.
        device: auto, cpu, cuda, mps.
        deadline: When it must have ended, in seconds of `time.monotonic`.

    Raises:
        BadInput: Something else came of it; the message says what to do.
        RobustError: The model, or something that the attack needs, is missing or damaged.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        return f"not tried: {_SLOW}"
    attack_class = ATTACKS[_ATTACK]
    values: dict[str, Any] = attack_class.PRESETS[_PRESET] | {"time_limit": left}
    attack = attack_class(**values)
    began = time.monotonic()
    model = loading.load(known.model, device)
    last = list(attack.run([model], [Example(SENTENCE)], seed=0))[-1]
    if last.result is not None and last.result.status == "stopped":
        return f"not done: {_SLOW}"
    if last.result is None:
        raise BadInput(f"the attack broke: {last.data['message']} {_ADVICE}")
    found = name_outcome(last.result)
    if known.proved:
        from robust_core.certify.word_swaps import WordCertifier

        proved = WordCertifier(model, read_swap_set(_SWAPS)).certify(SENTENCE).certified
        found += " and proved" if proved else ", not proved"
    expected = known.outcome + (" and proved" if known.proved else "")
    if found != expected:
        raise BadInput(f"{found}; {expected} was expected. {_ADVICE}")
    return f"{found}, as expected, in {time.monotonic() - began:.1f} s"
