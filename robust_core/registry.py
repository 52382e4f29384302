"""Named methods: a frozen dataclass whose fields are its parameters, found by name.

Forms, command-line options, conformance tests and documentation are all made from what is stored here.
"""

import dataclasses
import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from robust_core.errors import BadInput, UnknownName, list_names, quote


class Parameter(NamedTuple):
    """One tunable field of a method: its name, type, default, help text and limits.

    `later` says that it came after records were written, which leave it out while it has its default.
    """

    name: str
    type: type
    default: Any
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    later: bool = False


def param(
    default: Any,  # noqa: ANN401 (a field's default may be of any plain type)
    help: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    later: bool = False,
) -> Any:  # noqa: ANN401 (dataclasses.field stands in for a value of the annotated type)
    """Declare a parameter of a method: a dataclass field that carries its own help and limits.

    Args:
        default: Value used when nothing else is asked for; its type is the parameter's type.
        help: One line, shown in forms and by `--help`.
        low: Smallest allowed value, inclusive.
        high: Largest allowed value, inclusive.
        choices: Allowed values of a text parameter.
        later: Whether the method had records before it had this parameter: a record leaves it out while it has its
            default, so that what was measured before keeps its name.
    """
    return dataclasses.field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices,
                                                        "later": later})


def parameters(cls: type) -> list[Parameter]:
    """List the parameters of a method class in the order in which they are declared."""
    return [
        Parameter(f.name, type(f.default), f.default, f.metadata["help"], f.metadata["low"], f.metadata["high"],
                  tuple(f.metadata["choices"]), f.metadata["later"])
        for f in dataclasses.fields(cls)
        if "help" in f.metadata
    ]


def check_parameters(method: object) -> None:
    """Raise BadInput when a parameter of `method` has the wrong type or lies outside its limits."""
    for p in parameters(type(method)):
        value = getattr(method, p.name)
        if p.type is float and isinstance(value, int) and not isinstance(value, bool):
            try:
                value = float(value)
            except OverflowError:
                raise BadInput(f"{p.name} must be a finite number.") from None
            object.__setattr__(method, p.name, value)
        if type(value) is not p.type:
            raise BadInput(f"{p.name} must be {p.type.__name__}, not {quote(value)}.")
        if p.type is float and not math.isfinite(value):
            raise BadInput(f"{p.name} must be a finite number, not {quote(value)}.")
        if p.choices and value not in p.choices:
            raise BadInput(f"{p.name} must be one of {', '.join(p.choices)}, not {quote(value)}.")
        if (p.low is not None and value < p.low) or (p.high is not None and value > p.high):
            limits = ("be at least {0}" if p.high is None else "be at most {1}" if p.low is None else
                      "lie between {0} and {1}").format(p.low, p.high)
            raise BadInput(f"{p.name} must {limits}, not {quote(value)}.")


def check_hooks(cls: type, kind: str, hooks: Sequence[str]) -> None:
    """Raise TypeError when a class has a public method that nobody would call, such as a misspelt one.

    Properties, class methods and names that begin with an underscore are the class's own business.

    Args:
        cls: A new class; only what it defines itself is looked at.
        kind: What it is called in the message, such as "defence".
        hooks: Names of the methods that it may define.
    """
    stray = [name for name, value in vars(cls).items()
             if isinstance(value, FunctionType | staticmethod) and not name.startswith("_") and name not in hooks]
    if stray:
        raise TypeError(f"{cls.__name__}.{stray[0]} would never be called: a {kind} may define {', '.join(hooks)}; "
                        "names of further methods begin with an underscore.")


class Method:
    """What every registered method is called; `Registry.register` sets it."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    # Keys of `extend_record` that are fields, though no parameters: `from_record` reads them back.
    EXTENDED: ClassVar[tuple[str, ...]] = ()

    def extend_record(self) -> dict[str, Any]:
        """Return what a record holds beside name and parameters, as plain data; nothing unless a method says so."""
        return {}


T = TypeVar("T", bound=Method)
C = TypeVar("C", bound=type)


class Registry(Mapping[str, type[T]], Generic[T]):
    """The methods of one kind by name, in the order of their modules.

    The modules that define the members are imported at first use, so a registry may be imported by light code.

    Args:
        kind: What the members are called in messages, such as "attack".
        modules: Modules whose import registers the members.
    """

    def __init__(self, kind: str, modules: tuple[str, ...]) -> None:
        self.kind = kind
        self._modules = modules
        self._members: dict[str, type[T]] = {}
        self._loaded = False

    def register(self, name: str, *, title: str, source: str) -> Callable[[C], C]:
        """Return a class decorator that adds a method under `name`.

        Args:
            name: Name in commands, cards and links.
            title: Name as people write it.
            source: URL of the defining paper.

        The decorator raises TypeError when the class lacks a method that the members of the registry have to write.
        """
        def add(cls: C) -> C:
            missing = sorted(getattr(cls, "__abstractmethods__", ()))
            if missing:
                raise TypeError(f"{cls.__name__} is no {self.kind} yet: it does not define {', '.join(missing)}.")
            known = self._members.get(name)
            # Streamlit may import a module again after an edit: the same class may replace itself.
            if known is not None and known.__qualname__ != cls.__qualname__:
                raise ValueError(f"{self.kind} {name!r} is already registered by {known.__qualname__}")
            for attribute, value in (("name", name), ("title", title), ("source", source)):
                setattr(cls, attribute, value)
            self._members[name] = cast("type[T]", cls)
            return cls
        return add

    def _load(self) -> None:
        if not self._loaded:
            for module in self._modules:
                importlib.import_module(module)
            # Somebody may have imported one of them before: the order is that of the modules all the same.
            place = {module: i for i, module in enumerate(self._modules)}
            ordered = sorted(self._members.items(), key=lambda item: place.get(item[1].__module__, len(place)))
            self._members.clear()
            self._members.update(ordered)
            self._loaded = True

    def __getitem__(self, name: str) -> type[T]:
        self._load()
        try:
            return self._members[name]
        except (KeyError, TypeError):  # a list, say, cannot be looked up at all
            raise UnknownName(self.kind, name, list(self._members)) from None

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._members)

    def __len__(self) -> int:
        self._load()
        return len(self._members)


def to_record(method: Method) -> dict[str, Any]:
    """Return a method as plain data: its name and its parameters; run header, card entry and cache key at once.

    Parameters that came later (`param`) are left out while they have their default. What the method adds of its own
    (`Method.extend_record`) can be read back by `from_record` only where it is `EXTENDED`.
    """
    values = {p: getattr(method, p.name) for p in parameters(type(method))}
    kept = {p.name: value for p, value in values.items() if not p.later or value != p.default}
    return {"name": method.name} | kept | method.extend_record()


def from_record(registry: Registry[T], record: Mapping[str, Any]) -> T:
    """Rebuild a method from `to_record`'s data.

    Raises:
        UnknownName: No member has that name.
        BadInput: A parameter is not one of the method's, or its value is not allowed.
    """
    cls = registry[str(record.get("name"))]
    known = {p.name for p in parameters(cls)}
    values = {key: value for key, value in record.items() if key != "name"}
    for key in values:
        if key not in known and key not in cls.EXTENDED:
            raise BadInput(f"{cls.title} has no parameter {quote(key)}. Known: {list_names(sorted(known))}.")
    return cls(**values)
