"""What a lesson's predictions should come to, worked out by the engine alone, without any page."""

import functools

import numpy as np

from robust_core import ATTACKS, EXPLAINERS, Example, load
from robust_core.attacks.careful import CloseSwaps
from robust_core.attacks.presets import read_preset
from robust_core.certify import base_classifiers
from robust_core.certify.certified_accuracy import certify_texts
from robust_core.certify.word_swaps import WordCertifier
from robust_core.explainers.word_importance import read_masks
from robust_core.lessons.steps import Attack, Certificate, Distance, Masks, Reasons
from robust_core.metrics import consistency
from robust_core.resources import stop_words
from robust_core.resources.swap_sets import read_swap_set
from robust_core.text import Draft, align
from robust_core.types import AttackResult
from ui.session import selection

SHORT = ("a", "an")


@functools.cache
def get_model(name: str):
    return load(name, "cpu")


@functools.cache
def attack(model: str, text: str, preset: str = "careful", name: str = "textfooler") -> AttackResult:
    cls = ATTACKS[name]
    events = cls(**read_preset(cls, preset)).run([get_model(model)], [Example(text, None, "typed")], seed=0)
    return next(e.result for e in events if e.result)


def list_swapped(result: AttackResult) -> list[tuple[str, str]]:
    return [(s.old, s.new) for s in result.swaps if s.old.lower() not in SHORT]


def find_truth(step) -> set[str]:
    """Return what is right to predict; of `models` and `changed` the whole set."""
    ask = step.guess.ask
    if isinstance(step, Attack):
        results = {model: attack(model, step.review, step.preset) for model in step.models}
        first = results[step.models[0]]
        if ask == "models":
            return {model for model, result in results.items() if result.status == "succeeded"} or {"none"}
        if ask == "flips":
            return {"yes" if first.status == "succeeded" else "no"}
        return {old.lower() for old, _ in list_swapped(first)}
    if isinstance(step, Reasons):
        found = compare(step)
        if ask == "steadiest":
            return {max(found, key=lambda model: found[model][1])}
        return {model for model, (kind, _) in found.items() if kind == "B"} or {"none"}
    if isinstance(step, Masks):
        words = [word for word in Draft.of(step.review).words if word.lower() not in stop_words()]
        values = read_masks(get_model(step.model), words)
        return {max(values, key=values.__getitem__).lower()}
    if isinstance(step, Certificate):
        certifier = WordCertifier(get_model(step.model), read_swap_set(step.swaps))
        return {"yes" if certifier.certify(step.review).certified else "no"}
    assert isinstance(step, Distance)
    model = base_classifiers.load("sst2")
    row, = certify_texts(model, [step.review], "dssn", [0.5])
    moved = np.abs(model.vectors([step.review])[0] - model.vectors([step.other])[0]).sum()
    return {"yes" if moved <= row["radius_steps"] else "no"}


def compare(step: Reasons) -> dict[str, tuple[str, float]]:
    """Return the case of FLAT's Fig. 1 and Kendall's tau of each model."""
    other = attack(step.models[0], step.review, step.preset).perturbed
    pairs, found = align(Draft.of(step.review).words, Draft.of(other).words), {}
    for name in step.models:
        model = get_model(name)
        before, after = model.predict_proba([step.review, other]).argmax(1)
        a, b = EXPLAINERS[next(iter(EXPLAINERS))]().explain(model, [step.review, other], [int(before)] * 2)
        agreement = consistency(a, b, pairs)
        kept = agreement["kendall_tau"] >= selection.TAU_AT_LEAST and agreement["top_k"][5] >= selection.TOP5_AT_LEAST
        found[name] = ("A" if before != after else "C" if kept else "B", agreement["kendall_tau"])
    return found


def find_idle_swap(step) -> list[tuple[str, str]]:
    """Return a word of a text and a close one that does not change the answer, where there is one."""
    draft, model = Draft.of(step.review), get_model(step.model)
    for i, word in enumerate(draft.words):
        for other in CloseSwaps(draft).at(i):
            text = Draft((*draft.words[:i], other, *draft.words[i + 1:]), draft.gaps).text
            before, after = model.predict_proba([step.review, text]).argmax(1)
            if before == after:
                return [(word, other)]
    return []


def choose_wrong(step, truth: set[str], options: list[str]) -> list[str]:
    """Return a prediction that does not come true."""
    if step.guess.ask in ("models", "changed"):
        others = [each for each in options if each != "none" and {each} != truth]
        return [others[0]]
    return [next(each for each in options if each not in truth)]
