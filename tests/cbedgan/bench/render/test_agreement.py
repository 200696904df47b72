"""bench render on a small stack: rendered again it is near the file's, as symmetric, and made sooner."""

import json

import numpy as np
import pytest

from cbedgan.bench.render import agreement
from cbedgan.crystal.crystals import standard_crystal
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import simulate_stacks
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.pattern.geometry import Detector
from classifier.samples.stackfile import write_stack_file
from project import CONFIGS

DEMO = load_config(CONFIGS / "demo/simulate.toml", SimulateConfig).model_dump(mode="json")
CONFIG = parse_config({**DEMO, "thickness_angstrom": 60.0, "detector": {
    **DEMO["detector"], "size_pixels": 32, "directions_across": {"ring_drift_angstrom": 1.0}}}, SimulateConfig,
    source="a test")
PROVENANCE = {"stage": "simulate", "config": CONFIG.model_dump(mode="json")}


@pytest.fixture
def one_stack(tmp_path):
    """one_stack(provenance): a file of one stack of magnesia."""
    face = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    crystal = standard_crystal(4.21 * np.eye(3), [*face, *(face + 0.5) % 1], [12] * 4 + [8] * 4, source="MgO")
    stacks, table = simulate_stacks(crystal, CONFIG, beam_energy_kev=100.0)

    def written(provenance):
        write_stack_file(tmp_path / "one.h5", stacks, table, detector=Detector(32, 1 / 8, "shortest_g"),
                         pose="canonical", intensity_unit="fraction of the incident beam per pixel",
                         provenance=provenance)
        return tmp_path / "one.h5"
    return written


@pytest.mark.slow
def test_figures_of_a_stack(one_stack):
    figures = agreement.bench_render(one_stack(PROVENANCE), most=5, seed=0)
    assert figures["stacks"] == 1 and figures["view"] == "on the axis"
    fast, exact = (figures["likeness"][name] for name in ("fast", "exact size"))
    assert exact["correlation_median"] > fast["correlation_median"] > 0.8 and exact["l1_median"] < fast["l1_median"]
    assert exact["correlation_median"] > 0.99 and exact["another_g1"] == 0
    assert {name: len(residuals) for name, residuals in figures["symmetry"].items()} == {
        "exact engine": 3, "fast": 3, "exact size": 3}
    assert all(0 < max(residuals) < 1e-4 for residuals in figures["symmetry"].values())
    assert set(figures["seconds"]) == {"exact engine", "fast", "exact size", "fast, with gradients"}
    assert min(figures["seconds"].values()) > 0 and json.loads(json.dumps(figures)) == figures
    assert [len(table.rows) for table in agreement.report(figures)] == [2, 4]


def test_a_set_by_the_renderer_or_by_no_simulation_is_refused(one_stack):
    for faulty in ({"stage": "prepare"}, {**PROVENANCE, "config": {**PROVENANCE["config"], "render": {}}}):
        with pytest.raises(InputError, match="without"):
            agreement.bench_render(one_stack(faulty), most=1, seed=0)
