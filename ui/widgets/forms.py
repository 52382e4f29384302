"""Forms made from registries: a method picker and one widget for each parameter, and their writing in links."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import streamlit as st

from robust_core import errors
from robust_core.errors import BadInput, RobustError, UnknownName
from robust_core.registry import Method, Parameter, Registry, from_record, parameters, to_record
from ui.widgets.markdown import warn

M = TypeVar("M", bound=Method)
NONE: Mapping[str, Any] = MappingProxyType({})


def draw_form(registry: Registry[M], key: str, label: str) -> M | None:
    """Draw a picker of methods and a form of the chosen one's parameters.

    Args:
        registry: The methods.
        key: Prefix of the widgets' keys; `key` itself holds the chosen name.
        label: Label of the picker.

    Returns:
        The method, or None where its parameters do not fit together (a line says why).
    """
    names = list(registry)
    if not names:
        return None
    if st.session_state.get(key) not in names:
        st.session_state[key] = names[0]
    name = st.selectbox(label, names, key=key, format_func=lambda n: registry[n].title, persist_state="session")
    return _choose_method(registry[name], key)


def draw_several(registry: Registry[M], key: str, label: str, help_: str,
                 defaults: Callable[[type[M]], Mapping[str, Any]] = lambda cls: NONE) -> list[M]:
    """Draw a picker of any number of methods and a form of each one's parameters.

    Args:
        registry: The methods.
        key: Prefix of the widgets' keys; `key` itself holds the chosen names.
        label: Label of the picker.
        help_: Help of the picker.
        defaults: Gives what parameters of a method begin with, in the place of their own defaults.

    Returns:
        The methods, or none where the parameters of one do not fit together (a line says why).
    """
    names = list(registry)
    st.session_state[key] = [name for name in st.session_state.get(key, names[:1]) if name in names]
    chosen = st.multiselect(label, names, key=key, format_func=lambda n: registry[n].title, persist_state="session",
                            help=help_)
    methods = [_choose_method(registry[name], key, defaults(registry[name])) for name in chosen]
    fitting = [method for method in methods if method is not None]
    return fitting if len(fitting) == len(methods) else []


def draw_fields(cls: type, key: str, leave_out: Sequence[str] = (), defaults: Mapping[str, Any] = NONE
                ) -> dict[str, Any]:
    """Draw one widget for each parameter of a class and return their values by name.

    Args:
        cls: A dataclass with parameters.
        key: Prefix of the widgets' keys.
        leave_out: Parameters without a widget.
        defaults: What parameters of these names begin with, in the place of their own defaults.
    """
    return {p.name: _draw_widget(p, f"{key}.{p.name}", defaults.get(p.name, p.default))
            for p in parameters(cls) if p.name not in leave_out}


def _choose_method(cls: type[M], key: str, defaults: Mapping[str, Any] = NONE) -> M | None:
    """Draw the form of one method; return the method, or None where its parameters do not fit together."""
    about = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    with st.expander(f"Settings of {cls.title}", icon=":material/tune:"):
        values = draw_fields(cls, f"{key}.{cls.name}", (), defaults)
        st.caption(f"{about} [Source]({cls.source})")
    try:
        return cls(**values)
    except RobustError as error:
        warn(error)
        return None


def _draw_widget(p: Parameter, key: str, default: Any) -> bool | int | float | str | None:  # noqa: ANN401
    label = p.name.replace("_", " ").capitalize()
    st.session_state.setdefault(key, default)
    common: dict[str, Any] = {"key": key, "help": p.help, "persist_state": "session"}
    if p.type is bool:
        return st.toggle(label, **common)
    if p.choices:
        return st.selectbox(label, p.choices, **common)
    if p.type is int:
        return int(st.number_input(label, _to_whole(p.low), _to_whole(p.high), step=1, **common))
    if p.type is float:
        step = 0.01 if p.high is not None and p.high <= 1 else 0.1
        number = st.number_input(label, p.low, p.high, step=step, format="%g", **common)
        return default if number is None else float(number)
    return st.text_input(label, **common)


def _to_whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


def read_values(cls: type, key: str, defaults: Mapping[str, Any] = NONE) -> dict[str, Any]:
    """Return the values that the form of a method holds, or will begin with, by parameter."""
    return {p.name: st.session_state.get(f"{key}.{p.name}", defaults.get(p.name, p.default)) for p in parameters(cls)}


def to_link(method: Method, defaults: Mapping[str, Any] = NONE, preset: str = "") -> str:
    """Write a method for a link: its name, then every parameter that differs from its default, or from `defaults`.

    `textfooler;max_candidates=20;min_similarity=0.7`, and with the name of a preset, whose values are in `defaults`,
    `textfooler;preset=careful`.
    """
    values = {p: getattr(method, p.name) for p in parameters(type(method))}
    changed = [f"{p.name}={quote(str(value), safe='')}" for p, value in values.items()
               if value != defaults.get(p.name, p.default)]
    return ";".join([method.name, *([f"preset={preset}"] if preset else []), *changed])


def from_link(registry: Registry[M], text: str, defaults: Mapping[str, Any] = NONE) -> dict[str, Any]:
    """Read what `to_link` wrote with the same defaults; a preset's own values are taken from the method.

    Returns:
        Record of the method.

    Raises:
        UnknownName: There is no such method.
        BadInput: A parameter is unknown or its value is not allowed.
    """
    name, *pairs = text.split(";")
    known = {p.name: p.type for p in parameters(registry[name])}
    record: dict[str, Any] = {"name": name} | {field: value for field, value in defaults.items() if field in known}
    presets: Mapping[str, Mapping[str, Any]] = getattr(registry[name], "PRESETS", NONE)
    for pair in pairs:
        field, _, value = pair.partition("=")
        if field == "preset":
            if unquote(value) not in presets:
                raise UnknownName("preset", unquote(value), list(presets))
            record |= presets[unquote(value)]
            continue
        kind, value = known.get(field, str), unquote(value)
        try:
            record[field] = value == "True" if kind is bool else kind(value)
        except ValueError:
            raise BadInput(f"{field} must be {kind.__name__}, not {errors.quote(value)}.") from None
    return to_record(from_record(registry, record))


def several_from_link(registry: Registry[M], text: str, defaults: Mapping[str, Any] = NONE) -> list[dict[str, Any]]:
    """Read methods joined by commas, each once.

    Raises:
        UnknownName: There is no such method.
        BadInput: A parameter is unknown or its value is not allowed.
    """
    records = [from_link(registry, part, defaults) for part in text.split(",") if part]
    return list({record["name"]: record for record in records}.values())


def preset_form(registry: Registry[M], key: str, record: dict[str, Any]) -> None:
    """Set the widgets of `form` to a method, before they are drawn.

    Raises:
        UnknownName: There is no such method.
        BadInput: The record does not fit the method.
    """
    method = from_record(registry, record)
    st.session_state[key] = method.name
    for p in parameters(type(method)):
        st.session_state[f"{key}.{method.name}.{p.name}"] = getattr(method, p.name)


def preset_several(registry: Registry[M], key: str, records: Sequence[dict[str, Any]]) -> None:
    """Set the widgets of `several` to methods, before they are drawn; raises what `preset` raises."""
    for record in records:
        preset_form(registry, key, record)
    st.session_state[key] = [record["name"] for record in records]
