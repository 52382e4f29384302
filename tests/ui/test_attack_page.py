"""Every page on doubles: what a person does, what the page then shows."""

import csv
import dataclasses
import html
import io
import json
import re
import threading
import time

import pytest
import streamlit as st
from helpers.doubles import BagOfWords, Planted
from helpers.pages import (  # noqa: F401, E501 (a fixture)
    MODELS,
    SLOW,
    STORY,
    TEXT,
    Milder,
    app,
    attacked,
    click,
    doubles,
    find_label,
    page,
    query,
    read_story,
    settle,
    take_example,
)
from streamlit.testing.v1 import AppTest

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import TYPED_SECONDS
from robust_core.defences import DEFENCES
from robust_core.errors import BadInput, MissingResource
from robust_core.events import Event
from robust_core.jobs.manager import JobManager
from robust_core.models import loading, masked_lm
from robust_core.paths import ROOT
from robust_core.store import ResultStore
from robust_core.text import find_words
from ui import frame
from ui.about import glossary
from ui.attack import downloads, examples, guards, live, story
from ui.attack.transfer_fluency import TransferFluency
from ui.session import attack, selection
from ui.session.choices import Choices, Limits
from ui.session.outcome import Outcome, Pair, from_document, name_pairs
from ui.shared import loaded
from ui.shared.guarded import Reading

NAMES = dict.fromkeys(MODELS, ("Negative", "Positive"))
PAGES = frame.list_pages(ROOT / "pages")


def test_pages_describe_themselves():
    titles = [p.title for p in PAGES]
    assert titles == ["Attack", "Saliency", "Word importance", "Embeddings", "Certified", "Train", "Lessons", "Judge",
                      "Models", "Leaderboard", "History", "About"]
    assert all(p.subtitle.endswith(".") and p.icon.startswith(":material/") for p in PAGES)
    for path in [ROOT / "app.py", *(p.path for p in PAGES)]:
        assert len(path.read_text().splitlines()) <= (60 if path.name == "app.py" else 80)


def test_it_opens_with_an_example_and_predictions():
    at = settle(AppTest.from_file(str(ROOT / "app.py"), default_timeout=30))
    assert at.text_area(key="text").value == selection.DEFAULT_TEXT
    assert at.multiselect(key="models").value == list(MODELS)
    # clever 1.5 against -1.5 is 95 %; the second double leans towards positive, the third reads "clever" as well.
    assert [line in page(at) for line in ("Positive 95 %", "Positive 99.9 %")] == [True, True]
    assert at.multiselect(key="attacks").value == ["textfooler"]


def test_an_attack_end_to_end():
    at = attacked()
    shown = page(at)
    # good 2 + clever 1.5 = 3.5; bad instead: -0.5, so that the first double flips and the biased one holds.
    assert "1 word changed, and the prediction flips from Positive to Negative." in shown
    assert "The attack found no words that flip it." in shown
    assert 'data-tip="was good"' in shown and 'data-tip="became bad; +' in shown
    assert shown.count("Kendall") == 1
    assert shown.count("✗ lost") >= 1 and shown.count("✓ ok") >= 1
    assert len(at.get("plotly_chart")) == 3
    assert "not read by this model" in shown  # the third double reads three words
    labels = [b.label for b in at.get("download_button")]
    assert labels == ["JSON", "CSV", "HTML"]


def test_the_story_comes_first_and_the_details_when_they_are_wanted():
    at = attacked()
    told = read_story(at)
    # What flips the first is read by all three: the second leans to positive, the third reads it like the first.
    assert "The text that flips CNN · base, read by all models" in told
    assert "a <del>good</del> <ins>bad</ins> clever movie" in told
    lines = [html.unescape(re.sub(r"<[^>]+>", " ", line)).split() for line in re.findall(r"<tr>(.*?)</tr>", told)[1:]]
    assert [" ".join(line) for line in lines] == [
        "CNN · base flipped Positive 99.9 % → Negative 73 %: good → bad ✗ Negative 73 % ✗ lost",
        "LSTM · base held Positive > 99.9 % → Positive 95 %: good → bad ✓ Positive 95 % ✗ lost",
        "MiniLM · base flipped Positive 99.9 % → Negative 73 %: good → bad ✗ Negative 73 % ✗ lost"]
    htmls = [h.value for h in at.html]
    assert next(i for i, h in enumerate(htmls) if h.startswith(STORY)) < next(
        i for i, h in enumerate(htmls) if 'class="rx-head"' in h)
    at.session_state[live.DETAILS] = False
    at = settle(at)
    assert 'class="rx-head"' not in page(at) and not at.get("plotly_chart") and read_story(at) == told


