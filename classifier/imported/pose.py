"""Where the direct beam of a user's own pattern lies, and its pose by the image or a net of unknown azimuth."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal

from classifier.crystal.reciprocal import reduced_basis
from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import find_disk_lattice, lit_map
from classifier.pattern.geometry import Detector, Pose
from classifier.pattern.pose import explained_share, lit_disks, pose_from_lattice

HANDS = {"net": np.eye(2), "net (mirrored)": np.diag([-1.0, 1.0])}
FINEST_TURN = 2e-3  # radian
LENGTH_TOLERANCE = 0.03
WIDEST = 0.9  # diameter of a disk over the shortest vector of the net; wider ones leave no gaps that tell the azimuth


def brightest_disk(pattern: np.ndarray, radius_pixels: float | None) -> tuple[float, float]:
    """Column and row, in pixels from the middle of pixel [0, 0], of the brightest disk of a pattern [H, W].

    With a radius: where a disk of that size holds the most light. Without: the centre of mass of the brightest region.
    """
    light = np.maximum(pattern, 0)
    if radius_pixels is None:
        smooth = ndimage.gaussian_filter(light, 2)
        regions, _ = ndimage.label(smooth > smooth.max() / 2)
        row, column = ndimage.center_of_mass(regions == regions[np.unravel_index(smooth.argmax(), smooth.shape)])
        return float(column), float(row)
    reach = np.arange(-int(radius_pixels) - 1, int(radius_pixels) + 2)
    disk = np.clip(radius_pixels + 0.5 - np.hypot(reach[:, None], reach), 0, 1)
    held = signal.fftconvolve(np.sqrt(light), disk, mode="same")
    row, column = ndimage.center_of_mass(held >= 0.97 * held.max())
    return float(column), float(row)


def measured_pose(pattern: np.ndarray, detector: Detector, *, centre: np.ndarray, disk_radius: float | None,
                  net: np.ndarray | None, visible: float, tie: float,
                  least_explained_share: float) -> tuple[Pose, str]:
    """Pose of a pattern [H, W], and what gave it: "image", or where that shows no lattice like the net, "net".

    net: of cell and zone axis, float64 [2, 2]. Its azimuth is unknown and searched for, and its hand: the beam may run
    against the axis ("net (mirrored)"). It needs disk_radius, and is not believed when it explains less of the light
    than least_explained_share, nor where disks touch. All lengths in detector units. InputError when neither way leads
    to a pose.
    """
    try:
        seen, middle, radius = find_disk_lattice(pattern, detector, disk_radius=disk_radius, centre=centre)
        pose = pose_from_lattice(pattern, detector, net=seen, disk_radius=radius, centre=middle, visible=visible,
                                 tie=tie)
        if np.hypot(*(middle - centre)) < radius and (net is None or not unlike_lattice(pose, net)):
            return pose, "image"
    except InputError:
        pass
    if net is not None and disk_radius is not None:
        wide = 2 * disk_radius / np.hypot(*reduced_basis(net).T).min()
        if wide > WIDEST:
            raise InputError(source="canonical pose", value=f"{wide:.2f} times as wide as the net's shortest vector",
                             rule=f"an azimuth is searched for only where disks are at most {WIDEST} times as wide",
                             remedy="Say where the disk of the shortest visible reflection lies: shortest_g_disk.")
        share, turned, way = _turned(pattern, detector, net, disk_radius=disk_radius, centre=centre)
        if share >= least_explained_share:
            return pose_from_lattice(pattern, detector, net=turned, disk_radius=disk_radius, centre=centre,
                                     visible=visible, tie=tie), way
    raise InputError(source="canonical pose", value="neither in the image nor by cell and zone axis",
                     rule="a lattice of at least four whole disks must show around the centre",
                     remedy="Check centre, pixel size and convergence_semi_angle_mrad, give cell and zone axes, or say "
                            "where the disk of the shortest visible reflection lies: shortest_g_disk.")


def unlike_lattice(pose: Pose, net: np.ndarray) -> bool:
    """Whether no vector of the net [2, 2] is as long as the shortest g of a single pose, to 3 %."""
    reach = np.arange(-12, 13)
    index = np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)
    return bool((np.abs(np.hypot(*(index @ net).T) / pose.length - 1) > LENGTH_TOLERANCE).all())


def _turned(pattern: np.ndarray, detector: Detector, net: np.ndarray, *, disk_radius: float,
            centre: np.ndarray) -> tuple[float, np.ndarray, str]:
    """The share of the light that the net [2, 2] explains best, the net so turned or mirrored, and its hand."""
    lit = lit_map(pattern)

    def share(hand: str, azimuth: float) -> float:
        turned = net @ HANDS[hand] @ _turn(azimuth)
        try:
            g, _ = lit_disks(pattern, detector, net=turned, disk_radius=disk_radius, centre=centre)
        except InputError:
            return 0.0
        return explained_share(lit, detector, g=g, disk_radius=disk_radius, centre=centre)

    step = disk_radius / (detector.size_pixels * detector.pixel_size)  # half a radius at the edge of the field
    tried = [(round(share(hand, azimuth), 6), hand, azimuth) for hand in HANDS for azimuth in np.arange(0, np.pi, step)]
    best, hand, azimuth = max(tried, key=lambda one: one[0])  # of equal ones the first
    while step > FINEST_TURN:
        step /= 2
        best, azimuth = max((best, azimuth), *((share(hand, azimuth + turn), azimuth + turn) for turn in (-step, step)))
    return best, net @ HANDS[hand] @ _turn(azimuth), hand


def _turn(azimuth: float) -> np.ndarray:
    return np.array([[np.cos(azimuth), np.sin(azimuth)], [-np.sin(azimuth), np.cos(azimuth)]])
