"""Our table as Markdown: each figure from the claim that holds it, whichever experiment's it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import CAREFUL, NAMES, describe_refusal
from robust_core.claims.derivation import pool_rows
from robust_core.claims.files import Claim
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_decimal, format_percent, format_settings, format_table
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import ERRORS
from robust_core.experiments.cells import Cell
from robust_core.experiments.consistency import format_figure
from robust_core.experiments.faults import write_faults
from robust_core.experiments.flat.table4 import ATTACKED, COSTLY, LIMIT, TITLES
from robust_core.experiments.own.held import (
    ACCURACY,
    DATASET,
    FIGURES,
    PROVED,
    TARGET,
    TAU,
    TRANSFER,
    Held,
    find_clean,
    find_held,
    find_proved,
    make_filter,
    make_place,
    read_rows,
)
from robust_core.experiments.presence import shipped
from robust_core.models.cards import ARCHITECTURES

if TYPE_CHECKING:
    from robust_core.experiments.own.table1 import Table1

_NONE = "no such preset"
_SETS = ("careful", "close", "wide")


def write_table(table: "Table1", found: Sequence[Claim]) -> str:
    """Return two tables, models and attacks, with notes; empty without claims.

    Args:
        table: Our table.
        found: Claims of any experiment.
    """
    mine = {claim["details"]["model"] for claim in found if make_filter(table.name)(claim)}
    named = {str(claim["details"].get("model", "")) for claim in found if claim["metric"] in (
        *FIGURES, PROVED, "accuracy")}
    models = sorted((name for name in named if name.startswith(f"{DATASET}/") and (name in shipped() or name in mine)),
                    key=_sort_key)
    cells = [Cell(model, attack, None, LIMIT if attack in COSTLY else 0, preset) for model in models
             for attack in ATTACKED for preset in NAMES if preset in ATTACKS[attack].PRESETS]
    held = find_held(found, cells)
    marks = Footnotes()
    first, proofs = _write_models(models, found)
    lines = [line for model in models for attack in ATTACKED for line in _write_line(model, attack, held, marks)]
    if not lines and not proofs:
        return ""
    head = ["Model", "Attack", *(f"{title}, {preset}" for preset in NAMES for title in (
        "Left %", f"Flips that flip `{TARGET}` %", "KT", "TI@5")), "n", "Again"]
    return "\n".join([first] * bool(first) + [format_table(head, lines)] * bool(lines)) + "".join(
        f"\n{note}\n" for note in _write_notes(table, [*proofs, *held.values()], marks))


def _sort_key(model: str) -> tuple[int, bool, str]:
    parts = model.split("/")
    order = list(ARCHITECTURES)
    return order.index(parts[1]) if parts[1] in order else len(order), parts[-1] != "base", model


def _write_models(models: Sequence[str], found: Sequence[Claim]) -> tuple[str, list[Claim]]:
    """Return the table of models, and the claims that it shows."""
    proved, clean = find_proved(found), find_clean(found)
    lines, shown = [], []
    for model in models:
        if model not in proved and model not in clean:
            continue
        # Of both, the one on more texts: that of attacks may be of a draw.
        source = max((held[model] for held in (clean, proved) if model in held), key=lambda claim: claim["n"])
        columns = [format_percent(*pool_rows(read_rows(source), "accuracy")[:2])]
        details = proved[model]["details"] if model in proved else {"rows": [], "more": []}
        by = {row["swap_set"]: row for row in (*details["rows"], *details["more"])}
        columns += [format_percent(by[name]["certified_accuracy"], by[name]["certified_accuracy_se"])
                    if name in by else "–" for name in _SETS]
        counts = [f"{source['n']:,}", f"{proved[model]['n']:,}" if model in proved else "–"]
        lines.append([f"`{model}`", *columns, " / ".join(counts)])
        shown += [held[model] for held in (clean, proved) if model in held]
    head = ["Model", "Clean %", *(f"Proved, {name} %" for name in _SETS), "n: clean / proved"]
    return format_table(head, lines) if lines else "", shown


def _write_line(model: str, attack: str, held: Held, marks: Footnotes) -> Iterator[list[str]]:
    def find(preset: str, figure: str) -> Claim | None:
        return held.get(make_place(Cell(model, attack, None, 0, preset), figure))

    shown = [claim for preset in NAMES for figure in FIGURES if (claim := find(preset, figure))]
    if not shown:
        return
    columns, counts = [], []
    for preset in NAMES:
        left, followed, words = (find(preset, figure) for figure in (ACCURACY, TRANSFER, TAU))
        if preset not in ATTACKS[attack].PRESETS:
            columns += [_NONE, "–", "–", "–"]
        else:
            count = f" of {followed['n']:,}" if followed and followed["n"] else ""
            columns += [_write_share(left, marks), _write_share(followed, marks) + count, *_write_words(words, marks)]
        counts.append(next((_write_count(claim) for claim in (left, words) if claim), "–"))
    yield [f"`{model}`", TITLES[attack], *columns, " / ".join(counts), describe_again(map(_name_file, shown), shown)]


def _write_count(claim: Claim) -> str:
    seeds = len(claim["seeds"])
    return f"{claim['n']:,}" + (f" × {seeds} seeds" if seeds > 1 else "")


def _write_share(claim: Claim | None, marks: Footnotes) -> str:
    return "–" if claim is None else format_percent(claim["value"], claim["value_se"]) + write_mark(marks, claim)


def _write_words(claim: Claim | None, marks: Footnotes) -> list[str]:
    if claim is None:
        return ["–", "–"]
    rows = claim["details"]["rows"]
    tau, top = (format_decimal(*format_figure(rows, "all", name)[:2]) for name in (TAU, "top_5"))
    return [tau + write_mark(marks, claim), top]


def _name_file(claim: Claim) -> str:
    experiment = claim["details"].get("experiment")
    return EXPERIMENTS[experiment]().file(claim) if experiment is not None else ""


def _write_notes(table: "Table1", shown: Sequence[Claim], marks: Footnotes) -> Iterator[str]:
    claims = list({id(claim): claim for claim in shown}.values())
    yield table.described
    yield (f"Left: accuracy under attack, with n texts under careful / paper. Flips that flip `{TARGET}`: of the "
           "model's flips whose original that model has right, the share that it gets wrong, of so many. KT is "
           "Kendall's τ-b of integrated gradients of a text's two versions, TI@5 the share of the five first words "
           f"that both have, over all texts, unchanged ones counting 1. {ERRORS} {AGAIN}")
    yield ("Proved: right, and provably no swaps of the set flip it, however many. Only additive models and models "
           "with an additive core have such a proof; the latter show no gradients, so their KT is not measured.")
    for attack in ATTACKED:
        if CAREFUL not in ATTACKS[attack].PRESETS and any(c["details"].get("attack") == attack for c in claims):
            yield describe_refusal(ATTACKS[attack])
    yield from _write_settings(claims)
    yield from marks.lines()
    yield from write_faults(claims)
    yield write_commands(claims)


def _write_settings(claims: Sequence[Claim]) -> Iterator[str]:
    said: dict[str, Mapping[str, object]] = {}
    for claim in claims:
        record = claim["thresholds"]
        if (name := str(record.get("name", ""))) in ATTACKED:
            said.setdefault(f"{TITLES[name]}, {CAREFUL if 'swap_set' in record else 'paper'}", record)
    for title, record in said.items():
        yield f"{title}: {format_settings(record)}."