def test_under_several_attacks_a_line_of_the_story_counts_them():
    told = read_story(both(",".join(MODELS[:2])))
    assert "flipped by 1 of 2 attacks" in told and "held under 2 attacks" in told
    # One model: each line is an attack, about the text that it found.
    told = read_story(both())
    assert "Reads its own text as" in told and "<ins>" not in told and "Planted words</th>" in told


def test_an_edit_by_hand_is_told():
    at = attacked()
    at.text_area(key="adversarial_box").set_value("a good dull movie")
    assert "a good <del>clever</del> <ins>dull</ins> movie" in read_story(settle(at))


def test_a_job_that_broke_off_shows_no_text_that_it_was_at():
    asked = Choices(TEXT, (MODELS[0],), ({"name": "planted"},), None, 0, "cpu")
    pair = Pair(MODELS[0], "planted")
    at_work = Outcome("job", asked, {}, {}, {pair: Event("step", "typed", MODELS[0], {"text": "a bad clever movie"})},
                      running=True)
    assert story.choose_shown(at_work) == pair and story.find_text(at_work, pair)[0] == "a bad clever movie"
    broken = dataclasses.replace(at_work, running=False, trouble="The job was ended from outside.")
    assert story.choose_shown(broken) is None and story.find_text(broken, None) == (TEXT, "")
    assert live._describe_text(broken, None, {}) == "No text was changed."


def test_a_line_says_how_much_a_model_reads_before_and_after_an_attack():
    """The third double reads three words."""
    words = len(find_words(TEXT))
    before, after = page(settle(app())), page(attacked())
    assert before.count(f", reads 3 of {words} words") == 1
    assert after.count(f"The model reads 3 of {words} words; the rest is left alone.") == 1
    assert f">reads 3 of {words} words<" in after


def test_weights_are_the_scores_shown():
    shown = page(attacked())
    # The row's verdict cell names tau and top-5; the strip names signed scores of the right words.
    assert 'aria-label="good: became bad; +' in shown and "for Positive" in shown
    assert 'aria-label="bad: was good; -' in shown and "against Positive" in shown


def test_a_true_label_skips_a_model_that_is_wrong():
    at = app()
    find_label(at).set_value("Negative")
    at = click(at, "Attack")
    assert "The model was wrong before the attack: it says Positive" in page(at)


def test_editing_by_hand_is_followed_and_can_be_undone():
    at = attacked()
    at.text_area(key="adversarial_box").set_value("a dull bad movie")
    at = settle(at)
    assert 'data-tip="was clever; ' in page(at) and "Edited by hand." in page(at)
    at = click(at, "Back to the attack's text")
    assert "Edited by hand." not in page(at)
    assert at.text_area(key="adversarial_box").value == "a bad clever movie"


def test_a_new_attack_replaces_the_edit():
    at = attacked()
    at.text_area(key="adversarial_box").set_value("a dull bad movie")
    at = click(settle(at), "Attack")
    assert at.text_area(key="adversarial_box").value == "a bad clever movie"
    assert "Edited by hand." not in page(at)


def test_a_bad_edit_changes_nothing():
    at = attacked()
    before = [h.value for h in at.html if "rx-table" in h.value and not h.value.startswith("<style")]
    at.text_area(key="adversarial_box").set_value("   ")
    at = settle(at)
    assert [w.value for w in at.warning] == ["The edited text is not used. The text is empty: type a sentence."]
    assert [h.value for h in at.html if "rx-table" in h.value and not h.value.startswith("<style")] == before


def test_each_models_own_text():
    at = attacked()
    at.get_by_key("source").set_value("own")
    at = settle(at)
    assert not [t for t in at.text_area if t.key == "adversarial_box"]
    assert "✓ ok" in page(at) and "✗ lost" in page(at)


def test_thresholds_move_the_verdict():
    at = attacked()
    kept = page(at).count("✓ kept")
    at.number_input(key="tau_at_least").set_value(-1.0)
    at.number_input(key="top5_at_least").set_value(0.0)
    at = settle(at)
    assert page(at).count("✓ kept") == 3 > kept


def replayed(at: AppTest) -> AppTest:
    """Open the replay."""
    at.session_state["replay.open"] = True
    return settle(at)


