"""Strips: which paths are drawn, at which distortions, and that a picture comes out."""

import numpy as np

from cbedgan.distortion.report.strip import chosen_strips, strip, strip_places

MATERIALS = {"221": 90, "123": 40, "99": 3}


def path(t_star, state, pair=(221, 123)):
    return {"space_group": pair[0], "subgroup": pair[1], "t_star": t_star, "state": state, "t_data": 0.02,
            "end_angstrom": 0.5}


def test_the_median_the_extremes_and_the_rarest_pair_are_drawn_once_each():
    both = ["crossed", "crossed"]
    paths = [path([0.3, 0.1], both), path([None, None], ["denied", "never"]), path([0.01, None], ["crossed", "never"]),
             path([0.4, 0.4], both), path([0.25, 0.2], both), path([0.26, 0.2], both, (123, 99))]
    assert chosen_strips(paths, MATERIALS) == {2: "smallest t*", 3: "largest t*", 4: "median t*", 5: "rarest pair"}
    assert chosen_strips(paths[2:3], MATERIALS) == {0: "rarest pair"} and chosen_strips(paths[1:2], MATERIALS) == {}


def test_places_rise_and_end_with_the_path():
    assert list(strip_places(path([0.01, None], ["crossed", "never"])).items()) == [
        ("undistorted", 0.0), ("t*", 0.01), ("t_data", 0.02), ("end", 0.5)]
    far = path([0.3, 0.1], ["crossed", "crossed"]) | {"t_data": None}
    assert list(strip_places(far)) == ["undistorted", "t*", "end"]


def test_a_strip_is_drawn_with_and_without_lost_operations():
    line = {"turn": 1, "azimuth_degree": 30.0, "hkl": None, "keeps_beam": True, "stays_in_projection": False}
    lost = [{"zone_axis_uvw": [0, 0, 1], "before": "2mm", "after": "2", "operations": some, "dark": []}
            for some in ([line], [])]
    whole = path([0.1], ["crossed"]) | {
        "crystal": {"formula": "SrTiO3"}, "lost": {"patterns": lost}, "distortion_angstrom": [0.001, 0.02, 0.5],
        "margins": [[-2.0, -2, -1, 3]], "residuals": [[[0.0, 0.001, 0.02, 0.5]], []]}
    patterns, places = np.random.default_rng(0).random((4, 16, 16)), strip_places(whole)
    for pattern in (0, 1):
        assert strip(whole, patterns, places, pattern, bar=0.02).startswith(b"\x89PNG")
