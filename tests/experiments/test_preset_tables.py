"""Tables of both presets: which cells they measure, and whose figures under `paper` they show."""

import threading

import pytest
from helpers.experiments import MODELS

from robust_core.claims import files
from robust_core.claims.files import write_claim
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Options
from robust_core.experiments.presets import TOPICS, Presets
from robust_core.store import ResultStore


@pytest.mark.parametrize(("name", "dataset"), [("presets/sst2", "sst2"), ("presets/ag_news", "ag_news")])
def test_cells_are_of_the_data_set_and_leave_what_another_table_has(name, dataset):
    cells = EXPERIMENTS[name]().cells(Options())
    assert {cell.model.split("/")[0] for cell in cells} == {dataset}
    papers = {cell.model for cell in cells if cell.preset == "paper"}
    assert f"{dataset}/additive/close" in papers
    assert {cell.model for cell in cells if cell.preset == "careful"} >= papers
    assert ("sst2/cnn/base" in papers, "ag_news/cnn/base" in papers) == (False, dataset == "ag_news")
    assert dataset == "sst2" or {cell.n for cell in cells} == {TOPICS}


def test_its_own_figure_under_paper_comes_before_another_table_s(models, tmp_path):
    class Own(Presets):
        name = "presets/sst2"

        def stands_elsewhere(self, card):
            return False

    made = []
    for name, n in (("flat/table4", 4), ("presets/sst2", 2)):
        experiment = Own() if name == "presets/sst2" else EXPERIMENTS[name]()
        options = Options(attacks=("textfooler",), models=MODELS[:1], n=n, data_dir=str(tmp_path / "data"))
        for event in experiment.run(options, ResultStore(tmp_path / "runs" / str(n)), threading.Event()):
            if event.kind == "claim" and event.data["details"].get("preset", "paper") == "paper":
                write_claim(tmp_path / "claims" / experiment.file(event.data), **event.data)
    made = files.read_claims(tmp_path / "claims")
    line, = [line for line in Own().table(made).splitlines() if line.startswith(f"| `{MODELS[0]}`")]
    assert line.split(" | ")[-2] == "2"
