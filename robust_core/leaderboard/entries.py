"""Entries of the leaderboard: what is left of a model's accuracy under an attack, read from the claims in results/.

An entry is a model, a data set, an attack and the preset of its values. Where several claims answer one question, the
one with the most trainings counts, then the one with the most texts, then one whose tables are still the packed ones.
"""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import CAREFUL, PAPER, name_preset
from robust_core.claims.derivation import Figure, pool_rows, read_figure
from robust_core.claims.files import Claim, read_claims
from robust_core.defences import DEFENCES
from robust_core.errors import BadInput
from robust_core.experiments.consistency import format_figure
from robust_core.experiments.superseded import list_superseded
from robust_core.leaderboard.cautions import list_unfair, list_warnings
from robust_core.models.cards import CORE
from robust_core.paths import RESULTS

# The swap set from which the attacks below take their words under each preset: what a certificate for it bounds.
SWAPS = {CAREFUL: "careful", PAPER: "wide"}
_CERTIFIED = ("textfooler", "pwws")
ATTACKED, PROVED, CONSISTENT = "accuracy_under_attack", "certified_accuracy", ("kendall_tau", "top_5")


class Source(NamedTuple):
    """A claim behind a figure.

    Attributes:
        file: Name of its file in results/.
        command: Command line that gives it again.
        seeds: Seeds of its trainings.
        n: Texts behind it.
        value: What it states.
        error: Its standard error.
    """

    file: str
    command: str
    seeds: tuple[int, ...]
    n: int
    value: float
    error: float


class Certificate(NamedTuple):
    """The share of texts that provably no swaps of a set flip, however many; its standard error; n; and its claim."""

    share: Figure
    swap_set: str
    source: Source


class Stability(NamedTuple):
    """How much of an explanation an attack leaves, over all texts, unchanged ones among them.

    Attributes:
        explain: Name of the explainer.
        tau: Kendall's tau of the words' importances, original to adversarial.
        top_5: Share of the five most important words that stay among the five.
        source: Its claim.
    """

    explain: str
    tau: Figure
    top_5: Figure
    source: Source


class Lowest(NamedTuple):
    """The lowest accuracy under attack over the attacks measured under one preset, and how many these are."""

    share: Figure
    attack: str
    attacks: int


class Valid(NamedTuple):
    """The share of judged flips whose label judges find kept, n of them; and how many judges there were."""

    share: Figure
    judges: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of the leaderboard; all shares lie between 0 and 1.

    Attributes:
        model: Id of the model of seed 0.
        dataset: Name of the data set.
        split: Its split.
        attack: Name of the attack.
        preset: "careful", "paper", or "" where the attack had other values.
        max_queries: Most queries a text; 0 for no limit.
        clean: Accuracy on the same texts before the attack, over the same trainings.
        attacked: Accuracy under the attack.
        precision: Precision of the attack.
        sources: The claim whose figures these are, then others that answer the same question.
        warnings: What speaks against taking the figures as they stand, a sentence and advice each.
        lowest: Over all attacks that the model was measured under with this preset.
        certificate: For the swap set that the attack takes its words from; None where none was measured.
        stability: Of explanations, one an explainer.
        valid: Of its flips; None where nobody judged them (`leaderboard.valid`).
    """

    model: str
    dataset: str
    split: str
    attack: str
    preset: str
    max_queries: int
    clean: Figure
    attacked: Figure
    precision: str
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    lowest: Lowest | None = None
    certificate: Certificate | None = None
    stability: tuple[Stability, ...] = ()
    valid: Valid | None = None

    @property
    def id(self) -> str:
        """A name that no other entry has."""
        limit = f", {self.max_queries} queries" if self.max_queries else ""
        return f"{self.model} on {self.dataset}/{self.split}, {self.attack}, {self.preset or 'other values'}{limit}"

    @property
    def architecture(self) -> str:
        """Name of the architecture, such as cnn."""
        return self.model.split("/")[1]

    @property
    def defence(self) -> str:
        """Name of the defence, such as flat; base without one."""
        return name_defence(self.model)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trainings behind the figures."""
        return self.sources[0].seeds


class Board(NamedTuple):
    """All entries, and files of claims about models under attack that cannot be read, each with the reason."""

    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...]


def name_defence(model: str) -> str:
    """Return the defence in a model's id: `flat` of `sst2/lstm/flat-textfooler-beta0`."""
    _, architecture, name = model.split("/")
    found = next((known for known in (*DEFENCES, CORE) if name == known or name.startswith(f"{known}-")), None)
    # Additive models are called after the swap set that they are certified against.
    return found or ("certified" if architecture == "additive" else name)


