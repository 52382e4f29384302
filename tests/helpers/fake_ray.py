"""What sweeps use of Ray, in threads of this process: actors, streamed answers, and actors that are lost."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class _Method:
    def __init__(self, actor: "_Handle", name: str) -> None:
        self._actor, self._name = actor, name

    def options(self, num_returns: str) -> "_Method":
        assert num_returns == "streaming"
        return self

    def remote(self, *arguments: Any) -> Any:
        found = getattr(self._actor.made, self._name)(*arguments)
        return self._actor.stream(found) if isinstance(found, Iterator) else found


class _Handle:
    def __init__(self, ray: "FakeRay", made: Any) -> None:
        self.made, self._ray, self._killed = made, ray, threading.Event()

    def __getattr__(self, name: str) -> _Method:
        return _Method(self, name)

    def stream(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if self._killed.is_set() or self._ray.loses(line):
                raise RuntimeError("The actor died unexpectedly.")
            yield line

    def end(self) -> None:
        self._killed.set()


class FakeRay:
    """A cluster of one machine.

    Args:
        resources: What the cluster has.
        loses: Says of each message whether the actor is lost before it arrives.
        change: Changes an actor once it is made.
    """

    def __init__(self, resources: Mapping[str, float], loses: Callable[[str], bool] = lambda line: False,
                 change: Callable[[Any], None] = lambda actor: None) -> None:
        self._resources, self.loses, self._change = resources, loses, change
        self.asked: list[dict[str, Any]] = []
        self.actors, self.killed, self.open = 0, 0, False

    def init(self, address: str, **options: Any) -> None:
        if address == "127.0.0.1:1":
            raise ConnectionError("Could not find any running Ray instance. Please specify one.")
        self.open = True

    def cluster_resources(self) -> Mapping[str, float]:
        return self._resources

    def remote(self, **options: Any) -> Callable[[type], Any]:
        self.asked.append(options)

        def decorate(cls: type) -> Any:
            ray = self

            class Maker:
                @staticmethod
                def remote(*arguments: Any) -> _Handle:
                    ray.actors += 1
                    made = cls(*arguments)
                    ray._change(made)
                    return _Handle(ray, made)

            return Maker

        return decorate

    @staticmethod
    def get(found: Any) -> Any:
        return found

    def kill(self, actor: _Handle) -> None:
        self.killed += 1
        actor.end()

    def shutdown(self) -> None:
        self.open = False
