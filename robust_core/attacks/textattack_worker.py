"""TextAttack's searches and recipes on our victims: the only module that imports textattack, in a process of its own.

Importing textattack takes some ten seconds, fails without NLTK's stop words and tries the network; `prepare` gives it
what it wants beforehand. Whatever a recipe would download is ours: neighbours, stop words, part of speech, sentence
encoder. Search methods, goals, transformations and the order of constraints are TextAttack's own, unmodified.

Differs from TextAttack's stop words: its comparison minds capitals, so ours are also given capitalised.
"""

import functools
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core.attacks.constraints import PartOfSpeech
from robust_core.attacks.textfooler import substitutes
from robust_core.errors import MissingResource
from robust_core.resources import stop_words
from robust_core.text import Draft, match_case

Predict = Callable[[list[str]], np.ndarray]
Alike = Callable[[list[tuple[str, str]]], np.ndarray]

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

        def compare(self, first: Any, second: Any) -> Any:  # noqa: ANN401 (tensors)
            pairs = [(self.texts[int(a)], self.texts[int(b)]) for a, b in zip(first, second, strict=True)]
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


def _neighbour_swap(max_candidates: int, min_word_similarity: float) -> Any:  # noqa: ANN401
    """Return the transformation of our TextFooler: neighbours of a word in its capitals."""
    from textattack.transformations import WordSwap

    class NeighbourSwap(WordSwap):
        def _get_replacement_words(self, word: str) -> list[str]:
            return [match_case(other, word) for other in substitutes(word, max_candidates, min_word_similarity)]

    return NeighbourSwap()


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


_RECIPES: dict[str, Callable[..., Any]] = {"textfooler": _textfooler}
