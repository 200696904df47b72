"""The benchmark of powder patterns times every renderer."""

import pytest

from cbedgan.bench.powder import bench_powder, report

CIF = """data_salt
_cell_length_a 4.2
_cell_length_b 4.2
_cell_length_c 4.2
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Cs1 Cs 0 0 0
Cl1 Cl 0.5 0.5 0.5
"""


@pytest.mark.slow
def test_every_renderer_is_timed(tmp_path):
    (tmp_path / "salt.cif").write_text(CIF)
    figures = bench_powder(tmp_path / "salt.cif", most_atoms=4)
    assert figures["crystals"] == 1 and figures["atoms"] == 2
    assert len(figures["seconds"]) == 4 and min(figures["seconds"].values()) > 0
    assert report(figures).row_count == 4
