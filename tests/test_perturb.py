"""The perturbation kernel: uphill, inside the ball, nowhere else, and without a trace in the parameters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from robust_core.models.networks.base import measure_mean_norm
from robust_core.perturb import Ascent, SameDropout, climb, compute_slope, descend, measure_length

torch.set_num_threads(1)
NORMS = st.sampled_from(["l2", "linf"])
SCOPES = st.sampled_from(["sentence", "token"])
SIZES = st.floats(0.001, 3.0)


def world(seed: int, n: int = 3, t: int = 5, d: int = 4) -> tuple[nn.Module, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A small smooth network over rows, with rows, where they may move (ragged), and labels."""
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(d, 8), nn.Tanh(), nn.Linear(8, 3))
    for p in net.parameters():
        p.data = torch.randn(p.shape, generator=generator) * 0.5
    rows = torch.randn(n, t, d, generator=generator)
    tokens = torch.randint(1, t + 1, (n,), generator=generator)
    where = torch.arange(t) < tokens[:, None]
    return net, rows, where, torch.randint(0, 3, (n,), generator=generator)


def losses(net: nn.Module, rows: torch.Tensor, where: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The (n,) losses of the mean over real tokens."""
    mean = (rows * where.unsqueeze(-1)).sum(1) / where.sum(1, keepdim=True)
    return nn.functional.cross_entropy(net(mean), labels, reduction="none")


def slow_length(x: np.ndarray, norm: str) -> float:
    """Length of one array, number by number."""
    flat = [abs(float(v)) for v in x.flatten()]
    return sum(v * v for v in flat) ** 0.5 if norm == "l2" else max(flat)


@given(st.integers(0, 10_000), NORMS, SCOPES)
@settings(max_examples=30, deadline=None)
def test_a_small_step_raises_every_texts_loss(seed, norm, scope):
    net, rows, where, labels = world(seed)
    ascent = Ascent(0.01, norm=norm, scope=scope)
    before = losses(net, rows, where, labels)
    delta = climb(lambda d: losses(net, rows + d, where, labels).sum(), torch.zeros_like(rows), where, ascent, 1)
    assert (losses(net, rows + delta, where, labels) > before - 1e-6).all()
    assert losses(net, rows + delta, where, labels).sum() > before.sum()


@given(st.integers(0, 10_000), NORMS, SCOPES, st.booleans(), SIZES, SIZES, st.floats(0, 3))
@settings(max_examples=60, deadline=None)
def test_perturbations_stay_in_their_ball_and_off_the_pads(seed, norm, scope, sign, step, radius, start):
    net, rows, where, labels = world(seed)
    ascent = Ascent(step, radius, start, norm, scope, sign)
    delta = ascent.begin(where, rows.shape[2], torch.Generator().manual_seed(seed))
    for steps in (0, 1, 4):
        moved = climb(lambda d: losses(net, rows + d, where, labels).sum(), delta, where, ascent, steps).numpy()
        assert not moved[~where.numpy()].any(), "pads move"
        for text in moved:
            for part in [text] if scope == "sentence" else text:
                assert slow_length(part, norm) <= radius * (1 + 1e-5)
    assert not any(p.grad is not None for p in net.parameters()), "a gradient leaked"


@given(st.integers(0, 10_000), NORMS, SIZES)
@settings(max_examples=30, deadline=None)
def test_a_step_is_as_long_as_asked_for_each_text(seed, norm, step):
    net, rows, where, labels = world(seed)
    delta = climb(lambda d: losses(net, rows + d, where, labels).sum(), torch.zeros_like(rows), where,
                  Ascent(step, norm=norm), 1)
    assert [slow_length(d, norm) for d in delta.numpy()] == pytest.approx([step] * len(rows), rel=1e-4)


@given(st.integers(0, 10_000), NORMS, st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_text_goes_the_same_way_alone_and_in_company(seed, norm, sign):
    net, rows, where, labels = world(seed, n=8)
    ascent = Ascent(0.3, 0.5, norm=norm, sign=sign)

    def run(chosen: slice) -> torch.Tensor:
        return climb(lambda d: losses(net, rows[chosen] + d, where[chosen], labels[chosen]).sum(),
                     torch.zeros_like(rows[chosen]), where[chosen], ascent, 3)

    together = run(slice(None))
    for i in range(8):
        assert torch.allclose(run(slice(i, i + 1))[0], together[i], atol=1e-5)


@given(st.integers(0, 10_000), NORMS, st.floats(0.01, 2.0), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_random_starts_repeat_and_have_the_size_they_should(seed, norm, start, tokens):
    where = torch.arange(48)[None] < torch.tensor([[tokens]])
    ascent = Ascent(0.1, start=start, norm=norm)
    delta = ascent.begin(where, 300, torch.Generator().manual_seed(seed))
    assert torch.equal(delta, ascent.begin(where, 300, torch.Generator().manual_seed(seed)))
    assert not torch.equal(delta, ascent.begin(where, 300, torch.Generator().manual_seed(seed + 1)))
    bound = start if norm == "linf" else start / (tokens * 300) ** 0.5
    assert bound * 0.9 < delta.abs().max() <= bound and not delta[~where].any()
    if norm == "l2":
        assert measure_length(delta).item() == pytest.approx(start / 3 ** 0.5, rel=0.15)


def test_signs_and_scaled_gradients_are_what_they_say():
    where = torch.tensor([[True, True, False]])
    slope = torch.tensor([[[3.0, -4.0], [0.0, 0.0], [9.0, 9.0]]])
    zero = torch.zeros_like(slope)
    assert Ascent(0.5).climbed(zero, slope, where).tolist() == [[[pytest.approx(0.3), pytest.approx(-0.4)],
                                                                 [0.0, 0.0], [0.0, 0.0]]]
    assert Ascent(0.5, norm="linf").climbed(zero, slope, where)[0, 0].tolist() == [0.375, -0.5]
    assert Ascent(0.5, norm="linf", sign=True).climbed(zero, slope, where)[0].tolist() == [[0.5, -0.5], [0, 0], [0, 0]]
    assert not Ascent(0.5).climbed(zero, zero, where).any(), "without a slope nothing moves"


def test_projection_leaves_what_lies_inside():
    inside = torch.tensor([[[0.3, 0.4]], [[3.0, 4.0]]])
    held = Ascent(0.1, radius=1.0).held(inside)
    assert torch.equal(held[0], inside[0]) and held[1, 0].tolist() == pytest.approx([0.6, 0.8])
    assert Ascent(0.1, radius=1.0, norm="linf").held(inside)[1, 0].tolist() == [1.0, 1.0]
    assert Ascent(0.1).held(inside) is inside, "radius 0 sets no limit"


def test_descend_leaves_parameter_gradients_and_returns_that_of_the_perturbation():
    net, rows, where, labels = world(3)
    delta = torch.zeros_like(rows, requires_grad=True)
    wanted = torch.autograd.grad(losses(net, rows + delta, where, labels).sum(), [delta, *net.parameters()])
    for times in (1, 2):
        delta = torch.zeros_like(rows, requires_grad=True)
        slope = descend(losses(net, rows + delta, where, labels).sum(), list(net.parameters()), delta)
        assert torch.equal(slope, wanted[0])
        assert all(torch.equal(p.grad, times * g) for p, g in zip(net.parameters(), wanted[1:], strict=True))
    assert descend(losses(net, rows, where, labels).sum(), list(net.parameters())) is None


def test_a_loss_that_ignores_the_perturbation_has_no_slope():
    net, rows, where, labels = world(4)
    delta = torch.zeros_like(rows, requires_grad=True)
    assert not compute_slope(losses(net, rows, where, labels).sum(), delta).any()
    assert all(p.grad is None for p in net.parameters())


def test_passes_share_their_dropout_masks_and_count_as_one():
    drop = nn.Dropout(0.5)
    ones = torch.ones(400)
    torch.manual_seed(1)
    first, after_one = drop(ones), torch.rand(1)
    torch.manual_seed(1)
    dropout, seen = SameDropout(torch.device("cpu")), []
    for _ in range(3):
        with dropout():
            seen.append(drop(ones))
    assert all(torch.equal(one, first) for one in seen)
    assert torch.equal(torch.rand(1), after_one)


def test_the_unit_leaves_out_the_pad():
    table = torch.tensor([[100.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    assert measure_mean_norm(table) == 3.0 and measure_mean_norm(table[[1, 0, 2]], pad=1) == 3.0


def test_without_a_start_the_climb_begins_at_the_embeddings():
    where = torch.ones(2, 3, dtype=torch.bool)
    assert not Ascent(0.1).begin(where, 4, torch.Generator().manual_seed(0)).any()
