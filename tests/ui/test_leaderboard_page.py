"""The Leaderboard page: what it opens on, filters, the papers' table, one figure, and measuring it again."""

import math
import threading
import time

import pytest
import streamlit as st
from helpers.claims import make_claim, put_claim
from helpers.pages import app, click, doubles, page  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core.errors import BadInput
from robust_core.leaderboard import rerun
from robust_core.leaderboard.entries import read_board
from ui.leaderboard import again, board, chart, summary
from ui.shared import colours
from ui.slices import picking
from ui.widgets import charts

CNN, LSTM, MINILM = "sst2/cnn/base", "sst2/lstm/base", "sst2/minilm/base"
HELD = dict(skipped=100, succeeded=200, failed=700, exhausted=0)
FLIPPED = dict(skipped=100, succeeded=880, failed=20, exhausted=0)


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """A few claims; what is read and measured again is these."""
    folder = tmp_path / "results"
    folder.mkdir()
    put_claim(folder, "cnn-careful", make_claim(CNN, "textfooler", "careful", HELD))
    put_claim(folder, "cnn-paper", make_claim(CNN, "textfooler", "paper", FLIPPED, HELD))
    put_claim(folder, "lstm-paper", make_claim(LSTM, "textfooler", "paper", FLIPPED))
    put_claim(folder, "cnn-pwws", make_claim(CNN, "pwws", "careful", HELD))
    put_claim(folder, "trec", make_claim("trec/cnn/flat-textfooler", "textfooler", "paper", HELD))
    find, read = board.find_board, rerun.read_source
    monkeypatch.setattr(board, "find_board", lambda: find(folder))
    monkeypatch.setattr(rerun, "read_source", lambda file: read(file, folder))
    return folder


def open_page(at: AppTest | None = None) -> AppTest:
    st.cache_resource.clear()
    at = (at or app()).switch_page("pages/10_Leaderboard.py").run()
    assert not at.exception, at.exception
    return at


def find_box(at: AppTest, label: str):
    return next(box for box in (*at.selectbox, *at.multiselect) if box.label == label)


def test_it_opens_on_textfooler_on_sst2_with_both_presets():
    at = open_page()
    assert find_box(at, "Data set").value == "sst2" and find_box(at, "Attack").value == "textfooler"
    table = at.dataframe[0].value
    assert set(table["Preset"]) == {"Careful", "Paper"} and len(table) > 30
    assert list(table["Under attack"]) == sorted(table["Under attack"], reverse=True), "numbers, the highest first"
    assert "Careful: **" in page(at) and "keeps most" in page(at) and "†1: " in page(at)
    assert len(at.code) and at.code[0].value.startswith("python -m robust_core reproduce ")
    assert "own figures" not in [s.value for s in at.subheader], "only on request"


def test_figures_errors_and_who_cannot_be_told_apart(claims):
    at = open_page()
    table = at.dataframe[0].value.set_index(["Model", "Preset"])
    row = table.loc["CNN · base", "Careful"]
    assert (row["Under attack"], row["Clean"], row["Lowest"]) == pytest.approx((70, 90, 70))
    assert row["Valid share"] == pytest.approx(98) and row["Judged"] == 50, "by the shipped reading"
    assert math.isnan(table.loc["LSTM · base", "Paper"]["Valid share"]), "shown as –: nobody judged"
    assert row["Under attack ±"] == pytest.approx(100 * (0.7 * 0.3 / 1000) ** 0.5) and row["n"] == 1000
    pooled = table.loc["CNN · base", "Paper"]
    assert pooled["Under attack"] == pytest.approx(36) and pooled["Seeds"] == "0, 1" and pooled["Under attack ±"] > 20
    assert "Careful: **CNN · base** keeps most, 70.0 ± 1.4 % right" in page(at)
    assert "is the only one measured" in page(at)
    assert "Paper: **CNN · base** keeps most" in page(at) and "1 of the 1 others cannot be told apart" in page(at)
    assert "Certified" not in table, "a column without any figure is left out"


