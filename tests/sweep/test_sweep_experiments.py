"""`reproduce --workers`: the workers have attacked before cells are measured, and the cells are the same."""

import threading

from helpers.experiments import MODELS, models  # noqa: F401 (a fixture)

from robust_core.attacks import ATTACKS
from robust_core.experiments.base import Options
from robust_core.experiments.cells import Cell, measure_cells
from robust_core.store import ResultStore
from robust_core.sweep import fill
from robust_core.sweep.executor import Here


def test_cells_are_those_of_one_process(models, tmp_path, monkeypatch):  # noqa: F811
    asked = []

    def start(count, **options):
        asked.append((count, options))
        return Here(threading.Event())

    monkeypatch.setattr(fill, "Processes", start)
    # A worker finds attacks by the names in their records.
    monkeypatch.setitem(ATTACKS._members, "planted", ATTACKS["textfooler"])
    monkeypatch.setitem(ATTACKS._members, "pwws", ATTACKS["gene"])
    # The last one has an attack that is not to be had with this preset: the others do not suffer from it.
    cells = [Cell(model, attack, 3, 50) for attack in ("", "textfooler", "gene") for model in MODELS]
    cells.append(Cell(MODELS[0], "clare", 3, 50, "careful"))
    found = {}
    for workers in (1, 3):
        options = Options(data_dir=str(tmp_path / "data"), workers=workers)
        before = sum(model.asked for model in models.values())
        events = list(measure_cells(cells, "sst2", "test", options, ResultStore(tmp_path / str(workers)),
                                    threading.Event()))
        assert sum(model.asked for model in models.values()) > before
        rows = [event.data["rows"] for event in events if event.kind == "cell"]
        found[workers] = [[{k: v for k, v in row.items() if not k.startswith("seconds")} for row in same]
                          for same in rows]
        assert sum(event.kind == "missing" for event in events) == 1
        assert any(event.data.get("part") == "attacks" for event in events) == (workers > 1)
    assert asked == [(3, {"device": "auto", "threads": 1})]
    assert len(found[1]) == 6 and repr(found[1]) == repr(found[3])