def test_a_search_is_replayed_step_by_step():
    at = attacked()
    assert not at.slider  # closed at first: the result comes before its history
    at = replayed(at)
    assert (at.slider[0].min, at.slider[0].max, at.slider[0].value) == (0, 1, 0)
    assert "The original text: Positive 99.9 %." in page(at) and len(at.get("plotly_chart")) == 4
    assert next(b for b in at.button if b.label == "Back").disabled
    at = click(at, "Next")
    # Positive is sigmoid(2 x 3.5) with good, sigmoid(2 x -0.5) with bad.
    assert "Tried 1 word for “good”: the lowest probability of Positive was 27 %; kept “bad”." in page(at)
    assert next(b for b in at.button if b.label == "Next").disabled
    at.slider[0].set_value(0)
    assert "The original text" in page(settle(at))
    at.selectbox(key="replay.card").set_value(at.selectbox(key="replay.card").options[1])
    assert settle(at).slider[0].value == 0


def test_a_replay_without_steps_is_one_line():
    at = app()
    find_label(at).set_value("Negative")
    at = replayed(click(at, "Attack"))
    assert not at.slider and page(at).count("The model was wrong before the attack") >= 2
    at = replayed(click(app(text="a movie"), "Attack"))
    assert not at.slider and "There are no steps to show" in page(at)


def guarded(at: AppTest) -> AppTest:
    """Open what guards make of the texts."""
    at.session_state["guards.open"] = True
    return settle(at)


def test_guards_read_the_texts_that_flip_a_model():
    at = guarded(attacked())
    table = next(str(e.value) for e in at.html if "This is what each guard makes of" in str(e.value))
    # A word that is swapped for a word is no slip and hides nothing; the doubles have no clean texts of their own.
    assert table.count("✗ not caught") == 4 and table.count("cannot tell") == 4 and table.count("<tr>") == 3
    assert "Perplexity chooses its threshold on clean texts of dev: 20 are needed, 0 are here." in page(at)


def test_a_guard_that_reads_the_word_again_puts_the_text_right():
    at = guarded(click(app(attack="planted;new=g\u043e\u043ed", text="a good dull movie"), "Attack"))
    table = next(str(e.value) for e in at.html if "This is what each guard makes of" in str(e.value))
    assert "✓ put right</b><span>Positive</span><span>reads “good”</span>" in table


def test_what_a_guard_flags_is_caught_and_the_original_may_be_flagged_too(monkeypatch):
    found = {TEXT: Reading(TEXT, -1)}
    monkeypatch.setattr(guards, "ask_reading", lambda model, device, guard, text: (
        found.get(text, Reading(text, -1 if guard == "unicode" else 0)), ""))
    table = next(str(e.value) for e in guarded(attacked()).html if "This is what each guard makes of" in str(e.value))
    assert "✓ flagged</b><span>flags the original too</span>" in table
    assert "✗ not caught</b><span>Negative</span><span>flags the original too</span>" in table


def test_guards_are_offered_only_for_texts_that_flip():
    at = click(app(text="a movie"), "Attack")
    assert not any(e.label == "Would a guard have caught it?" for e in at.expander)
    at = attacked()
    assert any(e.label == "Would a guard have caught it?" for e in at.expander)
    assert "This is what each guard makes of" not in page(at)


def both(models: str = MODELS[0]) -> AppTest:
    """Run two attacks, on one model unless more are named."""
    return click(app(attack="planted,milder;new=fine", models=models), "Attack")


def rows(at: AppTest) -> list[str]:
    """Return the names of the lines of the table."""
    return re.findall(r'<th scope="row">([^<]*)', "".join(h.value for h in at.html if 'class="rx-table"' in h.value))


def test_several_attacks_on_one_model():
    at = both()
    assert at.multiselect(key="attacks").value == ["planted", "milder"]
    assert {"Settings of Planted words", "Settings of Milder words"} <= {e.label for e in at.expander}
    heads = re.findall(r'<span class="name">([^<]*)</span><span class="rx-badge (\w+)', page(at))
    # good 2 + clever 1.5: with bad for good -0.5, a flip; with fine for good 2.0, none.
    assert heads == [("Planted words", "succeeded"), ("Milder words", "failed")]
    assert "Finished · CNN · base · " in page(at)
    assert rows(at) == ["Planted words", "Milder words"] and '<th class="narrow" scope="col">Attack</th>' in page(at)
    assert 'data-tip="was good; ' in page(at) and 'aria-label="fine: was good; ' in page(at)
    at.get_by_key("source.attacks").set_value("shared")
    at = settle(at)
    assert rows(at) == ["CNN · base"] and at.text_area(key="adversarial_box").value == "a bad clever movie"
    at.selectbox(key="found_on").set_value((MODELS[0], "milder"))
    assert settle(at).text_area(key="adversarial_box").value == "a fine clever movie"


