"""The door to what comes from outside: encoder, neighbours, tags, stop words. Run: pytest tests/test_resources.py."""

import json
import os
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from robust_core import resources
from robust_core.errors import BadInput, MissingResource
from robust_core.paths import ROOT
from robust_core.resources import (
    _tables,
    antonyms,
    minilm_folder,
    neighbours,
    stop_words,
    synonyms,
    tag,
    tags_of,
)
from robust_core.resources import wordnet as wordnet_table
from robust_core.resources._tables import unpack_words
from robust_core.resources.pos import TAGS, tag_swaps
from robust_core.text import find_words

COMMON = """
good bad movie film funny boring brilliant dull clever acting plot masterpiece awful enjoyable waste
charming predictable moving story characters actors director performance script comedy drama love hate
stupid smart beautiful terrible great wonderful entertaining tedious fresh original touching silly
interesting mess ugly best worst watch scenes dialogue laughs heart slow cheap fun delightful disappointing
weak perfect audience
""".split()

# opposites as a reader of reviews feels them, written without a look at the lists; three in four are in none
OPPOSITES = [pair.split() for pair in """
good bad, brilliant dull, funny unfunny, love hate, moving boring, clever stupid,
great terrible, excellent awful, wonderful horrible, best worst, better worse, beautiful ugly, fresh stale,
interesting boring, engaging tedious, smart dumb, original derivative, happy sad, charming repulsive,
delightful dreadful, fascinating dull, entertaining boring, masterpiece disaster, success failure, strong weak,
perfect flawed, superb abysmal, gripping tiresome, enjoyable unpleasant, hilarious unfunny, compelling unconvincing,
lovely hideous, fine poor, rich poor, witty witless, warm cold, touching manipulative, powerful feeble,
inspired uninspired, memorable forgettable, likable unlikable, believable unbelievable, sincere insincere,
elegant clumsy, intelligent idiotic, lively lifeless, tight sloppy, sharp blunt, deep shallow, pleasure pain,
triumph flop, exciting dull, refreshing stale, satisfying disappointing, impressive unimpressive,
polished amateurish, praise criticism, recommend avoid, admire despise, terrific horrific, amazing appalling,
enjoy dislike, success flop, worthwhile worthless, talented talentless, imaginative unimaginative,
worthy unworthy""".split(",")]


@pytest.mark.parametrize("word", COMMON)
def test_common_words_have_sorted_neighbours_above_the_threshold(word: str) -> None:
    found = neighbours(word)
    assert 5 <= len(found) <= 50
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
    assert all(0.5 <= cosine <= 1.0 for _, cosine in found)
    words = [other for other, _ in found]
    assert word not in words and len(set(words)) == len(words)
    assert not antonyms(word) & set(words)
    assert all(other.replace("-", "").isalpha() and other == other.lower() for other in words)


def test_neighbours_ignore_case_and_know_no_nonsense() -> None:
    assert neighbours("GOOD") == neighbours("good")
    for unknown in ("", "movie'", "qqxzzy", "don't", "two words"):
        assert neighbours(unknown) == []
    neighbours("good").clear()
    assert neighbours("good"), "a caller must not be able to empty the cache"


def test_neighbourhood_is_mostly_mutual_with_one_cosine_a_pair() -> None:
    mutual = total = 0
    for word in COMMON:
        for other, cosine in neighbours(word)[:10]:
            back = dict(neighbours(other))
            total += 1
            mutual += word in back
            assert back.get(word, cosine) == pytest.approx(cosine, abs=0.003)
    assert mutual / total > 0.8


@pytest.mark.parametrize(("word", "expected"), [("movie", "film"), ("funny", "amusing"), ("boring", "tedious"),
                                                ("awful", "dreadful"), ("brilliant", "superb"), ("plot", "storyline")])
def test_plain_synonyms_are_there(word: str, expected: str) -> None:
    assert expected in [other for other, _ in neighbours(word)]


def test_no_word_is_replaced_by_its_own_negation() -> None:
    for word in COMMON + ["likable", "watchable", "forgettable", "flavorful", "famous", "predictable"]:
        near = {other for other, _ in neighbours(word)}
        assert not near & {f"un{word}", f"in{word}", f"non{word}", word.removesuffix("ing") + "less"}, word


