"""TextAttack's searches and recipes on our victims: the only module that imports textattack, in a process of its own.

Importing textattack takes some ten seconds, fails without NLTK's stop words and tries the network; `prepare` gives it
what it wants beforehand. Whatever a recipe would download is ours: neighbours, stop words, part of speech, sentence
encoder. Search methods, goals, transformations and the order of constraints are TextAttack's own, unmodified.

Differs from TextAttack's stop words: its comparison minds capitals, so ours are also given capitalised.
"""

import functools
import io
import json
import math
import os
import queue
import random
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from robust_core.attacks.bae import blank
from robust_core.attacks.constraints import PartOfSpeech
from robust_core.attacks.pwws import wordnet_swaps
from robust_core.attacks.textfooler import cased_substitutes, substitutes
from robust_core.errors import MissingResource
from robust_core.resources import stop_words, tag
from robust_core.text import Draft
from robust_core.types import Blank

Predict = Callable[[list[str]], np.ndarray]
Alike = Callable[[list[tuple[str, str]]], np.ndarray]
Words = Callable[[Blank], list[str]]

MASKED_MODEL = "bert-base-uncased"
# What TextAttack's own cache folder moves in the environment.
_CACHES = ("TA_CACHE_DIR", "TFHUB_CACHE_DIR", "PYTORCH_TRANSFORMERS_CACHE", "HF_HOME", "XDG_CACHE_HOME")
_FOLDERS: list[tempfile.TemporaryDirectory] = []


@functools.cache
def prepare() -> None:
    """Import textattack, offline and without leaving anything in the home folder.

    Raises:
        MissingResource: It is not installed.
    """
    folder = tempfile.TemporaryDirectory(prefix="robust-textattack-")
    _FOLDERS.append(folder)
    words = Path(folder.name) / "nltk" / "corpora" / "stopwords"
    words.mkdir(parents=True)
    (words / "english").write_text("\n".join(sorted(all_stop_words())) + "\n", encoding="utf-8")
    (Path(folder.name) / "post_install_check_3").touch()  # else it downloads NLTK's data at first import
    os.environ["NLTK_DATA"] = str(words.parents[1]) + os.pathsep + os.environ.get("NLTK_DATA", "")
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    before = {name: os.environ.get(name) for name in _CACHES}
    try:
        import transformers.utils.hub  # noqa: F401 (reads HF_HOME, which TextAttack's cache folder would move)

        os.environ["TA_CACHE_DIR"] = folder.name
        import textattack
    except ModuleNotFoundError as error:
        raise MissingResource("TextAttack", f"Install it: pip install textattack==0.3.11 ({error}).") from None
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
    textattack.shared.utils.logger.setLevel("ERROR")


@functools.cache
def all_stop_words() -> frozenset[str]:
    """Return our stop words in lower case, capitalised and in capitals."""
    return frozenset(form for word in stop_words() for form in (word, word.capitalize(), word.title(), word.upper()))


def wrapper(predict: Predict) -> Any:  # noqa: ANN401 (a class of textattack)
    """Return a victim as TextAttack wants it.

    TextAttack takes rows that miss 1 by more than 1e-6 for logits and applies a softmax without a word; rows of many
    classes may do so in fp32, and are scaled here.

    Args:
        predict: Texts to (n, classes) probabilities.
    """
    prepare()
    from textattack.models.wrappers import ModelWrapper

    class Victim(ModelWrapper):
        model = None

        def __call__(self, text_input_list: list[str], **options: object) -> np.ndarray:
            proba = np.asarray(predict(list(text_input_list)), dtype=np.float32)
            total = proba.sum(axis=1, dtype=np.float64, keepdims=True)
            return proba if np.all(abs(total - 1) < 5e-7) else (proba / total).astype(np.float32)

    return Victim()


def cosines(encode: Callable[[list[str]], np.ndarray]) -> Alike:
    """Return how alike the texts of pairs are, from an encoder of unit rows; each distinct text is encoded once."""
    def alike(pairs: list[tuple[str, str]]) -> np.ndarray:
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        row = dict(zip(texts, encode(texts), strict=True))
        return np.array([float(row[a] @ row[b]) for a, b in pairs], dtype=np.float32)
    return alike


