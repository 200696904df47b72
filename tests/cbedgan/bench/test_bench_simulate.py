"""The benchmark's crystals are the same for both simulators; abTEM is asked for, not required."""

from importlib.util import find_spec

import numpy as np
import pytest

from cbedgan.bench.simulate import CASES, bench_abtem, bench_directions, bench_stacks
from cbedgan.simulate.cbed.layers import atomic_layers
from classifier.foundation.errors import InputError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_cells_hold_the_same_crystal(case):
    numbers, positions = case.cubic()
    lattice, _, kinds = case.primitive()
    assert len(numbers) / case.a**3 == pytest.approx(len(kinds) / abs(np.linalg.det(lattice)))
    apart = positions[:, None] - positions
    distance = np.linalg.norm(apart - np.round(apart), axis=-1) + np.eye(len(numbers))
    assert distance.min() > 0.2
    layers, gaps = atomic_layers(case.slab(), merge_angstrom=0.1, entry_plane=0.0)
    assert np.allclose(gaps, case.a / case.layers, atol=1e-5)
    assert len(layers) * case.a / case.layers == pytest.approx(case.slab().period_angstrom)


def test_stacks_are_timed(monkeypatch):
    monkeypatch.setattr("cbedgan.bench.simulate.CASES", CASES[2:])
    monkeypatch.setattr("cbedgan.bench.simulate.REPEATS", 1)
    monkeypatch.setattr("cbedgan.bench.simulate.THICKNESS_ANGSTROM", 30.0)
    table = bench_stacks()
    assert table.row_count == 2 and all(float(cell) > 0 for cell in table.columns[2].cells)


def test_rings_are_nearer_the_truth_than_a_square_grid(monkeypatch):
    """On thin strontium titanate; the errors are those of the numerics, whatever the machine."""
    monkeypatch.setattr("cbedgan.bench.simulate.CASES", CASES[2:])
    monkeypatch.setattr("cbedgan.bench.simulate.REPEATS", 1)
    table = bench_directions()
    errors = [float(cell.rstrip("%")) for cell in table.columns[3].cells]
    square, *_, rings_07, rings_055 = errors
    assert rings_055 <= rings_07 < square < 5


@pytest.mark.skipif(find_spec("abtem") is not None, reason="abTEM is installed here")
def test_without_abtem_one_line_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("cbedgan.bench.simulate.REPEATS", 1)
    with pytest.raises(InputError, match="extra 'abtem'"):
        bench_abtem()


@pytest.mark.skipif(find_spec("abtem") is None, reason="needs the extra 'abtem'")
def test_both_simulators_agree(monkeypatch):
    monkeypatch.setattr("cbedgan.bench.simulate.REPEATS", 1)
    monkeypatch.setattr("cbedgan.bench.simulate.CASES", CASES[2:])
    _, agreement = bench_abtem()
    assert float(next(iter(agreement.columns[1].cells))) > 0.995
