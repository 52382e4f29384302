"""Transfer: do the texts that fool one model fool another one too?"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core import metrics
from robust_core.classifiers import predict_labels
from robust_core.events import Event
from robust_core.protocols import Classifier, Flags
from robust_core.types import AttackResult

_EVERY = 32


def evaluate_transfer(source: str, victim: Classifier, results: Sequence[AttackResult],
                      known: Mapping[str, AttackResult], part: str, stop: threading.Event,
                ) -> Iterator[Event | dict[str, Any]]:
    """Let one model judge the texts that an attack made against another model.

    Two figures answer two questions. `accuracy_under_transfer` is the accuracy of the victim on the perturbed texts
    of all examples that came to an end on the source, succeeded or not: where the source was wrong from the start
    (skipped) that text is the original, where the attack failed it is the text as the attack left it. Beside
    `accuracy`, on the originals of the same examples, it says what somebody loses who is attacked through another
    model. `transfer_success_rate` is a share of fewer examples: of the successes on the source whose original the
    victim classified correctly, how many the victim now gets wrong.

    Args:
        source: Id of the model that was attacked.
        victim: The model that judges.
        results: What the attack did to labelled examples on the source.
        known: Results of the victim itself by example uid, whose judgement of the original is used again.
        part: What progress is reported under.
        stop: Ends the judging; there are no columns then.

    Yields:
        "progress" events with part, done and total; at the end a row of columns: adversarial_from, n, accuracy,
        accuracy_under_transfer, transfer_success_rate, each rate with its standard error `*_se`, and transferable, the
        examples behind the last rate, which is NaN without any. Every text is judged alone, as attacks judge their
        outcome. A text that a guard of the victim flags is not read right, and does not fool it.
    """
    ended = [r for r in results if r.status != "stopped"]
    progress = {"part": part, "total": len(ended)}
    # Whether the original is read right, the perturbed text right or wrong (a flagged one is neither), and fooled once.
    outcomes: list[tuple[bool, bool, bool, bool]] = []
    for done, result in enumerate(ended):
        if stop.is_set():
            return
        if done % _EVERY == 0:
            yield Event("progress", result.example.uid, victim.id, progress | {"done": done})
        mine = known.get(result.example.uid)
        before = _predict(victim, result.example.text) if mine is None or isinstance(victim, Flags) else (
            _find_top(mine.before))
        after = before if result.perturbed == result.example.text else _predict(victim, result.perturbed)
        label = result.example.label
        outcomes.append((before == label, after == label, after not in (label, -1), result.status == "succeeded"))
    yield Event("progress", "", victim.id, progress | {"done": len(ended)})
    tried = [wrong for before, _, wrong, succeeded in outcomes if before and succeeded]
    row: dict[str, Any] = {"adversarial_from": source, "n": len(ended), "transferable": len(tried)}
    columns = {
        "accuracy": metrics.estimate_proportion(sum(before for before, *_ in outcomes), len(ended)),
        "accuracy_under_transfer": metrics.estimate_proportion(sum(after for _, after, *_ in outcomes), len(ended)),
        "transfer_success_rate": metrics.estimate_proportion(sum(tried), len(tried)),
    }
    for name, (value, error) in columns.items():
        row[name], row[f"{name}_se"] = value, error
    yield row


def _find_top(proba: Sequence[float]) -> int:
    return max(range(len(proba)), key=lambda i: proba[i])


def _predict(victim: Classifier, text: str) -> int:
    return int(predict_labels(victim, [text])[0])
