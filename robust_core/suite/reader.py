"""Suites are TOML files: limits of a model, and perhaps which model and texts are meant (docs/ci.md)."""

import dataclasses
import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, NoReturn

from robust_core.errors import BadInput, RobustError, list_names, quote, shorten
from robust_core.files import read_bytes
from robust_core.registry import check_parameters, param, parameters
from robust_core.suite.attacked import AccuracyUnderAttack, CertifiedShare, Consistency
from robust_core.suite.checks import Accuracy, Check, Direction, Functionality, Invariance
from robust_core.types import MOST_SEED

# Cheap ones first: what they leave of the time goes to the others.
SECTIONS: Mapping[str, type[Check]] = {cls.section: cls for cls in (
    Functionality, Accuracy, CertifiedShare, Direction, Invariance, AccuracyUnderAttack, Consistency)}
_MOST_BYTES, _MOST_CHECKS, _MOST_GIVEN = 1_000_000, 100, 10_000
_SLOT = re.compile(r"\{(\w+)\}")
_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The table [suite]: what all checks share, and what the labels of the file are called (map)."""

    model: str = param("", "Id or folder of the model, where the command names none")
    data: str = param("", "File of labelled texts, seen from the suite, where the command names none")
    tables: ClassVar[tuple[str, ...]] = ("map",)

    text: str = param("", "Column of the texts")
    label: str = param("", "Column of the labels")
    confidence: float = param(0.95, "With this probability no limit that the model keeps is said to fail, and none "
                                    "that it breaks to pass", low=0.5, high=0.999999)
    minutes: float = param(5.0, "Time for all checks together", low=0.01, high=10_000.0)
    seed: int = param(0, "Seed of everything random", low=0, high=MOST_SEED)
    map: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_parameters(self)


class Suite(NamedTuple):
    """A suite that was read.

    Attributes:
        path: Its file.
        settings: What all checks share.
        checks: The limits, cheap ones first.
    """

    path: Path
    settings: Settings
    checks: tuple[Check, ...]


def read_suite(path: Path) -> Suite:
    """Read a suite.

    Raises:
        BadInput: It cannot be read, or something in it does not fit; the message names the line and the key.
    """
    try:
        text = read_bytes(path, _MOST_BYTES).decode("utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError:
        raise BadInput(f"{shorten(path.name)} is no UTF-8 text.") from None
    except RecursionError:
        raise BadInput(f"{shorten(path.name)} is nested too deep.") from None
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise BadInput(f"{shorten(path.name)} is no TOML: {shorten(str(error))}.") from None
    return _Reader(path, text, document).read()


class _Reader:
    def __init__(self, path: Path, text: str, document: Mapping[str, Any]) -> None:
        self._path, self._lines, self._document = path, text.splitlines(), document

    def read(self) -> Suite:
        for name in self._document:
            if name not in SECTIONS and name != "suite":
                self._refuse(name, 0, name, f"there is no table {quote(name)}. Known: suite, {', '.join(SECTIONS)}.")
        settings = self._read_settings(self._document.get("suite", {}))
        checks: list[Check] = []
        for name, cls in SECTIONS.items():
            given = self._document.get(name, [])
            for at, values in enumerate(given if isinstance(given, list) else [given]):
                check = self._read_check(cls, name, at, values)
                if check.name in [other.name for other in checks]:
                    self._refuse(name, at, "", f"{quote(check.name)} is tested twice; one limit is enough.")
                checks.append(check)
        if not checks:
            raise BadInput(f"{shorten(self._path.name)} has no limit: give it a table such as [clean] with at_least.")
        if len(checks) > _MOST_CHECKS:
            raise BadInput(f"{shorten(self._path.name)} has more than {_MOST_CHECKS} limits; split it.")
        return Suite(self._path, settings, tuple(checks))

    def _read_settings(self, values: object) -> Settings:
        names = values.get("map", {}) if isinstance(values, Mapping) else {}
        if not isinstance(names, Mapping) or not all(isinstance(name, str) for name in names.values()):
            self._refuse("suite", 0, "map", 'map is a table, label to name, such as map = {0 = "negative"}.')
        return self._make(Settings, "suite", 0, values, {"map": names})

    def _read_check(self, cls: type[Check], section: str, at: int, values: object) -> Check:
        if isinstance(values, Mapping) and "at_least" not in values and cls is not Functionality:
            self._refuse(section, at, "", "at_least is missing: the lowest share that passes, such as 0.8.")
        extra: dict[str, Any] = {}
        if isinstance(values, Mapping):
            try:
                if cls is Functionality:
                    extra = {"given": _fill_texts(values.get("texts"), values.get("fill", {}))}
                    # Given texts are meant to be right, all of them.
                    values = {"at_least": 1.0} | dict(values)
                elif "add" in values:
                    extra = {"add": _read_list("add", values["add"])}
                elif "set" in values:
                    if not isinstance(values["set"], Mapping):
                        raise BadInput(f"set is a table of parameters, not {quote(values['set'])}.")
                    extra = {"set": values["set"]}
            except BadInput as error:
                self._refuse(section, at, str(error).split()[0], str(error))
        return self._make(cls, section, at, values, extra)

    def _make(self, cls: Any, section: str, at: int, values: object,  # noqa: ANN401 (whatever class it makes)
              extra: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        if not isinstance(values, Mapping):
            self._refuse(section, at, section, f"{section} is a table, not {quote(values)}.")
        known = [p.name for p in parameters(cls)]
        tables = getattr(cls, "tables", ())
        for key in values:
            if key not in known and key not in tables:
                self._refuse(section, at, key, f"there is no key {quote(key)} here. Known: "
                                               f"{list_names([*known, *tables], 200)}.")
        try:
            return cls(**{key: value for key, value in values.items() if key in known}, **(extra or {}))
        except RobustError as error:
            said = str(error)
            # A message begins with the key that it is about, or is about a name that some key holds.
            key = next((key for key in values if key == said.split()[0]), None) or next(
                (key for key, value in values.items() if isinstance(value, str) and quote(value) in said), "")
            self._refuse(section, at, key, said)

    def _refuse(self, section: str, at: int, key: str, message: str) -> NoReturn:
        line = _find_line(self._lines, section, at, key)
        where = f", line {line}" if line else ""
        raise BadInput(f"{shorten(self._path.name, 40)}{where}: {message}")


def _find_line(lines: Sequence[str], section: str, at: int, key: str) -> int:
    """Return the number of the line of a key in the at-th table of a name, or of the table's header; 0 for neither."""
    found, inside, seen = 0, False, -1
    for number, line in enumerate(lines, 1):
        header = _HEADER.match(line)
        if header:
            name = header.group(1)
            seen += name == section
            inside = seen == at and name.split(".")[0] == section
            if inside and name == section:
                found = number
            if inside and name == f"{section}.{key}":
                return number
        elif key and (inside or not found and seen < 0) and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[.=]", line):
            return number
    return found


