"""Our Table 1: what is measured here, what is taken from other experiments' claims, and what is still missing."""

import json
import threading

import pytest
from helpers.cli import invoke, refused, rows
from helpers.doubles import Planted
from helpers.experiments import MODELS
from helpers.pages import card

from robust_core.claims import files
from robust_core.claims.files import write_claim
from robust_core.errors import BadInput, MissingResource
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Options
from robust_core.experiments.own import held, hours, table1
from robust_core.experiments.own.held import ACCURACY, TAU, TRANSFER
from robust_core.paths import RESULTS
from robust_core.store import ResultStore

TABLE = "own/table1"


@pytest.fixture
def results(models, tmp_path, monkeypatch):
    """Put an empty folder in the place of the project's claims, and a second preset on the attack of the doubles."""
    folder = tmp_path / "results"
    folder.mkdir()
    for module in (table1, hours):
        monkeypatch.setattr(module, "read_claims", lambda **options: files.read_claims(folder, **options))
    monkeypatch.setattr(Planted, "PRESETS", {"paper": {}, "careful": {"new": "fine"}})
    return folder


def collect(tmp_path, name=TABLE, stop=None, **changes):
    """Run an experiment and return the events."""
    options = Options(data_dir=str(tmp_path / "data"), **changes)
    return list(EXPERIMENTS[name]().run(options, ResultStore(tmp_path / "runs"), stop or threading.Event()))


def claims(events):
    """Return the claims among events, by model, preset and metric."""
    return {(e.data["details"]["model"], e.data["details"]["preset"], e.data["metric"]): e.data
            for e in events if e.kind == "claim"}


def write_all(folder, events, name=TABLE):
    for event in events:
        if event.kind == "claim":
            write_claim(folder / EXPERIMENTS[name]().file(event.data), **event.data)


def test_a_cell_states_what_is_left_what_transfers_and_how_explanations_change(results, tmp_path):
    made = claims(collect(tmp_path, attacks=("textfooler",)))
    assert set(made) == {(model, preset, figure) for model in MODELS for preset in ("careful", "paper")
                         for figure in (ACCURACY, TRANSFER, TAU) if (model, figure) != (MODELS[0], TRANSFER)}
    # "bad" in the place of "good" flips two of four texts; "fine" flips none.
    assert made[MODELS[0], "paper", ACCURACY]["value"] == 0.5
    assert made[MODELS[0], "careful", ACCURACY]["value"] == 1.0
    assert made[MODELS[0], "careful", ACCURACY]["thresholds"]["new"] == "fine"
    tau = made[MODELS[0], "paper", TAU]
    assert -1 <= tau["value"] < 1 and tau["n"] == 4
    assert [row["pairs"] for row in tau["details"]["rows"]] == ["all", "changed"]
    transfer = made[MODELS[1], "paper", TRANSFER]
    assert f"model {MODELS[0]}" in transfer["rests_on"] and transfer["details"]["target"] == MODELS[0]
    flips = [row["transferable"] for row in transfer["details"]["rows"]]
    assert transfer["n"] == flips[0] and (transfer["value"] is None or 0 <= transfer["value"] <= 1 or not flips[0])


def test_each_claim_can_be_written_by_itself(results, tmp_path):
    made = claims(collect(tmp_path, attacks=("textfooler",)))
    for (model, _, figure), claim in made.items():
        assert f"`{model}` |" in EXPERIMENTS["own/table1"]().table([claim]), figure


def test_files_differ_and_claims_are_derived_again(results, tmp_path):
    events = collect(tmp_path, attacks=("textfooler",))
    write_all(results, events)
    found = files.read_named_claims(results)
    assert len(found) == len(claims(events)) == 10
    assert "own-table1-sst2-minilm-base-textfooler-paper-transfer.json" in found
    for claim in found.values():
        figure = EXPERIMENTS[TABLE]().derive(claim["metric"], claim["details"])
        assert figure.n == claim["n"] and (figure.value == claim["value"] or claim["value"] is None)


def test_what_another_experiment_holds_is_shown_and_not_measured(results, tmp_path):
    write_all(results, collect(tmp_path, "flat/table4", attacks=("textfooler",)), "flat/table4")
    made = claims(collect(tmp_path, attacks=("textfooler",)))
    assert (MODELS[0], "paper", ACCURACY) not in made and (MODELS[0], "careful", ACCURACY) in made
    assert (MODELS[0], "paper", TAU) in made
    table = EXPERIMENTS[TABLE]().show(list(made.values()))
    line, = (line for line in table.splitlines() if line.startswith("| `sst2/cnn/base` | TextFooler"))
    assert "| 100.0 ± 25.0 |" in line and "| 50.0 ± 25.0 †1 |" in line and line.count("–") == 2
    # Another parameter makes another figure.
    other = next(claim for claim in files.read_claims(results) if claim["details"]["model"] == MODELS[0])
    cells = EXPERIMENTS[TABLE]().cells(Options())
    assert held.find_held([other], cells) and not held.find_held(
        [{**other, "thresholds": other["thresholds"] | {"new": "dull"}}], cells)
    assert not held.find_held([{**other, "details": other["details"] | {"model": "sst2/lstm/base"}}], cells)


def test_own_claims_are_measured_again_whoever_else_holds_them(results, tmp_path):
    write_all(results, collect(tmp_path, attacks=("textfooler",)))
    write_all(results, collect(tmp_path, "flat/table4", attacks=("textfooler",)), "flat/table4")
    assert (MODELS[0], "paper", ACCURACY) in claims(collect(tmp_path, attacks=("textfooler",)))


