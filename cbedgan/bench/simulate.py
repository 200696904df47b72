"""Benchmark of the simulator on one thread, and beside it abTEM on the same crystals at equal sampling.

abTEM is a package of its own licence and weight: it is imported by this module alone, and only when asked for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.table import Table

from cbedgan.simulate.cbed.aperture import square_grid
from cbedgan.simulate.cbed.detector import draw, simulate_pattern
from cbedgan.simulate.cbed.detector_config import DetectorConfig, Drift, RingDrift
from cbedgan.simulate.cbed.disks import how_many, illuminate
from cbedgan.simulate.cbed.multislice import Exposure, Multislice, MultisliceConfig
from cbedgan.simulate.cbed.slab_symmetry import intensities_by_symmetry
from cbedgan.simulate.cbed.zone_axis import Cell, Slab, rotations, slab, zone_axes
from classifier.foundation.errors import InputError

BEAM_ENERGY_KEV = 100.0
THICKNESS_ANGSTROM = 300.0
REPEATS = 3  # of every timed piece, of which the fastest counts
STACK = MultisliceConfig(g_max_inv_angstrom=3.25, merge_angstrom=0.4, debye_waller_angstrom2=0.5, absorption=0.03)
CANONICAL = DetectorConfig(pose="canonical", size_pixels=64, half_width=2.5, aperture_unit="shortest_g",
                           aperture_radius=0.475, directions_across=Drift(drift_angstrom=0.6), samples_per_pixel=2,
                           visible=0.02, tie=0.02)
ELASTIC = STACK.model_copy(update={"absorption": 0.0})  # what abTEM does too
DISK_RADIUS = 0.45  # of the aperture, in units of the reflection named in `Case`: no overlap
FIELD = 2.5  # half width of the compared pattern, in the same unit
LOG_FLOOR = 1e-3  # of the brightest pixel; what is darker counts as this in the correlation of logarithms

Result = TypeVar("Result")


@dataclass(frozen=True)
class Case:
    """A crystal with square periods a along the beam [001].

    sites: (atomic number, fractional position) in the cubic cell of edge a angstrom; centred: face-centred or not;
    layers: equal distances into which atoms part the period; reflection: |g| of the nearest disk in 1/a;
    repeats: cells along one side of abTEM's probe box.
    """

    name: str
    a: float
    sites: tuple[tuple[int, tuple[float, float, float]], ...]
    centred: bool
    layers: int
    reflection: float
    repeats: int

    def primitive(self) -> Cell:
        """Lattice, positions and numbers of the primitive cell."""
        lattice = self.a * (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2 if self.centred else np.eye(3))
        numbers, places = zip(*self.sites, strict=True)
        return lattice, np.array(places) * self.a @ np.linalg.inv(lattice) % 1.0, np.array(numbers)

    def cubic(self) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 3"]]:
        """Atomic numbers and fractional positions of the whole cubic cell."""
        centring = [(0, 0, 0), *([(0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)] if self.centred else [])]
        atoms = [(number, (np.array(place) + shift) % 1.0) for (number, place), shift in product(self.sites, centring)]
        return np.array([number for number, _ in atoms]), np.array([place for _, place in atoms])

    def slab(self) -> Slab:
        """The slab along [001]."""
        return slab(self.a * np.eye(3), self.primitive(), [0, 0, 1])


CASES = (
    Case("NaCl [001]", 5.64, ((11, (0, 0, 0)), (17, (0.5, 0.5, 0.5))), True, 2, 2.0, 8),
    Case("Si [001]", 5.431, ((14, (0, 0, 0)), (14, (0.25, 0.25, 0.25))), True, 4, np.sqrt(8), 6),
    Case("SrTiO3 [001]", 3.905, ((38, (0, 0, 0)), (22, (0.5, 0.5, 0.5)), (8, (0.5, 0.5, 0)), (8, (0.5, 0, 0.5)),
                                 (8, (0, 0.5, 0.5))), False, 2, 1.0, 16),
)


def bench_stacks() -> Table:
    """Time stacks of three metric zone axes, 64 pixels, canonical pose, of every case; CPU seconds on one thread."""
    table = Table(title=f"Stacks of three patterns, {BEAM_ENERGY_KEV:g} keV, {THICKNESS_ANGSTROM:g} angstrom, "
                        "64 pixels, one thread", caption="CPU seconds, fastest of three")
    for heading in ("crystal", "s/stack", "stacks/s"):
        table.add_column(heading, justify="left" if heading == "crystal" else "right")
    total = 0.0
    for case in CASES:
        conventional, cell = case.a * np.eye(3), case.primitive()
        pieces = [slab(conventional, cell, axis) for axis in zone_axes(conventional, cell[0], "metric")]

        def stack(pieces: list[Slab] = pieces) -> None:
            for piece in pieces:
                simulate_pattern(piece, Exposure(BEAM_ENERGY_KEV, [THICKNESS_ANGSTROM], STACK), CANONICAL)

        seconds, _ = _timed(stack)
        total += seconds
        table.add_row(case.name.split()[0], f"{seconds:.2f}", f"{1 / seconds:.2f}")
    table.add_row("all", f"{total / len(CASES):.2f}", f"{len(CASES) / total:.2f}")
    return table


def bench_directions() -> Table:
    """Time stacks from a square grid of incident directions and from rings of them, and tell the error of each."""
    table = Table(title="Incident directions: a square grid with interpolated intensities (version 1), and rings with "
                        "interpolated amplitudes", caption="Relative L1 from rings at a drift of 0.12 angstrom")
    for heading in ("directions", "drift, angstrom", "CPU seconds", "error, median", "greatest"):
        table.add_column(heading, justify="left" if heading == "directions" else "right")
    pieces = [slab(case.a * np.eye(3), case.primitive(), axis, kept=rotations(case.primitive())) for case in CASES
              for axis in zone_axes(case.a * np.eye(3), case.primitive()[0], "metric")]

    def patterns(way: Drift | RingDrift) -> list[Float[np.ndarray, "T H W"]]:
        detector = CANONICAL.model_copy(update={"directions_across": way})
        exposure = Exposure(BEAM_ENERGY_KEV, [THICKNESS_ANGSTROM], STACK)
        return [simulate_pattern(piece, exposure, detector).image for piece in pieces]

    exact = patterns(RingDrift(ring_drift_angstrom=0.12))
    for name, drift, way in [("square", 0.6, Drift(drift_angstrom=0.6)), ("square", 0.3, Drift(drift_angstrom=0.3)), *(
            ("rings", drift, RingDrift(ring_drift_angstrom=drift)) for drift in (0.85, 0.7, 0.55))]:
        seconds, images = _timed(partial(patterns, way))
        errors = [np.abs(one - other).sum() / other.sum() for one, other in zip(images, exact, strict=True)]
        table.add_row(name, f"{drift:g}", f"{seconds:.2f}", f"{np.median(errors):.2%}", f"{max(errors):.2%}")
    return table


def bench_abtem() -> list[Table]:
    """Time patterns of every case with both simulators, and compare them: a table of speed, one of agreement."""
    speed = Table(title="One pattern, equal sampling: CPU seconds of multislice and detection, one thread",
                  caption="In brackets with preparation. Plain: every direction propagated, no use of symmetry. "
                          "By drift: as cbed-lt is simulated, with fewer directions, interpolated to the same pixels")
    agreement = Table(title="Agreement with abTEM after the best flip",
                      caption="Sharp: abTEM's own potential, without a Debye-Waller factor and without a band limit "
                              "before it becomes a phase. Cost of drift: relative L1 of the pattern from fewer "
                              "directions")
    for heading in ("case", "pixels a disk", "cbedgan", "plain", "by drift", "abTEM", "ratio", "plain", "by drift"):
        speed.add_column(heading, justify="left" if heading == "case" else "right")
    for heading in ("case", "correlation", "of logarithms", "bright field", "abTEM's", "sharp", "by drift",
                    "cost of drift"):
        agreement.add_column(heading, justify="left" if heading == "case" else "right")
    for case in CASES:
        ours, quick = _ours(case, by_drift=False), _ours(case, by_drift=True)
        plain = ours.seconds + _saved_by_symmetry(case)
        theirs, sharp = _abtem(case, same_potential=True), _abtem(case, same_potential=False)
        flips = [np.flip(theirs.image, axes) for axes in ((), (0,), (1,), (0, 1))]
        best = max(flips, key=partial(_correlation, ours.image))
        floor = LOG_FLOOR * ours.image.max()
        logs = [np.log(np.maximum(image, floor)) for image in (ours.image, best)]
        speed.add_row(case.name, f"{2 * _radius(case) * case.repeats * case.a:.1f}",
                      f"{ours.seconds:.3f} ({ours.total:.3f})", f"{plain:.3f}", f"{quick.seconds:.3f}",
                      f"{theirs.seconds:.3f} ({theirs.total:.3f})",
                      f"{theirs.seconds / ours.seconds:.1f} ({theirs.total / ours.total:.1f})",
                      f"{theirs.seconds / plain:.1f}", f"{theirs.seconds / quick.seconds:.1f}")
        agreement.add_row(case.name, f"{_correlation(ours.image, best):.4f}", f"{_correlation(*logs):.4f}",
                          *(f"{run.bright_field:.4f}" for run in (ours, theirs, sharp)),
                          f"{_correlation(quick.image, best):.4f}",
                          f"{np.abs(quick.image - ours.image).sum() / ours.image.sum():.4f}")
    return [speed, agreement]


@dataclass(frozen=True, eq=False)
class Timed:
    """One simulator's pattern, fraction of the incident beam per pixel, and its seconds without and with
    preparation; bright_field: share of the incident beam in the direct disk."""

    image: Float[np.ndarray, "H W"]
    seconds: float
    total: float
    bright_field: float


def _radius(case: Case) -> float:
    """Aperture radius in 1/angstrom."""
    return DISK_RADIUS * case.reflection / case.a


def _size(case: Case) -> int:
    """Pixels of the compared pattern along one side, odd: abTEM's pixels lie at whole multiples of 1 / box."""
    return 2 * int(FIELD * case.reflection * case.repeats) + 1


