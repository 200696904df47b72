"""What decides a training of the classifier, and the learning rate that follows from it."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from classifier.diffractometer.copies import PdfCopies, XrdCopies
from classifier.foundation.config import Config, added
from classifier.foundation.errors import InputError
from classifier.foundation.registry import Kinds
from classifier.network.model import AnyNetwork, ModelConfig
from classifier.pattern.augment import AnyAugmentation, AugmentConfig
from classifier.pattern.condition import Condition
from classifier.pattern.geometry import ViewConfig
from classifier.pattern.intensity import IntensityConfig
from classifier.pattern.measurement import MeasuredCopies, MeasurementConfig
from classifier.statistics.calibration_choice import CalibrationConfig
from classifier.training.losses import AnyLoss, CrossEntropy
from classifier.training.sampling import AnySampler, PowerSampler, Sampler
from classifier.training.stopping import EarlyStopConfig

AnyMeasurement = Annotated[MeasuredCopies, Kinds(MeasurementConfig, XrdCopies, PdfCopies)]


class TrainClassifierConfig(Config):
    """Everything that decides a training; arms of a comparison differ only in whether an added source is given."""

    seed: int = 0
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"  # of the body's products; bf16 keeps weights, head and loss in float32
    view: ViewConfig = added(ViewConfig())  # without keys: samples whole, as they are
    intensity: IntensityConfig = IntensityConfig()
    augment: AnyAugmentation = AugmentConfig()
    model: AnyNetwork = ModelConfig()
    loss: AnyLoss = CrossEntropy(kind="cross_entropy")
    measurement: AnyMeasurement | None = added(None)  # of which every step draws new copies; None: none
    ideal_share: Annotated[float, Field(ge=0, lt=1)] = added(0.0)  # of the stacks seen: not measured, as they are
    copies: Annotated[int, Field(ge=1, le=64)] = added(8)  # measured ones of a stack, whose fixed features are kept
    judged_under: tuple[Condition, ...] = added(())  # conditions that are predicted and scored as well
    mixup_alpha: Annotated[float, Field(ge=0)] = added(0.0)  # of the Beta distribution of its shares; 0: no mixup
    images: int  # samples seen in all, whatever their origin and however many processes share them
    batch: int = 64
    micro_batch: Annotated[int, Field(ge=1)] | None = added(None)  # in the network at once; None: all of a process
    learning_rate: float = 2e-3  # its peak, reached after warmup_images and falling to zero along a cosine
    warmup_images: int = 2048
    weight_decay: float = 0.5
    gradient_clip: float = 5.0
    ema_half_life_images: int = 2000  # of the averaged weights that leave training; 0: the last weights
    early_stop: EarlyStopConfig | None = added(None)  # None: nothing is selected on any held-out part
    sampling_power: float = 1.0  # p(class) ~ (training materials)^power
    sampling: AnySampler | None = added(None)  # in place of sampling_power
    synthetic_share: float = 0.25  # of each batch, taken from the added source
    # Share of the images after which no batch has any: real samples last (SYNAuG, arXiv 2308.00994).
    synthetic_until: Annotated[float, Field(gt=0, le=1)] = added(1.0)
    synthetic_weight: float = 0.5  # of its samples in the loss
    calibration: CalibrationConfig = added(CalibrationConfig())  # of the probabilities, after the training
    notice_mixed_up: bool = added(False)  # whether trust learns to notice patterns of different crystals
    max_skipped_share: float = 0.01  # of steps, skipped because loss or gradient is not finite
    report_every_images: int = 8192
    checkpoint_every_images: int = 16384

    @property
    def sampler(self) -> Sampler:
        """Which samples a batch holds."""
        return self.sampling or PowerSampler(power=self.sampling_power)

    def added_share(self, images_seen: int) -> float:
        """Share of an added file in the batch drawn for images_seen."""
        real_last = self.synthetic_until < 1 and images_seen >= self.synthetic_until * self.images
        return 0.0 if real_last else self.synthetic_share

    @model_validator(mode="after")
    def _mixed_samples_have_no_cell(self) -> "TrainClassifierConfig":
        """Refuse mixup where a sample's pose or cell is needed: between two crystals there is no third."""
        if self.mixup_alpha and (self.model.pose_input or self.model.tasks is not None):
            raise InputError(source="mixup_alpha", rule="must be 0 with model.pose_input or model.tasks",
                             value=self.mixup_alpha, remedy="Leave mixup, or pose input and tasks, out.")
        return self


def learning_rate(config: TrainClassifierConfig, images_seen: int) -> float:
    """Linear warm-up to config.learning_rate, then a cosine to zero at config.images."""
    if images_seen < config.warmup_images:
        return config.learning_rate * (images_seen + config.batch) / (config.warmup_images + config.batch)
    share = (images_seen - config.warmup_images) / max(1, config.images - config.warmup_images)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