def test_several_attacks_on_several_models():
    at = both(",".join(MODELS[:2]))
    assert [f"{m}, {a}" for m in ("CNN · base", "LSTM · base") for a in ("Planted words", "Milder words")] == \
        re.findall(r'<span class="name">([^<]*)</span><span class="rx-badge', page(at))
    assert rows(at) == ["CNN · base", "LSTM · base"]
    at.get_by_key("source").set_value("own")
    assert len(rows(settle(at))) == 4
    at = replayed(at)
    assert len(at.selectbox(key="replay.card").options) == 4


def cells(at: AppTest, title: str) -> list[str]:
    """Return what the cells of a table of cards say, line by line."""
    table = "".join(h.value for h in at.html if f'aria-label="{title}"' in h.value)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).replace("\u00a0", " ").split())
            for cell in re.findall(r"<td>(.*?)</td>", table)]


def test_a_table_of_cards_leads_to_each():
    at = both(",".join(MODELS[:2]))
    # good 2 + clever 1.5 + bias 0 or 4, doubled: with bad for good 27 % and 95 %, with fine 98 % and more.
    assert cells(at, "Attacks and models") == [
        "✗ flipped 1 word, 27 % 2 queries", "✓ held 1 word, 95 % 2 queries",
        "✓ held 1 word, 98 % 2 queries", "✓ held 1 word, > 99.9 % 2 queries"]
    shown = page(at)
    targets = re.findall(r'href="#([^"]+)"', shown)
    assert len(targets) == 4 and all(shown.count(f'id="{target}"') == 1 for target in targets)
    assert 'aria-label="Planted words on CNN · base: flipped, 1 word changed, 2 queries, probability of Positive ' \
        '27\u00a0% afterwards. Go to the card."' in "".join(h.value for h in at.html)


def test_one_card_needs_no_table():
    assert 'aria-label="Attacks and models"' not in page(click(app(models=MODELS[0]), "Attack"))


def test_transfer_says_whom_else_a_text_fools():
    at = attacked()
    # "a bad clever movie" flips the first; the second leans to positive; the third reads "a bad clever" alike.
    assert cells(at, "Transfer between models") == [
        "itself 1 text", "✓ 0 of 1 not fooled", "✗ 1 of 1 fooled",
        "✗ 1 of 1 fooled", "✓ 0 of 1 not fooled", "itself 1 text"]
    assert page(at).count("Also fools MiniLM · base. Does not fool LSTM · base.") == 1
    assert page(at).count("Also fools CNN · base. Does not fool LSTM · base.") == 1


def test_a_model_that_was_wrong_before_is_not_fooled():
    at = app(models=",".join(MODELS[:2]))
    find_label(at).set_value("Negative")
    assert 'aria-label="Transfer between models"' not in page(click(at, "Attack"))


def test_fluency_is_shown_and_explained_once():
    shown = page(attacked())
    # The double finds "bad" ten times as surprising and more: 1 against 11.
    assert shown.count("11 × less fluent (pseudo-perplexity 1 → 11)") == 3
    assert shown.count("Fluency: how much more surprising") == 1


def test_without_the_masked_model_everything_else_works(monkeypatch):
    def load(name="minilm", device="auto"):
        raise MissingResource("The packaged masked language model", "Restore checkpoints/masked.")

    monkeypatch.setattr(masked_lm, "load", load)
    shown = page(attacked())
    assert "the prediction flips" in shown and "Also fools MiniLM · base." in shown and "less fluent" not in shown
    assert shown.count("Fluency is left out. The packaged masked language model is missing. Restore") == 1


@pytest.mark.parametrize("where", ["loading", "attacking"])
def test_a_model_with_a_bug_leaves_the_others(monkeypatch, where):
    good = loading.load

    class Broken(BagOfWords):
        @property
        def separable(self):
            raise RuntimeError("secret inside")

    def load(model_id, device="auto"):
        if model_id == MODELS[1] and where == "loading":
            raise RuntimeError("secret inside")
        return Broken(id=model_id) if model_id == MODELS[1] else good(model_id)

    monkeypatch.setattr(loading, "load", load)
    shown = page(click(app(attack="planted,milder"), "Attack"))
    # Of the three models' two cards each, only those of the broken one are errors.
    assert shown.count('rx-badge error') == 2 and "secret inside" not in shown
    assert shown.count('rx-badge succeeded') == 2 and shown.count('rx-badge failed') == 2


