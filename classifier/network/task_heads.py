"""The heads of the added tasks on the shared features, and how their losses join the space group's.

The crystal system has a head of its own: the sum of the groups' probabilities would pull the same logits towards the
frequencies of the systems while a loss against imbalance pulls them elsewhere. The answer given remains that sum.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from classifier.network.tasks import CLASSES, PRESENCES, TasksConfig, columns_of

LEAST_SPREAD = 1e-4  # of a target; what varies less counts as constant
LEAST_UNIT = 1e-3  # where the best guess is as good as right, the loss counts as it is


class TaskHeads(nn.Module):
    """Features [B, F] to task outputs [B, T], columns as in tasks.columns_of: standardised values, or logits."""

    mean: Tensor
    std: Tensor
    unit: Tensor

    def __init__(self, config: TasksConfig, features: int) -> None:
        super().__init__()
        self.columns = columns_of(tuple(config.weights))
        self.weights = [config.weights[task] for task in self.columns]
        width = max(columns.stop for columns in self.columns.values())
        self.layer = nn.Linear(features, width)
        self.log_variance = (nn.Parameter(-torch.tensor([1.0, *self.weights]).log())  # the space group's first
                             if config.weighting == "uncertainty" else None)
        # Of the training part: mean and spread of each column, and the loss of each task's best constant guess.
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.register_buffer("unit", torch.ones(len(self.columns)))

    def fit(self, target: Tensor) -> None:
        """Take scales and units from the training part's targets [N, T], all of them known."""
        self.mean.copy_(target.mean(0))
        self.std.copy_(target.std(0, unbiased=False))
        self.std[self.std < LEAST_SPREAD] = torch.inf  # counts as 0 everywhere
        self.unit.fill_(1.0)
        share = self.mean.clamp(1e-6, 1 - 1e-6)
        guess = torch.zeros_like(self.mean)
        for task, columns in self.columns.items():
            if task in CLASSES:
                guess[columns] = share[columns].log()
            elif task in PRESENCES:
                guess[columns] = share[columns].logit()
        unit = torch.stack([loss.mean() for loss in self.losses(guess.expand_as(target), target)])
        self.unit.copy_(torch.where(unit > LEAST_UNIT, unit, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Outputs float32 [B, T] of features [B, F]; computed in float32 under autocast too."""
        with torch.autocast(features.device.type, enabled=False):
            return self.layer(features)

    def losses(self, output: Tensor, target: Tensor) -> list[Tensor]:
        """Loss [B] of each task from outputs and targets [B, T], in units of the best constant guess; 0 if unknown."""
        losses = []
        for (task, columns), unit in zip(self.columns.items(), self.unit, strict=True):
            is_known = torch.isfinite(target[:, columns]).all(1)
            wanted, given = target[:, columns].nan_to_num(), output[:, columns]
            if task in CLASSES:
                loss = -(wanted * F.log_softmax(given, dim=1)).sum(1)
            elif task in PRESENCES:
                loss = F.binary_cross_entropy_with_logits(given, wanted, reduction="none").mean(1)
            else:
                loss = (given - (wanted - self.mean[columns]) / self.std[columns]).square().mean(1)
            losses.append(torch.where(is_known, loss, 0) / unit)
        return losses

    def join(self, space_group: Tensor, output: Tensor, target: Tensor, share: Tensor) -> Tensor:
        """One loss, of which parts of a batch add up, from the space group's and the tasks'.

        Fixed: the weighted sum. Uncertainty: sum over losses of exp(-s) L + s / 2 (exp(-s) L / 2 + s / 2 for squared
        errors), s = log sigma^2 learned: eqs. 5 to 10 of arXiv 1705.07115.

        Parameters
        ----------
        space_group, output, target : its loss, a scalar; of the tasks, float [B, T]
        share : float [B], of each sample in the batch; those of the whole batch sum to 1
        """
        terms = [(share * loss).sum() for loss in self.losses(output, target)]
        if self.log_variance is None:
            return space_group + sum(factor * term for factor, term in zip(self.weights, terms, strict=True))
        half = [0.5 if task not in (*CLASSES, *PRESENCES) else 1.0 for task in self.columns]
        s = self.log_variance
        terms = torch.stack([space_group, *(factor * term for factor, term in zip(half, terms, strict=True))])
        return ((-s).exp() * terms + share.sum() * s / 2).sum()

    def answers(self, output: Tensor) -> Tensor:
        """What outputs [B, T] say, in the units of tasks.targets: values, and probabilities of systems and elements."""
        answers = self.mean + output * torch.where(self.std.isinf(), 0, self.std)
        for task, columns in self.columns.items():
            if task in CLASSES:
                answers[:, columns] = output[:, columns].softmax(1)
            elif task in PRESENCES:
                answers[:, columns] = output[:, columns].sigmoid()
        return answers