def _propagation(case: Case) -> Multislice:
    return Multislice(case.slab(), beam_energy_kev=BEAM_ENERGY_KEV, config=ELASTIC)


def _across(case: Case) -> int:
    """Incident directions along the aperture's diameter: one or more to a pixel."""
    return int(np.ceil(2 * _radius(case) * case.repeats * case.a))


def _ours(case: Case, *, by_drift: bool) -> Timed:
    """Our pattern on abTEM's pixels, with one incident direction or more to a pixel, or with as many as drift asks."""
    preparing, propagation = _timed(partial(_propagation, case))
    across = _across(case)
    if by_drift:
        across = how_many(CANONICAL.directions_across, _radius(case) / propagation.wavenumber,
                                   [THICKNESS_ANGSTROM])

    def pattern() -> Float[np.ndarray, "H W"]:
        disks = illuminate(propagation, [THICKNESS_ANGSTROM], radius=_radius(case), number=across)
        return draw(propagation, disks, pixel=1 / (case.repeats * case.a), azimuth_rad=0.0, size=_size(case),
                    samples_per_pixel=2)[0]

    seconds, image = _timed(pattern)
    return Timed(image.astype(np.float64), seconds, seconds + preparing, _bright_field(image, case))


def _saved_by_symmetry(case: Case) -> float:
    """Seconds by which our pattern takes longer when every direction is propagated."""
    propagation, directions = _propagation(case), _radius(case) * square_grid(_across(case)).nodes
    every = partial(propagation.intensities, directions, [THICKNESS_ANGSTROM])
    some = partial(intensities_by_symmetry, propagation, directions, [THICKNESS_ANGSTROM])
    return _timed(every)[0] - _timed(some)[0]


