"""Put on PYTHONPATH, this cuts a Python process off: no address but this machine's own, no textattack to import.

With WITH_TEXTATTACK set, textattack may be imported, still without a network.
"""

import importlib.abc
import os
import socket
import sys

_connect, _lookup = socket.socket.connect, socket.getaddrinfo
_LOCAL = ("127.0.0.1", "::1", "localhost", None, "")


def _refuse(host: object) -> None:
    print(f"blocked: tried to reach {host}", file=sys.stderr, flush=True)
    raise OSError(f"blocked: {host}")


def _only_here(self: socket.socket, address: object) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _LOCAL:
        _refuse(address[0])
    _connect(self, address)


def _look_up_here(host: object, *more: object, **options: object) -> list:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in _LOCAL and name != socket.gethostname():
        _refuse(name)
    return _lookup(host, *more, **options)


class _NoTextAttack(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in ("textattack", "flair"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)


socket.socket.connect, socket.getaddrinfo = _only_here, _look_up_here
if not os.environ.get("WITH_TEXTATTACK"):
    sys.meta_path.insert(0, _NoTextAttack())
