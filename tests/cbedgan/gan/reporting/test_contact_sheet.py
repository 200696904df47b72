"""What the contact sheet shows where."""

import numpy as np
from matplotlib.image import imread

from cbedgan.gan.reporting.contact_sheet import GAP, mosaic, write_contact_sheet


def test_stacks_lie_side_by_side_with_k_y_upwards():
    stacks = np.arange(2 * 2 * 3 * 4 * 4, dtype=float).reshape(2, 2, 3, 4, 4)
    picture = mosaic(stacks)
    assert picture.shape == (2 * (4 + GAP), 2 * (3 * (4 + GAP) + GAP))
    np.testing.assert_array_equal(picture[:4, :4], stacks[0, 0, 0, ::-1])
    np.testing.assert_array_equal(picture[4 + GAP:-GAP, 4 + GAP:8 + GAP], stacks[1, 0, 1, ::-1])
    assert np.isnan(picture[4:4 + GAP]).all() and np.isnan(picture[:, 4:4 + GAP]).all()


def test_the_sheet_is_a_picture_with_a_bright_and_a_missing_stack(tmp_path):
    real, generated = np.full((2, 1, 3, 8, 8), 1e-3), np.full((2, 1, 3, 8, 8), 1e-3)
    real[1] = np.nan
    generated[0, 0, 0, 0, 0] = 0.0
    write_contact_sheet(tmp_path / "sheet.png", real, generated, ["194 P63/mmc", "216 F-43m"], title="x", zoom=4)
    picture = imread(tmp_path / "sheet.png")
    assert picture.shape[0] > 4 * 4 * 10 and [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    left, above = 130, 40
    cell = 4 * (8 + GAP)
    colour = [picture[above + row * cell + 8, left + 8, :3] for row in range(4)]
    assert colour[0].sum() > 2 and np.allclose(colour[0], colour[1], atol=0.02) and np.allclose(colour[2], 1)
    corner = picture[above + cell + 4 * 7 + 2, left + 2, :3]
    assert corner.sum() < 0.2
