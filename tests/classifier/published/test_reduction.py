import numpy as np
import pytest

from classifier.crystal.electron import wavelength_angstrom
from classifier.crystal.reciprocal import zolz_lattice
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.published.olcf import SampleAttributes
from classifier.published.reduction import ReductionConfig, SkipSample, fingerprint, reduce_stack

SETTINGS = {"source_size_pixels": 128, "source_pixel_size_inv_angstrom": 0.02, "half_width_inv_angstrom": 1.28,
            "pose": "raw", "size_pixels": 32, "shortest_g_pixels": 8.0, "visible": 0.02, "tie": 0.02,
            "least_explained_share": 0.2, "on_partial_nan": "skip", "on_negative": "skip"}
NAN = float("nan")
AXES = np.array([[0, 0, 1], [1, 0, 0], [1, 1, 0]])
Y_DIRECTIONS = np.array([[0.0, 1, 0], [0, 0, 1], [0, 0, 1]])
LENGTHS, ANGLES = np.array([3.9, 3.9, 4.4]), np.array([90.0, 90, 90])


def config(**changes):
    return parse_config({**SETTINGS, **changes}, ReductionConfig, source="test")


def sample(**changes):
    values = {"space_group": 123, "material": "mp-1", "formula": "Fe1 O1", "structure_type": "123-AB",
              "beam_energy_kev": 100.0, "zone_axis_uvw": AXES, "y_directions": Y_DIRECTIONS,
              "convergence_semi_angle_mrad": np.full(3, 3.0), "d_hkl_angstrom": np.full(3, NAN),
              "cell_lengths_angstrom": LENGTHS, "cell_angles_degree": ANGLES}
    return SampleAttributes(**{**values, **changes})


def bases():
    return [zolz_lattice(LENGTHS, ANGLES, axis, y) for axis, y in zip(AXES, Y_DIRECTIONS, strict=True)]


@pytest.fixture(scope="module")
def disks(disk_pattern):
    """A stack of disk patterns for `sample()`, in the axes that its y_directions describe; float32 [3, 128, 128]."""
    radius = 3e-3 / wavelength_angstrom(100.0) / 0.02
    def brightness(h, k):
        return 3.0 if h == k == 0 else (2.0 if (h, k) == (1, 0) else 1.0) * np.exp(-0.3 * np.hypot(h, k))
    patterns = [disk_pattern(128, basis / 0.02, radius, amplitude=brightness) for basis in bases()]
    return np.stack(patterns).astype(np.float32)


def canonical(stack, **changes):
    return reduce_stack(stack, sample(**changes), config(pose="canonical", size_pixels=40))


def test_raw_pose_sums_blocks():
    stack = np.random.default_rng(0).random((3, 128, 128), np.float32)
    reduced = reduce_stack(stack, sample(), config(half_width_inv_angstrom=0.64, size_pixels=32))
    assert reduced.stack == pytest.approx(stack[:, 32:96, 32:96].reshape(3, 32, 2, 32, 2).sum((2, 4)))
    assert reduced.pixel_size_inv_angstrom == pytest.approx([0.04] * 3)
    assert np.isnan(reduced.shortest_g_inv_angstrom).all() and not reduced.azimuth_rad.any()
    assert config(half_width_inv_angstrom=0.64).detector().pixel_size == pytest.approx(0.04)


def test_canonical_pose_by_the_predicted_net(disks):
    reduced = canonical(disks)
    assert reduced.pose_from == ["net (as described)"] * 3
    first = np.array([basis[0] for basis in bases()])
    assert reduced.shortest_g_inv_angstrom == pytest.approx(np.hypot(*first.T))
    assert reduced.pixel_size_inv_angstrom == pytest.approx(np.hypot(*first.T) / 8)
    assert np.cos(reduced.azimuth_rad + np.arctan2(first[:, 1], first[:, 0])) == pytest.approx(1)
    # The brightest of the shortest disks now lies at +x, eight pixels from the centre.
    right, left = reduced.stack[:, 18:22, 26:30].sum((1, 2)), reduced.stack[:, 18:22, 10:14].sum((1, 2))
    assert (right > 1.5 * left).all() and (left > 0).all()
    inside = np.abs(np.arange(128) - 63.5) < 64
    assert reduced.stack.sum() <= disks[:, inside][:, :, inside].sum()


@pytest.mark.parametrize("swap, frame", [(lambda stack: stack.transpose(0, 2, 1), "swapped"),
                                         (lambda stack: stack[:, :, ::-1], "mirrored")])
