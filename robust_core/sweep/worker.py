"""A worker process: shards come in as lines on standard input, messages go out as lines on standard output."""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from typing import TextIO

from robust_core.errors import RobustError, to_plain
from robust_core.records import to_plain_values
from robust_core.sweep.shards import read_shard
from robust_core.sweep.work import Message, describe_worker, work


def main(device: str) -> None:
    """Work until standard input ends, which it does with the parent, however that ends.

    Args:
        device: Where models run.
    """
    # Ctrl-C in a terminal reaches every process in it: the parent alone decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    # What libraries print must not get between the messages.
    with contextlib.redirect_stdout(sys.stderr):
        out = sys.__stdout__
        assert out is not None
        try:
            _say(out, describe_worker(device))
        except RobustError as error:
            _say(out, {"kind": "hello", "error": to_plain(error)})
        while True:
            for message in work(read_shard(lines.get()), threading.Event()):
                _say(out, message)


def _read_lines(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    # In the middle of an attack, too: nobody would hear of it.
    os._exit(0)


def _say(out: TextIO, message: Message) -> None:
    out.write(json.dumps(to_plain_values(message)) + "\n")
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
