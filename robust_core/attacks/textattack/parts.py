"""Our resources as TextAttack's parts; runs in TextAttack's process only."""

import functools
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core.attacks.constraints import PartOfSpeech
from robust_core.attacks.engine.word_gradients import measure_gradients
from robust_core.attacks.transformations import list_cased_substitutes, make_blank, make_close_blank
from robust_core.errors import MissingResource
from robust_core.protocols import Classifier
from robust_core.resources import stop_words, tag
from robust_core.text import Draft
from robust_core.types import Blank

Predict = Callable[[list[str]], np.ndarray]
Alike = Callable[[list[tuple[str, str]]], np.ndarray]
Words = Callable[[Blank], list[str]]
# An instance of some class of textattack, which says little about its types.
TextAttackPart = Any
MASKED_MODEL = "bert-base-uncased"
# What TextAttack's own cache folder moves in the environment.
_CACHES = ("TA_CACHE_DIR", "TFHUB_CACHE_DIR", "PYTORCH_TRANSFORMERS_CACHE", "HF_HOME", "XDG_CACHE_HOME")
FOLDERS: list[tempfile.TemporaryDirectory] = []


@functools.cache
def prepare() -> None:
    """Import textattack, offline and without leaving anything in the home folder.

    Raises:
        MissingResource: It is not installed.
    """
    folder = tempfile.TemporaryDirectory(prefix="robust-textattack-")
    FOLDERS.append(folder)
    words = Path(folder.name) / "nltk" / "corpora" / "stopwords"
    words.mkdir(parents=True)
    (words / "english").write_text("\n".join(sorted(list_stop_words())) + "\n", encoding="utf-8")
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
    # Its sign between the texts of a pair, "<SPLIT>", may stand in a text; a control character cannot.
    setattr(textattack.shared.AttackedText, "SPLIT_TOKEN", "\x1e")  # noqa: B010 (its type is a literal)


@functools.cache
def list_stop_words() -> frozenset[str]:
    """Return our stop words in lower case, capitalised and in capitals."""
    return frozenset(form for word in stop_words() for form in (word, word.capitalize(), word.title(), word.upper()))


def wrap_victim(predict: Predict, model: Classifier | None = None) -> TextAttackPart:
    """Return a victim as TextAttack wants it.

    TextAttack takes rows that miss 1 by more than 1e-6 for logits and applies a softmax without a word; rows of many
    classes may do so in fp32, and are scaled here.

    Args:
        predict: Texts to (n, classes) probabilities.
        model: A white box that shows gradients, for the recipes that ask for them: to TextAttack each word is a token.
    """
    prepare()
    from textattack.models.wrappers import ModelWrapper

    class Victim(ModelWrapper):
        model = None

        def __call__(self, text_input_list: list[str], **options: object) -> np.ndarray:
            proba = np.asarray(predict(list(text_input_list)), dtype=np.float32)
            total = proba.sum(axis=1, dtype=np.float64, keepdims=True)
            return proba if np.all(abs(total - 1) < 5e-7) else (proba / total).astype(np.float32)

        def get_grad(self, text_input: str) -> dict[str, object]:
            assert model is not None
            label = int(np.asarray(predict([text_input]))[0].argmax())
            return {"ids": None, "gradient": measure_gradients(model, text_input, label).rows}

        def tokenize(self, inputs: list[str], strip_prefix: bool = False) -> list[list[str]]:
            del strip_prefix
            return [list(Draft.of(text).words) for text in inputs]

        def estimate_gains(self, text: str, flips: list[tuple[int, str]]) -> list[float]:
            assert model is not None
            label = int(np.asarray(predict([text]))[0].argmax())
            found = measure_gradients(model, text, label, list(dict.fromkeys(word for _, word in flips)))
            return [found.estimate_gain(i, word) for i, word in flips]

    return Victim()


def make_alike(encode: Callable[[list[str]], np.ndarray]) -> Alike:
    """Return how alike the texts of pairs are, from an encoder of unit rows; each distinct text is encoded once."""
    def alike(pairs: list[tuple[str, str]]) -> np.ndarray:
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        row = dict(zip(texts, encode(texts), strict=True))
        return np.array([float(row[a] @ row[b]) for a, b in pairs], dtype=np.float32)
    return alike


