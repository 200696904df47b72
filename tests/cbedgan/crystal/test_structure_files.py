"""Structure files: POSCAR beside CIF, its scales and kinds of coordinates, and the faults that are named."""

import numpy as np
import pytest

from cbedgan.crystal.structure_files import crystals_from_files, say_unreadable, structures_from_files
from classifier.foundation.errors import InputError

SALT = """rock salt, primitive cell
{scale}
0.0 0.5 0.5
0.5 0.0 0.5
0.5 0.5 0.0
{names}
{counts}
{kind}
0 0 0 {first}
{second}
"""
PLAIN = {"scale": "5.64", "names": "Na Cl", "counts": "1 1", "kind": "Direct", "first": "", "second": "0.5 0.5 0.5"}
# Tellurium, P3_1 21: three atoms on a right-handed screw.
TELLURIUM = """Te
1.0
4.456 0 0
-2.228 3.859009 0
0 0 5.921
Te
3
Direct
0.2633 0 0.3333333333
0 0.2633 0.6666666667
0.7367 0.7367 0
"""


def write(folder, name="POSCAR", **changes):
    path = folder / name
    path.write_text(SALT.format(**{**PLAIN, **changes}))
    return path


@pytest.mark.parametrize("changes", [
    {},
    {"scale": f"{-5.64**3 / 4}"},  # negative: the volume of the cell
    {"scale": "5.64 5.64 5.64"},
    {"kind": "Cartesian", "second": "0.5 0.5 0.5"},  # in units of the scale: half an edge along each axis
    {"kind": "Selective dynamics\nDirect", "first": "T T F", "second": "0.5 0.5 0.5 F F F"},
    {"names": "Na_pv Cl/a1b2c3"},
    {"names": "Na Cl ! comment", "counts": "1 1  # each"},
])
def test_every_way_to_write_rock_salt_is_rock_salt(tmp_path, changes):
    (crystal,) = crystals_from_files(write(tmp_path, **changes))
    assert (crystal.structure_type, crystal.formula) == ("225_AB_a_b", "ClNa")
    np.testing.assert_allclose(crystal.lattice, 5.64 * np.eye(3), atol=1e-6)
    assert crystal.source == "POSCAR POSCAR"


def test_cartesian_positions_are_scaled_by_direction(tmp_path):
    path = tmp_path / "x.vasp"
    path.write_text("x\n4.0 4.0 5.0\n1 0 0\n0 1 0\n0 0 1\nCs Cl\n1 1\ncart\n0 0 0\n0.5 0.5 0.45\n")
    (crystal,) = crystals_from_files(path)
    assert crystal.space_group == 99
    np.testing.assert_allclose(crystal.cell_parameters()[0], [4, 4, 5])
    heights = crystal.positions[:, 2] * 5
    apart = abs(heights[0] - heights[1])
    assert min(apart, 5 - apart) == pytest.approx(2.25)


def test_hand_is_kept_whatever_the_hand_of_the_cell(tmp_path):
    path = tmp_path / "CONTCAR"
    path.write_text(TELLURIUM)
    right = crystals_from_files(path)[0].space_group
    lines = TELLURIUM.splitlines()
    lines[2], lines[3] = lines[3], lines[2]  # b, a, c: a left-handed cell of the same crystal
    lines[8:] = [" ".join(np.array(line.split())[[1, 0, 2]]) for line in lines[8:]]
    path.write_text("\n".join(lines))
    same = crystals_from_files(path)[0].space_group
    first, second = "0.3333333333", "0.6666666667"
    path.write_text(TELLURIUM.replace(first, "x").replace(second, first).replace("x", second))
    left = crystals_from_files(path)[0].space_group
    assert right == same == 152 and left == 154


def test_a_folder_holds_both_formats(tmp_path, rock_salt_cif):
    write(tmp_path, "POSCAR_bromide", names="Na Br")
    write(tmp_path, "iodide.vasp", names="Na I")
    (tmp_path / "salt.cif").write_text(rock_salt_cif(type_symbol=None))
    (tmp_path / "notes.txt").write_text("nothing")
    crystals = crystals_from_files(tmp_path)
    assert [crystal.formula for crystal in crystals] == ["BrNa", "INa", "ClNa"]
    assert {crystal.structure_type for crystal in crystals} == {"225_AB_a_b"}


@pytest.mark.parametrize(("changes", "rule"), [
    ({"names": "1 1", "counts": "Direct"}, "must name its elements"),
    ({"names": "Na Xx"}, "elements and as many counts"),
    ({"counts": "1"}, "elements and as many counts"),
    ({"counts": "1 one"}, "elements and as many counts"),
    ({"counts": "1 0"}, "elements and as many counts"),
    ({"counts": "1 999999999999"}, "a line for every atom"),
    ({"counts": "1 2"}, "expects 3 numbers"),
    ({"kind": "0 0 0"}, "Direct or Cartesian"),
    ({"scale": "0"}, "a scale and three lattice vectors"),
    ({"scale": "5.64 5.64"}, "a scale and three lattice vectors"),
    ({"scale": "wide"}, "finite numbers"),
    ({"second": "0.5 nan 0.5"}, "expects 3 numbers"),
    ({"second": "0.05 0 0"}, "on top of each other"),
    ({"scale": "0.2"}, "on top of each other")])
def test_faults_of_a_poscar_are_named(tmp_path, changes, rule):
    with pytest.raises(InputError, match=rule) as caught:
        crystals_from_files(write(tmp_path, **changes))
    assert "POSCAR" in str(caught.value) and caught.value.remedy


def test_a_poscar_cut_anywhere_is_refused_or_whole(tmp_path):
    whole = SALT.format(**PLAIN)
    for length in range(len(whole) - 2):
        path = tmp_path / "POSCAR"
        path.write_text(whole[:length])
        try:
            crystals_from_files(path)
        except InputError:
            continue
        assert whole[:length].count("\n") >= 9  # only the last coordinate itself can be short


def test_other_files_are_refused(tmp_path):
    for name, rule in [("structure.xyz", "structures are read from"), ("POSCAR", "readable POSCAR")]:
        with pytest.raises(InputError, match=rule):
            crystals_from_files(tmp_path / name)
    (tmp_path / "CONTCAR").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="readable POSCAR"):
        crystals_from_files(tmp_path / "CONTCAR")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="must hold"):
        crystals_from_files(tmp_path / "empty")


def test_one_bad_file_of_a_folder_is_left_out_and_named(tmp_path, capsys):
    write(tmp_path, "POSCAR_bromide", names="Na Br")
    write(tmp_path, "POSCAR_broken", names="Na Xx")
    found = structures_from_files(tmp_path)
    assert [crystal.formula for crystal in found.crystals] == ["BrNa"]
    (name, reason), = found.unreadable
    assert name == "POSCAR_broken" and "elements and as many counts" in reason
    say_unreadable(found)
    assert capsys.readouterr().err.startswith("left out: POSCAR_broken: ")
    (tmp_path / "POSCAR_bromide").unlink()
    with pytest.raises(InputError, match="elements and as many counts"):  # nothing else is there
        structures_from_files(tmp_path)