def _read_list(key: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(isinstance(one, str) and one.strip() for one in given):
        raise BadInput(f"{key} is a list of texts, not {quote(given)}.")
    return tuple(given)


def _fill_texts(texts: object, fill: object) -> tuple[tuple[str, str], ...]:
    """Return given texts with their labels; {slots} of a text are filled with each of their words in turn."""
    if not isinstance(texts, Mapping) or not texts:
        raise BadInput('texts is a table of labels, each with its texts: texts = {positive = ["A fine film."]}.')
    if not isinstance(fill, Mapping):
        raise BadInput("fill is a table of slots, each with its words.")
    words = {str(slot): _read_list("fill", given) for slot, given in fill.items()}
    found: list[tuple[str, str]] = []
    for label, given in texts.items():
        for template in _read_list("texts", given):
            slots = _find_slots(template)
            if missing := [slot for slot in slots if slot not in words]:
                raise BadInput(f"texts have the slot {quote(missing[0])}, which fill does not fill.")
            for chosen in itertools.product(*(words[slot] for slot in slots)):
                text = template
                for slot, word in zip(slots, chosen, strict=True):
                    text = text.replace(f"{{{slot}}}", word)
                found.append((text, str(label)))
                if len(found) > _MOST_GIVEN:
                    raise BadInput(f"texts become more than {_MOST_GIVEN:,} with all their words; leave some out.")
    return tuple(dict.fromkeys(found))


def _find_slots(template: str) -> list[str]:
    if re.search("[{}]", _SLOT.sub("", template)):
        raise BadInput(f"texts have a brace that opens or closes nothing: {quote(template)}.")
    return list(dict.fromkeys(_SLOT.findall(template)))
