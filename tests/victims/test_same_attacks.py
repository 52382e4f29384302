"""The same model here, behind HTTP and as a function: the same attacks and explanations; a kill asks nothing twice."""

import collections
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.doubles import BagOfWords, WordEncoder
from helpers.endpoints import run_endpoint, serve_model

import robust_core
from robust_core import ATTACKS, EXPLAINERS, Example
from robust_core.environment import child_environment
from robust_core.errors import Incompatible
from robust_core.paths import ROOT
from robust_core.victims.opening import open_victim
from robust_core.victims.spending import Spending

TEXTS = ["A clever, moving film with a wonderful cast.", "Dull, badly acted and far too long.",
         "It is not without its charms, but the story never quite works.",
         "the acting is fine and the script, at best, is ordinary"]


@pytest.fixture(scope="module")
def model():
    """A shipped model."""
    return robust_core.load("sst2/cnn/base", "cpu")


@pytest.fixture
def victims(model, tmp_path, monkeypatch):
    """A model here, behind HTTP, and as a function."""
    monkeypatch.chdir(tmp_path)
    name = f"same_{tmp_path.name.replace('-', '_')}"
    Path(f"{name}.py").write_text("LABELS = ('negative', 'positive')\nMODEL = None\n"
                                  "def judge(texts): return [MODEL.predict_proba([t])[0] for t in texts]\n")
    function = open_victim(f"{name}:judge")
    sys.modules[name].MODEL = model
    with run_endpoint(serve_model(model)) as endpoint:
        Path("films.json").write_text(json.dumps({"url": endpoint.url, "labels": list(model.labels), "batch": 7}))
        yield [model, open_victim(f"{endpoint.url}#negative,positive"), open_victim("films.json"), function]


def strip(result):
    """What an attack found, without who was asked, when and through which door."""
    return (result.perturbed, result.status, result.swaps, result.queries, result.before, result.after)


@pytest.mark.parametrize("name", ["textfooler", "pwws", "gene"])
def test_the_same_model_gives_the_same_attack_texts(victims, name):
    attack = ATTACKS[name](max_queries=200)
    examples = [Example(text, None, str(i)) for i, text in enumerate(TEXTS)]
    found = {victim.id: {} for victim in victims}
    for event in attack.run(victims, examples, seed=1, encoder=WordEncoder()):
        assert event.kind != "error", event.data
        if event.result is not None:
            found[event.victim][event.uid] = strip(event.result)
    first, *others = found.values()
    assert len(first) == len(TEXTS) and any(text[0] != TEXTS[int(uid)] for uid, text in first.items())
    for other in others:
        assert other == first


def test_explainers_that_only_ask_explain_and_others_refuse_in_one_line(victims):
    here, *elsewhere = victims
    del here
    for name, few in (("loo", {}), ("lime", {"samples": 60})):
        kinds = [EXPLAINERS[name](**few).explain(victim, TEXTS[:1], [1])[0] for victim in elsewhere]
        assert len(kinds[0].scores) == 8 and np.ptp(kinds[0].scores) > 0
        assert all(kind.scores == kinds[0].scores for kind in kinds)
    with pytest.raises(Incompatible, match="shows no gradients"):
        EXPLAINERS["ig"]().explain(elsewhere[0], TEXTS[:1], [1])


def test_texts_of_several_searches_are_judged_in_one_call(model):
    with run_endpoint(serve_model(model)) as endpoint:
        victim = open_victim(f"{endpoint.url}#negative,positive")
        examples = [Example(text, None, str(i)) for i, text in enumerate(TEXTS)]
        list(ATTACKS["pwws"](max_queries=1).run([victim], examples, similarity=False))
    assert endpoint.bodies[0] == {"texts": TEXTS}


def test_labels_only_is_said_in_every_result(tmp_path):
    model = BagOfWords()

    def answer(body):
        return {"labels": [model.labels[int(row.argmax())] for row in model.predict_proba(body["texts"])]}

    with run_endpoint(answer) as endpoint:
        (tmp_path / "films.json").write_text(json.dumps(
            {"url": endpoint.url, "labels": ["negative", "positive"], "answers": "labels", "label": ""}))
        victim = open_victim(str(tmp_path / "films.json"))
        result, = (event.result for event in ATTACKS["pwws"]().run(
            [victim], [Example("a good film", None, "0")], encoder=WordEncoder()) if event.result)
    assert set(result.before) == {0.0, 1.0} and any("labels only" in note for note in result.notes)


def test_an_attack_ends_exactly_at_a_ceiling_and_goes_on(model, tmp_path):
    examples = [Example(text, None, str(i)) for i, text in enumerate(TEXTS)]
    attack, asked = ATTACKS["pwws"](), []
    with run_endpoint(serve_model(model)) as endpoint:
        for most in (5, 5, 5, None):
            spending = Spending(max_calls=most)
            victim = open_victim(f"{endpoint.url}#negative,positive", spending)
            events = list(attack.run([victim], examples, encoder=WordEncoder(), stop=spending.stop))
            asked.append(endpoint.calls)
            assert spending.calls == endpoint.calls - sum(asked[-2:-1])
    assert asked[:3] == [5, 10, 15] and asked[3] > 15
    alone = {e.uid: strip(e.result) for e in attack.run([model], examples, encoder=WordEncoder()) if e.result}
    assert {e.uid: strip(e.result) for e in events if e.result} == alone
    assert max(collections.Counter(endpoint.texts).values()) == 1


SCRIPT = """
import json, sys
from robust_core import ATTACKS, Example
from robust_core.registry import to_record
from robust_core.store import ResultStore, Run
from robust_core.victims.opening import open_victim

victim, attack, store = open_victim(sys.argv[1]), ATTACKS["pwws"](), ResultStore()
run = store.open_run(Run(to_record(attack), {victim.id: victim.fingerprint}, {}, 0, {}, "cpu"))
done = {uid for uid, _ in store.done(run)}
examples = [Example(text, None, str(i)) for i, text in enumerate(json.loads(sys.argv[2])) if str(i) not in done]
for event in attack.run([victim], examples, width=1, similarity=False):
    if event.result is not None:
        store.append(run, event.result)
print(len(done), json.dumps({r.example.uid: [r.perturbed, r.queries] for r in store.results(run)}))
"""


def test_a_kill_and_a_new_start_ask_no_text_twice(model, own_runs):
    with run_endpoint(serve_model(model)) as endpoint:
        name = f"{endpoint.url}#negative,positive"
        words = [sys.executable, "-c", SCRIPT, name, json.dumps(TEXTS)]
        environment = child_environment(ROBUST_RUNS=str(own_runs))
        answer = endpoint.answer

        def kill_asker(body):
            if len(endpoint.texts) <= 200:
                return answer(body)
            # In the middle of a question, whose answer never comes.
            first.kill()
            raise ConnectionError

        endpoint.answer = kill_asker
        first = subprocess.Popen(words, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first.communicate(timeout=120)
        assert first.returncode == -9
        before, endpoint.answer = len(endpoint.texts), answer
        second = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120,
                                check=False)
        assert second.returncode == 0, second.stderr[-1000:]
    assert before > 200 and len(endpoint.texts) > before
    assert max(collections.Counter(endpoint.texts).values()) == 1
    done, _, found = second.stdout.partition(" ")
    examples = [Example(text, None, str(i)) for i, text in enumerate(TEXTS)]
    local = {e.uid: [e.result.perturbed, e.result.queries]
             for e in ATTACKS["pwws"]().run([model], examples, similarity=False) if e.result}
    assert int(done) > 0 and json.loads(found) == local
