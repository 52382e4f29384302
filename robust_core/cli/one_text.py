"""One text: predict, attack and explain."""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from robust_core.attacks.base import TYPED_SECONDS
from robust_core.attacks.presets import CAREFUL, choose_preset, describe_refusal
from robust_core.classifiers import find_label
from robust_core.cli.options import (
    Device,
    Exactness,
    Json,
    Lock,
    LockNames,
    LockNumbers,
    MaxQueries,
    Models,
    Seed,
    Settings,
    Swaps,
    Text,
    TypedText,
    catch_interrupt,
    give_goal,
    keep_stdout,
    load_models,
    load_reader,
    make_attacks,
    make_methods,
    read_precision,
    read_typed,
    split_settings,
)
from robust_core.cli.output import (
    Row,
    format_number,
    format_parameters,
    format_scores,
    label_probabilities,
    name_column,
    show_rows,
)
from robust_core.cli.program import INTERRUPTED, app
from robust_core.cli.text_rows import list_probabilities, make_attack_row, make_explain_row
from robust_core.cli.typed_pairs import (
    Change,
    Second,
    check_pairs,
    count_words,
    make_example,
    read_typed_pair,
    show_perturbed,
    show_scores,
)
from robust_core.cli.victims import MaxCalls, MaxCost, limit_victims
from robust_core.errors import BadInput, RobustError, UnknownName, quote
from robust_core.evaluation import fluency
from robust_core.evaluation.fluency import measure_perplexities
from robust_core.evaluation.meaning_changes import list_doubts
from robust_core.explainers import EXPLAINERS
from robust_core.protocols import Classifier
from robust_core.reading import describe_reading
from robust_core.registry import to_record
from robust_core.types import AttackResult

if TYPE_CHECKING:
    pass

C = TypeVar("C", bound=Classifier)


@app.command()
def predict(text: Text, model: Models, second: Second = None, max_calls: MaxCalls = None, max_cost: MaxCost = None,
            device: Device = "auto", as_json: Json = False) -> None:
    """Classify a text."""
    with keep_stdout(), limit_victims(max_calls, max_cost) as limits:
        typed = read_typed_pair(text, second)
        rows, notes = [], []
        classifiers = load_models(model, device, limits)
        check_pairs(classifiers, typed)
        for classifier in classifiers:
            given = typed.read_by(classifier)
            proba = classifier.predict_proba([given])[0]
            rows.append({"model": classifier.id, "label": classifier.labels[int(proba.argmax())],
                         "proba": list_probabilities(classifier, proba)} | count_words(classifier, given))
            notes += _note_reading(classifier, [given])
    show_rows(
        rows,
        as_json,
        {"Model": name_column("model"), "Label": name_column("label"), "Probabilities": label_probabilities("proba")},
        notes,
    )


TypedLimit = Annotated[float | None, typer.Option(
    "--time-limit", min=0.0, help=f"Seconds for each model, {TYPED_SECONDS:g} unless given; 0 = no limit.")]


TypedPreset = Annotated[str, typer.Option(
    "--preset", help="careful: swaps that mostly keep the meaning, where the attack has it; paper: the recipe's own "
                     "values. [default: careful]", show_default=False)]


@app.command()
def attack(text: Text, model: Models, second: Second = None, change: Change = None,
           attack: Annotated[str, typer.Option("--attack", help="Name of the attack.")] = "textfooler",
           label: Annotated[str | None, typer.Option("--label", help="True label; without it, and on a model that has "
                                                                     "no such class, the prediction.")] = None,
           preset: TypedPreset = "", seed: Seed = 0, max_queries: MaxQueries = None, time_limit: TypedLimit = None,
           settings: Settings = None, swaps: Swaps = "", max_calls: MaxCalls = None, max_cost: MaxCost = None,
           target: Annotated[str, typer.Option("--target", help="Class to reach; without it, any other will do.")] = "",
           lock: Lock = None, lock_names: LockNames = False, lock_numbers: LockNumbers = False,
           precision: Exactness = "exact", device: Device = "auto", as_json: Json = False) -> None:
    """Change words of a text until each model's prediction flips; Ctrl-C shows the best so far."""
    found: dict[str, AttackResult] = {}
    errors = []
    with keep_stdout(), catch_interrupt() as stop, limit_victims(max_calls, max_cost, stop) as limits:
        exactness = read_precision(precision)
        typed = read_typed_pair(text, second, change)
        if time_limit is None and "time_limit" not in split_settings(settings):
            time_limit = TYPED_SECONDS
        method, = make_attacks([attack], settings, preset, swaps, max_queries=max_queries, time_limit=time_limit)
        method, = give_goal([method], lock, lock_names, lock_numbers, target)
        victims = load_models(model, device, limits)
        check_pairs(victims, typed)
        groups = _group_victims(victims, label, typed)
        began = time.monotonic()
        for (place, given), members in groups.items():
            for event in method.run(members, [make_example(given, place, change)], seed=seed, stop=stop,
                                    precision=exactness):
                if event.result is not None:
                    found[event.victim] = event.result
                elif event.kind == "error":
                    errors.append(event.data["message"])
        if errors and not found:
            raise BadInput(" ".join(dict.fromkeys(errors)))
        until = began + method.time_limit if method.time_limit else math.inf
        fluent, missing = _measure_fluency(found, device, stop, until)
    rows = [make_attack_row(v, method, found[v.id]) | count_words(v, typed.read_by(v))
            | fluent.get(v.id, dict.fromkeys(_PERPLEXITIES)) for v in victims if v.id in found]
    notes = [f"{v.id}: {note}" for v in victims if v.id in found
             for note in (*found[v.id].notes, *list_doubts(found[v.id]))]
    notes += [f"{v.id}: attacked without a true label, since it has no class {quote(label)}."
               for (place, _), members in groups.items() for v in members
               if place is None and label is not None and v.id in found]
    notes += [f"{describe_refusal(type(method))} The recipe's values are used."] * (
        not preset and choose_preset(type(method)) != CAREFUL)
    notes += [f"Fluency is left out. {missing}"] if missing else []
    show_rows(
        rows,
        as_json,
        {
            "Model": name_column("model"),
            "Outcome": name_column("outcome"),
            "Before": label_probabilities("before"),
            "After": label_probabilities("after"),
            "Perturbed text": show_perturbed,
            "Queries": name_column("queries"),
            "Seconds": format_number("seconds"),
            "Fluency": lambda r: (
                ""
                if None in (r["perplexity_before"], r["perplexity_after"]) or not r["swaps"]
                else fluency.compare_perplexities(r["perplexity_before"], r["perplexity_after"])
            ),
        },
        [format_parameters(to_record(method)), *notes],
    )
    for error in dict.fromkeys(errors):
        typer.echo(error, err=True)
    if stop.is_set():
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(1 if errors else 0)


