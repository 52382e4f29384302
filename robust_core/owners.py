"""For whom a thread works, where several people share the app: each with models, data sets and results of their own."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

from robust_core.environment import read_variable

_PERSON: contextvars.ContextVar[str | None] = contextvars.ContextVar("person", default=None)
_ask_person: Callable[[], str] = str


def tell_people_apart(ask: Callable[[], str]) -> None:
    """Set what says for whom the present thread works, where `act_for` does not: a folder's name, or nothing."""
    global _ask_person
    _ask_person = ask


def find_person() -> str:
    """Return for whom this thread works; empty where only one person uses the program."""
    person = _PERSON.get()
    return _ask_person() if person is None else person


@contextlib.contextmanager
def act_for(person: str) -> Iterator[None]:
    """Let this thread work for a person: their models, data sets, trainings and results are meant."""
    token = _PERSON.set(person)
    try:
        yield
    finally:
        _PERSON.reset(token)


def may_name_folders() -> bool:
    """Return whether the person that this thread works for may name folders of this machine."""
    return not find_person() or read_variable("ROBUST_ALLOW_FOLDERS") == "1"
