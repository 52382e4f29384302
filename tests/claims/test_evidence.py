"""`table --check` notices whatever is edited: claims, pages, tables, weights, data, the engine, the papers' figures."""

import json
import re
import shutil
from pathlib import Path

import pytest

from robust_core.claims.files import compute_digest, store_claim, write_claim
from robust_core.errors import BadInput, RobustError
from robust_core.experiments import evidence, readme
from robust_core.experiments.flat import table2, table4
from robust_core.paths import RESULTS
from robust_core.resources import fingerprints

CLEAN, ATTACKED = "flat-table2-sst2-cnn-base-clean", "flat-table2-sst2-cnn-flat-textfooler-textfooler"
BAE, TAU = "flat-table4-sst2-cnn-base-bae", "flat-table3-sst2-cnn-base-textfooler"
PGD, READ, STS = "carl-rar-table5-sst2-minilm-base-pgd", "carl-rar-table6-sst2-minilm-rar-pgd-0-1", "rse-sts-minilm"
SCREENED = "flat-table2-sst2-minilm-base-textfooler"
PARITY, PLAIN, CERTIFIED = "parity-bae", "sst2-cnn-base-sst2-test-clean", "dssn-certified-accuracy-digits"
NAMES = (CLEAN, "flat-table2-sst2-cnn-flat-textfooler-clean", ATTACKED, BAE, TAU, PGD, READ, STS, PARITY, PLAIN,
         CERTIFIED)
BLOCKS = ("flat/table2", "flat/table4", "flat/table3", "carl-rar/table5", "carl-rar/table6", "rse/sts", "parity",
          "accuracy", "dssn/certified-accuracy")


class Case:
    """A folder of claims and a page that shows them, all in order."""

    def __init__(self, folder: Path) -> None:
        self.results, self.page = folder / "results", folder / "page.md"
        self.results.mkdir()
        for name in NAMES:
            shutil.copy(RESULTS / f"{name}.json", self.results)
        blocks = "".join(f"<!-- table:{name} -->\n<!-- /table -->\n\n" for name in BLOCKS)
        self.page.write_text(f"{blocks}It holds <!-- figure {BAE} value .1%± -->?<!-- /figure --> % of texts.\n")
        evidence.write_index(self.results)
        readme.write_pages([self.page], self.results)

    def problems(self) -> list[str]:
        return evidence.list_problems(self.results, [self.page])

    def edit(self, name: str, change, forge: bool = False) -> None:
        """Change a claim by hand; a forger works out the digest as well."""
        path = self.results / f"{name}.json"
        claim = json.loads(path.read_text())
        change(claim)
        if forge:
            claim["digest"] = compute_digest(claim)
        path.write_text(json.dumps(claim, indent=1, ensure_ascii=False) + "\n")

    def replace(self, old: str, new: str) -> None:
        text = self.page.read_text()
        assert old in text
        self.page.write_text(text.replace(old, new, 1))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = Case(tmp_path)
    assert made.problems() == []
    return made


def put(*path, value):
    """Return a change that puts a value in a claim."""
    def change(claim: dict) -> None:
        for step in path[:-1]:
            claim = claim[step]
        assert claim[path[-1]] != value
        claim[path[-1]] = value
    return change


