"""All that changes in a training of the classifier, in memory and in its checkpoint."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.network.model import build_network
from classifier.network.stack_classifier import StackClassifier
from classifier.training.stopping import Best
from classifier.training.train_config import TrainClassifierConfig

TALLIES = ("skipped", "unreported", "loss_sum")


class State:
    """Network, averaged network, optimiser, counters, the loss since the report, and the best weights where asked for.

    skipped, unreported (steps), loss_sum: on the device, so that counting them makes nobody wait for it.
    """

    def __init__(self, config: TrainClassifierConfig, class_map: ClassMap, device: torch.device,
                 shape: tuple[int, ...]) -> None:
        """shape: [C, *spatial] of a sample."""
        torch.manual_seed(config.seed)
        model = build_network(config.model, shape, class_map)
        self.model = model.to(device)
        self.model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(_decaying(self.model), lr=config.learning_rate,
                                           weight_decay=config.weight_decay, fused=True)
        self.leaving = self.average if config.ema_half_life_images else self.model
        self.patience, self.best = config.early_stop, Best() if config.early_stop else None
        self.images_seen = 0
        self.drawn: dict[str, int] = {}  # of a source without end, see Endless
        self.skipped, self.unreported, self.loss_sum = torch.zeros(3, dtype=torch.float64, device=device)

    def update(self, *, learning_rate: float, average_weight: float, loss: Tensor, norm: Tensor) -> None:
        """Take the optimiser's step, or, where loss or gradient norm is not finite, leave all but the count as it is.

        Nothing waits for the device here.

        Parameters
        ----------
        learning_rate, average_weight : of this step, and by which the averaged network moves to the new weights
        loss, norm : of the batch and of its gradients, scalars
        """
        failed = ~torch.isfinite(loss + norm)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        # Read by the fused step, which then changes nothing.
        self.optimiser.found_inf = failed.float()  # pyright: ignore[reportAttributeAccessIssue]
        self.optimiser.step()
        if average_weight:
            average: list[Tensor] = list(self.average.parameters())
            weights: list[Tensor] = list(self.model.parameters())
            moved = torch.where(failed, 0.0, average_weight)
            with torch.no_grad():
                torch._foreach_lerp_(average, weights, [moved] * len(weights))  # pyright: ignore
        self.skipped = self.skipped + failed
        self.unreported = self.unreported + ~failed
        self.loss_sum = self.loss_sum + torch.where(failed, 0.0, loss.double())

    def skips(self) -> dict[str, int]:
        """Steps that were skipped; asking waits for the device."""
        return {"network": int(self.skipped)}

    def is_over(self) -> bool:
        """Whether early stopping has lost its patience."""
        return (self.best is not None and self.patience is not None
                and self.best.patience_is_over(self.patience, self.images_seen))

    def reported(self) -> None:
        """Begin to sum the loss anew."""
        self.unreported, self.loss_sum = torch.zeros_like(self.unreported), torch.zeros_like(self.loss_sum)

    def save(self, path: Path, header: dict[str, Any]) -> None:
        """Write everything a resumed training needs."""
        counters = {"images_seen": self.images_seen, **{name: getattr(self, name).item() for name in TALLIES},
                    **({"drawn": self.drawn} if self.drawn else {})}
        parts = {"model": self.model.state_dict(), "average": self.average.state_dict(),
                 "optimiser": self.optimiser.state_dict(), "counters": counters}
        if self.best is not None:
            parts["best"] = self.best.parts()
        save_checkpoint(path, kind="classifier-training", header=header, parts=parts)

    def load(self, path: Path, run: dict[str, Any] | None = None) -> None:
        """Go on from a checkpoint; one of another run than the record `run` is an InputError."""
        parts = load_checkpoint(path, kind="classifier-training", run=run).parts
        self.model.load_state_dict(parts["model"])
        self.average.load_state_dict(parts["average"])
        self.optimiser.load_state_dict(parts["optimiser"])
        for parameter, moments in self.optimiser.state.items():
            for name, moment in moments.items():
                if moment.shape == parameter.shape:
                    # The fused update walks through memory: moments must lie as their parameter does, channels last.
                    moments[name] = torch.empty_like(parameter).copy_(moment)
        if self.best is not None:
            self.best.load(parts["best"], self.loss_sum.device)
        self.images_seen, self.drawn = parts["counters"]["images_seen"], parts["counters"].get("drawn", {})
        for name in TALLIES:
            setattr(self, name, torch.full_like(self.loss_sum, parts["counters"][name]))


def _decaying(model: StackClassifier) -> list[dict[str, Any]]:
    """Parameters for the optimiser; learned log variances of losses are no weights, and do not decay."""
    free = [] if model.tasks is None or model.tasks.log_variance is None else [model.tasks.log_variance]
    rest = [parameter for parameter in model.parameters() if all(parameter is not one for one in free)]
    return [{"params": rest}, *([{"params": free, "weight_decay": 0.0}] if free else [])]