def test_a_link_keeps_the_step_of_the_replay():
    at = click(replayed(both()), "Next")
    at = click(at, "Link")
    st.cache_resource.clear()
    new = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    new.query_params["view"] = query(at)["view"]
    new = settle(new)
    assert new.slider[0].value == 1 and "kept “bad”" in page(new)


def test_downloads_name_fluency_and_transfer():
    at = attacked()
    outcome = from_document(at.session_state["outcome"])
    found = {pair: TransferFluency({MODELS[2]: True, MODELS[1]: False}, (2.0, 5.0)) for pair in outcome.pairs[:1]}
    lines = list(csv.DictReader(io.StringIO(
        downloads.to_csv(outcome, [], NAMES, Limits(0.5, 0.6), found))))
    assert [(r["perplexity_before"], r["perplexity_after"], r["also_fools"]) for r in lines] == [
        ("2.00", "5.00", MODELS[2]), ("", "", ""), ("", "", "")]
    made = downloads.to_html(outcome, [], name_pairs(outcome), NAMES, Limits(0.5, 0.6), ATTACKS,
                             after=found)
    assert "2.5 × less fluent" in made and 'aria-label="Transfer between models"' in made


def test_a_link_brings_several_attacks_back():
    at = click(both(), "Link")
    st.cache_resource.clear()
    new = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    new.query_params["view"] = query(at)["view"]
    new = replayed(settle(new))
    assert rows(new) == rows(at) == ["Planted words", "Milder words"]
    assert new.multiselect(key="attacks").value == ["planted", "milder"] and new.slider[0].max == 1


def test_downloads_name_model_and_attack():
    outcome = from_document(both().session_state["outcome"])
    table = list(csv.DictReader(io.StringIO(downloads.to_csv(outcome, [], NAMES, Limits(0.5, 0.6)))))
    assert [(r["model"], r["attack"], r["status"]) for r in table] == [
        (MODELS[0], "planted", "flipped"), (MODELS[0], "milder", "held")]
    made = downloads.to_html(outcome, [], name_pairs(outcome), NAMES, Limits(0.5, 0.6), ATTACKS,
                             "Attack")
    assert "Planted words, Milder words on CNN · base" in made and "Milder words: max_queries 0" in made


def test_an_attack_that_cannot_run_leaves_the_others(monkeypatch):
    def search(self, target, rng):
        raise MissingResource("the table of synonyms", "Build it.")
        yield

    monkeypatch.setattr(Milder, "search", search)
    shown = page(both())
    assert "the prediction flips" in shown and shown.count("the table of synonyms is missing. Build it.") == 1


def test_more_cards_than_fit_are_one_plain_line(monkeypatch):
    monkeypatch.setattr(attack, "MOST_CARDS", 5)
    at = both(",".join(MODELS))
    assert [w.value for w in at.warning] == [
        "3 models under 2 attacks make 6 cards; 5 are the limit. Choose fewer of them."]
    at.multiselect(key="attacks").set_value([])
    at = click(settle(at), "Attack")
    assert at.warning[0].value == "Choose at least one attack in the sidebar."


def test_stop_ends_every_attack():
    at = app(text="good " * 60, attack="planted,milder", models=MODELS[0])
    SLOW["slow"] = 0.1
    next(b for b in at.button if b.label == "Attack").click().run()
    time.sleep(0.3)
    next(b for b in at.button if b.label == "Stop").click().run()
    SLOW["slow"] = 0.0
    at = settle(at)
    assert "Stopped before the end." in page(at) and "Stopped before it began." in page(at)


def test_a_loaded_model_does_not_wait_for_the_others(monkeypatch):
    good, free = loading.load, threading.Event()

    def load(model_id, device="auto"):
        if model_id == MODELS[1]:
            free.wait(20)
        return good(model_id)

    monkeypatch.setattr(loading, "load", load)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    at.query_params.update({"attack": "planted", "text": TEXT, "models": ",".join(MODELS[:2])})
    at.session_state[live.DETAILS] = True
    next(b for b in at.run().button if b.label == "Attack").click().run()
    for _ in range(100):
        if "the prediction flips" in page(at.run()):
            break
        time.sleep(0.05)
    assert "the prediction flips" in page(at) and "loading the model …" in page(at)
    free.set()
    assert "The attack found no words that flip it." in page(settle(at))


