"""kill -9 and two processes at once, for real: the shorter version of bench/kill.py."""

from pathlib import Path

import pytest

from bench.kill import compare


@pytest.mark.slow
def test_kills_and_company_leave_the_same_store_and_table(tmp_path: Path) -> None:
    found = compare(tmp_path, n=60, kills=3, seed=1)
    assert found["examples"] == 60
    rounds = found["stored_after_each_kill"]
    assert sum(map(len, rounds)) == 3
    assert all(counts == sorted(counts) for counts in rounds)
