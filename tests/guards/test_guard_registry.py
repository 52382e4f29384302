"""What every guard owes: cleaning twice is cleaning once, each text alone, nothing raised; and what each one does."""

import math

import numpy as np
import pytest
from helpers.doubles import BagOfWords, WordReader
from helpers.texts import any_text
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.attacks.bad_characters import KINDS, CharacterSpace
from robust_core.attacks.engine.requests import Target
from robust_core.classifiers import predict_labels
from robust_core.errors import BadInput, UnknownName
from robust_core.guards import GUARDS
from robust_core.guards.base import CleanTexts, choose_threshold
from robust_core.guards.guarded_model import guard_model
from robust_core.guards.hidden_text import UnicodeGuard
from robust_core.guards.misspelt_words import SpellingGuard
from robust_core.guards.perplexity import CharacterModel, PerplexityGuard
from robust_core.guards.word_frequency import FrequencyGuard
from robust_core.models import masked_lm
from robust_core.protocols import is_token_classifier, is_white_box
from robust_core.text import Draft
from robust_core.types import Example

WORDS = ("good", "clever", "fine", "movie", "dull", "bad", "wonderful", "terrible", "brilliant", "film")
TEXTS = CleanTexts([f"a {a} and {b} film" for a in WORDS for b in WORDS], [f"the {a} {b} movie" for a in WORDS[:6]
                                                                             for b in WORDS[:6]])
VARIANTS = {"perplexity-minilm": PerplexityGuard(reader="minilm"),
            "frequency-substitute": FrequencyGuard(substitute=True), "unicode-accents": UnicodeGuard(accents=False),
            "spelling-one": SpellingGuard(edits=1)}
NAMES = [*GUARDS, *VARIANTS]
ODD = ["", " ", "\x00", "\ud800", "\b\b\b", "\u202e" * 2000, "\u200d", "e" + "\u0301" * 500, "\U000e0041",
       "\u2066\u202ea", "\U0001f468\u200d\U0001f469", "\u0430" * 300, "-" * 500, "?!", "\u4e2d" * 300, "\ufdfa",
       "wonderfull" * 50, "\u1e9b\u0323", "a\u00a0b\u2028c", "\uffa0\u3164\u115f"]


