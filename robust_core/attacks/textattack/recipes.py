"""TextAttack's recipes by our names, built with our resources.

A recipe takes every parameter of our attack by name and has no defaults of its own, so both always search alike.
"""

import io
from collections.abc import Callable, Mapping
from unittest import mock

from robust_core.attacks.base import Attack
from robust_core.attacks.textattack.parts import (
    Alike,
    TextAttackPart,
    list_stop_words,
    make_close_swap,
    make_filler,
    make_gradient_swap,
    make_likely_swap,
    make_masked_insert,
    make_masked_merge,
    make_masked_swap,
    make_neighbour_swap,
    make_part_of_speech_constraint,
    make_sentence_constraint,
    make_word_swap,
    need_masked_model,
    prepare,
)
from robust_core.attacks.transformations import list_cased_substitutes, list_substitutes, list_wordnet_swaps
from robust_core.errors import BadInput
from robust_core.hidden_characters import LOOK_ALIKES
from robust_core.registry import parameters

# What only an attack of ours can have, and only beyond its recipe (`attacks.careful`).
_OURS = "swap_set"
# What the engine does with every attack; no recipe needs it.
_ENGINE = frozenset(["name", *Attack.EXTENDED, *(p.name for p in parameters(Attack))])


def build_recipe(record: Mapping[str, object], victim: TextAttackPart, alike: Alike) -> TextAttackPart:
    """Return a `textattack.Attack`.

    Args:
        record: The whole record of an attack of ours (`registry.to_record`): its name and every parameter.
        victim: From `wrap_victim`.
        alike: Cosines of pairs of texts, for the constraint on sentences.

    Raises:
        MissingResource: It needs something that is not here.
        BadInput: The record has values that TextAttack's recipe knows nothing of, such as those of the preset careful.
    """
    if _OURS in record:
        raise BadInput(f"TextAttack's recipes know no {_OURS}: compare with the preset paper.")
    prepare()
    return RECIPES[str(record["name"])](victim, alike, **{k: v for k, v in record.items() if k not in _ENGINE})


def _build_plain(victim: TextAttackPart, constraints: list[TextAttackPart], transformation: TextAttackPart,
                 search: TextAttackPart) -> TextAttackPart:
    """Return an attack that flips and leaves stop words alone."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import StopwordModification
    from textattack.goal_functions import UntargetedClassification

    constraints = [StopwordModification(stopwords=list_stop_words()), *constraints]
    return Attack(UntargetedClassification(victim), constraints, transformation, search)


def _textfooler(victim: TextAttackPart, alike: Alike, *, max_candidates: int, min_word_similarity: float,
                min_text_similarity: float, window: int, skip_short: bool, same_part_of_speech: bool) -> TextAttackPart:
    """TextFoolerJin2019, with our neighbours (their lowest cosine included), part of speech and encoder."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR

    constraints = [RepeatModification(), StopwordModification(stopwords=list_stop_words())]
    constraints += [make_part_of_speech_constraint()] if same_part_of_speech else []
    constraints.append(make_sentence_constraint(alike, min_text_similarity, window_size=window,
                                                compare_against_original=False,
                                                skip_text_shorter_than_window=skip_short))
    return Attack(UntargetedClassification(victim), constraints,
                  make_neighbour_swap(max_candidates, min_word_similarity), GreedyWordSwapWIR(wir_method="delete"))


def _pwws(victim: TextAttackPart, alike: Alike, *, max_candidates: int) -> TextAttackPart:
    """PWWSRen2019, with our synonyms."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedyWordSwapWIR

    return _build_plain(victim, [RepeatModification()],
                        make_word_swap(lambda word: list_wordnet_swaps(word, max_candidates)),
                        GreedyWordSwapWIR("weighted-saliency"))


def _gene(victim: TextAttackPart, alike: Alike, *, population: int, generations: int, temperature: float,
          max_candidates: int, min_word_similarity: float, max_share: float, keep_likeliest: int, masked_model: str
          ) -> TextAttackPart:
    """GeneticAlgorithmAlzantot2018 with our neighbours and language model; children keep to the limit on words."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import AlzantotGeneticAlgorithm

    return _build_plain(victim, [RepeatModification(), MaxWordsPerturbed(max_percent=max_share)],
                        make_likely_swap(max_candidates, min_word_similarity, keep_likeliest, masked_model),
                        AlzantotGeneticAlgorithm(population, generations, temperature))


