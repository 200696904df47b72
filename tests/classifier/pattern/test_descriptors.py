"""Descriptors of patterns whose profile, symmetry and disks are known, and what leaves them as they are."""

import numpy as np
import pytest

from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.pattern.descriptors import FAMILIES, DescriptorConfig, describe, descriptor_names
from classifier.pattern.geometry import Detector

SIZE = 32
CANONICAL = Detector(SIZE, 0.125, "shortest_g")  # 8 pixels to the shortest g
RAW = Detector(SIZE, 0.125, "1/angstrom")
SIDE = CANONICAL.coordinates()
X, Y = np.meshgrid(SIDE, SIDE)
RADIUS = np.hypot(X, Y)
CONFIG = {"floor": 1e-3, "rings": 4, "bands": 4, "orders": 6, "direct_disk_radius": 0.5, "pattern_order": "kept"}
KEPT = parse_config(CONFIG, DescriptorConfig, source="test")
FREE = parse_config({**CONFIG, "pattern_order": "free"}, DescriptorConfig, source="test")


def described(pattern: np.ndarray, detector: Detector = CANONICAL) -> dict[str, float]:
    """Descriptors by name of the first pattern of a stack of three equal patterns [SIZE, SIZE]."""
    values = describe(np.stack([pattern] * 3)[None].astype(np.float32), detector, KEPT)[0]
    names = descriptor_names(detector, KEPT)
    assert len(values) == len(names) == len(set(names))
    return {name.removesuffix(", of pattern 1"): float(value) for name, value in zip(names, values, strict=True)
            if name.endswith("pattern 1")}


def spots(*places: tuple[float, float, float]) -> np.ndarray:
    """Smooth spots at (x, y, height) in |g| on a faint background."""
    return 1e-3 + sum(height * np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 0.05) for x, y, height in places)


def noise(n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).gamma(2.0, 0.01, (n, 3, SIZE, SIZE)).astype(np.float32)


def test_four_equal_spots_have_a_two_and_fourfold_axis_and_no_threefold():
    found = described(spots((1, 0, 1), (-1, 0, 1), (0, 1, 1), (0, -1, 1)))
    for n in (2, 4):
        assert found[f"symmetry: {n}-fold residual of the pattern"] < 1e-9
    for n in (3, 6):
        assert found[f"symmetry: {n}-fold residual of the pattern"] > 0.5
    assert found["angular: amplitude of order 4 in band 2"] > 0.1
    assert found["angular: amplitude of order 2 in band 2"] < 1e-6


def test_profile_of_a_ring_is_high_in_that_ring_alone():
    found = described(np.where((RADIUS > 0.5) & (RADIUS < 1.0), np.e - 1, 0) * KEPT.floor)
    radial = [found[f"radial: ring {k}"] for k in range(1, 5)]
    assert radial[1] == pytest.approx(1, abs=0.1)  # log(1 + (e - 1))
    assert max(radial[0], radial[2], radial[3]) < 0.1 and radial[3] == 0
    assert found["direct: share of the intensity"] == 0


def test_cosines_are_signed_by_the_azimuth_against_g_and_amplitudes_are_not():
    along, across = described(spots((1, 0, 1), (-1, 0, 1))), described(spots((0, 1, 1), (0, -1, 1)))
    cosine, amplitude = "angular: cosine of order 2 in band 2", "angular: amplitude of order 2 in band 2"
    assert along[cosine] == pytest.approx(-across[cosine]) and along[cosine] > 0.1
    assert along[amplitude] == pytest.approx(across[amplitude])


def test_disks_at_plus_and_minus_g_tell_a_half_turn_from_a_mirror():
    half_turn, across = "dark: half turn of +g onto -g", "dark: mirror across g of +g onto -g"
    turned = described(spots((1, 0.2, 1), (-1, -0.2, 1)))
    assert turned[half_turn] < 1e-9 and turned[across] > 0.05
    mirrored = described(spots((1, 0.2, 1), (-1, 0.2, 1)))
    assert mirrored[across] < 1e-9 and mirrored[half_turn] > 0.05
    along = described(spots((1, 0.2, 1), (1, -0.2, 1), (-1, 0, 1)))
    assert along["dark: mirror along g of +g and -g"] < 1e-9 and along[half_turn] > 0.01


def test_residuals_of_the_direct_disk_see_nothing_outside():
    found = described(spots((0, 0, 1)) + np.where(RADIUS > 0.8, noise()[0, 0], 0))
    assert found["symmetry: 4-fold residual of the direct disk"] < 1e-4
    assert found["symmetry: 4-fold residual of the diffracted disks"] > 0.3


@pytest.mark.parametrize("axes", [(2,), (3,), (2, 3)])
def test_half_turn_and_mirrors_in_the_axes_change_nothing(axes):
    stacks = noise()
    np.testing.assert_allclose(describe(np.flip(stacks, axes).copy(), CANONICAL, KEPT),
                               describe(stacks, CANONICAL, KEPT), atol=1e-5)


def test_without_canonical_pose_a_quarter_turn_changes_nothing_and_with_it_something():
    stacks = noise()
    turned = np.rot90(stacks, axes=(2, 3)).copy()
    np.testing.assert_allclose(describe(turned, RAW, KEPT), describe(stacks, RAW, KEPT), atol=1e-5)
    assert np.abs(describe(turned, CANONICAL, KEPT) - describe(stacks, CANONICAL, KEPT)).max() > 0.01
    bound = set(descriptor_names(CANONICAL, KEPT)) - set(descriptor_names(RAW, KEPT))
    assert all("g" in name.split() or "cosine" in name or name.startswith("dark") for name in bound)


def test_free_order_of_the_patterns_changes_nothing():
    stacks = noise()
    np.testing.assert_array_equal(describe(stacks[:, [2, 0, 1]], CANONICAL, FREE), describe(stacks, CANONICAL, FREE))
    assert np.abs(describe(stacks[:, [2, 0, 1]], CANONICAL, KEPT) - describe(stacks, CANONICAL, KEPT)).max() > 0.01


def test_batches_equal_single_stacks_and_every_name_has_a_family():
    stacks = noise(130)
    np.testing.assert_allclose(describe(stacks, CANONICAL, KEPT)[[0, 129]],
                               describe(stacks[[0, 129]], CANONICAL, KEPT), rtol=1e-6, atol=1e-7)
    assert {name.split(":")[0] for name in descriptor_names(CANONICAL, KEPT)} == set(FAMILIES)
    assert describe(stacks[:0], CANONICAL, KEPT).shape == (0, len(descriptor_names(CANONICAL, KEPT)))


def test_an_empty_pattern_is_finite():
    assert np.isfinite(describe(np.zeros((1, 3, SIZE, SIZE), np.float32), CANONICAL, KEPT)).all()


@pytest.mark.parametrize("change", [{"floor": 0.0}, {"rings": 17}, {"bands": 0}, {"orders": 13},
                                    {"direct_disk_radius": 0.1}, {"direct_disk_radius": 2.0}])
def test_what_a_pattern_cannot_give_is_refused(change):
    config = parse_config({**CONFIG, **change}, DescriptorConfig, source="test")
    for asked in (lambda: describe(noise(), CANONICAL, config), lambda: descriptor_names(CANONICAL, config)):
        with pytest.raises(InputError, match="descriptors"):
            asked()
