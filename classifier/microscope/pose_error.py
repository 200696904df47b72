"""Patterns in a pose that is a little wrong: scaled, turned and moved, and stretched by lenses not quite round.

The map is linear and near the identity: it moves what a pattern shows and adds no symmetry. That the measured pattern
breaks a mirror by it is the microscope's doing; the crystal, and so the label, is the same.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from classifier.foundation.config import Config
from classifier.microscope.ranges import Range, ShareRange


class Distortion(Config):
    """ellipticity: the long axis of a circle's image over the short one, less 1; axis_degree: of the long axis.

    Projector lenses leave some where nobody corrects it (Capitani et al., Ultramicroscopy 106, 66, 2006).
    """

    ellipticity: ShareRange
    axis_degree: Range = (0.0, 180.0)


def moved(intensity: Float[Tensor, "N C H W"], magnified: Float[Tensor, " M"], angle: Float[Tensor, " M"],
          shift: Float[Tensor, "2 M"], ellipse: Float[Tensor, "2 M"] | None = None) -> Float[Tensor, "N C H W"]:
    """Stretch, scale, turn and move M = N C patterns about their middle.

    The intensity per area is interpolated and the ratio of the areas multiplies it, so that scaling keeps the counts.
    The edge is repeated outwards: a camera goes on beyond the frame, and a dark rim would tell the error.

    Parameters
    ----------
    intensity : patterns
    magnified, angle : new length over the old; in radians
    shift : along columns and along rows, in pixels
    ellipse : ellipticity, and azimuth of the long axis in radians
    """
    height, width = intensity.shape[-2:]
    cosine, sine = angle.cos() / magnified, angle.sin() / magnified
    # New places to old ones, (x, y) in pixels: back by the shift, then by the turn and the scale, then by the ellipse.
    a, b, c, d = cosine, sine, -sine, cosine
    if ellipse is not None:
        # The axes become longer and shorter by one factor each, so that areas stay.
        stretch, twice = ellipse[0].log1p() / 2, 2 * ellipse[1]
        mean, along, across = stretch.cosh(), stretch.sinh() * twice.cos(), stretch.sinh() * twice.sin()
        a, b, c, d = ((mean - along) * a - across * c, (mean - along) * b - across * d,
                      (mean + along) * c - across * a, (mean + along) * d - across * b)
    back = torch.stack([a, b * height / width, -(a * shift[0] + b * shift[1]) * 2 / width,
                        c * width / height, d, -(c * shift[0] + d * shift[1]) * 2 / height], -1)
    patterns = intensity.reshape(-1, 1, height, width)
    grid = F.affine_grid(back.view(-1, 2, 3).to(patterns.dtype), list(patterns.shape), align_corners=False)
    new = _interpolated(patterns, grid) / magnified.to(patterns.dtype).square()[:, None, None, None]
    return new.view(intensity.shape)


def _interpolated(patterns: Tensor, grid: Tensor) -> Tensor:
    """Bicubic, within the least and the greatest of the four pixels around each place.

    Bilinear interpolation blurs the edges of disks, by how much depends on the shift. Bicubic alone swings below zero
    and above a bright disk's edge.
    """
    new = F.grid_sample(patterns, grid, mode="bicubic", padding_mode="border", align_corners=False)
    around = F.pad(patterns, (1, 1, 1, 1), mode="replicate")
    # Of the H + 1 by W + 1 meshes between pixel centres: with align_corners the same grid finds the mesh of a place.
    least, greatest = (sign * F.grid_sample(F.max_pool2d(sign * around, 2, 1), grid, mode="nearest",
                                            padding_mode="border", align_corners=True) for sign in (-1, 1))
    return torch.minimum(torch.maximum(new, least), greatest)
