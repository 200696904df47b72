"""What a pattern shows along single lines through the beam: there lie forbidden rows, their dark lines, and polarity.

Along a line of symmetry or its normal, every second disk of a row may be systematically absent (centring), or crossed
by a dark line (glides and screws: Gjonnes & Moodie 1965, Acta Cryst. 19, 65); and the two ends may differ (polarity).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from classifier.features.polar import AZIMUTHS, RINGS, PolarPatterns


def line_entries(polar: PolarPatterns, best: Int[Tensor, "B C top"]) -> tuple[list[str], Tensor]:
    """Names of F features, and float32 [B, C, F]: ring by ring, the mean of a line's two ends, and their difference.

    best: degrees of the best mirror lines. The rings' own means come first, and are taken from all else.
    """
    lines = {"g1": torch.zeros_like(best[..., 0]), "the normal of g1": torch.full_like(best[..., 0], 90),
             **{f"best line {k + 1}": best[..., k] for k in range(best.shape[-1])},
             "the normal of best line 1": best[..., 0] + 90}
    names, values = [f"mean of ring {ring + 1}" for ring in range(RINGS)], [polar.profile]
    for what, degrees in lines.items():
        plus, minus = ends(polar, degrees)
        names += [f"{kind} along {what}, ring {ring + 1}" for kind in ("light", "polarity") for ring in range(RINGS)]
        values += [(plus + minus) / 2, (plus - minus).abs()]
    return names, torch.cat(values, -1)


def ends(polar: PolarPatterns, degrees: Int[Tensor, "B C"]
         ) -> tuple[Float[Tensor, "B C rings"], Float[Tensor, "B C rings"]]:
    """Patterns along both ends of a line of this azimuth, less each ring's mean."""
    place = (degrees.float() / 360 * AZIMUTHS).round().long()
    plus, minus = (polar.values.gather(-1, ((place + turn) % AZIMUTHS)[..., None, None].expand(-1, -1, RINGS, 1))
                   for turn in (0, AZIMUTHS // 2))
    return plus[..., 0] - polar.profile, minus[..., 0] - polar.profile
