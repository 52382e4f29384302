"""Workers as processes of this machine: lines of JSON through pipes, so nothing listens and nothing is pickled."""

import contextlib
import json
import logging
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from robust_core.environment import child_environment, name_gpu
from robust_core.errors import RobustError, from_plain, shorten, to_plain
from robust_core.paths import person_folder
from robust_core.sweep.executor import Heard
from robust_core.sweep.shards import Shard, write_shard
from robust_core.sweep.work import Message, check_worker

_LOG = logging.getLogger(__name__)
_COMMAND = (sys.executable, "-m", "robust_core.sweep.worker")
_TAIL = 4000


class _Worker:
    """A process, what it works on, and a thread that reads what it says."""

    def __init__(self, device: str, environment: dict[str, str], heard: "queue.SimpleQueue[tuple[_Worker, str | None]]"
                 ) -> None:
        self.shard: Shard | None = None
        self.model, self.greeted = "", False
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [*_COMMAND, device], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            encoding="utf-8", env=child_environment(ROBUST_RUNS=str(person_folder()), **environment))
        threading.Thread(target=self._read, args=(heard,), name="sweep", daemon=True).start()

    def _read(self, heard: "queue.SimpleQueue[tuple[_Worker, str | None]]") -> None:
        assert self.process.stdout
        with contextlib.suppress(ValueError, OSError):
            for line in self.process.stdout:
                heard.put((self, line))
        heard.put((self, None))

    def send(self) -> None:
        """Send the shard; that nobody hears it any more shows when the process is found to have ended."""
        assert self.process.stdin and self.shard is not None
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(write_shard(self.shard) + "\n")
            self.process.stdin.flush()

    def end(self) -> str:
        """End the process and return how it went, in a few words."""
        self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError, ValueError):
                assert pipe
                pipe.close()
        with self._errors as errors:
            errors.seek(0)
            said = errors.read()[-_TAIL:].strip()
        if said:
            _LOG.error("A worker ended with %s: %s", code, said)
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
        return f"{name}: {shorten(said.splitlines()[-1])}" if said else name


class Processes:
    """An executor with several processes of this machine.

    Args:
        count: How many.
        device: Where models run; several GPUs are dealt out in turn.
        threads: Threads of each.
    """

    def __init__(self, count: int, *, device: str = "auto", threads: int = 1) -> None:
        self.slots = count
        self._device, self._threads = device, str(threads)
        self._workers: dict[int, _Worker] = {}
        self._heard: queue.SimpleQueue[tuple[_Worker, str | None]] = queue.SimpleQueue()
        self._gpus = _count_gpus(device)

    @property
    def pids(self) -> list[int]:
        """Ids of the processes that run."""
        return [worker.process.pid for worker in self._workers.values()]

    def submit(self, shard: Shard) -> None:
        """Give a shard to a worker that is free, or to a new one."""
        free = [worker for worker in self._workers.values() if worker.shard is None]
        # One that has the model loaded comes first.
        worker = min(free, key=lambda w: w.model != shard.model) if free else self._start()
        worker.shard, worker.model = shard, shard.model
        if worker.greeted:
            worker.send()

    def events(self, wait: float) -> Iterator[Heard]:
        """Yield what the workers have said."""
        try:
            worker, line = self._heard.get(timeout=wait)
            while True:
                yield from self._read(worker, line)
                worker, line = self._heard.get_nowait()
        except queue.Empty:
            return

    def close(self) -> None:
        """Kill all of them."""
        for worker in self._workers.values():
            worker.process.kill()
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    def _start(self) -> _Worker:
        place = next(i for i in range(self.slots) if i not in self._workers)
        environment = {"OMP_NUM_THREADS": self._threads, "MKL_NUM_THREADS": self._threads, "PYTHONUNBUFFERED": "1",
                       "ROBUST_THREADS": ""}
        if self._gpus > 1:
            # Each sees one, which has the same name for all: the device is part of what a run rests on.
            environment["CUDA_VISIBLE_DEVICES"] = name_gpu(place % self._gpus)
        self._workers[place] = _Worker(self._device, environment, self._heard)
        return self._workers[place]

    def _read(self, worker: _Worker, line: str | None) -> Iterator[Heard]:
        if line is None:
            yield from self._bury(worker)
            return
        try:
            message: Message = json.loads(line)
        except ValueError:
            return  # a line that was cut off when the process died
        if message["kind"] == "hello":
            yield from self._greet(worker, message)
        elif worker.shard is not None:
            number = worker.shard.number
            if message["kind"] in ("done", "failed"):
                worker.shard = None
            yield number, message

    def _greet(self, worker: _Worker, hello: dict[str, Any]) -> Iterator[Heard]:
        """Give a new worker its first shard, if it is what this process is."""
        worker.greeted, shard = True, worker.shard
        if shard is None:
            return
        try:
            if "error" in hello:
                raise from_plain(hello["error"])
            check_worker(hello, shard.run)
        except RobustError as error:
            worker.shard = None
            yield shard.number, {"kind": "failed", "error": to_plain(error)}
        else:
            worker.send()

    def _bury(self, worker: _Worker) -> Iterator[Heard]:
        place = next((place for place, known in self._workers.items() if known is worker), None)
        if place is None:
            return
        del self._workers[place]
        reason = worker.end()
        if worker.shard is not None:
            yield worker.shard.number, {"kind": "lost", "reason": reason}


def _count_gpus(device: str) -> int:
    if device not in ("auto", "cuda"):
        return 0
    import torch

    return torch.cuda.device_count()
