"""Where the direct beam of a user's own pattern lies, and its pose by a net of unknown azimuth or by the image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal

from classifier.disk_lattice import find_disk_lattice, lit_map, nearest_net_point, pixel_vectors
from classifier.errors import InputError
from classifier.geometry import Detector, Pose
from classifier.pose import explained_share, lit_disks, pose_from_lattice

JUDGED_PIXELS = 96  # along a side: larger patterns are judged on every second, third, ... pixel for their azimuth
HANDS = {"net": np.eye(2), "net (mirrored)": np.diag([-1.0, 1.0])}  # the beam runs along the axis, or against it


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
    """Pose of a pattern [H, W], and whether the net [2, 2] gave it ("net", "net (mirrored)") or the "image" did.

    The net's azimuth on the detector is unknown and searched for. A net that explains less of the light than
    least_explained_share is not believed. Lengths in detector units; InputError when neither way leads to a pose.
    """
    try:
        found = find_disk_lattice(pattern, detector, disk_radius=disk_radius, centre=centre)
    except InputError:
        found = None
    if found is not None:
        seen, middle, radius = found
        if np.hypot(*(middle - centre)) < radius:
            centre, disk_radius = middle, radius
        else:
            found = None
    rule = {"disk_radius": disk_radius, "centre": centre}
    if net is not None and disk_radius is not None:
        turned, way = _turned(pattern, detector, net, **rule)
        if _explained(pattern, detector, turned, **rule) >= least_explained_share:
            return pose_from_lattice(pattern, detector, net=turned, visible=visible, tie=tie, **rule), way
    if found is None:
        raise InputError(source="canonical pose", value="neither in the image nor by cell and zone axis",
                         rule="a lattice of at least four whole disks must show around the centre",
                         remedy="Check centre, pixel size and convergence_semi_angle_mrad, or give cell and zone axes.")
    return pose_from_lattice(pattern, detector, net=seen, visible=visible, tie=tie, **rule), "image"


def _turned(pattern: np.ndarray, detector: Detector, net: np.ndarray, *, disk_radius: float,
            centre: np.ndarray) -> tuple[np.ndarray, str]:
    """The net, float64 [2, 2], turned and if need be mirrored so that its disks hold most of what is lit, and how."""
    stride = -(-detector.size_pixels // JUDGED_PIXELS)
    vectors = (pixel_vectors(detector.size_pixels) * detector.pixel_size - centre)[::stride, ::stride].reshape(-1, 2)
    lit = lit_map(pattern)[::stride, ::stride].ravel()
    outside = np.hypot(*vectors.T) > disk_radius + detector.pixel_size
    vectors, lit = vectors[outside], lit[outside]

    def gain(hand: np.ndarray, azimuth: float) -> float:
        """Share of the light less share of the area within the disks of the net so turned."""
        inside = nearest_net_point(vectors, net @ hand @ _turn(azimuth))[1] <= disk_radius
        return float(lit[inside].sum() / max(lit.sum(), np.finfo(float).tiny) - inside.mean())

    step = disk_radius / (detector.size_pixels * detector.pixel_size)  # half a radius at the edge of the field
    best = max(((gain(hand, azimuth), way, azimuth) for way, hand in HANDS.items()
                for azimuth in np.arange(0, np.pi, step)), key=lambda one: one[0])
    _, way, azimuth = best
    while step > 1e-3:
        step /= 2
        azimuth = max((azimuth, azimuth - step, azimuth + step), key=lambda one: gain(HANDS[way], one))
    return net @ HANDS[way] @ _turn(azimuth), way


def _turn(azimuth: float) -> np.ndarray:
    return np.array([[np.cos(azimuth), np.sin(azimuth)], [-np.sin(azimuth), np.cos(azimuth)]])


def _explained(pattern: np.ndarray, detector: Detector, net: np.ndarray, *, disk_radius: float,
               centre: np.ndarray) -> float:
    try:
        g, _ = lit_disks(pattern, detector, net=net, disk_radius=disk_radius, centre=centre)
    except InputError:
        return 0.0
    return explained_share(lit_map(pattern), detector, g=g, disk_radius=disk_radius, centre=centre)
