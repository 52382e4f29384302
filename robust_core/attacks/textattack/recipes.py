"""TextAttack's recipes by our names, built with our resources."""

import io
from collections.abc import Callable
from typing import Any
from unittest import mock

from robust_core.attacks.textattack.parts import (
    Alike,
    list_stop_words,
    make_filler,
    make_likely_swap,
    make_masked_insert,
    make_masked_merge,
    make_masked_swap,
    make_neighbour_swap,
    make_part_of_speech_constraint,
    make_sentence_constraint,
    need_masked_model,
    prepare,
)
from robust_core.attacks.textattack.parts import make_word_swap as _swap
from robust_core.attacks.transformations import list_cased_substitutes, list_substitutes, list_wordnet_swaps
from robust_core.types import Blank


def build_recipe(name: str, victim: Any, alike: Alike, **options: Any) -> Any:  # noqa: ANN401 (classes of textattack)
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


def _build_plain(victim: Any, constraints: list[Any], transformation: Any, search: Any) -> Any:  # noqa: ANN401
    """Return an attack that flips and leaves stop words alone."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import StopwordModification
    from textattack.goal_functions import UntargetedClassification

    constraints = [StopwordModification(stopwords=list_stop_words()), *constraints]
    return Attack(UntargetedClassification(victim), constraints, transformation, search)


def _textfooler(victim: Any, alike: Alike, *, max_candidates: int = 50, min_word_similarity: float = 0.5,  # noqa: ANN401
                min_text_similarity: float = 0.82, window: int = 15, skip_short: bool = True,
                same_part_of_speech: bool = True) -> Any:  # noqa: ANN401
    """TextFoolerJin2019, with our neighbours (their lowest cosine included), part of speech and encoder."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR

    constraints = [RepeatModification(), StopwordModification(stopwords=list_stop_words())]
    constraints += [make_part_of_speech_constraint()] if same_part_of_speech else []
    constraints.append(
        make_sentence_constraint(
            alike,
            min_text_similarity,
            window_size=window,
            compare_against_original=False,
            skip_text_shorter_than_window=skip_short,
        )
    )
    return Attack(UntargetedClassification(victim), constraints,
                  make_neighbour_swap(max_candidates, min_word_similarity), GreedyWordSwapWIR(wir_method="delete"))


def _pwws(victim: Any, alike: Alike, *, max_candidates: int = 0) -> Any:  # noqa: ANN401
    """PWWSRen2019, with our synonyms."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedyWordSwapWIR

    return _build_plain(victim, [RepeatModification()], _swap(lambda word: list_wordnet_swaps(word, max_candidates)),
                        GreedyWordSwapWIR("weighted-saliency"))


def _gene(victim: Any, alike: Alike, *, population: int = 60, generations: int = 20, temperature: float = 0.3,  # noqa: ANN401
          max_candidates: int = 8, min_word_similarity: float = 0.75, max_share: float = 0.2, keep_likeliest: int = 4
          ) -> Any:  # noqa: ANN401
    """GeneticAlgorithmAlzantot2018 with our neighbours and language model; children keep to the limit on words."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import AlzantotGeneticAlgorithm

    return _build_plain(victim, [RepeatModification(), MaxWordsPerturbed(max_percent=max_share)],
                        make_likely_swap(max_candidates, min_word_similarity, keep_likeliest),
                        AlzantotGeneticAlgorithm(population, generations, temperature))


def _iga(victim: Any, alike: Alike, *, population: int = 60, generations: int = 20, temperature: float = 0.3,  # noqa: ANN401
         max_candidates: int = 50, min_word_similarity: float = 0.75, max_share: float = 0.2, max_swaps: int = 5
         ) -> Any:  # noqa: ANN401
    """IGAWang2019 with our neighbours; children keep to the limit on words."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.search_methods import ImprovedGeneticAlgorithm

    return _build_plain(
        victim,
        [MaxWordsPerturbed(max_percent=max_share)],
        make_neighbour_swap(max_candidates, min_word_similarity),
        ImprovedGeneticAlgorithm(population, generations, temperature, max_replace_times_per_index=max_swaps),
    )


def _pso(victim: Any, alike: Alike, *, population: int = 60, generations: int = 20, max_neighbours: int = 8,  # noqa: ANN401
         min_word_similarity: float = 0.75) -> Any:  # noqa: ANN401
    """PSOZang2020 with our synonyms, neighbours and part of speech in the place of HowNet."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import ParticleSwarmOptimization

    swap = _swap(lambda word: list(dict.fromkeys(
        [*list_wordnet_swaps(word), *list_cased_substitutes(word, max_neighbours, min_word_similarity)])))
    return _build_plain(victim, [RepeatModification(), make_part_of_speech_constraint()], swap,
                        ParticleSwarmOptimization(population, generations))


