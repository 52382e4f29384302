"""Every native attack on a real model and the packed tables: texts at the edge of what people type, and all budgets."""

import pytest

from robust_core import ATTACKS
from robust_core.cleaning import clean
from robust_core.models import loading
from robust_core.resources import stop_words
from robust_core.text import Draft
from robust_core.types import Example

SENTENCE = "the film is a warm and funny story about people who never quite find what they want "
TEXTS = {
    "400 words": clean(" ".join((SENTENCE * 30).split()[:400])), "one word": "wonderful",
    "stop words": "it is what it was and that is it", "unknown words": "zxqv blorf wuzzle grompf",
    "no words": "!!!", "capitals": "A GREAT, GREAT FILM!", "other signs": "great \U0001f600 film \u2014 tr\u00e8s bon",
}
NATIVE = [
    name for name, attack in ATTACKS.items() if not attack.__module__.startswith("robust_core.attacks.textattack.")
]


@pytest.fixture(scope="module")
def victim():
    return loading.load("sst2/cnn/base", "cpu")


@pytest.mark.parametrize("budget", [1, 2, 7, 60, 400])
@pytest.mark.parametrize("name", NATIVE)
def test_every_text_ends_with_a_result_within_the_budget(name, budget, victim):
    examples = [Example(text, None, uid) for uid, text in TEXTS.items()]
    events = list(ATTACKS[name](max_queries=budget).run([victim], examples))
    assert not [e.data for e in events if e.kind == "error"]
    found = {e.uid: e.result for e in events if e.result}
    assert list(TEXTS) == sorted(found, key=list(TEXTS).index)
    for uid, r in found.items():
        proba = victim.predict_proba([r.perturbed])[0]
        assert r.queries <= budget and r.after == pytest.approx(tuple(proba), abs=1e-6)
        assert (r.status == "succeeded") == (proba.argmax() != r.reference_label)
        assert r.status in ("succeeded", "failed", "exhausted")
        reach = victim.readable_words(TEXTS[uid])
        tail = Draft.of(TEXTS[uid]).words[reach:]
        assert Draft.of(r.perturbed).words[len(Draft.of(r.perturbed).words) - len(tail):] == tail
    assert found["no words"].status == "failed" and found["no words"].queries == 1
    if name not in ("clare", "bad-characters", "ensemble"):
        assert found["stop words"].queries == 1
        for r in found.values():
            assert not {swap.old.lower() for swap in r.swaps} & stop_words()