def test_opposites_are_hardly_ever_neighbours() -> None:
    wrong = [(a, b) for a, b in OPPOSITES for x, y in ((a, b), (b, a)) if y in [w for w, _ in neighbours(x)[:20]]]
    assert len(wrong) <= 0.03 * 2 * len(OPPOSITES), wrong


def test_antonyms_are_symmetric() -> None:
    assert "bad" in antonyms("good") and "good" in antonyms("Bad")
    assert antonyms("qqxzzy") == frozenset()
    assert all(word in antonyms(other) for word in ("good", "love", "strong") for other in antonyms(word))


def test_stop_words_hold_function_words_and_no_opinion() -> None:
    words = stop_words()
    negations = "not no never none nothing nobody nowhere nor neither without cannot n't don't won't wo isn't".split()
    assert set(negations) <= words
    assert {"the", "it", "of", "and", "is", "very", "who"} <= words
    assert not words & set(COMMON)
    assert len(words) == 334, "as many as the attacks' docstrings say"
    assert all(word == word.lower() for word in words)


@pytest.mark.parametrize(("sentence", "expected"), [
    ("the movie is very funny", "DET NOUN VERB ADV ADJ"),
    ("the plot is predictable and boring", "DET NOUN VERB ADJ CONJ ADJ"),
    ("they watch the watch slowly", "PRON VERB DET NOUN ADV"),
    ("The actors and the two directors talk", "DET NOUN CONJ DET NUM NOUN VERB"),
    ("a dull story about nothing", "DET ADJ NOUN ADP NOUN"),
])
def test_tags_of_plain_sentences(sentence: str, expected: str) -> None:
    assert tag(sentence.split()) == expected.split()


def test_tags_are_tags_whatever_the_input() -> None:
    assert tag([]) == []
    strange = ["", "!", "...", "42", "Zorgblat", "\u00e9t\u00e9", "\U0001f600", "x" * 1000]
    assert len(tag(strange)) == len(strange) and set(tag(strange)) <= set(TAGS)
    assert all(tags_of(word) and tags_of(word) <= set(TAGS) for word in strange)


def test_tags_of_a_word_alone() -> None:
    assert {"NOUN", "VERB"} & tags_of("watch") and "ADJ" in tags_of("funny") and "ADV" in tags_of("slowly")
    assert tags_of("Funny") == tags_of("funny")
    assert "ADV" in tags_of("zorgblatingly"), "an unknown word is judged by its ending"


def test_tags_of_candidates_agree_with_tagging_the_changed_sentence() -> None:
    words = "a charming and often moving story of two old friends".split()
    candidates = ["touching", "walks", "slowly", "house", "zorgblat"]
    changed = [tag([*words[:4], candidate, *words[5:]])[4] for candidate in candidates]
    same = sum(a == b for a, b in zip(tag_swaps(words, 4, candidates), changed, strict=True))
    assert same >= 4
    assert tag_swaps(words, 4, []) == []


def test_tagging_is_fast() -> None:
    words = "an old man and his two clever dogs walk home from the very last night of a rather long summer".split()
    tag(words)
    start = time.perf_counter()
    for _ in range(50):
        tag(words)
    assert (time.perf_counter() - start) / 50 < 0.002  # measured 0.05 ms; the margin is for busy machines


def test_tables_are_small_and_plain() -> None:
    budget = {"neighbours.npz": 6_000_000, "pos.npz": 1_500_000, "word_projection.npz": 400_000,
              "antonyms.txt.gz": 200_000, "wordnet.npz": 3_000_000}
    for file, most in budget.items():
        assert (_tables.TABLES / file).stat().st_size < most
    for file in (name for name in budget if name.endswith(".npz")):
        with np.load(_tables.TABLES / file, allow_pickle=False) as table:
            assert all(table[key].dtype != object for key in table.files)


def test_importing_the_door_is_cheap_and_functions_win_over_modules() -> None:
    code = ("import sys, robust_core.resources as r; assert not {'torch', 'transformers', 'numpy'} & set(sys.modules);"
            "import robust_core.resources.neighbour_table, robust_core.resources.antonym_table;"
            "assert callable(r.neighbours) and callable(r.antonyms) and r.neighbours('movie')")
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)


def test_no_module_has_the_name_of_a_function() -> None:
    """Importing such a module would put it in the place of the function for everybody who imports that later."""
    modules = {path.stem for path in Path(resources.__file__).parent.glob("*.py")}
    assert not modules & set(resources.__all__)


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing_here'"):
        _ = resources.nothing_here


