"""Which parts there are."""

from cbedgan.synthesis.crystals.parts import Cell, Part, made_up_for, parts_of

HARD = Cell("hard", 12)
ABOVE, BELOW, OTHER = (Cell("boundary", 63, side, partner) for side, partner in (
    ("distorted", 194), ("undistorted", 12), ("undistorted", 15)))


def test_parts_hold_eight_numbers_at_most():
    assert parts_of(HARD, range(3, 13)) == [Part(HARD, 3, 8), Part(HARD, 11, 2)]
    assert parts_of(HARD, range(0)) == []
    assert [Part(HARD, 3, 8).name, Part(ABOVE, 0, 2).name] == ["hard-12-000003", "boundary-distorted-63-194-000000"]


def test_pairs_that_are_whole_make_up_for_others_of_their_group_and_of_no_other():
    asked = {ABOVE: 3, BELOW: 2, Cell("boundary", 12, "distorted", 63): 4, HARD: 9}
    made = {ABOVE: 1, BELOW: 2, Cell("boundary", 12, "distorted", 63): 0, HARD: 0}
    assert made_up_for(asked, asked, made) == [Part(BELOW, 2, 2)]
    assert made_up_for(asked, asked, asked) == []


def test_what_is_lacking_is_shared_and_a_pool_that_suffices_lacks_nothing():
    quota = {ABOVE: 5, BELOW: 2, OTHER: 2}
    assert made_up_for(quota, quota, {ABOVE: 2, BELOW: 2, OTHER: 2}) == [Part(BELOW, 2, 2), Part(OTHER, 2, 1)]
    pool = {ABOVE: 15, BELOW: 6, OTHER: 6}
    assert made_up_for(quota, pool, {ABOVE: 2, BELOW: 6, OTHER: 1}) == []
    assert made_up_for(quota, pool, {ABOVE: 1, BELOW: 6, OTHER: 0}) == [Part(BELOW, 6, 2)]
