"""The comparison network: what it may not tell apart, what it must, and what it refuses."""

from typing import Any

import pytest
import torch

from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.network.comparison_network import ComparisonClassifier, ComparisonConfig, OwnMaps
from classifier.training.train_config import TrainClassifierConfig

SMALL = {"kind": "comparison", "maps": (3, 2), "width": 8, "hidden": 8}


def network(size: int = 64, **changes: Any) -> ComparisonClassifier:
    """A small network in evaluation mode, fitted to noise."""
    torch.manual_seed(0)
    model = ComparisonConfig(**SMALL | changes).build(
        classes=5, size_pixels=size, space_groups=(2, 14, 62, 194, 225), mirror_partner=range(5)).eval()
    model.fit(stacks(8, size))
    return model


def stacks(count: int, size: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("changes", [{}, {"maps": ()}, {"maps": (2,)}, {"maps": (3, 2, 2)}, {"size": 32}])
def test_half_turns_mirrors_and_the_order_of_patterns_change_no_answer(changes):
    model, x = network(**changes), stacks(4, changes.get("size", 64))
    for copy in (x.flip(-1), x.flip(-2), x.flip(-2, -1), x[:, [2, 0, 1]]):
        torch.testing.assert_close(model(x), model(copy), rtol=1e-3, atol=1e-4)
    assert (model(x) - model(x.flip(0))).abs().max() > 0.01


def test_a_map_of_the_mirrored_picture_is_the_mirrored_map():
    """Kernels of any symmetry would break it, and a mirror of the pattern would be none of its maps."""
    torch.manual_seed(0)
    maps, picture = OwnMaps((6, 4, 4)), torch.randn(2, 32, 96)
    torch.testing.assert_close(maps(picture.flip(-1)), maps(picture).flip(-1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(maps(picture.roll(17, -1)), maps(picture).roll(17, -1), rtol=1e-4, atol=1e-5)
    assert maps(picture).shape == (2, 5, 16, 96)


def test_no_layer_mixes_samples():
    model, x = network(stated_features=True).train(), stacks(4)
    other = torch.cat([x[:1], stacks(3)])
    torch.manual_seed(1)
    one = model(x)[0]
    torch.manual_seed(1)
    torch.testing.assert_close(one, model(other)[0], rtol=1e-4, atol=1e-5)


def test_scales_are_those_of_the_training_stacks():
    model, x = network(), stacks(8)
    pictures = model.fixed(x).unflatten(-1, (32, 96))
    scaled = (model.describe(pictures) - model.mean) / model.spread
    spread, mean = torch.std_mean(scaled.flatten(0, 1), dim=0, correction=0)
    assert mean.abs().max() < 1e-2 and ((spread - 1).abs() < 1e-2).float().mean() > 0.9 and spread.max() < 1.01


def test_larger_patterns_are_averaged_and_say_the_same():
    x = torch.nn.functional.avg_pool2d(stacks(2), 9, stride=1, padding=4)
    large = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(network()(x), network()(large), rtol=1e-4, atol=1e-5)


def test_stated_features_stand_beside_and_are_taken_once_with_the_pictures():
    model, x = network(stated_features=True, views="mirror"), stacks(2)
    seen = model.fixed(x)
    assert seen.shape == (2, 3, 32 * 96 + model.stated.quantiles.shape[0])
    assert torch.equal(model.features(x)[:, 8:], model.stated.encoded(model.stated.fixed(x)))
    torch.testing.assert_close(model.features(x), model.encoded(seen))
    torch.testing.assert_close(model(x), model(x.flip(-2)), rtol=1e-3, atol=1e-4)
    assert model.scales_digest() != network(stated_features=True, centre=True).scales_digest()


def test_the_centre_that_a_pattern_tells_counts_where_asked_for():
    """A pattern that lies half a pixel off reads as one that does not."""
    line = torch.arange(64) - 31.5
    disks = [torch.exp(-((line[None] - x - off) ** 2 + (line[:, None] - y) ** 2) / 12) * light
             for off in (0, 0.5) for x, y, light in ((0, 0, 2), (16, 0, 1), (-16, 0, 1.2), (0, 16, 0.9), (0, -16, 0.8))]
    x = torch.stack([sum(disks[:5]), sum(disks[5:])])[:, None].expand(-1, 3, -1, -1) - 1
    moved = {centre: (picture[0] - picture[1]).abs().max().item()
             for centre in (False, True) for picture in [network(centre=centre).fixed(x)]}
    assert moved[True] < moved[False] / 5


def test_a_configuration_names_it():
    content = {"images": 64, "view": {"half_width": 2.0, "size_pixels": 64}, "model": {**SMALL, "maps": [3, 2]}}
    config = parse_config(content, TrainClassifierConfig, source="test")
    assert isinstance(config.model, ComparisonConfig) and config.model.maps == (3, 2)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(InputError, match="at least 32 pixels a side"):
        network(24)
    with pytest.raises(InputError, match="in their order"):
        parse_config({**SMALL, "maps": [3], "tasks": {"weights": {"d_spacings": 1.0}}}, ComparisonConfig, source="x")