@pytest.fixture(scope="module")
def guarded():
    """Each guard in front of a bag of words; a short lexicon, and a double of the masked language model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robust_core.guards.misspelt_words.list_words", lambda: WORDS)
        patch.setattr(masked_lm, "load", lambda name, device: WordReader())
        yield {name: guard_model(BagOfWords(), [VARIANTS.get(name, name)], TEXTS) for name in NAMES} | {
            "all": guard_model(BagOfWords(), list(GUARDS), TEXTS)}


@pytest.mark.parametrize("name", [*NAMES, "all"])
@pytest.mark.parametrize("text", ODD)
def test_odd_texts_are_answered(guarded, name, text):
    model = guarded[name]
    assert model.clean(model.clean(text)) == model.clean(text)
    assert model.flag([text]).shape == (1,) and np.isfinite(model.predict_proba([text])).all()


@settings(max_examples=80, deadline=None)
@given(st.one_of(any_text, st.text("ae\u0301\u0430\u200b\b\u202e\u2066\u2069\u202c \ufe0f\u200d\u263a\uff41",
                                   max_size=20)), st.sampled_from(NAMES))
def test_cleaning_twice_is_cleaning_once(guarded, text, name):
    fitted = guarded[name]._fitted[0]
    cleaned = fitted.clean(text)
    assert fitted.clean(cleaned) == cleaned and guarded[name].reduce(text) in (cleaned, text)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(any_text, st.sampled_from(TEXTS.dev)), min_size=1, max_size=5),
       st.sampled_from([*NAMES, "all"]))
def test_each_text_is_judged_alone_and_always_alike(guarded, texts, name):
    model = guarded[name]
    model._flag.cache_clear()
    together, labels = model.flag(texts), predict_labels(model, texts)
    model._flag.cache_clear()
    assert together.tolist() == [bool(model.flag([text])[0]) for text in texts]
    assert labels.tolist() == [-1 if flagged else int(model.predict_proba([text])[0].argmax())
                               for text, flagged in zip(texts, together, strict=True)]
    np.testing.assert_array_equal(model.predict_proba(texts), np.concatenate([model.predict_proba([t]) for t in texts]))


@pytest.mark.parametrize("name", NAMES)
def test_a_guard_fitted_again_is_the_same(guarded, name, monkeypatch):
    monkeypatch.setattr(masked_lm, "load", lambda name, device: WordReader())
    again, first = guard_model(BagOfWords(), [VARIANTS.get(name, name)], TEXTS), guarded[name]
    assert again.fingerprint == first.fingerprint and again.describe_guards() == first.describe_guards()
    assert again.id == f"double/bag-of-words+{first.guards[0].name}"
    other = guard_model(BagOfWords(), [VARIANTS.get(name, name)], CleanTexts(TEXTS.train[:50], TEXTS.dev))
    assert other.fingerprint != first.fingerprint


@pytest.mark.parametrize("name", ["perplexity", "frequency", "perplexity-minilm"])
def test_false_alarms_are_at_most_what_was_asked_for(guarded, name):
    assert guarded[name].flag(TEXTS.dev).mean() <= 0.05


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40), st.booleans())
def test_ascii_stays_under_unicode(text, accents):
    assert UnicodeGuard(accents=accents).fit(BagOfWords(), CleanTexts()).clean(text) == text


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(TEXTS.dev), st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
def test_what_bad_characters_hides_is_put_right(text, kind, seed):
    target = Target(Example(text), Draft.of(text), 0, np.zeros(2), len(Draft.of(text).words), frozenset(), None, False)
    space = CharacterSpace(target, [kind])
    hidden = space.write(np.random.default_rng(seed).random(5 * space.numbers))
    assert UnicodeGuard().fit(BagOfWords(), CleanTexts()).clean(hidden) == text


@pytest.mark.parametrize(("text", "cleaned"), [
    ("na\u00efve", "naive"), ("n\u0430\u00efve f\u200bi\u0335lm", "naive film"), ("\uff46\uff55\uff4c\uff4c", "full"),
    ("\U0001d41f\U0001d422\U0001d425m", "film"), ("\ufb01ne", "fine"), ("ab\bc", "ac"), ("fi\ufe0fl\u200dm", "film"),
    ("\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440, \u0441\u043e\u0440",
     "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440, \u0441\u043e\u0440"),
    ("the \u0444\u0438\u043b\u044c\u043c of the year", "the \u0444\u0438\u043b\u044c\u043c of the year"),
    ("\U0001f468\u200d\U0001f469 wow \u2764\ufe0f", "\U0001f468\u200d\U0001f469 wow \u2764\ufe0f"),
    ("w\u043end\u212frful \u03bff \u0399t", "wonderful of It"), ("\u041c\u041e\u0405\u0422 films", "MOST films"),
    ("an \u03b1 of 0.5, \u0430 film", "an \u03b1 of 0.5, a film"),
    ("x\u00b2 \u00bd \u2122", "x\u00b2 \u00bd \u2122"), ("\u0939\u093f\u0928\u094d\u0926\u0940",
                                                      "\u0939\u093f\u0928\u094d\u0926\u0940")])
def test_what_unicode_makes_of_a_text(text, cleaned):
    assert UnicodeGuard().fit(BagOfWords(), CleanTexts()).clean(text) == cleaned


def test_accents_may_stay():
    fitted = UnicodeGuard(accents=False).fit(BagOfWords(), CleanTexts())
    assert fitted.clean("nai\u0308ve x\u0335") == "na\u00efve x"


@pytest.mark.parametrize(("text", "cleaned"), [
    ("A Wondreful film", "A Wonderful film"), ("wnderfl, briliant!", "wonderful, brilliant!"),
    ("well-acted and terible", "well-acted and terrible"), ("the quick brown fox", "the quick brown fox"),
    ("w0nderful", "w0nderful"), ("zzyzx", "zzyzx"), ("f\u0456lmm mowie", "f\u0456lmm movie")])
def test_what_spelling_makes_of_a_text(guarded, text, cleaned):
    assert guarded["spelling"].clean(text) == cleaned


def test_words_of_the_training_texts_are_known(monkeypatch):
    monkeypatch.setattr("robust_core.guards.misspelt_words.list_words", lambda: WORDS)
    clean = SpellingGuard().fit(BagOfWords(), CleanTexts(["mowie", "a Mowie, twice", "clevver"])).clean
    assert clean("mowie clevver") == "mowie clever"


def test_rare_words_give_way_to_frequent_ones_and_the_drop_flags():
    # "awful" is a synonym of "terrible", which the training texts have; "film" is as frequent as any of its own.
    model = BagOfWords({"good": 2.0, "terrible": -1.0, "awful": 2.0})
    texts = CleanTexts(["a good film"] * 9 + ["a terrible film"] * 9, ["a good film", "a terrible film"] * 20)
    fitted, read = (FrequencyGuard(delta=1.0, substitute=reads).fit(model, texts) for reads in (False, True))
    assert read.flag is None and read.clean("An Awful film, zzyzx") == "An Terrible film, zzyzx"
    assert dict(fitted.thresholds) == {"delta": 1.0, "gamma": 0.0, "texts": 40}
    assert fitted.flag is not None and fitted.flag("an awful film") and not fitted.flag("a good film")
    assert not FrequencyGuard(delta=0.0, gamma=0.0).fit(model, texts).flag("an awful film"), "no word is rare"


def test_delta_is_the_highest_that_keeps_clean_texts():
    model = BagOfWords({"good": 2.0, "terrible": -1.0, "awful": 2.0})
    train = ["a good film"] * 9 + ["a terrible film"] * 9 + ["an awful film"] * 2
    harmless = FrequencyGuard().fit(model, CleanTexts(train, ["a good film", "a terrible film"] * 20))
    harmful = FrequencyGuard().fit(model, CleanTexts(train, ["a good film", "an awful film"] * 20))
    assert harmful.thresholds["delta"] <= np.log(3) < harmless.thresholds["delta"]


def test_characters_surprise_by_their_counts():
    model = CharacterModel(["aaaa", "aaab"], 3)
    assert model.measure_surprise("aaaa") < model.measure_surprise("aabb") < model.measure_surprise("zzzz")
    assert math.isnan(model.measure_surprise(""))
    # Every next character of Unicode together has probability one.
    others = 0x110000 - len("ab\n")
    assert sum(model._estimate("aa" + c, 2) for c in "ab\n") + others * model._estimate("aaz", 2) == pytest.approx(1)


@given(st.lists(st.floats(-5, 5), min_size=20, max_size=60), st.floats(0, 0.99))
def test_at_most_the_share_lies_above_the_threshold(scores, share):
    threshold = choose_threshold(scores, share, PerplexityGuard())
    assert sum(score > threshold for score in scores) <= share * len(scores) + 1e-6


def test_what_cannot_be_guarded_is_refused_in_one_line():
    for guards, message in (([], "at least one"), (["unicode", "unicode"], "twice")):
        with pytest.raises(BadInput, match=message):
            guard_model(BagOfWords(), guards)
    with pytest.raises(UnknownName, match="Unknown guard 'nosuch'"):
        guard_model(BagOfWords(), ["nosuch"])
    for name in ("perplexity", "frequency"):
        with pytest.raises(BadInput, match="20 are needed, 0 are here"):
            guard_model(BagOfWords(), [name])
    with pytest.raises(BadInput, match="A list of texts"):
        guard_model(BagOfWords(), ["unicode"]).predict_proba("text")


def test_a_guarded_model_shows_neither_tokens_nor_gradients():
    model = guard_model(BagOfWords(), ["unicode"])
    assert not is_token_classifier(model) and not is_white_box(model) and model.labels == ("negative", "positive")
