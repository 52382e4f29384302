"""Sending JSON to an address and reading the JSON that comes back: patience with faults, none with refusals."""

import dataclasses
import email.utils
import http.client
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from robust_core.environment import read_secret
from robust_core.errors import BadInput, MissingResource, shorten
from robust_core.victims.fields import Fields
from robust_core.victims.spending import Meter

_MOST_ANSWER, _PIECE = 64_000_000, 1 << 16
# Statuses after which the same question may be answered a moment later.
_AGAIN = (408, 425, 429, 500, 502, 503, 504, 529)
_LONGEST_BACK_OFF = 30.0
_SECRET = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HINTS = {
    401: "Check the key in its headers.", 403: "Check the key in its headers.", 404: "Check the address.",
    405: "Check the address; it is sent a POST.", 413: 'Ask for fewer texts at once ("batch").',
    422: "Check the request of the victim file.", 400: "Check the request of the victim file.",
}

Tokens = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Address:
    """Where requests go and how.

    Args:
        url: An http or https address; `${NAME}` stands for the environment variable NAME.
        headers: Headers, likewise.
        timeout: Most seconds for one request, until the last byte of its answer.
        retries: How often a request is sent again after a fault.
        back_off: Seconds before the first of these; they double each time.
        longest_wait: Most seconds that the server may ask to wait (Retry-After).
        per_minute: Most requests a minute; 0 sets no limit.
    """

    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    timeout: float = 60.0
    retries: int = 4
    back_off: float = 0.5
    longest_wait: float = 120.0
    per_minute: float = 0.0

    def __post_init__(self) -> None:
        check_url(self.url)
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name) or not value.isprintable() or not value.isascii():
                raise BadInput(f"No header can be called {name!r} or hold what is given.")

    @classmethod
    def read(cls, fields: Fields) -> "Address":
        """Take an address out of a victim file."""
        return cls(fields.text("url"), fields.texts("headers"),
                   fields.number("timeout", cls.timeout, 0.01, 3600),
                   fields.whole("retries", cls.retries, 0, 20),
                   fields.number("back_off", cls.back_off, 0, 60),
                   fields.number("longest_wait", cls.longest_wait, 0, 3600),
                   fields.number("per_minute", cls.per_minute, 0, 1_000_000))


def check_url(url: str) -> None:
    """Refuse what is no http or https address, or holds a name and a password.

    Raises:
        BadInput: It does.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts, good = None, False
    if not good or parts is None or not url.isascii() or not url.isprintable() or " " in url:
        raise BadInput(f"{shorten(url)!r} is no address; one is http://127.0.0.1:8000/predict.")
    if parts.username or parts.password:
        raise BadInput("An address with a name and a password would be stored with results: put them into a header of "
                       'a victim file, "headers": {"Authorization": "${NAME}"}.')


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are answers like others: a key must not be sent to another host."""

    def redirect_request(self, *args: object, **options: object) -> None:
        """Follow none."""


class Fault(Exception):  # noqa: N818 (a fault that passes is no error yet)
    """Something that may pass: the request is sent again.

    Args:
        message: What happened.
        wait: Seconds that the server asks to wait, if it does.
        refused: Whether the server did not work on the request, so that its tokens are not paid for.
    """

    def __init__(self, message: str, wait: float | None = None, refused: bool = False) -> None:
        super().__init__(message)
        self.wait, self.refused = wait, refused