def _iga(victim: TextAttackPart, alike: Alike, *, population: int, generations: int, temperature: float,
         max_candidates: int, min_word_similarity: float, max_share: float, max_swaps: int) -> TextAttackPart:
    """IGAWang2019 with our neighbours; children keep to the limit on words."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.search_methods import ImprovedGeneticAlgorithm

    return _build_plain(victim, [MaxWordsPerturbed(max_percent=max_share)],
                        make_neighbour_swap(max_candidates, min_word_similarity),
                        ImprovedGeneticAlgorithm(population, generations, temperature,
                                                 max_replace_times_per_index=max_swaps))


def _pso(victim: TextAttackPart, alike: Alike, *, population: int, generations: int, max_neighbours: int,
         min_word_similarity: float) -> TextAttackPart:
    """PSOZang2020 with our synonyms, neighbours and part of speech in the place of HowNet."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import ParticleSwarmOptimization

    swap = make_word_swap(lambda word: list(dict.fromkeys(
        [*list_wordnet_swaps(word), *list_cased_substitutes(word, max_neighbours, min_word_similarity)])))
    return _build_plain(victim, [RepeatModification(), make_part_of_speech_constraint()], swap,
                        ParticleSwarmOptimization(population, generations))


def _use_own_encoder(attack: TextAttackPart, alike: Alike, least: float) -> TextAttackPart:
    """Return a recipe with our sentence encoder in the place of the Universal Sentence Encoder."""
    from textattack.constraints.semantics.sentence_encoders import UniversalSentenceEncoder

    for i, part in enumerate(attack.constraints):
        if isinstance(part, UniversalSentenceEncoder):
            attack.constraints[i] = make_sentence_constraint(
                alike, least, window_size=None if part.window_size == float("inf") else part.window_size,
                compare_against_original=part.compare_against_original,
                skip_text_shorter_than_window=part.skip_text_shorter_than_window)
    return attack


def _textbugger(victim: TextAttackPart, alike: Alike, *, min_text_similarity: float) -> TextAttackPart:
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


def _make_embedding() -> TextAttackPart:
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


def _bert_attack(victim: TextAttackPart, alike: Alike, *, min_text_similarity: float) -> TextAttackPart:
    """BERTAttackLi2020, with our encoder."""
    need_masked_model()
    from textattack.attack_recipes import BERTAttackLi2020

    return _use_own_encoder(BERTAttackLi2020.build(victim), alike, min_text_similarity)


def _checklist(victim: TextAttackPart, alike: Alike) -> TextAttackPart:
    """CheckList2020 without the swaps of names and places, which need a model that finds them (flair's `ner`)."""
    from textattack.attack_recipes import CheckList2020
    from textattack.transformations import WordSwapChangeLocation, WordSwapChangeName

    attack = CheckList2020.build(victim)
    several: TextAttackPart = attack.transformation
    several.transformations = [t for t in several.transformations
                               if not isinstance(t, WordSwapChangeName | WordSwapChangeLocation)]
    return attack


def _deepwordbug(victim: TextAttackPart, alike: Alike) -> TextAttackPart:
    """DeepWordBugGao2018."""
    from textattack.attack_recipes import DeepWordBugGao2018

    return DeepWordBugGao2018.build(victim)


def _pruthi(victim: TextAttackPart, alike: Alike, *, max_num_word_swaps: int) -> TextAttackPart:
    """Pruthi2019."""
    from textattack.attack_recipes import Pruthi2019

    return Pruthi2019.build(victim, max_num_word_swaps=max_num_word_swaps)


def _input_reduction(victim: TextAttackPart, alike: Alike) -> TextAttackPart:
    """InputReductionFeng2018."""
    from textattack.attack_recipes import InputReductionFeng2018

    return InputReductionFeng2018.build(victim)


