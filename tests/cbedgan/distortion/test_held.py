"""Held exposure: at 0 the patterns are those of the simulation, and they leave them without a jump."""

import numpy as np
import pytest

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.crystal.plan import CrystalConfig
from cbedgan.distortion.held import HeldCrystal, by_simulator, patterns, patterns_and_held
from cbedgan.distortion.modes import Mode, random_mode
from cbedgan.distortion.symmetry.residuals import added_asymmetry
from cbedgan.distortion.symmetry.shown import LostSymmetry
from cbedgan.distortion.symmetry.subgroups import maximal_subgroups, operations_of
from cbedgan.distortion.visible import outside_direct_disk
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.multislice import MultisliceConfig
from cbedgan.simulate.cbed.simulate_config import RenderConfig, SimulateConfig, ViewConfig
from cbedgan.simulate.cbed.specimen import SpecimenConfig
from cbedgan.simulate.cbed.stack import simulate_every_view
from cbedgan.simulate.engine import engine_of

CONFIG = SimulateConfig(
    seed=1, thickness_angstrom=150.0, randomised=("entry_plane", "azimuth"), render=RenderConfig(),
    crystals=CrystalConfig.model_construct(groups=()), multislice=MultisliceConfig(
        g_max_inv_angstrom=2.0, entry_surface="symmetric", terraces="equivalent"),
    detector=DetectorConfig(size_pixels=32, directions_across=RingDrift(ring_drift_angstrom=1.0)))


@pytest.fixture(scope="module")
def zincite():
    """Zinc oxide, 186: its screws and glides along c make two terraces."""
    a, c, u = 3.25, 5.207, 0.382
    third = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5]]
    return standard_crystal([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]],
                            third + [[x, y, z + u] for x, y, z in third], [30, 30, 8, 8], source="test")


@pytest.fixture(scope="module")
def held(zincite):
    return HeldCrystal.of(zincite, CONFIG)


@pytest.fixture
def mode(zincite):
    steps = np.array([[0.6, 0.0, 0.1], [-0.3, 0.2, 0.0], [0.0, -0.7, 0.3], [-0.3, 0.5, -0.4]])
    return Mode(steps, 0.05 * np.array([[1, 0.2, 0], [0.2, -1, 0.4], [0, 0.4, 0.5]]))


def test_undistorted_patterns_are_those_of_the_simulation(zincite, held):
    assert max(len(axis.terraces) for axis in held.axes) == 2
    stacks = simulate_every_view(zincite, CONFIG, beam_energy_kev=100.0, views=(), engine=engine_of(CONFIG))[0][0]
    drawn = patterns([(held, zincite.primitive())])
    assert np.abs(drawn[0] - stacks[0]).sum() < 1e-4 * stacks[0].sum()


def test_classifiers_are_shown_the_specimen_of_the_views_and_all_else_stays_on_the_axis(zincite, mode):
    specimen = SpecimenConfig(tilt_mrad=2.0, probe_angstrom=200.0, wedge_degree=5.0)
    tilted = CONFIG.model_copy(update={"views": (ViewConfig(name="tilted", specimen=specimen),)})
    (flat, _), (off, _) = simulate_every_view(zincite, tilted, beam_energy_kev=100.0, engine=engine_of(tilted))
    exposed = HeldCrystal.of(zincite, tilted)
    stacks = patterns_and_held([(exposed, mode.cell(zincite, t)) for t in (0.0, 0.3)])
    assert np.abs(stacks.shown[0] - off[0]).sum() < 1e-4 * off[0].sum()
    assert np.abs(stacks.seen[0] - flat[0]).sum() < 1e-4 * flat[0].sum()
    assert np.abs(stacks.shown - stacks.seen).sum() > 0.1 * stacks.seen.sum()
    assert np.array_equal(patterns([(exposed, mode.cell(zincite, 0.3))])[0], stacks.shown[1])
    (drawn,) = patterns([(exposed, zincite.primitive())], by_simulator)
    assert np.corrcoef(drawn.ravel(), off[0].ravel())[0, 1] > 0.95


def test_patterns_change_in_proportion_to_a_small_distortion(zincite, held, mode):
    zero, one, two, four = patterns([(held, mode.cell(zincite, t)) for t in (0.0, 0.001, 0.002, 0.004)])
    first = np.abs(one - zero).sum() / zero.sum()
    assert 0 < first < 0.01
    assert [np.abs(later - zero).sum() / zero.sum() / first for later in (two, four)] == pytest.approx(
        [2, 4], rel=0.05)