def test_filters_and_the_way_out_of_an_empty_choice(claims):
    at = open_page()
    find_box(at, "Presets").set_value(["careful"]).run()
    assert list(at.dataframe[0].value["Preset"]) == ["Careful"]
    find_box(at, "Architectures").set_value(["lstm"]).run()
    assert "No stored figure fits" in page(at) and not at.dataframe
    click(at, "Show all")
    assert len(at.dataframe[0].value) == 3
    find_box(at, "Attack").set_value("all").run()
    assert len(at.dataframe[0].value) == 4 and "Choose one attack" in page(at)
    find_box(at, "Data set").set_value("trec").run()
    assert list(at.dataframe[0].value["Model"]) == ["CNN · flat-textfooler"], "named although its card is not here"
    find_box(at, "Data set").set_value("sst2").run()
    find_box(at, "Order").set_value("clean").run()
    assert not at.exception


def test_papers_stand_apart_and_only_on_request(claims):
    at = open_page()
    assert len(at.dataframe) == 1
    at.toggle[0].set_value(True).run()
    papers = at.dataframe[1].value
    assert "The papers' own figures" in [s.value for s in at.subheader] and "not to be ranked with ours" in page(at)
    assert {"BERT", "CNN", "LSTM", "ALBERT"} <= set(papers["Model"]) and all("paper" in text for text in papers["From"])
    assert len(at.dataframe[0].value) == 3, "ours stay as they are"


def test_a_damaged_file_is_named(claims):
    (claims / "broken.json").write_text("{")
    assert "results/broken.json is left out: It is damaged." in page(open_page()).replace("\\", "")


def test_nothing_stored(monkeypatch, tmp_path):
    monkeypatch.setattr(board, "find_board", lambda: read_board(tmp_path))
    assert "No figures are stored" in page(open_page())


def draw_points(entries):
    """The traces of the scatter that hold points."""
    return [trace for trace in chart.make_scatter(entries).data if trace.showlegend is False]


def test_one_mark_a_defence_whatever_is_filtered(claims):
    def marks(entries):
        return {trace.name: trace.marker.symbol.partition("-open")[0] for trace in draw_points(entries)}

    entries = read_board(claims).entries
    everything = marks(entries)
    assert set(everything) == {"Base", "FLAT"} and len(set(everything.values())) == 2
    assert marks([e for e in entries if e.defence == "flat"]) == {"FLAT": everything["FLAT"]}
    named = [trace.name for trace in chart.make_scatter(entries).data if trace.showlegend is not False]
    assert named == ["Base", "FLAT", "Careful", "Paper"], "each once in the legend"
    assert all(len(trace.error_y.array) == len(trace.x) for trace in draw_points(entries))
    assert {tone for trace in draw_points(entries) for tone in trace.marker.color} == {charts.GUIDE}


def test_picked_models_stand_out_and_a_picked_point_is_the_figure_below(claims, monkeypatch):
    entries = [entry for entry in read_board(claims).entries if entry.dataset == "sst2"]
    monkeypatch.setattr(st, "session_state", {"models": [CNN, LSTM]})
    tones = {custom[1]: tone for trace in draw_points(entries)
             for custom, tone in zip(trace.customdata, trace.marker.color, strict=True)}
    assert tones == {entry.id: colours.color_model(entry.model) for entry in entries}
    assert len(set(tones.values())) == 2 and charts.GUIDE not in tones.values()
    asked = {}
    monkeypatch.setattr(picking, "draw_pickable", lambda figure, key, take, alt, several: asked.update(take=take))
    chart.draw_scatter(entries)
    asked["take"]([["hover", entries[1].id]])
    assert st.session_state["board.entry"] == entries[1].id


def test_the_sentence_names_the_best(claims):
    lines = list(summary.write_lines([e for e in read_board(claims).entries if e.dataset == "trec"], "textfooler"))
    assert [(line.preset, line.figures.startswith("keeps most, 70.0 ±")) for line in lines] == [("Paper", True)]


# --- Measuring again ---------------------------------------------------------------------------------------------


