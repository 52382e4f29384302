"""What judgements leave of an attack's success: labels kept, passable English, valid success; each with its error."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from robust_core.judging.items import ORIGINALS, Counts, Group, Item
from robust_core.judging.records import Judged, fold_name, keep_latest, list_judges
from robust_core.metrics import estimate_proportion

MEANING = ("Label kept: the share of judged texts whose label, in the eyes of most judges, is the original's true one; "
           "a tie counts as not kept, and so does an unclear text. Raw success: flips, of all texts attacked that the "
           "model had right before. Valid success = raw success × label kept. ± is one standard error.")


class Verdict(NamedTuple):
    """What most judges say of a text; where as many say one thing as the other, it counts as no.

    Attributes:
        item: The text.
        source: Id of the source that it was drawn from.
        counts: How often the attack that made it succeeded there.
        judges: How many judged it.
        kept: Whether more than half find the true label of the original.
        passable: Whether more than half find it passable English.
    """

    item: Item
    source: str
    counts: Counts
    judges: int
    kept: bool
    passable: bool


class Figure(NamedTuple):
    """A share, 0..1, with its standard error; NaN where there is none."""

    value: float = math.nan
    error: float = math.nan


class Score(NamedTuple):
    """What the judgements on texts of one kind come to.

    Attributes:
        source: Id of the source, empty for all together.
        group: Where the texts come from; None for all adversarial texts together, ORIGINALS for originals.
        texts: How many were judged.
        counts: How often the attack succeeded; zeros for originals, for all together, and where it is not known.
        kept: Label kept.
        passable: Passable English.
        both: Label kept and passable English.
        raw: Success of the attack.
        valid: Success whose label is kept.
    """

    source: str
    group: Group | None
    texts: int
    counts: Counts
    kept: Figure
    passable: Figure
    both: Figure
    raw: Figure
    valid: Figure

    @property
    def adversarial(self) -> bool:
        """Whether it is about adversarial texts."""
        return self.group != ORIGINALS


def decide(judged: Iterable[Judged]) -> list[Verdict]:
    """Return what most judges say of each text, by each judge's last judgement."""
    texts: dict[tuple[str, str], list[Judged]] = {}
    for each in keep_latest(judged):
        texts.setdefault((each.source, each.item.id), []).append(each)
    return [Verdict(own[-1].item, source, own[-1].counts, len(own), _is_most([each.keeps_label for each in own]),
                    _is_most([each.passable for each in own])) for (source, _), own in texts.items()]


def _is_most(flags: Sequence[bool]) -> bool:
    return 2 * sum(flags) > len(flags)


def score_verdicts(verdicts: Sequence[Verdict]) -> list[Score]:
    """Return a score of each attack on each model, of all adversarial texts, and of the originals.

    Args:
        verdicts: What was found of each text.
    """
    flips: dict[tuple[str, Group], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.item.adversarial:
            flips.setdefault((verdict.source, verdict.item.group), []).append(verdict)
    scores = [_score(source, group, own, own[-1].counts) for (source, group), own in sorted(flips.items())]
    if len(scores) > 1:
        scores.append(_score("", None, [verdict for own in flips.values() for verdict in own], Counts()))
    originals = [verdict for verdict in verdicts if not verdict.item.adversarial]
    return scores + ([_score("", ORIGINALS, originals, Counts())] if originals else [])


def _score(source: str, group: Group | None, own: Sequence[Verdict], counts: Counts) -> Score:
    kept, n = sum(verdict.kept for verdict in own), len(own)
    passable, both = (sum(flags) for flags in ([verdict.passable for verdict in own],
                                               [verdict.kept and verdict.passable for verdict in own]))
    raw = Figure(*estimate_proportion(counts.succeeded, counts.attempted))
    valid = Figure(*estimate_valid_success(counts.succeeded, counts.attempted, kept, n))
    return Score(source, group, n, counts, Figure(*estimate_proportion(kept, n)),
                 Figure(*estimate_proportion(passable, n)), Figure(*estimate_proportion(both, n)), raw, valid)


def estimate_valid_success(succeeded: int, attempted: int, kept: int, judged: int) -> tuple[float, float]:
    """Return the share of attacked texts that were flipped with their label kept, and its standard error.

    The value is succeeded / attempted x kept / judged. Its variance has two parts: which texts were attacked, as of a
    proportion, and which of the flips were judged. The second one is 0 where all were, and the error then that of
    kept / attempted.

    Args:
        succeeded: Flips.
        attempted: Texts that were attacked, those aside that the model got wrong before.
        kept: Judged flips whose label is kept.
        judged: Flips that were judged, drawn at random.

    Source: double sampling (Cochran 1977, Sampling Techniques, 12.2); shares of 0 and 1 as in `estimate_proportion`.
    """
    raw, _ = estimate_proportion(succeeded, attempted)
    share, of_judged = estimate_proportion(kept, judged)
    value = raw * share
    if math.isnan(value):
        return math.nan, math.nan
    _, of_attacked = estimate_proportion(value * attempted, attempted)
    unread = 1 - min(judged / succeeded, 1.0) if succeeded else 0.0
    return value, math.hypot(of_attacked, raw * of_judged * math.sqrt(unread))


def score_judges(judged: Sequence[Judged]) -> dict[str, list[Score]]:
    """Return the scores of all judges together, under the empty name, and of each judge where there are several."""
    latest = keep_latest(judged)
    scores = {"": score_verdicts(decide(latest))}
    names = list_judges(latest)
    if len(names) > 1:
        scores |= {name: score_verdicts(decide(each for each in latest if fold_name(each.judge) == folded))
                   for folded, name in names.items()}
    return scores


def to_row(score: Score, judge: str = "") -> dict[str, Any]:
    """Return a score as plain data.

    Args:
        score: The score.
        judge: Whose it is; empty for what most judges say.
    """
    group = score.group or ORIGINALS
    row: dict[str, Any] = {
        "judge": judge, "kind": "adversarial" if score.adversarial else "original", "model": group.model,
        "attack": group.attack, "preset": group.preset, "source": score.source, "texts": score.texts,
        "attempted": score.counts.attempted or None, "succeeded": score.counts.succeeded if score.counts.attempted else
        None}
    figures: Mapping[str, Figure] = {"label_kept": score.kept, "passable": score.passable, "both": score.both,
                                     "success": score.raw, "valid_success": score.valid}
    for name, figure in figures.items():
        row[name], row[f"{name}_se"] = figure
    return row