# Every field, and what a table reads instead of the headline.
EDITS = {
    "value": (CLEAN, put("value", value=0.9)),
    "error": (CLEAN, put("value_se", value=0.001)),
    "n": (READ, put("n", value=872)),
    "seeds": (CLEAN, put("seeds", value=[0, 1, 2, 3])),
    "statement": (CLEAN, put("claim", value="accuracy of something else")),
    "metric": (CLEAN, put("metric", value="attack_success_rate")),
    "command": (CLEAN, put("command", value="python -m robust_core reproduce flat/table2")),
    "precision": (BAE, put("precision", value="exact")),
    "a threshold": (BAE, put("thresholds", "window", value=16)),
    "a count in a row": (ATTACKED, put("details", "rows", 1, "failed", value=97)),
    "a mean in a row": (ATTACKED, put("details", "rows", 1, "queries", value=1.0)),
    "a warning left out": (ATTACKED, put("details", "rows", 0, "warnings", value=[])),
    "a row left out": (ATTACKED, lambda claim: claim["details"]["rows"].pop()),
    "a difference": (ATTACKED, put("details", "difference", "value", value=0.2)),
    "a rank correlation in a row": (TAU, put("details", "rows", 0, "kendall_tau", value=0.9)),
    "a curve": (PGD, put("details", "rows", 0, "curve", 2, "failed", value=999)),
    "a task": (STS, put("details", "rows", 3, "value", value=0.99)),
    "a certified share": (CERTIFIED, put("details", "rows", 0, "certified_accuracy", "0.1", value=0.5)),
    "a text that is shown": (READ, put("details", "rows", 0, "fooled", value=3)),
    "a paper's figure put in": (CLEAN, lambda claim: claim["details"].update(paper=99.9)),
    "a freeze": (CLEAN, put("freeze", value="2026-11-30")),
    "a version": (CLEAN, put("versions", "torch", value="0.1")),
    "a hash": (BAE, lambda claim: claim["rests_on"].update({"table neighbours": "0" * 64})),
    "what it rests on": (BAE, lambda claim: claim["rests_on"].clear()),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edited_claim_is_noticed(case, what):
    case.edit(*EDITS[what])
    assert any("changed by hand" in problem for problem in case.problems())
    with pytest.raises(BadInput, match="Nothing is written"):
        evidence.write_index(case.results)


# With a digest that fits, what contradicts itself is still noticed; and the index knows the old digest.
FORGED = ("value", "error", "n", "a count in a row", "a row left out", "a rank correlation in a row", "a curve",
          "a task", "a text that is shown", "a hash")


@pytest.mark.parametrize("what", EDITS)
def test_a_forged_digest_does_not_help(case, what):
    case.edit(*EDITS[what], forge=True)
    problems = case.problems()
    assert problems
    if what in FORGED:
        assert any("is new or measured again" not in problem for problem in problems), problems


def test_a_claim_that_is_gone_is_noticed_also_after_writing(case):
    (case.results / f"{PARITY}.json").unlink()
    assert any(f"{PARITY}.json is gone" in problem for problem in case.problems())
    with pytest.raises(BadInput, match="is gone"):
        evidence.write_index(case.results)
    evidence.drop_claims([f"{PARITY}.json"], case.results)
    readme.write_pages([case.page], case.results)
    assert case.problems() == []
    with pytest.raises(BadInput, match="There is no claim"):
        evidence.drop_claims(["nothing.json"], case.results)


def test_a_claim_that_nothing_shows_is_refused(case):
    shutil.copy(RESULTS / "kill.json", case.results)
    evidence.write_index(case.results)
    assert case.problems() == ["kill.json: no table and no sentence shows it."]


def test_a_page_without_its_table_or_sentence_is_noticed(case):
    text = case.page.read_text()
    case.page.write_text(re.sub(r"<!-- table:parity -->.*?<!-- /table -->", "", text, flags=re.DOTALL))
    assert case.problems() == [f"{PARITY}.json: no table and no sentence shows it."]


@pytest.mark.parametrize("old", ["18.0 ± 2.2<!-- /figure", "| 82.5", "*84.18*", "1,821 / 1,821"])
def test_an_edited_page_is_noticed(case, old):
    case.replace(old, old.replace("8", "7", 1).replace("1,821 /", "1,820 /", 1))
    assert case.problems() == ["page.md is out of date: run python -m robust_core table --write."]


def test_a_paper_figure_changed_in_the_code_is_noticed(case, monkeypatch):
    monkeypatch.setitem(table4.PAPER, ("CNN", "base"), (1.98, 8.29, 20.32, 7.85, 5.60, 1.48, 47.12))
    assert case.problems() == ["page.md is out of date: run python -m robust_core table --write."]
    monkeypatch.undo()
    monkeypatch.setitem(table2.ACCURACY, ("cnn", "base"), (94.18, 91.32, 91.20))
    assert case.problems()


@pytest.mark.parametrize("name", ["stop-words", "parts-of-speech", "sentence-encoder", "masked-model"])
def test_a_changed_table_is_noticed(case, monkeypatch, name):
    known = fingerprints.fingerprint_table
    monkeypatch.setattr(fingerprints, "fingerprint_table", lambda asked: "1" * 64 if asked == name else known(asked))
    title = fingerprints.name_title(name)
    assert any(f"{BAE}.json: it rests on another {title} than is here now" in problem for problem in case.problems())


def test_a_raised_engine_is_noticed(case, monkeypatch):
    monkeypatch.setattr(evidence, "ENGINE", evidence.ENGINE + 1)
    problems = case.problems()
    assert any(f"{ATTACKED}.json: it rests on another engine" in problem for problem in problems)
    assert "measure it again: python -m robust_core reproduce" in problems[0]


def test_replaced_weights_are_noticed(case, tmp_path, monkeypatch):
    root = tmp_path / "checkpoints"
    shutil.copytree(evidence.CHECKPOINTS / "sst2" / "cnn", root / "sst2" / "cnn")
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(root))
    monkeypatch.setattr(evidence, "CHECKPOINTS", root)
    assert not any("rests on another" in problem for problem in case.problems())
    weights = root / "sst2" / "cnn" / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert any(f"{CLEAN}.json: it rests on another model sst2/cnn/base" in problem for problem in case.problems())


