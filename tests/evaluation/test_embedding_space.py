"""Cosines of vectors of any length and number type."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from robust_core.evaluation.embedding_space import compute_cosines

rows = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6),
              elements=st.floats(-1e3, 1e3, width=32, allow_subnormal=False))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(rows)
def test_cosines_are_within_their_bounds(vectors):
    found = compute_cosines(vectors)
    assert found.shape == (len(vectors), len(vectors)) and np.abs(found).max() <= 1.0
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    for i in np.flatnonzero(norms > 1e-3):
        assert found[i, i] >= 1 - 1e-5
    assert np.allclose(found, found.T, atol=1e-6)


def test_a_row_of_zeros_has_cosine_zero():
    assert compute_cosines(np.array([[0.0, 0.0], [3.0, 4.0]])).tolist() == [[0.0, 0.0], [0.0, 1.0]]
