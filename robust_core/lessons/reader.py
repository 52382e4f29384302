"""Lessons as files: found in folders, read, and refused in one line that names file, line and what is expected."""

import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import CAREFUL, describe_refusal
from robust_core.errors import BadInput, UnknownName, list_names, quote
from robust_core.lessons.fields import build, key, read_choice, read_line, read_names, read_number
from robust_core.lessons.nodes import Node, Spot, read_nodes, refuse_key
from robust_core.lessons.steps import KINDS, NEEDED, Attack, Choose, Step, Summary, Type
from robust_core.paths import checkpoint_folders, lesson_folders

MOST_STEPS, MOST_LESSONS, ENDING = 30, 200, ".yaml"
_LESSON = "a lesson"


@dataclasses.dataclass(frozen=True)
class Head:
    """What stands above the steps of a lesson."""

    title: str = key(read_line(80), "what the lesson is called, one line")
    goal: str = key(read_line(300), "what one can do afterwards, one or two sentences")
    minutes: int = key(read_number(1, 60), "how long it takes")
    order: int = key(read_number(0, 9999), "place in the list; lower numbers come first", 1000)
    names: tuple[tuple[str, str], ...] = key(
        read_names, "plain names of models in this lesson, one a line: the model's id, a colon, its name", ())
    controls: str = key(read_choice("hidden", "shown"), "whether the sidebar shows its controls", "hidden")


class Lesson(NamedTuple):
    """A lesson.

    Attributes:
        id: Name of its file, without the ending.
        head: What stands above the steps.
        steps: The steps.
    """

    id: str
    head: Head
    steps: tuple[Step, ...]


class Listed(NamedTuple):
    """What a folder holds.

    Attributes:
        lessons: Lessons that can be used, in the order of the list.
        broken: One line for each file that cannot.
    """

    lessons: tuple[Lesson, ...]
    broken: tuple[str, ...]


def list_lessons() -> Listed:
    """Return the lessons that are here; one in a later folder takes the place of one of the same name."""
    found: dict[str, Lesson] = {}
    broken = []
    for path in find_files():
        try:
            found[path.stem] = _read_once(path, path.stat().st_mtime_ns, tuple(map(str, checkpoint_folders())))
        except OSError:
            continue  # taken away at this moment
        except BadInput as error:
            broken.append(str(error))
    ordered = sorted(found.values(), key=lambda lesson: (lesson.head.order, lesson.id))
    return Listed(tuple(ordered), tuple(broken))


def find_files() -> list[Path]:
    """Return the files of all lessons, those of the program first."""
    return [path for folder in lesson_folders() for path in sorted(folder.glob(f"*{ENDING}"))[:MOST_LESSONS]]


@functools.lru_cache(maxsize=256)
def _read_once(path: Path, _changed: int, _where: tuple[str, ...]) -> Lesson:
    # Again for other folders of models; what is broken is read again each time, as a model may have come meanwhile.
    return read_lesson(path)


def find_lesson(name: str) -> Lesson:
    """Return a lesson by its id.

    Raises:
        UnknownName: There is none, or its file is broken.
    """
    known = {lesson.id: lesson for lesson in list_lessons().lessons}
    if name not in known:
        raise UnknownName("lesson", name, list(known))
    return known[name]


def read_lesson(path: str | Path) -> Lesson:
    """Read a lesson.

    Raises:
        BadInput: The file cannot be used; the message names file, line and what is expected.
    """
    root = read_nodes(path)
    given = dict(root.need_keys(_LESSON))
    steps = given.pop("steps", None)
    known = [*(f.name for f in dataclasses.fields(Head)), "steps"]
    for name, spot in root.keys.items():
        if name not in known:
            refuse_key(spot, name, _LESSON, known)
    if steps is None:
        root.spot.refuse(f"{_LESSON} needs \"steps\": a list of steps.")
    head = build(Head, Node(root.spot, given, {name: root.keys[name] for name in given}), _LESSON)
    members = steps.need_list("\"steps\"")
    if not 1 <= len(members) <= MOST_STEPS:
        steps.spot.refuse(f"{_LESSON} has 1 to {MOST_STEPS} steps, not {len(members)}.")
    found: list[Step] = []
    for member in members:
        step, spot = _read_step(member)
        _check_step(step, spot, found)
        found.append(step)
    if not isinstance(found[-1], Summary):
        members[-1].spot.refuse("the last step must be of the kind summary.")
    return Lesson(Path(path).stem, head, tuple(found))


def _read_step(node: Node) -> tuple[Step, Spot]:
    given = node.need_keys("a step")
    if len(given) != 1:
        node.spot.refuse(f"a step has one key, its kind, with all else indented below it; here are {len(given)}.")
    (kind, body), = given.items()
    if kind not in KINDS:
        node.keys[kind].refuse(f"{quote(kind, 40)} is no kind of step. Known: {list_names(KINDS)}.")
    called = f"a step of the kind {kind}"
    body.need_keys(called)
    return build(KINDS[kind], body._replace(spot=node.spot), called, NEEDED[kind]), node.spot


def _check_step(step: Step, spot: Spot, before: list[Step]) -> None:
    """Refuse what no single value shows to be wrong."""
    if isinstance(step, Choose) and not any(option.right for option in step.options):
        spot.refuse("no option is right; one needs \"right: yes\".")
    if isinstance(step, Type) and step.flip and step.flip not in step.models:
        spot.refuse(f"the model to flip, {step.flip}, is none of \"models\".")
    if isinstance(step, Attack):
        if step.typed and not any(isinstance(each, Type) for each in before):
            spot.refuse("\"typed\" needs a step of the kind type before this one.")
        if not step.typed and not step.review:
            spot.refuse("a step of the kind attack needs \"review\", or \"typed: yes\".")
    attack, preset = getattr(step, "attack", ""), getattr(step, "preset", CAREFUL)
    if attack and preset not in ATTACKS[attack].PRESETS:
        spot.refuse(describe_refusal(ATTACKS[attack]))