def test_another_card_is_noticed(case, tmp_path, monkeypatch):
    root = tmp_path / "checkpoints"
    shutil.copytree(evidence.CHECKPOINTS / "sst2" / "cnn", root / "sst2" / "cnn")
    card = root / "sst2" / "cnn" / "base" / "card.json"
    card.write_text(card.read_text().replace('"model.safetensors": "', '"model.safetensors": "0'))
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(root))
    assert any(f"{CLEAN}.json: it rests on another model" in problem for problem in case.problems())


def test_other_data_are_noticed(case, tmp_path, monkeypatch):
    (tmp_path / "data" / "sst2").mkdir(parents=True)
    (tmp_path / "data" / "sst2" / "test.tsv").write_text("text\tlabel\na good film\t1\na bad film\t0\n")
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path / "data"))
    assert any(f"{CLEAN}.json: it rests on another data sst2/test" in problem for problem in case.problems())


@pytest.mark.parametrize("word", [" --train", " --precision screened"])
def test_a_command_that_lacks_something_is_noticed(case, word):
    if word != " --train":
        shutil.copy(RESULTS / f"{SCREENED}.json", case.results)
        evidence.write_index(case.results)
    name = ATTACKED if word == " --train" else SCREENED
    case.edit(name, lambda claim: claim.update(command=claim["command"].replace(word, "")), forge=True)
    assert any(f"its command lacks{word}" in problem for problem in case.problems())


def test_a_damaged_claim_is_named(case):
    (case.results / f"{PARITY}.json").write_text("{")
    with pytest.raises(RobustError, match="parity-bae"):
        case.problems()


# --- What is written ---------------------------------------------------------------------------------------------


def test_fewer_seeds_or_texts_never_replace_more(case):
    path = case.results / f"{CLEAN}.json"
    claim = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("digest", "versions")}
    for change, said in (({"seeds": [0]}, "rests on the seeds 0, 1, 2, this on 0"), ({"n": 100}, "1,821 examples")):
        with pytest.raises(BadInput, match=said):
            write_claim(path, **claim | change)
    assert case.problems() == []
    write_claim(path, **claim | {"seeds": [0, 1, 2, 3]})


def test_a_written_claim_holds_its_digest(tmp_path):
    store_claim(tmp_path / "a.json", {"value": float(1), "details": {}})
    claim = json.loads((tmp_path / "a.json").read_text())
    assert claim["digest"] == compute_digest(claim) == compute_digest({"details": {}, "value": 1.0})
    assert compute_digest(claim | {"value": 2.0}) != claim["digest"]


def test_everything_that_stands_in_the_repository_agrees():
    assert evidence.list_problems() == []
