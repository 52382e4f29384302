"""TextAttack's greedy search against ours, text by text: python -m bench.parity [--attack pwws] [--n 100] [--json].

Both get the same victim, substitutes or words for a blank, part of speech, sentence encoder and stop words; search,
goal, windows and the order of constraints are TextAttack's own on one side. Sentences are drawn at random until there
are enough of them, enough long ones, and enough whose last step has several successes, so that the choice among these
is tested too. TextAttack's victim judges each text alone, as ours does wherever figures are too close to call.
"""

import argparse
import dataclasses
import itertools
import json
import math
import random
import zlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np

from bench.program import count_by_text, derive_counts, describe_ground, list_counts, name_data, run_program
from robust_core import datasets, encoders
from robust_core.attacks import ATTACKS, a2t, bae, pwws, textfooler, transformations
from robust_core.attacks.engine.word_gradients import measure_gradients
from robust_core.attacks.textattack import parts, recipes
from robust_core.claims.files import write_claim
from robust_core.cleaning import clean
from robust_core.models import loading
from robust_core.registry import to_record
from robust_core.text import Draft, Edit
from robust_core.types import AttackResult, Example

FOUR = "bench/four-classes"
VICTIMS = ("sst2/cnn/base", "sst2/lstm/base", "sst2/minilm/base", FOUR)
LONG, CHUNK = 15, 10
# Which function of which module ranks the words.
RANKING: dict[str, tuple[ModuleType, str]] = {
    "textfooler": (textfooler, "rank_by_deletion"), "pwws": (pwws, "rank_by_saliency"),
    "bae": (bae, "rank_by_deletion"), "a2t": (a2t, "rank_by_gradient")}
# Differences below this are rounding: batches of other shapes give other last bits.
TINY = 2e-6


class FourClasses:
    """A bag of words with four classes: each word has fixed weights made from its letters."""

    id, labels = FOUR, ("north", "east", "south", "west")

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, 4) float32 probabilities; each text is summed alone."""
        return np.stack([self._proba(text) for text in texts])

    def _proba(self, text: str) -> np.ndarray:
        words = Draft.of(clean(text)).words
        weights = [[zlib.crc32(f"{name} {word.lower()}".encode()) / 2**31 - 1 for name in self.labels]
                   for word in words]
        scores = np.exp(2 * np.sum(weights, axis=0)) if weights else np.ones(4)
        return (scores / scores.sum()).astype(np.float32)


@dataclasses.dataclass
class Pair:
    """One sentence attacked by both.

    Args:
        example: The sentence.
        ours: Our result.
        theirs: TextAttack's last text.
        order: Word positions in the order in which TextAttack tried them.
        path: Its texts, the original one first.
        successes: How many candidates of its last step succeeded.
    """

    example: Example
    ours: AttackResult
    theirs: str
    order: list[int]
    path: list[str]
    successes: int

    @property
    def same(self) -> bool:
        """Whether both end at the same text."""
        return self.ours.perturbed == self.theirs

    def flipped(self, model: Any) -> bool:  # noqa: ANN401
        """Whether TextAttack's last text is classified otherwise."""
        return int(model.predict_proba([self.theirs])[0].argmax()) != self.ours.reference_label

    @property
    def long(self) -> bool:
        """Whether the sentence has as many words as the encoder's window."""
        return len(Draft.of(self.example.text).words) >= LONG


