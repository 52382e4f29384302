"""The command judge: its rows, its table, and what it refuses."""

import json

import pytest
from helpers.cli import invoke, refused, rows

from robust_core.judging.records import to_record
from robust_core.judging.shipped import READER, read_reading


@pytest.fixture
def files(tmp_path):
    _, judged = read_reading()
    other = [each._replace(judge="Ann", says=each.item.label, passable=True) for each in judged[:60]]
    found = []
    for name, own in (("reading.jsonl", judged), ("ann.jsonl", other)):
        path = tmp_path / name
        path.write_text("".join(json.dumps(to_record(each)) + "\n" for each in own))
        found.append(str(path))
    return found


def test_judgements_of_one_judge_are_scored(files):
    found = rows(invoke("judge", files[0], "--json"))
    assert [(row["kind"], row["preset"], row["texts"]) for row in found] == [
        ("adversarial", "careful", 50), ("adversarial", "paper", 50), ("adversarial", "careful", 50),
        ("adversarial", "paper", 50), ("adversarial", "", 200), ("original", "", 40)]
    first = found[0]
    assert first["label_kept"] == 0.98 and first["valid_success"] == pytest.approx(0.98 * first["success"])
    assert found[-1]["success"] is None and found[-1]["attempted"] is None


def test_several_files_are_put_together_and_agreement_is_measured(files):
    found = rows(invoke("judge", *files, "--json"))
    agreeing = [row for row in found if "agreement" in row]
    assert [(row["agreement"], row["judges"], row["texts"]) for row in agreeing] == [
        ("label", 2, 60), ("passable English", 2, 60)]
    assert agreeing[0]["kappa"] > 0.5 and agreeing[0]["kappa_se"] > 0 and agreeing[1]["kappa"] == 0
    assert {row["judge"] for row in found if "kind" in row} == {"", READER, "Ann"}
    shown = invoke("judge", *files)
    assert shown.exit_code == 0 and "Valid success" in shown.stdout and "Cohen's kappa" in shown.stdout
    assert "raw success × label kept" in " ".join(shown.stdout.split())


def test_what_holds_no_judgements_is_one_line(files, tmp_path):
    refused(invoke("judge", str(tmp_path / "none.jsonl")), "is not there")
    (tmp_path / "other.csv").write_text("text,label\na film,positive\nb,negative\n")
    refused(invoke("judge", str(tmp_path / "other.csv")), "holds no judgements", "judge")
    (tmp_path / "empty.jsonl").write_text("")
    refused(invoke("judge", str(tmp_path / "empty.jsonl")), "no judgements")
