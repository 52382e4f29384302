"""Whether claims still say what was measured, on what is here: the checks behind `table --check`."""

import contextlib
import csv
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from robust_core import datasets, files
from robust_core.claims.derivation import Figure
from robust_core.claims.files import Claim, compute_digest, read_named_claims
from robust_core.claims.measurements import derive_measurement
from robust_core.errors import BadInput, MissingResource, RobustError
from robust_core.experiments import EXPERIMENTS, readme
from robust_core.experiments.again import list_trained
from robust_core.experiments.freeze import list_freezes
from robust_core.experiments.presence import describe_smoothed, shipped
from robust_core.experiments.superseded import read_superseded
from robust_core.file_hashes import sha256
from robust_core.files import write_file
from robust_core.models import cards, encoder_cards
from robust_core.paths import CHECKPOINTS, PAGES, RESULTS
from robust_core.resources import fingerprints
from robust_core.runs import fingerprint_card
from robust_core.version import ENGINE

# Every claim with its digest, so that one which is gone is noticed.
INDEX = "index.tsv"
_CLOSE = 1e-9
# From what a claim calls a table, or a packaged model, to its name.
_TABLES = {title: name for name in fingerprints.NAMES for title in (fingerprints.name_title(name),)}


def derive(claim: Claim) -> Figure | None:
    """Return what a claim's details give; None where nothing in them gives it.

    Raises:
        BadInput: They contradict each other.
    """
    details = claim["details"]
    try:
        if details.get("experiment") in EXPERIMENTS:
            return EXPERIMENTS[details["experiment"]]().derive(claim["metric"], details)
        return derive_measurement(claim["metric"], details)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration, ZeroDivisionError) as error:
        raise BadInput(f"its details lack what the figure is worked out from ({type(error).__name__}: {error})."
                       ) from None


def list_problems(folder: Path = RESULTS, pages: Sequence[Path] = PAGES) -> list[str]:
    """Return what is wrong with the claims of a folder and the pages that show them, a line each.

    A claim is held to its digest, to its rows, to what it rests on as far as that is here, and to being shown; the
    folder to its index; the pages to the claims.
    """
    claims, problems = read_named_claims(folder), []
    here = Ground()
    for name, claim in claims.items():
        problems += [f"{name}: {problem}" for problem in (*check_claim(claim), *here.check(claim))]
    problems += list_index_problems(folder, claims)
    if not problems:
        problems += [f"{name}: no table and no sentence shows it." for name in readme.find_unshown(claims, pages)]
        problems += [f"{page.name} is out of date: run python -m robust_core table --write."
                     for page in readme.find_stale(pages, folder)]
    return problems


def check_claim(claim: Claim) -> Iterator[str]:
    """Yield a line for each way in which a claim contradicts itself: its digest, its rows, its command."""
    if claim.get("digest") != compute_digest(claim):
        yield "it was changed by hand: its digest is another."
        return
    try:
        figure = derive(claim)
    except BadInput as error:
        yield str(error)
        return
    if figure is not None:
        stated = {"value": claim["value"], "value_se": claim["value_se"], "n": claim["n"]}
        # Times have neither an error nor an n in their details.
        given = {"value": figure.value, "value_se": figure.error if figure.n else claim["value_se"],
                 "n": figure.n or claim["n"]}
        yield from (f"{name} is {stated[name]}, its rows give {given[name]}." for name in stated
                    if not _agree(stated[name], given[name]))
    if (freeze := claim.get("freeze")) and freeze not in list_freezes():
        yield f"docs/freeze.md has no entry {freeze}."
    try:
        words = shlex.split(claim["command"])
    except ValueError as error:
        yield f"its command cannot be read: {error}."
        return
    absent = [model for model in list_trained(claim) if model not in shipped()]
    if absent and words[2:3] == ["robust_core"] and "--train" not in words:
        yield f"its command lacks --train, without which {absent[0]} is not there."
    rows = [row for row in claim["details"].get("rows", ()) if isinstance(row, Mapping)]
    precisions = {row["precision"] for row in rows if row.get("precision")} & {"screened"}
    if precisions and words[2:3] == ["robust_core"] and "screened" not in words:
        yield "its command lacks --precision screened, with which its rows were made."


def _agree(stated: float | None, given: float | None) -> bool:
    both = [math.nan if number is None else float(number) for number in (stated, given)]
    if any(math.isnan(number) for number in both):
        return all(math.isnan(number) for number in both)
    return math.isclose(*both, rel_tol=_CLOSE, abs_tol=_CLOSE)


