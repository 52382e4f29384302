"""The page of a report: one HTML file without script, pictures or addresses, good on a phone, in the dark and in print.

Everything that somebody typed, named or uploaded is escaped.
"""

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from robust_core import __version__, highlight
from robust_core.attacks import ATTACKS
from robust_core.claims.footnotes import split_warning
from robust_core.history.comparison import Comparison, Difference
from robust_core.history.entries import name_dataset
from robust_core.reports.advice import write_advice
from robust_core.reports.examples import make_examples
from robust_core.reports.figures import RunFigures
from robust_core.reports.tables import format_difference, list_figures, list_heads, make_table

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">
<title>{title}</title><style>{style}</style></head><body><main>
<h1>{title}</h1><p class="small">{made}</p>{body}
</main></body></html>
"""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: light-dark(#fdfcfa, #15141b);
  color: light-dark(#1d1b26, #ece9f4); }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1, h2, h3 { font-family: Georgia, serif; line-height: 1.25; overflow-wrap: anywhere; }
h1 { margin: 0 0 0.3rem; } h2 { margin: 2.2rem 0 0.4rem; } h3 { margin: 1.6rem 0 0.4rem; }
.small { font-size: 0.88rem; opacity: 0.85; }
.heads { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 0.8rem; margin: 0.8rem 0; }
.heads > div, .example { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 0.5rem;
  padding: 0.7rem 0.9rem; }
.heads b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.example { margin: 0.8rem 0; } .example p { margin: 0.2rem 0; } .example .name { font-weight: 600; }
.warning { border-left: 3px solid light-dark(#8f3a00, #ffab66); padding-left: 0.7rem; margin: 0.6rem 0; }
.next { border-left: 3px solid light-dark(#5d3a9b, #9b7be8); padding-left: 1.5rem; margin: 0.4rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 0.94rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.7rem 0.3rem 0; font-weight: 400;
  border-top: 1px solid color-mix(in srgb, currentColor 22%, transparent); overflow-wrap: anywhere; }
th { min-width: 5rem; overflow-wrap: break-word; } tbody th { min-width: 9rem; }
thead th { border-top: 0; opacity: 0.85; } .rx-small { font-size: 0.88rem; opacity: 0.85; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.88rem; padding: 0.7rem;
  border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 0.4rem; }
@media print {
  :root { color-scheme: light; } body { font-size: 10.5pt; background: none; } main { max-width: none; padding: 0; }
  .example, .heads > div, tr, .warning, .next { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .rx-strip .w { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def make_report(runs: Sequence[RunFigures], comparison: Comparison | None = None, *, now: datetime | None = None
                ) -> str:
    """Return the report of one or several runs.

    Args:
        runs: The runs.
        comparison: The first two side by side, where they share texts.
        now: When it is made; this moment by default.
    """
    made = (f"Made on {now or datetime.now(UTC):%Y-%m-%d %H:%M} UTC by robust_core {__version__}. ± is one standard "
            "error.")
    title = f"Report: {name_run(runs[0])}" if len(runs) == 1 else f"Report of {len(runs)} runs"
    body = "".join(filter(None, [
        _make_overview(runs) if len(runs) > 1 else "", _make_comparison(runs, comparison) if comparison else "",
        *(_make_run(figures, len(runs) > 1) for figures in runs)]))
    return _PAGE.format(title=html.escape(title), made=html.escape(made), body=body,
                        style=highlight.make_style() + _STYLE)


def name_run(figures: RunFigures) -> str:
    """Name a run for people: `TextFooler on sst2/cnn/base, SST-2`."""
    name = str(figures.run.method["name"])
    attack = ATTACKS[name].title if name in ATTACKS else name
    preset = f" ({figures.preset})" if figures.preset else ""
    return f"{attack}{preset} on {figures.model}, {name_dataset(str(figures.run.data.get('dataset', '')))}"


def _make_overview(runs: Sequence[RunFigures]) -> str:
    rows = [[name_run(run), *list_heads(run).values(), f"{run.row['n']:,}", run.id] for run in runs]
    return make_table(rows, ["Run", *list_heads(runs[0]), "Texts", "Id"])


def _make_run(figures: RunFigures, several: bool) -> str:
    listed = list_figures(figures)
    heads = "".join(f"<div>{html.escape(name)}<b>{html.escape(value)}</b></div>"
                    for name, value in list_heads(figures).items())
    split = str(figures.run.data.get("split", ""))
    about = (f"{figures.row['n']:,} texts of {name_dataset(str(figures.run.data.get('dataset', '')))} {split}, "
             f"begun on {figures.started} UTC, run {figures.id}.")
    parts = [f"<h2>{html.escape(name_run(figures))}</h2>" if several else "", f"<p>{html.escape(about)}</p>",
             f'<div class="heads">{heads}</div>', _make_advice(figures), _make_warnings(figures),
             "<h3>All figures</h3>", make_table([[*pair] for pair in listed], ["Figure", "Value"]),
             _make_proof(figures), make_examples(figures), _make_settings(figures)]
    return "<section>" + "".join(parts) + "</section>"


def _make_advice(figures: RunFigures) -> str:
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in write_advice(figures))
    return f'<h3>What to do next</h3><ul class="next">{lines}</ul>' if lines else ""


def _make_warnings(figures: RunFigures) -> str:
    if not figures.warnings:
        return ""
    lines = "".join(f'<p class="warning"><b>{html.escape(finding)}</b> {html.escape(advice)}</p>'
                    for finding, advice in map(split_warning, figures.warnings))
    return f"<h3>Warnings</h3>{lines}"


def _make_proof(figures: RunFigures) -> str:
    if figures.remark:
        return f"<h3>Certificate</h3><p>{html.escape(figures.remark)}</p>"
    proof = figures.certificate
    if proof is None:
        return ""
    text = (f"Right, and provably not flipped by any number of swaps of the set {proof['swap_set']} (SHA-256 "
            f"{str(proof['swap_set_sha256'])[:12]}), out of {proof['n']:,} texts. Nothing is proved of other words.")
    rows = [["any number", _format_share(proof["certified_accuracy"], proof["certified_accuracy_se"])]]
    rows += [[f"at most {k}", _format_share(value, proof["certified_by_swaps_se"][k])]
             for k, value in proof["certified_by_swaps"].items()]
    return f"<h3>Certificate</h3><p>{html.escape(text)}</p>" + make_table(rows, ["Swaps", "Certified accuracy"])


def _format_share(value: float, error: float) -> str:
    return f"{100 * value:.1f} ± {100 * error:.1f} %"


def _make_settings(figures: RunFigures) -> str:
    run = figures.run
    rows: list[list[str]] = [[key.replace("_", " "), str(value)] for key, value in run.method.items()]
    rows += [["seed", str(run.seed)], ["device", run.device],
             *([f"data: {key}", str(value)] for key, value in run.data.items()),
             *(["explanation", ", ".join(f"{key} {value}" for key, value in one.method.items())]
               for one in figures.explanations),
             *([f"model {model}", digest] for model, digest in run.models.items()),
             *([key, value] for key, value in run.rests_on.items())]
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    remark = ("Put the folder of the public data sets in the place of DATA: see docs/data.md."
              if "DATA" in figures.command.split() else
              "Put your file in the place of FILE." if "FILE" in figures.command.split() else "")
    return ("<h3>Settings</h3>" + make_table(rows, ["Setting", "Value"])
            + f'<p class="small">Versions: {html.escape(versions)}.</p>'
            + f"<h3>The command that makes it again</h3><pre>{html.escape(figures.command)}</pre>"
            + (f'<p class="small">{html.escape(remark)}</p>' if remark else ""))


def _make_comparison(runs: Sequence[RunFigures], found: Comparison) -> str:
    first, second = (f"{name_run(run)} (run {run.id})" for run in runs[:2])
    text = (f"On the {found.shared:,} texts that both attacked; first: {first}; second: {second}. The difference is "
            "second minus first, its error paired over these texts.")
    table = make_table([_list_cells(each) for each in found.differences],
                       ["Figure", "Difference", "First", "Second", "Texts"])
    gained = sum(each.now_right for each in found.changed)
    sides = (f"{len(found.changed):,} texts changed sides: {gained:,} are right after the second attack and not after "
             f"the first, {len(found.changed) - gained:,} the other way round.")
    return f"<h2>Side by side</h2><p>{html.escape(text)}</p>{table}<p>{html.escape(sides)}</p>"


def _list_cells(each: Difference) -> Iterable[str]:
    first, second, difference = format_difference(each)
    # The difference first: a phone shows two columns.
    return [each.name, difference, first, second, f"{each.n:,}"]
