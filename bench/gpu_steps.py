"""The steps of `bench.gpu`: what each runs, needs and leaves; child processes that share a machine until a deadline."""

import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from robust_core.environment import child_environment, has_package, name_gpu
from robust_core.errors import shorten

SEEDS = (0, 1, 2)
DEFENCES = ("flat", "carl", "rar", "freelb")
ENCODERS = ("robustsentembed", "simcse")
# Seconds that a child gets to save its state, and that must be left for another one to be worth starting.
GRACE, LEAST = 20.0, 15.0
STOPPED = 130


@dataclasses.dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: Its name.
        command: Words behind `python -m`.
        made: What is there once it is done, below the folder of work.
        needs: Packages without which it is left out.
        seconds: Most seconds it may take.
        alone: Whether nothing may run beside it, because it measures time.
    """

    name: str
    command: tuple[str, ...]
    made: str
    needs: tuple[str, ...]
    seconds: float
    alone: bool = False

    def find_missing(self) -> list[str]:
        """Return the packages that are not here."""
        return [name for name in self.needs if not has_package(name)]


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the steps run.

    Attributes:
        work: Folder that checkpoints, states and logs go to.
        device: Device of the trainings and of the faster side of the comparison.
        data_dir: Folder of data sets; empty for the usual ones.
        tiny: Whether to do next to nothing of each, to see whether all works.
    """

    work: Path
    device: str
    data_dir: str
    tiny: bool


def list_steps(settings: Settings) -> list[Step]:
    """Return all steps, the worthiest first: speed, defences, encoders; of these the longest first."""
    sides = dict.fromkeys((settings.device, "cpu"))
    return [*(_make_speed(model, device, settings) for model in ("minilm", "bert-base") for device in sides),
            *(_make_defence("flat", seed, settings) for seed in _seeds(settings)),
            *(_make_encoder(method, settings) for method in ENCODERS),
            *(_make_defence(name, seed, settings) for seed in _seeds(settings) for name in DEFENCES[1:])]


def _seeds(settings: Settings) -> tuple[int, ...]:
    return SEEDS[:1] if settings.tiny else SEEDS


def _name_data(settings: Settings) -> tuple[str, ...]:
    return ("--data-dir", settings.data_dir) if settings.data_dir else ()


def _make_speed(model: str, device: str, settings: Settings) -> Step:
    made = f"speed/{model}-{device.replace(':', '-')}.json"
    size = {"minilm": (100, 20), "bert-base": (24, 6)}[model] if device == "cpu" else (400, 40)
    n, pairs, seconds = (2, 1, 60) if settings.tiny else (*size, 12)
    words = ["--model", model, "--device", device, "--n", str(n), "--pairs", str(pairs), "--seconds", str(seconds),
             "--width", "32" if device == "cpu" else "256", "--textattack", "0" if device == "cpu" else "20",
             "--folder", str(settings.work / "models"), "--out", str(settings.work / made)]
    return Step(f"speed {model} {device}", ("bench.gpu_speed", *words, *["--tiny"] * settings.tiny,
                                            *_name_data(settings)),
                made, ("torch", "tokenizers", "safetensors") + ("transformers",) * (model != "minilm"), 150.0, True)


def _make_defence(defence: str, seed: int, settings: Settings) -> Step:
    """Return a training with the counts of the defence's paper: FLAT attacks every training text twice."""
    name = f"{defence}-full"
    made = f"sst2/minilm/{name}" + f"@{seed}" * bool(seed)
    changes = {"epochs": 10} if defence != "flat" else {}
    if settings.tiny:
        changes = ({"clean_epochs": 1, "rounds": 1, "round_epochs": 1, "attacked": 2} if defence == "flat" else
                   {"epochs": 2} | ({"after": 1.0} if defence == "carl" else {})) | {"rows": 16, "rank": 2}
    words = ["train", "--dataset", "sst2", "--architecture", "minilm", "--defence", defence, "--preset", "paper",
             "--name", name, "--seed", str(seed), "--device", settings.device, "--resume", "--json",
             *(["--attack", "textfooler"] if defence == "flat" else []),
             *(word for key, value in changes.items() for word in ("--set", f"{key}={value}")),
             "--out", str(settings.work / "checkpoints"), *_name_data(settings)]
    return Step(f"{defence} {seed}", ("robust_core", *words), f"checkpoints/{made}/card.json",
                ("torch", "tokenizers", "safetensors", "peft", "typer", "rich"), 3600.0)


