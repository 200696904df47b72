"""From the ends of a batch of latent paths to their crossings and nearest boundary points, all paths at once."""

import math

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from cbedgan.boundary.margin import LatentClassifier, LatentPaths, margin
from cbedgan.boundary.path import Bracket, bracket, grid, narrow, profile, select
from cbedgan.boundary.polish import polish
from classifier.foundation.config import Config


class TraceConfig(Config):
    """grid_points: of the bracketing batch on each path; tolerance: half width of the final bracket in t;
    plausible: probability that both classes need where a path counts as thick; polish_steps, polish_eta,
    polish_tolerance: of the latent DeepFool (the last in units of the margin)."""

    grid_points: int
    tolerance: float
    plausible: float
    polish_steps: int
    polish_eta: float
    polish_tolerance: float


def trace(latent_classifier: LatentClassifier, paths: LatentPaths, a: Int[Tensor, " P"], b: Int[Tensor, " P"],
          config: TraceConfig) -> dict[str, np.ndarray]:
    """Probe P paths from class a to class b; return the measured columns of `ProbedPaths`, [P] or [P, W].

    The column `rival` is a class_idx here, -1 for none. Costs grid_points forward passes of generator and classifier a
    path, and for each path that crosses path.steps_needed + 2 more, and polish_steps + 1 passes forward and backward.

    Parameters
    ----------
    latent_classifier : which is asked for its margin
    paths : to trace
    a, b : class indices of their ends
    config : of the grid, the root find and the polish
    """
    with torch.no_grad():
        t = grid(config.grid_points)
        w = paths.w(t)
        logits = latent_classifier.logits(w)
        margins = margin(logits, a, b)
        length = (w[1:] - w[:-1]).norm(dim=-1).sum(0)
        seen = profile(logits, a, b, length, plausible=config.plausible)
    start = bracket(t, margins)
    rows = start.crossing_paths()
    measured = {
        "margin_at_a": margins[0], "margin_at_b": margins[-1], "crossings": seen.crossings, "length": length,
        "thickness": seen.thickness, "intrusion": seen.intrusion, "rival": seen.rival,
        "polished": torch.zeros(len(a), dtype=torch.bool), "w": torch.full_like(w[0], math.nan),
        **{name: torch.full((len(a),), math.nan, dtype=torch.float64)
           for name in ("crossing", "margin_crossing", "margin_polished", "distance", "p_a", "p_b")}}
    if len(rows):
        crossed = _cross(latent_classifier, paths.take(rows), start.take(rows), a[rows], b[rows], config)
        for name, values in crossed.items():
            measured[name][rows] = values.to(measured[name].dtype)
    return {name: values.numpy() for name, values in measured.items()}


def _cross(latent_classifier: LatentClassifier, paths: LatentPaths, start: Bracket, a: Tensor, b: Tensor,
           config: TraceConfig) -> dict[str, Tensor]:
    """Find the crossing of every path from its bracket, and from there the boundary point nearest to its beginning."""
    with torch.no_grad():
        narrowed = narrow(lambda t: latent_classifier.margin(paths.w(t), a, b), start,
                          width=1 / (config.grid_points - 1), tolerance=config.tolerance)
        crossing, at_crossing = narrowed.nearest()
        point, begin = paths.w(crossing), paths.w(torch.zeros_like(crossing))
    point, at_point, gained = polish(lambda w: latent_classifier.margin(w, a, b), point, begin,
                                     steps=config.polish_steps, eta=config.polish_eta,
                                     tolerance=config.polish_tolerance)
    with torch.no_grad():
        probability = latent_classifier.logits(point).softmax(-1)
    return {"crossing": crossing, "margin_crossing": at_crossing, "margin_polished": at_point, "polished": gained,
            "w": point, "distance": (point - begin).norm(dim=1), "p_a": select(probability, a),
            "p_b": select(probability, b)}
