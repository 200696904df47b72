"""How much rather one crystal of a pool is taken than another, by what classifiers say of it; and the draw."""

from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from classifier.foundation.config import Config

FLOOR = 1e-3  # of every weight, so that no crystal is beyond reach


class Preference(Config):
    """kind: "denied": crystals whose group the classifiers deny, weight (1 - p)^power of the probability p that they
    give the true group; "undecided": those between two, weight (4 p (1 - p))^power; "even": all alike.

    Denied crystals are hard examples (Shrivastava et al. 2016, arXiv 1604.03540); here all labels are exact, so that
    what is denied is never a wrong label.
    """

    kind: Literal["denied", "undecided", "even"]
    power: Annotated[float, Field(gt=0, le=8)] = 2.0

    def weights(self, probability: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Of crystals whose true group has this probability."""
        match self.kind:
            case "denied":
                weight = (1 - probability) ** self.power
            case "undecided":
                weight = (4 * probability * (1 - probability)) ** self.power
            case _:
                weight = np.ones_like(probability)
        return weight + FLOOR


def drawn(weight: Float[np.ndarray, " n"], count: int, generator: np.random.Generator) -> Int[np.ndarray, " k"]:
    """Draw `count` of n without replacement, one after another, each with odds in proportion to its weight.

    The largest sums of a logarithm and Gumbel noise are that draw (Kool et al. 2019, arXiv 1903.06059). Returns their
    places in ascending order; all n, where there are no more.
    """
    return np.sort(np.argsort(-(np.log(weight) + generator.gumbel(size=len(weight))), kind="stable")[:count])
