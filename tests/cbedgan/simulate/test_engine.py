"""Sets by the renderer: rows, resume, the same stack again, and refusal of the wrong engine."""

import json
from pathlib import Path

import numpy as np
import pytest

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.simulate import units
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from cbedgan.simulate.cbed.stack import exact, resimulate, simulate_every_view
from cbedgan.simulate.engine import engine_of
from cbedgan.simulate.simulate import simulate
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.samples.stackfile import StackFile, round_mantissa
from project import CONFIGS

DEMO = load_config(CONFIGS / "demo/simulate.toml", SimulateConfig).model_dump(mode="json")
SPECIMEN = {"tilt_mrad": 1.0, "probe_angstrom": 200.0, "wedge_degree": 4.0, "bending_mrad_per_micrometre": 8.0}
CONFIG = parse_config({
    **DEMO, "thickness_angstrom": [60.0, 150.0], "render": {},
    "views": [{"name": "tilted", "specimen": SPECIMEN}, {"name": "large", "size_pixels": 24}],
    "multislice": {"upper_zone": "first", "entry_surface": "symmetric", "terraces": "equivalent"},
    "detector": {**DEMO["detector"], "size_pixels": 16, "directions_across": {"ring_drift_angstrom": 1.0}}},
    SimulateConfig, source="a test")


def test_rows_are_as_the_exact_engine_writes_them():
    lattice = np.array([[3.8, 0, 0], [-1.9, 1.9 * 3**0.5, 0], [0, 0, 6.2]])
    sites = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.38], [2 / 3, 1 / 3, 0.88]]
    crystal = standard_crystal(lattice, sites, [30, 30, 16, 16], source="ZnS")
    by_multislice = CONFIG.model_copy(update={"render": None})
    rendered, other = (simulate_every_view(crystal, config, beam_energy_kev=100.0, engine=engine_of(config))
                       for config in (CONFIG, by_multislice))
    for (stacks, rows), (expected, others) in zip(rendered, other, strict=True):
        assert stacks.shape == expected.shape and stacks.dtype == np.float32
        correlation = np.corrcoef(np.log10(stacks + 1e-6).ravel(), np.log10(expected + 1e-6).ravel())[0, 1]
        assert correlation > 0.9
        for name in ("sample_id", "space_group", "zone_axis_uvw", "thickness_angstrom"):
            np.testing.assert_array_equal(getattr(rows, name), getattr(others, name))
        for name in ("convergence_semi_angle_mrad", "pixel_size_inv_angstrom", "shortest_g_inv_angstrom"):
            np.testing.assert_allclose(getattr(rows, name), getattr(others, name), rtol=1e-4)
        told, expects = (json.loads(str(table.provenance[0])) for table in (rows, others))
        assert told.keys() == expects.keys() and told["crystal"] == expects["crystal"]
        assert told.get("specimen") == expects.get("specimen")


@pytest.mark.slow
def test_a_set_stopped_half_way_resumes_and_is_made_again_from_its_rows(tmp_path: Path, rock_salt_cif, in_process,
                                                                        monkeypatch):
    salts = tmp_path / "salts"
    salts.mkdir()
    for cation, anion, a in (("Na", "Cl", 5.64), ("K", "Cl", 6.29), ("Mg", "O", 4.21)):
        (salts / f"{cation}{anion}.cif").write_text(rock_salt_cif(a=a, type_symbol=(cation, anion)))
    whole = simulate(CONFIG, out=tmp_path / "whole.h5", workers=1, crystals=salts)
    simulate_job, done = units.simulate_job, []

    def stop(*given: object) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given)
        return simulate_job(*given)

    monkeypatch.setattr(units, "simulate_job", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate(CONFIG, out=tmp_path / "set.h5", workers=1, crystals=salts)
    monkeypatch.setattr(units, "simulate_job", simulate_job)
    resumed = simulate(CONFIG, out=tmp_path / "set.h5", workers=1, crystals=salts)
    for name in ("", ".tilted", ".large"):
        with StackFile(whole.with_suffix(f"{name}.h5")) as one, StackFile(resumed.with_suffix(f"{name}.h5")) as other:
            assert one.digest == other.digest and len(one) == 6
            fresh = resimulate(CONFIG, str(one.table.provenance[3]), engine=engine_of(CONFIG))
            np.testing.assert_array_equal(one.read([3])[0], round_mantissa(fresh, CONFIG.mantissa_bits))
            provenance = str(one.table.provenance[0])
            with pytest.raises(InputError, match=r"engine.*must be that of the configuration"):
                resimulate(CONFIG, provenance)
    with pytest.raises(InputError, match="must be that of the configuration"):
        resimulate(CONFIG.model_copy(update={"render": None}), provenance, engine=engine_of(CONFIG))
    assert engine_of(CONFIG.model_copy(update={"render": None})) is exact
