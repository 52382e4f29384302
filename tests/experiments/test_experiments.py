"""Experiments of the papers: what is measured, what is resumed, and the table beside the paper's figures."""

import json
import threading
import types
from pathlib import Path

import pytest
from helpers.doubles import BagOfWords, Counting
from helpers.experiments import MODELS, Greedy
from helpers.pages import card

from robust_core import trainings
from robust_core.claims import files
from robust_core.claims.files import write_claim
from robust_core.errors import BadInput, MissingResource
from robust_core.experiments import EXPERIMENTS, comparison, measurement_tables
from robust_core.experiments.base import Experiment, Options
from robust_core.experiments.flat import table4
from robust_core.experiments.flat.table5 import measure_mean_importance
from robust_core.paths import ROOT
from robust_core.store import ResultStore
from robust_core.types import Example


def claims(tmp_path: Path, *attacks: str, stop: threading.Event | None = None, **changes) -> list[dict]:
    """Run flat/table4 and return its claims."""
    options = Options(attacks=attacks, data_dir=str(tmp_path / "data"), **changes)
    events = EXPERIMENTS["flat/table4"]().run(options, ResultStore(tmp_path / "runs"), stop or threading.Event())
    return [dict(event.data) for event in events if event.kind == "claim"]


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_every_experiment_describes_itself(name):
    cls = EXPERIMENTS[name]
    assert issubclass(cls, Experiment) and cls.__doc__ and cls.title and cls.source.startswith("https://")
    assert cls().table([]) == ""


def test_the_plan_spends_less_on_costly_attacks(models):
    cells = {(c.model, c.attack): (c.n, c.max_queries) for c in table4.FlatTable4().cells(Options())}
    assert len(cells) == 14
    assert cells[MODELS[0], "textfooler"] == cells[MODELS[1], "bae"] == (None, 0)
    assert cells[MODELS[0], "clare"] == (300, 5000) and cells[MODELS[1], "clare"] == (100, 5000)


def test_the_papers_figures_are_whole():
    assert all(len(figures) == len(table4.ATTACKED) for figures in table4.PAPER.values())
    assert table4._find_paper("sst2/cnn/flat-textfooler", "gene") == 55.02
    assert table4._find_paper("sst2/lstm/base", "bae") == 36.52
    assert table4._find_paper("sst2/lstm/flat-pwws", "bae") is None


def test_claims_and_table(models, tmp_path):
    made = claims(tmp_path, "textfooler", "gene")
    assert [(c["details"]["model"], c["details"]["attack"]) for c in made] == [
        (m, a) for a in ("textfooler", "gene") for m in MODELS]
    # Bad for good: the first model holds two of four texts (those without "good"), the one that leans to positive
    # is wrong about "a bad movie" only where 2 x -2 + 4 > 0, which is a tie it loses to none.
    first = made[0]
    assert (first["value"], first["n"], first["seeds"]) == (0.5, 4, [0])
    assert first["value_se"] == pytest.approx(0.25)
    assert first["thresholds"]["new"] == "bad" and made[2]["thresholds"]["max_queries"] == 5000
    for claim in made:
        write_claim(tmp_path / "claims" / EXPERIMENTS["flat/table4"]().file(claim), **claim)
    found = files.read_claims(tmp_path / "claims")
    assert len(found) == 4
    table = EXPERIMENTS["flat/table4"]().table(found)
    assert "| `sst2/cnn/base` | 50.0 ± 25.0 †1<br>n 4, " in table
    assert "\n†1: 100 % of the successes rest on swaps" in table
    assert "Gene (≤ 5,000 queries)" in table
    assert "| *FLAT paper, BERT-base* | *4.72* | *11.70* |" in table
    assert measurement_tables.write_accuracy_table(found).count("sst2/cnn/base") == 0


def test_what_is_stored_is_not_asked_again(models, tmp_path):
    made = claims(tmp_path, "textfooler")
    asked = {name: model.asked for name, model in models.items()}
    again = claims(tmp_path, "textfooler")
    assert {name: model.asked for name, model in models.items()} == asked
    assert [c["value"] for c in again] == [c["value"] for c in made]


