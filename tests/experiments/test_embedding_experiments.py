"""Tables about embeddings and encoders on doubles: claims, tables, what is missing, and the commands."""

import dataclasses
import threading
import types

import pytest
import torch
from helpers.cli import invoke, refused, rows
from helpers.doubles import BagOfWords, WordEncoder
from helpers.encoders import card as encoder_card

from robust_core import encoders
from robust_core.claims.markdown import format_percent
from robust_core.encoder_evaluation import tasks
from robust_core.encoder_training import specs
from robust_core.errors import BadInput, UnknownName
from robust_core.experiments import EXPERIMENTS, availability, comparison, presence
from robust_core.experiments.base import Options
from robust_core.experiments.carl_rar import table6, tables4_5
from robust_core.experiments.rse import tables
from robust_core.models import encoder_cards, loading
from robust_core.store import ResultStore

TEXTS = [("a good movie", 1), ("a bad movie", 0), ("a clever and good movie", 1), ("a fine movie", 1)]


class Reader(BagOfWords):
    """A double that reads the nearest known word in each row."""

    WORDS = ("", "unk", "good", "clever", "fine", "movie", "dull", "bad")

    tokens = types.SimpleNamespace(decode=lambda ids: " ".join(Reader.WORDS[i] for i in ids))

    def read_back(self, embeddings: torch.Tensor, mask: torch.Tensor) -> list[str]:
        near = torch.cdist(embeddings, self.table).argmin(-1)
        return [self.tokens.decode(row[real].tolist()) for row, real in zip(near, mask, strict=True)]