def test_what_is_stored_is_not_asked_again(results, models, tmp_path):
    made = claims(collect(tmp_path, attacks=("textfooler",), models=(MODELS[1],)))
    asked = models[MODELS[1]].asked
    again = claims(collect(tmp_path, attacks=("textfooler",), models=(MODELS[1],)))
    assert models[MODELS[1]].asked == asked and again.keys() == made.keys()
    assert [c["value"] for c in again.values()] == pytest.approx([c["value"] for c in made.values()], nan_ok=True)


def test_a_stopped_run_claims_nothing(results, tmp_path):
    stop = threading.Event()
    stop.set()
    assert not claims(collect(tmp_path, attacks=("textfooler",), stop=stop))


def test_several_trainings_are_asked_of_word_models_alone(results, tmp_path):
    events = collect(tmp_path, attacks=("textfooler",), seeds=3)
    message, = (e.data["message"] for e in events if e.kind == "missing" and "sst2/cnn/base@1" in e.data["message"])
    assert message.endswith("sst2/cnn/base@1, sst2/cnn/base@2. Train with python -m robust_core reproduce own/table1 "
                            "--seeds 3 --train --data-dir DATA")
    assert {model for model, _, _ in claims(events)} == {MODELS[1]}
    assert {tuple(c["seeds"]) for c in claims(events).values()} == {(0,)}
    plan = EXPERIMENTS[TABLE]().plan(Options(seeds=2, models=(MODELS[0],)))
    assert [(entry["defence"], entry.get("seed", 0)) for entry in plan] == [("base", 0), ("base", 1)]


def test_the_plan_says_what_is_missing_and_how_long_it_takes(results, tmp_path):
    options = Options(attacks=("textfooler",), models=(MODELS[0],), data_dir=str(tmp_path / "data"))
    missing = rows(invoke("reproduce", TABLE, "--plan", "--json", "--attack", "textfooler", "--model", MODELS[0],
                          "--data-dir", tmp_path / "data"))
    assert [(row["preset"], row["missing"], row["n"]) for row in missing] == [
        ("careful", [ACCURACY, TAU], 4), ("paper", [ACCURACY, TAU], 4)]
    assert all(row["hours"] > 0 for row in missing)
    write_all(results, collect(tmp_path, "flat/table4", attacks=("textfooler",), models=(MODELS[0],)), "flat/table4")
    assert [row["missing"] for row in hours.list_missing(EXPERIMENTS[TABLE](), options)] == [[ACCURACY, TAU], [TAU]]
    write_all(results, collect(tmp_path, attacks=("textfooler",), models=(MODELS[0],)))
    assert EXPERIMENTS[TABLE]().write_plan(options, False) == "Nothing is missing: claims hold every figure."


def test_costlier_networks_and_more_texts_take_longer(results):
    paces = {("textfooler", "paper", "cnn"): 0.1, ("pwws", "paper", "minilm"): 3.0}

    def seconds(model, attack="textfooler", preset="paper", n=100):
        return 3600 * hours.estimate_hours(model, attack, preset, n, paces)

    assert seconds("sst2/cnn/base") == seconds("sst2/cnn/base", preset="careful") == pytest.approx(10)
    assert seconds("sst2/minilm/base") == pytest.approx(300) and seconds("sst2/cnn/base", "pwws") == pytest.approx(10)
    assert seconds("sst2/cnn/base", n=200) == 2 * seconds("sst2/cnn/base")


def test_a_model_with_a_core_has_a_proof_and_no_gradients(results, tmp_path):
    name = "sst2/cnn/core"
    folder = tmp_path / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card(name) | {"defence": {"name": "core"}}))
    experiment = EXPERIMENTS[TABLE]()
    cell = next(cell for cell in experiment.cells(Options(models=(name,))) if cell.attack == "textfooler")
    assert held.list_figures(cell, experiment.find_cores()) == [ACCURACY, TRANSFER]
    assert experiment.list_unproved(Options(models=(name,))) == [name]
    assert experiment.list_unproved(Options(models=(name,), attacks=("pwws",))) == []
    row = hours.list_missing(experiment, Options(models=(name,), data_dir=str(tmp_path / "data")))[-1]
    assert (row["model"], row["missing"]) == (name, ["certified_accuracy"])


def test_without_data_or_models_it_is_one_line(results, tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="no attack 'none'"):
        collect(tmp_path, attacks=("none",))
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path / "none"))
    with pytest.raises(MissingResource):
        list(EXPERIMENTS[TABLE]().run(Options(data_dir=str(tmp_path / "none")), ResultStore(tmp_path / "runs"),
                                      threading.Event()))
    refused(invoke("reproduce", TABLE, "--plan", "--data-dir", tmp_path / "none"))
    monkeypatch.setattr(table1, "cards", lambda: [])
    refused(invoke("reproduce", TABLE, "--data-dir", tmp_path / "data"), "robust_core train")


def test_the_projects_own_claims_fill_the_table():
    table = EXPERIMENTS[TABLE]().table(files.read_claims(RESULTS))
    assert "| `sst2/additive/close` | 83.3 ± 0.9 |" in table
    assert "| `sst2/cnn/base` | CLARE | no such preset |" in table
    assert "CLARE has no preset careful: it inserts and merges words" in table
    assert "| `sst2/cnn/base` | TextFooler | 66.7 ± 1.1" in table