def recipe(name: str, victim: Any, alike: Alike, **options: Any) -> Any:  # noqa: ANN401 (classes of textattack)
    """Return a `textattack.Attack`.

    Args:
        name: Name of the attack in our registry.
        victim: From `wrapper`.
        alike: Cosines of pairs of texts, for the constraint on sentences.
        options: Parameters of the attack.

    Raises:
        MissingResource: It needs something that is not here.
    """
    prepare()
    return _RECIPES[name](victim, alike, **options)


def need_masked_model() -> None:
    """Raise MissingResource unless BERT's masked language model is in the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    if not all(isinstance(try_to_load_from_cache(MASKED_MODEL, file), str) for file in ("config.json", "vocab.txt")):
        raise MissingResource(f"The masked language model {MASKED_MODEL} that BERT-Attack swaps words with",
                              f"Where there is a network: hf download {MASKED_MODEL}")


# --- Our resources as TextAttack's parts ---------------------------------------------------------


def _sentence(alike: Alike, least: float, **options: Any) -> Any:  # noqa: ANN401
    """Return TextAttack's constraint on sentences (its windows, its comparisons) with our cosines."""
    import torch
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder

    class Sentence(SentenceEncoder):
        def encode(self, sentences: list[str]) -> Any:  # noqa: ANN401 (a tensor)
            # A text stands for itself until two are compared: who answers may know its vector already.
            self.texts = sentences
            return torch.arange(len(sentences))[:, None]

        def compare(self, emb1: Any, emb2: Any) -> Any:  # noqa: ANN401 (tensors)
            pairs = [(self.texts[int(a)], self.texts[int(b)]) for a, b in zip(emb1, emb2, strict=True)]
            return torch.tensor(alike(pairs), dtype=torch.float32)

    constraint = Sentence(threshold=least, **options)
    constraint.sim_metric = constraint.compare
    return constraint


def _part_of_speech() -> Any:  # noqa: ANN401
    """Return a constraint that keeps our part of speech, seen from the original text."""
    from textattack.constraints import Constraint

    @functools.lru_cache(maxsize=64)
    def speech(words: tuple[str, ...]) -> PartOfSpeech:
        return PartOfSpeech(Draft(words, ("",) * (len(words) + 1)))

    class Speech(Constraint):
        def _check_constraint_many(self, transformed_texts: Sequence[Any], reference_text: Any) -> list[Any]:  # noqa: ANN401
            original, new = speech(tuple(reference_text.words)), {}
            for text in transformed_texts:
                for i in text.attack_attrs["newly_modified_indices"]:
                    new.setdefault(int(i), set()).add(text.words[i])
            kept = {i: set(original.keep(i, sorted(words))) for i, words in new.items()}
            return [text for text in transformed_texts
                    if all(text.words[i] in kept[int(i)] for i in text.attack_attrs["newly_modified_indices"])]

        def _check_constraint(self, transformed_text: Any, reference_text: Any) -> bool:  # noqa: ANN401
            return bool(self._check_constraint_many([transformed_text], reference_text))

    return Speech(compare_against_original=True)


def _swap(words_for: Callable[[str], Sequence[str]]) -> Any:  # noqa: ANN401
    """Return a transformation that puts our substitutes of a word in its place."""
    from textattack.transformations import WordSwap

    class Swap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return list(words_for(word))

    return Swap()


def _neighbour_swap(max_candidates: int, min_word_similarity: float) -> Any:  # noqa: ANN401
    """Return the transformation of our TextFooler: neighbours of a word in its capitals."""
    return _swap(lambda word: cased_substitutes(word, max_candidates, min_word_similarity))


def _likely_swap(most: int, least: float, kept: int) -> Any:  # noqa: ANN401
    """Return the swap by neighbours of which a language model likes the best ones, in the text as it stands.

    TextAttack has the language model as a constraint, which keeps as many of each position's candidates.
    """
    from textattack.transformations import WordSwap

    fill = filler(kept)

    class LikelySwap(WordSwap):
        def _get_transformations(self, current_text: Any, indices_to_modify: Any) -> list[Any]:  # noqa: ANN401
            draft, found = Draft.of(current_text.text), []
            for i in sorted(indices_to_modify):
                words = cased_substitutes(draft.words[i], most, least)
                if 0 < kept < len(words):
                    words = fill(blank(draft, i, i + 1)._replace(among=tuple(words)), 0.0)
                found += [current_text.replace_word_at_index(i, word) for word in words]
            return found

    return LikelySwap()


