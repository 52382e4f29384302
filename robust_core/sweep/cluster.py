"""Workers as actors of a Ray cluster, which may be many machines; Ray is installed by requirements-cluster.txt.

Text alone goes between the processes: the lines of JSON that local workers read and write.
"""

import contextlib
import json
import queue
import threading
from collections.abc import Iterator
from typing import Any

from robust_core.environment import asks_for_token
from robust_core.errors import BadInput, MissingResource, RobustError, first_sentence, from_plain, quote, to_plain
from robust_core.records import to_plain_values
from robust_core.sweep.executor import Heard
from robust_core.sweep.shards import Shard, read_shard, write_shard
from robust_core.sweep.work import check_worker, describe_worker, work

AUTO = "auto"
_LOCAL = ("localhost", "127.", "[::1]", "::1")


class Actor:
    """A worker in a process of the cluster.

    Args:
        device: Where models run.
        threads: Threads of the process.
    """

    def __init__(self, device: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._device = device

    def hello(self) -> str:
        """Return what `describe_worker` does, or the error that it met."""
        try:
            return json.dumps(describe_worker(self._device))
        except RobustError as error:
            return json.dumps({"error": to_plain(error)})

    def work(self, line: str) -> Iterator[str]:
        """Yield the messages about a shard, each as a line."""
        for message in work(read_shard(line), threading.Event()):
            yield json.dumps(to_plain_values(message))


class Cluster:
    """An executor on a Ray cluster that runs already.

    Args:
        address: auto for the cluster that this machine belongs to, or where its head is.
        count: Actors; None for one a GPU, or as many as the processors have room for where there is none.
        device: Where models run.
        threads: Threads of each actor, which counts as so many processors.
        ray: The library; a test gives its own.

    Raises:
        MissingResource: Ray is not installed.
        BadInput: There is no such cluster, or it is on another machine and asks nobody for a token.
    """

    def __init__(self, address: str, count: int | None = None, *, device: str = "auto", threads: int = 1,
                 ray: Any = None) -> None:  # noqa: ANN401 (a module that may not be installed)
        if address != AUTO and not address.startswith(_LOCAL) and not asks_for_token():
            raise BadInput(f"The cluster at {quote(address)} is on another machine: whoever reaches it runs what they "
                           "like there. Start it, and this command, with RAY_AUTH_MODE=token.")
        self._ray = ray = _import_ray() if ray is None else ray
        try:
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        except Exception as error:  # noqa: BLE001 (Ray raises what its parts raise)
            raise BadInput(f"No Ray cluster answers at {quote(address)}: {first_sentence(error)}.") from None
        found = ray.cluster_resources()
        gpus = int(found.get("GPU", 0)) if device in ("auto", "cuda") else 0
        self.slots = count or gpus or max(1, int(found.get("CPU", 1)) // threads)
        self._make = ray.remote(**({"num_gpus": 1} if gpus else {}), num_cpus=threads)(Actor)
        self._settings = device, threads
        self._free: list[Any] = []
        self._busy: dict[int, Any] = {}
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()

    def submit(self, shard: Shard) -> None:
        """Give a shard to an actor that is free, or to a new one."""
        actor = self._free.pop() if self._free else None
        self._busy[shard.number] = actor or self._make.remote(*self._settings)
        threading.Thread(target=self._follow, args=(self._busy[shard.number], shard, actor is None), name="sweep",
                         daemon=True).start()

    def events(self, wait: float) -> Iterator[Heard]:
        """Yield what the actors have said."""
        with contextlib.suppress(queue.Empty):
            number, message = self._heard.get(timeout=wait)
            while True:
                if message["kind"] in ("done", "failed", "lost"):
                    actor = self._busy.pop(number)
                    if message["kind"] == "done":
                        self._free.append(actor)
                    else:
                        self._kill(actor)
                yield number, message
                number, message = self._heard.get_nowait()

    def close(self) -> None:
        """Kill the actors and leave the cluster."""
        for actor in (*self._busy.values(), *self._free):
            self._kill(actor)
        self._busy.clear()
        self._free.clear()
        self._ray.shutdown()

    def _follow(self, actor: Any, shard: Shard, new: bool) -> None:  # noqa: ANN401 (Ray's handle)
        """Hand on what an actor says of a shard; runs in a thread of its own."""
        try:
            if new:
                hello = json.loads(self._ray.get(actor.hello.remote()))
                if "error" in hello:
                    raise from_plain(hello["error"])
                check_worker(hello, shard.run)
            for line in actor.work.options(num_returns="streaming").remote(write_shard(shard)):
                self._heard.put((shard.number, json.loads(self._ray.get(line))))
        except RobustError as error:
            self._heard.put((shard.number, {"kind": "failed", "error": to_plain(error)}))
        except Exception as error:  # noqa: BLE001 (whatever became of the actor, its texts are tried elsewhere)
            self._heard.put((shard.number, {"kind": "lost", "reason": first_sentence(error)}))

    def _kill(self, actor: Any) -> None:  # noqa: ANN401 (Ray's handle)
        with contextlib.suppress(Exception):
            self._ray.kill(actor)


def _import_ray() -> Any:  # noqa: ANN401 (a module that may not be installed)
    try:
        import ray
    except ImportError:
        raise MissingResource("Ray", "Install it here and on every machine of the cluster: pip install -r "
                                     "requirements-cluster.txt.") from None
    return ray
