import math

import pytest
import torch

from cbedgan.boundary.path import bracket, grid, narrow, profile, steps_needed

K = 9
TOLERANCE = 2.0**-15


def crossing(margin, tolerance=TOLERANCE):
    t = grid(K)
    start = bracket(t, margin(t))
    return narrow(margin, start, width=1 / (K - 1), tolerance=tolerance)


def test_linear_generator_and_classifier_cross_at_one_half():
    """G(z, e) = A z + B e and C linear: the margin on the class path is linear in t, with its zero known exactly."""
    weight = torch.tensor([[2.0, -1.0], [-2.0, 1.0]], dtype=torch.float64)  # logits = weight @ x
    ends = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)  # x of class a, x of class b
    def margin(t):
        x = (1 - t)[..., None] * ends[0] + t[..., None] * ends[1]
        logits = x @ weight.T
        return logits[..., 0] - logits[..., 1]
    t, m = crossing(margin).nearest()
    assert t.tolist() == [0.5] and m.tolist() == [0.0]


def test_linear_margin_off_the_grid_is_found_by_the_secant():
    zero = torch.tensor([0.1, 0.3, 0.777], dtype=torch.float64)
    t, _ = crossing(lambda t: zero - t).nearest()
    assert torch.allclose(t, zero, atol=TOLERANCE)


def hard_margins(n=500):
    """Margins of many shapes with a zero at a random place: flat, steep, stepped, skewed; decreasing in t."""
    generator = torch.Generator().manual_seed(0)
    zero = torch.rand(n, generator=generator, dtype=torch.float64)
    power = torch.randint(0, 9, (n,), generator=generator) * 2 + 1
    scale = 10 ** torch.empty(n, dtype=torch.float64).uniform_(-3, 6, generator=generator)
    stepped = torch.arange(n) % 5 == 0
    def margin(t):
        distance = zero - t
        smooth = torch.sign(distance) * distance.abs() ** power + 0.3 * distance.abs() ** 5 * torch.sign(distance)
        return scale * torch.where(stepped, torch.where(distance >= 0, 1.0, -1e-6), smooth)
    return zero, margin


def test_the_bracket_is_narrow_after_at_most_one_step_more_than_bisection():
    zero, margin = hard_margins()
    evaluations = 0
    def counted(t):
        nonlocal evaluations
        evaluations += 1
        return margin(t)
    start = bracket(grid(K), margin(grid(K)))
    end = narrow(counted, start, width=1 / (K - 1), tolerance=TOLERANCE)
    assert evaluations == steps_needed(1 / (K - 1), TOLERANCE) == 11 + 1
    assert torch.all(end.upper - end.lower <= 2 * TOLERANCE + 1e-12)
    assert torch.all((end.lower <= zero) & (zero <= end.upper))


def test_smooth_margins_beat_bisection():
    zero = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    t, m = crossing(lambda t: torch.tanh(3 * (zero - t)) + 0.2 * (zero - t)).nearest()
    assert (t - zero).abs().median() < 1e-3 * TOLERANCE


def test_each_path_is_as_if_alone():
    zero, margin = hard_margins(40)
    together, _ = crossing(margin).nearest()
    for path in range(40):
        alone, _ = crossing(lambda t, path=path: margin(t.expand(*t.shape[:-1], 40))[..., path:path + 1]).nearest()
        assert alone.item() == together[path].item()


@pytest.mark.parametrize("value", [1.0, -1.0, math.nan])
def test_ends_on_one_side_have_no_crossing(value):
    end = crossing(lambda t: torch.full((*t.shape[:-1], 3), value, dtype=torch.float64))
    t, m = end.nearest()
    assert torch.isnan(t).all() and torch.isnan(m).all()


def test_first_of_several_crossings_is_taken_whichever_way_it_goes():
    end = crossing(lambda t: (t - 0.2) * (t - 0.6) * (t - 0.9)).nearest()[0]
    assert end.item() == pytest.approx(0.2, abs=2 * TOLERANCE)


def test_profile_counts_crossings_thickness_and_intrusion():
    a, b, third = 0, 1, 2
    tops = [a, a, third, b, a, b, b, b]
    logits = torch.full((8, 1, 3), 0.0)
    for point, top in enumerate(tops):
        logits[point, 0, top] = 10.0
    logits[4, 0] = torch.tensor([3.0, 2.9, -10.0])  # the only point where both a and b are plausible
    seen = profile(logits, torch.tensor([a]), torch.tensor([b]), torch.tensor([4.0]), plausible=0.1)
    assert seen.crossings.tolist() == [3] and seen.thickness.tolist() == [4.0 / 8]
    assert seen.intrusion.tolist() == [1 / 8] and seen.rival.tolist() == [third]


@pytest.mark.parametrize("tops, rival", [([0, 0, 1, 2], 1), ([0, 0, 0, 0], -1), ([2, 0, 1, 1], -1)])
def test_the_rival_is_who_takes_over_first(tops, rival):
    logits = torch.nn.functional.one_hot(torch.tensor(tops), 3).double()[:, None]
    seen = profile(logits, torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0]), plausible=0.1)
    assert seen.rival.tolist() == [rival]