class Sender:
    """Sends requests to one address; threads may share it.

    Args:
        who: What the victim is called in messages.
        address: Where requests go.
        meter: Counts and pays each of them; its `stop` ends waits.
    """

    def __init__(self, who: str, address: Address, meter: Meter) -> None:
        self._who, self._address, self._meter = who, address, meter
        self._secrets: list[str] = []
        self._url = self._fill_in(address.url)
        check_url(self._url)
        self._headers = {name: self._fill_in(value) for name, value in address.headers.items()} | {
            "Content-Type": "application/json", "Accept": "application/json"}
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._pace, self._next = threading.Lock(), 0.0

    def post(self, body: object, most: Tokens = (0, 0), count: Callable[[Any], Tokens | None] = lambda _: None
             ) -> Any:  # noqa: ANN401 (whatever JSON came)
        """Send JSON until it is answered with JSON.

        Args:
            body: What is sent.
            most: Most tokens (in, out) that it may take.
            count: Reads from the answer how many it took.

        Raises:
            BadInput: A ceiling forbids the call, or somebody stopped.
            MissingResource: The server refuses it, or faults do not pass.
        """
        data = json.dumps(body).encode()
        for attempt in range(self._address.retries + 1):
            self._keep_pace()
            paid = self._meter.begin(*most)
            tokens: Tokens | None = None
            try:
                answer = self._send(data)
                tokens = count(answer)
                return answer
            except Fault as fault:
                tokens = (0, 0) if fault.refused else None
                wait = fault.wait
                if wait is None:
                    wait = min(self._address.back_off * 2**attempt, _LONGEST_BACK_OFF, self._address.longest_wait)
                if attempt == self._address.retries or wait > self._address.longest_wait:
                    self._give_up(fault, attempt + 1, wait)
            except MissingResource:
                tokens = (0, 0)
                raise
            finally:
                self._meter.settle(paid, tokens)
            self._wait(wait)
        raise AssertionError("the last attempt ends the loop")

    def _give_up(self, fault: Fault, times: int, wait: float) -> NoReturn:
        asked = f", which asks to wait {wait:,.0f} seconds" if wait > self._address.longest_wait else ""
        raise MissingResource(f"An answer of {self._who}", f"It was asked {times} times; last: {fault}{asked}. "
                              "What was answered before is kept.") from None

    def _send(self, data: bytes) -> Any:  # noqa: ANN401 (whatever JSON came)
        request = urllib.request.Request(self._url, data, self._headers, method="POST")
        until = time.monotonic() + self._address.timeout
        try:
            with self._opener.open(request, timeout=self._address.timeout) as response:
                content = _read(response, until)
        except urllib.error.HTTPError as error:
            with error:
                self._refuse(error)
        except (TimeoutError, urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(reason, TimeoutError):
                raise Fault(f"no answer within {self._address.timeout:g} seconds") from None
            raise Fault(f"the connection failed ({shorten(str(reason) or type(reason).__name__)})",
                        refused=isinstance(reason, ConnectionRefusedError)) from None
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise Fault(f"its answer is no JSON: {shorten(content[:200].decode(errors='replace'), 60)!r}") from None

    def _refuse(self, error: urllib.error.HTTPError) -> NoReturn:
        """Turn a status that is no success into a fault that may pass, or into the end."""
        status = f"{error.code} {http.client.responses.get(error.code, '')}".rstrip()
        if error.code in _AGAIN:
            raise Fault(f"status {status}", read_wait(error.headers.get("Retry-After")), refused=True)
        hint = _HINTS.get(error.code, "")
        if 300 <= error.code < 400:
            hint = "Redirects are not followed: name the address that it leads to."
        said = self._hide(_read_message(error))
        raise MissingResource(f"An answer of {self._who}",
                              f"It says {status}{f': {said}' if said else ''}. {hint}".rstrip()) from None

    def _fill_in(self, text: str) -> str:
        def find(match: re.Match[str]) -> str:
            value = read_secret(match[1])
            if not value:
                raise BadInput(f"{self._who} needs the environment variable {match[1]}, which is not set.")
            if not value.isprintable() or not value.isascii():
                raise BadInput(f"The environment variable {match[1]} holds what no header can.")
            self._secrets.append(value)
            return value

        return _SECRET.sub(find, text)

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def _keep_pace(self) -> None:
        if not self._address.per_minute:
            return
        with self._pace:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + 60 / self._address.per_minute
        self._wait(mine - now)

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self._meter.spending.stop.wait(seconds):
            raise BadInput(self._meter.spending.reached or f"Stopped while waiting for {self._who}.")


def read_wait(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date; None where it says nothing."""
    if value is None:
        return None
    try:
        return max(float(value), 0.0) if value.strip().isdecimal() else max(
            email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _read(response: Any, until: float) -> bytes:  # noqa: ANN401 (http.client's answer, or one of another scheme)
    """Read a body of bounded size in bounded time, and know whether all of it came."""
    pieces, size = [], 0
    while piece := response.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > until:
            raise TimeoutError
        if size > _MOST_ANSWER:
            raise Fault(f"its answer is longer than {_MOST_ANSWER:,} bytes")
    said = response.headers.get("Content-Length", "")
    if said.isdecimal() and size < int(said):
        raise Fault(f"only {size:,} of {int(said):,} bytes of its answer came")
    return b"".join(pieces)


def _read_message(error: urllib.error.HTTPError) -> str:
    """Return what a refusal says for people, where it holds that in one of the usual places."""
    try:
        said = json.loads(error.read(_PIECE))
    except (ValueError, OSError, http.client.HTTPException, RecursionError):
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(said, dict) and name in said:
            said = said[name]
    return shorten(said, 100).rstrip(".") if isinstance(said, str) else ""
