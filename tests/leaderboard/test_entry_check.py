"""A new entry's file: good ones pass, and whatever somebody forges, breaks or nests is a line, never a traceback."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from helpers.cli import invoke, refused
from helpers.hostile import check_line, run_command
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.claims.files import compute_digest
from robust_core.errors import LONGEST_MESSAGE, RobustError, shorten
from robust_core.experiments import evidence
from robust_core.leaderboard import check
from robust_core.paths import RESULTS

ATTACKED, PRESET = "flat-table2-sst2-cnn-base-textfooler", "presets-sst2-sst2-additive-close-textfooler-careful"
PROVED, TAU = "own-certified-words-sst2-additive-close", "flat-table3-sst2-cnn-base-textfooler"
CLEAN, PLAIN = "flat-table2-sst2-cnn-base-clean", "sst2-cnn-base-sst2-test-textfooler"
LIMITED, UNSHIPPED = "flat-table4-sst2-cnn-base-clare", "flat-table5-sst2-lstm-flat-textfooler-beta0-textfooler"


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def forge(name: str, change: Callable[[dict[str, Any]], object], digest: bool = True) -> list[str]:
    """The faults of a stored claim that somebody changed; a careful forger works out the digest as well."""
    claim = read(name)
    change(claim)
    if digest:
        claim["digest"] = compute_digest(claim)
    return check.check_entry(claim)


@pytest.fixture
def no_ground(monkeypatch):
    """Without hashing the files of models and data for each case."""
    monkeypatch.setattr(evidence.Ground, "check", lambda self, claim: iter(()))


@pytest.mark.parametrize("name", [ATTACKED, PRESET, PROVED, TAU, CLEAN, PLAIN, LIMITED, UNSHIPPED])
def test_stored_claims_are_good_entries(name):
    assert check.check_file(RESULTS / f"{name}.json") == []


def row(claim):
    return claim["details"]["rows"][0]


@pytest.mark.parametrize(("name", "change", "words"), [
    (ATTACKED, lambda c: c.pop("command"), "It lacks command."),
    (ATTACKED, lambda c: c.update(rank=1), "fields that no claim has: 'rank'"),
    (ATTACKED, lambda c: c.update(n="many"), "n must be a whole number, not 'many'"),
    (ATTACKED, lambda c: c.update(n=True), "n must be a whole number"),
    (ATTACKED, lambda c: c.update(n=0), "n must be 1 at least"),
    (ATTACKED, lambda c: c.update(seeds=[0, 0, 1]), "different whole numbers"),
    (ATTACKED, lambda c: c.update(seeds=[]), "different whole numbers"),
    (ATTACKED, lambda c: c.update(seeds=[0, 1]), "the seeds 0, 1 would be"),
    (ATTACKED, lambda c: c.update(value_se=-0.1), "cannot be -0.1"),
    (ATTACKED, lambda c: c.update(precision="sloppy"), "precision must be one of"),
    (ATTACKED, lambda c: c.update(metric="charm"), "shows no metric 'charm'"),
    (ATTACKED, lambda c: c.update(rests_on={"engine": 1}), "must name a hash"),
    (ATTACKED, lambda c: c["details"].update(model="mine"), "such as sst2/cnn/base, not 'mine'"),
    (ATTACKED, lambda c: c["details"].update(experiment="flat/table99"), "Unknown experiment"),
    (ATTACKED, lambda c: c["details"].update(rows={}), "must be a list of objects"),
    (ATTACKED, lambda c: c["details"].update(rows=[1]), "must be a list of objects"),
    (ATTACKED, lambda c: c["details"]["rows"].pop(), "seeds 0, 1, 2 would be"),
    (ATTACKED, lambda c: row(c).update(attack="charm"), "Row 1: Unknown attack 'charm'"),
    (ATTACKED, lambda c: row(c).update(attack="pwws"), "It is of the attack pwws"),
    (ATTACKED, lambda c: row(c)["parameters"].update(window=-3), "window"),
    (ATTACKED, lambda c: row(c)["parameters"].update(magic=1), "has no parameter 'magic'"),
    (ATTACKED, lambda c: row(c)["parameters"].update(swaps="mine.tsv"), "swap set of somebody's own"),
    (ATTACKED, lambda c: row(c).update(dataset="moods"), "Unknown data set 'moods'"),
    (ATTACKED, lambda c: row(c).update(split="secret"), "Unknown split"),
    (ATTACKED, lambda c: row(c).update(succeeded=1), "add up to"),
    (ATTACKED, lambda c: row(c).update(failed=-1), "must be whole numbers from 0 to n"),
    (ATTACKED, lambda c: row(c).update(stopped=3), "were stopped"),
    (ATTACKED, lambda c: row(c).update(precision=["exact"]), "precision must be one of"),
    (ATTACKED, lambda c: row(c).update(model={}), "is no id of a model"),
    (ATTACKED, lambda c: row(c).update(accuracy=1.5), "accuracy must be a number from 0 to 1, not 1.5"),
    (ATTACKED, lambda c: row(c).update(similarity=7), "similarity must be a number from -1 to 1"),
    (ATTACKED, lambda c: row(c).update(accuracy_se=-1), "accuracy_se is a standard error"),
    (ATTACKED, lambda c: row(c).update(accuracy_under_attack=0.5), "where the counts give"),
    (ATTACKED, lambda c: c.update(value=0.9), "Value is 0.9, its rows give 0.0206"),
    (ATTACKED, lambda c: c.update(value_se=0.0001), "Value_se is 0.0001"),
    (ATTACKED, lambda c: c.update(n=9), "N is 9, its rows give 1821"),
    (ATTACKED, lambda c: c.update(freeze="1999-01-01"), "no entry 1999-01-01"),
    (ATTACKED, lambda c: c.update(command="rm -rf /"), "must begin python -m robust_core"),
    (ATTACKED, lambda c: c.update(command="python -m robust_core train --model x"), "must begin python -m robust_core"),
    (ATTACKED, lambda c: c.update(command="python -m robust_core 'reproduce"), "command cannot be read"),
    (ATTACKED, lambda c: c.update(command=c["command"] + " --out /etc"), "may have the options"),
    (ATTACKED, lambda c: c.update(command=c["command"] + " ; reboot"), "may have the options"),
    (ATTACKED, lambda c: c.update(command=c["command"].replace("DATA", "/root")), "--data-dir DATA"),
    (ATTACKED, lambda c: c.update(command=c["command"].replace("textfooler", "pwws")), "does not name the attack"),
    (ATTACKED, lambda c: c.update(command=c["command"].replace("cnn/base", "lstm/base")), "measures sst2/lstm/base"),
    (ATTACKED, lambda c: c.update(command=c["command"].replace("table2", "table3")), "reproduces another experiment"),
    (ATTACKED, lambda c: c.update(command=c["command"].replace(" --train", "")), "lacks --train, without which"),
    (ATTACKED, lambda c: c["rests_on"].pop("engine"), "does not name engine"),
    (ATTACKED, lambda c: c["rests_on"].update({"data sst2/test": "abc"}), "64 hexadecimal digits"),
    (PRESET, lambda c: c.update(command=c["command"].replace("screened", "exact")), "lacks --precision screened"),
    (PROVED, lambda c: row(c).update(certified_accuracy=0.99), "is larger than accuracy"),
    (PROVED, lambda c: row(c).update(swap_set="mine"), "Unknown swap set"),
    (TAU, lambda c: row(c).update(kendall_tau=2), "kendall_tau must be a number from -1 to 1"),
    (TAU, lambda c: c["details"].update(explain="charm"), "Unknown explainer"),
    (TAU, lambda c: row(c).update(top_k={}), "5 among them"),
    (TAU, lambda c: row(c).update(compared=10_000), "compared must be"),
    (CLEAN, lambda c: row(c).update(model="sst2/cnn/charm"), "Unknown model 'sst2/cnn/charm'"),
    (CLEAN, lambda c: row(c).pop("accuracy"), "It lacks accuracy"),
])
def test_a_forged_entry_is_a_line(no_ground, name, change, words):
    faults = forge(name, change)
    assert any(words in fault for fault in faults), faults
    for fault in faults:
        check_line(shorten(fault, LONGEST_MESSAGE))


def test_what_was_changed_by_hand_is_seen_beside_what_that_breaks(no_ground):
    assert forge(ATTACKED, lambda c: c.update(value=0.9), digest=False) == [
        "Its digest is not that of its content: it was changed by hand after it was written.",
        f"Value is 0.9, its rows give {read(ATTACKED)['value']}."]


def test_hashes_are_compared_with_what_is_here():
    def change(claim):
        claim["rests_on"]["model sst2/additive/close"] = "0" * 64

    assert any("another model sst2/additive/close than is here now" in fault for fault in forge(PRESET, change))


def test_more_texts_than_there_are(no_ground, monkeypatch):
    monkeypatch.setattr(check.datasets, "load", lambda name, split: [None] * 10)
    assert forge(PRESET, lambda c: None) == ["n is 1,821; sst2/test has 10 texts."]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"x"', "[" * 100_000, '{"a": NaN}', '{"a": 1e400}',
                                  '{"n": ' + "9" * 5000 + "}", '{"a": "\\ud800"}', "{}", '{"claim": 1}', "\0",
                                  '{"a":' * 50 + "1" + "}" * 50, '{"a": "' + "x" * 6000 + '"}'])
def test_files_that_are_no_entry(tmp_path, text):
    path = tmp_path / "mine.json"
    path.write_bytes(text.encode("utf-8", "replace"))
    result = invoke("leaderboard", "check", path)
    assert result.exit_code == 2 and result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines
    for line in lines:
        check_line(line)


PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(
        ("sst2/cnn/base", "a/b/c", "../../x", "textfooler", "python -m robust_core", "\ud800", "9" * 50)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8)


def list_places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in list_places(item, (*path, key)))]


GOOD = {name: read(name) for name in (PRESET, TAU, PROVED)}
PLACES = {name: list_places(claim)[1:] for name, claim in GOOD.items()}


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_anything_anywhere_is_a_line_or_good(data):
    name = data.draw(st.sampled_from(list(GOOD)))
    claim = copy.deepcopy(GOOD[name])
    for place in data.draw(st.lists(st.sampled_from(PLACES[name]), min_size=1, max_size=3)):
        parent: Any = claim
        try:
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]]
        except (KeyError, IndexError, TypeError):
            continue
        parent[place[-1]] = data.draw(PLAIN_VALUES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence.Ground, "check", lambda self, claim: iter(()))
        faults = check.check_entry(claim)
        assert all(isinstance(fault, str) and fault for fault in faults)
        if not faults:
            try:
                assert check.describe_entry(claim).startswith("Good: ")
            except RobustError as error:
                check_line(str(error))


@settings(max_examples=100, deadline=None)
@given(PLAIN_VALUES)
def test_any_json_at_all(values):
    assert check.check_entry(values)


# --- The command -------------------------------------------------------------------------------------------------


def test_a_good_file_is_one_line(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(read(ATTACKED)))
    result = invoke("leaderboard", "check", path)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == ("Good: accuracy under attack of sst2/cnn/base under TextFooler: 2.1 ± 0.4 %, 1,821 texts, "
                             "seeds 0, 1, 2.\n")


def test_a_bad_file_has_a_line_a_fault(tmp_path):
    claim = read(ATTACKED)
    claim["value"], claim["command"] = 0.9, "rm -rf /"
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(claim))
    result = invoke("leaderboard", "check", path)
    assert result.exit_code == 2 and result.stdout == "" and len(result.stderr.splitlines()) == 3


@pytest.mark.parametrize("words", [["check"], ["check", "gone.json"], ["check", "/dev/zero"], ["check", "."], ["rank"],
                                   ["check", "a\0b"], ["--dataset", "x"], ["--attack", "x"], ["--preset", "x"]])
def test_refusals_are_one_line(words):
    code, _, said = run_command("leaderboard", *words)
    assert code == 2 and said


def test_the_table_and_its_json():
    table = invoke("leaderboard", "--dataset", "trec", "--attack", "textfooler")
    assert table.exit_code == 0 and "trec/minilm/adversarial-textfooler" in table.stdout and "†1" in table.stdout
    document = json.loads(invoke("leaderboard", "--attack", "textfooler", "--preset", "careful", "--json").stdout)
    rows = document["results"]
    assert len(rows) == len(list(RESULTS.glob("presets-*-textfooler-careful.json")))
    assert [line["attacked"] for line in rows] == sorted((line["attacked"] for line in rows), reverse=True)
    first = rows[0]
    stored = read(first["claim"].removesuffix(".json"))
    assert (first["attacked"], first["attacked_se"], first["n"], first["command"]) == (
        pytest.approx(stored["value"]), pytest.approx(stored["value_se"]), stored["n"], stored["command"])
    assert isinstance(first["warnings"], list)
    refused(invoke("leaderboard", "--preset", "brave"), "Unknown preset 'brave'")