def _abtem(case: Case, *, same_potential: bool) -> Timed:
    """abTEM's pattern: a probe in a box of `repeats` cells, sampling and layers as ours.

    same_potential damps and band-limits its projected potential as ours is, before it becomes a phase.
    """
    try:
        import abtem  # pyright: ignore[reportMissingImports]
        import ase
        import numba  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InputError(source="cbedgan bench simulate --abtem", rule="needs the extra 'abtem'", value=error,
                         remedy="Install it, in the clone: pip install '.[abtem]'.") from None
    numba.set_num_threads(1)
    abtem.config.set({"diagnostics.progress_bar": False, "dask.lazy": False, "fftw.threads": 1})
    numbers, positions = case.cubic()
    middle = np.array([0, 0, 0.5 / case.layers])  # atoms in the middle of their slices
    atoms = ase.Atoms(numbers, scaled_positions=(positions + middle) % 1.0, cell=case.a * np.eye(3), pbc=True)
    points = int(np.ceil(3 * ELASTIC.g_max_inv_angstrom * case.a / 2)) * 2
    periods = round(THICKNESS_ANGSTROM / case.a)
    semi_angle_mrad = 1e3 * _radius(case) / _propagation(case).wavenumber

    def prepare() -> tuple:
        unit = abtem.Potential(atoms, gpts=(points, points), slice_thickness=case.a / case.layers,
                               parametrization="peng", projection="infinite").build(lazy=False)
        if same_potential:
            frequency = np.fft.fftfreq(points, case.a / points)
            g = np.hypot(frequency[:, None], frequency)
            keep = np.exp(-ELASTIC.debye_waller_of(numbers[0]) * g**2 / 4) * (g <= ELASTIC.g_max_inv_angstrom)
            smooth = np.fft.ifft2(np.fft.fft2(unit.array) * keep).real.astype(np.float32)
            unit = abtem.PotentialArray(smooth, slice_thickness=unit.slice_thickness, extent=(case.a, case.a))
        potential = abtem.CrystalPotential(unit, (case.repeats, case.repeats, periods))
        probe = abtem.Probe(energy=1e3 * BEAM_ENERGY_KEV, semiangle_cutoff=semi_angle_mrad, soft=True)
        probe.grid.match(potential)
        return potential, probe

    preparing, (potential, probe) = _timed(prepare)

    def pattern() -> Float[np.ndarray, "H W"]:
        measured = probe.multislice(potential, scan=abtem.CustomScan([(0.0, 0.0)]),
                                    detectors=abtem.PixelatedDetector(max_angle=None), lazy=False)
        return np.asarray(measured.array)[0]

    seconds, whole = _timed(pattern)
    row, column = np.unravel_index(_middle(whole.shape), whole.shape)
    half = _size(case) // 2
    image = whole[row - half:row + half + 1, column - half:column + half + 1].T.astype(np.float64)
    return Timed(image, seconds, seconds + preparing, _bright_field(image, case))


def _middle(shape: tuple[int, ...]) -> int:
    """Flat index of zero frequency in a pattern whose frequencies ascend."""
    return int(np.ravel_multi_index(tuple(n // 2 for n in shape), shape))


def _bright_field(image: Float[np.ndarray, "H W"], case: Case) -> float:
    """Intensity within the middle between the direct disk and the nearest other one."""
    place = np.arange(_size(case)) - _size(case) // 2
    within = np.hypot(*np.meshgrid(place, place)) < case.reflection * case.repeats / 2
    return float(image[within].sum())


def _correlation(one: Float[np.ndarray, "H W"], other: Float[np.ndarray, "H W"]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds of the fastest of some runs on one thread, after one that does not count, and the last result."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result, seconds = work(), []
        for _ in range(REPEATS):
            start = time.process_time()
            result = work()
            seconds.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    return min(seconds), result
