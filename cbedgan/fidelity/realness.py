"""Real against synthetic: can a classifier that is made for it tell generated stacks from real ones?

The area under its ROC curve (AUC) is 0.5 where it cannot and 1 where it always can. Cross-validated: a score is given
by a classifier that has seen neither the stack nor any other of its material.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from classifier.statistics.bootstrap import draw_times
from classifier.statistics.significance import Interval

FOLDS = 3
REPLICATES = 200
INVERSE_STRENGTH = 0.01  # of the logistic regression's penalty: there are about as many features as stacks
COMPONENTS = 96
BATCH = 64
LEAST_STEPS = 120  # of the network, however few stacks there are
LEARNING_RATE = 2e-3
LEARNED = 1e-3  # loss of a batch at which there is nothing more to learn; gradients would only underflow

Learner = Callable[[Tensor, np.ndarray, Tensor], np.ndarray]
"""(vectors or stacks to learn from [n, ...], truth int [n], others [m, ...]) -> scores [m], larger for 1."""


def auc(made: Float[Tensor, "n ..."], real: Float[Tensor, "m ..."], material: Shaped[np.ndarray, " m"], learn: Learner,
        seed: int) -> dict[str, float] | None:
    """AUC of telling generated from real, with its interval over materials; None for fewer materials than folds.

    Parameters
    ----------
    made, real : vectors or stacks; a generated one counts as a material of its own
    material : of the real ones
    learn : what tells them apart
    seed : of folds and interval
    """
    unit = np.concatenate([np.unique(material, return_inverse=True)[1], np.arange(len(made)) + len(material)])
    truth = np.repeat([0, 1], [len(real), len(made)])
    random = np.random.default_rng([seed, 3])
    fold = np.zeros(unit.max() + 1, dtype=np.int64)
    for units in (np.unique(unit[truth == kind]) for kind in (0, 1)):
        if len(units) < FOLDS:
            return None
        fold[random.permutation(units)] = np.arange(len(units)) % FOLDS
    fold, both = fold[unit], torch.cat([real, made])
    score = np.zeros(len(unit))
    for number in range(FOLDS):
        test = fold == number
        told = learn(both[torch.from_numpy(~test)], truth[~test], both[torch.from_numpy(test)])
        # Scores of different folds are brought to one scale by their ranks.
        score[test] = (np.argsort(np.argsort(told, kind="stable")) + 0.5) / len(told)
    return Interval.of(_replicates(score, truth, unit, random)).content()


def largest_auc(views: dict[str, tuple[Tensor, Tensor, Learner]], material: Shaped[np.ndarray, " m"],
                half: Bool[np.ndarray, " m"], seed: int) -> dict[str, Any]:
    """AUC of each view, with what one half of the real stacks against the other gives, and the view that tells most.

    Parameters
    ----------
    views : {name: (real [m, ...], made [n, ...], learner)}
    material : of the real stacks
    half : which of them are in place of generated ones
    seed : as of `auc`
    """
    chosen = torch.from_numpy(half)
    areas = {name: {"generated": auc(made, real, material, learn, seed),
                    "real": auc(real[chosen], real[~chosen], material[~half], learn, seed)}
             for name, (real, made, learn) in views.items()}
    measured = {name: area for name, pair in areas.items() for area in [pair["generated"]] if area is not None}
    if not measured:
        return {"views": areas}
    view = max(measured, key=lambda name: measured[name]["estimate"])
    return {"views": areas, "view": view, **measured[view]}


def logistic(learned_from: Float[Tensor, "n D"], truth: Int[np.ndarray, " n"], others: Float[Tensor, "m D"]
             ) -> Float[np.ndarray, " m"]:
    """Learner of vectors: logistic regression on standardised features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_STRENGTH, max_iter=300))
    with threadpool_limits(torch.get_num_threads(), user_api="blas"):
        return model.fit(learned_from.numpy(), truth).decision_function(others.numpy())


def pixel_vectors(x: Float[Tensor, "N C *spatial"], seed: int) -> Float[Tensor, "N D"]:
    """What pixels alone say of stacks, as vectors for `logistic`.

    The first principal components, their squares (what is spread out more or less than it should be) and the logarithm
    of what they leave of each pattern (what is too smooth or too rough). They are found without regard to the truth.
    """
    flat = x.flatten(1) - x.flatten(1).mean(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        axes = torch.pca_lowrank(flat, q=min(COMPONENTS, *flat.shape), center=False, niter=2)[2]
    place = flat @ axes
    left = (flat - place @ axes.T).reshape(len(x), x.shape[1], -1).square().mean(2)
    scaled = place / place.std(0).clamp(min=1e-6)
    return torch.cat([scaled, scaled.square(), (left + 1e-9).log()], 1)


def convolutional(epochs: int, seed: int) -> Learner:
    """Learner of stacks [n, C, H, W]: a small convolutional network, trained for so many epochs."""
    return partial(_train_network, epochs=epochs, seed=seed)


def _train_network(learned_from: Tensor, truth: np.ndarray, others: Tensor, *, epochs: int, seed: int) -> np.ndarray:
    wanted = torch.from_numpy(truth).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(learned_from.shape[1])
        optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
        epochs = max(epochs, -(-LEAST_STEPS * BATCH // len(learned_from)))
        order = torch.cat([torch.randperm(len(learned_from)) for _ in range(epochs)]).split(BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=len(order))
        for rows in order:
            loss = F.binary_cross_entropy_with_logits(network(learned_from[rows]), wanted[rows])
            if loss < LEARNED:
                break
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.inference_mode():
        return torch.cat([network(part) for part in others.split(256)]).numpy()


class _Network(nn.Module):
    """Stacks [B, C, H, W] to a logit [B]: convolutions, each at half the size of the one before; mean and maximum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 16, 32, 48)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=2)
                                    for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.head = nn.Linear(2 * widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
        return self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))[:, 0]


def _replicates(score: np.ndarray, truth: np.ndarray, unit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """AUC float64 [R + 1] of scores [N], the first with every unit once, the others with units drawn anew."""
    units = unit.max() + 1
    times = np.ones((REPLICATES + 1, units))
    for kind in (0, 1):
        own = np.unique(unit[truth == kind])
        times[:, own] = draw_times(len(own), REPLICATES, random)
    order = np.argsort(score[truth == 0], kind="stable")
    negative, positive = score[truth == 0][order], score[truth == 1]
    weight, other = times[:, unit[truth == 1]], times[:, unit[truth == 0][order]]
    below = np.concatenate([np.zeros((len(times), 1)), other.cumsum(1)], 1)
    left, right = (np.searchsorted(negative, positive, side) for side in ("left", "right"))
    won = (weight * (below[:, left] + below[:, right]) / 2).sum(1)
    return won / (weight.sum(1) * other.sum(1))
