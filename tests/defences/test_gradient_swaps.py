"""Training with swaps that the gradient chooses: slow twin of the choice, what a swapped text may hold, limits."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers.models import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from robust_core.defences import DEFENCES
from robust_core.defences.gradient_swaps import Place, SwapTable, choose_swaps
from robust_core.errors import BadInput
from robust_core.models.networks.base import Network
from robust_core.models.tokens import WordVocabulary
from robust_core.resources.swap_sets import SwapSet, read_swap_set
from robust_core.splits import load_training_texts
from robust_core.text import Draft
from robust_core.train import start
from robust_core.train.batches import make_batch
from robust_core.train.recipe import make_recipe
from robust_core.train.setup import Randomness, Row, Setup
from robust_core.train.training import train
from robust_core.trainings import parse_spec
from robust_core.types import Example

torch.set_num_threads(1)
CPU = torch.device("cpu")
LABELS = ("negative", "positive")
WORDS = ("good", "fine", "great", "bad", "poor", "film", "movie", "well-made")
SWAPS = {"good": ("fine", "great", "well-made"), "bad": ("poor",), "film": ("movie",), "well-made": ("good", "fine")}


class Sum(Network):
    """Scores that are linear in the embeddings, so that first-order gains are exact."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, width)
        self.out = nn.Linear(width, 2)

    def forward(self, embeddings, mask):
        return self.out((embeddings * mask.unsqueeze(-1)).sum(1))


def draw(texts, seed=0):
    """A training of these texts on a linear network, with its table of swaps."""
    tokens = WordVocabulary((*WORDS, "well", "made", "-", "a"), 20)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Sum(len(tokens), 5)
    coded = [tokens.encode(text) for text in texts]
    rows = [Row(c.ids, i % 2, i, c.owner) for i, c in enumerate(coded)]
    examples = [Example(text, i % 2, str(i)) for i, text in enumerate(texts)]
    setup = Setup(network, tokens, make_recipe("cnn", "sst2", mixed=False), CPU, "sst2", "cnn", LABELS, examples, rows,
                  Randomness(seed, CPU))
    return setup, SwapTable(setup, SwapSet("mine", "", lambda word: SWAPS.get(word, ())))


def list_options(table, place):
    """The forms that may stand in a place, its own first."""
    return table.options[table.starts[place.word]: table.starts[place.word + 1]].tolist()


def list_gains(setup, table, row, slope):
    """The slow twin: {(place, form): gain} of one text, each swap by itself."""
    embeddings = setup.network.embedding.weight.detach()
    mean = [embeddings[list(form)].mean(0) for form in table.forms]
    found = {}
    for place in table.places[row]:
        options = list_options(table, place)
        for form in options[1:]:
            gradient = slope[place.start: place.end].sum(0)
            found[place, form] = float((mean[form] - mean[options[0]]) @ gradient)
    return found


