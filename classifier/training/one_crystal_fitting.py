"""Teach whether three patterns are of one crystal: by training stacks, and by stacks mixed up from them; no labels."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int

from classifier.prediction.one_crystal import Comparison, OneCrystal, Patterns

FALSE_ALARMS = 0.02  # of validation, at most
FEWEST = 100  # training stacks from which on it is worth fitting
MIXED = 8  # mixed-up stacks made of each training stack
SAME_GROUP = 0.7  # of these, mixed with crystals of the same space group, the harder to notice
STEPS, BATCH, LEARNING_RATE, WEIGHT_DECAY = 800, 512, 3e-3, 0.5
AT_ONCE = 2048  # mixed-up stacks compared together


def fit_one_crystal(training: Patterns, class_idx: Int[np.ndarray, " N"], validation: Patterns, *, seed: int
                    ) -> OneCrystal:
    """A trained comparison with the threshold that so few stacks of validation exceed.

    Every batch is half whole, half mixed up; space groups are drawn by the square root of how many stacks they have.
    The order in which stacks are drawn, and nothing else, knows their groups.

    Parameters
    ----------
    training, class_idx : patterns of the train part and the groups of their stacks
    validation : patterns that the threshold is chosen on
    seed : of the mixing, the batches and the weights
    """
    random = np.random.default_rng([seed, 1])
    rows = mixed_up(class_idx, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        comparison = Comparison(training.alone.shape[-1])
        comparison.fit_scale(training.alone)
        whole = _compared(comparison, training)
        mixed = [torch.cat(column) for column in zip(*(
            _compared(comparison, training.taken(part)) for part in torch.from_numpy(rows).split(AT_ONCE)),
            strict=True)]
        share = 1 / np.sqrt(np.bincount(class_idx)[class_idx])
        drawn = [torch.from_numpy(random.choice(len(p), (STEPS, BATCH // 2), p=p / p.sum()))
                 for p in (share, share[rows[:, 0]])]
        target = torch.arange(BATCH).ge(BATCH // 2).float()
        optimiser = torch.optim.AdamW(comparison.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
        for step, (of_whole, of_mixed) in enumerate(zip(*drawn, strict=True)):
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / STEPS)) / 2
            batch = [torch.cat([one[of_whole], other[of_mixed]]) for one, other in zip(whole, mixed, strict=True)]
            loss = F.binary_cross_entropy_with_logits(comparison(*batch), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    comparison.requires_grad_(False)
    said = np.sort(comparison.of(validation))
    place = min(len(said), math.ceil((len(said) + 1) * (1 - FALSE_ALARMS))) - 1
    return OneCrystal(comparison, float(said[place]))


def mixed_up(class_idx: Int[np.ndarray, " N"], *, seed: int) -> Int[np.ndarray, "M 3"]:
    """Rows of the stacks that each pattern of a mixed-up stack is taken from: one or two of three from elsewhere."""
    random = np.random.default_rng(seed)
    order, count = np.argsort(class_idx, kind="stable"), np.bincount(class_idx)
    own = np.tile(np.arange(len(class_idx)), MIXED)
    first, of = np.cumsum(count) - count, class_idx[own]
    same = order[first[of][:, None] + (random.random((len(own), 3)) * count[of][:, None]).astype(np.int64)]
    other = np.where(random.random((len(own), 1)) < SAME_GROUP, same, random.integers(len(class_idx), size=same.shape))
    foreign = random.random(same.shape).argsort(axis=1) < random.integers(1, 3, size=(len(own), 1))
    rows = np.where(foreign, other, own[:, None])
    return rows[(rows != rows[:, :1]).any(axis=1)]


def _compared(comparison: Comparison, patterns: Patterns
              ) -> tuple[Float[torch.Tensor, "N 3 C"], Float[torch.Tensor, "N 12"]]:
    """What the comparison sees of stacks; it does not change in training."""
    alone, shared = patterns.compared()
    return comparison.scaled(alone), shared
