import numpy as np
import pytest
import torch

from classifier.crystal.reciprocal import zolz_lattice
from classifier.foundation.errors import InputError
from classifier.network.pose_embedding import PoseEmbedding
from classifier.network.pose_input import canonical_lattices, load_pose_features, pose_features, second_g
from classifier.pattern.geometry import Detector
from classifier.samples.stackfile import SampleTable, write_stack_file

DETECTOR = Detector(64, 1 / 16, "shortest_g")
CELL = {"cell_lengths_angstrom": [[5.0, 7.0, 6.0]], "cell_angles_degree": [[90.0, 90.0, 105.0]]}


def table(zone_axis=(0, 0, 1), shortest_g=0.2, n=1, **columns) -> SampleTable:
    """Samples whose disks are 0.45 |g1| wide in radius, at 100 keV."""
    semi_angle = 0.45 * shortest_g * 0.0370144 * 1e3
    return SampleTable.build(n, **{
        "sample_id": [f"s{k}" for k in range(n)], "space_group": 14, "material": "m", "origin": "simulated",
        "zone_axis_uvw": np.broadcast_to(zone_axis, (n, 3, 3)), "shortest_g_inv_angstrom": np.full((n, 3), shortest_g),
        "convergence_semi_angle_mrad": np.full((n, 3), semi_angle), "beam_energy_kev": 100.0,
        **{name: np.repeat(value, n, 0) for name, value in CELL.items()}, **columns})


def pattern(disk_pattern, net, amplitude) -> np.ndarray:
    """Disks of radius 0.45 |g1|, g1 = 16 pixels, on a canonical net."""
    return disk_pattern(64, net * 16, 0.45 * 16, amplitude=amplitude).astype(np.float32)


def oblique(length: float, degree: float) -> np.ndarray:
    return np.array([[1.0, 0.0], [length * np.cos(np.radians(degree)), length * np.sin(np.radians(degree))]])


def net_of(cell: dict = CELL, zone_axis=(0, 0, 1)) -> np.ndarray:
    return zolz_lattice(cell["cell_lengths_angstrom"][0], cell["cell_angles_degree"][0], np.array(zone_axis))


def test_the_second_g_is_the_shortest_that_is_visible_and_not_along_the_first() -> None:
    g = np.array([[1, 0], [-1, 0], [2, 0], [0.3, 1.1], [-0.6, 1.3], [0.0, 1.7]])
    light = np.array([1.0, 1.0, 0.5, 0.01, 0.4, 0.6])
    length, angle = second_g(g, light, half_width=2.0)
    assert (length, angle) == pytest.approx((np.hypot(0.6, 1.3), np.arctan2(1.3, 0.6)))
    assert second_g(g, light * [1, 1, 1, 5, 1, 1], half_width=2.0)[0] == pytest.approx(np.hypot(0.3, 1.1))


def test_of_equally_long_ones_the_steepest_counts_and_none_gives_the_corner() -> None:
    g = np.array([[1, 0], [np.sqrt(0.5), np.sqrt(0.5)], [-0.1, np.sqrt(0.99)]])
    assert second_g(g, np.array([1.0, 0.9, 0.1]), half_width=2.0)[1] == pytest.approx(np.arctan2(np.sqrt(0.99), 0.1))
    assert second_g(g[:1], np.ones(1), half_width=2.0) == pytest.approx((2 * np.sqrt(2), np.pi / 2))
    assert second_g(g[:0], np.ones(0), half_width=2.0) == pytest.approx((2 * np.sqrt(2), np.pi / 2))


def test_a_net_is_brought_onto_x_in_every_way_that_differs() -> None:
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    for net, ways in ((np.eye(2), 1), (oblique(1.4, 75), 2), (oblique(1.0, 60), 1), (oblique(1.0, 75), 2),
                      (oblique(1.3, 90), 1)):
        found = canonical_lattices(net @ turn.T)
        assert len(found) == ways
        for way in found:
            index = np.array([1.0, 0.0]) @ np.linalg.inv(way)
            assert index == pytest.approx(np.round(index), abs=1e-9)
    assert canonical_lattices(1.1 * oblique(1.4, 75)) == []


def test_a_cell_that_does_not_fit_leaves_the_picture_to_speak(disk_pattern) -> None:
    drawn = pattern(disk_pattern, oblique(1.2, 80), lambda h, k: 1.0 / (1 + h * h + k * k))
    stack = np.stack([drawn, drawn, np.ones_like(drawn)])[None]
    found = pose_features(stack, table(shortest_g=0.29), DETECTOR, source="test").reshape(3, 3)
    assert found[0] == pytest.approx([np.log(0.29), 1.2, np.radians(80)], abs=0.02)
    assert found[2, 1:] == pytest.approx([2 * np.sqrt(2), np.pi / 2])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_features_of_a_drawn_stack_whatever_its_hand(disk_pattern, mirrored, turned) -> None:
    net = net_of()
    shortest = np.hypot(*net[0])
    turn = net[0] / shortest
    canonical = net @ np.array([[turn[0], -turn[1]], [turn[1], turn[0]]]) / shortest
    drawn = pattern(disk_pattern, canonical, lambda h, k: 1.0 / (1 + h * h + 2 * k * k + h * k))
    drawn = drawn[::-1] if mirrored else drawn
    drawn = drawn[::-1, ::-1] if turned else drawn
    features = pose_features(np.stack([drawn] * 3)[None], table(shortest_g=shortest), DETECTOR, source="test")
    expected = np.log(shortest), np.hypot(*net[1]) / shortest, np.radians(75)
    assert features.shape == (1, 9) and features.dtype == np.float32
    assert features.reshape(3, 3) == pytest.approx(np.array([expected] * 3), abs=1e-3)


