"""Early stopping on the validation part: when a training ends before its time, and which weights then leave it."""

import math
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from classifier.foundation.config import Config
from classifier.samples.dataset import StackSet
from classifier.statistics import metrics


class EarlyStopConfig(Config):
    """metric: of the validation part, taken at every report; patience_images: stacks that training goes on without a
    better value before it ends. The weights (averaged, where they are) of the best value leave it."""

    metric: Literal["balanced_accuracy", "loss"]
    patience_images: Annotated[int, Field(ge=1)]


class Best:
    """The best value so far (higher is better), the images seen by then, and the weights that gave it."""

    def __init__(self) -> None:
        self.value, self.images_seen = -math.inf, 0
        self.weights: dict[str, Tensor] = {}

    def offer(self, value: float, images_seen: int, network: nn.Module) -> None:
        """Keep a copy of the network's weights if its value is better than all before; NaN never is."""
        if value > self.value:
            self.value, self.images_seen = value, images_seen
            self.weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def patience_is_over(self, config: EarlyStopConfig, images_seen: int) -> bool:
        """Whether the last `patience_images` brought nothing better."""
        return images_seen - self.images_seen >= config.patience_images

    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        value = self.value if math.isfinite(self.value) else None
        return {"value": value, "images_seen": self.images_seen, "weights": self.weights}

    def load(self, parts: dict[str, Any], device: torch.device) -> None:
        """Go on from what `parts` gave."""
        self.value = -math.inf if parts["value"] is None else parts["value"]
        self.images_seen = parts["images_seen"]
        self.weights = {name: tensor.to(device) for name, tensor in parts["weights"].items()}


def validation_score(metric: str, logits: np.ndarray, samples: StackSet) -> float:
    """Value, the higher the better, of logits [N, K]: balanced accuracy, or minus the loss.

    The loss is -log softmax of the true group, averaged over the samples of a material, the materials of a group and
    the groups, as the balanced accuracy is.
    """
    truth, weight = samples.class_idx.cpu().numpy(), metrics.material_weights(samples.material)
    classes = logits.shape[1]
    if metric == "balanced_accuracy":
        return metrics.balanced_accuracy(metrics.confusion(truth, logits.argmax(axis=1), classes, weight))
    own = metrics.softmax(logits)[np.arange(len(truth)), truth]
    loss = -np.log(np.maximum(own, np.finfo(np.float64).tiny))
    materials = np.bincount(truth, weight, minlength=classes)
    present = materials > 0
    return -float((np.bincount(truth, weight * loss, minlength=classes)[present] / materials[present]).mean())
