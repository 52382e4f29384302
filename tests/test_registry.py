"""Named methods: parameters and their limits, registration, and what every member of every registry owes."""

import dataclasses
import json
import math
import subprocess
import sys

import pytest

from robust_core import ATTACKS, DEFENCES, EMBEDDING_ATTACKS, EXPLAINERS, GUARDS
from robust_core.attacks.careful import SwapAttack
from robust_core.errors import BadInput, MissingResource, RobustError, UnknownName
from robust_core.registry import Method as Named
from robust_core.registry import Registry, check_parameters, from_record, param, parameters, to_record

REGISTRIES = {"attack": ATTACKS, "explainer": EXPLAINERS, "defence": DEFENCES,
              "embedding attack": EMBEDDING_ATTACKS, "guard": GUARDS}
MEMBERS = [pytest.param(registry, name, id=f"{kind}-{name}")
           for kind, registry in REGISTRIES.items() for name in registry]


@dataclasses.dataclass(frozen=True)
class Method(Named):
    """A method with one parameter of each type."""

    name, title = "method", "Method"

    steps: int = param(3, "Steps", low=1, high=10)
    radius: float = param(0.5, "Radius", low=0.0)
    most: float = param(0.5, "Most", high=1.0)
    norm: str = param("l2", "Norm", choices=("l1", "l2"))
    fast: bool = param(True, "Fast")
    hidden: int = 7

    def __post_init__(self) -> None:
        check_parameters(self)


def test_parameters_are_listed_in_order_with_their_types():
    listed = parameters(Method)
    assert [p.name for p in listed] == ["steps", "radius", "most", "norm", "fast"]
    assert [p.type for p in listed] == [int, float, float, str, bool]
    assert listed[0] == ("steps", int, 3, "Steps", 1, 10, (), False) and listed[3].choices == ("l1", "l2")


@pytest.mark.parametrize(("values", "message"), [
    ({"steps": 0}, "steps must lie between 1 and 10, not 0"),
    ({"steps": 11}, "steps must lie between 1 and 10, not 11"),
    ({"steps": 3.0}, "steps must be int, not 3.0"),
    ({"steps": True}, "steps must be int, not True"),
    ({"steps": "3"}, "steps must be int, not '3'"),
    ({"steps": None}, "steps must be int, not None"),
    ({"radius": -0.1}, "radius must be at least 0.0, not -0.1"),
    ({"most": 1.1}, "most must be at most 1.0, not 1.1"),
    ({"radius": math.nan}, "radius must be a finite number"),
    ({"radius": math.inf}, "radius must be a finite number"),
    ({"radius": 10 ** 400}, "radius must be a finite number"),
    ({"radius": True}, "radius must be float, not True"),
    ({"norm": "l3"}, "norm must be one of l1, l2, not 'l3'"),
    ({"fast": 1}, "fast must be bool, not 1"),
])
def test_values_of_the_wrong_type_or_outside_the_limits_are_refused(values, message):
    with pytest.raises(BadInput, match=message) as caught:
        Method(**values)
    assert len(str(caught.value)) < 100


def test_limits_are_inclusive_and_whole_numbers_may_stand_for_floats():
    assert Method(steps=1).steps == 1 and Method(steps=10).steps == 10
    method = Method(radius=2)
    assert method.radius == 2.0 and type(method.radius) is float


def test_records_rebuild_a_method():
    registry = Registry("method", ())
    registry.register("method", title="Method", source="https://example.org")(Method)
    record = to_record(Method(steps=4, norm="l1"))
    assert record == {"name": "method", "steps": 4, "radius": 0.5, "most": 0.5, "norm": "l1", "fast": True}
    assert from_record(registry, json.loads(json.dumps(record))) == Method(steps=4, norm="l1")
    assert from_record(registry, {"name": "method"}) == Method()
    with pytest.raises(BadInput, match="Method has no parameter 'speed'. Known: fast, most, norm, radius, steps"):
        from_record(registry, {"name": "method", "speed": 1})
    with pytest.raises(BadInput, match="no parameter 'hidden'"):
        from_record(registry, {"name": "method", "hidden": 1})
    for record in ({"name": "other"}, {}, {"name": None}, {"name": ["method"]}):
        with pytest.raises(UnknownName, match="Unknown method .* Known: method"):
            from_record(registry, record)


