"""Multislice against kinematic theory, against a Bloch-wave solution, and against itself (loss, convergence)."""

import numpy as np
import pytest
import torch

from cbedgan.crystal.electron import interaction, scattering_factor
from cbedgan.crystal.thermal_diffuse import absorptive_factor
from cbedgan.crystal.vibration import debye_waller
from cbedgan.simulate.cbed.layers import atomic_layers, whole_periods
from cbedgan.simulate.cbed.multislice import Multislice, MultisliceConfig
from cbedgan.simulate.cbed.zone_axis import Slab, slab
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError

CONFIG = MultisliceConfig(g_max_inv_angstrom=4.0, merge_angstrom=0.02, absorption=0.0)


def structure_factor(piece: Slab, index: np.ndarray, length: np.ndarray) -> np.ndarray:
    """F in angstrom of one period, complex [M], for indices [M, 3] (the third need not be whole) and |g| [M]."""
    damping = np.exp(-CONFIG.debye_waller_angstrom2 * length**2 / 4)
    return sum(scattering_factor(number, length) * damping * np.exp(-2j * np.pi * (index @ place))
               for number, place in zip(piece.numbers, piece.positions, strict=True))


def kinematic(piece: Slab, beam: np.ndarray, direction: np.ndarray, wavenumber: float, cells: int) -> np.ndarray:
    """First-order intensities [B], direct beam left out, of a slab that is normal to the beam."""
    g = beam @ piece.reciprocal_lattice
    def along(transverse: np.ndarray) -> np.ndarray:
        return np.sqrt(wavenumber**2 - (transverse**2).sum(-1))
    order = (along(direction + g) - along(direction)) * piece.period_angstrom  # negative: the sphere bends back
    amplitude = structure_factor(piece, np.column_stack([beam, order]), np.hypot(*g.T))
    phase = np.exp(-2j * np.pi * np.outer(order, np.arange(cells)))
    return np.abs(amplitude * phase.sum(1)) ** 2 * beam.any(1)


@pytest.mark.parametrize("direction", [(0.0, 0.0), (0.09, 0.06)])
@pytest.mark.parametrize(("name", "axis"), [("quartz", [0, 0, 1]), ("gaas", [1, 1, 1]), ("nacl", [0, 0, 1])])
def test_weak_scattering_is_kinematic_in_absolute_intensity(request, name, axis, direction):
    piece = slab(*request.getfixturevalue(name), axis)
    scale, cells = 0.01, 5
    propagation = Multislice(piece, beam_energy_kev=100.0, config=CONFIG, scattering_scale=scale)
    leaving = propagation.intensities([direction], [cells * piece.period_angstrom])
    expected = kinematic(piece, leaving.beam, np.array(direction), propagation.wavenumber, cells)
    expected *= (scale * interaction(100.0) / piece.area_angstrom2) ** 2
    simulated = leaving.intensity[0, 0] * leaving.beam.any(1)
    assert np.abs(simulated - expected).sum() / expected.sum() < 0.01


def test_dynamical_zero_layer_agrees_with_bloch_waves(nacl):
    """exp(2 pi i t M), M = diag(kappa) + gamma lambda / (2 pi A c) F(g - h), solves the projected crystal."""
    config = CONFIG.model_copy(update={"g_max_inv_angstrom": 2.5})  # the first ring lies at 3.8
    piece = slab(*nacl, [0, 0, 1])
    propagation = Multislice(piece, beam_energy_kev=200.0, config=config)
    direction = np.array([[0.08, 0.03]])
    leaving = propagation.intensities(direction, [300.0])
    difference = leaving.beam[:, None] - leaving.beam[None]
    length = np.linalg.norm(difference @ piece.reciprocal_lattice, axis=-1)
    index = np.concatenate([difference, np.zeros((*length.shape, 1))], -1).reshape(-1, 3)
    potential = structure_factor(piece, index, length.ravel()).reshape(length.shape) * (length <= 2.5)
    potential *= interaction(200.0) / (2 * np.pi * piece.area_angstrom2 * piece.period_angstrom)
    _, kappa = propagation.dispersion(direction, leaving.beam @ piece.reciprocal_lattice)
    system = torch.from_numpy(np.diag(kappa[0]) + potential)
    waves = torch.matrix_exp(2j * torch.pi * leaving.thickness_angstrom[0] * system)
    expected = np.abs(waves[:, ~leaving.beam.any(1)].numpy()[:, 0]) ** 2
    assert 0.05 < expected[~leaving.beam.any(1)] < 0.95  # strongly dynamical
    assert np.abs(leaving.intensity[0, 0] - expected).sum() < 0.02


