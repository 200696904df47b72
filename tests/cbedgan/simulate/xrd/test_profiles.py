"""Patterns beside a direct sum of profiles; the presets' axes; size and shape do not depend on the batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cbedgan.crystal.prototypes import known_crystals
from cbedgan.simulate.powder.scatterers import scatterers
from cbedgan.simulate.xrd.peaks import Peaks, reflection_peaks
from cbedgan.simulate.xrd.profiles import farthest_degree, pattern_of, profile
from cbedgan.simulate.xrd.render_xrd import render_xrd, xrd_patterns
from cbedgan.simulate.xrd.xrd_config import XrdConfig
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError

NANOX81, MODERN = (parse_config({"preset": name}, XrdConfig, source="test") for name in ("nanox81", "modern"))


def some(n: int) -> list:
    return [one for one in known_crystals() if one.n_primitive < 20][:n]


def direct(peaks: Peaks, config: XrdConfig) -> np.ndarray:
    """Every profile of every line of the radiation, one after the other."""
    axis, total = config.two_theta_degree(), np.zeros(config.points)
    for place, amount in zip(peaks.two_theta_degree[0].numpy(), peaks.intensity[0].numpy(), strict=True):
        for line in config.lines:
            sine = np.sin(np.radians(place) / 2) * line.wavelength_angstrom / config.lines[0].wavelength_angstrom
            here = np.degrees(2 * np.arcsin(sine))
            total += line.share * amount * profile(axis - here, np.array([here]), config.profile)
    return total


@pytest.mark.parametrize("config", [NANOX81, MODERN])
def test_a_pattern_is_the_sum_of_its_profiles(config):
    peaks = reflection_peaks(scatterers(some(1), config.vibration), config.lines[0].wavelength_angstrom,
                             farthest_degree(config))
    wanted = direct(peaks, config)
    assert pattern_of(peaks, config)[0].numpy() == pytest.approx(wanted, abs=5e-4 * wanted.max())


def test_axes_are_as_the_presets_say():
    axis = NANOX81.two_theta_degree()
    assert len(axis) == 180 and axis[0] == 0.5 and axis[-1] == 90 and np.diff(axis) == pytest.approx(0.5)
    axis = MODERN.two_theta_degree()
    assert len(axis) >= 1024 and np.diff(np.sin(np.radians(axis) / 2)) == pytest.approx(3.2413e-4, rel=1e-4)
    assert (MODERN.profile.width_degree(axis) > 2 * np.diff(axis).max()).all()  # a peak is seen at two points or more


def test_a_profile_has_area_one():
    far = np.linspace(-200, 200, 400001)
    assert np.trapezoid(profile(far, np.array([40.0]), MODERN.profile), far) == pytest.approx(1, abs=2e-3)


@pytest.mark.slow
def test_many_crystals_come_in_order_and_as_alone():
    crystals = some(6)
    together = render_xrd(crystals, MODERN, dtype=torch.float64)
    assert together.amax(1) == pytest.approx(1)
    for k in (0, 5):
        alone = xrd_patterns(scatterers([crystals[k]], "by_element"), MODERN)[0]
        assert together[k].numpy() == pytest.approx(alone.numpy(), abs=1e-9)
    assert render_xrd(crystals, MODERN).numpy() == pytest.approx(together.numpy(), abs=2e-4)


def test_a_gradient_passes_from_the_pattern_to_the_cell():
    atoms = scatterers(some(1), 0.01)

    def at(scale: torch.Tensor) -> torch.Tensor:
        return pattern_of(reflection_peaks(replace(atoms, lattice=atoms.lattice * scale), 1.54, 60.0), MODERN)[0, 600]

    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(at(scale), scale)[0]
    assert slope == pytest.approx(float((at(scale + 1e-6) - at(scale - 1e-6)).detach()) / 2e-6, rel=1e-3)


def test_a_preset_may_be_changed_and_an_unknown_one_is_refused():
    assert parse_config({"preset": "modern", "points": 4096}, XrdConfig, source="test").points == 4096
    for wrong in ({"preset": "old"}, {"preset": "modern", "least_degree": 100.0}, {"preset": "modern", "colour": 1}):
        with pytest.raises(InputError):
            parse_config(wrong, XrdConfig, source="test")


def test_orientations_are_drawn_by_seed_and_strengthen_the_planes_that_lie_flat():
    config = parse_config({"preset": "modern", "orientation": {"march": [0.4, 0.4], "planes": [[0, 0, 1]]}}, XrdConfig,
                          source="test")
    crystal = known_crystals()[0]  # LaCl3, hexagonal
    random, flat, again = (render_xrd([crystal], one, seeds)[0] for one, seeds in (
        (MODERN, []), (config, [1]), (config, [1])))
    sines = 1.54056 / 2 * np.array([np.hypot(*np.array([2 / 3**0.5, 0]) / 7.478), 2 / 4.375])  # of 100 and 002
    first, basal = np.searchsorted(MODERN.two_theta_degree(), np.degrees(2 * np.arcsin(sines)))
    assert flat.tolist() == again.tolist()
    assert flat[basal - 3:basal + 4].max() / flat[first - 3:first + 4].max() > 5 * (
        random[basal - 3:basal + 4].max() / random[first - 3:first + 4].max())
    with pytest.raises(InputError, match="one for each crystal"):
        render_xrd([crystal], config)
