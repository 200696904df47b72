"""Where the direct beam of a user's own pattern lies, and its pose by the image or a lattice of unknown azimuth."""

from typing import Annotated

import numpy as np
from jaxtyping import Real
from pydantic import Field
from scipy import ndimage, signal

from classifier.crystal.reciprocal import Basis, reduced_basis
from classifier.foundation.config import Config
from classifier.foundation.errors import InputError
from classifier.pattern.disk_lattice import DiskLattice, lit_map
from classifier.pattern.geometry import Detector, Pose
from classifier.pattern.pose import lattice_share, pose_from_lattice
from classifier.pose.measure import MeasuredPose, direct_disk_place, measure_pose

HANDS = {"net": np.eye(2), "net (mirrored)": np.diag([-1.0, 1.0])}
FINEST_TURN = 2e-3  # radian
LENGTH_TOLERANCE = 0.03
WIDEST = 0.9  # diameter of a disk over the shortest lattice vector; wider ones leave no gaps that tell the azimuth


class PoseConfig(Config):
    """How the canonical pose is found; see geometry.shortest_visible_g and measured_pose."""

    visible: Annotated[float, Field(gt=0, lt=1)]
    tie: Annotated[float, Field(ge=0)]
    least_explained_share: Annotated[float, Field(ge=0, le=1)]


def brightest_disk(pattern: Real[np.ndarray, "H W"], radius_pixels: float | None) -> tuple[float, float]:
    """Column and row, in pixels from the middle of pixel [0, 0], of the brightest disk of a pattern.

    With a radius: where a disk of that size holds the most light. Without: the centre of mass of the brightest region.
    """
    light = np.maximum(pattern, 0)
    if radius_pixels is None:
        smooth = ndimage.gaussian_filter(light, 2)
        regions = np.zeros(light.shape, dtype=np.int32)
        ndimage.label(smooth > smooth.max() / 2, output=regions)
        return _centre_of_mass(regions == regions[np.unravel_index(smooth.argmax(), smooth.shape)])
    reach = np.arange(-int(radius_pixels) - 1, int(radius_pixels) + 2)
    disk = np.clip(radius_pixels + 0.5 - np.hypot(reach[:, None], reach), 0, 1)
    light = signal.fftconvolve(np.sqrt(light), disk, mode="same")
    return _centre_of_mass(light >= 0.97 * light.max())


def direct_disk(pattern: Real[np.ndarray, "H W"], radius_pixels: float | None) -> tuple[float, float]:
    """Column and row of the direct disk, by the lattice of all disks; where none is seen, of the brightest disk.

    In thick crystals the direct disk is often not the brightest. InputError where a lattice leaves it open.
    """
    place = direct_disk_place(pattern, radius_pixels)
    return brightest_disk(pattern, radius_pixels) if place is None else place


def _centre_of_mass(region: np.ndarray) -> tuple[float, float]:
    row, column = np.argwhere(region).mean(axis=0)
    return float(column), float(row)


def measured_pose(pattern: Real[np.ndarray, "H H"], detector: Detector, config: PoseConfig, *, centre: np.ndarray,
                  disk_radius: float | None, basis: Basis | None) -> tuple[Pose, str, list[str], Basis]:
    """Pose of a pattern, what gave it, remarks, and the basis of the disks' lattice in detector units.

    What gave it: "image", or where that shows no lattice like the predicted one, "net".

    The azimuth of the predicted lattice is unknown and searched for, and so is its hand: the beam may run against the
    axis ("net (mirrored)"). InputError when neither way leads to a pose.

    Parameters
    ----------
    pattern, detector : intensities and what their pixels mean
    config : least_explained_share: a predicted lattice that explains less of the light is not believed
    centre, disk_radius : [2], of the direct disk, in detector units; without a radius only the image is asked
    basis : of the lattice that cell and zone axis predict, in detector units; not used where disks touch
    """
    rule = {"visible": config.visible, "tie": config.tie}
    refusal = None
    try:
        found = measure_pose(pattern, detector, centre=centre, disk_radius=disk_radius, **rule)
        if basis is None or not unlike_lattice(found.pose, basis):
            return found.pose, "image", _others(found), found.lattice.basis
    except InputError as error:
        refusal = error
    if basis is not None and disk_radius is not None:
        wide = 2 * disk_radius / np.hypot(*reduced_basis(basis).T).min()
        if wide > WIDEST:
            raise InputError(source="canonical pose", value=f"{wide:.2f} times as wide as the shortest lattice vector",
                             rule=f"an azimuth is searched for only where disks are at most {WIDEST} times as wide",
                             remedy="Say where the disk of the shortest visible reflection lies: shortest_g_disk.")
        share, turned, way = _turned(pattern, detector, DiskLattice(basis, disk_radius, centre))
        if share >= config.least_explained_share:
            return pose_from_lattice(pattern, detector, turned, **rule), way, [], turned.basis
    if refusal is not None and refusal.source != "disk lattice":
        raise refusal
    raise InputError(source="canonical pose", value="neither in the image nor by cell and zone axis",
                     rule="a lattice of at least four whole disks must show around the centre",
                     remedy="Check centre, pixel size and convergence_semi_angle_mrad, give cell and zone axes, or say "
                            "where the disk of the shortest visible reflection lies: shortest_g_disk.")


def _others(found: MeasuredPose) -> list[str]:
    """What is said of other disks that might as well be the shortest visible one."""
    if len(found.others) == 0:
        return []
    turns = np.degrees(np.arctan2(found.others[:, 1], found.others[:, 0]))
    return ["as bright within the noise as the shortest visible reflection, and as long: those at azimuths "
            + ", ".join(f"{turn:.0f}" for turn in sorted(turns)) + " degree"]


def unlike_lattice(pose: Pose, basis: Basis) -> bool:
    """Whether no lattice vector is as long as the shortest g of a single pose, to 3 %."""
    reach = np.arange(-12, 13)
    index = np.stack(np.meshgrid(reach, reach), -1).reshape(-1, 2)
    return bool((np.abs(np.hypot(*(index @ basis).T) / pose.length - 1) > LENGTH_TOLERANCE).all())


def _turned(pattern: np.ndarray, detector: Detector, lattice: DiskLattice) -> tuple[float, DiskLattice, str]:
    """The largest share of the light that the lattice explains, the lattice so turned or mirrored, and its hand."""
    lit = lit_map(pattern)

    def turned(hand: str, azimuth: float) -> DiskLattice:
        turn = np.array([[np.cos(azimuth), np.sin(azimuth)], [-np.sin(azimuth), np.cos(azimuth)]])
        return lattice._replace(basis=lattice.basis @ HANDS[hand] @ turn)

    def share(hand: str, azimuth: float) -> float:
        return lattice_share(pattern, lit, detector, turned(hand, azimuth))

    step = lattice.radius / (detector.size_pixels * detector.pixel_size)  # half a radius at the edge of the field
    tried = [(round(share(hand, azimuth), 6), hand, azimuth) for hand in HANDS for azimuth in np.arange(0, np.pi, step)]
    best, hand, azimuth = max(tried, key=lambda one: one[0])  # of equal ones the first
    while step > FINEST_TURN:
        step /= 2
        best, azimuth = max((best, azimuth), *((share(hand, azimuth + turn), azimuth + turn) for turn in (-step, step)))
    return best, turned(hand, azimuth), hand
