"""Options that commands share, and how they read what a person typed."""

import contextlib
import dataclasses
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.careful import give_swaps
from robust_core.attacks.presets import choose_preset, read_preset
from robust_core.cleaning import check_typed
from robust_core.cli.victims import VictimLimits
from robust_core.errors import BadInput, UnknownName, list_names, quote
from robust_core.evaluation.guarded_names import guard_by_name, split_guards
from robust_core.models import loading
from robust_core.protocols import Classifier
from robust_core.registry import Method, Registry, check_parameters, from_record, parameters
from robust_core.resources.swap_sets import read_swap_set
from robust_core.types import MOST_SEED, PRECISIONS, Precision
from robust_core.victims.opening import names_victim
from robust_core.victims.victim import Victim

if TYPE_CHECKING:
    from robust_core.models.masked_lm import MaskedModel

T = TypeVar("T", bound=Method)
_MOST_STDIN = 1_000_000

Text = Annotated[str, typer.Argument(help="The text, in quotes; - reads it from standard input.")]

Models = Annotated[list[str], typer.Option(
    "--model", help="Model id, such as sst2/cnn/base, or a victim elsewhere (docs/own-endpoint.md); +unicode puts that "
                    "guard in front of it (docs/guards.md); may be repeated.")]

Device = Annotated[str, typer.Option("--device", envvar="ROBUST_DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

Seed = Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Seed of everything random.")]

MaxQueries = Annotated[int | None, typer.Option("--max-queries", min=0, help="Most queries an example; 0: no limit.")]

TimeLimit = Annotated[float | None, typer.Option("--time-limit", min=0.0, help="Seconds an example; 0 = no limit.")]

Exactness = Annotated[str, typer.Option(
    "--precision", help="exact (fp32), or screened (bf16 first, fp32 wherever that could change a choice; attacks on "
                        "embeddings climb in bf16, judged in fp32).")]

Preset = Annotated[str, typer.Option(
    "--preset", help="careful: swaps that mostly keep the meaning; paper: the recipe's own values.")]

Workers = Annotated[int | None, typer.Option(
    "--workers", min=1, max=1024, help="Processes that attack side by side, each with one thread; this one alone by "
                                       "default.")]

Settings = Annotated[list[str] | None, typer.Option("--set", help="Parameter of the attack: name=value; repeatable.")]

Swaps = Annotated[str, typer.Option(
    "--swaps", help="Where an attack's new words come from: careful, close, wide, or a JSON file, word to list of "
                    "words. All of a word's swaps are tried, and no other words; stop words, parts of speech and the "
                    "sentence encoder's threshold stay as in the preset.")]


Lock = Annotated[list[str] | None, typer.Option("--lock", help="Word that must stay, wherever it stands; repeatable.")]

LockNames = Annotated[bool, typer.Option("--lock-names", help="Leave words alone that are written like names.")]

LockNumbers = Annotated[bool, typer.Option("--lock-numbers", help="Leave numbers alone.")]


def give_goal(attacks: Sequence[Attack], lock: Sequence[str] | None, names: bool, numbers: bool, target: str = ""
              ) -> list[Attack]:
    """Return attacks that leave some words alone, or look for one class.

    Raises:
        BadInput: There is no attack to tell, or one looks for something else.
    """
    given: dict[str, Any] = {"lock": tuple(word.strip() for word in lock or ()), "target": target.strip()}
    given |= {name: True for name, is_asked in (("lock_names", names), ("lock_numbers", numbers)) if is_asked}
    given = {name: value for name, value in given.items() if value}
    if given and not attacks:
        raise BadInput("--lock, --lock-names, --lock-numbers and --target are about an attack: choose one with "
                       "--attack.")
    return [dataclasses.replace(attack, **given) for attack in attacks]


def read_typed_settings(known: Mapping[str, type], settings: Sequence[str] | None) -> dict[str, Any]:
    """Read `name=value` settings by the types of what is known; the engine refuses the rest."""
    return {name: _parse(known.get(name, str), name, value) for name, value in split_settings(settings).items()}


class TypedText(NamedTuple):
    """A text as it was typed, and cleaned as the shipped models' data were.

    Attributes:
        cleaned: The cleaned text.
        raw: As typed, less what no encoding can write.
    """

    cleaned: str
    raw: str

    def read_by(self, classifier: Classifier) -> str:
        """Return the text that a model gets: as it was typed, where the model was made elsewhere."""
        from robust_core.models.classifier import TextClassifier

        elsewhere = isinstance(classifier, Victim) or isinstance(classifier, TextClassifier) and not classifier.cleans
        return self.raw if elsewhere else self.cleaned


def read_typed(text: str) -> TypedText:
    """Return a typed text, or standard input for `-`.

    Raises:
        BadInput: It cannot be used; the message says why.
    """
    raw = _read_stdin() if text == "-" else text
    return TypedText(check_typed(raw), "".join(c for c in raw if c != "\0" and not "\ud800" <= c <= "\udfff"))


def read_typed_text(text: str) -> str:
    """Return a typed text cleaned, or standard input for `-`; raises what `read_typed` raises."""
    return read_typed(text).cleaned


def _read_stdin() -> str:
    content = sys.stdin.buffer.read(_MOST_STDIN + 1)
    if len(content) > _MOST_STDIN:
        raise BadInput(f"Standard input is too long: {_MOST_STDIN:,} bytes are the limit.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("Standard input is not UTF-8 text.") from None


def read_precision(name: str) -> Precision:
    """Read a level of precision."""
    for known in PRECISIONS:
        if known == name:
            return known
    raise UnknownName("precision", name, list(PRECISIONS))


def load_models(model_ids: Sequence[str], device: str, victims: VictimLimits | None = None,
                data_dir: str | None = None) -> list[Classifier]:
    """Load classifiers, each once; two names of one model are refused.

    Args:
        model_ids: Their names, guards behind them (`sst2/cnn/base+unicode`).
        device: Where those run that run here.
        victims: Ceilings for those that are asked elsewhere (`robust_core.victims`).
        data_dir: Folder of the data sets whose clean texts guards are fitted to.
    """
    limits, found, asked = victims or VictimLimits(), dict[str, Classifier](), list[Victim]()
    for name in dict.fromkeys(model_ids):
        plain, guards = split_guards(name)
        if names_victim(plain):
            asked.append(victim := limits.open(plain))
            model: Classifier = victim
        else:
            model = loading.load(plain, device)
        found[name] = guard_by_name(model, guards, data_dir) if guards else model
    limits.tell(asked)
    names: dict[str, str] = {}
    for name, classifier in found.items():
        if names.setdefault(classifier.id, name) != name:
            raise BadInput(f"{names[classifier.id]} and {name} are the same model.")
    return list(found.values())


def load_reader(device: str) -> "MaskedModel":
    """Return the packaged masked language model, which tells how fluent texts are."""
    from robust_core.models import masked_lm

    return masked_lm.load("minilm", device)


def split_settings(settings: Sequence[str] | None) -> dict[str, str]:
    """Split `name=value` settings."""
    values = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals:
            raise BadInput(f"--set takes name=value, not {quote(setting)}.")
        values[name.strip()] = value.strip()
    return values


def read_settings(cls: type, settings: Sequence[str] | None) -> dict[str, Any]:
    """Read `name=value` settings as the parameters of a class."""
    known = {p.name: p for p in parameters(cls)}
    values = {}
    for name, value in split_settings(settings).items():
        if name not in known:
            raise BadInput(f"There is no parameter {quote(name)}. Known: {list_names(sorted(known))}.")
        values[name] = _parse(known[name].type, name, value)
    return values


def make_attacks(names: Sequence[str], settings: Sequence[str] | None, preset: str, swaps: str = "",
                 **common: float | None) -> list[Attack]:
    """Make attacks as `make_methods` does, from the values of a preset; without one, from that for typed texts.

    Args:
        names: Their names.
        settings: Values of parameters, for each attack that has them.
        preset: careful or paper; empty for that of typed texts.
        swaps: Name or file of the swap set that all candidates come from; empty for the attacks' own.
        common: Options that were given, by parameter.

    Raises:
        BadInput: One of the attacks takes no swap set, or there is none that could take it.
    """
    known = {name: read_preset(ATTACKS[name], preset or choose_preset(ATTACKS[name])) for name in names}
    made = make_methods(ATTACKS, names, settings, known, **common)
    if not swaps:
        return made
    if not made:
        raise BadInput("--swaps is about an attack: choose one with --attack.")
    given = read_swap_set(swaps)
    return [give_swaps(attack, given) for attack in made]


def make_methods(registry: Registry[T], names: Sequence[str], settings: Sequence[str] | None,
                 presets: Mapping[str, Mapping[str, Any]] = MappingProxyType({}), **common: float | None) -> list[T]:
    """Make methods from their names, `name=value` settings and options that were given.

    Args:
        registry: Where the methods are known.
        names: Their names.
        settings: Values of parameters, for each method that has them.
        presets: Values that a method, by name, has where nothing else is given.
        common: Options that were given, by parameter; None stands for one that was not.
    """
    classes = [registry[name] for name in dict.fromkeys(names)]
    values: dict[str, Any] = {**split_settings(settings)}
    values |= {name: value for name, value in common.items() if value is not None}
    known = {p.name for cls in classes for p in parameters(cls)}
    if values and not classes:
        raise BadInput("There is no attack to set: choose one with --attack.")
    for name in values:
        if name not in known:
            raise BadInput(f"There is no parameter {quote(name)}. Known: {list_names(sorted(known))}.")
    made = []
    for cls in classes:
        record = {p.name: _parse(p.type, p.name, values[p.name]) for p in parameters(cls) if p.name in values}
        method = from_record(registry, {"name": cls.name} | dict(presets.get(cls.name, {})) | record)
        check_parameters(method)
        made.append(method)
    return made


def _parse(kind: type, name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
        return kind(value)
    except (ValueError, KeyError):
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise BadInput(f"{name} must be {words.get(kind, kind.__name__)}, not {quote(value)}.") from None


@contextlib.contextmanager
def keep_stdout() -> Iterator[None]:
    """Send what libraries print to stderr: stdout carries the answer alone."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def catch_interrupt() -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C sets; the second one ends the program at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