texts_of_words = st.lists(st.lists(st.sampled_from((*WORDS, "a")), min_size=1, max_size=7).map(" ".join),
                          min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(texts_of_words, st.integers(0, 20), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_the_swaps_are_those_of_the_slow_twin(texts, seed, share):
    setup, table = draw(texts, seed)
    batch = make_batch(setup.rows, setup.tokens, CPU)
    slope = torch.from_numpy(np.random.default_rng(seed).normal(size=(*batch.ids.shape, 5)).astype(np.float32))
    chosen = choose_swaps(table, setup.network.embedding.weight.detach(), slope, table.places, share)
    for row, swaps in enumerate(chosen):
        gains = list_gains(setup, table, row, slope[row])
        best = sorted((max((gain, form) for (where, form), gain in gains.items() if where == place) + (place,)
                       for place in table.places[row]), key=lambda one: -one[0])
        most = max(round(share * len(table.places[row])), 1)
        wanted = {place: gain for gain, _, place in best[:most] if gain > 0}
        assert swaps.keys() == wanted.keys()
        for place, form in swaps.items():
            assert gains[place, form] == pytest.approx(wanted[place], abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(texts_of_words, st.integers(0, 20))
def test_on_a_linear_network_a_swapped_text_is_never_easier_and_holds_allowed_words(texts, seed):
    texts = [text.replace("well-made", "good") for text in texts]
    setup, _ = draw(texts, seed)
    objective = DEFENCES["gradient-swaps"](share=1.0).objective(setup)
    objective._table = SwapTable(setup, SwapSet("mine", "", lambda word: tuple(
        other for other in SWAPS.get(word, ()) if other != "well-made")))
    batch = make_batch(setup.rows, setup.tokens, CPU)
    terms = objective.gradients(batch)
    assert float(terms["adversarial"]) >= float(terms["clean"]) - 1e-5
    assert float(terms["loss"]) == pytest.approx(0.5 * float(terms["clean"]) + 0.5 * float(terms["adversarial"]))
    delta = torch.zeros(*batch.ids.shape, 5, requires_grad=True)
    slope, = torch.autograd.grad(objective._measure(batch, delta), delta)
    swapped = objective._swap(batch, slope)
    for text, before, after in zip(texts, batch.ids.tolist(), swapped.ids.tolist(), strict=True):
        for word, old, new in zip(Draft.of(text).words, before, after, strict=False):
            allowed = {word, *SWAPS.get(word, ())}
            assert new == old or setup.tokens.decode([new]) in allowed


def test_words_of_several_pieces_make_a_text_longer_and_shorter():
    setup, table = draw(["a good film", "a well-made film"])
    assert [len(form) for form in table.forms if len(form) > 1] == [len(setup.tokens.unit_ids("well-made"))]
    longer = next(place for place in table.places[0] if place.start == 1)
    objective = DEFENCES["gradient-swaps"]().objective(setup)
    objective._table = table
    # With a coordinate for each piece, a slope along those of one form makes that one the best.
    setup.network.embedding = nn.Embedding.from_pretrained(torch.eye(len(setup.tokens)))
    batch = make_batch(setup.rows, setup.tokens, CPU)
    for row, place, wanted in ((0, longer, "well-made"), (1, table.places[1][0], "good")):
        form = list(setup.tokens.unit_ids(wanted))
        slope = torch.zeros(*batch.ids.shape, len(setup.tokens))
        slope[row, place.start: place.end] = torch.eye(len(setup.tokens))[form].sum(0)
        swapped = objective._swap(batch, slope)
        text = swapped.ids[row][swapped.mask[row]].tolist()
        assert text == [*setup.rows[row].ids[:place.start], *form, *setup.rows[row].ids[place.end:]]
    # What no longer fits is cut off, as it is from any text.
    setup.tokens = dataclasses.replace(setup.tokens, length=3)
    slope = torch.zeros(*batch.ids.shape, len(setup.tokens))
    slope[0, longer.start: longer.end] = torch.eye(len(setup.tokens))[list(setup.tokens.unit_ids("well-made"))].sum(0)
    cut = objective._swap(batch, slope)
    assert cut.ids[0][cut.mask[0]].tolist() == [setup.rows[0].ids[0], *setup.tokens.unit_ids("well-made")]


def test_without_weight_it_is_plain_training_bit_for_bit(tmp_path):
    data = str(tiny_data(tmp_path))
    found = {}
    for name, values in (("base", {}), ("gradient-swaps", {"weight": 0.0}), ("swapped", {"weight": 0.7})):
        defence = DEFENCES["base" if name == "base" else "gradient-swaps"](**values)
        # Without dropout, of which a second pass takes its own draws.
        recipe = make_recipe("cnn", "sst2", 40, epochs=1, length=12, dropout=0.0, embedding_dropout=0.0)
        events = list(train(defence, "sst2", "cnn", recipe, device="cpu", data_dir=data))
        found[name] = events[-1]["trained"].network.state_dict()
    same = {name: all(torch.equal(one, found["base"][key]) for key, one in weights.items())
            for name, weights in found.items()}
    assert same == {"base": True, "gradient-swaps": True, "swapped": False}


def test_places_of_a_transformer_are_whole_words(tmp_path):
    texts = load_training_texts("sst2", str(tiny_data(tmp_path)))
    examples = texts.splits["train"]
    recipe = make_recipe("minilm", "sst2", 40, length=12)
    defence = DEFENCES["gradient-swaps"](swaps="close")
    begun = start.start_network(defence, "sst2", "minilm", recipe, LABELS, texts, 0)
    coded = [begun.tokens.encode(e.text) for e in examples]
    rows = [Row(c.ids, e.label, i, c.owner) for i, (c, e) in enumerate(zip(coded, examples, strict=True))]
    setup = Setup(begun.network, begun.tokens, recipe, CPU, "sst2", "minilm", LABELS, examples, rows,
                  Randomness(0, CPU))
    table, find = SwapTable(setup, read_swap_set("close")), read_swap_set("close").find
    assert any(table.places)
    for row, example, places in zip(rows, examples, table.places, strict=True):
        words = Draft.of(example.text).words
        for place in places:
            assert isinstance(place, Place)
            word = words[row.owner[place.start]]
            assert row.ids[place.start: place.end] == tuple(begun.tokens.unit_ids(word))
            forms = {table.forms[form] for form in list_options(table, place)}
            wanted = {tuple(begun.tokens.unit_ids(other)) for other in (word, *find(word))}
            assert forms == wanted


def test_swaps_come_from_a_file_as_well(tmp_path):
    data = str(tiny_data(tmp_path))
    path = tmp_path / "mine.json"
    path.write_text('{"film": ["movie"], "good": ["bad"]}')
    spec = parse_spec({"dataset": "sst2", "architecture": "cnn", "defence": "gradient-swaps",
                       "set": {"swap_file": str(path)}})
    assert spec.defence.swaps == "file"
    recipe = make_recipe("cnn", "sst2", 40, epochs=1, length=12, swap_file=str(path))
    model = list(train(spec.defence, "sst2", "cnn", recipe, device="cpu", data_dir=data))[-1]["trained"]
    assert model.card.data["swaps"] == {"file": "mine.json", "sha256": read_swap_set(str(path)).sha256}
    with pytest.raises(BadInput, match="needs a file"):
        list(train(spec.defence, "sst2", "cnn", make_recipe("cnn", "sst2", 40), device="cpu", data_dir=data))
