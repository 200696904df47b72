"""Raw frames with a known pose: crystals of a set simulated anew, on detectors that are drawn for each frame."""

import json
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.electron import wavenumber_inv_angstrom
from cbedgan.simulate.cbed.detector import View, simulate_views
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.multislice import Exposure, MultisliceConfig
from cbedgan.simulate.cbed.specimen import SpecimenConfig
from cbedgan.simulate.cbed.zone_axis import slab
from classifier.crystal.reciprocal import Basis, zolz_lattice

SIZES = (128, 256)  # pixels of a frame
FINER = 2  # simulated pixels along one side of a pixel
HALF_WIDTH = (1.6, 3.5)  # of a frame, in |g1|
APERTURE = (0.3, 0.475)  # radius of a disk, in |g1|
THICKNESS_ANGSTROM = (100.0, 600.0)
KEV = (80.0, 300.0)
SHIFT = 0.15  # largest of the centre along rows and columns, in sides of the frame
ELLIPSE = 0.01  # largest excess of an ellipse's long axis over its short one
SPECIMEN = SpecimenConfig(tilt_mrad=1.0)
DRIFT_ANGSTROM = 1.0  # of neighbouring incident directions
STEPS = 3  # sub-points along one side of a pixel


@dataclass(frozen=True, eq=False)
class RawFrame:
    """A frame without noise, shares of the beam, and the truth: lengths in pixels, places from the middle.

    basis: of the ZOLZ, reduced; shortest_g, centre: (x, y); radius: of the disks; all but basis and shortest_g as the
    camera shows them, these as they are without its ellipse.
    """

    name: str
    image: Float[np.ndarray, "H H"]
    basis: Basis
    shortest_g: Float[np.ndarray, " 2"]
    centre: Float[np.ndarray, " 2"]
    radius: float
    pixel_size_inv_angstrom: float


def raw_frame(provenance: str, zone_axis_uvw: np.ndarray, shortest_g_inv_angstrom: float, draw: np.random.Generator
              ) -> RawFrame:
    """One frame of the crystal in a simulated sample's provenance; InputError where none can be simulated.

    Parameters
    ----------
    provenance, zone_axis_uvw : of the sample, and the beam's direction
    shortest_g_inv_angstrom : about how long g1 is: it scales field and disks
    draw : of everything that is drawn
    """
    crystal = Crystal.from_record(json.loads(provenance)["crystal"])
    size = int(draw.choice(SIZES))
    pixel = 2 * draw.uniform(*HALF_WIDTH) * shortest_g_inv_angstrom / size
    margin = int(np.ceil(size * (SHIFT + ELLIPSE))) + 2
    detector = DetectorConfig(
        pose="raw", size_pixels=FINER * (size + 2 * margin), half_width=pixel * (size / 2 + margin),
        aperture_unit="shortest_g", aperture_radius=float(draw.uniform(*APERTURE)), samples_per_pixel=1,
        directions_across=RingDrift(ring_drift_angstrom=DRIFT_ANGSTROM))
    turn, energy = float(draw.uniform(0, 2 * np.pi)), float(draw.uniform(*KEV))
    multislice = MultisliceConfig(merge_angstrom=0.4, entry_plane=float(draw.random()), absorption="thermal_diffuse",
                                  debye_waller_angstrom2="by_element")
    exposure = Exposure(energy, float(draw.uniform(*THICKNESS_ANGSTROM)), multislice, azimuth_rad=turn)
    result = simulate_views(slab(crystal.lattice, crystal.primitive(), zone_axis_uvw), exposure, detector,
                            [View(specimen=SPECIMEN.draw(draw))], widest_tilt_mrad=SPECIMEN.widest_tilt_mrad)[0]
    centre = draw.uniform(-SHIFT, SHIFT, 2) * size
    stretched = ellipse(float(draw.uniform(0, ELLIPSE)), float(draw.uniform(0, np.pi)))
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return RawFrame(
        f"{crystal.formula} {zone_axis_uvw.tolist()}", seen(result.image[0], size, centre, stretched),
        zolz_lattice(*crystal.cell_parameters(), zone_axis_uvw) @ turned / pixel, result.shortest_g @ turned / pixel,
        centre, result.semi_angle_mrad * 1e-3 * wavenumber_inv_angstrom(energy) / pixel, pixel)


def ellipse(excess: float, azimuth_rad: float) -> Float[np.ndarray, "2 2"]:
    """Symmetric matrix that lengthens by half the excess along the azimuth and shortens by as much across it."""
    along = np.array([np.cos(azimuth_rad), np.sin(azimuth_rad)])
    return np.eye(2) + excess * (np.outer(along, along) - np.eye(2) / 2)


def seen(fine: Float[np.ndarray, "M M"], size: int, centre: Float[np.ndarray, " 2"],
         stretched: Float[np.ndarray, "2 2"]) -> Float[np.ndarray, "{size} {size}"]:
    """A simulated pattern, FINER times as fine, as a detector of `size` pixels sees it: stretched, then moved."""
    back = np.linalg.inv(stretched)
    places = (np.arange(size * STEPS) + 0.5) / STEPS - size / 2
    x, y = np.meshgrid(places - centre[0], places - centre[1])
    grid = np.stack([x, y], -1) @ back * (2 * FINER / len(fine))
    drawn = F.grid_sample(torch.from_numpy(fine)[None, None].double(), torch.from_numpy(grid)[None],
                          padding_mode="zeros", align_corners=False)
    return (F.avg_pool2d(drawn, STEPS)[0, 0].numpy() * FINER**2 * np.linalg.det(back)).astype(np.float32)