class Watched:
    """TextAttack's attack with a record of what it did; watching changes nothing."""

    def __init__(self, name: str, model: Any, encoder: Any) -> None:  # noqa: ANN401
        # Batches of other sizes give other last bits, and TextAttack would decide exact ties by these.
        victim = parts.wrap_victim(lambda texts: np.concatenate([model.predict_proba([t]) for t in texts]), model)
        self._attack = recipes.build_recipe(to_record(ATTACKS[name]()), victim, parts.make_alike(encoder.encode))
        search, goal = self._attack.search_method, self._attack.goal_function
        ranked, asked = getattr(search, "_get_index_order", None), goal.get_results
        moved = search.get_transformations

        def rank(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            assert ranked is not None
            order, over = ranked(*arguments, **options)
            self.order = [int(i) for i in order]
            return order, over

        def ask(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            results, over = asked(*arguments, **options)
            self.successes = sum(r.goal_status == 0 for r in results)
            return results, over

        def move(text: Any, **options: Any) -> Any:  # noqa: ANN401
            if not self.path or self.path[-1] != text.text:
                self.path.append(text.text)
            return moved(text, **options)

        search._get_index_order, search.get_goal_results, search.get_transformations = rank, ask, move

    def __call__(self, text: str, label: int) -> str:
        """Attack a text; return the last one."""
        self.order, self.path, self.successes = [], [], 0
        final = self._attack.attack(text, label).perturbed_result.attacked_text.text
        if not self.path or self.path[-1] != final:
            self.path.append(final)
        return final


def pairs(name: str, model: Any, examples: Sequence[Example], encoder: Any) -> Iterator[Pair]:  # noqa: ANN401
    """Attack the sentences that the model classifies correctly with both; a label of None stands for its own."""
    watched = Watched(name, model, encoder)
    attack = ATTACKS[name]()
    ours = {e.uid: e.result for e in attack.run([model], examples, encoder=encoder) if e.result is not None}
    for example in examples:
        result = ours[example.uid]
        if result.status != "skipped":
            theirs = watched(example.text, result.reference_label)
            yield Pair(example, result, theirs, watched.order, watched.path, watched.successes)


# --- Why two differ ------------------------------------------------------------------------------


def cause(name: str, pair: Pair, model: Any, encoder: Any) -> str:  # noqa: ANN401
    """Return why the two ended at different texts, in a few words."""
    from textattack.shared.utils import words_from_text

    draft, label = Draft.of(pair.example.text), pair.ours.reference_label
    if tuple(words_from_text(draft.text)) != draft.words:
        return "tokenised differently"
    seen: list[list[int]] = []
    module, function = RANKING[name]
    rank = getattr(module, function)

    def watch(*arguments: Any) -> Any:  # noqa: ANN401 (a coroutine)
        order, over = yield from rank(*arguments)
        seen.append(order)
        return order, over

    with mock.patch.object(module, function, watch):
        result = next(e.result for e in ATTACKS[name]().run([model], [pair.example], encoder=encoder)
                      if e.result is not None)
    path = [draft.text, *(step.text for step in result.steps if step.text)]
    if result.perturbed == pair.theirs:
        return "near-tie: alone, ours ends where TextAttack does"
    step = next(k for k in range(max(len(path), len(pair.path))) if path[k:k + 1] != pair.path[k:k + 1])
    before, after = Draft.of(path[step - 1]), [Draft.of(p[min(step, len(p) - 1)]) for p in (path, pair.path)]
    places = [next((i for i, word in enumerate(d.words) if word != before.words[i]), -1) for d in after]
    if places[0] != places[1]:
        return _ranking(name, model, draft, label, seen[0], [i for i in pair.order if i in seen[0]])
    against = draft if name == "bae" else before
    return _choice(name, model, encoder, label, against, after[0], after[1], places[0])


def _ranking(name: str, model: Any, draft: Draft, label: int, ours: list[int], theirs: list[int]) -> str:  # noqa: ANN401
    for a, b in zip(ours, theirs, strict=True):
        if a != b:
            gap = abs(_importance(name, model, draft, label, a) - _importance(name, model, draft, label, b))
            return f"{_size(gap)} in the ranking ({draft.words[a]}, {draft.words[b]})"
    return "unexplained: same ranking, different place"


def _importance(name: str, model: Any, draft: Draft, label: int, i: int) -> float:  # noqa: ANN401
    """Return what a word is ranked by, up to a factor, each text judged alone."""
    def loss(*new: str) -> float:
        return 1.0 - float(model.predict_proba([draft.apply(Edit(i, i + 1, new)).text])[0][label])
    if name == "a2t":
        return float(np.abs(measure_gradients(model, draft.text, label).rows[i]).sum())
    if name != "pwws":
        return loss()
    return math.exp(loss(pwws.UNKNOWN)) * max(loss(word) for word in transformations.list_wordnet_swaps(draft.words[i]))


def _choice(name: str, model: Any, encoder: Any, label: int, before: Draft, ours: Draft, theirs: Draft,  # noqa: ANN401
            place: int) -> str:
    scores = [float(model.predict_proba([d.text])[0][label]) for d in (ours, theirs)]
    if name == "pwws":
        gap = abs(scores[0] - scores[1])
        return f"{_size(gap)} in score ({ours.words[place]}, {theirs.words[place]})"
    window = before.window(place, LONG)
    alike = [float(encoder.encode([d.window(place, LONG)])[0] @ encoder.encode([window])[0]) for d in (ours, theirs)]
    words = f"{ours.words[place]}, {theirs.words[place]}"
    for kind, values in (("score", scores), ("similarity", alike)):
        if abs(values[0] - values[1]) < TINY:
            return f"{_size(abs(values[0] - values[1]))} in {kind} ({words})"
    least = ATTACKS[name]().min_text_similarity
    if min(abs(value - least) for value in alike) < TINY:
        return f"similarity at the threshold ({words})"
    return f"unexplained: {words}; probability {scores}, similarity {alike}"


def _size(gap: float) -> str:
    return "tie" if gap == 0 else f"near-tie {gap:.0e}" if gap < TINY else f"unexplained: difference {gap:.0e}"


# --- Table ---------------------------------------------------------------------------------------


def compare(attack: str, name: str, pool: Sequence[Example], n: int, long: int, several: int) -> dict[str, Any]:
    """Compare on sentences of a pool, in order, until all three counts are reached; return a row of the table."""
    model: Any = FourClasses() if name == FOUR else loading.load(name)
    if name == FOUR:
        pool = [dataclasses.replace(example, label=None) for example in pool]
    encoder, found = encoders.load_default(), []
    chunk = min(CHUNK, max(n // 2, 1))
    for start in range(0, len(pool), chunk):
        found += pairs(attack, model, pool[start: start + chunk], encoder)
        if len(found) >= n and sum(p.long for p in found) >= long and sum(p.successes > 1 for p in found) >= several:
            break
    wrong = [{"uid": p.example.uid, "cause": cause(attack, p, model, encoder), "ours": p.ours.perturbed,
              "theirs": p.theirs} for p in found if not p.same]
    same = len(found) - len(wrong)
    return {"attack": attack, "victim": name, "sentences": len(found), "long": sum(p.long for p in found),
            "several_successes": sum(p.successes > 1 for p in found),
            "flipped": sum(p.ours.status == "succeeded" for p in found),
            "flipped_theirs": sum(p.flipped(model) for p in found), "same": same,
            "share": same / len(found) if found else math.nan, "mismatches": wrong,
            "texts": {p.example.uid: p.same for p in found}}


def claim(rows: Sequence[dict[str, Any]], args: argparse.Namespace) -> None:
    """Write the rows as a claim: the share of sentences for which both find the same text.

    Victims share sentences, so its standard error takes a sentence for a cluster, not for as many trials as victims.
    """
    texts = count_by_text(row["texts"] for row in rows)
    details = {"rows": [{name: value for name, value in row.items() if name != "texts"} for row in rows],
               "texts": list_counts(texts)}
    share, error, all_ = derive_counts("same_text", details)
    attack = ATTACKS[rows[0]["attack"]]
    ground = describe_ground([row["victim"] for row in rows if row["victim"] != FOUR], [("sst2", "test")],
                             [attack.name], args.data_dir)
    write_claim(args.out, claim=f"{attack.title} finds the text that TextAttack's search finds",
                command=f"python -m bench.parity --attack {attack.name} --n {args.n}"
                        + "".join(f" --victim {name}" for name in args.victim or ()) + name_data(args),
                run="", n=all_, seeds=[0], metric="same_text", value=share, value_se=error,
                thresholds=to_record(attack()), details=details, rests_on=ground)


def main() -> None:
    """Print a row for each victim, and each mismatch with its cause."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attack", action="append", choices=RANKING, help="repeatable; TextFooler without it")
    parser.add_argument("--data", default="sst2")
    parser.add_argument("--data-dir")
    parser.add_argument("--victim", action="append", help=f"{', '.join(VICTIMS)} (default: all)")
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--long", type=int, default=60, help=f"least sentences of {LONG} words and more")
    parser.add_argument("--several", type=int, default=30, help="least sentences with several successes at the end")
    parser.add_argument("--most-words", type=int, default=0, help="leave longer sentences out; 0 sets no limit")
    parser.add_argument("--few", type=int, default=0, help="other n for MiniLM")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", help="write the figures to this file")
    args = parser.parse_args()
    attacks = args.attack or ["textfooler"]
    if args.out and len(attacks) > 1:
        parser.error("--out takes the figures of one attack")
    pool = [e for e in datasets.load(args.data, "test", args.data_dir)
            if not args.most_words or len(Draft.of(e.text).words) <= args.most_words]
    random.Random(0).shuffle(pool)
    parts.prepare()
    rows = []
    for attack, name in itertools.product(attacks, args.victim or VICTIMS):
        n = args.few if args.few and "/minilm/" in name else args.n
        rows.append(compare(attack, name, pool, n, min(args.long, n), min(args.several, n)))
        if not args.json:
            row = rows[-1]
            print(f"{name}: {row['same']} of {row['sentences']} the same ({100 * row['share']:.1f} %); {row['long']} of"
                  f" {LONG}+ words, {row['several_successes']} with several successes,"
                  f" {row['flipped']} flipped, {row['flipped_theirs']} by TextAttack")
            for wrong in row["mismatches"]:
                print(f"  {wrong['uid']}: {wrong['cause']}\n    ours   {wrong['ours']}\n    theirs {wrong['theirs']}")
    if args.json:
        print(json.dumps({"results": rows}))
    if args.out:
        claim(rows, args)


if __name__ == "__main__":
    run_program(main)