def ran(name: str, tmp_path, **changes) -> tuple[list[dict], list[str]]:
    """Run an experiment; returns its claims, and what it says of things that are not here."""
    options = Options(**{"data_dir": str(tmp_path / "data")} | changes)
    events = list(EXPERIMENTS[name]().run(options, ResultStore(tmp_path / "runs"), threading.Event()))
    return ([dict(e.data) for e in events if e.kind == "claim"],
            [e.data["message"] for e in events if e.kind in ("note", "missing")])


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Put doubles in the place of sst2/minilm/base and sst2/minilm/rar."""
    (tmp_path / "data" / "sst2").mkdir(parents=True)
    for split in ("dev", "test"):
        lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in TEXTS)]
        (tmp_path / "data" / "sst2" / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    built = {f"sst2/minilm/{name}": Reader(id=f"sst2/minilm/{name}") for name in ("base", "rar")}
    here = [types.SimpleNamespace(id=name, files={}, config={}, parent="") for name in built]
    monkeypatch.setattr(loading, "load", lambda name, device="auto": built[name])
    for module in (availability, presence, comparison):
        monkeypatch.setattr(module, "cards", lambda: here)
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    return here


@pytest.mark.parametrize("name", ["carl-rar/table4", "carl-rar/table5"])
def test_tables_under_pgd(models, tmp_path, name):
    stated, notes = ran(name, tmp_path)
    experiment = EXPERIMENTS[name]()
    # One attack serves both tables, so each run states the claims of both, under names of their own.
    assert len({experiment.file(c) for c in stated}) == len(stated) == 4
    assert {c["details"]["model"] for c in ran(name, tmp_path, models=("sst2/minilm/rar",))[0]} == {"sst2/minilm/rar"}
    made = experiment.mine(stated)
    assert [c["details"]["model"] for c in made] == ["sst2/minilm/base", "sst2/minilm/rar"]
    assert all(f"reproduce {name} " in c["command"] for c in made)
    message, = notes
    assert "sst2/minilm/freelb" in message and "--train" in message
    curve = made[0]["details"]["rows"][0]["curve"]
    assert [row["radius"] for row in curve] == list(tables4_5.RADII) and made[0]["n"] == 4
    assert made[0]["thresholds"]["steps"] == tables4_5.STEPS and "radius" not in made[0]["thresholds"]
    moved = [row["distance"] for row in curve]
    assert moved == sorted(moved) and moved[0] > 0
    table = experiment.table(made)
    assert table.count("\n| `sst2/minilm/") == 2 and f"`python -m robust_core reproduce {name} --model MODEL" in table


def test_ag_news_stands_beside_the_papers_figures(models, tmp_path):
    made = ran("carl-rar/table5", tmp_path)[0]
    for name, model, figures in (("carl-rar/table5", "base", "*86.60 / 72.60 / 70.20*"),
                                 ("carl-rar/table4", "rar", "*0.941*<br>*4.453*")):
        claim = EXPERIMENTS[name]().mine(made)[0]
        claim["details"] |= {"model": f"ag_news/minilm/{model}"}
        assert figures in EXPERIMENTS[name]().table([claim])


def test_what_rar_reads_fools_another_model(models, tmp_path):
    made, notes = ran("carl-rar/table6", tmp_path)
    assert not notes and [c["details"]["radius"] for c in made] == list(table6.RADII)
    row = made[-1]["details"]["rows"][0]
    # At three mean norms every sum of weights turns, and so does what stands nearest to each row.
    assert row["right"] == 4 and row["fooled"] > 0 and row["rate"] == row["fooled"] / 4
    assert all(text["edits"] > 0 and text["original"] != text["read"] for text in row["texts"])
    table = EXPERIMENTS["carl-rar/table6"]().table(made)
    assert "Read by RAR" in table and "| 3 |" in table
    assert len({EXPERIMENTS["carl-rar/table6"]().file(c) for c in made}) == len(made)
    assert table6.count_edits("a good film", "a bad film indeed") == 2


def test_without_rar_table6_says_what_is_missing(models, tmp_path):
    del models[1]
    made, said = ran("carl-rar/table6", tmp_path)
    assert not made and said[0].endswith("sst2/minilm/rar. Train with python -m robust_core reproduce carl-rar/table6 "
                                         "--train")
    with pytest.raises(BadInput, match="no attack 'pwws'"):
        ran("carl-rar/table5", tmp_path, attacks=("pwws",))


# Encoders.

class Named(WordEncoder):
    def __init__(self, name: str) -> None:
        self.id = name


@pytest.fixture
def stored(monkeypatch, folder):
    """Put doubles in the place of the packaged encoder and of SimCSE."""
    monkeypatch.setattr(encoders, "list_names", lambda: ["minilm", "simcse"])
    monkeypatch.setattr(encoders, "load", lambda name, device="auto": Named(name))
    monkeypatch.setattr(encoder_cards, "cards", lambda: [encoder_card(
        id="simcse", corpus={"n": 2000, "sha256": "x"}, dev={"after": 0.5, "step": 3}, steps=9)])
    monkeypatch.setattr(tasks.similarity, "TASKS", {"stsb": "sts/stsb_test"})
    monkeypatch.setattr(tasks.probes, "TASKS", ("sst2", "mr"))
    return folder


@pytest.mark.parametrize("name", ["rse/sts", "rse/transfer", "rse/attacks"])
def test_encoders_side_by_side(stored, tmp_path, name):
    made, notes = ran(name, tmp_path, n=4, attacks=("pwws", "fgsm") if name == "rse/attacks" else ())
    assert {c["details"]["model"] for c in made} == {"minilm", "simcse"}
    assert notes[0] == ("Not here, so nothing is claimed that rests on it: robustsentembed. Train with python -m "
                        f"robust_core reproduce {name} --train")
    assert all(0 <= c["value"] <= 1 for c in made)
    table = EXPERIMENTS[name]().table(made)
    assert "| MiniLM |" in table and "2,000 (step 3 of 9)" in table and "| – |" in table
    assert len({EXPERIMENTS[name]().file(c) for c in made}) == len(made)


def test_the_ablation_learns_from_what_the_whole_loss_learnt(stored, tmp_path, monkeypatch):
    schedule = dataclasses.asdict(specs.Schedule(checks=2))
    monkeypatch.setattr(
        encoder_cards,
        "cards",
        lambda: [encoder_card(id="robustsentembed", corpus={"n": 500, "sha256": ""}, schedule=schedule)],
    )
    wanted = EXPERIMENTS["rse/ablation"]().wanted()
    assert len(wanted) == 5 and {order.sentences for order in wanted.values()} == {500}
    assert {order.schedule.checks for order in wanted.values()} == {2}
    order = wanted["robustsentembed-no-detection"]
    assert order.id == "robustsentembed-no-detection" and order.method.detection == 0.0
    monkeypatch.setattr(tables.evaluation, "ATTACKED", ("mr",))
    made, _ = ran("rse/ablation", tmp_path, n=2, attacks=("pgd",), models=("simcse",))
    assert [c["details"]["model"] for c in made] == ["simcse"]
    assert "none of them (SimCSE)" in EXPERIMENTS["rse/ablation"]().table(made)


def test_the_ablation_takes_what_other_tables_state(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "list_names", lambda: ["simcse", "robustsentembed-no-positive"])
    made, notes = ran("rse/ablation", tmp_path, n=2, attacks=("pgd",))
    assert [c["details"]["model"] for c in made] == ["robustsentembed-no-positive"] and "simcse" not in notes[0]
    ablation = EXPERIMENTS["rse/ablation"]()
    assert "SimCSE" not in ablation.table(made).partition("Every")[0]
    similar, attacked = (ran(name, tmp_path, n=2, models=("simcse",), attacks=attacks)[0]
                         for name, attacks in (("rse/sts", ()), ("rse/attacks", ("textfooler",))))
    line = next(line for line in ablation.table(made + similar + attacked).splitlines() if "SimCSE" in line)
    value = format_percent(similar[0]["value"], similar[0]["value_se"])
    assert line.startswith(
        f"| none of them (SimCSE) | {value} | {format_percent(attacked[0]['value'], None)} | – | – |"
    )
    # A seed that no setting of the ablation has stays out.
    for claim in (*similar, *attacked):
        details = claim["details"]
        more = [row | {"encoder": "simcse@1", "value": 0.0} for row in details["rows"]]
        claim |= {"value": 0.0, "seeds": [0, 1], "details": details | {"rows": [*details["rows"], *more]}}
    assert line in ablation.table(made + similar + attacked).splitlines()


def test_an_encoder_that_is_not_here_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    assert encoders.list_names() == ["minilm"]
    with pytest.raises(UnknownName, match="Unknown encoder 'simcse'. Known: minilm"):
        encoders.load("simcse")


# Commands.

def test_train_encoder(monkeypatch, tmp_path):
    asked = []

    def run(order, root, device, data_dir):
        asked.append(order)
        yield {"kind": "ready", "sentences": 10, "steps": 2, "left_out": 3, "pairs": 369, "pairs_left_out": 1131}
        yield {"kind": "check", "step": 0, "steps": 2, "spearman": 0.8}
        yield {"kind": "step", "step": 1, "steps": 2, "terms": {"contrast": 0.1}, "loss": 0.1, "eta": 1.0}
        yield {"kind": "stored", "row": {"encoder": order.id, "seed": 1, "dev_spearman": 0.9, "before": 0.8,
                                         "sentences": 10, "step": 2, "steps": 2, "seconds": 1.0, "path": str(root)}}

    monkeypatch.setattr(specs, "run_training", run)
    row, = rows(invoke("train-encoder", "--method", "robustsentembed", "--set", "detection=0", "--set", "epochs=2",
                       "--seed", "1", "--sentences", "10", "--out", tmp_path, "--json"))
    assert row["encoder"] == "robustsentembed@1" and row["path"] == str(tmp_path)
    assert asked[0].method.detection == 0.0 and asked[0].schedule.epochs == 2 and asked[0].sentences == 10
    told = invoke("train-encoder", "--method", "simcse")
    assert "Spearman on STS-B dev" in told.stdout and "1,131 of 1,500 pairs of STS-B dev" in told.stderr
    refused(invoke("train-encoder", "--method", "bert"), "Unknown sentence method 'bert'")
    refused(invoke("train-encoder", "--method", "simcse", "--preset", "best"), "Unknown preset")
    refused(invoke("train-encoder", "--method", "simcse", "--set", "detection=0"), "no parameter 'detection'")
    refused(invoke("train-encoder", "--method", "simcse", "--set", "epochs=two"), "a whole number")


def test_evaluate_encoder_and_similarity(stored, monkeypatch):
    found = rows(invoke("evaluate-encoder", "--task", "sts", "--task", "mr", "--data-dir", stored, "--json"))
    assert [(r["encoder"], r["task"], r["metric"]) for r in found] == [
        (name, task, metric) for task, metric in (("stsb", "spearman"), ("mr", "accuracy"))
        for name in ("minilm", "simcse")]
    assert set(found[0]) == {"encoder", "task", "metric", "value", "value_se", "n", "rests_on"}
    shown = invoke("evaluate-encoder", "--task", "sts", "--data-dir", stored).stdout
    assert "minilm" in shown and "rests" not in shown and found[0]["rests_on"]["encoder minilm"][:9] not in shown
    refused(invoke("evaluate-encoder", "--task", "mrpc"), "Unknown task 'mrpc'")
    refused(invoke("evaluate-encoder", "--attack", "bae", "--data-dir", stored), "Unknown attack on encoders")
    one, two = rows(invoke("similarity", "a good film", "a good movie", "--json"))
    assert one == {"encoder": "minilm", "cosine": two["cosine"]} and 0 < one["cosine"] < 1
    refused(invoke("similarity", " ", "a good movie"), "")