def _make_encoder(method: str, settings: Settings) -> Step:
    name = f"{method}-whole"
    changes = ("rank=2", "batch_size=8", "checks=1") if settings.tiny else ()
    sizes = ["--sentences", "16" if settings.tiny else "0", *(word for pair in changes for word in ("--set", pair))]
    words = ["train-encoder", "--method", method, "--name", name, "--device", settings.device, *sizes, "--json",
             "--out", str(settings.work / "checkpoints"), *_name_data(settings)]
    return Step(method, ("robust_core", *words), f"checkpoints/encoders/{name}/card.json",
                ("torch", "tokenizers", "safetensors", "peft", "scipy", "typer", "rich"), 3600.0)


class _Child:
    """A step that runs."""

    def __init__(self, step: Step, folder: Path, environment: dict[str, str]) -> None:
        self.step, self.began, self.asked = step, time.monotonic(), 0.0
        stem = folder / step.name.replace(" ", "-").replace(":", "-")
        self._paths = (stem.with_suffix(".out"), stem.with_suffix(".err"))
        with contextlib.ExitStack() as files:
            out, err = (files.enter_context(path.open("w", encoding="utf-8")) for path in self._paths)
            self.process = _start(step.command, out, err, environment)

    def stop(self) -> None:
        """Ask it to save its state and end; end it if it was asked long ago."""
        if not self.asked:
            self.asked = time.monotonic()
            self.process.send_signal(signal.SIGINT)
        elif time.monotonic() - self.asked > GRACE:
            self.process.kill()

    def describe(self) -> dict[str, Any]:
        """Return how it ended."""
        seconds, code = round(time.monotonic() - self.began, 1), self.process.wait()
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in self._paths)
        state = "done" if code == 0 else "stopped" if self.asked or code == STOPPED else "failed"
        found: dict[str, Any] = {"state": state, "seconds": seconds}
        with contextlib.suppress(ValueError, KeyError, TypeError):
            found["results"] = json.loads(out)["results"]
        if state != "done":
            ending = "killed, since it did not end when asked to" if code == -signal.SIGKILL else f"exit code {code}"
            found["why"] = ending if code < 0 else shorten((err.strip().splitlines() or [ending])[-1])
        return found


def _start(command: Sequence[str], out: IO[str], err: IO[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-m", *command], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                            text=True, env=environment)


@dataclasses.dataclass
class Machine:
    """Runs steps as child processes.

    Attributes:
        work: Folder of work.
        slots: Most steps side by side.
        gpus: GPUs that are dealt out in turn; 0 where there are none.
        variables: Environment variables of the children.
        tell: Called with a step's name and how it ended, and "started" at its start.
    """

    work: Path
    slots: int
    gpus: int
    variables: dict[str, str]
    tell: Callable[[str, dict[str, Any]], None]

    def run(self, steps: Sequence[Step], seconds: float, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Run steps in their order, as many at once as there is room for, until time is up or somebody interrupts."""
        deadline, waiting, running, number = time.monotonic() + seconds, list(steps), [], 0
        (self.work / "logs").mkdir(parents=True, exist_ok=True)
        try:
            while waiting or running:
                over = time.monotonic() > deadline - GRACE or interrupted()
                late = time.monotonic() > deadline - GRACE - LEAST
                while waiting and not (over or late) and self._has_room(waiting[0], running):
                    step = waiting.pop(0)
                    running.append(self._start(step, number))
                    number += 1
                if waiting and not running and (over or late):
                    for step in waiting:
                        self.tell(step.name, {"state": "waiting", "why": "no time was left"})
                    return
                for child in running:
                    if over or time.monotonic() - child.began > child.step.seconds:
                        child.stop()
                for child in [child for child in running if child.process.poll() is not None]:
                    running.remove(child)
                    self.tell(child.step.name, child.describe())
                time.sleep(0.1)
        finally:
            for child in running:
                child.process.kill()
                child.process.wait()

    def _has_room(self, step: Step, running: Sequence[_Child]) -> bool:
        if step.alone or any(child.step.alone for child in running):
            return not running
        return len(running) < self.slots

    def _start(self, step: Step, number: int) -> _Child:
        variables = dict(self.variables)
        if self.gpus > 1 and not step.alone:
            variables["CUDA_VISIBLE_DEVICES"] = name_gpu(number % self.gpus)
        if self.slots > 1 and not step.alone:
            variables["OMP_NUM_THREADS"] = "1"
        self.tell(step.name, {"state": "started"})
        return _Child(step, self.work / "logs", child_environment(**variables))
