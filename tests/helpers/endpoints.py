"""Servers on this machine that answer for a classifier or a language model, count what they are asked, and fail."""

import collections
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Faults by name: each takes the place of one answer.
SLOW, HALF, CUT, NO_JSON, DROP = "slow", "half", "cut", "no json", "drop"


class Endpoint:
    """What a server was asked and what it does next.

    Args:
        answer: Turns the JSON of a request into that of an answer; an int is a status.

    Attributes:
        bodies: Every request, in order.
        answered: Requests that were answered as they should be.
        headers: Headers of every request.
        faults: What happens to the next requests: a name, a status, or a status with a Retry-After.
        refusal: What a refusal says.
        at_once: Most requests that were worked on at the same time.
    """

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.answer, self.url = answer, ""
        self.bodies: list[Any] = []
        self.answered: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.faults: collections.deque[Any] = collections.deque()
        self.now = self.at_once = 0
        self.refusal = "no"
        self.lock = threading.Lock()

    @property
    def calls(self) -> int:
        """Requests that came."""
        return len(self.bodies)

    @property
    def texts(self) -> list[str]:
        """Texts that were answered, in order."""
        return [text for body in self.answered for text in body["texts"]]


def serve_model(model: Any) -> Callable[[Any], Any]:  # noqa: ANN401 (any classifier)
    """Answer {"texts": […]} with {"probabilities": […]}; each text is judged alone, so batches change nothing."""
    return lambda body: {"probabilities": [model.predict_proba([text])[0].tolist() for text in body["texts"]]}


@contextlib.contextmanager
def run_endpoint(answer: Callable[[Any], Any]) -> Iterator[Endpoint]:
    """Run a server until the block ends."""
    endpoint = Endpoint(answer)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with endpoint.lock:
                endpoint.bodies.append(body)
                endpoint.headers.append(dict(self.headers))
                endpoint.times.append(time.monotonic())
                fault = endpoint.faults.popleft() if endpoint.faults else None
                endpoint.now += 1
                endpoint.at_once = max(endpoint.at_once, endpoint.now)
            try:
                self.respond(body, fault)
            finally:
                with endpoint.lock:
                    endpoint.now -= 1

        def respond(self, body: Any, fault: Any) -> None:  # noqa: ANN401 (JSON)
            status, wait = fault if isinstance(fault, tuple) else (fault, None)
            if fault == SLOW:
                time.sleep(0.6)
            if fault == DROP:
                self.close_connection = True
                return
            found = {"error": {"message": endpoint.refusal}} if isinstance(status, int) else endpoint.answer(body)
            if fault == CUT:
                found = {name: value[:-1] for name, value in found.items()}
            if fault is None:
                with endpoint.lock:
                    endpoint.answered.append(body)
            data = b"<html>busy</html>" if fault == NO_JSON else json.dumps(found).encode()
            self.send_response(status if isinstance(status, int) else 200)
            if wait is not None:
                self.send_header("Retry-After", wait)
            if isinstance(status, int) and 300 <= status < 400:
                self.send_header("Location", endpoint.url + "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data[: len(data) // 2] if fault == HALF else data)
                self.wfile.flush()
            self.close_connection = True

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """Break the connection off without a traceback."""

    server = Server(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/predict"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