class Ground:
    """The hashes of what is here now, each worked out once."""

    def __init__(self) -> None:
        self._cards = {card.id: card for card in cards.cards()}
        self._encoders = {card.id: card for card in encoder_cards.cards()}
        self._known: dict[str, str | None] = {}

    def check(self, claim: Claim) -> Iterator[str]:
        """Yield a line for each thing that a claim rests on and that is another one now."""
        for name, stored in claim.get("rests_on", {}).items():
            if stored and name not in self._known:
                self._known[name] = None
                with contextlib.suppress(MissingResource):
                    self._known[name] = self._read(name)
            now = self._known.get(name)
            if stored and now is not None and now != stored and (name, stored) not in read_superseded():
                yield f"it rests on another {name} than is here now; measure it again: {claim['command']}"

    def _read(self, name: str) -> str | None:
        kind, _, what = name.partition(" ")
        if kind == "engine":
            return str(ENGINE)
        if name in _TABLES:
            return fingerprints.fingerprint_table(_TABLES[name])
        if kind == "model" and what in self._cards:
            card = self._cards[what]
            return fingerprint_card(card) if _is_whole(card.folder, card.files) else "weights that are not the card's"
        if kind == "encoder" and what in self._encoders:
            card = self._encoders[what]
            return fingerprint_card(card) if _is_whole(card.folder, card.files) else "weights that are not the card's"
        if kind == "smoothed":
            return describe_smoothed([what]).get(name)
        if kind == "data":
            return _hash_data(what)
        return None


def _is_whole(folder: Path | None, sums: Mapping[str, str]) -> bool:
    """Say whether the files of a stored model are those that its card names; those of own trainings are taken so."""
    if folder is None or not folder.is_relative_to(CHECKPOINTS):
        return True
    return all((folder / name).is_file() and sha256(folder / name) == stored for name, stored in sums.items())


def _hash_data(what: str) -> str | None:
    dataset, _, split = what.partition("/")
    try:
        return datasets.hash_examples(datasets.load(dataset, split))
    except RobustError:
        return None


# --- The index ---------------------------------------------------------------------------------------------------


def read_index(folder: Path = RESULTS) -> dict[str, str]:
    """Return the digests of the claims that a folder is known to hold, by file."""
    path = folder / INDEX
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["claim"]: row["digest"] for row in csv.DictReader(file, delimiter="\t")}


def list_index_problems(folder: Path, claims: Mapping[str, Claim]) -> list[str]:
    """Return a line for each claim that is gone, new or another one than the index says."""
    index = read_index(folder)
    gone = [f"{name} is gone: restore it, or take it out with python -m robust_core claims drop {name}."
            for name in index if name not in claims]
    new = [f"{name} is new or measured again: run python -m robust_core table --write."
           for name, claim in claims.items() if index.get(name) != claim.get("digest")]
    return gone + new


def write_index(folder: Path = RESULTS) -> None:
    """Enter all claims of a folder.

    Raises:
        BadInput: A claim that was known is gone, or one is not what was measured.
    """
    claims = read_named_claims(folder)
    bad = [f"{name}: {problem}" for name, claim in claims.items() for problem in check_claim(claim)]
    bad += [problem for problem in list_index_problems(folder, claims) if " is gone: " in problem]
    if bad:
        raise BadInput(f"Nothing is written. {bad[0]}" + (f" And {len(bad) - 1:,} more." if len(bad) > 1 else ""))
    _store_index(folder, {name: claim.get("digest", "") for name, claim in claims.items()})


def _store_index(folder: Path, digests: Mapping[str, str]) -> None:
    lines = ["claim\tdigest", *(f"{name}\t{digest}" for name, digest in digests.items())]
    write_file(folder / INDEX, ("\n".join(lines) + "\n").encode())


def drop_claims(names: Sequence[str], folder: Path = RESULTS) -> None:
    """Take claims out of a folder and its index.

    Raises:
        BadInput: One is not there.
    """
    index = read_index(folder)
    for name in names:
        path = folder / files.check_name(name, "file of a claim")
        if name not in index and not path.is_file():
            raise BadInput(f"There is no claim {name}.")
        path.unlink(missing_ok=True)
        index.pop(name, None)
    _store_index(folder, index)
