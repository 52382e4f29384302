"""Outcomes that were written down come again; where they do not, the number of the engine has to be raised."""

import copy

import pytest

from bench import golden
from robust_core import version

SET = golden.read()


def split_attacks(through_textattack: bool) -> list[golden.Row]:
    """Rows of attacks that search in TextAttack's process, or of the others."""
    return [row for row in SET["attacks"] if (row["attack"]["name"] in golden.OF_TEXTATTACK) == through_textattack]


@pytest.mark.thorough
@pytest.mark.parametrize("through_textattack", [
    False, pytest.param(True, marks=pytest.mark.textattack)], ids=["own", "textattack"])
def test_attacks_end_where_they_did(through_textattack):
    wanted = split_attacks(through_textattack)
    changes = golden.list_changes(wanted, golden.run_attacks(wanted, SET["texts"]))
    assert not changes, "\n".join([*changes, golden.advise(SET)])


def test_explanations_score_as_they_did():
    changes = golden.list_changes(SET["explanations"], golden.explain(SET["explanations"], SET["texts"]))
    assert not changes, "\n".join([*changes, golden.advise(SET)])


@pytest.mark.textattack
def test_the_golden_set_is_of_this_engine_and_of_every_attack():
    assert SET["engine"] == version.ENGINE, golden.RAISE
    assert SET["rests_on"] == golden.describe_ground(), golden.advise(SET)
    assert {row["attack"]["name"] for row in SET["attacks"]} == {*golden.NAMES}, "write the golden set again"
    assert len(SET["attacks"]) >= 60
    assert {row["status"] for row in SET["attacks"]} >= {"succeeded", "failed"}


def test_another_outcome_is_seen_and_is_not_written_under_the_same_number():
    old = {name: SET[name] for name in ("engine", "rests_on", "attacks", "explanations")}
    assert not golden.list_changes(old["attacks"], old["attacks"])
    for kind, change in (("attacks", {"perturbed": "x"}), ("attacks", {"status": "x"}), ("attacks", {"queries": 0}),
                         ("explanations", {"scores": [9.0]})):
        new = copy.deepcopy(old)
        new[kind][0] |= change
        assert len(golden.list_changes(old[kind], new[kind])) == 1
        with pytest.raises(SystemExit, match="outcomes changed: raise ENGINE in robust_core/version.py"):
            golden.check_raised(old, new)
        golden.check_raised(old, new | {"engine": old["engine"] + 1})
        golden.check_raised(old, new | {"rests_on": {}})
    assert golden.list_changes(old["attacks"], old["attacks"][1:]), "a row that is missing"
    golden.check_raised(old, old)


@pytest.mark.textattack
def test_a_changed_table_is_told_from_a_changed_engine():
    assert golden.advise(SET) == golden.RAISE
    other = SET | {"rests_on": SET["rests_on"] | {"table neighbours": "0" * 64}}
    assert golden.advise(other).endswith("ENGINE stays. Changed: table neighbours")