def _masked_swap(fill: Words) -> Any:  # noqa: ANN401
    """Return WordSwapMaskedLM with our masked language model: words for a blank in the text as it stands."""
    from textattack.transformations import WordSwap

    class MaskedSwap(WordSwap):
        def _get_transformations(self, current_text: Any, indices_to_modify: Any) -> list[Any]:  # noqa: ANN401
            draft, found = Draft.of(current_text.text), []
            for i in sorted(indices_to_modify):
                found += [current_text.replace_word_at_index(i, word) for word in fill(blank(draft, i, i + 1))
                          if word != current_text.words[i]]
            return found

    return MaskedSwap()


def _masked_insert(fill: Words) -> Any:  # noqa: ANN401
    """Return WordInsertionMaskedLM with our masked language model."""
    from textattack.transformations import WordInsertion

    class MaskedInsert(WordInsertion):
        def _get_new_words(self, current_text: Any, index: int) -> list[str]:  # noqa: ANN401
            draft = Draft.of(current_text.text)
            return [word for word in fill(blank(draft, index, index)) if word != draft.words[index]]

    return MaskedInsert()


def _masked_merge(fill: Words) -> Any:  # noqa: ANN401
    """Return WordMergeMaskedLM with our masked language model and part of speech; it heeds no other constraint."""
    from textattack.transformations import Transformation
    from textattack.transformations.word_merges.word_merge_masked_lm import find_merge_index

    class MaskedMerge(Transformation):
        def _get_transformations(self, current_text: Any, indices_to_modify: Any) -> list[Any]:  # noqa: ANN401
            draft, found = Draft.of(current_text.text), []
            for i in find_merge_index(tag(draft.words)):
                shorter = current_text.delete_word_at_index(i + 1)
                found += [shorter.replace_word_at_index(i, word) for word in fill(blank(draft, i, i + 2))
                          if word != draft.words[i]]
            return found

    return MaskedMerge()


def _plain(victim: Any, constraints: list[Any], transformation: Any, search: Any) -> Any:  # noqa: ANN401
    """Return an attack that flips and leaves stop words alone."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import StopwordModification
    from textattack.goal_functions import UntargetedClassification

    constraints = [StopwordModification(stopwords=all_stop_words()), *constraints]
    return Attack(UntargetedClassification(victim), constraints, transformation, search)


# --- Recipes -------------------------------------------------------------------------------------


def _textfooler(victim: Any, alike: Alike, *, max_candidates: int = 50, min_word_similarity: float = 0.5,  # noqa: ANN401
                min_text_similarity: float = 0.82, window: int = 15, skip_short: bool = True,
                same_part_of_speech: bool = True) -> Any:  # noqa: ANN401
    """TextFoolerJin2019, with our neighbours (their lowest cosine included), part of speech and encoder."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR

    constraints = [RepeatModification(), StopwordModification(stopwords=all_stop_words())]
    constraints += [_part_of_speech()] if same_part_of_speech else []
    constraints.append(_sentence(alike, min_text_similarity, window_size=window, compare_against_original=False,
                                 skip_text_shorter_than_window=skip_short))
    return Attack(UntargetedClassification(victim), constraints,
                  _neighbour_swap(max_candidates, min_word_similarity), GreedyWordSwapWIR(wir_method="delete"))


