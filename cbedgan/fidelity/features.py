"""What stacks are compared by: a trained classifier's features, those of random weights, and azimuthal features."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from classifier.network.azimuthal_features import LEAST_PIXELS, azimuthal_features
from classifier.network.model import ModelConfig
from classifier.pattern.intensity import IntensityTransform
from classifier.prediction.predict import load_classifier, predict_features
from classifier.samples.dataset import Frame

Features = Callable[[Tensor], Tensor]
AT_ONCE = 256  # stacks


def random_features(channels: int, size_pixels: int, seed: int = 0) -> Features:
    """Features x [B, C, H, W] -> [B, F] of a fixed network with random weights, for want of a trained one."""
    halvings = next(n for n in (3, 2, 1, 0) if size_pixels % 2**n == 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ModelConfig(widths=(64, 64, 64)[:halvings], blocks=0, groups=1, dropout=0.0).build(
            classes=1, size_pixels=size_pixels, channels=channels).eval()
    return lambda x: torch.from_numpy(predict_features(network, x))


def classifier_features(classifier: Path, split_digest: str | tuple[str, ...], frame: Frame,
                        transform: IntensityTransform) -> Features:
    """Features of a trained classifier; another split or frame than its own is refused.

    Parameters
    ----------
    classifier : file
    split_digest : of the split of the stacks, or all its names
    frame, transform : of the x that features are wanted for, and from it to intensity
    """
    trained = load_classifier(classifier, split_digest=split_digest)
    trained.frame.require(frame, classifier)
    return lambda x: torch.cat([
        torch.from_numpy(predict_features(trained.model, trained.intensity.normalise(transform.denormalise(part))))
        for part in x.split(AT_ONCE)])


def symmetry_features(x: Float[Tensor, "N C *spatial"]) -> Float[Tensor, "N D"] | None:
    """Azimuthal features of square patterns; None for samples that have none."""
    if x.ndim != 4 or x.shape[-1] != x.shape[-2] or x.shape[-1] < LEAST_PIXELS:
        return None
    return torch.cat([azimuthal_features(part).flatten(1) for part in x.split(AT_ONCE)])
