"""What a GAN's training says of itself: metrics, event files, a contact sheet; nothing of it acts on the training."""

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from cbedgan.gan.network.contract import Generator
from cbedgan.gan.reporting.contact_sheet import some_of_each, write_contact_sheet
from cbedgan.gan.reporting.event_log import EventLog
from cbedgan.gan.reporting.watch import Watch
from classifier.crystal.spacegroup import ClassMap, symbol
from classifier.foundation.config import Config
from classifier.foundation.run import Run
from classifier.pattern.intensity import IntensityTransform
from classifier.samples.dataset import StackSet


class ReportConfig(Config):
    """every_images: between reports; watch_stacks: real samples, and as many generated ones, that each compares (None:
    none; half of the places go to the groups in turn, so that rare ones are whole); sheet_samples: of a group in the
    contact sheet; fidelity_samples: largest number measured at the end."""

    every_images: Annotated[int, Field(ge=1)] = 10000
    watch_stacks: Annotated[int, Field(ge=8)] | None = None
    sheet_samples: int = 4
    fidelity_samples: int = 1500


class Reports:
    """Writes of one run; watch: measures the averaged generator, where the configuration asks for it."""

    def __init__(self, run: Run, sheet: "ContactSheet", watch: Watch | None, *, images_seen: int) -> None:
        run.rewind(images_seen)
        self.run, self.sheet, self.watch = run, sheet, watch
        self.events = EventLog(run.folder, images_seen=images_seen)

    def write(self, images_seen: int, means: dict[str, float], generator: Generator) -> None:
        """Write the means of the terms since the last report, if there are any, and how the averaged generator does."""
        if not means:
            return
        values = means | (self.watch.look(generator) if self.watch is not None else {})
        self.run.log(images_seen=images_seen, **values)
        # Not among the metrics, which are the same at every run of a training.
        spent = {"watch_share_of_time": self.watch.share_of_time} if self.watch is not None else {}
        self.events.write(images_seen, values | spent)
        self.sheet.write(images_seen, generator)


class ContactSheet:
    """Fixed real samples and latents of every group, drawn again at each report: what changes is the generator."""

    def __init__(self, path: Path, samples: StackSet, class_map: ClassMap, transform: IntensityTransform, *, count: int,
                 latent_dim: int, seed: int) -> None:
        """Choose `count` samples of each group of the map, and as many z of latent_dim, by the seed.

        Parameters
        ----------
        path : of the PNG
        samples : real ones, on the scale of `transform`
        class_map : of their labels
        transform : scale of real and generated samples
        count : of samples a group
        latent_dim : length of z
        seed : of the choice
        """
        self.transform, self.path = transform, path
        self.real = some_of_each(samples, class_map, transform, count, seed)
        self.class_idx = torch.arange(len(class_map)).repeat_interleave(count)
        self.z = torch.randn(len(self.class_idx), latent_dim, generator=torch.Generator().manual_seed(seed))
        self.labels = [f"{number} {symbol(number)}" for number in class_map.space_groups]

    def write(self, images_seen: int, generator: Generator) -> None:
        """Draw samples of the averaged generator beside the real ones."""
        x = generator.sample(self.z, self.class_idx).cpu()
        generated = self.transform.denormalise(x).reshape(self.real.shape)
        write_contact_sheet(self.path, self.real.numpy(), generated.numpy(), self.labels,
                            title=f"{images_seen} images seen")