def _pwws(victim: Any, alike: Alike, *, max_candidates: int = 0) -> Any:  # noqa: ANN401
    """PWWSRen2019, with our synonyms."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedyWordSwapWIR

    return _plain(victim, [RepeatModification()], _swap(lambda word: wordnet_swaps(word, max_candidates)),
                  GreedyWordSwapWIR("weighted-saliency"))


def _gene(victim: Any, alike: Alike, *, population: int = 60, generations: int = 20, temperature: float = 0.3,  # noqa: ANN401
          max_candidates: int = 8, min_word_similarity: float = 0.75, max_share: float = 0.2, keep_likeliest: int = 4
          ) -> Any:  # noqa: ANN401
    """GeneticAlgorithmAlzantot2018 with our neighbours and language model; children keep to the limit on words."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import AlzantotGeneticAlgorithm

    return _plain(victim, [RepeatModification(), MaxWordsPerturbed(max_percent=max_share)],
                  _likely_swap(max_candidates, min_word_similarity, keep_likeliest),
                  AlzantotGeneticAlgorithm(population, generations, temperature))


def _iga(victim: Any, alike: Alike, *, population: int = 60, generations: int = 20, temperature: float = 0.3,  # noqa: ANN401
         max_candidates: int = 50, min_word_similarity: float = 0.75, max_share: float = 0.2, max_swaps: int = 5
         ) -> Any:  # noqa: ANN401
    """IGAWang2019 with our neighbours; children keep to the limit on words."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.search_methods import ImprovedGeneticAlgorithm

    return _plain(victim, [MaxWordsPerturbed(max_percent=max_share)],
                  _neighbour_swap(max_candidates, min_word_similarity),
                  ImprovedGeneticAlgorithm(population, generations, temperature, max_replace_times_per_index=max_swaps))


def _pso(victim: Any, alike: Alike, *, population: int = 60, generations: int = 20, max_neighbours: int = 8,  # noqa: ANN401
         min_word_similarity: float = 0.75) -> Any:  # noqa: ANN401
    """PSOZang2020 with our synonyms, neighbours and part of speech in the place of HowNet."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import ParticleSwarmOptimization

    swap = _swap(lambda word: list(dict.fromkeys(
        [*wordnet_swaps(word), *cased_substitutes(word, max_neighbours, min_word_similarity)])))
    return _plain(victim, [RepeatModification(), _part_of_speech()], swap,
                  ParticleSwarmOptimization(population, generations))


def _own(attack: Any, alike: Alike, least: float) -> Any:  # noqa: ANN401
    """Return a recipe with our sentence encoder in the place of the Universal Sentence Encoder."""
    from textattack.constraints.semantics.sentence_encoders import UniversalSentenceEncoder

    for i, part in enumerate(attack.constraints):
        if isinstance(part, UniversalSentenceEncoder):
            attack.constraints[i] = _sentence(
                alike, least, window_size=None if part.window_size == float("inf") else part.window_size,
                compare_against_original=part.compare_against_original,
                skip_text_shorter_than_window=part.skip_text_shorter_than_window)
    return attack


def _textbugger(victim: Any, alike: Alike, *, min_text_similarity: float = 0.73) -> Any:  # noqa: ANN401
    """TextBuggerLi2018, with our neighbours and encoder.

    The released wheel lacks a list of look-alikes that only another attack uses, but reads it here too: it gets none.
    """
    from textattack import shared
    from textattack.attack_recipes import TextBuggerLi2018
    from textattack.transformations.word_swaps import word_swap_homoglyph_swap as look_alikes

    def no_list(*arguments: object, **options: object) -> io.StringIO:
        return io.StringIO()

    with mock.patch.object(shared.WordEmbedding, "counterfitted_GLOVE_embedding", _embedding), \
            mock.patch.object(look_alikes, "open", no_list, create=True):
        return _own(TextBuggerLi2018.build(victim), alike, min_text_similarity)


def _embedding() -> Any:  # noqa: ANN401
    """Return our table of neighbours as TextAttack's word embedding; a word is its own index."""
    from textattack.shared import AbstractWordEmbedding

    class Table(AbstractWordEmbedding):
        def word2index(self, word: str) -> str:
            if not substitutes(word, 1, 0.5):
                raise KeyError(word)
            return word

        def index2word(self, index: str) -> str:
            return index

        def nearest_neighbours(self, index: str, topn: int) -> list[str]:
            return list(substitutes(index, topn, 0.5))

        def __getitem__(self, index: str) -> None:
            return None

        def get_mse_dist(self, a: str, b: str) -> float:
            raise NotImplementedError("the table holds neighbours, not vectors")

        def get_cos_sim(self, a: str, b: str) -> float:
            raise NotImplementedError("the table holds neighbours, not vectors")

    return Table()


