"""NoisyTwins: latents keep their meaning whatever the noise of the class (arXiv 2304.05866)."""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from cbedgan.gan.network.contract import Condition, Generator, noisy
from classifier.foundation.config import Config


class TwinsConfig(Config):
    """weight: of the loss; decorrelation: of its part that decorrelates; batch: pairs a step."""

    weight: Annotated[float, Field(gt=0)]
    decorrelation: float = 0.05
    batch: Annotated[int, Field(ge=2)] = 256


def twins_loss(generator: Generator, z: Float[Tensor, "B L"], condition: Condition,
               noise: tuple[Float[Tensor, "B E"], Float[Tensor, "B E"]], decorrelation: float) -> Float[Tensor, ""]:
    """Pull two w of the same z and class but other class noise together, and the components of w apart.

    With C the correlation matrix of both batches of w: sum_i (1 - C_ii)^2 + mu sum_{i != j} C_ij^2.

    Parameters
    ----------
    generator : whose mapping network learns by it
    z, condition : of B pairs
    noise : two draws, added to e(class)
    decorrelation : mu
    """
    e = generator.embed(condition)
    first, second = (_standardised(generator.mapping(z, noisy(e, eps))[:, : generator.mapping_dim]) for eps in noise)
    correlation = first.T @ second / len(z)
    diagonal = correlation.diagonal()
    off_diagonal = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + decorrelation * off_diagonal


def _standardised(w: Tensor) -> Tensor:
    return (w - w.mean(0)) / (w.std(0, unbiased=False) + 1e-5)
