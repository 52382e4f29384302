"""The table of retrofitted word vectors, and the models on it."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sparse
from hypothesis import given
from hypothesis import strategies as st

from robust_core.resources.build.retrofitted import list_links, retrofit
from robust_core.resources.neighbour_table import neighbours
from robust_core.resources.retrofitted import hash_retrofitted, retrofitted_vectors
from robust_core.resources.wordnet import synonyms
from robust_core.text import split_word


@given(st.integers(2, 9), st.floats(0.1, 5), st.integers(0, 1000))
def test_jacobi_steps_solve_the_linear_system(n, weight, seed):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < 0.4, 1).astype(float)
    links, vectors = upper + upper.T, rng.normal(size=(n, 3))
    degree = links.sum(1)
    # The slow twin: (I + w (I - D^-1 A)) X = E, where a word without neighbours keeps its vector.
    system = np.eye(n)
    for i in np.flatnonzero(degree):
        system[i] += weight * (np.eye(n)[i] - links[i] / degree[i])
    wanted = np.linalg.solve(system, vectors)
    found = retrofit(vectors, sparse.csr_matrix(links), weight, steps=400)
    assert np.allclose(found, wanted, atol=1e-5)


def test_links_are_the_same_both_ways_and_within_the_words():
    words = ["dull", "boring", "tedious", "film", "movie", "qwzx"]
    links = list_links(words).toarray()
    assert (links == links.T).all() and not links.diagonal().any() and set(np.unique(links)) <= {0.0, 1.0}
    assert links[0, 1] or links[0, 2]
    assert not links[5].any()


def test_the_packed_table_has_a_row_for_each_word_that_attacks_bring():
    table = retrofitted_vectors()
    known = set(table.words)
    assert len(known) == len(table.words) == len(table.vectors) and list(table.words) == sorted(table.words)
    assert np.isfinite(table.vectors).all() and abs(float(table.vectors.std()) - 0.5) < 0.01
    for word in ("dull", "clever", "masterpiece", "tragic", "acting"):
        for other in [*(name for name, _ in neighbours(word)), *synonyms(word)]:
            assert set(split_word(other)) <= known, other
    assert len(hash_retrofitted()) == 64


def test_a_word_lies_nearer_to_its_neighbours_than_to_others():
    table = retrofitted_vectors()
    number = {word: i for i, word in enumerate(table.words)}
    unit = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    asked = [word for word in ("dull", "clever", "terrible", "lovely", "slow", "smart") if neighbours(word)]
    near = [unit[number[w]] @ unit[number[o]] for w in asked for o, _ in neighbours(w)[:5] if o in number]
    far = [unit[number[w]] @ unit[i] for w in asked for i in rng.choice(len(unit), 50)]
    assert np.mean(near) > 0.6 > 0.3 > np.mean(far)


@pytest.mark.parametrize("architecture", ["cnn-retrofitted", "lstm-retrofitted"])
def test_a_model_on_the_table_is_stored_without_it_and_read_with_it(architecture, tmp_path):
    import torch

    from robust_core.errors import BadInput
    from robust_core.models import architectures, cards, loading
    from robust_core.train import saving

    network, tokens = architectures.build(
        architecture, {"length": 50, "dropout": 0.5, "embedding_dropout": 0.1}, ("bad", "good"),
        retrofitted_vectors().words)
    assert not network.embedding.weight.requires_grad
    card = cards.Card(
        id=f"sst2/{architecture}/base", dataset="sst2", architecture=architecture, defence={"name": "base"}, seed=0,
        labels=("bad", "good"), config={"network": {"length": 50, "dropout": 0.5, "embedding_dropout": 0.1}},
        recipe={}, dev_accuracy=0.5, epochs=1, seconds=1.0, device="cpu", parameters=1, bytes=0, files={},
        data={}, parent=hash_retrofitted(), version="0", folder=tmp_path)
    written = saving.save(saving.Trained(network.eval(), tokens, card, {}), tmp_path)
    assert list(written.files) == ["model.safetensors"]
    model = loading.load(str(written.folder), "cpu")
    assert torch.equal(model.net.embedding.weight, network.embedding.weight)
    text = "an exceedingly clever piece of cinema"
    coded = tokens.encode(text)
    with torch.no_grad():
        own = network.read(torch.tensor([coded.ids]), torch.ones(1, len(coded.ids), dtype=torch.bool))
    assert np.allclose(model.predict_proba([text])[0], own.softmax(1)[0].numpy(), atol=1e-2)
    other = dataclasses.replace(written, parent="0" * 64)
    cards.write_card(other, written.folder, iter([("model.safetensors",
                                                   (written.folder / "model.safetensors").read_bytes())]))
    with pytest.raises(BadInput, match="another table of word vectors"):
        loading.load(str(written.folder), "cpu")