def test_a_stopped_run_claims_nothing(models, tmp_path):
    stop = threading.Event()
    stop.set()
    assert claims(tmp_path, "textfooler", stop=stop) == []


def test_an_attack_that_cannot_run_leaves_the_others(models, tmp_path, monkeypatch):
    def search(self, target, rng):
        raise MissingResource("the table of synonyms", "Build it.")
        yield

    monkeypatch.setattr(Greedy, "search", search)
    made = claims(tmp_path, "textfooler", "gene")
    assert {c["details"]["attack"] for c in made} == {"textfooler"}


def test_nothing_is_claimed_of_trainings_that_are_not_here(models, tmp_path):
    events = list(EXPERIMENTS["flat/table4"]().run(
        Options(2, MODELS[:1], ("textfooler",), 2, str(tmp_path / "data")), ResultStore(tmp_path / "runs"),
        threading.Event()))
    assert [(e.kind, e.data["message"]) for e in events] == [
        ("missing", "Not here, so nothing is claimed that rests on it: sst2/cnn/base@1. Train with python -m "
                    "robust_core train")]
    claim, = claims(tmp_path, "textfooler", models=MODELS[:1], n=2)
    assert claim["n"] == 2 and claim["seeds"] == [0]
    assert claim["command"].endswith("--attack textfooler --n 2 --data-dir DATA")


@pytest.mark.parametrize("name", ["flat/table2", "flat/table3", "carl-rar/table2"])
def test_a_claim_of_three_seeds_needs_three_trainings(models, tmp_path, name):
    subject = EXPERIMENTS[name]().subjects()[0].id if name != "carl-rar/table2" else "sst2/minilm/base"
    options = Options(3, (subject,), data_dir=str(tmp_path / "data"))
    events = list(EXPERIMENTS[name]().run(options, ResultStore(tmp_path / "runs"), threading.Event()))
    assert [e.kind for e in events] == ["missing"]
    message = events[0].data["message"]
    assert f"{subject}@1, {subject}@2. Train with python -m robust_core reproduce {name} --model {subject}" in message
    assert message.endswith("--seeds 3 --train")


def test_what_it_does_not_have_is_refused(models, tmp_path):
    with pytest.raises(BadInput, match="no attack 'none'"):
        claims(tmp_path, "none")
    with pytest.raises(BadInput, match="no model 'none'"):
        claims(tmp_path, models=("none",))


# --- Defences beside their base models -------------------------------------------------------------

PLANS = sorted((ROOT / "bench" / "plans").glob("*.json"))
# Models beside those of the papers' tables; no experiment plans them.
BESIDE = ("sst2-retrofitted", "sst2-flat-gap")
PLANNED = ("flat/table2", "flat/table3", "flat/table5", "flat/table8", "flat/table10", "flat/figure6",
           "carl-rar/table2")


@pytest.mark.parametrize("path", [path for path in PLANS if path.stem not in BESIDE], ids=lambda path: path.stem)
def test_plans_of_the_repository_are_those_of_the_experiments(path):
    mine = {wanted.id: wanted for wanted in trainings.read_plan(path)}
    known = {wanted.id: wanted for name in PLANNED
             for wanted in map(trainings.parse_spec, EXPERIMENTS[name]().plan(Options(seeds=3)))}
    assert mine and all(known[name] == wanted for name, wanted in mine.items())
    places = list(mine)
    for name, wanted in mine.items():
        base = "/".join([*name.split("/")[:2], "base"]) + f"@{wanted.seed}" * bool(wanted.seed)
        assert places.index(base) <= places.index(name)


@pytest.mark.parametrize("name", PLANNED)
def test_every_training_of_an_experiment_is_in_a_plan(name):
    planned = {wanted.id for path in PLANS for wanted in trainings.read_plan(path)}
    assert {trainings.parse_spec(entry).id for entry in EXPERIMENTS[name]().plan(Options())} <= planned


