"""Latent DeepFool: from a crossing to the boundary point nearest to where the path began, all points in one batch.

Moosavi-Dezfooli, Fawzi and Frossard, CVPR 2016 (arXiv 1511.04599), in w instead of pixels, with a pull to the origin.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

SMALLEST_GRADIENT = 1e-12


def polish(margin: Callable[[Tensor], Tensor], w: Float[Tensor, "P W"], origin: Float[Tensor, "P W"], *, steps: int,
           eta: float, tolerance: float) -> tuple[Float[Tensor, "P W"], Float[Tensor, " P"], Bool[Tensor, " P"]]:
    """Slide boundary points towards the point of margin 0 nearest to their origin; return w, its margin, who gained.

    Each step is a Newton step onto margin 0 plus a share of the way back to the origin within the boundary's tangent
    plane. A last Newton step removes the margin that curvature has left. A step that is no number is not taken. A row
    gained if it is nearer to the origin, with |margin| at most the tolerance (or smaller than before); all others keep
    their start.

    Parameters
    ----------
    margin : w [P, W] -> [P], no row depending on another
    w, origin : boundary points, and where their paths began
    steps : before the last one
    eta : share of the way back
    tolerance : greatest |margin| that counts as on the boundary
    """
    start, start_margin = w, margin(w).detach()
    for pull in [eta] * steps + [0.0]:
        value, gradient = _margin_and_gradient(margin, w)
        square = gradient.square().sum(1, keepdim=True).clamp(min=SMALLEST_GRADIENT)
        back = w - origin
        tangent = back - (back * gradient).sum(1, keepdim=True) / square * gradient
        step = value[:, None] / square * gradient + pull * tangent
        w = torch.where(step.isfinite().all(1, keepdim=True), w - step, w)
    end_margin = margin(w).detach()
    gained = ((end_margin.abs() <= start_margin.abs().clamp(min=tolerance))
              & ((w - origin).norm(dim=1) < (start - origin).norm(dim=1)))
    return torch.where(gained[:, None], w, start), torch.where(gained, end_margin, start_margin), gained


def _margin_and_gradient(margin: Callable[[Tensor], Tensor], w: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        w = w.detach().requires_grad_(True)
        value = margin(w)
        # Rows do not mix, so the gradient of the sum holds the gradient of each row.
        gradient, = torch.autograd.grad(value.sum(), w)
    return value.detach(), gradient