def test_a_missing_table_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tables, "TABLES", tmp_path)
    with pytest.raises(MissingResource, match="resources.build nowhere") as caught:
        _tables.load_arrays("nowhere.npz", "nowhere")
    assert "nowhere.npz" in caught.value.what
    (tmp_path / "broken.npz").write_bytes(b"not a zip file")
    with pytest.raises(BadInput, match="damaged"):
        _tables.load_arrays("broken.npz", "pos")


def test_the_packaged_encoder_is_the_genuine_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBUST_ENCODER", raising=False)
    assert (minilm_folder() / "tokenizer.json").is_file()


def _encoder(folder: Path, **changed: str) -> Path:
    """Write a folder that looks like an encoder, with the hashes of its card as given or right."""
    from robust_core.file_hashes import sha256

    names = ("model.safetensors", "config.json", "tokenizer.json")
    for name in names:
        (folder / name).write_text(name)
    card = {"sha256": {name: sha256(folder / name) for name in names} | changed}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_an_encoder_folder_is_taken_when_its_card_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUST_ENCODER", str(_encoder(tmp_path)))
    assert minilm_folder() == tmp_path


@pytest.mark.parametrize(("changed", "error"), [
    ({"model.safetensors": "0" * 64}, BadInput),
    ({"../outside": "0" * 64}, BadInput),
    ({"absent.json": "0" * 64}, MissingResource),
])
def test_a_corrupt_encoder_folder_is_refused(changed: dict[str, str], error: type[Exception], tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUST_ENCODER", str(_encoder(tmp_path, **changed)))
    with pytest.raises(error):
        minilm_folder()


@pytest.mark.parametrize("card", ["", "{}", "[]", '{"sha256": {}}', '{"sha256": ["model.safetensors"]}'])
def test_a_card_without_hashes_is_refused(card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_encoder(tmp_path) / "card.json").write_text(card)
    monkeypatch.setenv("ROBUST_ENCODER", str(tmp_path))
    with pytest.raises(BadInput):
        minilm_folder()


def test_an_absent_encoder_folder_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBUST_ENCODER", str(tmp_path / "none"))
    with pytest.raises(MissingResource):
        minilm_folder()


# --- WordNet -------------------------------------------------------------------------------------


def test_synonyms_are_wordnets_words_of_all_senses() -> None:
    assert synonyms("films") == ("movie", "film", "picture", "pic", "flick", "cinema", "celluloid", "shoot", "take")
    assert synonyms("films", "VERB") == ("film", "shoot", "take")
    assert {"ox", "cattle"} < set(synonyms("oxen")), "an irregular form"
    assert "improve" in synonyms("better", "VERB") and "good" in synonyms("better", "ADJ")
    assert "good" in synonyms("Good") and "good" not in synonyms("good")
    for nothing in ("", "the", "qqxzzy", "two words", "don't"):
        assert synonyms(nothing) == ()
    assert synonyms("good", "PRON") == ()
    assert all(find_words(word) == ((0, len(word)),) for about in COMMON for word in synonyms(about))


def test_synonyms_are_those_of_nltk_on_the_same_wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As TextAttack's WordSwapWordNet asks NLTK, word by word; needs the zip file and NLTK."""
    nltk = pytest.importorskip("nltk")
    data = Path(os.environ.get("ROBUST_DATA", ROOT.parent / "shared" / "data"))
    packed = data / "nltk_data" / "corpora" / "wordnet.zip"
    if not packed.is_file():
        pytest.skip("NLTK's WordNet is not here")
    with zipfile.ZipFile(packed) as file:
        file.extractall(tmp_path / "corpora")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    from nltk.corpus import wordnet

    vocabulary = unpack_words(_tables.load_arrays("neighbours.npz", "neighbours")["words"])
    for word in [*random.Random(0).sample(vocabulary, 1500), *COMMON, "Good", "oxen", "Hollywood", "running"]:
        for pos, part in {None: None, **wordnet_table.PARTS}.items():
            theirs = {lemma for synset in wordnet.synsets(word, part) for lemma in synset.lemma_names()
                      if lemma != word and "_" not in lemma and find_words(lemma) == ((0, len(lemma)),)}
            assert set(synonyms(word, pos)) == theirs, (word, pos)