def read_board(folder: Path = RESULTS) -> Board:
    """Return the entries of a folder of claims, by data set, attack, preset and model."""
    claims: dict[str, Claim] = {}
    left_out: list[tuple[str, str]] = []
    for path in sorted(folder.glob("*.json")):
        try:
            claims[path.name], = read_claims([path])
        except BadInput:
            left_out.append((path.name, "It is damaged."))
    found: dict[tuple[str | int, ...], list[tuple[Entry, bool]]] = collections.defaultdict(list)
    certificates: dict[tuple[str, str, str, str], Certificate] = {}
    stability: dict[tuple[str, str, str, str, str], dict[str, Stability]] = collections.defaultdict(dict)
    unfair = list_unfair(claims.values())
    # Where a figure stands in claims about tau and in others about top-5 overlap, the first ones are named.
    for name, claim in sorted(claims.items(), key=lambda item: item[1].get("metric") == "top_5"):
        try:
            if (entry := read_entry(name, claim)) is not None:
                entry = dataclasses.replace(entry, warnings=(*entry.warnings, *unfair.get(entry.model, ())))
                question = (*_get_setting(entry), entry.model, entry.attack, entry.max_queries)
                found[question].append((entry, bool(list_superseded(claim))))
            for key, certificate in _read_certificates(name, claim):
                certificates.setdefault(key, certificate)
            for where, one in _read_stability(name, claim):
                known = stability[where].get(one.explain)
                if known is None or (len(known.source.seeds), known.tau.n) < (len(one.source.seeds), one.tau.n):
                    stability[where][one.explain] = one
        except (BadInput, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            left_out.append((name, str(error) if isinstance(error, BadInput) else "Its details are damaged."))
    entries = [_merge(several) for several in found.values()]
    lowest = _find_lowest(entries)
    full = [dataclasses.replace(
        entry, lowest=lowest[*_get_setting(entry), entry.model],
        certificate=certificates.get((entry.model, entry.dataset, entry.split, SWAPS.get(entry.preset, "")))
        if entry.attack in _CERTIFIED else None,
        stability=tuple(stability[entry.model, entry.dataset, entry.split, entry.attack, entry.preset].values()))
        for entry in entries]
    return Board(tuple(sorted(full, key=_sort_key)), tuple(left_out))


def _get_setting(entry: Entry) -> tuple[str, str, str]:
    return entry.dataset, entry.split, entry.preset


def _sort_key(entry: Entry) -> tuple[str, int, str, str, int]:
    return entry.dataset, list(ATTACKS).index(entry.attack), entry.preset, entry.model, entry.max_queries


def _merge(several: Sequence[tuple[Entry, bool]]) -> Entry:
    """Return the entry that counts among those that answer one question, with the claims of all."""
    ranked = sorted(several, key=lambda pair: (-len(pair[0].seeds), -pair[0].attacked.n, pair[1],
                                               pair[0].precision != "exact", pair[0].sources[0].file))
    return dataclasses.replace(ranked[0][0], sources=tuple(source for entry, _ in ranked for source in entry.sources))


def _find_lowest(entries: Sequence[Entry]) -> dict[tuple[str, str, str, str], Lowest]:
    groups: dict[tuple[str, str, str, str], list[Entry]] = collections.defaultdict(list)
    for entry in entries:
        groups[*_get_setting(entry), entry.model].append(entry)
    lowest = {}
    for key, group in groups.items():
        worst = min(group, key=lambda entry: entry.attacked.value)
        lowest[key] = Lowest(worst.attacked, worst.attack, len({entry.attack for entry in group}))
    return lowest


# --- Of one claim ------------------------------------------------------------------------------------------------


def read_entry(name: str, claim: Claim) -> Entry | None:
    """Return what a claim says of a model under an attack on words; None where it says something else.

    Args:
        name: Name of its file.
        claim: The claim.

    Raises:
        BadInput: Its rows contradict their counts.
        KeyError, TypeError, ValueError: It lacks what an entry is made of.
    """
    details = claim["details"]
    rows = details.get("rows") or [details]
    if claim["metric"] != ATTACKED or rows[0].get("attack") not in ATTACKS:
        return None
    model, record = str(details["model"]), rows[0]["parameters"]
    if model.count("/") != 2:
        raise ValueError("no id of a model")
    return Entry(
        model=model, dataset=str(rows[0]["dataset"]), split=str(rows[0]["split"]), attack=str(rows[0]["attack"]),
        preset=name_preset(record), max_queries=int(record.get("max_queries", 0)),
        clean=pool_rows(rows, "accuracy"), attacked=pool_rows(rows, ATTACKED), precision=claim.get("precision", ""),
        sources=(_make_source(name, claim),), warnings=tuple(list_warnings(model, claim)))


def _make_source(name: str, claim: Claim) -> Source:
    value, error = (float("nan") if number is None else float(number) for number in (claim["value"], claim["value_se"]))
    return Source(name, str(claim["command"]), tuple(map(int, claim["seeds"])), int(claim["n"]), value, error)


def _read_certificates(name: str, claim: Claim) -> Iterator[tuple[tuple[str, str, str, str], Certificate]]:
    details = claim["details"]
    if claim["metric"] != PROVED or "swap_set" not in details["rows"][0]:
        return
    for row in (*details["rows"], *details.get("more", ())):
        share, swaps = read_figure(row, PROVED), str(row["swap_set"])
        yield ((str(row["model"]), str(details["dataset"]), str(details["split"]), swaps),
               Certificate(share, swaps, _make_source(name, claim)))


def _read_stability(name: str, claim: Claim) -> Iterator[tuple[tuple[str, str, str, str, str], Stability]]:
    details = claim["details"]
    if claim["metric"] not in CONSISTENT or not any("pairs" in row for row in details.get("rows", ())):
        return
    rows = details["rows"]
    tau, top_5 = (format_figure(rows, "all", metric) for metric in CONSISTENT)
    yield ((str(details["model"]), str(rows[0]["dataset"]), str(rows[0]["split"]), str(rows[0]["attack"]),
            name_preset(rows[0]["parameters"])),
           Stability(str(details["explain"]), tau, top_5, _make_source(name, claim)))
