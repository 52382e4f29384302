"""Outcomes of attacks and explanations that are written down, to see when the engine gives others.

After ENGINE in robust_core/version.py was raised: python -m bench.golden
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.program import check_models, run_program
from robust_core import ATTACKS, EXPLAINERS, datasets, version
from robust_core.attacks.base import Attack
from robust_core.attacks.presets import CAREFUL, read_preset
from robust_core.models import loading
from robust_core.paths import ROOT
from robust_core.registry import from_record, to_record
from robust_core.resources import fingerprints
from robust_core.runs import fingerprint_model
from robust_core.types import Example

FILE = ROOT / "tests" / "attacks" / "golden.json"
RAISE = ("outcomes changed: raise ENGINE in robust_core/version.py, then write the golden set again with "
         "`python -m bench.golden`")
RENEW = "the golden set rests on other files: write it again with `python -m bench.golden`; ENGINE stays. Changed: "
Row = dict[str, Any]
# Scores of words that are kept of an explanation, and how far they may be off: other processors round otherwise.
SCORES, NEAR = 6, 1e-4
CNN, LSTM, MINILM = "sst2/cnn/base", "sst2/lstm/base", "sst2/minilm/base"
# Places in the test split of `reviews`: short and long, one with a contraction, flipped easily and not.
PLACES = (0, 7, 148, 28)
# BERT-Attack needs a model from a hub.
NAMES = [name for name in ATTACKS if name != "bert-attack"]
OF_TEXTATTACK = [n for n in NAMES if ATTACKS[n].__module__.startswith("robust_core.attacks.textattack.")]
# Searches with a population may go on for long on a text that holds.
MOST_QUERIES = 800


def list_cases() -> Iterator[tuple[str, Attack, Sequence[int]]]:
    """Yield what is attacked: model, attack and places of texts."""
    for name in NAMES:
        attack = ATTACKS[name](max_queries=MOST_QUERIES)
        few = name in OF_TEXTATTACK
        yield CNN, attack, PLACES[: 2 if few else 3]
        yield LSTM, attack, PLACES[-2:]
        if name in ("textfooler", "pwws", "bae"):
            yield MINILM, attack, PLACES[:2]
        if CAREFUL in ATTACKS[name].PRESETS:
            yield CNN, ATTACKS[name](**read_preset(ATTACKS[name], CAREFUL), max_queries=MOST_QUERIES), PLACES[:3]


def run_attacks(asked: Sequence[Row], texts: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return rows with what the attacks of today make of the texts that other rows are about."""
    found: dict[str, Row] = {}
    groups: dict[str, list[Row]] = {}
    for row in asked:
        groups.setdefault(json.dumps([row["model"], row["attack"]], sort_keys=True), []).append(row)
    for same in groups.values():
        model, attack = loading.load(same[0]["model"], "cpu"), from_record(ATTACKS, same[0]["attack"])
        examples = [Example(*texts[row["text"]], uid=row["text"]) for row in same]
        for event in attack.run([model], examples, seed=0, similarity=False):
            if event.result is not None:
                r = event.result
                row = make_row(model.id, dict(r.attack), event.uid)
                found[find_key(row)] = row | {"status": r.status, "queries": r.queries, "perturbed": r.perturbed}
    return [found[find_key(row)] for row in asked if find_key(row) in found]


