"""Which groups have a boundary in the same cell."""

from cbedgan.synthesis.crystals.boundary_stacks import subgroups, supergroups


def test_only_subgroups_of_the_same_cell_count():
    classes = (12, 62, 63, 176, 194, 225)
    assert subgroups(194, classes) == [63, 176] and subgroups(63, classes) == [12]  # 62 doubles the cell of 63
    assert supergroups(62, classes) == [] and supergroups(63, classes) == [194] and supergroups(225, classes) == []
