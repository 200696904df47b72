import numpy as np

from cbedgan.crystal.crystals import standard_crystal
from cbedgan.crystal.structure_files import Structures
from cbedgan.simulate.manifest import _chosen


def test_polymorphs_are_kept_and_a_material_measured_twice_is_not():
    def crystal(a, z):  # P4/mmm: one atom at the origin, two at +-z on the axis
        return standard_crystal(np.diag([a, a, 9.0]), [[0, 0, 0], [0, 0, z], [0, 0, -z]], [11, 17, 17], source=f"{a}")

    first, again, wider = crystal(4.0, 0.3), crystal(4.1, 0.3), crystal(5.0, 0.3)
    other = standard_crystal(np.diag([4.0, 4.0, 9.0]), [[0, 0, 0], [0.5, 0.5, 0.3], [0.5, 0.5, -0.3]], [11, 17, 17],
                             source="other sites")
    assert {one.space_group for one in (first, again, wider, other)} == {123}
    given = Structures([first, again, wider, other], [("broken.cif", "no sites")])
    chosen, passed_over = _chosen(given, lambda _: None)
    assert [entry.crystal for entry in chosen] == [first, wider, other]
    assert passed_over[0] == ("broken.cif", "no sites") and passed_over[1][1].startswith("same formula, space group")
