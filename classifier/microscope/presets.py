"""What three microscopes add, as ranges of every effect: energy-filtered, ordinary, poor.

filtered: an energy filter, a long exposure, a counting detector, a clean specimen.
ordinary: no filter, a scintillator's tail, a little contamination, lenses as they are.
poor: as ordinary, a tenth of the electrons, and more of everything.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from classifier.microscope.camera import Camera
from classifier.microscope.detector_blur import DetectorBlur
from classifier.microscope.diffuse import Diffuse
from classifier.microscope.overlayer import Overlayer
from classifier.microscope.plasmons import Plasmons
from classifier.microscope.pose_error import Distortion

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "filtered": {
        "electrons": 1e7, "centre_pixels": 0.25, "scale": 0.01, "azimuth_degree": 1.0,
        "overlayer": Overlayer(share=(0.0, 0.03), ring_half_frames=(0.5, 1.4)),
        "diffuse": Diffuse(share=(0.02, 0.12), width_half_frames=(0.4, 1.5)),
        "distortion": Distortion(ellipticity=(0.0, 0.005)),
        "blur": DetectorBlur(pixels=(0.1, 0.4), tail_share=(0.0, 0.02), tail_pixels=(2.0, 5.0)),
        "camera": Camera(gain=(0.002, 0.01), dark_electrons=(0.0, 0.02), readout_electrons=(0.0, 0.05),
                         full_well=(1.5, 3.0), dead_share=(0.0, 0.0005))},
    "ordinary": {
        "electrons": 1e6, "centre_pixels": 0.5, "scale": 0.02, "azimuth_degree": 2.0,
        "overlayer": Overlayer(share=(0.0, 0.1), ring_half_frames=(0.5, 1.4)),
        "diffuse": Diffuse(share=(0.05, 0.2), width_half_frames=(0.4, 1.5)),
        "plasmons": Plasmons(losses=(0.2, 0.8), angle_half_frames=(0.003, 0.02), cutoff_half_frames=(0.2, 0.6)),
        "distortion": Distortion(ellipticity=(0.0, 0.01)),
        "blur": DetectorBlur(pixels=(0.2, 0.6), tail_share=(0.02, 0.1), tail_pixels=(2.0, 5.0)),
        "camera": Camera(gain=(0.005, 0.02), dark_electrons=(0.0, 0.2), readout_electrons=(0.0, 0.3),
                         full_well=(0.8, 2.5), dead_share=(0.0, 0.001))},
    "poor": {
        "electrons": 1e5, "centre_pixels": 0.5, "scale": 0.02, "azimuth_degree": 2.0,
        "overlayer": Overlayer(share=(0.03, 0.15), ring_half_frames=(0.5, 1.4)),
        "diffuse": Diffuse(share=(0.08, 0.25), width_half_frames=(0.4, 1.5)),
        "plasmons": Plasmons(losses=(0.4, 1.2), angle_half_frames=(0.003, 0.02), cutoff_half_frames=(0.2, 0.6)),
        "distortion": Distortion(ellipticity=(0.0, 0.02)),
        "blur": DetectorBlur(pixels=(0.3, 0.8), tail_share=(0.04, 0.15), tail_pixels=(2.0, 6.0)),
        "camera": Camera(gain=(0.01, 0.03), dark_electrons=(0.0, 0.5), readout_electrons=(0.0, 0.6),
                         full_well=(0.6, 2.0), dead_share=(0.0, 0.003))}})