def test_without_absorption_only_the_band_limit_loses_intensity(gaas):
    sums = []
    for g_max in (3.0, 3.5, 4.0):
        config = CONFIG.model_copy(update={"g_max_inv_angstrom": g_max})
        propagation = Multislice(slab(*gaas, [1, 1, 1]), beam_energy_kev=200.0, config=config)
        sums.append(propagation.intensities([[0.0, 0.0], [0.1, 0.05]], [500.0, 1200.0]).intensity.sum(-1))
    sums = np.array(sums)
    assert (sums < 1).all() and (np.diff(sums, axis=0) > 0).all()  # a larger band loses less
    assert (sums[2, 0] > 0.99).all() and (sums[2, 1] > 0.97).all()


@pytest.mark.slow
def test_results_converge_with_the_band_limit_and_the_merging_of_layers(gaas, quartz):
    directions = np.random.default_rng(0).uniform(-0.15, 0.15, (24, 2))
    def beams(crystal: tuple, axis: list[int], **change: float) -> dict:
        config = CONFIG.model_copy(update=change)
        propagation = Multislice(slab(*crystal, axis), beam_energy_kev=200.0, config=config)
        index = propagation.index[propagation.inside & (np.hypot(*np.moveaxis(propagation.g, -1, 0)) < 1.6)]
        return propagation.intensities(directions, [500.0], index.astype(int)).intensity
    def error(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(one - other).sum() / one.sum())
    exact = beams(gaas, [1, 1, 1])
    errors = [error(exact, beams(gaas, [1, 1, 1], g_max_inv_angstrom=g_max)) for g_max in (2.5, 3.0, 3.5)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.02
    exact = beams(quartz, [1, 0, 0])
    errors = [error(exact, beams(quartz, [1, 0, 0], merge_angstrom=merge)) for merge in (1.2, 0.5, 0.2)]
    assert errors[0] > errors[1] >= errors[2] and errors[1] < 0.02


def test_single_precision_keeps_four_digits(gaas):
    piece = slab(*gaas, [1, 1, 1])
    single, double = (Multislice(piece, beam_energy_kev=200.0, config=CONFIG, double=double).intensities(
        [[0.02, 0.07]], [1200.0]).intensity for double in (False, True))
    assert np.abs(single - double).sum() < 1e-4


def test_thickness_series_and_chunks_of_directions_change_nothing(silicon):
    propagation = Multislice(slab(*silicon, [1, 1, 0]), beam_energy_kev=100.0, config=CONFIG)
    directions = np.random.default_rng(1).uniform(-0.1, 0.1, (11, 2))
    series = propagation.intensities(directions, [600.0, 100.0, 300.0, 299.0])
    alone = propagation.intensities(directions[9:10], [300.0])
    assert np.allclose(series.intensity[2, 9], alone.intensity[0, 0], rtol=1e-4, atol=1e-9)
    assert np.allclose(series.thickness_angstrom, [599.1, 99.85, 299.5, 299.5], atol=0.1)
    assert (series.intensity[3] == series.intensity[2]).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_an_accelerator_gives_the_same_intensities(quartz):
    directions = np.random.default_rng(1).uniform(-0.1, 0.1, (11, 2))
    one, other = (Multislice(slab(*quartz, [1, 0, 0]), beam_energy_kev=100.0, config=CONFIG, device=device).intensities(
        directions, [100.0, 300.0]).intensity for device in ("cpu", "cuda"))
    assert np.abs(one - other).sum() < 1e-4 * one.sum()


def test_entry_plane_matters_only_modulo_the_period(quartz, difference):
    def at(entry: float) -> np.ndarray:
        config = CONFIG.model_copy(update={"entry_plane": entry, "g_max_inv_angstrom": 3.0})
        return Multislice(slab(*quartz, [0, 0, 1]), beam_energy_kev=200.0, config=config).intensities(
            [[0.03, 0.01]], [300.0]).intensity
    assert difference(at(0.0), at(1 / 3)) > 0.005
    lattice, positions, numbers = quartz.primitive
    shifted = Multislice(slab(lattice, (lattice, positions - [0, 0, 1 / 3], numbers), [0, 0, 1]),
                         beam_energy_kev=200.0, config=CONFIG.model_copy(update={"g_max_inv_angstrom": 3.0}))
    assert difference(at(1 / 3), shifted.intensities([[0.03, 0.01]], [300.0]).intensity) < 1e-5


def test_layers_hold_every_atom_once_and_their_gaps_make_up_the_period(quartz):
    piece = slab(*quartz, [1, 0, 0])
    counts = []
    for merge in (0.0, 0.2, 1.0):
        layers, gaps = atomic_layers(piece, merge_angstrom=merge, entry_plane=0.3)
        assert sorted(np.concatenate(layers)) == list(range(len(piece.numbers)))
        assert min(gaps) > 0 and sum(gaps) == pytest.approx(piece.period_angstrom, abs=1e-4)
        counts.append(len(layers))
    assert counts[0] >= counts[1] > counts[2]


def test_absorption_takes_intensity_away(silicon):
    piece = slab(*silicon, [0, 0, 1])
    sums = [Multislice(piece, beam_energy_kev=100.0, config=CONFIG.model_copy(update={"absorption": absorption})
                       ).intensities([[0.0, 0.0]], [200.0]).intensity.sum() for absorption in (0.0, 0.03)]
    assert sums[1] < sums[0] - 0.01


def test_one_b_and_one_share_transmit_as_they_always_did(gaas):
    """To the bit: exp((i - share) * phase) of the layer's potential, damped as a whole."""
    config = MultisliceConfig(merge_angstrom=10.0)
    piece = slab(*gaas, [0, 0, 1])
    propagation = Multislice(piece, beam_energy_kev=100.0, config=config, double=True)
    g = np.hypot(propagation.g[..., 0], propagation.g[..., 1])
    rows, columns = (np.fft.fftfreq(n, 1 / n) for n in propagation.shape)
    (atoms,), _ = atomic_layers(piece, merge_angstrom=10.0, entry_plane=0.0)
    potential = np.zeros(propagation.shape, dtype=np.complex128)
    for number in (31, 33):
        place = piece.positions[atoms[piece.numbers[atoms] == number]]
        one = np.exp(-2j * np.pi * np.outer(rows, place[:, 0]))
        potential += scattering_factor(number, g) * (one @ np.exp(-2j * np.pi * np.outer(place[:, 1], columns)))
    potential *= interaction(100.0) * 1.0 / piece.area_angstrom2 * propagation.inside
    potential *= np.exp(-0.5 * g**2 / 4)
    phase = np.fft.ifft2(potential, norm="forward").real
    spectrum = np.fft.fft2(np.exp((1j - 0.03) * phase)) * propagation.inside
    assert np.array_equal(propagation.transmission[0].numpy(), np.fft.ifft2(spectrum) / spectrum.size)
    assert config.model_dump(mode="json") == {
        "g_max_inv_angstrom": 3.25, "merge_angstrom": 10.0, "debye_waller_angstrom2": 0.5, "absorption": 0.03,
        "entry_plane": 0.0}  # the digest of an old configuration stays


@pytest.mark.parametrize("temperature", [100.0, 900.0])
def test_every_element_damps_with_its_own_b(gaas, temperature):
    """Weak scattering by first order: i strength / area * sum f exp(-B g^2 / 4) exp(-2 pi i g r) over atoms."""
    piece = slab(*gaas, [0, 0, 1])
    config = CONFIG.model_copy(update={"debye_waller_angstrom2": "by_element", "temperature_kelvin": temperature,
                                       "merge_angstrom": 10.0})
    weak = Multislice(piece, beam_energy_kev=100.0, config=config, scattering_scale=1e-4, double=True)
    length = np.hypot(weak.g[..., 0], weak.g[..., 1])
    expected = sum(scattering_factor(number, length) * np.exp(-debye_waller(number, temperature) * length**2 / 4)
                   * np.exp(-2j * np.pi * weak.index @ place[:2])
                   for number, place in zip(piece.numbers, piece.positions, strict=True))
    beams = (length > 0) & weak.inside
    found = np.fft.fft2(weak.transmission[0].numpy()) * piece.area_angstrom2 / (1j * 1e-4 * interaction(100.0))
    assert found[beams] == pytest.approx(expected[beams], abs=2e-3)


def test_thermal_diffuse_absorption_takes_what_the_atoms_scatter(silicon):
    """Nothing without vibration; more with a greater B, and with heavier atoms in the places of silicon's."""
    def left(number: int, b: float) -> float:
        lattice, positions, numbers = silicon.primitive
        piece = slab(silicon.conventional, (lattice, positions, np.full_like(numbers, number)), [0, 0, 1])
        config = CONFIG.model_copy(update={"absorption": "thermal_diffuse", "debye_waller_angstrom2": b})
        return float(Multislice(piece, beam_energy_kev=100.0, config=config
                                ).intensities([[0.0, 0.0]], [100.0]).intensity.sum())
    assert left(14, 0.0) > 0.995 > left(14, 0.4) > left(14, 1.0) > left(32, 1.0) > left(50, 1.0)


def test_weak_thermal_diffuse_absorption_is_the_factor_at_zero(gaas):
    """Of second order in the scattering: at a hundredth a ten-thousandth, 2 strength f'(0) of each atom per area."""
    piece = slab(*gaas, [0, 0, 1])
    config = CONFIG.model_copy(update={"absorption": "thermal_diffuse", "merge_angstrom": 10.0})
    kept = Multislice(piece, beam_energy_kev=100.0, config=config, scattering_scale=0.01, double=True)
    mean = np.abs(kept.transmission[0].numpy() * np.prod(kept.shape))
    strength = 0.01 * interaction(100.0)
    expected = sum(float(absorptive_factor(number, np.zeros(1), debye_waller_angstrom2=0.5,
                                           interaction_angstrom=strength)[0]) for number in piece.numbers)
    assert -np.log(mean).mean() == pytest.approx(strength * expected / piece.area_angstrom2, rel=0.02)


@pytest.mark.parametrize("fault", [{"absorption": "thermal"}, {"debye_waller_angstrom2": "by_atom"},
                                   {"temperature_kelvin": 0.0}, {"absorption": -0.1}])
def test_unknown_models_of_vibration_are_refused(fault):
    with pytest.raises(InputError, match=next(iter(fault))):
        parse_config(fault, MultisliceConfig, source="a test")


@pytest.mark.parametrize("thickness", [[-100.0], [0.0], [float("nan")], []])
def test_thickness_must_be_positive(thickness):
    with pytest.raises(InputError, match="thickness_angstrom"):
        whole_periods(thickness, 5.0)


def test_thickness_is_a_whole_number_of_periods_and_at_least_one():
    assert whole_periods([600.0, 1.0], 7.0).tolist() == [86, 1]
