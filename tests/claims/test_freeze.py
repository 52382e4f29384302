"""Claims in results/ name the settings that were frozen before test was looked at."""

import pytest
from helpers.cli import invoke, refused

from robust_core.errors import BadInput
from robust_core.experiments.freeze import find_freeze, list_freezes
from robust_core.paths import RESULTS


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "freeze.md"
    path.write_text("# Freeze\n\n## 2026-12-01 Presets of attacks\n\n## 2026-12-02 First\n\n## 2026-12-02 Second\n")
    return path


def test_an_entry_is_named_by_its_date(page, tmp_path):
    assert find_freeze("2026-12-01", page=page) == "2026-12-01 Presets of attacks"
    assert find_freeze("2026-12-02 S", page=page) == "2026-12-02 Second"
    assert find_freeze("", page=page) == "" == find_freeze("", tmp_path, page)
    for word, said in (("2026-12-02", "has 2 entries"), ("2026-12-03", "has no entries")):
        with pytest.raises(BadInput, match=said):
            find_freeze(word, page=page)


def test_claims_of_the_project_need_one(page):
    for target in (RESULTS, RESULTS / "x.json", RESULTS / ".." / "results"):
        with pytest.raises(BadInput, match="--freeze"):
            find_freeze("", target, page)
    assert list_freezes(page.with_name("none.md")) == []


def test_the_command_line_refuses_claims_without_one():
    refused(invoke("reproduce", "flat/table2", "--model", "sst2/cnn/base", "--attack", "clean", "--out", RESULTS),
            "--freeze")
    refused(invoke("evaluate", "--dataset", "reviews", "--model", "sst2/cnn/base", "--out", RESULTS), "--freeze")
