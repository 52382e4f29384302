"""Benchmarks: what is missing is one line; errors over texts that classifiers share."""

import argparse
import importlib.util
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import parity, program, verdict
from robust_core.errors import MissingResource
from robust_core.metrics import estimate_proportion, estimate_ratio
from robust_core.paths import ROOT

MODULES = sorted(path.stem for path in (ROOT / "bench").glob("*.py") if "def main(" in path.read_text(encoding="utf-8"))
# What is taken away from each, and options.
LACKS = {
    "against": ("data",), "app_speed": ("chromium",), "attack_speed": ("data",), "certified": ("data", "search"),
    "embeddings_speed": ("chromium",), "example_run": ("models",), "explain_speed": ("models",), "flat_gap": ("data",),
    "fluency_wait": ("chromium",),
    "fuzz": ("hypothesis",), "gallery": ("models", "check"), "golden": ("models",), "gpu": ("data",),
    "gpu_speed": ("data",), "ig_completeness": ("data",),
    "kill": ("models",),
    "kill_app": ("chromium",),
    "memory": ("data",), "mutation": ("cosmic-ray",),
    "nearest_words": ("imdb", "--out", os.devnull), "parity": ("data",), "profile": ("data",),
    "reading": ("data", "make"), "scaling": ("data",), "sessions": ("chromium",), "soak": ("chromium",),
    "table_reading": ("data", "make"),
    "training_cost": ("data",), "unlabelled": ("imdb", "--out", os.devnull),
    "verdict": ("data",)}
SAYS = {"data": "of SST-2 is missing. Put sst2/", "imdb": "of IMDB is missing. Put imdb/",
        "models": "Unknown model 'sst2/", "hypothesis": "pip install -r",
        "chromium": "The program chromium is missing. Install Chromium", "cosmic-ray": "pip install cosmic-ray"}


@pytest.fixture
def lacking(tmp_path, monkeypatch):
    """Take something away."""
    def take(what: str) -> None:
        empty = tmp_path / "empty"
        empty.mkdir()
        if what == "models":
            monkeypatch.setenv("ROBUST_CHECKPOINTS", str(empty))
        elif what == "hypothesis":
            found = importlib.util.find_spec
            monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == what else found(name))
        elif what in ("data", "imdb"):
            monkeypatch.setenv("ROBUST_DATA", str(empty))
            # Chromium, where it is looked for first, may be missing on the machine that tests.
            monkeypatch.setattr(program, "find_program", lambda name, how: name)
        else:
            monkeypatch.setenv("PATH", str(empty))
    return take


def test_each_benchmark_is_tried_and_goes_through_one_door():
    assert set(LACKS) == set(MODULES)
    for name in MODULES:
        text = (ROOT / "bench" / f"{name}.py").read_text(encoding="utf-8")
        assert text.endswith('if __name__ == "__main__":\n    run_program(main)\n'), name


@pytest.mark.parametrize("name", MODULES)
def test_what_is_missing_is_one_line(name, lacking, monkeypatch, capsys):
    what, *options = LACKS[name]
    module = importlib.import_module(f"bench.{name}")
    lacking(what)
    monkeypatch.setattr(sys, "argv", [name, *options])
    with pytest.raises(SystemExit) as left:
        program.run_program(module.main)
    out, err = capsys.readouterr()
    assert left.value.code == 2 and not out
    line, = err.splitlines()
    assert SAYS[what] in line


def test_a_process_of_its_own_ends_without_a_traceback(tmp_path):
    done = subprocess.run([sys.executable, "-m", "bench.verdict"], cwd=ROOT, capture_output=True, text=True,
                          env=os.environ | {"ROBUST_DATA": str(tmp_path)}, timeout=120, check=False)
    line, = done.stderr.splitlines()
    assert done.returncode == 2 and "--data-dir or ROBUST_DATA" in line and not done.stdout


def test_textattack_is_missed_before_any_text_is_attacked(monkeypatch, capsys):
    for name in ("against", "parity", "attack_speed"):
        module = importlib.import_module(f"bench.{name}")
        prepare = module.parts.prepare if hasattr(module, "parts") else module.prepare
        prepare.cache_clear()
        monkeypatch.setattr(module.datasets, "load", lambda *asked: [])
        monkeypatch.setattr(sys, "argv", [name])
        with pytest.raises(SystemExit) as left:
            program.run_program(module.main)
        line, = capsys.readouterr().err.splitlines()
        assert left.value.code == 2 and "pip install textattack" in line


def test_a_fault_of_ours_stays_a_traceback_and_codes_are_handed_on():
    def broken() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        program.run_program(broken)
    for code in (None, 0, 1):
        with pytest.raises(SystemExit) as left:
            program.run_program(lambda code=code: code)
        assert left.value.code == (code or 0)
    with pytest.raises(MissingResource, match="The program no-such-program is missing. Ask somebody"):
        program.find_program("no-such-program", "Ask somebody.")


