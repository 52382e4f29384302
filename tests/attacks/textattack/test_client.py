"""TextAttack's recipes in their own process: what they find, Stop, and what if that process fails."""

import inspect
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers.doubles import SENTIMENT, BagOfWords, WordEncoder

from robust_core import ATTACKS, datasets
from robust_core.attacks.base import Attack
from robust_core.attacks.presets import read_preset
from robust_core.attacks.textattack import client, parts, recipes
from robust_core.errors import BadInput, MissingResource
from robust_core.models import loading
from robust_core.paths import ROOT
from robust_core.registry import parameters, to_record
from robust_core.text import Draft
from robust_core.types import Example

BRIDGED = [name for name in ATTACKS if ATTACKS[name].__module__ == "robust_core.attacks.textattack.attacks"]
HERE = [name for name in BRIDGED if name != "bert-attack"]


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_takes_every_parameter_of_our_attack_and_has_no_default(name):
    engine = {p.name for p in parameters(Attack)}
    taken = list(inspect.signature(recipes.RECIPES[name]).parameters.values())
    assert [p.name for p in taken[:2]] == ["victim", "alike"]
    ours = {p.name for p in parameters(ATTACKS[name]) if not p.later}
    assert {p.name for p in taken[2:]} == ours - engine
    assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in taken[2:])


def test_a_preset_of_ours_is_none_of_textattacks():
    record = to_record(ATTACKS["pwws"](**read_preset(ATTACKS["pwws"], "careful")))
    with pytest.raises(BadInput, match="TextAttack's recipes know no swap_set"):
        recipes.build_recipe(record, None, parts.make_alike(WordEncoder().encode))


def test_a_recipe_is_built_from_the_whole_record(monkeypatch):
    monkeypatch.setattr(recipes, "prepare", lambda: None)
    monkeypatch.setitem(recipes.RECIPES, "textfooler", lambda victim, alike, **given: given)
    record = to_record(ATTACKS["textfooler"](window=7, max_queries=9, time_limit=2.0))
    given = recipes.build_recipe(record, None, parts.make_alike(WordEncoder().encode))
    assert given == {key: value for key, value in record.items() if key not in ("name", "max_queries", "time_limit")}
    assert given["window"] == 7


def run(attack, victims, examples, **options) -> dict:
    """Last events by uid."""
    return {e.uid: e for e in attack.run(victims, examples, encoder=WordEncoder(), **options)
            if e.kind in ("result", "error")}


@pytest.fixture(scope="module")
def cnn():
    return loading.load("sst2/cnn/base")


@pytest.mark.textattack
@pytest.mark.parametrize("name", HERE)
def test_each_recipe_runs_on_short_reviews_under_a_budget(name, cnn):
    reviews = [e for e in datasets.load("reviews", "test") if len(Draft.of(e.text).words) < 15][:3]
    found = run(ATTACKS[name](max_queries=80), [cnn], reviews)
    assert [e.kind for e in found.values()] == ["result"] * 3
    for r in (e.result for e in found.values()):
        assert r.queries <= 80 and r.eligible <= r.queries
        assert r.after == pytest.approx(cnn.predict_proba([r.perturbed])[0], abs=1e-5)
    assert "textattack" not in sys.modules


@pytest.mark.textattack
def test_what_the_recipes_are_known_for():
    victim, text = BagOfWords(), "A good clever movie that isn't dull"
    after = {name: run(ATTACKS[name](), [victim], [Example(text, 1, "u")])["u"].result for name in HERE}
    assert after["checklist"].perturbed == text.replace("isn't", "is not")
    assert [s.old for s in after["pruthi"].swaps] == ["good"]
    assert after["deepwordbug"].status == after["textbugger"].status == "succeeded"
    assert {s.old for s in after["deepwordbug"].swaps} <= {"good", "clever", "movie", "dull"}
    short = after["input-reduction"]
    assert short.status == "succeeded" and short.perturbed_label == short.reference_label
    assert len(Draft.of(short.perturbed).words) < 4


