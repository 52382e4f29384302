"""What a model cares about in all texts, measured once by a job and kept."""

import collections
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from robust_core import datasets, owners
from robust_core.attacks import ATTACKS
from robust_core.evaluation import checks, provenance
from robust_core.evaluation.evaluate import evaluate
from robust_core.events import Event
from robust_core.explainers import EXPLAINERS, word_importance
from robust_core.explainers.base import Explainer
from robust_core.registry import from_record, to_record
from robust_core.runs import fingerprint_model
from robust_core.store import ResultStore
from robust_core.types import Attribution, Example
from ui.session import selection
from ui.shared import catalogue, example_run, loaded
from ui.slices import state as slices
from ui.widgets import dataset_job

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

Key = tuple[str | int, ...]
_MOST_KEPT = 100


class Words(NamedTuple):
    """What is known of a model's words.

    Attributes:
        values: Importance of each word.
        masks: Whether these are learnt masks; otherwise mean absolute attributions.
        frequency: How often each word stands in the texts.
        substituted: How often stored attacks on the model changed it.
        attacked: Stored results behind that.
        gaps: Importance gap between words and their synonyms.
        attack_warnings: What `evaluation.checks` find about the stored attacks.
        importance_warnings: What they find about the attributions behind `values`.
    """

    values: Mapping[str, float]
    masks: bool
    frequency: Mapping[str, int]
    substituted: Mapping[str, int]
    attacked: int
    gaps: list[float]
    attack_warnings: Sequence[str] = ()
    importance_warnings: Sequence[str] = ()


@st.cache_resource(show_spinner=False)
def _get_kept() -> collections.OrderedDict[Key, Words]:
    return collections.OrderedDict()


def _keep(key: Key, words: Words) -> None:
    kept = _get_kept()
    kept[key] = words
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)


def make_key(model_id: str, dataset: str, n: int) -> Key:
    """Return what the importances of a model depend on."""
    chosen = selection.read_selection()
    # The same name may be another data set to another person.
    return (owners.find_person(), model_id, catalogue.fingerprint_model(model_id), dataset, n, chosen.seed,
            chosen.device, json.dumps(to_record(chosen.explainer), sort_keys=True),
            json.dumps([to_record(a) for a in chosen.attacks]))


def find_known(model_id: str, dataset: str, n: int) -> Words | None:
    """Return what was worked out before."""
    return _get_kept().get(make_key(model_id, dataset, n))


def find_example(model_id: str) -> tuple[Words, int] | None:
    """Return what the app's example run says of a model's words, and of how many texts; None for any other model.

    Worked out at the first look, once for the process.
    """
    store, chosen = example_run.open_example(), selection.read_selection()
    run = next((run_id for run_id, run in store.runs().items() if model_id in run.models and example_run.is_here(run)),
               None)
    if run is None:
        return None
    examples = [result.example for result in store.each(run)]
    key = (run, json.dumps(to_record(chosen.explainer), sort_keys=True))
    if key not in _get_kept():
        model = loaded.wait_for_model(model_id, chosen.device)
        for item in _measure_words(model, chosen.explainer, examples, store, threading.Event()):
            if isinstance(item, Words):
                _keep(key, item)
    return _get_kept()[key], len(examples)


def draw_examples(texts: str | datasets.LabelledTexts, n: int, seed: int) -> Sequence[Example]:
    """Return the texts that are measured.

    Args:
        texts: Name of a data set, whose test split is meant, or a slice's texts.
        n: How many are drawn.
        seed: Seed of the draw.
    """
    everything = datasets.load(texts, "test") if isinstance(texts, str) else texts.examples
    return datasets.choose(everything, n, seed)


def make_job(models: Sequence[str], dataset: str, n: int) -> dataset_job.Work:
    """Return a job that attacks the texts with the sidebar's attacks and measures the words of each model."""
    chosen = selection.read_selection()
    keys = {model_id: make_key(model_id, dataset, n) for model_id in models}
    attacks = [to_record(attack) for attack in chosen.attacks]
    explainer = to_record(chosen.explainer)

    def work(stop: threading.Event) -> Iterator[Event | str]:
        store, texts = loaded.open_store(), slices.read_texts(dataset)
        examples = draw_examples(texts, n, chosen.seed)
        victims = [loaded.get_models().ask(m, catalogue.fingerprint_model(m), chosen.device).result() for m in models]
        methods = [from_record(ATTACKS, record) for record in attacks]
        if methods:
            yield from dataset_job.keep_progress(
                evaluate(victims, texts, "test", methods, n=n, seed=chosen.seed, store=store, stop=stop))
        for model in victims:
            if stop.is_set():
                return
            for item in _measure_words(model, from_record(EXPLAINERS, explainer), examples, store, stop):
                if isinstance(item, Words):
                    _keep(keys[model.id], item)
                else:
                    yield item

    return work


def _measure_words(model: "TextClassifier", explainer: Explainer, examples: Sequence[Example], store: ResultStore,
                   stop: threading.Event) -> Iterator[Event | Words]:
    """Yield progress, then what is known of the model's words."""
    frequency = word_importance.count_words(examples)
    masks, values = word_importance.has_masks(model), {}
    marks: list[Attribution] = []
    if masks:
        values = word_importance.read_masks(model, sorted(frequency))
    else:
        for item in word_importance.average_attributions(model, explainer, examples, stop, marks):
            if isinstance(item, dict):
                values = item
            else:
                yield item
    if stop.is_set():
        return

    def of(words: list[str]) -> Mapping[str, float]:
        return word_importance.read_masks(model, words) if masks else {w: values[w] for w in words if w in values}

    fingerprint = fingerprint_model(model)
    # Results of an earlier engine or of other tables are no count of what these attacks do.
    runs = [list(store.each(run_id)) for run_id, run in store.runs().items()
            if run.models == {model.id: fingerprint} and provenance.is_current(run)]
    results = [result for run in runs for result in run]
    yield Words(values, masks, frequency, word_importance.count_substitutions(results), len(results),
                word_importance.measure_synonym_gaps(of, frequency),
                [warning for run in runs for warning in checks.list_warnings(run)], checks.list_warnings((), marks))
