"""Which parts there are."""

from cbedgan.synthesis.crystals.parts import Part, made_up_for, parts_of


def test_parts_hold_eight_numbers_at_most():
    assert parts_of("hard", "", 12, range(3, 13)) == [Part("hard", "", 12, 3, 8), Part("hard", "", 12, 11, 2)]
    assert parts_of("hard", "", 12, range(0)) == []
    assert [Part("hard", "", 12, 3, 8).name, Part("boundary", "distorted", 63, 0, 2).name] == [
        "hard-12-000003", "boundary-distorted-63-000000"]


def test_a_side_that_is_whole_makes_up_for_the_other_one_and_for_no_other_group():
    asked = {(63, "distorted"): 3, (63, "undistorted"): 2, (12, "distorted"): 4, (194, "distorted"): 1,
             (194, "undistorted"): 1}
    made = {(63, "distorted"): 1, (63, "undistorted"): 2, (12, "distorted"): 0, (194, "distorted"): 0,
            (194, "undistorted"): 0}
    assert made_up_for(asked, made) == [Part("boundary", "undistorted", 63, 2, 2)]
    assert made_up_for(asked, asked) == []
