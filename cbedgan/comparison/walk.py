"""One probed path for the report: the patterns along it and the classifier's margin."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cbedgan.boundary.margin import LatentClassifier, LatentPaths
from cbedgan.boundary.probefile import ProbedPaths, read_probe
from cbedgan.gan.network.generator import load_generator
from classifier.foundation.errors import InputError
from classifier.prediction.predict import load_classifier

STEPS = 81
"""Positions at which the margin is computed."""
PICTURES = 4
"""Patterns shown on either side of the crossing."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A path from space group a to b: margin float [T] over t [T]; patterns [P, H, W] (physical intensity, the first
    zone axis) at picture_t [P], one of which is the crossing."""

    space_groups: tuple[int, int]
    t: np.ndarray
    margin: np.ndarray
    picture_t: np.ndarray
    patterns: np.ndarray
    crossing: float


def clearest(paths: ProbedPaths) -> int | None:
    """Row of the path to show: of those that cross once from class a to class b, the one least disturbed by a third."""
    clean = np.isfinite(paths.crossing) & (paths.crossings == 1) & (paths.margin_at_a > 0) & (paths.margin_at_b < 0)
    middle = clean & (np.abs(paths.crossing - 0.5) < 0.3)
    eligible = np.flatnonzero(middle if middle.any() else clean)
    return int(eligible[np.nanargmax((paths.p_a + paths.p_b)[eligible])]) if len(eligible) else None


def walk(*, probe: Path, generator: Path, classifier: Path, split_digest: str | tuple[str, ...]) -> Walk | None:
    """Follow the clearest path of probe.h5 again; None when no path crosses. Files of another split are InputErrors.

    Parameters
    ----------
    probe, generator, classifier : files; the networks are those that were probed
    split_digest : of their split, or all its names
    """
    probed = read_probe(probe)
    source = load_generator(generator, split_digest=split_digest)
    asked = load_classifier(classifier, split_digest=split_digest)
    for name, digest in (("generator", source.digest), ("classifier", asked.digest)):
        if probed.provenance["inputs"][name] != digest:
            raise InputError(source=probe, rule=f"must have been probed with this {name}", value="another one",
                             remedy=f"Give the {name} that the stage probe was given.")
    row = clearest(probed.paths)
    if row is None:
        return None
    paths = probed.paths.take([row])
    groups = int(paths.space_group_a[0]), int(paths.space_group_b[0])
    a, b = (torch.tensor([asked.class_map.index(group)]) for group in groups)
    latent_classifier = LatentClassifier.of(source, asked, batch=32)
    crossing = float(paths.crossing[0])
    t = np.linspace(0, 1, STEPS)
    picture_t = np.concatenate([np.linspace(0, crossing, PICTURES + 1), np.linspace(crossing, 1, PICTURES + 1)[1:]])
    with torch.no_grad():
        z_a, z_b = torch.from_numpy(paths.z_a), torch.from_numpy(paths.z_b)
        line = LatentPaths.of(str(paths.kind[0]), source, z_a, z_b, a, b)
        margin = latent_classifier.margin(line.w(torch.from_numpy(t)[:, None]), a, b)[:, 0]
        x = source.synthesise(line.w(torch.from_numpy(picture_t)[:, None])[:, 0])
    return Walk(groups, t, margin.double().numpy(), picture_t, source.intensity.denormalise(x)[:, 0].numpy(), crossing)