def _use_own_encoder(attack: Any, alike: Alike, least: float) -> Any:  # noqa: ANN401
    """Return a recipe with our sentence encoder in the place of the Universal Sentence Encoder."""
    from textattack.constraints.semantics.sentence_encoders import UniversalSentenceEncoder

    for i, part in enumerate(attack.constraints):
        if isinstance(part, UniversalSentenceEncoder):
            attack.constraints[i] = make_sentence_constraint(
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

    with mock.patch.object(shared.WordEmbedding, "counterfitted_GLOVE_embedding", _make_embedding), \
            mock.patch.object(look_alikes, "open", no_list, create=True):
        return _use_own_encoder(TextBuggerLi2018.build(victim), alike, min_text_similarity)


def _make_embedding() -> Any:  # noqa: ANN401
    """Return our table of neighbours as TextAttack's word embedding; a word is its own index."""
    from textattack.shared import AbstractWordEmbedding

    class Table(AbstractWordEmbedding):
        def word2index(self, word: str) -> str:
            if not list_substitutes(word, 1, 0.5):
                raise KeyError(word)
            return word

        def index2word(self, index: str) -> str:
            return index

        def nearest_neighbours(self, index: str, topn: int) -> list[str]:
            return list(list_substitutes(index, topn, 0.5))

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

    return _use_own_encoder(BERTAttackLi2020.build(victim), alike, min_text_similarity)


def _checklist(victim: Any, alike: Alike) -> Any:  # noqa: ANN401
    """CheckList2020 without the swaps of names and places, which need a model that finds them (flair's `ner`)."""
    from textattack.attack_recipes import CheckList2020
    from textattack.transformations import WordSwapChangeLocation, WordSwapChangeName

    attack = CheckList2020.build(victim)
    several: Any = attack.transformation
    several.transformations = [t for t in several.transformations
                               if not isinstance(t, WordSwapChangeName | WordSwapChangeLocation)]
    return attack


def _find_published(name: str) -> Callable[..., Any]:
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

    filled = fill or make_filler()
    constraints = [RepeatModification(), make_part_of_speech_constraint(),
                   make_sentence_constraint(alike, min_text_similarity, window_size=15, compare_against_original=True,
                                            skip_text_shorter_than_window=True)]
    return _build_plain(victim, constraints, make_masked_swap(lambda place: filled(place, 0.0)),
                        GreedyWordSwapWIR(wir_method="delete"))


def _clare(victim: Any, alike: Alike, *, fill: Callable[[Blank, float], list[str]] | None = None,  # noqa: ANN401
           min_text_similarity: float = 0.60) -> Any:  # noqa: ANN401
    """CLARE2020, with our masked language model, part of speech and encoder."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedySearch
    from textattack.transformations import CompositeTransformation

    filled = fill or make_filler()
    constraints = [RepeatModification(),
                   make_sentence_constraint(alike, min_text_similarity, window_size=15, compare_against_original=True,
                                            skip_text_shorter_than_window=True)]
    moves = CompositeTransformation([make_masked_swap(lambda place: filled(place, 5e-4)),
                                     make_masked_insert(lambda place: filled(place, 0.0)),
                                     make_masked_merge(lambda place: filled(place, 5e-3))])
    return _build_plain(victim, constraints, moves, GreedySearch())


_RECIPES: dict[str, Callable[..., Any]] = {
    "textfooler": _textfooler, "pwws": _pwws, "gene": _gene, "iga": _iga, "pso": _pso,
    "textbugger": _textbugger, "bert-attack": _bert_attack, "checklist": _checklist,
    "deepwordbug": _find_published("DeepWordBugGao2018"), "pruthi": _find_published("Pruthi2019"),
    "input-reduction": _find_published("InputReductionFeng2018"), "bae": _bae, "clare": _clare,
}
