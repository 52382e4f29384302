"""The result store: exact round trips, many writers, a killed process, damaged and unwritable places."""

import dataclasses
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from helpers.results import RUN, result
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import paths
from robust_core import store as stores
from robust_core.claims.files import write_claim
from robust_core.errors import BadInput
from robust_core.paths import ROOT
from robust_core.runs import Run, fingerprint_model, read_versions
from robust_core.store import FILE, ResultStore
from robust_core.types import Example


def test_results_come_back_exactly_with_nan_and_every_digit(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    run = store.open_run(RUN)
    appended = [result(), result("é\U0001f600", perturbed="\ud800 \x00", after=(math.inf, -0.0), swaps=(), notes=()),
                result("2", similarity=1, example=Example("x", None, "2"), curve=())]
    for one in appended:
        store.append(run, one)
    for stored in (store.results(run), ResultStore(tmp_path).results(run)):
        assert repr(stored) == repr(appended)
    assert store.results(run)[2] == appended[2]


@settings(max_examples=25, deadline=None)
@given(text=st.text(), numbers=st.tuples(st.floats(), st.floats(width=32)), queries=st.integers(0, 2**62))
def test_any_text_and_number_survives(tmp_path_factory: pytest.TempPathFactory, text: str,
                                      numbers: tuple[float, float], queries: int) -> None:
    store = ResultStore(tmp_path_factory.mktemp("store"))
    one = result(uid=text or "u", perturbed=text, before=numbers, after=numbers, queries=queries)
    store.append(store.open_run(RUN), one)
    assert repr(store.results(RUN.id)) == repr([one])
    store.close()


def test_numbers_of_numpy_are_stored_as_what_they_are(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.append(store.open_run(RUN), result(before=(np.float32(0.1), np.float64(0.9)), queries=np.int64(3)))
    stored = store.results(RUN.id)[0]
    assert stored.before == (float(np.float32(0.1)), 0.9)
    assert type(stored.queries) is int


def test_the_same_configuration_is_the_same_run(tmp_path: Path) -> None:
    again = Run(types.MappingProxyType({"max_queries": 0, "name": "textfooler"}), dict(RUN.models), dict(RUN.data), 0,
                dict(RUN.versions), "cpu")
    assert again.id == RUN.id
    assert len(RUN.id) == 12
    others = [dataclasses.replace(RUN, **change) for change in (
        {"method": {"name": "textfooler", "max_queries": 1}}, {"models": {"sst2/cnn/base": "ac"}}, {"seed": 1},
        {"data": {"dataset": "trec"}}, {"versions": {"torch": "3"}}, {"device": "cuda"},
        {"rests_on": {"engine": "1"}}, {"rests_on": {"engine": "2"}})]
    assert len({RUN.id, *(run.id for run in others)}) == 9
    store = ResultStore(tmp_path)
    for run in (RUN, again, *others):
        assert store.open_run(run) == run.id
    assert list(store.runs()) == [run.id for run in reversed(others)] + [RUN.id]
    assert store.runs()[RUN.id] == RUN and [*store.runs().values()][::-1] == [RUN, *others]


def test_done_leaves_out_what_was_stopped_and_a_later_end_replaces_it(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    run = store.open_run(RUN)
    store.append(run, result("0", status="stopped"))
    store.append(run, result("1"))
    assert store.done(run) == {("1", "sst2/cnn/base")}
    store.append(run, result("0", status="failed"))
    store.append(run, result("1", status="failed"))
    assert store.done(run) == {("0", "sst2/cnn/base"), ("1", "sst2/cnn/base")}
    assert [(r.example.uid, r.status) for r in store.results(run)] == [("0", "failed"), ("1", "succeeded")]
    assert store.results("nothing") == []


def test_a_result_needs_its_run(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="removed from the history"):
        ResultStore(tmp_path).append("nothing", result())


def test_threads_append_at_the_same_time(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    run = store.open_run(RUN)

    def work(number: int) -> None:
        for i in range(20):
            store.append(run, result(f"{number}/{i}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.done(run) == {(f"{k}/{i}", "sst2/cnn/base") for k in range(6) for i in range(20)}
    store.close()
    assert len(store.results(run)) == 120, "a closed store opens again when it is used"


WRITER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from helpers.results import RUN, result
from robust_core.store import ResultStore
store = ResultStore(sys.argv[1])
run = store.open_run(RUN)
for i in range(int(sys.argv[3])):
    store.append(run, result(f"{{sys.argv[2]}}/{{i}}"))
    print(i, flush=True)
""".format(root=str(ROOT), tests=str(ROOT / "tests"))


def writer(folder: Path, name: str, count: int) -> "subprocess.Popen[str]":
    """Start a process that appends results and prints the number of each one when it is stored."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, str(count)], stdout=subprocess.PIPE,
                            text=True)


def test_two_processes_make_and_fill_one_file(tmp_path: Path) -> None:
    processes = [writer(tmp_path, name, 100) for name in "ab"]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    store = ResultStore(tmp_path)
    assert len(store.done(RUN.id)) == 200
    assert len(store.runs()) == 1


def test_kill_9_loses_at_most_the_result_in_flight(tmp_path: Path) -> None:
    process = writer(tmp_path, "a", 100_000)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 50:
            break
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait(timeout=10)
    acknowledged = int(rest[-1]) + 1 if rest and rest[-1].isdigit() else 51
    store = ResultStore(tmp_path)
    stored = store.results(RUN.id)
    assert acknowledged <= len(stored) <= acknowledged + 1
    assert repr(stored[50]) == repr(result("a/50"))
    store.append(RUN.id, result("after"))
    assert ("after", "sst2/cnn/base") in store.done(RUN.id)


def test_a_file_in_place_of_the_folder_is_one_plain_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("I am a file")
    for folder in (tmp_path / "runs", tmp_path / "runs" / "below"):
        with pytest.raises(BadInput, match="folder of runs .* cannot be made: .* ROBUST_RUNS") as error:
            ResultStore(folder)
        assert "\n" not in str(error.value)
    assert (tmp_path / "runs").read_text() == "I am a file"


def test_a_folder_in_place_of_the_file_is_one_plain_line(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(BadInput, match="cannot be used: unable to open database file"):
        ResultStore(tmp_path)


def test_garbage_is_reported_and_left_as_it_is(tmp_path: Path) -> None:
    garbage = b"\x00not a database\xff" * 500
    (tmp_path / FILE).write_bytes(garbage)
    with pytest.raises(BadInput, match="is damaged .* left untouched") as error:
        ResultStore(tmp_path)
    assert "\n" not in str(error.value)
    assert (tmp_path / FILE).read_bytes() == garbage


def test_a_file_damaged_inside_is_reported_when_it_is_read(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    run = store.open_run(RUN)
    for i in range(200):
        store.append(run, result(str(i)))
    store.close()
    content = bytearray((tmp_path / FILE).read_bytes())
    content[4096 * 3:] = b"\x5a" * (len(content) - 4096 * 3)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        ResultStore(tmp_path).results(run)


def test_a_damaged_record_is_reported(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.append(store.open_run(RUN), result())
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE results SET record = '{'")
    db.close()
    with pytest.raises(BadInput, match="damaged"):
        store.results(RUN.id)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    ResultStore(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BadInput, match="newer version"):
        ResultStore(tmp_path)


def test_the_folder_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "elsewhere" / "runs"))
    ResultStore().open_run(RUN)
    assert (tmp_path / "elsewhere" / "runs" / FILE).is_file()
    monkeypatch.setenv("ROBUST_RUNS", " ")
    assert paths.runs_folder() == Path("runs")


def test_views_are_found_by_their_token_only(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    view = {"text": "<script>alert(1)</script>", "models": ["a"], "tau": math.nan, "n": 1.5}
    tokens = {store.put(view) for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) >= 16 for token in tokens)
    for token in tokens:
        assert repr(ResultStore(tmp_path).get(token)) == repr(view)
    for token in ("", "1", "' OR 1=1 --", "../etc", "\x00", "\ud800é"):
        with pytest.raises(BadInput, match="leads nowhere"):
            store.get(token)
    with pytest.raises(BadInput, match="too large"):
        store.put({"text": "x" * stores.MAX_DOCUMENT})


def test_a_claim_is_strict_json_and_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "results" / "claim.json"
    values = {"claim": "accuracy of x", "command": "python -m robust_core evaluate", "run": "ab", "n": 10,
              "seeds": (0,), "metric": "accuracy", "value": np.float64(0.5), "value_se": math.nan,
              "thresholds": {"similarity": 0.82}}
    assert write_claim(path, **values, details={"rows": [{"gap": math.inf}]}) == path
    read = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert read["value"] == 0.5
    assert read["value_se"] is None
    assert read["details"] == {"rows": [{"gap": None}]}
    assert read["seeds"] == [0]
    assert read["versions"] == read_versions()
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_claim(path, **values, details={"x": object()})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["claim.json"], "no temporary file is left"


def test_a_claim_that_cannot_be_written_is_one_plain_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        write_claim(tmp_path / "file" / "claim.json", claim="", command="", run="", n=0, seeds=(), metric="", value=0,
                    value_se=0, thresholds={}, details={})


def test_the_fingerprint_of_a_model_follows_its_files() -> None:
    card = types.SimpleNamespace(files={"model.safetensors": "00"}, config={"length": (50, 1)}, parent="")
    model = types.SimpleNamespace(id="a", card=card)
    changed = types.SimpleNamespace(id="a", card=types.SimpleNamespace(**(vars(card) | {"files": {"model": "01"}})))
    assert fingerprint_model(model) == fingerprint_model(types.SimpleNamespace(id="b", card=card))
    assert fingerprint_model(model) != fingerprint_model(changed)
    bare = types.SimpleNamespace(id="a", card=None)
    assert fingerprint_model(bare) != fingerprint_model(types.SimpleNamespace(id="b", card=None))


def test_versions_name_what_computes() -> None:
    assert {"python", "robust_core", "numpy", "torch"} <= set(read_versions())


def test_comparisons_are_kept_by_run_explainer_and_example(tmp_path):
    store = ResultStore(tmp_path)
    run = store.open_run(RUN)
    store.compare(run, {"name": "ig", "steps": 50}, "0", {"kendall_tau": 0.5, "marks": [[math.nan, 1.0]]})
    store.compare(run, {"steps": 50, "name": "ig"}, "0", {"kendall_tau": 0.9})
    store.compare(run, {"name": "lime"}, "1", {"kendall_tau": 0.1})
    found = store.comparisons(run, {"name": "ig", "steps": 50})
    assert found["0"]["kendall_tau"] == 0.5 and math.isnan(found["0"]["marks"][0][0]) and len(found) == 1
    assert store.comparisons(run, {"name": "ig", "steps": 100}) == {}
    assert store.explained() == [(run, {"name": "ig", "steps": 50}, 1), (run, {"name": "lime"}, 1)]


def test_a_store_of_the_first_version_gets_the_new_table(tmp_path):
    store = ResultStore(tmp_path)
    store.append(store.open_run(RUN), result())
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("DROP TABLE comparisons")
        db.execute("PRAGMA user_version = 1")
    store.close()
    again = ResultStore(tmp_path)
    assert again.explained() == [] and len(again.results(RUN.id)) == 1
