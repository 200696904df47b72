"""Small and strained crystallites broaden peaks: by wavelength / size (P. Scherrer, 1918), and with the angle.

Full widths at half maximum in two theta: 0.9 wavelength / (size cos theta), Lorentzian; 4 strain tan theta, Gaussian
(A. R. Stokes and A. J. C. Wilson, Proc. Phys. Soc. 56, 174, 1944). Peaks keep their places: the label stays.
"""

from math import log, sqrt

from jaxtyping import Float
from torch import Tensor

from classifier.diffractometer.blurring import gaussian_blur, lorentzian_blur
from classifier.diffractometer.powder_axis import PowderAxis
from classifier.foundation.config import Config
from classifier.microscope.ranges import Range

SCHERRER = 0.9
FWHM_OF_GAUSSIAN = 2 * sqrt(2 * log(2))  # in standard deviations


class Broadening(Config):
    """inverse_size_per_nm: 1 over the crystallites' size, drawn evenly as the width is; strain: relative."""

    inverse_size_per_nm: Range
    strain: Range


def broadened(patterns: Float[Tensor, "N C L"], axis: PowderAxis, inverse_size_per_nm: Float[Tensor, "N C"],
              strain: Float[Tensor, "N C"]) -> Float[Tensor, "N C L"]:
    """Patterns of small and strained crystallites.

    Parameters
    ----------
    patterns, axis : and where their points lie
    inverse_size_per_nm, strain : see `Broadening`, a value each pattern
    """
    theta, step = (axis.two_theta_degree.to(patterns).deg2rad() / 2, axis.step_degree.to(patterns).deg2rad())
    by_strain = 4 * strain[..., None] * theta.tan() / FWHM_OF_GAUSSIAN / step
    by_size = SCHERRER * axis.wavelength_angstrom / 10 * inverse_size_per_nm[..., None] / theta.cos() / step
    return lorentzian_blur(gaussian_blur(patterns, by_strain), by_size).clamp(min=0)