@app.command()
def explain(text: Text, model: Models, second: Second = None,
            against: Annotated[str | None, typer.Option("--against", help="Second text to compare with.")] = None,
            method: Annotated[str, typer.Option("--method", help="Name of the explainer.")] = "ig",
            target: Annotated[str | None, typer.Option("--target", help="Class; the prediction by default.")] = None,
            max_calls: MaxCalls = None, max_cost: MaxCost = None, device: Device = "auto",
            as_json: Json = False) -> None:
    """Show how much each word speaks for a class, and how stable that is between two texts."""
    with keep_stdout(), limit_victims(max_calls, max_cost) as limits:
        if second is not None and against is not None:
            raise BadInput("--against compares two single texts: leave --second out.")
        typed = [read_typed_pair(text, second), *([] if against is None else [read_typed(against)])]
        explainer, = make_methods(EXPLAINERS, [method], None)
        rows, notes = [], []
        classifiers = load_models(model, device, limits)
        check_pairs(classifiers, typed[0])
        for classifier in classifiers:
            explainer.check_model(classifier)
        for classifier in classifiers:
            texts = [each.read_by(classifier) for each in typed]
            predicted = int(classifier.predict_proba(texts[:1])[0].argmax())
            wanted = predicted if target is None else find_label(classifier, target)
            rows.append(make_explain_row(classifier, explainer.explain(classifier, texts, [wanted] * len(texts)))
                        | count_words(classifier, texts[0]))
            notes += _note_reading(classifier, texts)
    show_rows(
        rows,
        as_json,
        {
            "Model": name_column("model"),
            "Target": name_column("target"),
            "Words": show_scores,
            "Against": lambda r: format_scores(**r["against"]) if r["against"] else "",
            "Kendall's tau": format_number("kendall_tau"),
            "Gap": format_number("gap"),
        },
        notes,
    )


_PERPLEXITIES = ("perplexity_before", "perplexity_after")


def _measure_fluency(found: Mapping[str, AttackResult], device: str, stop: threading.Event, until: float
                     ) -> tuple[dict[str, Row], str]:
    """Return the pseudo-perplexities of each model's texts, or why there are none: an attack is complete without.

    Args:
        found: Result of each model.
        device: Where the masked language model runs.
        stop: Ends it.
        until: When it has to end, in seconds of the monotonic clock.
    """
    def go_on() -> bool:
        return not stop.is_set() and time.monotonic() < until

    pairs = []
    try:
        if go_on():
            reader = load_reader(device)
            for result in found.values():
                fluency.check_length(reader, result.example.changeable)
            pairs = measure_perplexities(reader, list(found.values()), go_on=go_on)
    except RobustError as error:
        return {}, str(error)
    if not go_on():
        return {}, "It was stopped." if stop.is_set() else "The time limit left no time for it."
    return {name: dict(zip(_PERPLEXITIES, pair, strict=True)) for name, pair in zip(found, pairs, strict=True)}, ""


def _note_reading(classifier: Classifier, texts: Sequence[str]) -> list[str]:
    """Say how much of texts a model reads, where it does not read all."""
    found = (describe_reading(classifier, text) for text in texts)
    return list(dict.fromkeys(f"{classifier.id} {line}." for line in found if line))


def _group_victims(classifiers: Sequence[C], name: str | None, typed: TypedText
                   ) -> dict[tuple[int | None, str], list[C]]:
    """Return classifiers by the place of a class among their own, None where it is not, and by the text they get.

    Raises:
        UnknownName: None of the classifiers has the class.
    """
    groups: dict[tuple[int | None, str], list[C]] = {}
    unknown = None
    for classifier in classifiers:
        place = None
        try:
            place = None if name is None else find_label(classifier, name)
        except UnknownName as error:
            unknown = error
        groups.setdefault((place, typed.read_by(classifier)), []).append(classifier)
    if unknown is not None and {place for place, _ in groups} == {None}:
        known = dict.fromkeys(label for classifier in classifiers for label in classifier.labels)
        raise UnknownName("label", unknown.name, list(known))
    return groups
