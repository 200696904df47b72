"""Literal crystals for the tests of the simulation, and the one measure by which patterns are compared."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gemmi
import numpy as np
import pytest

from cbedgan.simulate import simulate, units
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.parts import PartsFolder
from classifier.foundation.errors import InputError


class Cells(NamedTuple):
    """conventional: lattice rows [3, 3]; primitive: lattice rows, fractional positions, atomic numbers."""

    conventional: np.ndarray
    primitive: tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="session")
def fcc() -> Callable[..., Cells]:
    """fcc(a, {atomic number: position along the diagonal}): silicon, zinc blende, rock salt."""
    def build(a: float, sites: tuple[tuple[int, float], ...]) -> Cells:
        numbers, places = zip(*sites, strict=True)
        lattice = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
        return Cells(a * np.eye(3), (lattice, np.outer(places, np.ones(3)), np.array(numbers)))
    return build


@pytest.fixture(scope="session")
def silicon(fcc) -> Cells:
    return fcc(5.431, ((14, 0.0), (14, 0.25)))


@pytest.fixture(scope="session")
def gaas(fcc) -> Cells:
    return fcc(5.653, ((31, 0.0), (33, 0.25)))


@pytest.fixture(scope="session")
def nacl(fcc) -> Cells:
    return fcc(5.64, ((11, 0.0), (17, 0.5)))


@pytest.fixture(scope="session")
def grown() -> Callable[..., Cells]:
    """grown(space_group, lattice, [(atomic number, xyz), ...]): a primitive cell filled by the group's operations."""
    def build(space_group: int, lattice: np.ndarray, sites: list) -> Cells:
        positions, numbers = [], []
        for number, place in sites:
            for operation in gemmi.find_spacegroup_by_number(space_group).operations():
                new = np.array(operation.apply_to_xyz(list(place))) % 1
                if all(np.abs((new - old + 0.5) % 1 - 0.5).max() > 1e-3 for old in positions):
                    positions.append(new)
                    numbers.append(number)
        return Cells(np.asarray(lattice), (np.asarray(lattice), np.array(positions), np.array(numbers)))
    return build


@pytest.fixture(scope="session")
def hexagonal() -> Callable[[float, float], np.ndarray]:
    """hexagonal(a, c): lattice rows."""
    return lambda a, c: np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])


@pytest.fixture(scope="session")
def quartz(grown, hexagonal) -> Cells:
    """P3_121; its 2-fold axis along a + b lies at z = 0."""
    left = [(14, (0.4697, 0.0, 1 / 3)), (8, (0.4133, 0.2672, -0.1188 + 1 / 3))]
    return grown(152, hexagonal(4.9137, 5.4047), left)


@pytest.fixture(scope="session")
def run_here() -> Callable[..., None]:
    """In place of run_units: units in this process, which loads the prototypes once; the pool has a test of its own."""
    def run(pending: dict, config: SimulateConfig, parts: PartsFolder, *, workers: int, device: str) -> None:
        for unit, jobs in pending.items():
            units.work(unit, jobs, config, parts, device)
    return run


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, run_here: Callable[..., None]) -> None:
    """Run the units in this process."""
    monkeypatch.setattr(simulate, "run_units", run_here)


class Fragile(NamedTuple):
    """The jobs that failed first: one, once there was any; heal: from now on none fails."""

    victims: list[dict[str, Any]]
    heal: Callable[[], None]


@pytest.fixture
def fragile(monkeypatch: pytest.MonkeyPatch) -> Fragile:
    """Let the first job that is simulated fail, whenever its crystal comes."""
    simulate_job, victims = units.simulate_job, []
    def fail(job: dict, config: SimulateConfig, device: str) -> object:
        if not victims:
            victims.append(job)
        if job["crystal"] == victims[0]["crystal"]:
            raise InputError(source="disk", rule="must be visible", value="none", remedy="Thicken it.")
        return simulate_job(job, config, device)
    monkeypatch.setattr(units, "simulate_job", fail)
    return Fragile(victims, lambda: monkeypatch.setattr(units, "simulate_job", simulate_job))


@pytest.fixture(scope="session")
def difference() -> Callable[[np.ndarray, np.ndarray], float]:
    """Relative L1: sum |P - Q| / sum P."""
    return lambda p, q: float(np.abs(np.asarray(p, np.float64) - q).sum() / np.asarray(p, np.float64).sum())
