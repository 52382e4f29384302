"""Licence, notices beside weights that were learnt from other people's data, and requirements with hashes."""

import re

import pytest

from robust_core.datasets import DATASETS
from robust_core.models.cards import cards
from robust_core.paths import CHECKPOINTS, ROOT

TITLES = {"sst2": "SST-2", "trec": "TREC", "ag_news": "AG News", "imdb": "IMDb", "yelp_polarity": "Yelp"}


def test_the_project_has_a_licence():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("folder", [path for path in sorted(CHECKPOINTS.iterdir()) if path.is_dir()],
                         ids=lambda path: path.name)
def test_each_folder_of_weights_names_the_data_it_was_learnt_from(folder):
    notice = (folder / "NOTICE.md").read_text()
    assert f"{folder.name}/" in (CHECKPOINTS / "NOTICE.md").read_text()
    if folder.name in DATASETS:
        assert TITLES[folder.name] in notice and ("licence" in notice or "commercial" in notice)


def test_the_data_of_every_card_have_a_notice():
    used = {card.dataset for card in cards() if card.folder.is_relative_to(CHECKPOINTS)}
    assert used and used <= set(TITLES)


def test_every_shipped_table_text_and_folder_of_weights_is_in_the_one_list_of_licences():
    notice = (ROOT / "NOTICE.md").read_text(encoding="utf-8")
    tables = sorted((ROOT / "robust_core" / "resources" / "tables").iterdir())
    assert tables and not [path.name for path in tables if f"`{path.name}`" not in notice]
    known = (ROOT / "robust_core" / "resources" / "NOTICE.md").read_text(encoding="utf-8")
    assert not [path.name for path in tables if f"`{path.name}`" not in known]
    folders = [path for path in CHECKPOINTS.iterdir() if path.is_dir()] + [*(CHECKPOINTS / "smoothed").glob("*/")]
    for folder in folders:
        assert folder.name == "smoothed" or f"`{folder.relative_to(CHECKPOINTS).as_posix()}/`" in notice, folder
    for link in re.findall(r"\]\(([^)]+)\)", notice):
        assert (ROOT / link).is_file(), link
    texts = [*(ROOT / "robust_core" / "resources" / "data").iterdir(), ROOT / "ui" / "attack" / "gallery.tsv",
             *(path.parent for path in (ROOT / "bench").glob("*/texts.tsv"))]
    assert not [path.name for path in texts if path.name not in notice]


def read_pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(re.match(r"([\w.-]+)==([^\s;\\]+)", line).groups() for line in lines if re.match(r"[\w.-]+==", line))


def test_requirements_with_hashes_are_those_without():
    hashed = (ROOT / "requirements-hashes.txt").read_text()
    plain, pinned = read_pins("requirements.txt"), read_pins("requirements-hashes.txt")
    assert {name: pinned.get(name) for name in plain} == plain
    entries = re.split(r"\n(?=[\w.-]+==)", hashed)[1:]
    assert len(entries) == len(pinned) and all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in hashed
