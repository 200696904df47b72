import math

import torch

from cbedgan.boundary.polish import polish


def ellipse(w):
    """Margin 1 - w A w with half axes 1 and 2: its nearest boundary point to the centre is (+-1, 0)."""
    return 1 - w[:, 0] ** 2 - w[:, 1] ** 2 / 4


def on_ellipse(angle):
    return torch.stack([torch.cos(angle), 2 * torch.sin(angle)], 1)


def test_a_plane_is_reached_at_its_foot_point():
    normal = torch.tensor([3.0, 4.0])
    origin = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    start = torch.tensor([[5.0 / 3, 0.0], [-1.0, 2.0]])  # both on the plane normal . w = 5
    w, m, gained = polish(lambda w: w @ normal - 5, start, origin, steps=5, eta=1.0, tolerance=1e-5)
    foot = origin + ((5 - origin @ normal) / 25)[:, None] * normal
    assert gained.all() and torch.allclose(w, foot, atol=1e-5) and m.abs().max() < 1e-5


def test_the_last_newton_step_brings_curved_boundaries_back_to_margin_zero():
    start = on_ellipse(torch.linspace(0.2, 1.2, 20))
    w, m, gained = polish(ellipse, start, torch.zeros(20, 2), steps=8, eta=0.5, tolerance=1e-3)
    assert gained.all() and m.abs().max() < 1e-4
    distance = w.norm(dim=1)
    assert torch.all(distance >= 1 - 1e-3) and distance.median() < 1.05 < start.norm(dim=1).median()


def test_rows_are_independent():
    start = on_ellipse(torch.tensor([0.3, 0.9, 1.3]))
    together = polish(ellipse, start, torch.zeros(3, 2), steps=3, eta=0.5, tolerance=1e-3)[0]
    for row in range(3):
        alone = polish(ellipse, start[row:row + 1], torch.zeros(1, 2), steps=3, eta=0.5, tolerance=1e-3)[0]
        assert torch.equal(alone[0], together[row])


def test_a_row_that_does_not_gain_keeps_its_start():
    slope = torch.tensor([math.nan, 1.0])
    start = torch.tensor([[0.0, 1.0], [0.0, -2.0]])
    w, m, gained = polish(lambda w: slope * w[:, 0], start, torch.tensor([[1.0, 0.0], [1.0, -1.0]]), steps=2, eta=0.5,
                          tolerance=1e-3)
    assert gained.tolist() == [False, True]
    assert torch.equal(w[0], start[0]) and m[1] == 0 and w[1].tolist() == [0.0, -1.25]


def test_a_flat_margin_moves_nothing_out_of_bounds():
    start = torch.tensor([[2.0, 0.0]])
    w, _, gained = polish(lambda w: 0 * w[:, 0] + 0.5, start, torch.zeros(1, 2), steps=3, eta=0.0, tolerance=1e-3)
    assert not gained.any() and torch.equal(w, start)


def test_a_step_that_is_no_number_is_not_taken():
    seen = []
    def margin(w):
        seen.append(w.detach().clone())
        return (w[:, 0] - 1).sqrt() - 1  # its slope at 1 is infinite, its value before 1 is no number
    start = torch.tensor([[1.0], [0.5], [2.5]])
    w, _, gained = polish(margin, start, torch.zeros(3, 1), steps=2, eta=0.5, tolerance=1e-3)
    assert all(visited.isfinite().all() for visited in seen)
    assert gained.tolist() == [False, False, True] and torch.equal(w[:2], start[:2])