def _bert_attack(victim: Any, alike: Alike, *, min_text_similarity: float = 0.0) -> Any:  # noqa: ANN401
    """BERTAttackLi2020, with our encoder."""
    need_masked_model()
    from textattack.attack_recipes import BERTAttackLi2020

    return _own(BERTAttackLi2020.build(victim), alike, min_text_similarity)


def _checklist(victim: Any, alike: Alike) -> Any:  # noqa: ANN401
    """CheckList2020 without the swaps of names and places, which need a model that finds them (flair's `ner`)."""
    from textattack.attack_recipes import CheckList2020
    from textattack.transformations import WordSwapChangeLocation, WordSwapChangeName

    attack = CheckList2020.build(victim)
    several: Any = attack.transformation
    several.transformations = [t for t in several.transformations
                               if not isinstance(t, WordSwapChangeName | WordSwapChangeLocation)]
    return attack


def _published(name: str) -> Callable[..., Any]:
    """Return how to build a recipe that needs nothing but stop words."""
    def build(victim: Any, alike: Alike, **options: Any) -> Any:  # noqa: ANN401
        from textattack import attack_recipes

        return getattr(attack_recipes, name).build(victim, **options)
    return build


def _bae(victim: Any, alike: Alike, *, fill: Callable[[Blank, float], list[str]] | None = None,  # noqa: ANN401
         min_text_similarity: float = 0.92) -> Any:  # noqa: ANN401
    """BAEGarg2019, with our masked language model, part of speech and encoder."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedyWordSwapWIR

    filled = fill or filler()
    constraints = [RepeatModification(), _part_of_speech(),
                   _sentence(alike, min_text_similarity, window_size=15, compare_against_original=True,
                             skip_text_shorter_than_window=True)]
    return _plain(victim, constraints, _masked_swap(lambda place: filled(place, 0.0)),
                  GreedyWordSwapWIR(wir_method="delete"))


def _clare(victim: Any, alike: Alike, *, fill: Callable[[Blank, float], list[str]] | None = None,  # noqa: ANN401
           min_text_similarity: float = 0.60) -> Any:  # noqa: ANN401
    """CLARE2020, with our masked language model, part of speech and encoder."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedySearch
    from textattack.transformations import CompositeTransformation

    filled = fill or filler()
    constraints = [RepeatModification(),
                   _sentence(alike, min_text_similarity, window_size=15, compare_against_original=True,
                             skip_text_shorter_than_window=True)]
    moves = CompositeTransformation([_masked_swap(lambda place: filled(place, 5e-4)),
                                     _masked_insert(lambda place: filled(place, 0.0)),
                                     _masked_merge(lambda place: filled(place, 5e-3))])
    return _plain(victim, constraints, moves, GreedySearch())


def filler(most: int = 50) -> Callable[[Blank, float], list[str]]:
    """Return the packaged masked language model as TextAttack asks it: alone, each blank once."""
    from robust_core.models import masked_lm

    model = masked_lm.load()

    @functools.cache
    def fill(blank: Blank, least: float) -> list[str]:
        (found,) = model.fill([blank], most)
        return [word for word, value in found if value >= (math.log(least) if least else -math.inf)]

    return fill


_RECIPES: dict[str, Callable[..., Any]] = {
    "textfooler": _textfooler, "pwws": _pwws, "gene": _gene, "iga": _iga, "pso": _pso,
    "textbugger": _textbugger, "bert-attack": _bert_attack, "checklist": _checklist,
    "deepwordbug": _published("DeepWordBugGao2018"), "pruthi": _published("Pruthi2019"),
    "input-reduction": _published("InputReductionFeng2018"), "bae": _bae, "clare": _clare,
}


# --- Serving searches over standard input and output, one JSON object a line ---------------------


class _Abandoned(BaseException):  # noqa: N818 (not an error; and TextAttack must not catch it)
    """The parent does not want this search any more."""


