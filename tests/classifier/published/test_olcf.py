import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.published.olcf import anonymous_formula, read_attributes, reduced_formula
from published import EXAMPLE


class Unreadable(dict):
    """Attributes of which one cannot be read, as damaged files have them."""

    def __getitem__(self, name):
        value = super().__getitem__(name)
        if isinstance(value, Exception):
            raise value
        return value


def read(**changes):
    attributes = {name: value for name, value in {**EXAMPLE, **changes}.items() if value is not None}
    return read_attributes(Unreadable(attributes))


def test_the_published_example():
    """`prepare` is tested with the same one; this is what its table leaves out."""
    assert read().formula == "Fe8 O14 F2" and read().y_directions[0] == pytest.approx([-4 / 3, 2 / 3, -2 / 3])


def test_rows_in_place_of_columns_are_noticed():
    (doubt,) = read(z_dirs=EXAMPLE["z_dirs"].transpose(0, 2, 1)).doubts
    assert doubt.startswith("d_hkls_angstrom: [3.34")


@pytest.mark.parametrize("label", [np.bytes_(b"0"), np.bytes_(b"231"), np.bytes_(b"P1"), None, OSError("damaged")])
def test_without_a_space_group_the_sample_is_of_no_use(label):
    with pytest.raises(InputError, match="space_group"):
        read(space_group=label)


@pytest.mark.parametrize("name", [None, np.bytes_(b""), OSError("damaged")])
def test_without_a_material_the_sample_is_of_no_use(name):
    with pytest.raises(InputError, match="material"):
        read(material=name)


def test_labels_of_other_kinds_are_read():
    sample = read(space_group="123", material="mp-1", formula=b"Na1 Cl1", energy_keV=np.array([190.0]))
    assert (sample.space_group, sample.material, sample.structure_type) == (123, "mp-1", "123-AB")
    assert sample.beam_energy_kev == 190.0


@pytest.mark.parametrize("name, value", [
    ("energy_keV", -5), ("energy_keV", "hundred"), ("semi_angles_rad", np.array([1e-3, np.nan, 1e-3])),
    ("semi_angles_rad", np.array([2.7, 2.8, 3.6])),  # mrad
    ("abc_angstrom", np.array([4.6, 7.5, 1e-310])), ("abc_angstrom", np.array([4.6, 7.5])),
    ("angles_degree", np.array([150.0, 150.0, 150.0])), ("d_hkls_angstrom", np.zeros(3)),
    ("abc_angstrom", np.array(["1e4000", "7.5", "7.6"], dtype=np.longdouble)),
    ("z_dirs", EXAMPLE["z_dirs"][0]), ("z_dirs", np.zeros((1, 3, 3))), ("z_dirs", EXAMPLE["z_dirs"] + 0.5),
    ("y_dirs", OSError("unknown float type")), ("formula", None), ("energy_keV", None)])
def test_nonsense_becomes_unknown_and_is_named(name, value):
    sample = read(**{name: value})
    if name == "z_dirs" and np.shape(value) == (3, 3):  # the same numbers without the leading axis are understood
        assert sample.doubts == []
        return
    assert sample.doubts and sample.doubts[0].startswith(name)
    column = {"energy_keV": sample.beam_energy_kev, "semi_angles_rad": sample.convergence_semi_angle_mrad,
              "abc_angstrom": sample.cell_lengths_angstrom, "angles_degree": sample.cell_angles_degree,
              "d_hkls_angstrom": sample.d_hkl_angstrom, "y_dirs": sample.y_directions}.get(name)
    assert column is None or np.isnan(column).all()
    assert name != "z_dirs" or not sample.zone_axis_uvw.any()
    assert name != "formula" or sample.structure_type == ""


@pytest.mark.parametrize("formula, anonymous", [
    ("Fe8 O14 F2", "AB4C7"), ("Na1 Cl1", "AB"), ("Na Cl", "AB"), ("Si2", "A"), ("Ba1 Ti1 O3", "ABC3"),
    ("Ti2 Ba2 O6", "ABC3"), ("", ""), ("Fe(2)", ""), ("Fe0", ""), ("8", ""), ("Fe-2", ""), ("Fe2.5", "")])
def test_anonymous_formulas(formula, anonymous):
    assert anonymous_formula(formula) == anonymous


@pytest.mark.parametrize("formula, reduced", [
    ("Fe8 O14 F2", "FFe4O7"), ("Fe4 O7 F1", "FFe4O7"), ("F O7 Fe4", "FFe4O7"), ("Si2", "Si"), ("O2 Fe O2", "FeO4"),
    ("", ""), ("Fe0 O", "Fe0 O"), ("fe O", "fe O"), ("Fe\u0662 O", "Fe\u0662 O")])
def test_reduced_formula_names_a_compound_once(formula, reduced):
    assert reduced_formula(formula) == reduced
