"""All features of single patterns, each with its name: what a network of stated features sees of a stack."""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.features.line_profiles import line_entries
from classifier.features.polar import PolarPatterns
from classifier.features.turns_and_mirrors import likeness, symmetry_entries

FORMAT = 2  # of what is computed: another number where a feature changes
LEAST_PIXELS = 32


def pattern_features(x: Float[Tensor, "B C S S"]) -> Float[Tensor, "B C F"]:
    """Features of normalised patterns, see feature_names; a half turn of a stack changes none; differentiable."""
    return _entries(x)[1]


@cache
def feature_names() -> tuple[str, ...]:
    """What each of the F features of a pattern means."""
    return tuple(_entries(torch.zeros(1, 1, LEAST_PIXELS, LEAST_PIXELS))[0])


def _entries(x: Tensor) -> tuple[list[str], Tensor]:
    polar = PolarPatterns.of(x)
    seen = likeness(polar)
    parts = (line_entries(polar, seen.best), symmetry_entries(seen))
    return [name for names, _ in parts for name in names], torch.cat([values for _, values in parts], -1)
