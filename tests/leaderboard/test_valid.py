"""The valid share of an entry's flips: by the shipped reading, by kept judgements, each text once, and by whom."""

import math

import pytest
from helpers.claims import make_claim, put_claim
from helpers.cli import invoke, rows

from robust_core.judging.items import Counts, Group, make_item
from robust_core.judging.kept import keep_judgement
from robust_core.judging.records import Judged
from robust_core.judging.scores import decide, score_verdicts
from robust_core.judging.shipped import read_reading
from robust_core.leaderboard import valid
from robust_core.leaderboard.entries import read_board
from robust_core.leaderboard.ranking import sort_entries
from robust_core.leaderboard.valid import add_valid_shares, find_valid_share
from robust_core.metrics import estimate_proportion

CNN, LSTM = "sst2/cnn/base", "sst2/lstm/base"


@pytest.fixture
def board(tmp_path, monkeypatch):
    """Two models, one of which the shipped reading judged; a person without judgements; four test sentences."""
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    data = tmp_path / "data" / "sst2"
    data.mkdir(parents=True)
    (data / "test.tsv").write_text("text\tlabel\n" + "".join(f"original {i}\t1\n" for i in range(4)))
    monkeypatch.setenv("ROBUST_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(valid, "_read_texts", valid._read_texts.__wrapped__)
    for model in (CNN, LSTM):
        put_claim(tmp_path, model.replace("/", "-"), make_claim(model, "textfooler", "paper"))
    return read_board(tmp_path)


def judge(number: int, says: str, name: str = "Ann", source: str = "a" * 12, model: str = LSTM,
          preset: str = "paper", adversarial: bool = True) -> Judged:
    item = make_item(f"text {number}", f"original {number}", "positive", adversarial,
                     Group(model, "textfooler", preset) if adversarial else Group())
    return Judged(name, says, True, "2026-11-30T10:00:00", source, Counts(), item)


def find(board, model: str):
    return next(entry for entry in add_valid_shares(board).entries if entry.model == model).valid


def test_the_shipped_reading_gives_its_own_share(board):
    found = find(board, CNN)
    score, = (score for score in score_verdicts(decide(read_reading()[1]))
              if score.group == Group(CNN, "textfooler", "paper"))
    assert found.share == (*score.kept, score.texts) and found.share.n == 50 and found.judges == 1
    assert find(board, LSTM) is None, "nobody judged it"


def test_kept_judgements_count_each_text_once_by_the_majority(board):
    for each in (judge(0, "positive"), judge(0, "positive", "Bob"), judge(0, "negative", "Cy", "b" * 12),
                 judge(1, "negative"), judge(1, "positive", "Bob"), judge(2, "positive"),
                 judge(3, "positive", preset="careful"), judge(3, "positive", adversarial=False),
                 judge(77, "positive")):
        keep_judgement(each)
    found = find(board, LSTM)
    # Text 0 two of three, text 1 a tie, text 2 one; 3 is of another preset or an original, 77 of other data.
    assert found.share == (*estimate_proportion(2, 3), 3) and found.judges == 3


def test_without_the_data_only_the_shipped_reading_counts(board, tmp_path):
    keep_judgement(judge(0, "positive"))
    entry = next(entry for entry in board.entries if entry.model == LSTM)
    assert find_valid_share(entry, [], [judge(0, "positive")], str(tmp_path / "data")) is not None
    (tmp_path / "data" / "sst2" / "test.tsv").unlink()
    assert find(board, LSTM) is None and find(board, CNN) is not None


def test_entries_are_ordered_by_it_those_without_last(board):
    ordered = sort_entries(add_valid_shares(board).entries, "valid")
    assert [entry.model for entry in ordered] == [CNN, LSTM]


def test_the_command_line_shows_it_and_says_where_nobody_judged():
    shown = invoke("leaderboard", "--dataset", "sst2", "--attack", "textfooler", "--preset", "careful").output
    assert "Valid %" in shown and "96.0 ± 2.8 of 50" in shown and "–" in shown and "nobody judged any" in shown
    found = rows(invoke("leaderboard", "--dataset", "sst2", "--attack", "textfooler", "--json"))
    judged = {(row["model"], row["preset"]): row for row in found if row["judged"]}
    assert judged["sst2/minilm/base", "careful"]["valid"] == pytest.approx(0.96)
    assert judged["sst2/minilm/base", "careful"]["valid_se"] == pytest.approx(math.sqrt(0.96 * 0.04 / 50))
    assert all(row["valid"] is None and row["judges"] == 0 for row in found if not row["judged"])
