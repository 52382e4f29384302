"""Reports: the store's figures, everything escaped, nothing asked from outside, advice that follows from figures."""

import dataclasses
import gzip
import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from helpers.results import result
from helpers.runs import make_texts, planted, store_run  # noqa: F401 (a fixture)
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import ATTACKS, datasets, metrics
from robust_core.certify.word_swaps import measure_certified_accuracy
from robust_core.errors import RobustError
from robust_core.evaluation.explanation_consistency import list_stored
from robust_core.history.entries import EVALUATION, list_entries
from robust_core.models import loading
from robust_core.reports.advice import write_advice
from robust_core.reports.examples import choose_examples
from robust_core.reports.figures import make_again, read_figures
from robust_core.reports.making import make_runs_report
from robust_core.reports.page import make_report
from robust_core.reports.tables import list_figures, list_heads, make_table, write_figure
from robust_core.resources.swap_sets import read_swap_set
from robust_core.runs import Run, fingerprint_model
from robust_core.store import ResultStore
from robust_core.types import Swap

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
KNOWN = {"html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p", "div", "b", "ul",
         "li", "table", "thead", "tbody", "tr", "th", "td", "pre", "span"}


class Seen(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def store(own_runs):
    return ResultStore(own_runs)


def check_closed(page: str) -> Seen:
    """Nothing on a page runs, or is fetched from anywhere."""
    seen = Seen(page)
    assert {tag for tag, _ in seen.tags} <= KNOWN
    for _, attributes in seen.tags:
        assert not {"src", "href", "srcset", "action", "data", "poster"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert "url(" not in (attributes.get("style") or "")
    assert "url(" not in page.split("</style>")[0] and "@import" not in page.split("</style>")[0]
    assert "default-src 'none'" in page
    return seen


def test_figures_are_those_of_the_store(store):
    run = store_run(store, fluency=True)
    figures = read_figures(store, run)
    row = metrics.summary(store.results(run))
    assert all(repr(figures.row[name]) == repr(value) for name, value in row.items())
    assert figures.row["perplexity_ratio"] > 1 and figures.row["fluency_compared"] == row["succeeded"]
    of, = list_stored(store)
    one = figures.explanations[0]
    assert one.all["compared"] == row["n"] and dict(one.method) == dict(of.method)
    flip = next(r for r in figures.results if r.status == "succeeded")
    before, after = figures.find_attributions(flip)
    assert (before.text, after.text) == (flip.example.text, flip.perturbed)
    assert before.scores[list(flip.example.text.split()).index("good")] > 0
    seen = check_closed(make_report([figures], now=NOW))
    for name, value in (*list_heads(figures).items(), *list_figures(figures)):
        assert name in seen.text and value in seen.text
    for r in choose_examples(figures.results)[0]:
        assert all(word in seen.text for word in (*r.example.text.split(), *r.perturbed.split()))
    assert figures.command in seen.text and "2026-01-02 03:04 UTC" in seen.text and run in seen.text
    assert "less fluent" in seen.text and "torch" in seen.text
    assert any(line in seen.text for line in write_advice(figures))


def test_what_was_stored_before_scores_were_kept_says_so(store):
    run = store_run(store)
    figures = read_figures(store, run)
    one = figures.explanations[0]
    old = one._replace(records={uid: {k: v for k, v in record.items() if k != "scores"}
                                for uid, record in one.records.items()})
    page = make_report([dataclasses.replace(figures, explanations=(old,))], now=NOW)
    assert "was not kept when this run was explained" in page and "rx-legend" not in page.split("</style>")[1]
    assert "τ" in page


def test_runs_of_earlier_versions_are_reported(own_runs):
    own_runs.mkdir()
    stored = gzip.decompress((Path(__file__).parents[1] / "made_before" / "results.sqlite.gz").read_bytes())
    (own_runs / "results.sqlite").write_bytes(stored)
    store = ResultStore(own_runs)
    entries = [entry for entry in list_entries(store) if entry.kind == EVALUATION]
    assert entries
    for entry in entries:
        figures = read_figures(store, entry.id)
        row = metrics.summary(store.results(entry.id))
        assert repr(figures.row["accuracy_under_attack"]) == repr(row["accuracy_under_attack"])
        assert figures.row["n"] == entry.n > 0
        assert entry.id in check_closed(make_report([figures], now=NOW)).text


HOSTILE = st.text(min_size=1) | st.sampled_from([
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '" onmouseover="x', "</style><script>", "</pre><b>",
    "{title}", "{0}", "&lt;b&gt;", "<!--", "]]>", "\u202e evil"])


@settings(max_examples=60, deadline=None)
@given(text=HOSTILE, other=HOSTILE, name=HOSTILE)
def test_whatever_is_typed_or_named_stays_text(tmp_path_factory, text, other, name):
    store = ResultStore(tmp_path_factory.mktemp("store"))
    run = Run({"name": name, "old": other}, {name: "ab"}, {"dataset": text, "split": other}, 0, {name: text}, other,
              {other: name})
    run_id = store.open_run(run)
    one = result(victim=name, similarity=0.5, notes=(text,), swaps=(Swap(0, 1, text, other),), attack={"name": name})
    store.append(run_id, dataclasses.replace(one, example=dataclasses.replace(one.example, text=text), perturbed=other))
    page = make_report([read_figures(store, run_id)], now=NOW)
    seen = check_closed(page)
    assert html.escape(text) in page and html.escape(other) in page
    assert seen.tags.count(("b", {})) == page.count("<b>")
    store.close()


@given(st.lists(st.lists(HOSTILE, min_size=2, max_size=2), min_size=1, max_size=3))
def test_a_table_shows_cells_as_they_are(rows):
    page = make_table(rows, ["A", "B"])
    assert {tag for tag, _ in Seen(page).tags} <= KNOWN
    assert all(html.escape(cell) in page for row in rows for cell in row)


def test_a_report_of_two_runs_compares_them(store):
    one, two = store_run(store), store_run(store, "double/b", bias=(0.0, 3.0))
    seen = check_closed(make_runs_report(store, [one, two, one]))
    assert "Report of 2 runs" in seen.text and "Side by side" in seen.text and "changed sides" in seen.text
    other = store_run(store, texts=make_texts("moods", ("good",)), explain=False)
    assert "Side by side" not in make_runs_report(store, [one, other])
    for wrong in ([], ["nosuch"], [f"{i:012x}" for i in range(30)]):
        with pytest.raises(RobustError):
            make_runs_report(store, wrong)


def test_a_certificate_is_that_of_the_model_on_the_run_s_texts(store, monkeypatch):
    model = loading.load("sst2/additive/close", "cpu")
    run = Run({"name": "textfooler", **ATTACKS["textfooler"].PRESETS["careful"]},
              {model.id: fingerprint_model(model)}, {"dataset": "reviews", "split": "test"}, 0, {}, "cpu")
    examples = datasets.load("reviews", "test")[:12]
    run_id = store.open_run(run)
    for example in examples:
        store.append(run_id, result(example.uid, model.id, example=example, perturbed=example.text, status="failed",
                                    swaps=(), similarity=1.0))
    figures = read_figures(store, run_id, lambda name: model)
    assert figures.certificate == measure_certified_accuracy(model, examples, read_swap_set("careful"))
    page = make_report([figures], now=NOW)
    assert "any number of swaps of the set careful" in page and f"{100 * figures.certificate['accuracy']:.1f}" in page
    assert "it is proved that no swaps" in " ".join(write_advice(figures))
    assert read_figures(store, run_id).certificate is None, "without a way to load models nothing is certified"
    older = store.open_run(dataclasses.replace(run, models={model.id: "ab"}))
    store.append(older, result(examples[0].uid, model.id, example=examples[0]))
    found = read_figures(store, older, lambda name: model)
    assert found.certificate is None and "trained anew" in found.remark
    assert any("trained anew since" in line for line in found.warnings)


def advise(store, **row) -> str:
    figures = read_figures(store, next(iter(store.runs())))
    return " ".join(write_advice(dataclasses.replace(figures, row={**figures.row, **row})))


def test_advice_follows_from_the_figures(store):
    store_run(store)
    assert "texts would bring that to ± 2" in advise(store)
    sure = {"accuracy_under_attack_se": 0.01, "antonym_successes": 0.0, "number_successes": 0.0}
    assert "flips 90 %" in advise(store, attack_success_rate=0.9, **sure) and "defence" in advise(
        store, attack_success_rate=0.9, **sure)
    assert "no proof" in advise(store, attack_success_rate=0.1, **sure)
    assert "put an antonym" in advise(store, **{**sure, "antonym_successes": 0.4})
    assert "3 texts were stopped" in advise(store, stopped=3)
    assert "Nothing has come to an end" in advise(store, n=0)
    assert len(re.findall(r"\.(?:\s|$)", advise(store))) <= 6
    nothing = store_run(store, "double/b", explain=False)
    figures = read_figures(store, nothing)
    calm = dataclasses.replace(figures, row={**figures.row, **sure, "attack_success_rate": 0.4})
    assert "add --explain ig" in " ".join(write_advice(calm))


def test_the_command_names_everything(store):
    run = Run({"name": "textfooler", **ATTACKS["textfooler"].PRESETS["careful"], "max_queries": 30},
              {"sst2/cnn/base": "ab"}, {"dataset": "sst2", "split": "dev", "precision": "screened"}, 7, {}, "cpu")
    words = make_again(run, 50, ["ig", "lime"], True)
    for part in ("--model sst2/cnn/base", "--dataset sst2 --split dev", "--seed 7", "--attack textfooler",
                 "--preset careful", "--set max_queries=30", "--explain ig,lime", "--fluency", "--n 50",
                 "--precision screened", "--data-dir DATA"):
        assert part in words
    own = make_again(dataclasses.replace(run, data={"dataset": "films", "split": "file"}), 5, [], False)
    assert "--data FILE" in own and "--split" not in own and "--data-dir" not in own


@given(st.floats(-1e9, 1e9) | st.sampled_from([float("nan"), float("inf")]),
       st.floats(0, 1e9) | st.sampled_from([float("nan"), float("inf")]), st.booleans())
def test_a_figure_is_written_with_its_error_or_not_at_all(value, error, share):
    text = write_figure(value, error, share)
    assert "nan" not in text and "inf" not in text
    assert bool(text) == (abs(value) < float("inf"))