def test_swapped_and_mirrored_axes_are_recognised(disk_pattern, swap, frame):
    lengths, angles = np.array([3.1, 4.0, 5.0]), np.array([90.0, 90, 72])
    basis = zolz_lattice(lengths, angles, [0, 0, 1], [1, 3, 0])
    pattern = disk_pattern(128, basis / 0.02, 4.1, amplitude=lambda h, k: np.exp(-0.3 * np.hypot(h, k)))
    stack = np.ascontiguousarray(swap(np.stack([pattern] * 3)), dtype=np.float32)
    reduced = canonical(stack, zone_axis_uvw=np.array([[0, 0, 1]] * 3), cell_lengths_angstrom=lengths,
                        cell_angles_degree=angles, y_directions=np.array([[1.0, 3, 0]] * 3))
    assert reduced.pose_from == [f"net ({frame})"] * 3
    assert reduced.shortest_g_inv_angstrom == pytest.approx([np.hypot(*basis[0])] * 3)


@pytest.mark.slow
@pytest.mark.parametrize("unknown", [
    {"cell_lengths_angstrom": np.full(3, NAN)}, {"zone_axis_uvw": np.zeros((3, 3), int)},
    {"convergence_semi_angle_mrad": np.full(3, NAN)}, {"beam_energy_kev": NAN},
    {"cell_lengths_angstrom": 1.3 * LENGTHS}])
def test_the_image_alone_serves_where_the_prediction_is_missing_or_wrong(disks, unknown):
    reduced = canonical(disks, **unknown)
    assert set(reduced.pose_from) == {"image"}
    assert reduced.shortest_g_inv_angstrom == pytest.approx([np.hypot(*basis[0]) for basis in bases()], rel=0.005)


def test_a_frame_wider_than_the_field_is_remarked(disks):
    assert canonical(disks).remarks == []
    wide = reduce_stack(disks, sample(), config(pose="canonical", size_pixels=80))
    assert wide.remarks == ["the canonical frame reaches beyond the field"]


def test_without_a_pose_the_sample_is_skipped():
    noise = np.random.default_rng(0).random((3, 128, 128), np.float32)
    with pytest.raises(SkipSample, match="no pose found for orientation 0"):
        canonical(noise, cell_lengths_angstrom=np.full(3, NAN))


def spoil(value, where=(1, slice(3, 5), 7)):
    stack = np.ones((3, 128, 128), np.float32)
    stack[where] = value
    return stack


@pytest.mark.parametrize("stack, changes, reason", [
    (spoil(NAN), {}, "partly NaN"), (spoil(np.inf), {}, "partly NaN"), (spoil(NAN, 1), {}, "all NaN"),
    (spoil(NAN, 1), {"on_partial_nan": "mask"}, "all NaN"), (spoil(-1.0), {}, "partly negative"),
    (spoil(0.0, 2), {}, "all zero"), (spoil(-1.0, 2), {"on_negative": "clip"}, "all zero"),
    (spoil(3e38), {}, "an intensity is 3e"), (np.ones((3, 64, 64), np.float32), {}, r"\[3, 64, 64\]"),
    (np.ones((3, 128, 128), np.int32), {}, "int32")])
def test_faulty_patterns_are_skipped_with_their_reason(stack, changes, reason):
    with pytest.raises(SkipSample, match=reason):
        reduce_stack(stack, sample(), config(**changes))


@pytest.mark.parametrize("value, changes, remark", [
    (NAN, {"on_partial_nan": "mask"}, "2 NaN pixels set to zero"),
    (-5.0, {"on_negative": "clip"}, "2 negative pixels set to zero")])
def test_policies_mend_and_remark(value, changes, remark):
    reduced = reduce_stack(spoil(value), sample(), config(**changes))
    assert reduced.remarks == [remark] and reduced.stack.sum() == 3 * 128 * 128 - 2 and (reduced.stack >= 0).all()


@pytest.mark.parametrize("changes", [{"half_width_inv_angstrom": 1.27}, {"size_pixels": 33},
                                     {"half_width_inv_angstrom": 2.0}, {"pose": "canonical",
                                                                        "half_width_inv_angstrom": 1.275}])
def test_a_window_that_does_not_come_out_is_refused_at_once(changes):
    with pytest.raises(InputError, match="window"):
        config(**changes)


def test_a_fingerprint_tells_stacks_with_the_same_pixels_apart():
    stack = np.random.default_rng(0).random((3, 128, 128), np.float32)
    changed = stack.copy()
    changed[2, 100, 3] = np.nextafter(changed[2, 100, 3], np.float32(1))
    others = (changed, stack[::-1], stack[:, ::-1], stack[:, :, ::-1], stack.transpose(0, 2, 1),
              np.rot90(stack, 2, (1, 2)))
    assert len({fingerprint(np.ascontiguousarray(other)) for other in (stack, *others)}) == 7
    assert fingerprint(stack.copy()) == fingerprint(stack)
