"""Boundary points that a probe has recorded, as a classifier sees them: features and the classes on either side."""

from pathlib import Path

import numpy as np
import torch

from cbedgan.boundary.margin import translation
from cbedgan.boundary.probefile import read_probe
from cbedgan.gan.network.generator import load_generator
from classifier.foundation.errors import InputError
from classifier.prediction.acquisition import BoundaryPoints
from classifier.prediction.predict import PREDICT_AT_ONCE, TrainedClassifier, predict_features


def boundary_points(probe: Path, generator: Path, classifier: TrainedClassifier) -> BoundaryPoints:
    """Make the stacks of probe.h5's boundary points again and return the features [P, F] that `classifier` gives them.

    The generator must be the probed one. The classifier may be a later one than that which was probed, as long as class
    map and frame are the same.
    """
    probed, trained_generator = read_probe(probe), load_generator(generator)
    for name, mine, other in (("generator", probed.provenance["inputs"]["generator"], trained_generator.digest),
                              ("class map", classifier.class_map, trained_generator.class_map)):
        if mine != other:
            raise InputError(source=probe, rule=f"must belong to the same {name}", value=f"{mine!s:.60}, not "
                             f"{other!s:.60}", remedy="Give the generator that was probed, and a classifier of its "
                             "groups.")
    classifier.frame.require(trained_generator.frame, generator)
    paths = probed.paths.take(np.isfinite(probed.paths.crossing))
    if not len(paths):
        raise InputError(source=probe, rule="a path must have crossed a boundary", value=f"none of {len(probed.paths)}",
                         remedy="Probe with more paths, or train the generator longer.")
    translate = translation(trained_generator.intensity, classifier.intensity)
    with torch.inference_mode():
        x = [translate(trained_generator.synthesise(w))
             for w in torch.from_numpy(paths.w).float().split(PREDICT_AT_ONCE)]
    pair = np.stack([paths.space_group_a, paths.space_group_b], axis=1)
    return BoundaryPoints(predict_features(classifier.model, torch.cat(x)), classifier.class_map.indices(pair))