def explain(asked: Sequence[Row], texts: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return rows with the first scores that the explainers of today give the texts of other rows."""
    found = []
    for row in asked:
        explainer, model = from_record(EXPLAINERS, row["explainer"]), loading.load(row["model"], "cpu")
        attribution, = explainer.explain(model, [texts[row["text"]][0]], [row["target"]])
        found.append(row | {"scores": [round(score, 5) for score in attribution.scores[:SCORES]]})
    return found


def make_row(model: str, attack: Mapping[str, Any], text: str) -> Row:
    """Return what an attack is asked."""
    return {"model": model, "attack": dict(attack), "text": text}


def find_key(row: Row) -> str:
    """Return what a row is about: all but its outcome."""
    about = {name: row[name] for name in ("model", "attack", "explainer", "text", "target") if name in row}
    return json.dumps(about, sort_keys=True)


def list_changes(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Return a line for each row whose outcome is another one, or missing."""
    now = {find_key(row): row for row in after}
    lines = []
    for row in before:
        other = now.get(find_key(row), {})
        if not all(_is_same(value, other.get(name)) for name, value in row.items()):
            method = row.get("attack") or row.get("explainer") or {}
            was, is_ = ({name: value for name, value in r.items() if name not in ("model", "attack", "explainer")}
                        for r in (row, other))
            lines.append(f"{method.get('name')} on {row['model']}: {was} -> {is_}")
    return lines


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(math.isclose(a, b, abs_tol=NEAR) for a, b in zip(one, other, strict=True))
    return one == other


def measure() -> dict[str, Any]:
    """Return the golden set of today."""
    reviews = datasets.load("reviews", "test")
    texts = {reviews[place].uid: [reviews[place].text, reviews[place].label] for place in PLACES}
    asked = [make_row(model, to_record(attack), reviews[place].uid) for model, attack, places in list_cases()
             for place in places]
    explained = [{"model": model, "explainer": to_record(EXPLAINERS[name]()), "text": reviews[place].uid, "target": 1}
                 for model, place in ((CNN, PLACES[0]), (LSTM, PLACES[1])) for name in EXPLAINERS]
    return {"engine": version.ENGINE, "rests_on": describe_ground(), "texts": texts,
            "attacks": run_attacks(asked, texts), "explanations": explain(explained, texts)}


def describe_ground() -> dict[str, str]:
    """Return the fingerprints of the models, tables and packages that the golden set rests on."""
    found = fingerprints.describe(sorted({use for _, attack, _ in list_cases() for use in attack.list_uses()}))
    return found | {f"model {name}": fingerprint_model(loading.load(name, "cpu")) for name in (CNN, LSTM, MINILM)}


def advise(old: Mapping[str, Any]) -> str:
    """Return what to do where outcomes are no longer those of a golden set."""
    ground = describe_ground()
    changed = sorted(name for name in ground if old["rests_on"].get(name) != ground[name])
    return RENEW + ", ".join(changed) if changed else RAISE


def read() -> dict[str, Any]:
    """Return the golden set that is written down; attacks are stored once for all of their texts."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    attacks = [{"model": group["model"], "attack": group["attack"], **outcome}
               for group in found["attacks"] for outcome in group["outcomes"]]
    return found | {"attacks": attacks}


def write(made: Mapping[str, Any]) -> None:
    """Write a golden set, an attack or explanation a line."""
    groups: dict[str, Row] = {}
    for row in made["attacks"]:
        about = {"model": row["model"], "attack": row["attack"]}
        group = groups.setdefault(json.dumps(about), about | {"outcomes": []})
        group["outcomes"].append({name: value for name, value in row.items() if name not in about})
    parts = {"attacks": groups.values(), "explanations": made["explanations"]}
    lines = [f'"engine": {made["engine"]}', *(f'"{name}": {json.dumps(made[name], indent=1, ensure_ascii=False)}'
                                              for name in ("rests_on", "texts"))]
    lines += [f'"{kind}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
              for kind, rows in parts.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def check_raised(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Exit if outcomes changed though ENGINE is the same, and so is all that they rest on."""
    changes = [line for kind in ("attacks", "explanations") for line in list_changes(
        [row for row in old[kind] if find_key(row) in {find_key(r) for r in new[kind]}], new[kind])]
    if changes and old["engine"] == new["engine"] and old["rests_on"] == new["rests_on"]:
        sys.exit("\n".join([*changes, RAISE]))


def main() -> None:
    """Write the golden set of today, unless outcomes changed under the same number of the engine."""
    check_models(CNN, LSTM, MINILM)
    made = measure()
    if FILE.is_file():
        check_raised(read(), made)
    write(made)
    print(f"{len(made['attacks'])} attacks and {len(made['explanations'])} explanations in {FILE.name}")


if __name__ == "__main__":
    run_program(main)
