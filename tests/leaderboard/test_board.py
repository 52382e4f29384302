"""The leaderboard's entries: read from claims, pooled over trainings, joined, filtered and ordered."""

import json
import math

import pytest
from helpers.claims import make_claim, put_claim
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.attacks import ATTACKS
from robust_core.claims.files import read_claims
from robust_core.errors import BadInput, UnknownName
from robust_core.experiments.draw import Outcome
from robust_core.leaderboard import rerun
from robust_core.leaderboard.entries import SWAPS, name_defence, read_board
from robust_core.leaderboard.papers import read_papers
from robust_core.leaderboard.ranking import ORDERS, filter_entries, list_tied, sort_entries
from robust_core.paths import RESULTS

CNN, LSTM = "sst2/cnn/base", "sst2/lstm/flat-textfooler"
COUNTS = st.tuples(*[st.integers(0, 40)] * 4).filter(any).map(
    lambda c: dict(zip(("skipped", "succeeded", "failed", "exhausted"), c, strict=True)))


@pytest.fixture(scope="module")
def shipped():
    """The board of the project's own results."""
    return read_board()


def test_every_stored_attack_on_words_is_on_the_board(shipped):
    assert not shipped.left_out
    stored = [path.name for path in RESULTS.glob("*.json") if (claim := json.loads(path.read_text()))["metric"]
              == "accuracy_under_attack" and claim["details"]["attack"] in ATTACKS]
    named = [source.file for entry in shipped.entries for source in entry.sources]
    assert sorted(named) == sorted(stored), "each claim answers one question"
    assert len({entry.id for entry in shipped.entries}) == len(shipped.entries)


def test_figures_are_those_of_the_claims(shipped):
    for entry in shipped.entries:
        claim, = read_claims([RESULTS / entry.sources[0].file])
        assert entry.attacked.value == pytest.approx(claim["value"], abs=1e-12)
        assert entry.attacked.error == pytest.approx(claim["value_se"], abs=1e-12)
        assert entry.attacked.n == claim["n"] and list(entry.seeds) == claim["seeds"]
        assert entry.clean.value >= entry.attacked.value, "an attack makes nobody right"
        assert entry.lowest is not None and entry.lowest.share.value <= entry.attacked.value


def test_certificates_and_explanations_stand_beside_their_attacks(shipped):
    found = {(e.model, e.attack, e.preset): e for e in shipped.entries}
    proved = found["sst2/additive/close", "textfooler", "careful"]
    claim, = read_claims([RESULTS / "own-certified-words-sst2-additive-close.json"])
    assert proved.certificate.share.value == pytest.approx(claim["value"]) and proved.certificate.swap_set == "careful"
    assert found["sst2/additive/close", "textfooler", "paper"].certificate.swap_set == SWAPS["paper"] == "wide"
    assert found[CNN, "bae", "paper"].certificate is None, "BAE takes its words from no such set"
    assert found[CNN, "textfooler", "careful"].stability == ()
    explained = {one.explain: one for one in found[CNN, "textfooler", "paper"].stability}
    claim, = read_claims([RESULTS / "flat-table3-sst2-cnn-base-textfooler.json"])
    assert explained["ig"].tau.value == pytest.approx(claim["value"]) and explained["ig"].source.file.startswith(
        "flat-table3")
    assert set(explained) == {"ig", "lime"} and 0 < explained["lime"].top_5.value < 1


def test_warnings_say_what_the_tables_say(shipped):
    found = {(e.model, e.attack, e.preset): " ".join(e.warnings) for e in shipped.entries}
    assert "unknown to the model" in found[CNN, "textfooler", "paper"]
    assert "packed until 2026-11-29" in found[CNN, "textfooler", "paper"]
    assert "600 where 2000 were planned" in found["sst2/minilm/adversarial-textfooler", "textfooler", "careful"]
    assert "fixed draw of 8,000" in found["ag_news/minilm/base", "textfooler", "paper"]
    assert "Known fault: Trained on 15 texts" in found["trec/cnn/base", "textfooler", "paper"]
    assert any("ran out of queries" in text for text in found.values())