def test_the_place_in_the_queue_is_shown(monkeypatch):
    begun = []
    manager = JobManager(1, clock=lambda: 0.0, start=begun.append)
    monkeypatch.setattr(loaded, "get_jobs", lambda: manager)
    at, ahead = app(), [manager.submit("attack", lambda stop: iter(())) for _ in range(2)]
    next(b for b in at.button if b.label == "Attack").click().run()
    assert [i.value for i in at.info] == [
        "Waiting: 3rd in the queue. The attack begins by itself; Stop takes it out of the queue."]
    assert page(at).count("Waiting for its turn.") == 3 and "Attacking ·" not in page(at)
    at.switch_page("pages/9_Models.py").run()
    assert "Waiting: 3rd in the queue" in [c.value for c in at.sidebar.caption]
    manager.stop(ahead[0])
    at.switch_page("pages/1_Attack.py").run()
    assert at.info[0].value.startswith("Waiting: 2nd in the queue.")
    begun[0]()
    at = settle(at)
    assert not at.info and "Finished ·" in page(at) and "the prediction flips" in page(at)


def test_stop_takes_an_attack_out_of_the_queue(monkeypatch):
    manager = JobManager(1, clock=lambda: 0.0, start=lambda work: None)
    monkeypatch.setattr(loaded, "get_jobs", lambda: manager)
    at = app()
    next(b for b in at.button if b.label == "Attack").click().run()
    assert at.info[0].value.startswith("Waiting: next in the queue.")
    at = click(at, "Stop")
    assert not at.info and page(at).count("Stopped before it began.") == 3


def test_a_permalink_brings_everything_back_without_a_model(monkeypatch):
    at = attacked()
    at.text_area(key="adversarial_box").set_value("a dull bad movie")
    at = click(settle(at), "Link")
    token = query(at)["view"]
    assert at.code[0].value.endswith(f"?view={token}") and list(query(at)) == ["view"]
    old = [h.value for h in at.html]
    st.cache_resource.clear()

    def load(model_id, device="auto"):
        raise BadInput("No model is needed for a view.")

    monkeypatch.setattr(loading, "load", load)
    new = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    new.query_params["view"] = token
    new.session_state[live.DETAILS] = True
    new = settle(new)
    assert new.text_area(key="text").value == TEXT
    assert [h.value for h in new.html] == old
    assert new.text_area(key="adversarial_box").value == "a dull bad movie"
    assert query(new) == {"view": token}
    new.text_area(key="text").set_value("another good one")
    new = settle(new)
    assert "view" not in query(new) and query(new)["text"] == "another good one"


def test_a_permalink_of_an_older_program_opens_and_is_written_again_as_it_was(own_runs, monkeypatch):
    # Written by the program as it was before its choices had a type of their own.
    old = json.loads((ROOT / "tests" / "made_before" / "permalink.json").read_text(encoding="utf-8"))

    def load(model_id, device="auto"):
        raise BadInput("No model is needed for a view.")

    monkeypatch.setattr(loading, "load", load)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    at.query_params["view"] = ResultStore(own_runs).put(old)
    at = settle(at)
    assert not at.warning and find_label(at).value == "Positive"
    assert rows(at) == [f"{model}, {attack}" for model in ("CNN · base", "LSTM · base")
                        for attack in ("Planted words", "Milder words")]
    assert 'data-tip="was good' in page(at) and "explaining …" not in page(at)
    assert at.session_state["outcome"] == old["outcome"]
    outcome = from_document(old["outcome"])
    assert outcome.asked == Choices(TEXT, MODELS[:2], tuple(old["attacks"]), label="Positive")
    assert json.dumps(outcome.asked.to_document()) == json.dumps(old["outcome"]["asked"]), "keys in the same order"
    again = ResultStore(own_runs).get(query(click(at, "Link"))["view"])
    assert again == old and list(again) == list(old)


def test_typed_text_has_a_time_limit_that_is_shown_and_can_be_changed():
    at = settle(app(attack="planted"))
    limit = at.number_input(key="attacks.planted.time_limit")
    assert limit.value == TYPED_SECONDS
    at = settle(limit.set_value(5.0).run())
    assert query(at)["attack"] == "planted;time_limit=5.0"
    at = settle(app(attack="planted;time_limit=0"))
    assert at.number_input(key="attacks.planted.time_limit").value == 0


def test_choices_without_a_key_are_another_versions():
    document = Choices("a film", ("m",), ({"name": "planted"},)).to_document()
    assert Choices.from_document(document) == Choices("a film", ("m",), ({"name": "planted"},))
    with pytest.raises(KeyError):
        Choices.from_document({key: value for key, value in document.items() if key != "device"})