def test_a_parameter_that_came_later_is_no_part_of_older_records():
    @dataclasses.dataclass(frozen=True)
    class Grown(Method):
        wider: bool = param(False, "Wider", later=True)

    registry = Registry("method", ())
    registry.register("grown", title="Grown", source="https://example.org")(Grown)
    old = to_record(Grown())
    assert "wider" not in old and from_record(registry, old) == Grown()
    assert to_record(Grown(wider=True)) == old | {"wider": True}
    assert from_record(registry, old | {"wider": True}) == Grown(wider=True)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownName, match=r"Unknown attack 'nosuch'. Known: .*textfooler") as caught:
        ATTACKS["nosuch"]
    assert caught.value.known == list(ATTACKS) and caught.value.name == "nosuch"
    assert "nosuch" not in ATTACKS and "textfooler" in ATTACKS
    with pytest.raises(UnknownName, match="Known: none"):
        Registry("thing", ())["x"]


def test_a_class_may_replace_itself_but_no_other():
    registry = Registry("method", ())
    register = registry.register("m", title="M", source="https://example.org")
    register(Method)

    def again() -> type:
        other = type("Method", (), {})
        other.__qualname__ = Method.__qualname__
        return other

    reloaded = again()
    register(reloaded)
    assert registry["m"] is reloaded and len(registry) == 1
    with pytest.raises(ValueError, match="method 'm' is already registered by Method"):
        register(type("Other", (), {}))


def test_registries_are_mappings_in_order_of_registration():
    for kind, registry in REGISTRIES.items():
        assert registry.kind == kind and len(registry) == len(list(registry)) > 0
        assert [registry[name].name for name in registry] == list(registry)


@pytest.mark.parametrize(("registry", "name"), MEMBERS)
def test_every_member_says_what_it_is(registry, name):
    member = registry[name]
    assert member.title and member.source.startswith("https://")
    assert member.__doc__ and not member.__doc__.startswith(f"{member.__name__}(")
    assert dataclasses.is_dataclass(member) and member.__dataclass_params__.frozen
    for p in parameters(member):
        assert p.help and "\n" not in p.help and p.type in (int, float, str, bool)
        if p.type in (int, float):
            assert p.low is not None, f"{name}.{p.name} has no lower limit"
        if p.type is str:
            assert p.default in p.choices
    # A given swap set is recorded by its name and hash, locked words and a target as they are (`extend_record`).
    given = {*getattr(member, "EXTENDED", ()), *(["swaps"] if issubclass(member, SwapAttack) else [])}
    assert {f.name for f in dataclasses.fields(member)} == {p.name for p in parameters(member)} | given


@pytest.mark.parametrize(("registry", "name"), MEMBERS)
def test_every_member_comes_back_from_its_record(registry, name):
    member = registry[name]
    method = member()
    record = json.loads(json.dumps(to_record(method)))
    assert record["name"] == name and from_record(registry, record) == method
    for p in parameters(member):
        for value in (p.low, p.high, *p.choices, *([not p.default] if p.type is bool else [])):
            if value is None:
                continue
            changed = dataclasses.replace(method, **{p.name: value})
            again = from_record(registry, json.loads(json.dumps(to_record(changed))))
            assert again == changed and type(getattr(again, p.name)) is p.type
        for value in (p.low - 1 if p.low is not None else None, p.high + 1 if p.high is not None else None, "nonsense"):
            if value is not None:
                with pytest.raises(BadInput, match=p.name):
                    dataclasses.replace(method, **{p.name: value})


def test_errors_for_people_are_one_family_and_say_what_to_do():
    missing = MissingResource("The table", "Run the builder.")
    assert str(missing) == "The table is missing. Run the builder." and isinstance(missing, RobustError)
    assert issubclass(UnknownName, RobustError) and not issubclass(UnknownName, KeyError)


def test_the_order_is_that_of_the_modules_whatever_is_imported_first():
    code = "import robust_core.attacks.pwws; from robust_core import ATTACKS; print(list(ATTACKS)[:2])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['textfooler', 'pwws']"