def _bae(victim: TextAttackPart, alike: Alike, *, max_candidates: int, min_confidence: float,
         min_text_similarity: float, window: int, skip_short: bool, same_part_of_speech: bool, masked_model: str
         ) -> TextAttackPart:
    """BAEGarg2019, with our masked language model, part of speech and encoder."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedyWordSwapWIR

    fill = make_filler(masked_model, max_candidates)
    constraints = [RepeatModification(), *([make_part_of_speech_constraint()] if same_part_of_speech else []),
                   make_sentence_constraint(alike, min_text_similarity, window_size=window,
                                            compare_against_original=True, skip_text_shorter_than_window=skip_short)]
    return _build_plain(victim, constraints, make_masked_swap(lambda place: fill(place, min_confidence)),
                        GreedyWordSwapWIR(wir_method="delete"))


def _clare(victim: TextAttackPart, alike: Alike, *, max_candidates: int, min_confidence: float,
           min_insert_confidence: float, min_merge_confidence: float, min_text_similarity: float, window: int,
           skip_short: bool, masked_model: str) -> TextAttackPart:
    """CLARE2020, with our masked language model, part of speech and encoder."""
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import GreedySearch
    from textattack.transformations import CompositeTransformation

    fill = make_filler(masked_model, max_candidates)
    constraints = [RepeatModification(),
                   make_sentence_constraint(alike, min_text_similarity, window_size=window,
                                            compare_against_original=True, skip_text_shorter_than_window=skip_short)]
    moves = CompositeTransformation([make_masked_swap(lambda place: fill(place, min_confidence)),
                                     make_masked_insert(lambda place: fill(place, min_insert_confidence)),
                                     make_masked_merge(lambda place: fill(place, min_merge_confidence))])
    return _build_plain(victim, constraints, moves, GreedySearch())


def _bad_characters(victim: TextAttackPart, alike: Alike, *, kind: str, max_changes: int, population: int,
                    generations: int) -> TextAttackPart:
    """BadCharacters2021 with the goal of leaving the class, and our look-alikes: the wheel lacks their file."""
    from textattack import Attack, transformations
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import DifferentialEvolution
    from textattack.transformations.word_swaps import word_swap_homoglyph_swap as look_alikes

    made = {"homoglyphs": "WordSwapHomoglyphSwap", "invisible": "WordSwapInvisibleCharacters",
            "reorderings": "WordSwapReorderings", "deletions": "WordSwapDeletions"}
    if kind not in made:
        raise BadInput(f"TextAttack hides characters of one kind only: choose one of {', '.join(made)}.")
    with mock.patch.object(look_alikes, "open", lambda *arguments, **options: io.StringIO(), create=True):
        transformation = getattr(transformations, made[kind])()
    if kind == "homoglyphs":
        transformation.homos_intentional = {plain: [like] for plain, like in LOOK_ALIKES.items()}
    return Attack(UntargetedClassification(victim), [], transformation,
                  DifferentialEvolution(population, generations, max_perturbs=max_changes))


def _a2t(victim: TextAttackPart, alike: Alike, *, max_candidates: int, min_word_similarity: float,
         min_text_similarity: float, max_share: float, least_words: int, same_part_of_speech: bool) -> TextAttackPart:
    """A2TYoo2021, with our neighbours (their lowest cosine included), part of speech and encoder."""
    from textattack.constraints.pre_transformation import MaxModificationRate, RepeatModification
    from textattack.search_methods import GreedyWordSwapWIR

    constraints = [RepeatModification(), MaxModificationRate(max_share, least_words),
                   *([make_part_of_speech_constraint(exact=True)] if same_part_of_speech else []),
                   make_sentence_constraint(alike, min_text_similarity)]
    return _build_plain(victim, constraints, make_neighbour_swap(max_candidates, min_word_similarity),
                        GreedyWordSwapWIR(wir_method="gradient"))


def _hotflip(victim: TextAttackPart, alike: Alike, *, beam: int, max_words: int, max_candidates: int,
             min_word_similarity: float) -> TextAttackPart:
    """HotFlipEbrahimi2017 among our neighbours of the same part of speech."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import BeamSearch

    return _build_plain(victim, [RepeatModification(), MaxWordsPerturbed(max_num_words=max_words)],
                        make_gradient_swap(victim, max_candidates, min_word_similarity, beam), BeamSearch(beam))


def _faster_alzantot(victim: TextAttackPart, alike: Alike, *, population: int, generations: int, temperature: float,
                     max_candidates: int, min_word_similarity: float, max_share: float, max_drop: float, window: int,
                     masked_model: str) -> TextAttackPart:
    """FasterGeneticAlgorithmJia2019 with our neighbours and language model; children keep to the limit on words."""
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.pre_transformation import RepeatModification
    from textattack.search_methods import AlzantotGeneticAlgorithm

    return _build_plain(victim, [RepeatModification(), MaxWordsPerturbed(max_percent=max_share)],
                        make_close_swap(max_candidates, min_word_similarity, max_drop, window, masked_model),
                        AlzantotGeneticAlgorithm(population, generations, temperature, post_crossover_check=False))


RECIPES: dict[str, Callable[..., TextAttackPart]] = {
    "textfooler": _textfooler, "pwws": _pwws, "gene": _gene, "iga": _iga, "pso": _pso, "bae": _bae, "clare": _clare,
    "textbugger": _textbugger, "bert-attack": _bert_attack, "checklist": _checklist, "deepwordbug": _deepwordbug,
    "pruthi": _pruthi, "input-reduction": _input_reduction, "bad-characters": _bad_characters,
    "a2t": _a2t, "hotflip": _hotflip, "faster-alzantot": _faster_alzantot,
}
