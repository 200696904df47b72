import numpy as np
import pytest
import torch

from classifier.pattern.disk_distances import DISK_RADIUS, disk_distances, shared_distances


def pattern(*centres: tuple[float, float], size: int = 64, g: float = 16.0) -> np.ndarray:
    """Disks of a canonical pattern at +-centres, in |g1|, and at the middle; float32 [size, size]."""
    side = (np.arange(size) - size / 2 + 0.5) / g
    drawn = np.full((size, size), 1e-9)
    for x, y in ((0.0, 0.0), *centres, *((-x, -y) for x, y in centres)):
        drawn += 1e-3 * (np.hypot(side - x, side[:, None] - y) <= DISK_RADIUS)
    return drawn.astype(np.float32)


def found(stack: list[np.ndarray], shortest_g: list[float]) -> torch.Tensor:
    disks = disk_distances(torch.from_numpy(np.stack(stack))[None], shortest_g_pixels=16.0)
    return shared_distances(disks, torch.tensor([shortest_g]))[0]


def test_disks_stand_where_they_were_drawn() -> None:
    disks = disk_distances(torch.from_numpy(np.stack([pattern((1, 0), (0.3, 1.3))] * 3))[None], shortest_g_pixels=16.0)
    clear = disks.clearness[0, 0] > 0.5
    assert sorted(disks.distance[0, 0][clear].tolist()) == pytest.approx([1, np.hypot(0.3, 1.3)], abs=0.02)


def test_two_sections_of_one_lattice_share_a_row() -> None:
    # |g| 0.5 and 0.65 per angstrom; 0.65 and 0.8; 0.5 and 0.8: each two share one. Each |g1| is the shorter one.
    stack = [pattern((1, 0), (0, 1.3)), pattern((1, 0), (0, 0.8 / 0.65)), pattern((1, 0), (0, 1.6))]
    shared = found(stack, [0.5, 0.65, 0.5])
    assert (shared[:, 2] > 0.3).all()
    # The third one in another scale: it shares nothing with the others, which still fit.
    other = found(stack, [0.5, 0.65, 0.57])
    assert other[0, 2] > 0.3 and (other[1:, 2] < -0.9).all() and (other[1:, 3] > shared[1:, 3] + 0.5).all()


def test_a_half_turn_changes_nothing_and_darkness_has_no_disks() -> None:
    stack = torch.from_numpy(np.random.default_rng(0).gamma(1, 1e-4, (2, 3, 64, 64)).astype(np.float32))
    both = [disk_distances(x, shortest_g_pixels=16.0) for x in (stack, stack.flip(-1, -2))]
    assert torch.allclose(both[0].clearness, both[1].clearness, atol=1e-3)
    dark = disk_distances(torch.zeros(1, 3, 64, 64), shortest_g_pixels=16.0)
    assert (dark.clearness == 0).all() and torch.isfinite(shared_distances(dark, torch.ones(1, 3))).all()
