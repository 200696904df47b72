"""The figures of one set of stacks against a reference: of generated stacks, and of real ones in their place."""

from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from cbedgan.fidelity.brightness import brightness_figures
from cbedgan.fidelity.coverage import Balls
from cbedgan.fidelity.halves import Halvings
from cbedgan.fidelity.kernel import UnitFeatures, kid, kid_floor
from cbedgan.fidelity.symmetry import symmetry_figures
from cbedgan.fidelity.torch_fidelity_figures import torch_fidelity_figures
from cbedgan.fidelity.wasserstein import sliced_wasserstein
from cbedgan.likeness.measured_stacks import MeasuredStacks
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import interval

REPLICATES = 400


def distances(made: MeasuredStacks, reference: MeasuredStacks, seed: int) -> dict[str, Any]:
    """KID, density and coverage with intervals over materials, and sliced Wasserstein distances of pixels and features.

    What cannot be had from so few stacks is left out.
    """
    figures: dict[str, Any] = {}
    if len(made) < 2 or len(reference) < 2:
        return figures
    figures["sliced_wasserstein"] = sliced_wasserstein(made.x.flatten(1), reference.x.flatten(1), seed)
    figures["sliced_wasserstein_features"] = sliced_wasserstein(made.f, reference.f, seed)
    distance = kid(UnitFeatures(made.f, made.unit), UnitFeatures(reference.f, reference.unit), replicates=REPLICATES,
                   seed=seed)
    if distance is not None:
        figures |= {"kid": distance["estimate"], "kid_interval": [distance["low"], distance["high"]]}
    balls = Balls.around(reference.f, torch.from_numpy(reference.unit))
    if balls is not None:
        inside = balls.holding(made.f)
        reached = Bootstrap.draw(reference.unit, replicates=REPLICATES, seed=seed).means(inside.any(0).numpy())
        figures |= {"density": balls.density(inside),
                    "coverage": balls.coverage(inside), "coverage_interval": list(interval(reached[1:]))}
    return figures


def pooled(made: MeasuredStacks, reference: MeasuredStacks, shown: Bool[Tensor, "K C 5"] | None, seed: int
           ) -> dict[str, Any]:
    """`distances` of all groups together, with what is meaningful of many stacks only: FID, precision, recall, physics.

    Parameters
    ----------
    made, reference : stacks
    shown : symmetries that real stacks show; None for samples that are no patterns
    seed : of draws
    """
    figures = distances(made, reference, seed) | torch_fidelity_figures(made.f, reference.f, seed)
    if shown is not None and made.residuals is not None and reference.residuals is not None:
        symmetry = symmetry_figures(made.residuals, made.class_idx, reference.residuals, reference.class_idx, shown)
        figures |= {f"symmetry_{name}": value for name, value in symmetry.items() if name != "groups"}
    if made.brightness is not None and reference.brightness is not None:
        figures |= brightness_figures(made.brightness, reference.brightness)
    return figures


def floor_of_kid(real: MeasuredStacks, halvings: Halvings) -> dict[str, float]:
    """The KID of real halves over many halvings: {} where there are too few materials."""
    floor = kid_floor(UnitFeatures(real.f, real.unit), halvings)
    return {} if floor is None else {"kid_mean": floor["mean"], "kid_high": floor["high"]}
