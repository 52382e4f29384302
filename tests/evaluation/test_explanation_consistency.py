"""Experiments about explanations: which pairs are compared, what is paired with what, and their tables."""

import dataclasses
import json
import threading
from pathlib import Path

import pytest
from helpers.doubles import BagOfWords, Counting
from helpers.experiments import MODELS
from helpers.pages import card
from scipy.stats import kendalltau

from robust_core.claims import markdown
from robust_core.claims.files import write_claim
from robust_core.errors import BadInput
from robust_core.evaluation.explanation_consistency import read_by_uid
from robust_core.experiments import EXPERIMENTS, consistency
from robust_core.experiments.base import Options
from robust_core.experiments.flat import table3, table8
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.base import Explainer
from robust_core.registry import to_record
from robust_core.store import ResultStore
from robust_core.text import Draft

FLAT = "sst2/cnn/flat-textfooler"
NAMES = ("flat/table3", "flat/table8", "flat/figure6")
EXPLAINED: list[str] = []


@dataclasses.dataclass(frozen=True)
class Weights(Explainer):
    """Scores are the model's own weights."""

    name, title, source = "weights", "Weights", "https://example.org/weights"

    def attribute(self, model, texts, targets):
        """Explain by the table of weights, and write down what was explained."""
        EXPLAINED.extend(texts)
        return [self.attribution(text, Draft.of(text).spans, scores(model, text, target), target)
                for text, target in zip(texts, targets, strict=True)]


def scores(model, text: str, target: int = 1) -> list[float]:
    return [float(model.table[model.unit_ids(word)[0], target]) for word in Draft.of(text).words]


@pytest.fixture
def world(models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:  # noqa: F811
    """Add a FLAT model that holds what the base model loses but one, and put a double in the explainers' place."""
    folder = tmp_path / "checkpoints" / FLAT
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card(FLAT)))
    models[FLAT] = Counting(BagOfWords(id=FLAT, bias=(0.0, 1.0)))
    list(EXPLAINERS)
    for name in ("ig", "lime"):
        monkeypatch.setitem(EXPLAINERS._members, name, Weights)
    EXPLAINED.clear()
    return models


def events(name: str, tmp_path: Path, stop: threading.Event | None = None, **changes) -> list:
    options = Options(data_dir=str(tmp_path / "data"), **({"models": (FLAT,), "attacks": ("textfooler",)} | changes))
    return list(EXPERIMENTS[name]().run(options, ResultStore(tmp_path / "runs"), stop or threading.Event()))


def claims(name: str, tmp_path: Path, **changes) -> dict:
    return {e.data["details"]["model"]: dict(e.data) for e in events(name, tmp_path, **changes) if e.kind == "claim"}


def test_every_text_counts_and_differences_are_paired(world, tmp_path):
    made = claims("flat/table3", tmp_path)
    assert list(made) == [MODELS[0], FLAT]
    store = ResultStore(tmp_path / "runs")
    taus = {}
    for name, claim in made.items():
        results = list(store.each(claim["run"]))
        assert len(results) == 4
        taus[name] = {r.example.uid: 1.0 if r.perturbed == r.example.text else kendalltau(
            scores(world[name], r.example.text), scores(world[name], r.perturbed)).statistic for r in results}
        assert claim["n"] == 4 and claim["value"] == pytest.approx(sum(taus[name].values()) / 4)
        every, changed = claim["details"]["rows"]
        assert (every["pairs"], changed["pairs"], changed["compared"]) == ("all", "changed", 2)
    gap = made[FLAT]["details"]["difference"]
    assert made[MODELS[0]]["details"]["difference"] is None
    each = [taus[FLAT][uid] - taus[MODELS[0]][uid] for uid in taus[FLAT]]
    assert gap["all"]["kendall_tau"]["value"] == pytest.approx(sum(each) / 4)
    assert [gap[group]["kendall_tau"]["n"] for group in ("all", "changed")] == [4, 2]
    fooled = [{r.example.uid for r in store.each(claim["run"]) if r.status == "succeeded"} for claim in made.values()]
    both = fooled[0] & fooled[1]
    assert (gap["fooled"]["kendall_tau"] or {"n": 0})["n"] == len(both)
    assert "paper" not in made[FLAT]["details"], "the paper's figures stand in the code alone"


