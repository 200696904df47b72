"""Why no effect changes a label: what it does to a pattern's mirror image is the mirror image of what it does.

Scattering and blur are round and commute with every rotation and mirror; pose and ellipse are drawn about no axis of
the crystal; noise comes pixel by pixel. So a measured pattern of a group's crystal stays one of that group.
"""

import pytest
import torch

from classifier.microscope.pose_error import moved
from classifier.pattern.measurement import CONDITIONS, MeasurementConfig, measured

POOR = CONDITIONS["poor"]
SIDE = torch.arange(48) - 23.5
Y, X = torch.meshgrid(SIDE, SIDE, indexing="ij")
SPREAD = {"scattered": ("overlayer", "diffuse"), "blurred": ("plasmons", "blur")}


def spots(turn: float = 0.0, *, fold: int = 4, chiral: bool = False) -> torch.Tensor:
    """A soft pattern [1, 3, 48, 48] of n-fold symmetry with mirrors, or without them where it is chiral."""
    pattern = torch.exp(-(X**2 + Y**2) / 18)
    for radius, offset, light in ((10.0, 0.0, 0.3), (17.0, 0.5, 0.1)):
        for k in range(fold):
            angle = turn + 2 * torch.pi * (k + offset * (0.6 if chiral else 1.0)) / fold + torch.pi / 2
            x, y = radius * torch.tensor(angle).cos(), radius * torch.tensor(angle).sin()
            pattern = pattern + light * torch.exp(-((X - x) ** 2 + (Y - y) ** 2) / 8)
    return (pattern / pattern.sum()).expand(1, 3, 48, 48)


def only(*effects: str) -> MeasurementConfig:
    return MeasurementConfig().model_copy(update={name: POOR.effects()[name] for name in effects})


@pytest.mark.parametrize("effects", SPREAD.values(), ids=SPREAD)
@pytest.mark.parametrize("fold, chiral", [(4, False), (3, False), (4, True), (3, True), (6, True)])
def test_round_effects_keep_every_symmetry_and_make_none(effects, fold, chiral):
    config, pattern = only(*effects), spots(fold=fold, chiral=chiral)
    found = measured(pattern, config, [5])
    assert (found - pattern).abs().sum() > 0.1  # of 3: they do something
    turned = measured(spots(2 * torch.pi / fold, fold=fold, chiral=chiral), config, [5])
    assert (turned - found).abs().max() < 1e-4 * found.max()
    mirror = measured(pattern.flip(-1), config, [5])
    assert torch.allclose(mirror, found.flip(-1), atol=1e-7)
    # The mirror lies on the y axis: there where it was, and not where it was not.
    before, after = (float((one - one.flip(-1)).abs().sum() / one.sum()) for one in (pattern, found))
    assert (after < 1e-4) if not chiral else (after > 0.25 * before > 0.01)


@pytest.mark.parametrize("angle", [0.0, 40.0])
def test_a_wrong_pose_and_an_ellipse_of_the_mirror_image_are_the_mirror_image_of_such(angle):
    pattern = spots(0.3, chiral=True)
    magnified, turn = torch.full((3,), 1.02), torch.full((3,), 0.03)
    shift, ellipse = torch.tensor([[0.4] * 3, [-0.3] * 3]), torch.tensor([[0.02] * 3, [angle * torch.pi / 180] * 3])
    sign = torch.tensor([[-1.0], [1.0]])  # x changes its sign, and so do angles
    found = moved(pattern.flip(-1), magnified, -turn, shift * sign, ellipse * sign.flip(0))
    assert torch.allclose(found, moved(pattern, magnified, turn, shift, ellipse).flip(-1), atol=1e-7)
    assert not torch.allclose(found, pattern.flip(-1), atol=1e-5)


def test_an_ellipse_stretches_along_its_axis_and_keeps_the_light():
    pattern = spots()
    one, none = torch.ones(3), torch.zeros(3)
    found = moved(pattern, one, none, torch.zeros(2, 3), torch.tensor([[0.2] * 3, [torch.pi / 2] * 3]))[0, 0]
    assert abs(found.sum() - 1) < 1e-2
    wide, high = (float((found * side**2).sum() / found.sum()) for side in (X, Y))
    assert abs((high / wide) ** 0.5 - 1.2) < 0.01


@pytest.mark.parametrize("name", ["filtered", "ordinary", "poor"])
def test_noise_has_the_symmetry_in_the_mean(name):
    config = MeasurementConfig(electrons=CONDITIONS[name].electrons, camera=CONDITIONS[name].camera)
    pattern = spots(fold=4)
    copies = measured(pattern.expand(400, 3, 48, 48), config, range(400)).flatten(0, 1)
    scatter = copies.std(0) / len(copies) ** 0.5
    mean = copies.mean(0)
    for image in (mean.flip(-1), mean.rot90(1, (-2, -1))):
        assert ((image - mean).abs() / (scatter * 2**0.5)).square().mean() < 1.3  # of a chi square with mean 1


@pytest.mark.parametrize("name", ["filtered", "ordinary", "poor"])
def test_a_chiral_pattern_keeps_its_hand_under_every_condition(name):
    hand = (chiral := spots(chiral=True)) - chiral.flip(-1)
    for pattern, sign in ((chiral, 1), (chiral.flip(-1), -1)):
        found = measured(pattern.expand(30, 3, 48, 48), CONDITIONS[name], range(30))
        assert (sign * ((found - found.flip(-1)) * hand).sum((-2, -1)) > 0).all()
