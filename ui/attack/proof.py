"""What is proved of a text on the Attack page, beside what an attack tried."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from robust_core.attacks.careful import CLOSE
from robust_core.types import AttackResult
from ui.attack.story import Proof
from ui.session.outcome import Outcome, Pair
from ui.shared import loaded, word_proof

if TYPE_CHECKING:
    from robust_core.certify.word_swaps import WordCertificate


def find_proof(now: Outcome, pair: Pair) -> Proof | None:
    """Return what is proved of the text on a card; None where its model has no certificate in words."""
    from robust_core.certify.word_swaps import has_certificate

    result = now.results.get(pair)
    if result is None or result.status == "skipped":
        return None
    model, _ = loaded.get_model(pair.model, now.asked.device)
    if model is None or not has_certificate(model):
        return None
    name = choose_swap_set(result.attack)
    if not name:
        return None
    found = word_proof.certify_text(pair.model, loaded.fingerprint_model(pair.model), name, result.example.text, model)
    return Proof(found.certified, write_proof(found, name, result))


def choose_swap_set(attack: Mapping[str, Any]) -> str:
    """Return the name of the swap set that the words of an attack come from, or the widest one.

    Nothing where a set was given to the attack: the record names it, but what is in a file is not known here.
    """
    if "swaps" in attack:
        return ""
    return "careful" if attack.get("swap_set") == CLOSE else "wide"


def write_proof(found: "WordCertificate", swap_set: str, result: AttackResult) -> str:
    """Write what is proved of a text as one or two sentences."""
    more = f"The attack asked {result.queries:,} times." if found.certified else \
        f"Most dangerous text: “{found.worst_text}”"
    return f"{word_proof.write_verdict(found, swap_set)} {more}"
