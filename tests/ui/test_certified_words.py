"""The Certified page's view on words: what it says of a text, what it draws, and certified accuracy beside attacks."""

import json
import re
from unittest import mock

import pytest
from streamlit.testing.v1 import AppTest

from robust_core.certify.word_swaps import WordBounds
from robust_core.paths import RESULTS, ROOT
from ui.certified import distance, word_accuracy, word_chart, words
from ui.session import selection
from ui.shared import catalogue

PAGE = str(ROOT / "pages" / "5_Certified.py")


def open_page(**state) -> AppTest:
    at = AppTest.from_file(PAGE, default_timeout=120)
    for key, value in state.items():
        at.session_state[key] = value
    return at.run()


def shown(at: AppTest) -> str:
    assert not at.exception, at.exception
    return "\n".join(str(e.value) for e in [*at.markdown, *at.caption, *at.warning, *at.info, *at.html])


def read_lowest(text: str) -> float:
    return float(re.search(r"the lead falls at most from \S+ to (−?[\d.]+):", text)[1].replace("−", "-"))


def test_words_come_first_and_the_other_view_costs_nothing():
    with mock.patch.object(distance, "draw_view") as other:
        at = open_page()
    text = shown(at)
    assert not other.called and not at.warning
    assert "exact arithmetic" in text and "paraphrases, inserted words or typos" in text
    assert "**Negative. Proved: none of the" in text and "that careful swaps can make flips this." in text
    assert "The lead over Positive" in text and "no such swaps can bring it below" in text
    assert at.get_by_key("certified.additive").value == "sst2/additive/close"
    assert at.text_area(key="text").label == "Type a review"
    assert len(at.get("plotly_chart")) == 2 and len(at.dataframe) == 1
    with mock.patch.object(words, "draw_view") as own:
        at.get_by_key("certified.view").set_value("Distance (L1)").run()
    assert not own.called and "It is not a statement about words" in shown(at)


def test_fewer_swaps_leave_a_higher_lead_and_the_worst_text_is_marked():
    at = open_page(**{"certified.swap_set": "wide"})
    text = shown(at)
    assert "Not proved" in text or "Proved for up to" in text
    assert "they **may flip** the answer" in text and 'class="w swapped"' in text
    leads = [read_lowest(text)]
    for swaps in (2, 1):
        at.get_by_key("certified.swaps").set_value(swaps).run()
        leads.append(read_lowest(shown(at)))
        assert len(re.findall(r"was \w+", "".join(str(h.value) for h in at.html))) <= 2 * swaps
    assert leads == sorted(leads) and len({*leads}) == 3
    at.get_by_key("certified.swaps").set_value(0).run()
    assert "Without a swap the lead is" in shown(at) and not at.html
    # A text with fewer words: the slider has fewer places.
    at.get_by_key("certified.swaps").set_value(5).run()
    at.text_area(key="text").set_value("a fine film").run()
    assert at.get_by_key("certified.swaps").value == "any" and not at.exception


def test_every_additive_model_can_be_picked():
    at = open_page()
    known = [model for model, card in catalogue.read_cards().items() if card.is_certified]
    assert at.get_by_key("certified.additive").options == [catalogue.name_option(model) for model in known]
    at.get_by_key("certified.additive").set_value("sst2/additive/wide").run()
    assert "Proved" in shown(at)
    assert open_page(models=["sst2/additive/wide"]).get_by_key("certified.additive").value == "sst2/additive/wide"


@pytest.mark.parametrize("text", ["", "x" * 300, "word " * 500])
def test_bad_input_is_one_line(text):
    at = open_page(text=text)
    assert len(at.warning) == 1 and "\n" not in at.warning[0].value and not at.exception
    assert len(at.get("plotly_chart")) == 1, "certified accuracy stays"


def test_a_long_text_has_a_proof_too():
    at = open_page(text=" ".join(["lovely soggy film"] * 130), **{"certified.swap_set": "wide"})
    assert "Only the 60 words with the longest bars are drawn." in shown(at) and not at.warning


def test_text_from_outside_stays_text():
    at = open_page(text="**bold** [link](http://evil.example) <img src=x> :red[good] film")
    assert "<img" not in "".join(str(h.value) for h in at.html) and "Proved" in shown(at)