def test_differences_are_paired_over_sentences():
    # Differences 1, 0, 0, -1 of seed 0 and 1, 1, 0, 0 of seed 1; a sentence: 1, 0.5, 0, -0.5 with mean 0.25.
    mine = {0: dict(zip("abcd", (1, 1, 0, 0), strict=True)), 1: dict(zip("abcd", (1, 1, 1, 0), strict=True))}
    base = {0: dict(zip("abcd", (0, 1, 0, 1), strict=True)), 1: dict(zip("abcd", (0, 0, 1, 0), strict=True))}
    found = comparison.compare_seeds(mine, base)
    # Squared deviations 0.5625 + 0.0625 + 0.0625 + 0.5625 = 1.25, over three, over four.
    assert found["value"] == 0.25 and found["texts_se"] == pytest.approx((1.25 / 3 / 4) ** 0.5)
    # Seeds: 0 and 0.5.
    assert found["seeds_se"] == pytest.approx(0.25) and (found["n"], found["seeds"]) == (4, [0, 1])
    assert found["value_se"] == pytest.approx((1.25 / 3 / 4 + 0.0625) ** 0.5)
    assert comparison.compare_seeds(mine, {7: {}}) is None
    alone = comparison.compare_seeds({0: mine[0]}, base)
    assert alone["seeds_se"] is None and alone["value_se"] == alone["texts_se"]


def test_a_defence_beside_its_base(models, tmp_path, monkeypatch):
    name = "sst2/cnn/flat-textfooler"
    folder = tmp_path / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card(name) | {"defence": {"name": "flat", "attacked": 10}}))
    models[name] = Counting(BagOfWords(id=name, bias=(0.0, 4.0)))
    options = Options(models=(name,), attacks=("clean", "textfooler"), data_dir=str(tmp_path / "data"))
    events = list(EXPERIMENTS["flat/table2"]().run(options, ResultStore(tmp_path / "runs"), threading.Event()))
    assert not [e for e in events if e.kind == "note"]
    made = {(c["details"]["model"], c["details"]["attack"]): c for c in (e.data for e in events if e.kind == "claim")}
    # Of four texts the base is right about all, and holds "a bad movie" and "a fine movie".
    assert made[MODELS[0], "clean"]["value"] == 1.0 and made[MODELS[0], "textfooler"]["value"] == 0.5
    clean, attacked = made[name, "clean"], made[name, "textfooler"]
    assert "paper" not in clean["details"], "the paper's figures stand in the code alone"
    for claim, base in ((clean, 1.0), (attacked, 0.5)):
        assert claim["details"]["difference"]["value"] == claim["value"] - base
    table = EXPERIMENTS["flat/table2"]().table(list(made.values()))
    assert ("| `sst2/cnn/base` | 100.0 ± 25.0 | *84.18* CNN | – | TextFooler | 50.0 ± 25.0 †1 | *1.98* CNN | – | 4 / 4 "
            "| 0 | seconds |") in table
    assert "*83.09* CNN" in table and "*37.07* CNN" in table
    assert "attacked 10 (planned: 3460)" in table


def test_what_is_missing_is_one_line(models, tmp_path):
    options = Options(attacks=("clean",), data_dir=str(tmp_path / "data"))
    events = EXPERIMENTS["carl-rar/table2"]().run(options, ResultStore(tmp_path / "runs"), threading.Event())
    first, *_ = [e.data["message"] for e in events if e.kind == "missing"]
    assert first.startswith("Not here, so nothing is claimed that rests on it: sst2/minilm/freelb, sst2/minilm/carl, ")
    assert first.endswith("Train with python -m robust_core reproduce carl-rar/table2 --train")


def test_mean_importance_counts_every_occurrence():
    model = types.SimpleNamespace(net=types.SimpleNamespace(masks=True), word_importance=lambda words: [
        {"good": 1.0, "film": 0.25}[word] for word in words])
    examples = [Example("good good film", 1, "a"), Example("film", 0, "b")]
    assert measure_mean_importance(model, examples) == {"phi": 0.625}
    assert measure_mean_importance(BagOfWords(), examples) == {}
