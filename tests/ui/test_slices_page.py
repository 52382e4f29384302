"""A slice on the pages: taken, in the address, read back, and attack, explanation, metrics and Judge on its texts."""

import pytest
from helpers.pages import MODELS, app, doubles, page, query, settle  # noqa: F401 (a fixture)
from helpers.results import result
from streamlit.testing.v1 import AppTest

from robust_core import datasets
from robust_core.slices import read_slice
from robust_core.types import Example
from ui.saliency import page as saliency
from ui.saliency import quadrants, stored_results
from ui.saliency.stored_results import QUADRANTS
from ui.session.choices import Limits
from ui.shared import loaded
from ui.slices import picking, state
from ui.word_importance import plots

TEXTS = [("a good movie", 1), ("a bad movie", 0), ("good and good", 1), ("a clever and good movie", 1),
         ("a good but dull movie", 0), ("a fine movie", 1), ("good", 1), ("dull", 0)]
WORD = "reviews~test~0.2-3"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let every data set hold eight texts."""
    monkeypatch.setattr(datasets, "load", lambda name, split, data_dir=None: [
        Example(text, label, f"{name}/{split}/{i}") for i, (text, label) in enumerate(TEXTS)])


def ready(at: AppTest) -> AppTest:
    for _ in range(100):
        settle(at)
        if all(job.over for job in loaded.get_jobs().jobs()) and "Measuring;" not in page(at):
            return settle(at)
    raise AssertionError(page(at))


def follow(at: AppTest, way: str, file: str) -> AppTest:
    """Press one of the ways of the slice's line; AppTest then has to be told which page was opened."""
    at.button(key=f"slice.{way}").click().run()
    assert not at.exception, at.exception
    return ready(at.switch_page(f"pages/{file}.py"))


def read_line(at: AppTest) -> str:
    return next((m.value for m in at.markdown if m.value.startswith("**Slice:**")), "")


def test_the_address_brings_a_slice_and_clear_takes_it_away():
    at = app(slice=f"{WORD}~both_lost")
    assert read_line(at) == "**Slice:** 3 texts of Reviews, both lost"
    assert query(at)["slice"] == f"{WORD}~both_lost"
    at.switch_page("pages/9_Models.py").run()
    assert read_line(at), "on every page"
    at.text_input(key=f"slice.name.{WORD}~both_lost").set_value("hard ones").run()
    assert read_line(at) == "**Slice:** 3 texts of Reviews, hard ones" and query(at)["slice"] == f"{WORD}~hard_ones"
    at.button(key="slice.clear").click().run()
    assert not read_line(at) and "slice" not in query(at)


@pytest.mark.parametrize("word", ["x", "reviews~test~", "reviews~test~0-999", "<b>~test~1~[x](y)", "~" * 50])
def test_an_address_that_is_none_is_one_line(word):
    at = app(slice=word)
    shown = [w.value for w in at.warning]
    assert len(shown) == 1 or read_line(at), shown
    assert not at.exception


def test_what_is_picked_in_a_figure_becomes_the_slice(monkeypatch):
    points = {"selection": {"points": [{"customdata": 3}, {"x": 1}, {"customdata": 0}, {"customdata": 3}]}}
    assert list(picking.list_picked(points)) == [3, 0] and list(picking.list_picked(None)) == []
    kept = {}
    monkeypatch.setattr(state.st, "session_state", kept)
    state.take_slice("reviews", "test", [3, 0, None], "map of MiniLM")
    assert kept[state.KEY] == "reviews~test~0.3~map_of_MiniLM"
    state.take_slice("reviews", "test", [None])
    assert kept[state.KEY] == "reviews~test~0.3~map_of_MiniLM", "nothing picked changes nothing"
    state.take_slice("reviews", "test", range(300))
    assert kept[state.KEY].startswith("reviews~test~0.3") and "at most" in kept["said"][0]
    state.take_results("0123456789ab", ["reviews/test/5", "reviews/test/1"])
    assert kept[state.KEY] == "reviews~test~1.5", "the data set is here, so all its runs have these texts"
    state.take_results("0123456789ab", ["tickets/file/5"])
    assert kept[state.KEY] == "0123456789ab~run~5"