@pytest.mark.textattack
def test_checklist_writes_out_contractions_and_changes_numbers():
    victim = BagOfWords({"it's": 1.0, "3": 1.0})
    for text in ("it's fine", "watch it 3 times"):
        r = run(ATTACKS["checklist"](), [victim], [Example(text, 1, "u")])["u"].result
        assert r.perturbed != text and r.steps[0].candidates >= 1


@pytest.mark.textattack
def test_what_bert_attack_misses_is_said_in_one_line():
    try:
        parts.need_masked_model()
    except MissingResource as error:
        assert "bert-base-uncased" in str(error) and "\n" not in str(error)
    else:
        pytest.skip("the masked language model is here")
    with pytest.raises(MissingResource, match="bert-base-uncased"):
        run(ATTACKS["bert-attack"](), [BagOfWords()], [Example("good", 1, "u")])


@pytest.fixture
def fake(monkeypatch):
    """The bridge with a process that does what a text says, in place of TextAttack's."""
    monkeypatch.setattr(client, "_COMMAND", (sys.executable, str(ROOT / "tests" / "helpers" / "fake_textattack.py")))
    monkeypatch.setattr(client, "_WORKER", None)
    yield ATTACKS["deepwordbug"]()
    if client._WORKER is not None:
        client._WORKER.close()


def victim() -> BagOfWords:
    """A classifier that takes everything for positive that is not bad."""
    return BagOfWords(SENTIMENT, (0.0, 1.0))


@pytest.mark.parametrize("width", [1, 8])
def test_a_process_that_dies_costs_one_example(fake, width):
    texts = ("a good one", "die good", "another good one", "break good", "good")
    found = run(fake, [victim()], [Example(text, 1, text) for text in texts], width=width)
    assert {uid: e.kind for uid, e in found.items()} == {
        text: "error" if text[:3] in ("die", "bre") else "result" for text in texts}
    assert "a new one" in found["die good"].data["message"] and "KeyError" in found["break good"].data["message"]
    assert found["good"].result.perturbed == "bad" and found["good"].result.status == "succeeded"


def test_stop_does_not_wait_for_a_process_that_hangs(fake):
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    found = run(fake, [victim()], [Example(text, 1, text) for text in ("hang good", "good")], stop=stop)
    began = time.perf_counter()
    timer.join()
    assert time.perf_counter() - began < 0.2
    assert {e.result.status for e in found.values()} == {"stopped"}
    hung = client._WORKER
    began = time.perf_counter()
    assert run(fake, [victim()], [Example("good", 1, "u")])["u"].result.perturbed == "bad"
    assert hung is not client._WORKER and not hung.alive
    assert time.perf_counter() - began < 3


def test_a_time_limit_ends_the_search_that_hangs_and_the_next_begins(fake):
    limited = ATTACKS["deepwordbug"](time_limit=1.5)
    found = run(limited, [victim()], [Example(text, 1, text) for text in ("hang good", "good")], width=1)
    assert [e.result.status for e in found.values()] == ["stopped", "succeeded"]


def test_searches_of_several_threads_take_turns(fake):
    found: list[dict] = []
    threads = [threading.Thread(target=lambda k=k: found.append(run(
        fake, [victim()], [Example("good " * (k + i), 1, f"{k}/{i}") for i in range(1, 6)]))) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(e.result.status for events in found for e in events.values()) == ["succeeded"] * 20


def test_the_process_ends_with_its_parent():
    code = ("import os\nfrom robust_core.attacks.textattack import client\n"
            "print(client.get_worker().process.pid, flush=True)\nos._exit(9)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    pid, until = int(done.stdout), time.monotonic() + 60
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        stat = Path(f"/proc/{pid}/stat")
        if stat.is_file() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
            return  # ended; whoever inherited it has not looked yet
        time.sleep(0.05)
    raise AssertionError("the process outlived its parent")
