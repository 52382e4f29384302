"""The program for a GPU: its tiny run on a CPU, what it leaves out, what it packs and takes up again."""

import json
import sys
import tarfile

import pytest
from helpers.encoders import folder  # noqa: F401

from bench import gpu, gpu_speed, gpu_steps
from robust_core.errors import BadInput, MissingResource
from robust_core.models import device, loading


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the program on next to nothing; its exit code, results and output."""
    def start(*words: str) -> tuple[int, dict, str]:
        monkeypatch.setattr(sys, "argv", ["gpu", "--tiny", "--device", "cpu", "--jobs", "2", "--out",
                                          str(tmp_path / "out"), "--work", str(tmp_path / "work"), *words])
        code = gpu.main()
        return code, json.loads((tmp_path / "out" / "results.json").read_text()), capsys.readouterr().out
    return start


@pytest.mark.thorough
def test_a_training_runs_and_is_not_run_twice(run, tmp_path, monkeypatch):
    code, found, out = run("--only", "freelb")
    assert code == 0, out
    assert {name for name, row in found["steps"].items() if row["state"] == "done"} == {"freelb 0"}
    assert found["steps"]["freelb 0"]["results"][0]["model"] == "sst2/minilm/freelb-full"
    assert found["device"]["kind"] == "cpu" and "torch" in found["versions"] and not found["left_out"]
    # Elsewhere, from the archives alone: nothing is left to do, and the model answers.
    monkeypatch.setattr(gpu_steps, "_start", None)
    code, again, out = run("--only", "freelb", "--work", str(tmp_path / "elsewhere"))
    assert code == 0 and "started" not in out
    assert again["steps"]["freelb 0"]["results"] == found["steps"]["freelb 0"]["results"]
    model = loading.load(str(tmp_path / "elsewhere" / "checkpoints" / "sst2" / "minilm" / "freelb-full"), "cpu")
    assert model.predict_proba(["a good film"]).shape == (1, 2)


def test_speed_is_measured(folder, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(sys, "argv", [
        "gpu_speed", "--tiny", "--model", "bert-base", "--device", "cpu", "--n", "2", "--pairs", "1", "--seconds", "60",
        "--data-dir", str(folder), "--folder", str(tmp_path), "--out", str(tmp_path / "figures.json")])
    gpu_speed.main()
    found = json.loads((tmp_path / "figures.json").read_text())
    rows = found["rows"]
    assert [row.get("precision") or row["explainer"] for row in rows] == [
        "exact", "exact", "screened", "ig", "lime-questions", "lime"]
    assert all(row["n"] > 0 and row["per_second"] == pytest.approx(row["n"] / row["seconds"]) for row in rows)
    assert len(rows[1]["texts"]) == rows[1]["n"] == 2 and found["device"]["kind"] == "cpu"
    assert found["skipped"] == ["TextAttack's own attacks: the package textattack is missing"]


@pytest.mark.slow
def test_every_step_runs(run, tmp_path):
    code, found, out = run()
    assert {row["state"] for row in found["steps"].values()} == {"done"} and code == 0, out
    assert len(found["steps"]) == 8 and len(list((tmp_path / "out").iterdir())) <= 8


def test_what_cannot_be_imported_is_left_out_and_said(run, monkeypatch):
    monkeypatch.setattr(gpu_steps, "has_package", lambda name: name not in ("peft", "transformers"))
    monkeypatch.setattr(gpu_steps, "_start", None)
    code, found, out = run("--only", "speed bert,flat,simcse")
    assert code == 0 and "flat 0: left out, missing here: peft\n" in out
    assert "speed bert-base cpu: left out, missing here: transformers\n" in out
    assert {row["state"] for row in found["steps"].values()} == {"skipped", "not asked for"}


SLEEPER = ("import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit({code})); "
           "print('x', flush=True); time.sleep(60)")


def make_machine(tmp_path, monkeypatch, code: int, told: list, **changes) -> gpu_steps.Machine:
    """A machine whose steps sleep; they end with an exit code when they are asked to."""
    def start(command, out, err, environment):
        told.append(environment.get("CUDA_VISIBLE_DEVICES", ""))
        process = gpu_steps.subprocess.Popen([sys.executable, "-c", SLEEPER.format(code=code)], stdout=out, stderr=err,
                                             text=True)
        while not open(out.name).read():
            gpu_steps.time.sleep(0.02)
        return process
    monkeypatch.setattr(gpu_steps, "_start", start)
    monkeypatch.setattr(gpu_steps, "GRACE", 1.0)
    monkeypatch.setattr(gpu_steps, "LEAST", 0.2)
    return gpu_steps.Machine(tmp_path, **{"slots": 2, "gpus": 2, "variables": {},
                                          "tell": lambda name, found: told.append((name, found["state"]))} | changes)


def test_trainings_share_the_machine_and_stop_in_time(tmp_path, monkeypatch):
    told: list = []
    steps = [gpu_steps.Step(name, ("x",), name, (), 60.0) for name in "abc"]
    machine = make_machine(tmp_path, monkeypatch, 130, told)
    began = gpu_steps.time.monotonic()
    machine.run(steps, 3.0)
    assert gpu_steps.time.monotonic() - began < 3.5
    assert [one for one in told if isinstance(one, str)] == ["0", "1"], "each sees a GPU of its own"
    ended = dict(one for one in told if not isinstance(one, str))
    assert ended == {"a": "stopped", "b": "stopped", "c": "waiting"}


def test_a_step_that_measures_time_runs_alone_and_an_interruption_ends_all(tmp_path, monkeypatch):
    told: list = []
    steps = [gpu_steps.Step("a", ("x",), "a", (), 0.5, True), gpu_steps.Step("b", ("x",), "b", (), 60.0)]
    machine = make_machine(tmp_path, monkeypatch, 0, told)
    machine.run(steps, 60.0, lambda: ("b", "started") in told)
    assert [one for one in told if not isinstance(one, str)] == [
        ("a", "started"), ("a", "done"), ("b", "started"), ("b", "done")]


def test_packing_keeps_to_few_files_and_says_what_does_not_fit(tmp_path, monkeypatch):
    work, out = tmp_path / "work", tmp_path / "out"
    out.mkdir()
    for name, size in (("checkpoints/a/card.json", 400), ("checkpoints/a/model", 900), ("training/x/state", 3000),
                       ("training/y/lock", 5)):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(b"1" * size)
    monkeypatch.setattr(gpu, "PART_BYTES", 2000)
    results = {"steps": {"speed minilm cpu": {"made": "speed/minilm-cpu.json", "figures": {"rows": [1]}}}}
    gpu.pack(work, out, results)
    assert results["left_out"] == ["training/x/state"]
    names = [tarfile.open(path).getnames() for path in sorted(out.glob("*.tar"))]
    assert names == [["checkpoints/a/card.json"], ["checkpoints/a/model"]]
    assert gpu.unpack(out, tmp_path / "other")["left_out"] == ["training/x/state"]
    assert json.loads((tmp_path / "other" / "speed" / "minilm-cpu.json").read_text()) == {"rows": [1]}
    assert (tmp_path / "other" / "checkpoints" / "a" / "model").read_bytes() == b"1" * 900
    (out / "work-1.tar").write_bytes(b"no archive")
    with pytest.raises(BadInput, match="are damaged"):
        gpu.unpack(out, tmp_path / "third")


def test_figures_are_compared_on_the_same_texts():
    def side(rate: float, width: int, **texts: str) -> dict:
        return {"figures": {"rows": [{"what": "attacks", "attack": "textfooler", "precision": "exact", "width": width,
                                      "per_second": rate, "texts": texts}]}}

    found, = gpu.compare({"steps": {"speed minilm cuda": side(30.0, 256, a="1", b="2", c="3"),
                                    "speed minilm cpu": side(3.0, 32, a="1", b="9"), "flat 0": {}}})
    assert (found["times"], found["same_texts"], found["compared_texts"]) == (10.0, 1, 2)


def test_papers_counts_are_asked_for_and_every_seed(tmp_path):
    steps = {s.name: s for s in gpu_steps.list_steps(gpu_steps.Settings(tmp_path, "cuda", "", False))}
    assert [name for name in steps if name.startswith("speed")] == [
        "speed minilm cuda", "speed minilm cpu", "speed bert-base cuda", "speed bert-base cpu"]
    assert {name for name in steps if name.startswith("flat")} == {"flat 0", "flat 1", "flat 2"}
    assert not any("attacked" in word or "rows" in word for word in steps["flat 1"].command)
    assert "--sentences 0" in " ".join(steps["robustsentembed"].command)


def test_a_folder_for_a_machine_without_internet_holds_data_and_encoder(folder, tmp_path, monkeypatch, capsys):  # noqa: F811
    made = []
    monkeypatch.setattr(gpu, "build_encoder", lambda out: made.append(out))
    gpu.prepare(tmp_path / "to-go", str(folder))
    assert (tmp_path / "to-go" / "sst2" / "train.tsv").is_file() and made == [tmp_path / "to-go" / "encoder"]
    assert "MiB" in capsys.readouterr().out
    with pytest.raises(MissingResource):
        gpu.prepare(tmp_path / "other", str(tmp_path / "nothing"))


def test_a_device_is_described(monkeypatch):
    found = device.describe_device("cpu")
    assert found["kind"] == "cpu" and found["count"] == 1 and found["name"]
    assert gpu.count_slots(found, 0) == 1 and gpu.count_slots(found, 5) == 5
    monkeypatch.setattr(gpu.os, "cpu_count", lambda: 16)
    assert gpu.count_slots({"kind": "cuda", "gib": 139.0, "count": 1}, 0) == 15
    assert gpu.count_slots({"kind": "cuda", "gib": 11.0, "count": 1}, 0) == 2