def test_victims_that_share_a_text_are_one_trial():
    one = {f"t/{i}": i % 3 > 0 for i in range(60)}
    texts = program.count_by_text([one])
    assert estimate_ratio(*zip(*texts.values(), strict=True)) == pytest.approx(
        (40 / 60, estimate_proportion(40, 60)[1] * math.sqrt(60 / 59)))
    # The same answers twice say nothing new: the error stays, where independent trials would make it smaller.
    twice = program.count_by_text([one, one])
    assert twice["t/1"] == (2, 2)
    assert estimate_ratio(*zip(*twice.values(), strict=True)) == pytest.approx(
        estimate_ratio(*zip(*texts.values(), strict=True)))
    assert estimate_proportion(80, 120)[1] < 0.75 * estimate_ratio(*zip(*twice.values(), strict=True))[1]
    some = program.count_by_text([one, {"t/0": True}])
    assert (len(some), some["t/0"]) == (60, (1, 2))


def test_the_claim_of_parity_counts_by_text(tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "describe_ground", lambda *_: {"engine": "1"})

    def row(victim: str, texts: dict[str, bool]) -> dict:
        return {"attack": "pwws", "victim": victim, "sentences": len(texts), "same": sum(texts.values()),
                "texts": texts}

    texts = {f"t/{i}": i > 2 for i in range(30)}
    path = tmp_path / "claim.json"
    for victims in (1, 3):
        path.unlink(missing_ok=True)
        asked = argparse.Namespace(n=30, out=str(path), victim=None, data_dir=None)
        parity.claim([row(str(v), texts) for v in range(victims)], asked)
        found = json.loads(path.read_text())
        assert (found["n"], found["value"]) == (30 * victims, pytest.approx(0.9))
        assert found["value_se"] == pytest.approx(math.sqrt(0.9 * 0.1 / 29))
        assert found["details"]["texts"] == [{"hits": hits, "trials": victims, "texts": number}
                                             for hits, number in ((0, 3), (victims, 27))]
        # The counts are enough to compute it again, and no row lists its texts.
        counts = [pair for row in found["details"]["texts"] for pair in [(row["hits"], row["trials"])] * row["texts"]]
        assert estimate_ratio(*zip(*counts, strict=True)) == pytest.approx((found["value"], found["value_se"]))
        assert not any("texts" in row for row in found["details"]["rows"])


def test_the_verdict_is_a_median_with_an_error_over_texts():
    rng = random.Random(0)
    texts = {f"t/{i}": rng.gauss(0.4, 0.2) for i in range(101)}
    found = [{"uid": uid, "kendall_tau": tau} for uid, tau in texts.items()]
    value, error = verdict.estimate_median(found)
    assert value == statistics.median(texts.values())
    # A normal sample's median has the error 1.2533 sd / sqrt(n).
    assert error == pytest.approx(1.2533 * statistics.stdev(texts.values()) / math.sqrt(101), rel=0.35)
    assert verdict.estimate_median(found * 3) == pytest.approx((value, error), rel=1e-9)
    assert verdict.estimate_median([*found, {"uid": "t/0", "kendall_tau": math.nan}]) == pytest.approx((value, error))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_busy_processes_end_with_the_benchmark_however_it_ends():
    with pytest.raises(KeyError), program.keep_busy(2) as pids:
        assert len(pids) == 2 and all(map(_is_alive, pids))
        raise KeyError
    assert not any(map(_is_alive, pids))
    code = ("import os, signal\nfrom bench.program import keep_busy\n"
            "with keep_busy(2) as pids:\n    print(*pids, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)")
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    left = [int(pid) for pid in killed.stdout.split()]
    assert killed.returncode == -9 and len(left) == 2
    until = time.monotonic() + 30
    while any(map(_is_alive, left)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_is_alive, left))


def test_attack_speed_compares_with_the_better_number_of_threads(monkeypatch):
    from bench import attack_speed

    def run(seconds, text="a"):
        return {"seconds": seconds, "found": {"t/0": text}, "parts": {"victim": {"seconds": 0.1, "texts": 3}}}

    runs = {"exact": [run(1.2), run(2.2)], "screened": [run(1.0), run(1.0)],
            "exact, 1 thread": [run(1.0), run(4.0)], "exact, all threads": [run(3.0), run(2.0, "b")]}
    row = attack_speed._figures("m", runs, {"exact": [1.1, 1.2], "screened": [1.0, 1.0]}, 2)
    assert row["exact_over_best"] == pytest.approx((1.2 + 1.1) / 2)
    assert row["fixed_as_exact"] == 0.5 and "exact_ratio" not in row
    given = attack_speed.argparse.Namespace(attack=None, model=None, busy=[0, 8], budget=0, most_words=0, n=9, rounds=3)
    assert attack_speed._command(given) == "python -m bench.attack_speed --busy 0 --busy 8 --n 9 --rounds 3"