def test_a_batch_is_what_its_crystals_are_alone(zincite, held, mode):
    some = [(held, mode.cell(zincite, t)) for t in (0.0, 0.3)]
    alone = np.concatenate([patterns([one]) for one in some])
    assert np.abs(patterns(some) - alone).max() < 1e-5 * alone.max()


def test_a_strain_alone_scales_with_the_lattice(zincite, held):
    grown = Mode(np.zeros((4, 3)), np.eye(3) * 0.01)
    zero, larger = patterns([(held, grown.cell(zincite, t)) for t in (0.0, 1.0)])
    # Disks stay where they are: the held reflection sets the scale.
    assert np.corrcoef(zero.ravel(), larger.ravel())[0, 1] > 0.99
    assert ((zero > 1e-6) == (larger > 1e-6)).mean() > 0.97


def test_the_exact_engine_draws_the_same_path(zincite, held, mode):
    some = [(held, mode.cell(zincite, t)) for t in (0.0, 0.3)]
    fast, exact = patterns(some), patterns(some, by_simulator)
    assert exact.shape == fast.shape and exact.sum() == pytest.approx(fast.sum(), rel=0.1)
    for k in range(2):
        assert np.corrcoef(np.log(fast[k] + 1e-6).ravel(), np.log(exact[k] + 1e-6).ravel())[0, 1] > 0.9


def test_what_a_mode_takes_is_missed_and_what_it_keeps_is_not(zincite, held):
    operations, poses = operations_of(zincite), [axis.posed() for axis in held.axes]
    (identity,) = (k for k, turn in enumerate(operations.rotations) if (turn == np.eye(3)).all())
    whole = LostSymmetry.of(zincite, operations, (identity,), poses)
    outside = np.stack([outside_direct_disk(*axis.frame()) for axis in held.axes])
    missed = 0
    for subgroup in maximal_subgroups(operations.product):
        mode = random_mode(zincite, operations, subgroup, 0.25, np.random.default_rng(0))
        if mode is None:
            continue
        stacks = patterns_and_held([(held, mode.cell(zincite, t)) for t in (0.0, 0.02)]).held
        lost = LostSymmetry.of(zincite, operations, subgroup, poses)
        for every, gone, own in zip(whole.patterns, lost.patterns, range(3), strict=True):
            change = np.abs(stacks[1, own] - stacks[0, own])[outside[own]].sum() / stacks[0, own][outside[own]].sum()
            for one in every.operations:
                added = added_asymmetry(stacks[:, own], outside[own], one.turn, one.azimuth_degree)[1]
                stays = not any((other.turn, other.azimuth_degree) == (one.turn, one.azimuth_degree)
                                for other in gone.operations)
                assert not stays or added < 0.2 * change
                missed += not stays and added > change
    assert missed >= 6


def test_a_strain_turns_the_reflection_that_points_to_x_and_not_what_is_held():
    """Rock salt along [1 1 0]: a tetragonal strain along a keeps a two-fold axis along c across the beam, so the line
    along c stays in projection, while the angle from it to g1 = (1 -1 1) changes."""
    fcc = np.array([[0, 0, 0], [0, .5, .5], [.5, 0, .5], [.5, .5, 0]])
    salt = standard_crystal(5.64 * np.eye(3), np.concatenate([fcc, fcc + [0.5, 0, 0]]), [11] * 4 + [17] * 4,
                            source="test")
    operations, along_a = operations_of(salt), np.array([1.0, 0, 0])
    kept = [k for k, turn in enumerate(operations.turned) if np.abs(np.abs(along_a @ turn) - along_a).max() < 1e-6]
    exposed = HeldCrystal.of(salt, CONFIG)
    strain = Mode(np.zeros((2, 3)), np.diag([0.2, -0.1, -0.1]))
    stacks = patterns_and_held([(exposed, strain.cell(salt, t)) for t in (0.0, 0.5)])
    lost = LostSymmetry.of(salt, operations, kept, [axis.posed() for axis in exposed.axes])
    assert len(kept) == 16
    stays = [(own, one) for own, pattern in enumerate(lost.patterns) for one in pattern.operations
             if one.stays_in_projection and one.turn == 1 and pattern.before != pattern.after]
    assert stays
    for own, one in stays:
        outside = outside_direct_disk(*exposed.axes[own].frame())
        seen, fixed = (added_asymmetry(part[:, own], outside, one.turn, one.azimuth_degree)[1]
                       for part in (stacks.seen, stacks.held))
        assert fixed < 0.4 * seen
