"""Peaks to patterns: the profile of the instrument at every angle as one matrix, which peaks are spread onto."""

from functools import lru_cache
from math import pi, sqrt

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.simulate.powder.nodes import spread
from cbedgan.simulate.xrd.peaks import Peaks
from cbedgan.simulate.xrd.xrd_config import FWHM_OF_GAUSSIAN, ProfileConfig, XrdConfig

NODES_PER_WIDTH = 10  # of the narrowest peak, at half maximum: the error is 3e-4 of a peak's height
MARGIN_DEGREE = 2.0  # so far beyond the axis peaks still count


def pattern_of(peaks: Peaks, config: XrdConfig) -> Float[Tensor, "B L"]:
    """Intensity per degree of two theta on the configuration's axis.

    Parameters
    ----------
    peaks : at the first of the radiation's lines, of reflections up to `farthest_degree`
    config : of the pattern
    """
    matrix = _matrix(config, peaks.intensity.dtype).to(peaks.intensity.device)
    first, step = _nodes(config)
    place, amount = (peaks.two_theta_degree - first) / step, peaks.intensity
    row = torch.arange(len(place), device=place.device)[:, None].expand_as(place)
    return spread(place.flatten(), amount.flatten(), row.flatten(), len(place), len(matrix)) @ matrix


def farthest_degree(config: XrdConfig) -> float:
    """Two theta up to which peaks matter."""
    return min(config.most_degree + MARGIN_DEGREE, 179.0)


def profile(distance_degree: Float[np.ndarray, "*#any"], two_theta_degree: Float[np.ndarray, "*#any"],
            config: ProfileConfig) -> Float[np.ndarray, "*#any"]:
    """The pseudo-Voigt profile, of area 1, in 1/degree.

    Parameters
    ----------
    distance_degree : from the peak
    two_theta_degree : of the peak
    config : its width and shape
    """
    width = config.width_degree(two_theta_degree)
    deviation = width / FWHM_OF_GAUSSIAN
    gaussian = np.exp(-0.5 * (distance_degree / deviation)**2) / (deviation * sqrt(2 * pi))
    lorentzian = (width / 2) / (pi * (distance_degree**2 + width**2 / 4))
    return (1 - config.lorentz_share) * gaussian + config.lorentz_share * lorentzian


@lru_cache(maxsize=4)
def _nodes(config: XrdConfig) -> tuple[float, float]:
    """The first node and the step in degrees of two theta."""
    step = float(config.profile.width_degree(config.two_theta_degree()).min()) / NODES_PER_WIDTH
    return config.least_degree - MARGIN_DEGREE, step


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # what is kept serves gradients too, whoever asks first
def _matrix(config: XrdConfig, dtype: torch.dtype) -> Float[Tensor, "nodes L"]:
    """What a peak at each node adds to the pattern, all lines of the radiation together."""
    first, step = _nodes(config)
    nodes = np.arange(first, config.most_degree + MARGIN_DEGREE + 3 * step, step)
    axis, total = config.two_theta_degree(), np.zeros((len(nodes), config.points))
    for line in config.lines:
        ratio = line.wavelength_angstrom / config.lines[0].wavelength_angstrom
        sine = np.sin(np.radians(nodes) / 2) * ratio
        here = np.degrees(2 * np.arcsin(np.clip(sine, -1, 1)))[:, None]
        total += line.share * profile(axis - here, np.abs(here), config.profile)
    return torch.from_numpy(total).to(dtype)
