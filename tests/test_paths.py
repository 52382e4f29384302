"""Where things lie: read in one place, and alike by everybody."""

import re
import stat
from pathlib import Path

import pytest

from robust_core import datasets, files, paths, trainings
from robust_core.certify import images
from robust_core.models import cards
from robust_core.store import ResultStore


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_folder_of_runs_is_the_usual_one_for_everybody(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBUST_RUNS", value)
    assert paths.own_checkpoints() == paths.checkpoint_folders()[1] == Path("runs/checkpoints")
    assert ResultStore().folder == Path("runs")
    assert paths.training_states().parent == paths.own_data().parent == Path("runs")


def test_what_is_trained_is_known_though_the_folder_of_runs_is_named_by_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROBUST_RUNS", "")
    short = trainings.parse_spec({"dataset": "reviews", "architecture": "cnn", "set": {"epochs": 1, "rows": 40}})
    *_, last = trainings.run_training(short, paths.own_checkpoints(), device="cpu")
    assert last["kind"] == "stored" and last["card"].folder == Path("runs/checkpoints/reviews/cnn/base")
    assert "reviews/cnn/base" in {card.id for card in cards.cards()} and trainings.list_unfinished() == []


def test_texts_and_images_are_looked_for_in_the_same_folders(tmp_path, monkeypatch):
    row = bytes([1] + [0] * 3072)
    for folder in ("named", "usual/data"):
        (tmp_path / folder / "cifar10").mkdir(parents=True)
        (tmp_path / folder / "cifar10" / "test_batch.bin").write_bytes(row)
        (tmp_path / folder / "sst2").mkdir()
        (tmp_path / folder / "sst2" / "test.tsv").write_text("text\tlabel\ngood\t1\n")
    monkeypatch.chdir(tmp_path / "usual")
    monkeypatch.delenv("ROBUST_DATA", raising=False)
    for data_dir in (None, tmp_path / "named"):
        assert len(images.load("cifar10", "test", data_dir)[0]) == len(datasets.load("sst2", "test", data_dir)) == 1


def test_no_other_module_counts_its_way_up_to_the_projects_folder():
    counting = {path.name for top in ("robust_core", "ui") for path in (paths.ROOT / top).rglob("*.py")
                if re.search(r"__file__\)(\.resolve\(\))?\.parents\[", path.read_text(encoding="utf-8"))}
    assert counting == {"environment.py"}


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    files.write_file(tmp_path / "a", b"old")
    with pytest.raises(TypeError):
        files.write_file(tmp_path / "a", "no bytes")  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"old"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