def test_attack_metrics_and_judge_run_on_the_slice():
    at = follow(app(slice=WORD), "attack", "2_Saliency")
    assert at.button_group(key="saliency.source").value == saliency.STORED
    box = at.selectbox(key="stored.new.dataset")
    assert box.value == WORD and "Slice: 3 texts of Reviews" in box.options
    assert f"--slice {WORD} --seed 0" in at.code[0].value
    at.button(key="stored.run").click()
    at = ready(at)
    runs = loaded.open_store().runs()
    assert len(runs) == 3 and {run.data["split"] for run in runs.values()} == {"slice"}
    assert {result.example.uid for run in runs for result in loaded.open_store().each(run)} == {
        "reviews/test/0", "reviews/test/2", "reviews/test/3"}
    at.button_group(key="stored.which").set_value(stored_results.ALL)
    at = ready(at)
    assert list(at.dataframe[0].value["Texts"]) == [3, 3, 3]
    assert "(slice)" in at.selectbox(key="stored.group").options[0]

    at = follow(at, "judge", "8_Judge")
    assert at.selectbox(key="judge.from").value == "Stored runs" and at.toggle(key="judge.slice").value
    assert "Reviews: " in page(at) and "3 originals to draw from" in page(at)

    # A slice of one of these texts: the same runs, over that text alone.
    at.session_state[state.KEY] = "reviews~test~2"
    at = follow(settle(at), "metrics", "2_Saliency")
    assert at.toggle(key="stored.slice").value and list(at.dataframe[0].value["Texts"]) == [1, 1, 1]
    at.toggle(key="stored.slice").set_value(False)
    assert list(ready(at).dataframe[0].value["Texts"]) == [3, 3, 3]


def test_nothing_to_judge_yet_is_said():
    at = follow(app(slice=WORD), "judge", "8_Judge")
    assert "No stored attack flips a text of this slice" in page(at)


def test_words_are_measured_over_the_slice_and_picked_words_make_another():
    at = follow(app(slice=WORD), "explain", "3_Word_importance")
    assert at.selectbox(key="words.dataset").value == WORD
    at.button(key="words.run").click()
    at = ready(at)
    assert "of a word over 3 texts" in page(at) and "Words that you pick are marked" in page(at)
    at.session_state[plots.PICKED] = ["clever", "and"]
    at = ready(at)
    assert "Picked: clever, and." in page(at)
    at.button(key="words.take").click()
    assert read_line(ready(at)).startswith("**Slice:** 2 texts of Reviews")
    assert query(at)["slice"].startswith("reviews~test~2-3~")


def test_other_labels_are_said_not_hidden():
    at = follow(app(slice="trec~test~0"), "attack", "2_Saliency")
    assert "their labels are not those of the models chosen" in page(at).replace("\n", " ")
    assert at.selectbox(key="stored.new.dataset").value != "trec~test~0"


def test_the_quadrants_lie_where_they_should():
    def example(place: int, tau: float, after: tuple[float, ...]) -> stored_results.Example:
        one = result(f"reviews/test/{place}", after=after, perturbed_label=max((0, 1, 2), key=after.__getitem__))
        return stored_results.Example(MODELS[0], one, {"kendall_tau": tau, "top_k": {"5": 1.0}})

    examples = [example(0, 0.9, (0.1, 0.7, 0.2)), example(1, -0.2, (0.6, 0.3, 0.1)), example(2, 0.1, (0.2, 0.6, 0.2)),
                example(3, float("nan"), (0.2, 0.6, 0.2))]
    figure = quadrants.make_figure(examples, "0123456789ab", list(QUADRANTS.values()), Limits(0.4, 0.6), "#007878",
                                   read_slice("reviews~test~1"))
    found = {trace.name: (round(trace.x[0]), trace.y[0], list(trace.customdata or ())) for trace in figure.data}
    assert found == {"Both kept": (50, 0.9, ["reviews/test/0"]), "Only prediction kept": (40, 0.1, ["reviews/test/2"]),
                     "Both lost": (-30, -0.2, ["reviews/test/1"]), "slice": (-30, -0.2, [])}
    assert {trace.marker.color for trace in figure.data[:3]} == {"#007878"}
    assert [shape.y0 for shape in figure.layout.shapes] == [0, 0.4], "the border of each verdict"