@pytest.mark.parametrize("query_, line", [
    ({"view": "nothing"}, "This link leads nowhere: what it showed is not stored here."),
    ({"models": "sst2/cnn/base,none/such"}, "Unknown model 'none/such'. Known: "),
    ({"attack": "none"}, "Unknown attack 'none'. Known: "),
    ({"attack": "textfooler;max_candidates=9999"}, "max_candidates must lie between 1"),
    ({"attack": "planted,none"}, "Unknown attack 'none'. Known: "),
    ({"attack": "textfooler;window=x"}, "window must be int, not 'x'."),
])
def test_a_bad_link_is_one_plain_line(query_, line):
    at = app(**query_)
    assert [w.value for w in at.warning if w.value.startswith(line)] == [w.value for w in at.warning]
    assert len(at.warning) == 1


def test_a_damaged_view_is_one_plain_line(own_runs):
    token = ResultStore(own_runs).put({"outcome": {"version": 1}})
    assert [w.value for w in app(view=token).warning] == [
        "This link was made by another version of the program and cannot be shown."]


def test_an_unwritable_folder_of_runs_is_one_plain_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "file" / "runs"))
    at = click(attacked(), "Link")
    assert len(at.warning) == 1 and at.warning[0].value.startswith("The folder of runs")
    assert "the prediction flips" in page(at)


@pytest.mark.parametrize("text, line", [
    ("", "The text is empty: type a sentence."),
    ("  \n ", "The text is empty: type a sentence."),
    ("good " * 10_000, "The text is too long: 10,000 words; 400 are the limit."),
    ("!!! ...", "The text has no words: type a sentence."),
])
def test_unusable_text_is_one_plain_line_and_stays(text, line):
    at = app(text="good")
    at.text_area(key="text").set_value(text)
    at = settle(at)
    assert [w.value for w in at.warning] == [line]
    at = click(at, "Attack")
    assert [w.value for w in at.warning] == [line], "said once, where the predictions stand otherwise"
    assert at.text_area(key="text").value == text


@pytest.mark.parametrize("text", ["good", "😀 good 😀", "فيلم good", "<script>alert(1)</script> good", "good\x00 movie",
                                  "[MASK] [SEP] good"])
def test_odd_text_is_attacked_like_any_other(text):
    at = app(text="x")
    at.text_area(key="text").set_value(text)
    at = click(settle(at), "Attack")
    assert not at.warning and not at.error
    assert "<script>alert" not in "".join(h.value for h in at.html)


def test_no_model_chosen():
    at = app()
    at.multiselect(key="models").set_value([])
    at = settle(at)
    assert at.info[0].value == "Choose at least one model in the sidebar."
    at = click(at, "Attack")
    assert [i.value for i in at.info].count("Choose at least one model in the sidebar.") == 1 and not at.warning


def test_a_model_that_cannot_be_loaded_is_one_line_on_its_card(monkeypatch):
    good = loading.load

    def load(model_id, device="auto"):
        if model_id == MODELS[1]:
            raise BadInput("sst2/lstm/base: model.safetensors does not match its card; restore the checkpoint.")
        if model_id == MODELS[2]:
            raise RuntimeError("secret inside")
        return good(model_id)

    monkeypatch.setattr(loading, "load", load)
    at = app()
    at.multiselect(key="models").set_value(list(MODELS[:2]))
    at = click(settle(at), "Attack")
    assert page(at).count("does not match its card") >= 2 and "the prediction flips" in page(at)
    at.multiselect(key="models").set_value([MODELS[2]])
    at = click(settle(at), "Attack")
    assert "Something went wrong inside the program" in page(at) and "secret inside" not in page(at)


def test_a_missing_table_is_one_line(monkeypatch):
    def search(self, target, rng):
        raise MissingResource("the table of synonyms", "Build it.")
        yield

    monkeypatch.setattr(Planted, "search", search)
    assert "the table of synonyms is missing. Build it." in page(attacked())


def test_stop_keeps_the_best_so_far():
    at = app(text="good " * 60)
    SLOW["slow"] = 0.1
    next(b for b in at.button if b.label == "Attack").click().run()
    assert "Attacking ·" in page(at)
    assert next(b for b in at.button if b.label == "Attack").disabled
    time.sleep(0.5)
    next(b for b in at.button if b.label == "Stop").click().run()
    SLOW["slow"] = 0.0
    at = settle(at)
    assert "Stopped before the end." in page(at)


