"""Figures about models, read from the claims in results/."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core.attacks import ATTACKS
from robust_core.attacks.embeddings import EMBEDDING_ATTACKS
from robust_core.attacks.presets import name_preset
from robust_core.claims.files import Claim, read_claims
from robust_core.claims.footnotes import read_warnings
from robust_core.explainers import EXPLAINERS
from robust_core.paths import RESULTS

# Names of figures as people write them; a share is shown in percent.
_TITLES = {"accuracy": "Accuracy", "accuracy_under_attack": "Accuracy under attack",
           "attack_success_rate": "Attack success rate", "completeness": "Texts on which the attributions add up",
           "kendall_tau": "Kendall's τ, original to adversarial", "top_5": "Top-5 agreement",
           "cosine": "Cosine of representations, clean to attacked", "rate": "Texts read back that fool the base model"}
_NO_SHARES = ("kendall_tau", "cosine")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure about one model.

    Args:
        metric: Its name in the claim.
        value: The figure; shares lie in 0..1.
        error: Standard error; NaN where it is unknown.
        n: Examples behind it.
        dataset: Name of the data set; empty where the claim does not say.
        split: Its split.
        attack: Name of the attack; empty without.
        preset: Of the attack's values: careful, paper, or empty for others.
        explain: Name of the explainer; empty without.
        radius: Of an attack on embeddings, in mean token-embedding norms; NaN elsewhere.
        command: What measures it again.
        warnings: What speaks against taking it as it stands, as `evaluation.checks` found.
    """

    metric: str
    value: float
    error: float
    n: int
    dataset: str = ""
    split: str = ""
    attack: str = ""
    preset: str = ""
    explain: str = ""
    radius: float = math.nan
    command: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it is, in words."""
        name = _TITLES.get(self.metric, self.metric.replace("_", " ").capitalize())
        return f"{name} ({EXPLAINERS[self.explain].title})" if self.explain in EXPLAINERS else name

    @property
    def under(self) -> str:
        """Name of the attack and of its preset as people write them; empty without."""
        name = self.attack.partition("-")[0]  # An experiment over radii names its attacks pgd-0.1 and so on.
        known = next((registry[name] for registry in (ATTACKS, EMBEDDING_ATTACKS) if name in registry), None)
        radius = "" if math.isnan(self.radius) else f", radius {self.radius:g}"
        return (known.title if known else self.attack) + radius + (f", {self.preset}" if self.preset else "")

    @property
    def written(self) -> str:
        """The figure with its standard error: shares in percent."""
        digits, factor, unit = (3, 1, "") if self.metric in _NO_SHARES else (1, 100, " %")
        error = "" if math.isnan(self.error) else f" ± {factor * self.error:.{digits}f}"
        return f"{factor * self.value:.{digits}f}{error}{unit}"


def read_figures(folder: Path = RESULTS) -> Mapping[str, Sequence[Figure]]:
    """Return the figures about each model, each question once; a file that cannot be read is left out.

    Where several claims answer one question, the one with the most examples counts. Files are read again once one of
    them has changed.
    """
    return _read_claims(tuple((path, path.stat().st_mtime_ns) for path in sorted(folder.glob("**/*.json"))))


@functools.lru_cache(maxsize=1)
def _read_claims(files: tuple[tuple[Path, int], ...]) -> Mapping[str, Sequence[Figure]]:
    found: dict[str, dict[tuple[str, ...], Figure]] = {}
    for claim in read_claims([path for path, _ in files], skip_damaged=True):
        try:
            for model, figure in _make_figure(claim):
                question = (figure.metric, figure.dataset, figure.split, figure.under, figure.explain)
                known = found.setdefault(model, {})
                if question not in known or known[question].n < figure.n:
                    known[question] = figure
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return {model: list(figures.values()) for model, figures in found.items()}


def _make_figure(claim: Claim) -> Iterator[tuple[str, Figure]]:
    """Read a claim: one that pools seeds says of each model what its own row says."""
    details, metric = claim["details"], claim["metric"]
    rows = [row for row in details.get("rows", ()) if isinstance(row, dict) and metric in row and "model" in row]
    if not rows:
        rows = [{"model": details["model"], "n": claim["n"], metric: claim["value"],
                 f"{metric}_se": claim.get("value_se")}]
    asked = [(metric, row) for row in rows]
    if metric == "accuracy_under_attack":
        # What was right before the attack, on the same texts.
        asked += [("accuracy", {**row, "attack": ""}) for row in rows if "accuracy" in row]
    if metric == "certified_accuracy" and "swap_set" in rows[0]:
        # What is right stands beside what is proved, and that says for which swaps.
        asked = [("accuracy", rows[0]), *((metric, {**row, "attack": f"any {row['swap_set']} swaps"})
                                          for row in (*rows, *details.get("more", ())))]
    for name, row in asked:
        about = {**details, **row}
        error = row.get(f"{name}_se")
        yield row["model"], Figure(
            name, float(row[name]), math.nan if error is None else float(error), int(row["n"]),
            about.get("dataset") or "", about.get("split") or "", about.get("attack") or "", _find_preset(about),
            about.get("explain") or "", float(about.get("radius", math.nan)), claim.get("command", ""),
            tuple(read_warnings({**about, "rows": ()})))


def _find_preset(about: Mapping[str, Any]) -> str:
    """Return the preset of an attack on words; empty for other attacks, other values, and without one."""
    record = about.get("parameters")
    return name_preset(record) if about.get("attack") in ATTACKS and isinstance(record, Mapping) else ""
