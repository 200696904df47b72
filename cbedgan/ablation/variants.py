"""The variants of a generator's training, one complete file each, and the runs that they ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from cbedgan.ablation.runs import FIDELITY, GeneratorJob
from cbedgan.assessment.assess import AssessConfig
from cbedgan.assessment.crystal_drawer import CrystalDrawsConfig
from cbedgan.gan.crystals.crystal_config import TrainCrystalsConfig
from cbedgan.gan.train_config import TrainGanConfig
from classifier.foundation.config import Config, added, digest, load_configs


def _kind(train: Any) -> str:
    """Which training a table asks for, read from the kind of its generator."""
    content = train if isinstance(train, dict) else train.model_dump()
    network = content.get("network")
    generator = network.get("generator") if isinstance(network, dict) else None
    return "crystals" if isinstance(generator, dict) and generator.get("kind") == "crystals" else "painted"


Training = Annotated[Annotated[TrainCrystalsConfig, Tag("crystals")] | Annotated[TrainGanConfig, Tag("painted")],
                     Discriminator(_kind)]


class VariantConfig(Config):
    """label: in tables; changes: what differs from the recipe; train: the complete training, in which a run sets
    `seed`; crystals: of a generator of crystals, what is drawn when it is assessed."""

    label: str
    changes: str
    train: Training
    crystals: CrystalDrawsConfig | None = added(None)


@dataclass(frozen=True)
class AblationRuns:
    """jobs: what has to be run, equal trainings once; folders: {variant: folder of the assessment of each seed}."""

    jobs: list[GeneratorJob]
    folders: dict[str, list[Path]]


def load_variants(folder: Path) -> dict[str, VariantConfig]:
    """Read every *.toml of the folder: {file name without its ending: variant}, in the order of names."""
    return load_configs(folder, VariantConfig, kind="variants", like="configs/gan")


def plan_runs(variants: Mapping[str, VariantConfig], seeds: Iterable[int], assessment: AssessConfig, *, stacks: Path,
              split: Path, classifier: Path | None, out: Path) -> AblationRuns:
    """List the runs, seed by seed; each is named by what decides it, so that it outlasts its variant.

    Variants that differ in what is drawn alone share a training.

    Parameters
    ----------
    variants, seeds : of the ablation
    assessment : of every generator, but for what it draws
    stacks, split, classifier : files
    out : folder of all runs
    """
    jobs: dict[Path, GeneratorJob] = {}
    assessments: dict[Path, dict[Path, AssessConfig]] = {}
    folders: dict[str, list[Path]] = {name: [] for name in variants}
    for seed in seeds:
        for name, variant in variants.items():
            config = variant.train.model_copy(update={"seed": seed})
            folder = out / "trainings" / f"{digest(config)[:12]}-seed{seed}"
            own = assessment.model_copy(update={"crystals": variant.crystals or assessment.crystals})
            fidelity = folder / (FIDELITY if own == assessment else f"{FIDELITY}-{digest(own)[:8]}")
            assessments.setdefault(folder, {})[fidelity] = own
            jobs.setdefault(folder, GeneratorJob(name, seed, config, assessments[folder], stacks, split, classifier,
                                                 folder, out / "cache"))
            folders[name].append(fidelity)
    return AblationRuns(list(jobs.values()), folders)