class _Server:
    """Runs the searches that the parent orders, one after the other, and asks the parent what the models say.

    In: {search, attack, options, text, label, before, budget, seed}, {search, answer}, {abandon}. Out: {ready} or
    {missing}; of a search {search, texts, trying, current}, {search, pairs}, at last {search, end} or {search, error}.
    """

    def __init__(self) -> None:
        # The pipe is ours alone: whatever else is printed goes to stderr.
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._unwanted = self._search = -1
        self._before: Any = None
        self._trying = self._current = ""
        self._attacks: dict[str, Any] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Hear the parent at any time; end when it ends."""
        for line in sys.stdin:
            message = json.loads(line)
            self._unwanted = message.get("abandon", self._unwanted)
            self._inbox.put(message)
        for folder in _FOLDERS:
            folder.cleanup()
        os._exit(0)

    def _send(self, **message: Any) -> None:  # noqa: ANN401
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def run(self) -> None:
        """Serve until the parent ends."""
        socket.socket.connect = _refuse  # type: ignore[method-assign]
        try:
            prepare()
        except MissingResource as error:
            self._send(missing=[error.what, error.how_to_get_it])
            return
        self._send(ready=True)
        while True:
            order = self._inbox.get()
            if "attack" in order:
                self._serve(order)
            elif "abandon" in order:
                self._send(search=order["abandon"], end=None)

    def _serve(self, order: dict[str, Any]) -> None:
        self._search, self._before = order["search"], order["before"]
        self._trying, self._current = "ranking words", order["text"]
        try:
            self._send(search=self._search, end=self._attack(order), current=self._current)
        except _Abandoned:
            self._send(search=self._search, end=None)
        except MissingResource as error:
            self._send(search=self._search, missing=[error.what, error.how_to_get_it])
        except Exception as error:
            self._send(search=self._search, error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())

    def _attack(self, order: dict[str, Any]) -> str:
        """Run one search; return its last text."""
        key = json.dumps([order["attack"], order["options"]], sort_keys=True)
        if key not in self._attacks:
            attack = recipe(order["attack"], wrapper(self._proba), self._alike, **order["options"])
            attack.search_method.get_transformations = self._watch(attack.search_method.get_transformations)
            # Every text is submitted, so that TextAttack's count is the engine's; who answers has a cache.
            attack.goal_function.use_cache = False
            attack.goal_function.batch_size = 512
            self._attacks[key] = attack
        attack = self._attacks[key]
        attack.clear_cache()
        attack.goal_function.query_budget = order["budget"] or float("inf")
        _seed(order["seed"])
        result = attack.attack(order["text"], order["label"])
        return result.perturbed_result.attacked_text.text

    def _watch(self, transform: Callable[..., Any]) -> Callable[..., Any]:
        """Return `transform`, noting from which text the search goes on, and at which word."""
        def watched(text: Any, **options: Any) -> Any:  # noqa: ANN401
            self._check()
            self._current = text.text
            at = options.get("indices_to_modify")
            self._trying = text.words[at[0]] if at is not None and at[0] < len(text.words) else "all words"
            return transform(text, **options)
        return watched

    def _check(self) -> None:
        if self._unwanted == self._search:
            raise _Abandoned

    def _ask(self, **question: Any) -> Any:  # noqa: ANN401
        self._check()
        self._send(search=self._search, **question)
        while True:
            message = self._inbox.get()
            self._check()
            if message.get("search") == self._search:
                return message["answer"]

    def _proba(self, texts: list[str]) -> np.ndarray:
        if self._before is not None:
            # The first look at the original text; the engine had it before the search began.
            before, self._before = self._before, None
            return np.array([before], dtype=np.float32)
        return np.array(self._ask(texts=texts, trying=self._trying, current=self._current), dtype=np.float32)

    def _alike(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        return np.array(self._ask(pairs=pairs), dtype=np.float32)


def _refuse(*arguments: object) -> None:
    raise OSError("TextAttack's process uses no network")


def _seed(seed: int) -> None:
    """Seed what TextAttack draws from, so that a search is the same after any other."""
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (TextAttack uses the global generator)
    torch.manual_seed(seed)


if __name__ == "__main__":
    _Server().run()