def test_the_claim_with_most_trainings_counts_and_the_others_are_named(tmp_path):
    one = dict(skipped=20, succeeded=70, failed=10, exhausted=0)
    two = dict(skipped=10, succeeded=60, failed=30, exhausted=0)
    put_claim(tmp_path, "a", make_claim(CNN, "textfooler", "paper", one))
    put_claim(tmp_path, "b", make_claim(CNN, "textfooler", "paper", one, two))
    put_claim(tmp_path, "c", make_claim(CNN, "pwws", "paper", one))
    put_claim(tmp_path, "d", make_claim(CNN, "pwws", "careful", two))
    board = read_board(tmp_path)
    found = {(e.attack, e.preset): e for e in board.entries}
    entry = found["textfooler", "paper"]
    assert [source.file for source in entry.sources] == ["b.json", "a.json"]
    assert entry.attacked.value == pytest.approx(0.2) and entry.clean.value == pytest.approx(0.85)
    assert entry.seeds == (0, 1)
    assert (entry.lowest.attack, entry.lowest.attacks, entry.lowest.share.value) == ("pwws", 2, pytest.approx(0.1))
    assert found["pwws", "careful"].lowest.attacks == 1, "presets are not mixed"


def test_damaged_files_are_named_and_left_out(tmp_path):
    put_claim(tmp_path, "a", make_claim(CNN))
    (tmp_path / "b.json").write_text("{")
    forged = make_claim(LSTM)
    forged["details"]["rows"][0]["accuracy_under_attack"] = 0.9
    put_claim(tmp_path, "c", forged)
    lacking = make_claim(LSTM)
    del lacking["details"]["rows"][0]["parameters"]
    put_claim(tmp_path, "d", lacking)
    board = read_board(tmp_path)
    assert [entry.model for entry in board.entries] == [CNN]
    assert dict(board.left_out) == {"b.json": "It is damaged.", "d.json": "Its details are damaged.",
                                    "c.json": "accuracy_under_attack is 0.9 where the counts give 0.3."}


def test_values_of_no_preset_are_said(tmp_path):
    claim = make_claim(CNN)
    claim["details"]["rows"][0]["parameters"]["min_text_similarity"] = 0.5
    put_claim(tmp_path, "a", claim)
    entry, = read_board(tmp_path).entries
    assert entry.preset == "" and "min_text_similarity 0.5 (now 0.82)" in " ".join(entry.warnings)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.tuples(st.sampled_from(("sst2/cnn/base", "trec/lstm/base", "sst2/minilm/carl")),
                                 st.sampled_from(("textfooler", "pwws", "bae")), st.sampled_from(("paper", "careful"))),
                       st.lists(COUNTS, min_size=1, max_size=3), min_size=1, max_size=8))
