"""What a GAN's training says of itself: metrics, event files, a contact sheet; nothing of it acts on the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cbedgan.gan.contact_sheet import write_contact_sheet
from cbedgan.gan.event_log import EventLog
from cbedgan.gan.state import State
from cbedgan.gan.train_config import TrainGanConfig
from cbedgan.gan.training_data import Data
from cbedgan.gan.watch import Watch
from classifier.crystal.spacegroup import symbol
from classifier.foundation.run import Run


class Reports:
    """Writes of one run; watch: measures the averaged generator, where the configuration asks for it."""

    def __init__(self, run: Run, sheet: ContactSheet, watch: Watch | None, *, images_seen: int) -> None:
        run.rewind(images_seen)
        self.run, self.sheet, self.watch = run, sheet, watch
        self.events = EventLog(run.folder, images_seen=images_seen)

    def write(self, state: State) -> None:
        """Write what has happened since the last report, if anything has; it waits for the device."""
        values = state.report()
        if not values:
            return
        values |= self.watch.look(state) if self.watch is not None else {}
        self.run.log(images_seen=state.images_seen, **values)
        # Not among the metrics, which are the same at every run of a training.
        spent = {"watch_share_of_time": self.watch.share_of_time} if self.watch is not None else {}
        self.events.write(state.images_seen, values | spent)
        self.sheet.write(state)

    def close(self) -> None:
        """Close the event files."""
        self.events.close()


class ContactSheet:
    """Fixed real samples and latents of every group, drawn again at each report: what changes is the generator."""

    def __init__(self, config: TrainGanConfig, data: Data, path: Path, *, latent_dim: int) -> None:
        self.transform, self.path, count = data.intensity, path, config.sheet_samples
        x, classes = data.samples.x, data.samples.class_idx.cpu().numpy()
        self.real = torch.full((len(data.class_map), count, *x.shape[1:]), torch.nan)
        random = np.random.default_rng(config.seed)
        for k in range(len(data.class_map)):
            rows = random.permutation(np.flatnonzero(classes == k))[:count]
            self.real[k, : len(rows)] = self.transform.denormalise(x[torch.from_numpy(rows).to(x.device)].cpu())
        self.class_idx = torch.arange(len(data.class_map)).repeat_interleave(count)
        self.z = torch.randn(len(self.class_idx), latent_dim, generator=torch.Generator().manual_seed(config.seed))
        self.labels = [f"{number} {symbol(number)}" for number in data.class_map.space_groups]

    def write(self, state: State) -> None:
        """Draw samples of the averaged generator beside the real ones."""
        x = state.sampler.sample(self.z, self.class_idx).cpu()
        generated = self.transform.denormalise(x).reshape(self.real.shape)
        write_contact_sheet(self.path, self.real.numpy(), generated.numpy(), self.labels,
                            title=f"{state.images_seen} images seen")