def need_masked_model() -> None:
    """Raise MissingResource unless BERT's masked language model is in the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    if not all(isinstance(try_to_load_from_cache(MASKED_MODEL, file), str) for file in ("config.json", "vocab.txt")):
        raise MissingResource(f"The masked language model {MASKED_MODEL} that BERT-Attack swaps words with",
                              f"Where there is a network: hf download {MASKED_MODEL}")


def make_sentence_constraint(alike: Alike, least: float, **options: TextAttackPart) -> TextAttackPart:
    """Return TextAttack's constraint on sentences (its windows, its comparisons) with our cosines."""
    import torch
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder

    class Sentence(SentenceEncoder):
        def encode(self, sentences: list[str]) -> torch.Tensor:
            # A text stands for itself until two are compared: who answers may know its vector already.
            self.texts = sentences
            return torch.arange(len(sentences))[:, None]

        def compare(self, emb1: torch.Tensor, emb2: torch.Tensor) -> torch.Tensor:
            pairs = [(self.texts[int(a)], self.texts[int(b)]) for a, b in zip(emb1, emb2, strict=True)]
            return torch.tensor(alike(pairs), dtype=torch.float32)

    constraint = Sentence(threshold=least, **options)
    constraint.sim_metric = constraint.compare
    return constraint


def make_part_of_speech_constraint(exact: bool = False) -> TextAttackPart:
    """Return a constraint that keeps our part of speech, seen from the original text."""
    from textattack.constraints import Constraint

    @functools.lru_cache(maxsize=64)
    def speech(words: tuple[str, ...]) -> PartOfSpeech:
        return PartOfSpeech(Draft(words, ("",) * (len(words) + 1)), exact)

    class Speech(Constraint):
        def _check_constraint_many(self, transformed_texts: Sequence[TextAttackPart], reference_text: TextAttackPart
                                   ) -> list[TextAttackPart]:
            original, new = speech(tuple(reference_text.words)), {}
            for text in transformed_texts:
                for i in text.attack_attrs["newly_modified_indices"]:
                    new.setdefault(int(i), set()).add(text.words[i])
            kept = {i: set(original.keep(i, sorted(words))) for i, words in new.items()}
            return [text for text in transformed_texts
                    if all(text.words[i] in kept[int(i)] for i in text.attack_attrs["newly_modified_indices"])]

        def _check_constraint(self, transformed_text: TextAttackPart, reference_text: TextAttackPart) -> bool:
            return bool(self._check_constraint_many([transformed_text], reference_text))

    return Speech(compare_against_original=True)


def make_word_swap(words_for: Callable[[str], Sequence[str]]) -> TextAttackPart:
    """Return a transformation that puts our substitutes of a word in its place."""
    from textattack.transformations import WordSwap

    class Swap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return list(words_for(word))

    return Swap()


def make_neighbour_swap(max_candidates: int, min_word_similarity: float) -> TextAttackPart:
    """Return the transformation of our TextFooler: neighbours of a word in its capitals."""
    return make_word_swap(lambda word: list_cased_substitutes(word, max_candidates, min_word_similarity))


def make_likely_swap(most: int, least: float, kept: int, masked_model: str) -> TextAttackPart:
    """Return the swap by neighbours of which a language model likes the best ones, in the text as it stands.

    TextAttack has the language model as a constraint, which keeps as many of each position's candidates.
    """
    from textattack.transformations import WordSwap

    fill = make_filler(masked_model, kept)

    class LikelySwap(WordSwap):
        def _get_transformations(self, current_text: TextAttackPart, indices_to_modify: Iterable[int]
                                 ) -> list[TextAttackPart]:
            draft, found = Draft.of(current_text.text), []
            for i in sorted(indices_to_modify):
                words = list_cased_substitutes(draft.words[i], most, least)
                if 0 < kept < len(words):
                    words = fill(make_blank(draft, i, i + 1)._replace(among=tuple(words)), 0.0)
                found += [current_text.replace_word_at_index(i, word) for word in words]
            return found

    return LikelySwap()


def make_close_swap(most: int, least: float, drop: float, window: int, masked_model: str) -> TextAttackPart:
    """Return the swap by neighbours that a language model likes little less than the word in the original text.

    TextAttack has the language model as a constraint that compares with the original text.
    """
    from textattack.transformations import WordSwap

    from robust_core.models import masked_lm

    model = masked_lm.load(masked_model)

    @functools.cache
    def find(text: str) -> dict[int, list[str]]:
        draft = Draft.of(text)
        near = {i: list_cased_substitutes(word, most, least) for i, word in enumerate(draft.words)
                if word.lower() not in stop_words()}
        rated = [(i, dict(model.fill([make_close_blank(draft, i, words, window)], len(words) + 1)[0]))
                 for i, words in near.items() if words]
        return {i: [w for w in near[i] if values[w] >= values[draft.words[i]] - drop] for i, values in rated}

    class CloseSwap(WordSwap):
        def _get_transformations(self, current_text: TextAttackPart, indices_to_modify: Iterable[int]
                                 ) -> list[TextAttackPart]:
            allowed = find(find_first(current_text).text)
            return [current_text.replace_word_at_index(i, word)
                    for i in sorted(indices_to_modify) for word in allowed.get(i, ())]

    return CloseSwap()


