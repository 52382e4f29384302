"""certify --words, on the shipped additive model."""

import json

import pytest
from helpers.cli import invoke, refused, rows

TEXT = "Not even the lovely island scenery can save this soggy romance."


def test_a_text_is_certified():
    (row,) = rows(invoke("certify", TEXT, "--words", "--json"))
    assert row["model"] == "sst2/additive/close" and row["prediction"] == "negative" and row["swap_set"] == "careful"
    assert row["certified"] and row["swaps_proven"] is None and row["texts"] > 1
    assert 0 < row["worst_margin"] <= row["margin"]
    assert [word["word"] for word in row["words"]][:2] == ["Not", "even"]
    assert "any number" in invoke("certify", TEXT, "--words").stdout


def test_several_models_are_a_row_each():
    found = rows(invoke("certify", TEXT, "--words", "--model", "sst2/additive/close", "--model", "sst2/additive/wide",
                        "--model", "sst2/additive/close", "--json"))
    assert [row["model"] for row in found] == ["sst2/additive/close", "sst2/additive/wide"]
    refused(invoke("certify", TEXT, "--model", "sst2", "--model", "ag_news"), "Without --words, --model takes one name")


def test_swaps_may_come_from_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"soggy": ["wonderful"], "save": ["treasure"]}))
    (row,) = rows(invoke("certify", TEXT, "--words", "--swaps", str(path), "--json"))
    assert row["swap_set"] == "mine.json" and row["texts"] == 4


@pytest.mark.parametrize(("words", "line"), [
    (("--words", "--model", "sst2/cnn/base"), "no certificate in words"),
    (("--words", "--swaps", "nosuch"), "swap set"),
    (("--swaps", "wide"), "--swaps goes with --words"), (("--words", "--scale", "1"), "--scale and --set go without")])
def test_what_cannot_be_certified_is_one_line(words, line):
    refused(invoke("certify", TEXT, *words), line)


def test_a_data_set_is_certified(tmp_path):
    folder = tmp_path / "sst2"
    folder.mkdir()
    (folder / "test.tsv").write_text("text\tlabel\n" + "".join(
        f"{text}\t{label}\n" for text, label in (("a lovely film", 1), ("a dull film", 0), ("a dull film indeed", 1))))
    (row,) = rows(invoke("certify", "--words", "--dataset", "sst2", "--data-dir", str(tmp_path), "--json"))
    assert row["n"] == 3 and row["certified_accuracy"] <= row["accuracy"] < 1
    assert list(row["certified_by_swaps"]) == ["1", "2", "3", "5", "10"]


def test_a_long_text_has_more_texts_than_a_float_can_say():
    text = " ".join(["lovely soggy film"] * 130)
    shown = invoke("certify", text, "--words", "--swaps", "wide")
    assert shown.exit_code == 0 and "e+" in shown.stdout
    (row,) = rows(invoke("certify", text, "--words", "--swaps", "wide", "--json"))
    assert row["texts"] > 10**400
