"""A generator of crystals to assess: what of its training acts in each arm, and files of the stacks that it draws."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from cbedgan.assessment.subject import AssessedArm, Subject
from cbedgan.gan.crystals.draw import ArmConfig
from cbedgan.gan.crystals.sample_crystals import SampleCrystalsConfig, sample_crystals
from cbedgan.gan.crystals.trained_crystals import TrainedCrystals
from classifier.foundation.config import Config
from classifier.samples.stackfile import StackFile

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
ASSESSED = "drawn"  # file of what the assessed arm draws


class CrystalDrawsConfig(Config):
    """arm: what of the training acts; beside: other arms, by name, measured alike and shown beside it, such as the
    prior itself; workers: processes that draw; real: stacks as the set has them, or rendered as the generated ones."""

    arm: ArmConfig = ArmConfig()
    beside: dict[Name, ArmConfig] = {}
    workers: Annotated[int, Field(ge=1)] = 1
    real: Literal["stored", "rendered"] = "stored"


def crystal_drawer(config: CrystalDrawsConfig, trained: TrainedCrystals, seed: int, *, generator: Path, out: Path,
                   mantissa_bits: int) -> Subject:
    """What draws crystals; a file of each arm is kept in `out`, and a killed drawing goes on.

    Parameters
    ----------
    config : arms and processes
    trained : the generator
    seed : of what is drawn
    generator : its checkpoint
    out : folder
    mantissa_bits : as the real stacks have them, so that rounding tells nothing
    """
    def arm(of: ArmConfig, path: Path) -> AssessedArm:
        def generate(class_idx: Int[Tensor, " M"]) -> Float[Tensor, "M 3 S S"]:
            count = torch.bincount(class_idx, minlength=len(trained.class_map))
            counts = {trained.class_map.space_group(k): n for k, n in enumerate(count.tolist()) if n}
            sample_crystals(SampleCrystalsConfig(seed=seed, counts=counts, mantissa_bits=mantissa_bits, arm=of),
                            generator=generator, out=path, workers=config.workers, views=False)
            with StackFile(path) as file:
                stacks = torch.from_numpy(file.read(range(len(file))))
            # The file has the groups in the order of their numbers, as the class map.
            x = torch.empty_like(stacks)
            x[class_idx.argsort(stable=True)] = trained.seen.intensity.normalise(stacks)
            return x
        return AssessedArm(generate, path)

    return Subject(trained.class_map, trained.view, trained.frame, trained.seen.intensity, trained.digest,
                   arm(config.arm, out / f"{ASSESSED}.h5"),
                   {name: arm(of, out / "beside" / f"{name}.h5") for name, of in sorted(config.beside.items())})
