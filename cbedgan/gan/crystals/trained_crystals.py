"""A trained generator of crystals as a file: networks, prior, instrument, and all that the discriminator is told."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from cbedgan.gan.crystals.crystal_config import CrystalNetworkConfig
from cbedgan.gan.crystals.instrument import Instrument
from cbedgan.gan.crystals.network.crystal_generator import CrystalGenerator
from cbedgan.gan.crystals.prior import PriorConfig
from cbedgan.gan.crystals.sight import Seen, discriminator_of
from cbedgan.gan.network.contract import SampleSpec
from cbedgan.gan.network.discriminator import Discriminator
from cbedgan.gan.network.generator import CRYSTALS
from cbedgan.simulate.cbed.simulate_config import SimulateConfig
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.checkpoint import load_checkpoint, save_checkpoint
from classifier.foundation.config import parse_config
from classifier.foundation.errors import reported
from classifier.pattern.geometry import Detector, ViewConfig
from classifier.samples.dataset import Frame


@dataclass(frozen=True, eq=False)
class TrainedCrystals:
    """The averaged generator and its discriminator; frame: of the stacks; digest: of the checkpoint, "" before saving.

    class_map: groups that the discriminator knows; crystals of any other group can be drawn, too, not chosen.
    """

    generator: CrystalGenerator
    discriminator: Discriminator
    network: CrystalNetworkConfig
    prior: PriorConfig
    instrument: Instrument
    seen: Seen
    class_map: ClassMap
    view: ViewConfig
    frame: Frame
    split_digest: str
    stack_digest: str
    provenance: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    def save(self, path: Path) -> str:
        """Write the checkpoint and return its digest."""
        parts = {"generator": self.generator.state_dict(), "discriminator": self.discriminator.state_dict(),
                 "network": self.network.model_dump(mode="json"), "prior": self.prior.model_dump(mode="json"),
                 "instrument": self.instrument.with_views.model_dump(mode="json"), "seen": self.seen.state(),
                 "space_groups": list(self.class_map.space_groups), "view": self.view.model_dump(),
                 "detector": asdict(self.frame.detector)}
        header = {"split_digest": self.split_digest, "stack_digest": self.stack_digest, "pose": self.frame.pose,
                  "intensity_unit": self.frame.intensity_unit, "provenance": self.provenance}
        return save_checkpoint(path, kind=CRYSTALS, parts=parts, header=header)


def load_crystals(path: Path, *, split_digest: str | tuple[str, ...] | None = None) -> TrainedCrystals:
    """Read a generator of crystals, on the CPU; one of another split than split_digest is an InputError."""
    checkpoint = load_checkpoint(path, kind=CRYSTALS, split_digest=split_digest)
    parts, header = checkpoint.parts, checkpoint.header
    with reported(path, rule="the checkpoint must hold a complete generator of crystals", remedy="Train it again."):
        network = parse_config(parts["network"], CrystalNetworkConfig, source=path)
        network = network.model_copy(update={"precision": "float32"})
        seen, view = Seen.from_state(parts["seen"]), ViewConfig(**parts["view"])
        frame = Frame(Detector(**parts["detector"]), header["pose"], header["intensity_unit"])
        class_map, size = ClassMap(tuple(parts["space_groups"])), frame.detector.size_pixels
        generator = CrystalGenerator(network.generator)
        spec = SampleSpec((3, size, size), class_map, view, seen.intensity)
        discriminator = discriminator_of(spec, network, torch.device("cpu"))
        for name, built in (("generator", generator), ("discriminator", discriminator)):
            built.load_state_dict(parts[name])
            built.eval().requires_grad_(False)
        return TrainedCrystals(
            generator, discriminator, network, parse_config(parts["prior"], PriorConfig, source=path),
            Instrument.stated(parse_config(parts["instrument"], SimulateConfig, source=path)), seen, class_map, view,
            frame, header["split_digest"], header["stack_digest"], header["provenance"], checkpoint.digest)
