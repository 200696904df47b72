import numpy as np
import pytest
import torch

from cbedgan.boundary.points import boundary_points
from cbedgan.boundary.probe import ProbeConfig, probe
from cbedgan.boundary.probefile import read_probe
from cbedgan.boundary.trace import TraceConfig
from classifier.foundation.errors import InputError
from classifier.prediction.predict import load_classifier


@pytest.fixture(scope="module")
def probed(tiny_networks, tmp_path_factory):
    trace = TraceConfig(grid_points=9, tolerance=1e-4, plausible=0.1, polish_steps=0, polish_eta=0.5,
                        polish_tolerance=0.01)
    config = ProbeConfig(seed=0, threads=1, shots=("few",), partners=1, paths=4, kinds=("class",), follow_rivals=False,
                         trace=trace, paths_at_once=10, batch=32)
    return probe(config, generator=tiny_networks.generator, classifier=tiny_networks.classifier,
                 stacks=tiny_networks.stacks, split=tiny_networks.split,
                 out=tmp_path_factory.mktemp("points") / "probe.h5")


def test_points_lie_between_their_classes(tiny_networks, probed):
    """The classifier that was probed gives both classes of a point's pair equal logits, by way of its features."""
    classifier, paths = load_classifier(tiny_networks.classifier), read_probe(probed).paths
    points = boundary_points(probed, tiny_networks.generator, classifier)
    crossed = np.isfinite(paths.crossing)
    assert len(points.features) == len(points.pair) == crossed.sum() > 0
    groups = np.asarray(classifier.class_map.space_groups)
    assert groups[points.pair[:, 0]].tolist() == paths.space_group_a[crossed].tolist()
    with torch.no_grad():
        logits = classifier.model.head(torch.from_numpy(points.features)).numpy()
    rows = np.arange(len(logits))
    assert np.abs(logits[rows, points.pair[:, 0]] - logits[rows, points.pair[:, 1]]).max() < 0.05


def test_another_classifier_of_the_same_groups_sees_them_too(tiny_networks, probed):
    first, second = (boundary_points(probed, tiny_networks.generator, load_classifier(path))
                     for path in (tiny_networks.classifier, tiny_networks.second_classifier))
    assert np.array_equal(first.pair, second.pair) and not np.allclose(first.features, second.features)


def test_another_generator_is_refused(tiny_networks, probed, tmp_path):
    from cbedgan.gan.network.generator import load_generator
    generator = load_generator(tiny_networks.generator)
    with torch.no_grad():
        next(generator.generator.parameters()).add_(0.1)
    generator.save(tmp_path / "generator.safetensors")
    with pytest.raises(InputError, match="must belong to the same generator"):
        boundary_points(probed, tmp_path / "generator.safetensors", load_classifier(tiny_networks.classifier))