def test_other_pages_say_that_an_attack_is_running():
    at = app(text="good " * 60)
    SLOW["slow"] = 0.1
    next(b for b in at.button if b.label == "Attack").click().run()
    at.switch_page("pages/9_Models.py").run()
    assert any(c.value.startswith("Attack running: ") for c in at.sidebar.caption)
    SLOW["slow"] = 0.0
    at.switch_page("pages/1_Attack.py")
    assert "Finished ·" in page(settle(at))


def test_a_round_trip_between_pages_keeps_everything():
    at = attacked()
    link = query(at)
    assert link["text"] == TEXT and link["job"]
    at.switch_page("pages/9_Models.py").run()
    assert query(at) == link
    at.switch_page("pages/12_About.py").run()
    at.switch_page("pages/1_Attack.py")
    at = settle(at)
    assert at.text_area(key="text").value == TEXT and "the prediction flips" in page(at)


def test_a_reload_brings_back_the_running_session():
    link = query(attacked())
    at = settle(AppTest.from_file(str(ROOT / "app.py"), default_timeout=30))
    assert "the prediction flips" not in page(at)
    at = app(**link)
    assert "the prediction flips" in page(at) and at.multiselect(key="attacks").value == ["planted"]


def test_the_outcome_says_when_it_is_old():
    at = attacked()
    assert "Press Attack for a new one" not in page(at)
    at.text_area(key="text").set_value("a fine movie")
    at = settle(at)
    assert "Press Attack for a new one" in page(at) and "the prediction flips" in page(at)


def test_examples_and_surprise():
    at = app()
    at = take_example(at, "the plot is thin and the jokes fall flat")
    assert at.text_area(key="text").value == "the plot is thin and the jokes fall flat"
    # The menu has closed, and what is closed is not drawn.
    assert not at.session_state[examples.OPEN] and not at.radio
    at = click(at, "Surprise me")
    assert at.text_area(key="text").value != "the plot is thin and the jokes fall flat"


def test_models_page(tmp_path, monkeypatch):
    claim = {"claim": "CNN on SST-2", "metric": "accuracy", "value": 0.831, "value_se": 0.009, "n": 1821,
             "seeds": [0], "run": "r", "command": "python -m robust_core evaluate", "thresholds": {}, "details":
             {"model": MODELS[0], "dataset": "sst2", "split": "test"}, "versions": {}}
    (tmp_path / "claim.json").write_text(json.dumps(claim))
    (tmp_path / "broken.json").write_text("{")
    from ui.models import figures
    found = figures.read_figures(tmp_path)
    monkeypatch.setattr(figures, "read_figures", lambda: found)
    at = app()
    at.switch_page("pages/9_Models.py").run()
    assert not at.exception
    table = at.dataframe[0].value
    assert list(table["Model"]) == ["CNN · base", "LSTM · base", "MiniLM · base"]
    assert table["Dev"][0] == pytest.approx(84.17) and table["Test"][0] == pytest.approx(83.1)
    assert table["Test ±"][0] == pytest.approx(0.9) and table["Test"].isna()[1]
    assert [m.value for m in at.metric] == ["84.2 %", "123,456", "2.5 MB", "1.5 min"]
    assert any("6920" in str(d.value) for d in at.dataframe)


def test_about_page_says_the_limits_and_thresholds():
    at = app()
    at.switch_page("pages/12_About.py").run()
    assert not at.exception
    shown = page(at)
    for word in ("flipped", "out of budget", "Kendall", "min text similarity 0.82", "arxiv.org/abs/1907.11932"):
        assert word in shown


def test_about_page_explains_each_defence_and_the_terms():
    at = app()
    at.switch_page("pages/12_About.py").run()
    titles = [e.label for e in at.expander]
    for name in DEFENCES:
        title = DEFENCES[name].title
        assert title in ("Base", "Certified") or title in titles, f"{title} is not explained"
    assert "DSSN (deterministic smoothing)" in titles and "Additive models and their certificate" in titles
    assert 15 <= len(glossary.TERMS) <= 30 and f"Glossary: {len(glossary.TERMS)} terms" in titles
    terms = [term for term, _ in glossary.TERMS]
    assert terms == sorted(terms) and all(meaning.count(".") == 1 for _, meaning in glossary.TERMS)
    assert "**Transfer**: whether a text" in page(at)


def test_without_models_every_page_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "none"))
    at = settle(AppTest.from_file(str(ROOT / "app.py"), default_timeout=30))
    assert "No trained models are here." in page(at)
    at.switch_page("pages/9_Models.py").run()
    assert not at.exception and "No trained models are here." in page(at)


def test_a_page_runs_alone():
    for described in PAGES:
        at = AppTest.from_file(str(described.path), default_timeout=30).run()
        assert not at.exception, described.path