def test_what_is_stored_is_neither_attacked_nor_explained_again(world, tmp_path):
    first = claims("flat/table3", tmp_path, n=2)
    asked, explained = {name: model.asked for name, model in world.items()}, len(EXPLAINED)
    assert first[FLAT]["n"] == 2 and explained
    assert claims("flat/table3", tmp_path, n=2)[FLAT]["value"] == first[FLAT]["value"]
    assert {name: model.asked for name, model in world.items()} == asked and len(EXPLAINED) == explained
    # A larger draw adds texts to the smaller one, and the figure shares them.
    everything = claims("flat/table3", tmp_path)
    done = len(EXPLAINED)
    assert done == 2 * 2 * 2, "two models, two changed texts each, both versions"
    curve = claims("flat/figure6", tmp_path)[FLAT]
    assert len(EXPLAINED) == done and curve["metric"] == "top_5"
    assert curve["value"] == everything[FLAT]["details"]["rows"][0]["top_k"]["5"]


@pytest.mark.parametrize("name", NAMES)
def test_claims_come_back_as_the_table(world, tmp_path, name):
    made = claims(name, tmp_path)
    found = []
    for claim in made.values():
        path = write_claim(tmp_path / "claims" / EXPERIMENTS[name]().file(claim), **claim)
        found.append(json.loads(path.read_text()))
    table = EXPERIMENTS[name]().table(found)
    assert f"| `{FLAT}` |" in table and f"`python -m robust_core reproduce {name} --model MODEL" in table
    if name == "flat/table3":
        assert "| *0.70* CNN |" in table and "both fooled" in table and "4 / 2 / " in table
    if name == "flat/figure6":
        assert "| *random order, sst2* | all |" in table and "k = 10" in table


def test_a_stopped_run_claims_nothing(world, tmp_path):
    stop = threading.Event()
    stop.set()
    assert [e for e in events("flat/table3", tmp_path, stop) if e.kind == "claim"] == []


def test_what_is_missing_is_one_line(world, tmp_path):
    missing = [e.data["message"] for e in events("flat/table8", tmp_path, models=()) if e.kind == "missing"]
    assert missing[0].startswith("Not here, so nothing is claimed that rests on it: ") and "sst2/" in missing[0]
    assert "\n" not in missing[0]
    assert missing[0].endswith("Train with python -m robust_core reproduce flat/table8 --train")
    with pytest.raises(BadInput, match="no attack 'pwws'"):
        events("flat/table8", tmp_path, attacks=("pwws",))
    assert [e.kind for e in events("flat/table3", tmp_path, models=("trec/cnn/base",))] == ["missing"]


def test_the_papers_figures_are_whole():
    assert len(table3.PAPER) == 18 and len(table8.PAPER) == 9
    for paper in (table3.PAPER, table8.PAPER):
        assert all(len(row) == 3 and all(0 < t <= 1 and 0 < k <= 1 for t, k in row) for row in paper.values())
    of = table3.list_paper_figures(table3.PAPER)
    assert of("sst2/minilm/flat-pwws", "pwws") == (.44, .64) and of("trec/cnn/base", "textfooler") == (.68, .91)
    assert of("sst2/cnn/base", "bae") is None is of("sst2/minilm/flat-textfooler", "pwws")
    for question in (table3.QUESTION, table8.QUESTION):
        for subject in EXPERIMENTS["flat/table3"]().subjects():
            assert (subject.training["dataset"], subject.training["architecture"]) in question.texts


def test_groups_leave_out_what_is_undefined(world, tmp_path):
    claim = claims("flat/table3", tmp_path)[FLAT]
    store = ResultStore(tmp_path / "runs")
    uids = {r.example.uid for r in store.each(claim["run"])}
    found = read_by_uid(store, claim["run"], to_record(Weights()), uids)
    assert set(found) == {"all", "changed", "fooled"}
    assert set(found["fooled"]["kendall_tau"]) <= set(found["changed"]["kendall_tau"]) <= set(found["all"]["top_5"])
    one = next(iter(uids))
    assert set(read_by_uid(store, claim["run"], to_record(Weights()), {one})["all"]["top_5"]) == {one}
    assert consistency.compare_to_base({0: found}, {1: found}) is None
    same = consistency.compare_to_base({0: found}, {0: found})
    assert same is not None and same["all"]["kendall_tau"]["value"] == 0.0


def test_figures_are_written_plainly():
    assert markdown.format_decimal(0.5849, 0.0061) == "0.58 ± 0.006"
    assert (
        markdown.format_decimal(0.5) == "0.50"
        and markdown.format_decimal(None) == markdown.format_decimal(float("nan")) == "–"
    )
    assert markdown.format_decimal(1.0, float("nan")) == "1.00"