def pick(at: AppTest, words: str) -> AppTest:
    box = find_box(at, "Figure")
    box.select_index(next(i for i, option in enumerate(box.options) if words in option))
    at.run()
    assert not at.exception
    return at


def measure(at: AppTest, monkeypatch, *said) -> AppTest:
    """Press the button; the command says this."""
    def run(words, stop, **options):
        assert words[:2] == ["claims", "draw"] and words[3:] == ["--json"]
        for item in said:
            if isinstance(item, Exception):
                raise item
            yield {"name": words[2], "seconds": 3.0, "note": "", **item}

    monkeypatch.setattr(again, "run_command", run)
    monkeypatch.setattr(rerun, "list_obstacles", lambda claim: [])
    next(button for button in at.button if button.label == "Measure again").click()
    for _ in range(100):
        at.run()
        assert not at.exception
        if not any(button.label == "Stop" for button in at.button):
            return at
        time.sleep(0.05)
    raise AssertionError(page(at))


@pytest.mark.parametrize(("verdict", "again_", "words"), [
    ("equal", 0.7, "Agrees to the last digit: 70.0 % again"), ("within error", 0.71, "Agrees within its error: 71.0 %"),
    ("differs", 0.5, "Differs by more than its error: 50.0 % now, 70.0 ± 1.4 % stored")])
def test_a_figure_measured_again(claims, monkeypatch, verdict, again_, words):
    monkeypatch.setattr(rerun, "list_obstacles", lambda claim: [])
    at = pick(open_page(), "TextFooler · Careful")
    ends = [BadInput("The measurement broke off (exit code 1).")] if verdict == "differs" else []
    at = measure(at, monkeypatch, {"verdict": verdict, "stored": 0.7, "again": again_}, *ends)
    said = page(at) + "".join(box.value for box in at.success)
    assert words in said.replace("\\", "") and "broke off" not in said
    at = pick(at, "LSTM")
    assert words not in page(at) + "".join(box.value for box in at.success), "of another figure nothing is said"


def test_a_measurement_that_fails_says_why(claims, monkeypatch):
    monkeypatch.setattr(rerun, "list_obstacles", lambda claim: [])
    at = measure(pick(open_page(), "TextFooler · Careful"), monkeypatch, BadInput("The disk is full."))
    assert "The disk is full" in page(at)
    assert any(button.label == "Measure again" and not button.disabled for button in at.button)


def test_stop(claims, monkeypatch):
    begun = threading.Event()

    def run(words, stop, **options):
        begun.set()
        assert stop.wait(20)
        yield from ()

    monkeypatch.setattr(again, "run_command", run)
    monkeypatch.setattr(rerun, "list_obstacles", lambda claim: [])
    at = pick(open_page(), "TextFooler · Careful")
    next(button for button in at.button if button.label == "Measure again").click().run()
    assert begun.wait(10)
    at.run()
    next(button for button in at.button if button.key == "board.stop").click().run()
    for _ in range(100):
        at.run()
        if "Stopped before it had a figure" in page(at):
            break
        time.sleep(0.05)
    assert "Stopped before it had a figure" in page(at)


def test_what_is_missing_takes_the_place_of_the_button(claims):
    put_claim(claims, "cnn-pwws", make_claim(CNN, "pwws", "careful", HELD, rests_on={"model sst2/cnn/base@7": ""}))
    at = open_page()
    find_box(at, "Attack").set_value("pwws").run()
    assert "cannot be measured again here" in page(at) and "sst2/cnn/base" in page(at)
    assert not any(button.label == "Measure again" for button in at.button)


def test_the_other_claims_of_a_figure_can_be_chosen(claims):
    put_claim(claims, "one", make_claim(CNN, "textfooler", "paper", FLIPPED))
    at = pick(open_page(), "CNN · base · TextFooler · Paper")
    box = find_box(at, "Measured more than once")
    assert [option.split(":")[0] for option in box.options] == ["cnn-paper.json", "one.json"]
    box.select_index(1).run()
    assert not at.exception