def test_any_counts(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("results")
    # Trainings of one model meet the same texts.
    for number, ((model, attack, preset), counts) in enumerate(found.items()):
        put_claim(folder, str(number), make_claim(model, attack, preset, *counts))
    board = read_board(folder)
    assert not board.left_out and len(board.entries) == len(found)
    for entry in board.entries:
        counts = found[entry.model, entry.attack, entry.preset]
        shares = [(c["failed"] + c["exhausted"]) / sum(c.values()) for c in counts]
        assert entry.attacked.value == pytest.approx(math.fsum(shares) / len(shares))
        assert entry.attacked.error > 0 and len(entry.seeds) == len(counts)
        same = [e for e in board.entries if (e.model, e.preset) == (entry.model, entry.preset)]
        assert entry.lowest.share.value == min(e.attacked.value for e in same) and entry.lowest.attacks == len(same)
    for by in ORDERS:
        ordered = sort_entries(board.entries, by)
        assert sorted(map(id, ordered)) == sorted(map(id, board.entries))
        figures = [figure.value for entry in ordered if (figure := ORDERS[by][1](entry)) is not None]
        assert figures == sorted(figures, reverse=True)
    parts = [filter_entries(board.entries, presets=[preset]) for preset in ("paper", "careful")]
    assert sum(map(len, parts)) == len(board.entries)
    best = sort_entries(board.entries)[0]
    assert best not in list_tied(best, board.entries)


def test_filters_refuse_names_that_nobody_knows(shipped):
    for wrong in ({"dataset": "x"}, {"attack": "x"}, {"presets": ["x"]}):
        with pytest.raises(UnknownName):
            filter_entries(shipped.entries, **wrong)
    with pytest.raises(UnknownName):
        sort_entries(shipped.entries, "x")
    assert {e.defence for e in filter_entries(shipped.entries, defences=["flat"])} == {"flat"}
    assert {e.architecture for e in filter_entries(shipped.entries, architectures=["lstm"])} == {"lstm"}


@pytest.mark.parametrize(("model", "defence"), [
    ("sst2/lstm/flat-textfooler-beta0", "flat"), ("sst2/cnn/base", "base"), ("sst2/additive/close", "certified"),
    ("sst2/cnn/core", "core"), ("sst2/cnn/mine", "mine"), ("sst2/cnn/flatter", "flatter")])
def test_the_defence_stands_in_the_id(model, defence):
    assert name_defence(model) == defence


def test_ties_follow_the_errors(tmp_path):
    for name, failed in (("base", 500), ("carl", 490), ("rar", 300)):
        put_claim(tmp_path, name, make_claim(f"sst2/minilm/{name}", "textfooler", "paper", dict(
            skipped=100, succeeded=900 - failed, failed=failed, exhausted=0)))
    best, *others = sort_entries(read_board(tmp_path).entries)
    assert best.model.endswith("base")
    assert [entry.model for entry in list_tied(best, [best, *others])] == ["sst2/minilm/carl"]


def test_the_papers_figures_are_those_of_the_experiments():
    found = {(f.table, f.dataset, f.model, f.defence, f.attack): f for f in read_papers()}
    assert len(found) == len(read_papers()), "none stands there twice"
    flat = found["Tables 2, 3, 8", "sst2", "CNN", "flat-textfooler", "textfooler"]
    assert (round(100 * flat.clean, 2), round(100 * flat.attacked, 2)) == (83.09, 37.07)
    assert flat.stability == {"ig": (.70, .82), "lime": (.39, .69)}
    assert round(100 * found["Table 4", "sst2", "BERT", "base", "clare"].attacked, 2) == 0.86
    assert found["Table 2", "sst2", "ALBERT", "rar", ""].clean == pytest.approx(0.9373)


# --- Measuring again ---------------------------------------------------------------------------------------------


def test_what_is_missing_is_said(monkeypatch, tmp_path):
    three, = read_claims([RESULTS / "flat-table2-sst2-cnn-base-textfooler.json"])
    one, = read_claims([RESULTS / "presets-sst2-sst2-cnn-base-textfooler-careful.json"])
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path))
    lines = rerun.list_obstacles(three)
    assert "sst2/cnn/base@1, sst2/cnn/base@2" in lines[0] and "sst2" in lines[1] and len(lines) == 2
    assert len(rerun.list_obstacles(one)) == 1
    (tmp_path / "sst2").mkdir()
    (tmp_path / "sst2" / "test.tsv").write_text("text\tlabel\nfine\tpositive\n")
    assert rerun.list_obstacles(one) == []
    assert "2026-11-29" in rerun.list_cautions(three)[0] and rerun.list_cautions(one) == []


@pytest.mark.parametrize("name", ["../secret.json", "gone.json", "a/b.json", ""])
def test_only_claims_are_read(name):
    with pytest.raises(BadInput):
        rerun.read_source(name)


@pytest.mark.parametrize(("verdict", "words"), [
    ("equal", "Agrees to the last digit: 66.7 % again"), ("within error", "66.7 % now, 66.0 ± 1.1 % stored"),
    ("differs", "Differs by more than its error"), ("failed", "could not be measured again: no data")])
def test_the_outcome_is_one_line(verdict, words):
    outcome = Outcome("a.json", verdict, 0.66, 0.667, 12.0, "no data" * (verdict == "failed"))
    line = rerun.describe_outcome(outcome, 0.011)
    assert words in line and line.endswith(".") and "\n" not in line