def make_lock(positions: Sequence[int]) -> TextAttackPart:
    """Return a constraint that leaves words of the original text alone, wherever they have come to stand."""
    from textattack.constraints import PreTransformationConstraint

    # Its own declaration lacks the argument that every member takes.
    base: TextAttackPart = PreTransformationConstraint

    class Lock(base):
        locked = tuple(positions)

        def _get_modifiable_indices(self, current_text: TextAttackPart) -> set[int]:
            now = current_text.attack_attrs["original_index_map"]
            return set(range(len(current_text.words))) - {int(now[i]) for i in self.locked}

    return Lock()


def find_first(text: TextAttackPart) -> TextAttackPart:
    """Return the text that a chain of changes began with."""
    while "prev_attacked_text" in text.attack_attrs:
        text = text.attack_attrs["prev_attacked_text"]
    return text


def make_gradient_swap(victim: TextAttackPart, most: int, least: float, flips: int) -> TextAttackPart:
    """Return WordSwapGradientBased among our neighbours: those flips of a text that raise the loss most.

    TextAttack takes the best words of the whole vocabulary first, of which hardly one is a neighbour.
    """
    from textattack.transformations import WordSwap

    class GradientSwap(WordSwap):
        def _get_transformations(self, current_text: TextAttackPart, indices_to_modify: Iterable[int]
                                 ) -> list[TextAttackPart]:
            speech = PartOfSpeech(Draft.of(find_first(current_text).text))
            found = [(i, word) for i in sorted(indices_to_modify) for word in speech.keep(
                i, sorted(set(list_cased_substitutes(current_text.words[i], most, least)) - {current_text.words[i]}))]
            gains = victim.estimate_gains(current_text.text, found)
            order = sorted(range(len(found)), key=lambda k: -gains[k])[:flips]
            return [current_text.replace_word_at_index(*found[k]) for k in order]

    return GradientSwap()


def make_masked_swap(fill: Words) -> TextAttackPart:
    """Return WordSwapMaskedLM with our masked language model: words for a blank in the text as it stands."""
    from textattack.transformations import WordSwap

    class MaskedSwap(WordSwap):
        def _get_transformations(self, current_text: TextAttackPart, indices_to_modify: Iterable[int]
                                 ) -> list[TextAttackPart]:
            draft, found = Draft.of(current_text.text), []
            for i in sorted(indices_to_modify):
                found += [current_text.replace_word_at_index(i, word) for word in fill(make_blank(draft, i, i + 1))
                          if word != current_text.words[i]]
            return found

    return MaskedSwap()


def make_masked_insert(fill: Words) -> TextAttackPart:
    """Return WordInsertionMaskedLM with our masked language model."""
    from textattack.transformations import WordInsertion

    class MaskedInsert(WordInsertion):
        def _get_new_words(self, current_text: TextAttackPart, index: int) -> list[str]:
            draft = Draft.of(current_text.text)
            return [word for word in fill(make_blank(draft, index, index)) if word != draft.words[index]]

    return MaskedInsert()


def make_masked_merge(fill: Words) -> TextAttackPart:
    """Return WordMergeMaskedLM with our masked language model and part of speech; it heeds no other constraint."""
    from textattack.transformations import Transformation
    from textattack.transformations.word_merges.word_merge_masked_lm import find_merge_index

    class MaskedMerge(Transformation):
        def _get_transformations(self, current_text: TextAttackPart, indices_to_modify: Iterable[int]
                                 ) -> list[TextAttackPart]:
            draft, found = Draft.of(current_text.text), []
            for i in find_merge_index(tag(draft.words)):
                shorter = current_text.delete_word_at_index(i + 1)
                found += [shorter.replace_word_at_index(i, word) for word in fill(make_blank(draft, i, i + 2))
                          if word != draft.words[i]]
            return found

    return MaskedMerge()


def make_filler(masked_model: str, most: int) -> Callable[[Blank, float], list[str]]:
    """Return a masked language model as TextAttack asks it: alone, each blank once."""
    from robust_core.models import masked_lm

    model = masked_lm.load(masked_model)

    @functools.cache
    def fill(blank: Blank, least: float) -> list[str]:
        (found,) = model.fill([blank], most)
        return [word for word, value in found if value >= (math.log(least) if least else -math.inf)]

    return fill