def test_a_reflection_that_absences_put_out_is_not_used_and_nothing_tells_that_the_net_has_it(disk_pattern) -> None:
    """A doubled cell whose new reflections are all dark has the features of the simple one."""
    simple = {"cell_lengths_angstrom": [[5.0, 6.0, 6.0]], "cell_angles_degree": [[90.0, 90.0, 90.0]]}
    doubled = {"cell_lengths_angstrom": [[5.0, 12.0, 6.0]], "cell_angles_degree": [[90.0, 90.0, 90.0]]}
    net = np.array([[0.0, 1.0], [1.2, 0.0]])[:, ::-1]
    drawn = pattern(disk_pattern, net, lambda h, k: 1.0 / (1 + h * h + k * k))
    stack = np.stack([drawn] * 3)[None]
    found = [pose_features(stack, table(shortest_g=1 / 6, **cell), DETECTOR, source="test")
             for cell in (simple, doubled)]
    assert found[0].reshape(3, 3)[0] == pytest.approx([np.log(1 / 6), 1.2, np.pi / 2], abs=1e-3)
    assert found[1] == pytest.approx(found[0], abs=1e-6)


@pytest.mark.parametrize("column, value", [
    ("zone_axis_uvw", np.zeros((2, 3, 3), int)), ("cell_lengths_angstrom", np.nan), ("beam_energy_kev", np.nan),
    ("shortest_g_inv_angstrom", np.nan), ("convergence_semi_angle_mrad", np.nan)])
def test_a_file_without_what_is_needed_is_refused_by_its_name(tmp_path, column, value) -> None:
    stacks = np.ones((2, 3, 64, 64), np.float32)
    write_stack_file(tmp_path / "a.h5", stacks, table(n=2, **{column: value}), detector=DETECTOR, pose="canonical",
                     intensity_unit="count", provenance={})
    with pytest.raises(InputError, match=f"pose_input needs {column} of every sample.*first s0"):
        load_pose_features(tmp_path / "a.h5")


def test_raw_pose_is_refused_and_samples_come_in_their_order(tmp_path, disk_pattern) -> None:
    net = net_of()
    shortest = float(np.hypot(*net[0]))
    stacks = np.ones((2, 3, 64, 64), np.float32)
    rows = table(n=2, shortest_g_inv_angstrom=np.array([[shortest] * 3, [2 * shortest] * 3]))
    write_stack_file(tmp_path / "a.h5", stacks, rows, detector=DETECTOR, pose="canonical", intensity_unit="count",
                     provenance={})
    found = load_pose_features(tmp_path / "a.h5", ["s1", "s0"])
    assert found[:, 0].tolist() == pytest.approx([np.log(2 * shortest), np.log(shortest)])
    for _ in range(2):
        assert torch.equal(load_pose_features(tmp_path / "a.h5", ["s1", "s0"], tmp_path / "cache"), found)
    assert len(list((tmp_path / "cache").glob("a-pose-*.npy"))) == 1
    write_stack_file(tmp_path / "b.h5", stacks, rows, detector=Detector(64, 0.1, "1/angstrom"), pose="raw",
                     intensity_unit="count", provenance={})
    with pytest.raises(InputError, match="canonical pose; found raw pose"):
        load_pose_features(tmp_path / "b.h5")


def test_the_embedding_standardises_and_can_forget_the_order() -> None:
    torch.manual_seed(0)
    pose = torch.randn(50, 9) * 3 + 7
    pose[:, 4] = 2.0
    embedding = PoseEmbedding(any_order=False)
    embedding.fit(pose)
    scaled = (pose - embedding.mean) / embedding.std
    assert torch.allclose(scaled.mean(0), torch.zeros(9), atol=1e-5) and (scaled[:, 4] == 0).all()
    assert torch.allclose(scaled.std(0, unbiased=False)[[0, 8]], torch.ones(2), atol=1e-5)
    assert embedding(pose).shape == (50, 32)
    swapped = pose.unflatten(1, (3, 3))[:, [2, 0, 1]].flatten(1)
    assert not torch.allclose(embedding(pose), embedding(swapped))
    blind = PoseEmbedding(any_order=True)
    blind.fit(pose)
    assert torch.allclose(blind(pose), blind(swapped))