def test_a_text_without_swaps_needs_no_slider():
    at = open_page(text="of the")
    assert "No word of this text has a swap in this set." in shown(at)
    assert "careful swaps cannot change this text" in shown(at)
    assert not [s for s in at.select_slider if s.key == "certified.swaps"]


def test_the_button_takes_the_model_along():
    at = open_page(models=["sst2/cnn/base"])
    with mock.patch("streamlit.switch_page") as switch:
        at.button(key="certified.attack").click().run()
    switch.assert_called_once_with("pages/1_Attack.py")
    assert at.session_state["models"] == ["sst2/cnn/base", "sst2/additive/close"]


def test_without_additive_models_it_says_how_to_train_one(monkeypatch):
    monkeypatch.setattr(catalogue, "read_cards", dict)
    assert "train --dataset sst2 --architecture additive" in shown(open_page(text=selection.DEFAULT_TEXT))


@pytest.mark.parametrize("swap_set", ["careful", "close", "wide"])
def test_what_is_certified_is_at_most_what_attacks_leave(swap_set):
    lines = word_accuracy.read_lines("sst2", swap_set)
    assert lines and [line.model for line in lines] == sorted(line.model for line in lines)
    for line in lines:
        shares = [share.value for share in line.shares.values()]
        assert list(line.shares) == ["0", "1", "2", "3", "5", "10", "any"] and shares == sorted(shares, reverse=True)
        assert set(line.attacked) <= (set() if swap_set == "close" else {"textfooler", "pwws"})
        for attacked in line.attacked.values():
            assert shares[-1] <= attacked.value <= shares[0]
    assert swap_set == "close" or any(len(line.attacked) == 2 for line in lines)
    figure = word_accuracy.make_curves(lines)
    assert [trace.name for trace in figure.data] == [catalogue.name_option(line.model) for line in lines]
    assert "--model MODEL" in lines[0].sources[0].command


def test_damaged_claims_are_left_out(tmp_path, monkeypatch):
    good = json.loads((RESULTS / "own-certified-words-sst2-additive-close.json").read_text())
    for name, changes in {"a": {}, "b": {"n": None}, "c": {"details": {"model": "m", "dataset": "sst2"}},
                          "d": {"details": {**good["details"], "rows": 3}}, "e": {"command": 3}}.items():
        (tmp_path / f"own-certified-words-{name}.json").write_text(json.dumps(good | changes))
    (tmp_path / "presets-x.json").write_text(json.dumps(
        good | {"details": {"model": ["x"], "preset": "careful", "attack": {}}}))
    monkeypatch.setattr(word_accuracy, "RESULTS", tmp_path)
    assert [line.model for line in word_accuracy.read_lines("sst2", "careful")] == ["sst2/additive/close"]
    assert word_accuracy.read_lines("trec", "careful") == []
    assert "Nothing measured yet" not in shown(open_page())
    for path in tmp_path.glob("own*"):
        path.unlink()
    assert "Nothing measured yet" in shown(open_page())


def make_words(count: int) -> list[WordBounds]:
    return [WordBounds(f"<b>{i}</b>%{{x}}", -1.0 - i, 0.5, 1.0, "<i>w</i>", 3, 1.5 + i) for i in range(count)]


def test_the_chart_has_a_row_for_each_word_and_no_markup():
    figure = word_chart.make_word_bars(make_words(30), {0, 3}, "<b>Positive</b>")
    assert [len(trace.y) for trace in figure.data] == [28, 2, 30, 30]
    assert list(figure.data[1].y) == [0, 3] and figure.data[1].base[1] == -4.0
    made = json.dumps(figure.to_dict(), default=str)
    assert "<b>" not in made and "<i>" not in made and "%{x}" not in made
    assert figure.layout.height > 30 * 20


def test_of_a_long_text_the_widest_bars_are_drawn():
    figure = word_chart.make_word_bars(make_words(100), {99, 0}, "P")
    assert len(figure.layout.ticktext if "ticktext" in figure.layout else figure.layout.yaxis.ticktext) == 60
    assert [len(trace.y) for trace in figure.data] == [59, 1, 60, 60]
